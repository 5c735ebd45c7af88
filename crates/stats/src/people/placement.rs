//! Where each labelled face lies among the identities' centroids: how close to its own, with itself held out, and to the
//! closest other. One pass over faces and centroids; memory grows with faces, not with faces × identities.

use rayon::prelude::*;

use crate::similarity::Population;
use crate::similarity::kernel::Rows;
use crate::similarity::member::Member;
use crate::similarity::product::PackedRows;
use facevault_base::progress::Cancel;
use facevault_kernels::products::LEFT;

/// Faces of one piece of work.
const BLOCK: usize = 2 * LEFT;
/// Rows whose mean is shorter cancel out: they have no direction.
const SHORTEST: f64 = 1e-6;

/// One labelled face among the centroids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Cosine to the centroid of its identity's other faces, those of the same photo or picture left out as well. `None`
    /// when there are no others.
    pub own: Option<f32>,
    /// The closest centroid of another identity (the first as a string among equals) and the cosine to it. `None` when
    /// there is no other identity.
    pub other: Option<(u32, f32)>,
}

impl Placement {
    /// Whether a search among all centroids finds the face's own first. `None` when it has none to be found.
    #[must_use]
    pub fn first(&self) -> Option<bool> {
        self.own.map(|own| self.other.is_none_or(|(_, other)| own > other))
    }
}

/// Places every labelled face, by position. `centroids` has a unit row for each identity of the population. `None` when
/// cancelled.
#[must_use]
pub fn place(
    rows: Rows<'_>,
    population: &Population<'_>,
    centroids: &[f32],
    cancel: &Cancel,
) -> Option<Vec<Placement>> {
    let members = &population.members;
    let packed = PackedRows::new(centroids, rows.dimension);
    let others: Vec<Vec<Option<(u32, f32)>>> = members
        .par_chunks(BLOCK)
        .map(|faces| (!cancel.requested()).then(|| closest(rows, faces, &packed)))
        .collect::<Option<_>>()?;
    let twins = population.available.same_image + population.available.same_content > 0;
    let own: Vec<Vec<Option<f32>>> =
        population.identities.par_iter().map(|faces| held_out(rows, &members[faces.clone()], twins)).collect();
    let mut placed: Vec<Placement> = others.concat().into_iter().map(|other| Placement { own: None, other }).collect();
    for (faces, own) in population.identities.iter().zip(own) {
        placed[faces.clone()].iter_mut().zip(own).for_each(|(face, own)| face.own = own);
    }
    Some(placed)
}

fn closest(rows: Rows<'_>, faces: &[Member], centroids: &PackedRows) -> Vec<Option<(u32, f32)>> {
    let left: Vec<&[f32]> = faces.iter().map(|face| rows.row(face.row)).collect();
    let mut best: Vec<Option<(u32, f32)>> = vec![None; faces.len()];
    centroids.products(&left, |face, identity, cosine| {
        let (cosine, identity) = (cosine.clamp(-1.0, 1.0), identity as u32);
        if identity != faces[face].identity && best[face].is_none_or(|(_, highest)| cosine > highest) {
            best[face] = Some((identity, cosine));
        }
    });
    best
}

/// The faces of one identity, each to the rest. `twins`: some faces of the run are of one photo or one picture.
fn held_out(rows: Rows<'_>, faces: &[Member], twins: bool) -> Vec<Option<f32>> {
    let sum = rows.sum(faces.iter().map(|face| face.row));
    let one = |face: &Member| {
        let mut rest = sum.clone();
        let mut left = faces.len();
        let mut leave_out = |other: &Member| {
            rest.iter_mut().zip(rows.row(other.row)).for_each(|(rest, &value)| *rest -= f64::from(value));
            left -= 1;
        };
        if twins {
            faces.iter().filter(|other| !face.comparable(other)).for_each(&mut leave_out);
        } else {
            leave_out(face);
        }
        let length = rest.iter().map(|value| value * value).sum::<f64>().sqrt();
        let product: f64 = rest.iter().zip(rows.row(face.row)).map(|(rest, &value)| rest * f64::from(value)).sum();
        (left > 0 && length / left as f64 > SHORTEST).then(|| (product / length).clamp(-1.0, 1.0) as f32)
    };
    faces.iter().map(one).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::people::Centroids;
    use crate::similarity::population::tests::{Labels, labelled, labels, strings};
    use crate::testing::unit_rows;
    use proptest::prelude::*;

    pub(crate) const DIMENSION: usize = 6;

    pub(crate) fn placed(data: &[f32], labels: &Labels) -> Vec<(u32, Placement)> {
        let strings = strings();
        let population = Population::new(&labelled(labels, &strings), 1);
        let rows = Rows { data, dimension: DIMENSION };
        let centroids = Centroids::of(rows, &population);
        let placed = place(rows, &population, &centroids.data, &Cancel::default()).unwrap();
        population.members.iter().map(|member| member.row).zip(placed).collect()
    }

    /// A face's numbers by looking at all others, in f64.
    fn slowly(data: &[f32], labels: &Labels, row: usize) -> (Option<f64>, Option<(u8, f64)>) {
        let face = |row: usize| data[row * DIMENSION..(row + 1) * DIMENSION].iter().map(|&value| f64::from(value));
        let (mine, image, content) = labels[row];
        let cosine = |of: &dyn Fn(usize) -> bool| {
            let mut mean = [0.0; DIMENSION];
            let chosen: Vec<usize> = (0..labels.len()).filter(|&other| of(other)).collect();
            for &other in &chosen {
                mean.iter_mut().zip(face(other)).for_each(|(m, v)| *m += v);
            }
            let length = mean.iter().map(|m| m * m).sum::<f64>().sqrt();
            (!chosen.is_empty()).then(|| mean.iter().zip(face(row)).map(|(m, v)| m * v).sum::<f64>() / length)
        };
        let own = cosine(&|other| {
            let (name, other_image, other_content) = labels[other];
            let twice = content.is_some() && content == other_content;
            other != row && name == mine && image != other_image && !twice
        });
        let others = (0..5).filter(|name| Some(*name) != mine);
        let best = others.filter_map(|name| Some((name, cosine(&|other| labels[other].0 == Some(name))?)));
        (own, best.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn places_are_those_of_looking_at_every_face(labels in labels(40), seed in 0u64..100) {
            let data = unit_rows(labels.len(), DIMENSION, seed);
            let names: Vec<u8> = (0..5).filter(|name| labels.iter().any(|face| face.0 == Some(*name))).collect();
            for (row, found) in placed(&data, &labels) {
                let (own, other) = slowly(&data, &labels, row as usize);
                prop_assert_eq!(found.own.is_some(), own.is_some());
                if let (Some(found), Some(own)) = (found.own, own) {
                    prop_assert!((f64::from(found) - own).abs() < 1e-5, "{} {}", found, own);
                }
                let name = found.other.map(|(identity, _)| names[identity as usize]);
                prop_assert_eq!(name, other.map(|(name, _)| name));
                if let (Some((_, found)), Some((_, cosine))) = (found.other, other) {
                    prop_assert!((f64::from(found) - cosine).abs() < 1e-5);
                }
            }
        }

        #[test]
        fn the_order_of_faces_does_not_matter(labels in labels(40), seed in 0u64..100) {
            let data = unit_rows(labels.len(), DIMENSION, seed);
            let reversed: Labels = labels.iter().rev().copied().collect();
            let rows: Vec<f32> = data.chunks_exact(DIMENSION).rev().flatten().copied().collect();
            let last = labels.len() as u32 - 1;
            let mut mirrored = placed(&rows, &reversed);
            for (row, _) in &mut mirrored {
                *row = last - *row;
            }
            mirrored.sort_by_key(|(row, _)| *row);
            let mut found = placed(&data, &labels);
            found.sort_by_key(|(row, _)| *row);
            for ((row, a), (other, b)) in found.into_iter().zip(mirrored) {
                let near = |a: Option<f32>, b: Option<f32>| a.unwrap_or(-2.0) - b.unwrap_or(-2.0);
                prop_assert_eq!(row, other);
                prop_assert_eq!(a.other.map(|(name, _)| name), b.other.map(|(name, _)| name));
                prop_assert!(near(a.own, b.own).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn cancelling_ends_it() {
        let labels: Labels = vec![(Some(0), 0, None), (Some(1), 1, None)];
        let strings = strings();
        let population = Population::new(&labelled(&labels, &strings), 1);
        let cancel = Cancel::default();
        cancel.request();
        let data = unit_rows(2, DIMENSION, 1);
        assert_eq!(place(Rows { data: &data, dimension: DIMENSION }, &population, &data, &cancel), None);
    }
}
