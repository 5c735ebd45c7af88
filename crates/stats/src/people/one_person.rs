//! Pairs of identities that may be one person under two names, with the two faces to open.
//!
//! The candidates are the identities whose faces match on average, those of the hardest impostor pairs, and those that
//! share a picture. The last two are needed because the mean hides a single shared photo among others, and because pairs
//! of one picture are not compared. Candidates are ranked by the highest cosine between a face of one and a face of the
//! other: that pair of faces is the quickest to judge.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::Evidence;
use crate::similarity::PairKind;
use crate::similarity::kernel::Rows;
use crate::similarity::product::PackedRows;
use facevault_base::progress::Cancel;

/// Candidates by mean cosine at most, and by shared pictures at most.
pub const FIRST_BY_MEAN: usize = 100;

/// Pairs of faces compared for one pair of identities at most. Beyond it, evenly spaced faces stand for the others.
pub const MOST_COMPARED: u64 = 1_000_000;

/// Faces of the smaller identity that are compared where there are too many pairs.
const SIDE: usize = 1_000;

/// Two identities that may be one person under two names: a line of `identity_pairs.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OnePerson {
    /// The first as a string.
    pub identity_a: String,
    /// The other.
    pub identity_b: String,
    /// Mean cosine between their faces: over all pairs of a face of one and a face of the other.
    pub mean_cosine: f32,
    /// Highest cosine between their faces. `None` in the files of an earlier version.
    #[serde(default)]
    pub highest_cosine: Option<f32>,
    /// The face of `identity_a` in the most alike pair; empty in the files of an earlier version.
    #[serde(default)]
    pub face_a: String,
    /// The face of `identity_b` in the most alike pair.
    #[serde(default)]
    pub face_b: String,
    /// Faces of each.
    pub faces: [u64; 2],
}

impl OnePerson {
    /// Whether there are more than [`MOST_COMPARED`] pairs of faces, so that the highest cosine is that of a selection.
    #[must_use]
    pub fn selected(&self) -> bool {
        self.faces[0].saturating_mul(self.faces[1]) > MOST_COMPARED
    }
}

/// Two identities and the mean cosine between their faces.
type Alike = (usize, usize, f32);

/// Two identities, the first < the second.
type Identities = (usize, usize);

/// A face of each of two identities, by row.
type Faces = (u32, u32);

/// How many pairs of identities match on average, and the pairs to look at. `None` when cancelled.
pub(super) fn one_person(evidence: &Evidence<'_>, cancel: &Cancel) -> Option<(u64, Vec<OnePerson>)> {
    let Evidence { rows, population, faces, threshold, .. } = *evidence;
    let means = means(evidence);
    let (twice, by_mean) = matching_means(&means, rows.dimension, threshold, cancel)?;
    let known = known_pairs(evidence);
    let mut candidates: BTreeMap<Identities, f32> = by_mean.into_iter().map(|(a, b, mean)| ((a, b), mean)).collect();
    let mean = |identity: usize| &means[identity * rows.dimension..][..rows.dimension];
    for &(a, b) in known.keys() {
        // The same bits as in a product of many.
        let product = || {
            let mut found = 0.0;
            PackedRows::new(mean(b), rows.dimension).products(&[mean(a)], |_, _, product| found = product);
            found
        };
        candidates.entry((a, b)).or_insert_with(product);
    }
    let candidates: Vec<(Identities, f32)> = candidates.into_iter().collect();
    let mut found: Vec<(Identities, OnePerson)> = candidates
        .into_par_iter()
        .map(|((a, b), mean)| {
            if cancel.requested() {
                return None;
            }
            let of = |identity: usize| population.identities[identity].clone();
            let (highest, (face_a, face_b)) = closest(evidence, [of(a), of(b)], known.get(&(a, b)).copied());
            let face = |row: u32| faces[row as usize].face_id.to_owned();
            let pair = OnePerson {
                identity_a: population.names[a].into(),
                identity_b: population.names[b].into(),
                mean_cosine: mean.clamp(-1.0, 1.0),
                highest_cosine: Some(highest),
                face_a: face(face_a),
                face_b: face(face_b),
                faces: [a, b].map(|identity| of(identity).len() as u64),
            };
            Some(((a, b), pair))
        })
        .collect::<Option<_>>()?;
    let key = |pair: &OnePerson| (pair.highest_cosine.unwrap_or(-1.0), pair.mean_cosine);
    found.sort_by(|(a_is, a), (b_is, b)| {
        let ((a_highest, a_mean), (b_highest, b_mean)) = (key(a), key(b));
        b_highest.total_cmp(&a_highest).then(b_mean.total_cmp(&a_mean)).then(a_is.cmp(b_is))
    });
    Some((twice, found.into_iter().map(|(_, pair)| pair).collect()))
}

/// The mean of each identity's rows: the product of two means is the mean of all products between them.
fn means(evidence: &Evidence<'_>) -> Vec<f32> {
    let Evidence { rows, population, .. } = *evidence;
    let mean = |faces: &Range<usize>| {
        let sum = rows.sum(population.members[faces.clone()].iter().map(|face| face.row));
        sum.into_iter().map(|sum| (sum / faces.len() as f64) as f32).collect::<Vec<f32>>()
    };
    population.identities.par_iter().flat_map_iter(mean).collect()
}

/// How many pairs of means reach the threshold, and the first of them.
fn matching_means(means: &[f32], dimension: usize, threshold: f64, cancel: &Cancel) -> Option<(u64, Vec<Alike>)> {
    const BLOCK: usize = 64;
    let packed = PackedRows::new(means, dimension);
    let order = |a: &Alike, b: &Alike| b.2.total_cmp(&a.2).then_with(|| (a.0, a.1).cmp(&(b.0, b.1)));
    let best = |mut pairs: Vec<Alike>| {
        pairs.sort_by(order);
        pairs.truncate(FIRST_BY_MEAN);
        pairs
    };
    let found: Vec<(u64, Vec<Alike>)> = means
        .par_chunks(BLOCK * dimension)
        .enumerate()
        .map(|(block, chunk)| {
            let left: Vec<&[f32]> = chunk.chunks_exact(dimension).collect();
            let mut pairs = Vec::new();
            packed.products(&left, |i, b, cosine| {
                let a = block * BLOCK + i;
                if a < b && f64::from(cosine) >= threshold {
                    pairs.push((a, b, cosine));
                }
            });
            (!cancel.requested()).then(|| (pairs.len() as u64, best(pairs)))
        })
        .collect::<Option<_>>()?;
    let twice = found.iter().map(|(pairs, _)| pairs).sum();
    Some((twice, best(found.into_iter().flat_map(|(_, pairs)| pairs).collect())))
}

/// Identities that share a picture, and those of the hardest impostor pairs that match: with the faces of the pair.
fn known_pairs(evidence: &Evidence<'_>) -> BTreeMap<Identities, Faces> {
    let Evidence { population, hardest, threshold, .. } = *evidence;
    let mut known = BTreeMap::new();
    // Linking each identity of a picture with the first is enough to find them all, and a placeholder that thousands of
    // identities share does not give millions of pairs.
    for positions in population.exclusions.repeated_pictures() {
        let first = &population.members[positions[0] as usize];
        for &position in &positions[1..] {
            let other = &population.members[position as usize];
            if other.identity != first.identity && known.len() < FIRST_BY_MEAN {
                let ((a, row_a), (b, row_b)) =
                    ordered((first.identity as usize, first.row), (other.identity as usize, other.row));
                known.entry((a, b)).or_insert((row_a, row_b));
            }
        }
    }
    let wrong = hardest.iter().filter(|pair| pair.kind == PairKind::Impostor && f64::from(pair.cosine) >= threshold);
    for pair in wrong {
        let identity = |name: &str| population.names.binary_search(&name).ok();
        if let Some((a, b)) = identity(&pair.identity_a).zip(identity(&pair.identity_b)) {
            let ((a, row_a), (b, row_b)) = ordered((a, pair.row_a), (b, pair.row_b));
            known.entry((a, b)).or_insert((row_a, row_b));
        }
    }
    known
}

/// Two identities, each with a face, in the order of their names.
fn ordered(one: (usize, u32), other: (usize, u32)) -> ((usize, u32), (usize, u32)) {
    if one.0 <= other.0 { (one, other) } else { (other, one) }
}

/// The highest cosine between the faces of two identities, and the first pair that has it. `known` is compared in any
/// case.
fn closest(evidence: &Evidence<'_>, identities: [Range<usize>; 2], known: Option<Faces>) -> (f32, Faces) {
    let Evidence { rows, population, .. } = *evidence;
    let chosen = identities.map(|faces| population.members[faces].iter().map(|face| face.row).collect::<Vec<u32>>());
    let [a, b] = chosen_faces(chosen, known);
    // The fewer are packed: at most some megabytes.
    let swapped = a.len() < b.len();
    let (left, right) = if swapped { (&b, &a) } else { (&a, &b) };
    let mut best = (f32::NEG_INFINITY, (u32::MAX, u32::MAX));
    products(rows, left, right, |i, j, cosine| {
        let faces = if swapped { (right[j], left[i]) } else { (left[i], right[j]) };
        let cosine = cosine.clamp(-1.0, 1.0);
        if cosine > best.0 || (cosine == best.0 && faces < best.1) {
            best = (cosine, faces);
        }
    });
    best
}

/// Calls `visit` with two places and the cosine of their rows.
fn products(rows: Rows<'_>, left: &[u32], right: &[u32], visit: impl FnMut(usize, usize, f32)) {
    let packed: Vec<f32> = right.iter().flat_map(|&row| rows.row(row)).copied().collect();
    let left: Vec<&[f32]> = left.iter().map(|&row| rows.row(row)).collect();
    PackedRows::new(&packed, rows.dimension).products(&left, visit);
}

/// The faces of two identities that are compared: all, or evenly spaced ones of about [`MOST_COMPARED`] pairs, and the
/// known pair.
fn chosen_faces(faces: [Vec<u32>; 2], known: Option<Faces>) -> [Vec<u32>; 2] {
    let lengths = [faces[0].len(), faces[1].len()];
    if (lengths[0] as u64).saturating_mul(lengths[1] as u64) <= MOST_COMPARED {
        return faces;
    }
    let fewer = lengths[0].min(lengths[1]).min(SIDE);
    let more = MOST_COMPARED as usize / fewer;
    let smaller = usize::from(lengths[1] < lengths[0]);
    let known = known.map(|(a, b)| [a, b]);
    let mut chosen = [0, 1].map(|side| {
        let (all, most) = (&faces[side], if side == smaller { fewer } else { more });
        let kept = all.len().min(most);
        (0..kept).map(|i| all[i * all.len() / kept]).collect::<Vec<u32>>()
    });
    for (side, known) in known.into_iter().flatten().enumerate() {
        if !chosen[side].contains(&known) {
            chosen[side].push(known);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::Population;
    use crate::testing::{faces, unit_rows};

    #[test]
    fn few_pairs_are_all_compared_and_many_within_bounds() {
        let rows = |count: u32, first: u32| (first..first + count).collect::<Vec<u32>>();
        let all = [rows(1_000, 0), rows(1_000, 5_000)];
        assert_eq!(chosen_faces(all.clone(), Some((3, 5_003))), all);
        let most = MOST_COMPARED as usize;
        for (a, b) in [(1_000, 1_001), (100_000, 100_000), (100_000, 3), (1, 2_000_000), (4_000, 900)] {
            let (last_a, last_b) = (a - 1, 5_000_000 + b - 1);
            let [chosen_a, chosen_b] = chosen_faces([rows(a, 0), rows(b, 5_000_000)], Some((last_a, last_b)));
            assert!(chosen_a.contains(&last_a) && chosen_b.contains(&last_b), "the known pair is compared: {a}, {b}");
            let compared = (chosen_a.len() - 1) * (chosen_b.len() - 1);
            assert!(compared <= most && chosen_a.len().min(chosen_b.len()) <= SIDE + 1, "{a}, {b}: {compared}");
            let pairs = (chosen_a.len() * chosen_b.len()).min(a as usize * b as usize);
            assert!(pairs * 10 > most * 8 || pairs == a as usize * b as usize, "{a}, {b}: only {pairs}");
            for (chosen, all) in [(chosen_a, a), (chosen_b, b)] {
                let mut once = chosen.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), chosen.len(), "each face once");
                assert!(chosen[chosen.len() / 2] % 5_000_000 >= all / 4, "from everywhere");
            }
        }
    }

    #[test]
    fn large_identities_are_compared_by_some_of_their_faces_and_the_known_pair() {
        const FACES: usize = 1_500;
        let mut data = unit_rows(2 * FACES, 8, 1);
        // The last face of both is the same: no evenly spaced face.
        data.copy_within((FACES - 1) * 8..FACES * 8, (2 * FACES - 1) * 8);
        let names: Vec<String> = (0..2 * FACES).map(|i| format!("{i:05}")).collect();
        let faces = faces(&names, |i| i / FACES, |i| i);
        let population = Population::new(&faces, 1);
        let rows = Rows { data: &data, dimension: 8 };
        let evidence = Evidence {
            rows,
            population: &population,
            faces: &faces,
            placed: &[],
            hardest: &[],
            threshold: 0.5,
            margin: 0.1,
        };
        let of = || [population.identities[0].clone(), population.identities[1].clone()];
        let last = (FACES as u32 - 1, 2 * FACES as u32 - 1);
        let (highest, faces) = closest(&evidence, of(), Some(last));
        assert_eq!(faces, last);
        assert!(highest > 0.999_99);
        assert!(closest(&evidence, of(), None).0 < highest, "nothing pointed to it");
    }
}
