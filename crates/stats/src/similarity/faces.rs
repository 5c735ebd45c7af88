//! Errors of each face's pairs at a few thresholds. Errors by person, by picture quality and by any column of the metadata
//! are sums over these.
//!
//! The operating threshold is known only after all pairs are compared, so the pairs between two thresholds that enclose
//! it are kept one by one and counted at the end.

use serde::{Deserialize, Serialize};

use super::PairKind;

/// Errors of each face at the watched thresholds. A pair counts for both of its faces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FaceErrors {
    /// Compared genuine pairs, by row of the matrix; 0 for faces without identity.
    pub genuine: Vec<u32>,
    /// Compared impostor pairs, by row.
    pub impostor: Vec<u32>,
    /// Genuine pairs below the threshold, by watched threshold and row.
    pub misses: Vec<Vec<u32>>,
    /// Impostor pairs at or above the threshold, by watched threshold and row.
    pub false_matches: Vec<Vec<u32>>,
    /// Pairs between the last two watched thresholds.
    pub between: Vec<Between>,
}

/// A pair between the last two watched thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Between {
    /// Its faces.
    pub rows: [u32; 2],
    /// Whether both have the same identity.
    pub genuine: bool,
    /// The bits of its cosine.
    pub cosine: u32,
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
            between: Vec::new(),
        }
    }

    /// The same errors at `threshold` alone. `None` if it is not between the last two of the `watched` thresholds,
    /// where the errors are known.
    #[must_use]
    pub fn at(mut self, threshold: f32, watched: &[f32]) -> Option<Self> {
        let &[.., low, high] = watched else { return None };
        if !(low..=high).contains(&threshold) {
            return None;
        }
        let mut matches = self.false_matches.pop()?;
        self.misses.pop();
        let mut misses = self.misses.pop()?;
        for pair in &self.between {
            let (cosine, rows) = (f32::from_bits(pair.cosine), pair.rows.map(|row| row as usize));
            match (pair.genuine, cosine >= threshold) {
                (true, false) => rows.into_iter().for_each(|row| misses[row] += 1),
                (false, true) => rows.into_iter().for_each(|row| matches[row] += 1),
                _ => (),
            }
        }
        Some(Self { misses: vec![misses], false_matches: vec![matches], between: Vec::new(), ..self })
    }

    /// Keeps a pair that lies between the last two thresholds.
    fn keep(&mut self, genuine: bool, rows: [u32; 2], cosine: f32, thresholds: &[f32]) {
        if let &[.., low, high] = thresholds
            && (low..high).contains(&cosine)
        {
            self.between.push(Between { rows, genuine, cosine: cosine.to_bits() });
        }
    }

    /// Adds a pair. `thresholds` are ascending, as many as the counts were created for.
    pub fn add(&mut self, kind: PairKind, rows: [u32; 2], cosine: f32, thresholds: &[f32]) {
        match kind {
            PairKind::Genuine => {
                let above = thresholds.partition_point(|&threshold| cosine >= threshold);
                for row in rows.map(|row| row as usize) {
                    self.genuine[row] += 1;
                    self.misses[above..].iter_mut().for_each(|misses| misses[row] += 1);
                }
                self.keep(true, rows, cosine, thresholds);
            }
            PairKind::Impostor => {
                for row in rows {
                    self.impostor[row as usize] += 1;
                }
                self.add_false_match(rows, cosine, thresholds);
            }
        }
    }

    /// Adds the errors of an impostor pair without counting the pair.
    pub fn add_false_match(&mut self, rows: [u32; 2], cosine: f32, thresholds: &[f32]) {
        let above = thresholds.partition_point(|&threshold| cosine >= threshold);
        for matches in &mut self.false_matches[..above] {
            for row in rows {
                matches[row as usize] += 1;
            }
        }
        self.keep(false, rows, cosine, thresholds);
    }

    /// Adds the counts of another with the same numbers of rows and thresholds.
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
        self.between.extend_from_slice(&other.between);
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

    #[test]
    fn at_a_threshold_between_two_they_are_what_they_would_be_had_it_been_watched() {
        let cosines = [0.0, 0.2, 0.299_999, 0.3, 0.35, 0.4, 0.5, 0.500_001, 0.9];
        let all = |watched: &[f32]| {
            let mut errors = FaceErrors::new(4, watched.len());
            for (i, cosine) in cosines.into_iter().enumerate() {
                let rows = [i as u32 % 3, 3];
                errors.add(PairKind::Genuine, rows, cosine, watched);
                errors.add(PairKind::Impostor, rows, cosine, watched);
            }
            errors
        };
        let watched = [0.1, 0.3, 0.5];
        for threshold in [0.3, 0.349, 0.35, 0.4, 0.499, 0.5] {
            let found = all(&watched).at(threshold, &watched).unwrap();
            assert_eq!(found, all(&[threshold]), "{threshold}");
        }
        for outside in [0.2, 0.299, 0.501, f32::NAN] {
            assert_eq!(all(&watched).at(outside, &watched), None, "{outside}");
        }
        assert_eq!(all(&[0.3, 0.3]).at(0.3, &[0.3, 0.3]).unwrap(), all(&[0.3]));
    }
}
