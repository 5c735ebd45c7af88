//! The faces that all runs embedded, matched by id and verified to be the same face: of one identity, in one picture, and
//! with the same box or alone in their picture. So runs whose detectors place a box differently share the face.

use std::collections::HashMap;

use crate::similarity::Labelled;

/// Faces that all runs so far share, in the order of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFaces {
    /// For each run, the row of each common face in its matrix.
    pub rows: Vec<Vec<u32>>,
    pub embedded: Vec<u64>,
    /// Faces of the first run that another has not embedded.
    pub missing: u64,
    /// Faces with the same id but a different identity, image or content in another run.
    pub differing: u64,
}

impl SharedFaces {
    /// The first run alone, with its number of embedded faces.
    pub fn first(faces: usize) -> Self {
        Self { rows: vec![(0..faces as u32).collect()], embedded: vec![faces as u64], missing: 0, differing: 0 }
    }

    /// Keeps the faces that the next run has as well. Both slices are embedded faces in row order.
    pub fn intersect(&mut self, first: &[Labelled<'_>], next: &[Labelled<'_>]) {
        let row_of: HashMap<&str, u32> = next.iter().map(|face| face.face_id).zip(0..).collect();
        let (here, there) = (faces_of_images(first), faces_of_images(next));
        let alone = |image: &str| here.get(image) == Some(&1) && there.get(image) == Some(&1);
        let mut rows = Vec::new();
        let keeps: Vec<bool> = self.rows[0]
            .iter()
            .map(|&row| {
                let face = &first[row as usize];
                let Some(&there) = row_of.get(face.face_id) else {
                    self.missing += 1;
                    return false;
                };
                let other = &next[there as usize];
                let same = other == face || (same_picture(face, other) && alone(face.image_id));
                if same {
                    rows.push(there);
                } else {
                    self.differing += 1;
                }
                same
            })
            .collect();
        for rows in &mut self.rows {
            let mut keeps = keeps.iter();
            rows.retain(|_| keeps.next().is_some_and(|keep| *keep));
        }
        self.rows.push(rows);
        self.embedded.push(next.len() as u64);
    }

    pub fn len(&self) -> usize {
        self.rows[0].len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn faces_of_images<'a>(faces: &[Labelled<'a>]) -> HashMap<&'a str, u32> {
    let mut count = HashMap::new();
    for face in faces {
        *count.entry(face.image_id).or_insert(0) += 1;
    }
    count
}

/// Whether two faces agree in everything but the box.
fn same_picture(a: &Labelled<'_>, b: &Labelled<'_>) -> bool {
    let picture = |face: &Labelled<'_>| face.content.map(|(digest, _)| digest);
    a.identity == b.identity && a.image_id == b.image_id && picture(a) == picture(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face<'a>(face_id: &'a str, identity: &'a str) -> Labelled<'a> {
        Labelled { face_id, identity: Some(identity), image_id: face_id, content: None }
    }

    #[test]
    fn faces_are_matched_by_id_in_the_order_of_the_first_run() {
        let first = [face("a", "x"), face("b", "x"), face("c", "y"), face("d", "y")];
        let mut common = SharedFaces::first(first.len());
        common.intersect(&first, &[face("d", "y"), face("e", "z"), face("c", "y"), face("a", "x")]);
        assert_eq!(common.rows, [vec![0, 2, 3], vec![3, 2, 0]]);
        // c is another person there.
        common.intersect(&first, &[face("c", "x"), face("a", "x"), face("d", "y")]);
        assert_eq!(common.rows, [vec![0, 3], vec![3, 0], vec![1, 2]]);
        assert_eq!((common.missing, common.differing, common.len()), (1, 1, 2));
        assert_eq!(common.embedded, [4, 4, 3]);
    }

    #[test]
    fn another_image_or_content_is_another_face() {
        let first = [face("a", "x")];
        for other in [
            Labelled { image_id: "elsewhere", ..first[0] },
            Labelled { content: Some((crate::digest::Digest::of(b"picture"), None)), ..first[0] },
            Labelled { identity: None, ..first[0] },
        ] {
            let mut common = SharedFaces::first(1);
            common.intersect(&first, &[other]);
            assert!(common.is_empty() && common.differing == 1, "{other:?}");
        }
    }

    #[test]
    fn another_box_is_the_same_face_only_where_it_is_alone_in_its_picture() {
        let content = |left: u32| Some((crate::digest::Digest::of(b"picture"), Some([left, 0, 9, 9])));
        let with =
            |face_id, image_id, left| Labelled { face_id, identity: Some("x"), image_id, content: content(left) };
        let first = [with("a", "a", 1), with("b#1", "b", 1), with("b#2", "b", 5)];
        let mut common = SharedFaces::first(3);
        common.intersect(&first, &[with("a", "a", 2), with("b#1", "b", 2), with("b#2", "b", 5)]);
        assert_eq!((common.rows, common.differing), (vec![vec![0, 2], vec![0, 2]], 1));
    }
}
