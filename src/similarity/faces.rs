//! What the pairs of each face came to at a few thresholds: errors by person, by picture quality and by any column of the
//! metadata are sums over these.

use serde::{Deserialize, Serialize};

use super::PairKind;

/// Errors of each face at the watched thresholds. A pair counts for both of its faces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FaceErrors {
    /// Compared same-identity pairs, by row of the matrix; 0 for faces without identity.
    pub genuine: Vec<u32>,
    /// Compared different-identity pairs, by row.
    pub impostor: Vec<u32>,
    /// Same-identity pairs below the threshold, by watched threshold and row.
    pub misses: Vec<Vec<u32>>,
    /// Different-identity pairs at or above the threshold, by watched threshold and row.
    pub false_matches: Vec<Vec<u32>>,
}

impl FaceErrors {
    /// Nothing compared yet.
    #[must_use]
    pub fn new(rows: usize, thresholds: usize) -> Self {
        let by_threshold = vec![vec![0; rows]; thresholds];
        Self {
            genuine: vec![0; rows],
            impostor: vec![0; rows],
            misses: by_threshold.clone(),
            false_matches: by_threshold,
        }
    }

    /// Adds a pair. `thresholds` are ascending and as many as this was made for.
    pub fn add(&mut self, kind: PairKind, rows: [u32; 2], cosine: f32, thresholds: &[f32]) {
        match kind {
            PairKind::Genuine => {
                let above = thresholds.partition_point(|&threshold| cosine >= threshold);
                for row in rows.map(|row| row as usize) {
                    self.genuine[row] += 1;
                    self.misses[above..].iter_mut().for_each(|misses| misses[row] += 1);
                }
            }
            PairKind::Impostor => {
                for row in rows {
                    self.impostor[row as usize] += 1;
                }
                self.add_false_match(rows, cosine, thresholds);
            }
        }
    }

    /// Adds the errors of a different-identity pair, and does not count it.
    pub fn add_false_match(&mut self, rows: [u32; 2], cosine: f32, thresholds: &[f32]) {
        let above = thresholds.partition_point(|&threshold| cosine >= threshold);
        for matches in &mut self.false_matches[..above] {
            for row in rows {
                matches[row as usize] += 1;
            }
        }
    }

    /// Adds what another has counted over as many rows and thresholds.
    pub fn merge(&mut self, other: &Self) {
        fn sum(mine: &mut [u32], theirs: &[u32]) {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
        sum(&mut self.genuine, &other.genuine);
        sum(&mut self.impostor, &other.impostor);
        let tables = [(&mut self.misses, &other.misses), (&mut self.false_matches, &other.false_matches)];
        for (mine, theirs) in tables {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| sum(mine, theirs));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_counts_for_both_faces_at_each_threshold_it_is_wrong_at() {
        let mut errors = FaceErrors::new(3, 2);
        errors.add(PairKind::Genuine, [0, 1], 0.4, &[0.3, 0.5]);
        errors.add(PairKind::Impostor, [1, 2], 0.5, &[0.3, 0.5]);
        errors.add(PairKind::Impostor, [0, 2], 0.4, &[0.3, 0.5]);
        assert_eq!((&errors.genuine[..], &errors.impostor[..]), (&[1, 1, 0][..], &[1, 1, 2][..]));
        assert_eq!(errors.misses, [[0, 0, 0], [1, 1, 0]]);
        assert_eq!(errors.false_matches, [[1, 1, 2], [0, 1, 1]], "a cosine on the threshold matches");
        let mut twice = errors.clone();
        twice.merge(&errors);
        assert_eq!(twice.false_matches, [[2, 2, 4], [0, 2, 2]]);
    }
}
