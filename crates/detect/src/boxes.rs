//! Boxes on their way through the cascade, with facenet-pytorch's arithmetic: every step in f32, rounded.

use std::ops::Range;

/// x1, y1, x2, y2, pixels.
pub(crate) type Corners = [f32; 4];

/// A box that a network gave a score.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scored {
    pub corners: Corners,
    pub score: f32,
}

/// The box moved by P-Net's regression, in units of its sides.
pub(crate) fn regressed([x1, y1, x2, y2]: Corners, [a, b, c, d]: [f32; 4]) -> Corners {
    let (width, height) = (x2 - x1, y2 - y1);
    [x1 + a * width, y1 + b * height, x2 + c * width, y2 + d * height]
}

/// The box moved by R-Net's or O-Net's regression (`bbreg`), in units of its sides plus one pixel.
pub(crate) fn regressed_inclusive([x1, y1, x2, y2]: Corners, [a, b, c, d]: [f32; 4]) -> Corners {
    let (width, height) = (x2 - x1 + 1.0, y2 - y1 + 1.0);
    [x1 + a * width, y1 + b * height, x2 + c * width, y2 + d * height]
}

/// The square around the box's centre with its longer side (`rerec`).
pub(crate) fn squared([x1, y1, x2, y2]: Corners) -> Corners {
    let (width, height) = (x2 - x1, y2 - y1);
    let side = if width > height { width } else { height };
    let (x, y) = (x1 + width * 0.5 - side * 0.5, y1 + height * 0.5 - side * 0.5);
    [x, y, x + side, y + side]
}

/// The columns and rows that the box covers of a photo of `[width, height]` (`pad`): coordinates are cut to whole numbers and
/// count from 1, both ends included. `None` if it covers nothing, where facenet-pytorch fails.
pub(crate) fn covered(corners: Corners, [width, height]: [usize; 2]) -> Option<[Range<usize>; 2]> {
    // `as` cuts, and saturates where the number is too large.
    let [x1, y1, x2, y2] = corners.map(|value| value as i64);
    let span = |from: i64, to: i64, size: usize| {
        let (from, to) = (from.max(1) - 1, to.min(size as i64));
        (from < to).then_some(from as usize..to as usize)
    };
    Some([span(x1, x2, width)?, span(y1, y2, height)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_become_squares_around_their_centre() {
        assert_eq!(squared([10.0, 10.0, 20.0, 40.0]), [0.0, 10.0, 30.0, 40.0]);
        assert_eq!(squared([10.0, 10.0, 40.0, 20.0]), [10.0, 0.0, 40.0, 30.0]);
    }

    #[test]
    fn regressions_are_in_units_of_the_sides() {
        assert_eq!(regressed([0.0, 0.0, 10.0, 20.0], [0.5, 0.25, -0.5, 0.0]), [5.0, 5.0, 5.0, 20.0]);
        assert_eq!(regressed_inclusive([0.0, 0.0, 9.0, 19.0], [0.5, 0.25, -0.5, 0.0]), [5.0, 5.0, 4.0, 19.0]);
    }

    #[test]
    fn a_box_covers_whole_pixels_inside_the_photo() {
        assert_eq!(covered([-3.5, 2.9, 7.9, 99.0], [20, 10]), Some([0..7, 1..10]));
        assert_eq!(covered([0.9, 1.0, 1.0, 1.9], [20, 10]), Some([0..1, 0..1]));
        for outside in [[21.0, 1.0, 30.0, 5.0], [1.0, -9.0, 5.0, 0.9], [5.0, 5.0, 2.0, 8.0], [f32::NAN; 4]] {
            assert_eq!(covered(outside, [20, 10]), None);
        }
        assert_eq!(covered([f32::NEG_INFINITY, 1.0, f32::INFINITY, 1e30], [20, 10]), Some([0..20, 0..10]));
    }
}
