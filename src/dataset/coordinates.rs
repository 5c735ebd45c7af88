//! Boxes in other coordinates than pixels of the picture. Each is plausible by itself; all together tell.

use super::{DatasetError, Face};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::BoundingBox;

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
}
