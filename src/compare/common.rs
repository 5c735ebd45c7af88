//! The faces that all runs embedded.
//!
//! A face is the same in two runs if its id and its identity are: another box, crop, preprocessing or resolution of the
//! same photo is what runs are compared for. What differs is counted, or left out where `--same-pictures` asks for it.
//!
//! In a photo of several faces, an id may be a number in the order of detection, which another detector changes. There the
//! box decides: two faces are the same if each overlaps the other most, by at least half of their union.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::similarity::Labelled;

/// Least overlap (intersection over union) of two boxes of one face, as detection benchmarks count a face as found.
const SAME_BOX: f64 = 0.5;

/// Faces that all runs so far share, in the order of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFaces {
    /// For each run, the row of each common face in its matrix.
    pub rows: Vec<Vec<u32>>,
    pub embedded: Vec<u64>,
    /// For each run, the faces of the first that it has not embedded.
    pub lost: Vec<u64>,
    /// Faces of the first run that are not shared, by reason.
    pub left_out: LeftOutFaces,
    /// For each run, what is not as in the first, face by face.
    changes: Vec<Vec<Change>>,
    same_pictures: bool,
}

/// Faces of the first run that are left out because of another, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOutFaces {
    /// Not embedded there.
    pub missing: u64,
    /// Another identity there.
    pub identity: u64,
    /// One of several faces of their photo, and the boxes do not say which.
    pub ambiguous: u64,
    /// Another picture there; left out only with `--same-pictures`.
    pub picture: u64,
    /// Another box in the same picture; left out only with `--same-pictures`.
    pub bbox: u64,
}

impl LeftOutFaces {
    pub fn all(&self) -> u64 {
        let Self { missing, identity, ambiguous, picture, bbox } = self;
        missing + identity + ambiguous + picture + bbox
    }

    /// How many for each reason.
    pub fn reasons(&self) -> String {
        let reasons = [
            (self.missing, "not in another run or not embedded there"),
            (self.identity, "with another identity there"),
            (self.ambiguous, "of several in their photo, which the boxes do not tell apart"),
            (self.picture, "from another picture there"),
            (self.bbox, "with another box there"),
        ];
        let found = reasons.iter().filter(|(faces, _)| *faces > 0).map(|(faces, why)| format!("{faces} {why}"));
        found.collect::<Vec<_>>().join(", ")
    }
}

/// What a shared face has that is not as in the first run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Change {
    picture: bool,
    bbox: bool,
}

/// Shared faces that are not quite the same in a run as in the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangedFaces {
    /// From another picture: other bytes, or another photo.
    pub picture: u64,
    /// With another box.
    pub bbox: u64,
}

/// Why a face is not shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Missing,
    Identity,
    Ambiguous,
    Picture,
    Bbox,
}

impl SharedFaces {
    /// The first run alone, with its number of embedded faces.
    pub fn first(faces: usize) -> Self {
        Self {
            rows: vec![(0..faces as u32).collect()],
            embedded: vec![faces as u64],
            lost: vec![0],
            left_out: LeftOutFaces::default(),
            changes: vec![vec![Change::default(); faces]],
            same_pictures: false,
        }
    }

    /// Several runs of the same faces, in the same order.
    pub fn all_of(faces: usize, runs: usize) -> Self {
        let one = Self::first(faces);
        let rows = vec![one.rows[0].clone(); runs];
        let changes = vec![one.changes[0].clone(); runs];
        Self { rows, changes, embedded: vec![faces as u64; runs], lost: vec![0; runs], ..one }
    }

    /// Asks for the same picture and box as well.
    pub fn same_pictures(self, same_pictures: bool) -> Self {
        Self { same_pictures, ..self }
    }

    /// Keeps the faces that the next run has as well. Both slices are embedded faces in row order.
    pub fn intersect(&mut self, first: &[Labelled<'_>], next: &[Labelled<'_>]) {
        let matcher = Matcher::new(first, next);
        let partners: Vec<_> = (0..first.len() as u32).map(|row| matcher.partner(row)).collect();
        let lost = partners.iter().filter(|partner| **partner == Err(Reason::Missing)).count();
        let mut taken = HashSet::new();
        let (mut rows, mut changes) = (Vec::new(), Vec::new());
        let keeps: Vec<bool> = self.rows[0]
            .iter()
            .map(|&row| {
                let found = partners[row as usize].and_then(|there| {
                    let change = Change::of(&first[row as usize], &next[there as usize]);
                    match change {
                        Change { picture: true, .. } if self.same_pictures => Err(Reason::Picture),
                        Change { bbox: true, .. } if self.same_pictures => Err(Reason::Bbox),
                        _ if !taken.insert(there) => Err(Reason::Ambiguous),
                        _ => Ok((there, change)),
                    }
                });
                match found {
                    Ok((there, change)) => {
                        rows.push(there);
                        changes.push(change);
                    }
                    Err(Reason::Missing) => self.left_out.missing += 1,
                    Err(Reason::Identity) => self.left_out.identity += 1,
                    Err(Reason::Ambiguous) => self.left_out.ambiguous += 1,
                    Err(Reason::Picture) => self.left_out.picture += 1,
                    Err(Reason::Bbox) => self.left_out.bbox += 1,
                }
                found.is_ok()
            })
            .collect();
        self.rows.iter_mut().for_each(|rows| keep(rows, &keeps));
        self.changes.iter_mut().for_each(|changes| keep(changes, &keeps));
        self.rows.push(rows);
        self.changes.push(changes);
        self.embedded.push(next.len() as u64);
        self.lost.push(lost as u64);
    }

    /// For each run, the shared faces that are not quite the same as in the first.
    pub fn changed(&self) -> Vec<ChangedFaces> {
        let count = |changes: &Vec<Change>| {
            let with = |of: fn(&Change) -> bool| changes.iter().filter(|change| of(change)).count() as u64;
            ChangedFaces { picture: with(|change| change.picture), bbox: with(|change| change.bbox) }
        };
        self.changes.iter().map(count).collect()
    }

    pub fn len(&self) -> usize {
        self.rows[0].len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn keep<T>(values: &mut Vec<T>, keeps: &[bool]) {
    let mut keeps = keeps.iter();
    values.retain(|_| keeps.next().is_some_and(|keep| *keep));
}

impl Change {
    fn of(a: &Labelled<'_>, b: &Labelled<'_>) -> Self {
        // Given embeddings do not say of which picture they are.
        if a.content.is_none() || b.content.is_none() {
            return Self::default();
        }
        Self { picture: a.image_id != b.image_id || picture(a) != picture(b), bbox: bbox(a) != bbox(b) }
    }
}

/// Finds the faces of one run in another.
struct Matcher<'a> {
    first: &'a [Labelled<'a>],
    next: &'a [Labelled<'a>],
    /// Rows by face id.
    ids: HashMap<&'a str, u32>,
    /// Rows by photo, in both runs.
    photos: [RowsOfPhotos<'a>; 2],
}

type RowsOfPhotos<'a> = HashMap<&'a str, Vec<u32>>;

impl<'a> Matcher<'a> {
    fn new(first: &'a [Labelled<'a>], next: &'a [Labelled<'a>]) -> Self {
        let photos = [first, next].map(|faces| {
            let mut photos = RowsOfPhotos::new();
            (0..).zip(faces).for_each(|(row, face)| photos.entry(face.image_id).or_default().push(row));
            photos
        });
        Self { first, next, ids: next.iter().map(|face| face.face_id).zip(0..).collect(), photos }
    }

    /// The row of a face of the first run in the next.
    fn partner(&self, row: u32) -> Result<u32, Reason> {
        let face = &self.first[row as usize];
        let there = match self.ids.get(face.face_id) {
            Some(&there) if self.is_named_by_its_id(face, &self.next[there as usize]) => there,
            same_id => self.by_box(row, same_id.copied())?,
        };
        if face.identity == self.next[there as usize].identity { Ok(there) } else { Err(Reason::Identity) }
    }

    /// Whether the id alone tells which face it is: it is the only face of its photo in both runs, or has no box.
    fn is_named_by_its_id(&self, a: &Labelled<'_>, b: &Labelled<'_>) -> bool {
        let alone = |run: usize, face: &Labelled<'_>| self.photos[run].get(face.image_id).map_or(0, Vec::len) <= 1;
        bbox(a).is_none() || bbox(b).is_none() || (alone(0, a) && alone(1, b))
    }

    /// The face of the same photo whose box overlaps the most, if it is mutual.
    fn by_box(&self, row: u32, same_id: Option<u32>) -> Result<u32, Reason> {
        let face = &self.first[row as usize];
        let [here, there] = &self.photos;
        let most = |face: &Labelled<'_>, faces: &[Labelled<'_>], rows: &RowsOfPhotos<'_>| {
            most_overlapping(face, faces, rows.get(face.image_id).map_or(&[], Vec::as_slice))
        };
        let Some(best) = most(face, self.next, there) else {
            return Err(if same_id.is_some() { Reason::Ambiguous } else { Reason::Missing });
        };
        let other = &self.next[best as usize];
        let mutual = most(other, self.first, here) == Some(row);
        // Boxes in pictures of two sizes may overlap by chance: there the id has to agree.
        let comparable = picture(face) == picture(other) || same_id == Some(best);
        if mutual && comparable { Ok(best) } else { Err(Reason::Ambiguous) }
    }
}

/// Which of `rivals` has the box that overlaps a face's the most, of equal ones that of the same id; `None` where none
/// overlaps enough.
fn most_overlapping(face: &Labelled<'_>, faces: &[Labelled<'_>], rivals: &[u32]) -> Option<u32> {
    let scored = rivals.iter().map(|&rival| {
        let other = &faces[rival as usize];
        (overlap(bbox(face), bbox(other)), other.face_id == face.face_id, rival)
    });
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?;
    (best.0 >= SAME_BOX).then_some(best.2)
}

/// Intersection over union; 0 without a box.
fn overlap(a: Option<[u32; 4]>, b: Option<[u32; 4]>) -> f64 {
    let Some((a, b)) = a.zip(b) else { return 0.0 };
    let [a, b] = [a, b].map(|bits| bits.map(|bits| f64::from(f32::from_bits(bits))));
    let area = |[x1, y1, x2, y2]: [f64; 4]| (x2 - x1).max(0.0) * (y2 - y1).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    if both > 0.0 { both / (area(a) + area(b) - both) } else { 0.0 }
}

fn picture(face: &Labelled<'_>) -> Option<crate::digest::Digest> {
    face.content.map(|(digest, _)| digest)
}

fn bbox(face: &Labelled<'_>) -> Option<[u32; 4]> {
    face.content.and_then(|(_, bbox)| bbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn face<'a>(face_id: &'a str, identity: &'a str) -> Labelled<'a> {
        Labelled { face_id, identity: Some(identity), image_id: face_id, content: None }
    }

    /// A face of a photo, 100 pixels wide and high.
    fn boxed<'a>(face_id: &'a str, photo: &'a str, bytes: &str, left: f32) -> Labelled<'a> {
        let bbox = [left, 0.0, left + 100.0, 100.0].map(f32::to_bits);
        let content = Some((Digest::of(bytes.as_bytes()), Some(bbox)));
        Labelled { face_id, identity: Some("x"), image_id: photo, content }
    }

    fn shared(first: &[Labelled<'_>], next: &[Labelled<'_>]) -> SharedFaces {
        let mut common = SharedFaces::first(first.len());
        common.intersect(first, next);
        common
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
        let left_out = LeftOutFaces { missing: 1, identity: 1, ..LeftOutFaces::default() };
        assert_eq!((common.left_out, common.left_out.all(), common.len()), (left_out, 2, 2));
        assert_eq!(common.embedded, [4, 4, 3]);
    }

    #[test]
    fn another_picture_or_box_is_the_same_face_and_counted() {
        let first = [boxed("a", "a", "old", 0.0), boxed("b", "b", "old", 0.0), face("c", "x")];
        // Nowhere near the old box, as in a picture of another size.
        let next = [boxed("a", "a", "new", 500.0), boxed("b", "b", "old", 7.0), face("c", "x")];
        let common = shared(&first, &next);
        assert_eq!(common.rows[1], [0, 1, 2]);
        assert_eq!(common.changed(), [ChangedFaces::default(), ChangedFaces { picture: 1, bbox: 2 }]);
        // A face that a later run lacks is no longer counted.
        let mut common = common;
        common.intersect(&first, &[first[0], first[2]]);
        assert_eq!(common.changed()[1..], [ChangedFaces { picture: 1, bbox: 1 }, ChangedFaces::default()]);
    }

    #[test]
    fn same_pictures_leaves_out_what_differs() {
        let first = [boxed("a", "a", "old", 0.0), boxed("b", "b", "old", 0.0), boxed("c", "c", "old", 0.0)];
        let next = [boxed("a", "a", "new", 0.0), boxed("b", "b", "old", 1.0), boxed("c", "c", "old", 0.0)];
        let mut common = SharedFaces::first(3).same_pictures(true);
        common.intersect(&first, &next);
        assert_eq!(common.rows, [[2], [2]]);
        assert_eq!(common.left_out, LeftOutFaces { picture: 1, bbox: 1, ..LeftOutFaces::default() });
        assert_eq!(common.changed()[1], ChangedFaces::default());
    }

    #[test]
    fn in_a_photo_of_several_faces_the_box_decides() {
        let first = [boxed("p#1", "p", "p", 0.0), boxed("p#2", "p", "p", 300.0), boxed("p#3", "p", "p", 900.0)];
        // The other detector finds them in another order, another one, and misses the third.
        let next = [boxed("p#1", "p", "p", 310.0), boxed("p#2", "p", "p", 5.0), boxed("p#3", "p", "p", 600.0)];
        let common = shared(&first, &next);
        assert_eq!(common.rows, [[0, 1], [1, 0]]);
        assert_eq!(common.left_out, LeftOutFaces { ambiguous: 1, ..LeftOutFaces::default() });
        // One of them alone has another id.
        let common = shared(&[boxed("p", "p", "p", 290.0)], &first);
        assert_eq!(common.rows, [[0], [1]]);
        // Two boxes that claim one: only the nearer has it.
        let common = shared(&first[..2], &[boxed("p", "p", "p", 270.0), boxed("q", "q", "q", 0.0)]);
        assert_eq!(common.rows, [[1], [0]]);
        assert_eq!(common.left_out.missing, 1);
        assert_eq!(common.lost[1..], [1]);
        // A quarter of overlap is another face, whatever its id.
        let common = shared(&first[..2], &[boxed("p#1", "p", "p", 60.0), boxed("p#2", "p", "p", 300.0)]);
        assert_eq!((&common.rows[..], common.left_out.ambiguous), (&[vec![1], vec![1]][..], 1));
        let close = [boxed("p#1", "p", "p", 0.0), boxed("p#2", "p", "p", 20.0)];
        let common = shared(&close, &[boxed("p", "p", "p", 18.0)]);
        assert_eq!((&common.rows[..], common.left_out.ambiguous), (&[vec![1], vec![0]][..], 1));
    }

    #[test]
    fn boxes_in_pictures_of_two_sizes_do_not_name_another_face() {
        let first = [boxed("p#1", "p", "large", 0.0), boxed("p#2", "p", "large", 300.0)];
        // In half the size, the second face is where no face was; another lies where the second was.
        let next =
            [boxed("p#1", "p", "small", 0.0), boxed("p#2", "p", "small", 150.0), boxed("p#3", "p", "small", 300.0)];
        let common = shared(&first, &next);
        assert_eq!((&common.rows[..], common.left_out.ambiguous), (&[vec![0], vec![0]][..], 1));
    }

    #[test]
    fn faces_without_boxes_are_named_by_their_ids() {
        let plain = |face_id, bytes: &str| Labelled {
            face_id,
            identity: Some("x"),
            image_id: "p",
            content: Some((Digest::of(bytes.as_bytes()), None)),
        };
        let first = [plain("a", "1"), plain("b", "2")];
        let common = shared(&first, &[plain("b", "2"), plain("a", "new")]);
        assert_eq!((&common.rows[..], common.changed()[1].picture), (&[vec![0, 1], vec![1, 0]][..], 1));
    }
}
