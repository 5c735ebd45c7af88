//! Boxes and landmarks in other coordinates than pixels of the picture. Each is plausible by itself; all together tell.

use super::{DatasetError, Face};
use crate::progress::Progress;
use crate::text::{counted, quoted};

/// Refuses boxes that all lie within 0..1: they are relative to the picture, and in pixels all would be its first one.
pub(super) fn refuse_relative(faces: &[Face]) -> Result<(), DatasetError> {
    let mut boxes = faces.iter().filter_map(|face| Some((face, face.bbox?))).peekable();
    let Some((first, bbox)) = boxes.peek().copied() else { return Ok(()) };
    let mut number = 0;
    for (_, bbox) in boxes {
        if bbox.x2 > 1.0 || bbox.y2 > 1.0 {
            return Ok(());
        }
        number += 1;
    }
    Err(DatasetError::RelativeBoxes { number, face_id: first.face_id.clone(), bbox })
}

/// Warns once if eyes and corners of the mouth are on the wrong sides in more than half of the faces with landmarks. That
/// is no error, because pictures may be upside down.
pub(super) fn warn_of_swapped_sides(faces: &[Face], progress: &dyn Progress) {
    let (mut number, mut swapped, mut first) = (0, 0, None);
    for (face, landmarks) in faces.iter().filter_map(|face| Some((face, face.landmarks?))) {
        number += 1;
        let [left_eye, right_eye, _, mouth_left, mouth_right] = landmarks.0;
        if left_eye[0] > right_eye[0] && mouth_left[0] > mouth_right[0] {
            swapped += 1;
            first.get_or_insert(&face.face_id);
        }
    }
    if let Some(first) = first.filter(|_| 2 * swapped > number) {
        progress.warn(&format!(
            "the left eye and the left corner of the mouth lie right of the right ones in {swapped} of {} with landmarks, \
             such as `{}`; left and right are those of the picture, not of the person: swap the columns of left and right, \
             unless the pictures are upside down",
            counted(number, "face"),
            quoted(first)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::{BoundingBox, Landmarks};
    use crate::progress::KeptLines;

    fn boxed(edges: [f32; 4]) -> Face {
        let [x1, y1, x2, y2] = edges;
        Face { bbox: Some(BoundingBox { x1, y1, x2, y2 }), ..Face::of_picture("a.png") }
    }

    #[test]
    fn one_box_in_pixels_makes_all_boxes_pixels() {
        let relative = [0.25, 0.25, 0.65, 1.0];
        assert!(refuse_relative(&[Face::of_picture("no box")]).is_ok());
        assert!(refuse_relative(&[boxed(relative), boxed([0.0, 0.0, 1.0, 1.5])]).is_ok());
        assert!(refuse_relative(&[boxed(relative), boxed([0.0, 0.0, 80.0, 0.5])]).is_ok());
        let faces = [Face::of_picture("no box"), boxed(relative), boxed([-0.1, 0.0, 1.0, 1.0])];
        insta::assert_snapshot!(refuse_relative(&faces).unwrap_err(), @"all 2 boxes lie within 0..1, as if relative to the picture, such as that of `a.png` from (0.25, 0.25) to (0.65, 1); boxes are in pixels: multiply x by the picture's width and y by its height");
        assert!(refuse_relative(&faces[..2]).is_err());
    }

    fn warned(faces: &[[[f32; 2]; 5]]) -> String {
        let faces: Vec<Face> = [Face::of_picture("none")]
            .into_iter()
            .chain(faces.iter().enumerate().map(|(at, points)| Face {
                landmarks: Some(Landmarks(*points)),
                ..Face::of_picture(format!("{at}.png"))
            }))
            .collect();
        let lines = KeptLines::default();
        warn_of_swapped_sides(&faces, &lines);
        lines.into_lines().join("\n")
    }

    #[test]
    fn sides_are_swapped_where_most_faces_say_so() {
        let picture = [[78.0, 75.0], [102.0, 75.0], [90.0, 90.0], [80.0, 101.0], [100.0, 101.0]];
        let [a, b, nose, c, d] = picture;
        let person = [b, a, nose, d, c];
        // In profile, the points of one pair may cross.
        let profile = [b, a, nose, c, d];
        assert_eq!(warned(&[]), "");
        assert_eq!(warned(&[picture, person]), "", "half are not most");
        assert_eq!(warned(&[profile; 3]), "");
        insta::assert_snapshot!(warned(&[picture, person, person]), @"the left eye and the left corner of the mouth lie right of the right ones in 2 of 3 faces with landmarks, such as `1.png`; left and right are those of the picture, not of the person: swap the columns of left and right, unless the pictures are upside down");
    }
}
