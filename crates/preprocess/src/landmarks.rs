//! The five landmarks of a face in a picture.

use std::fmt;

/// Five points in pixels of the picture, each x and y, where the centre of the top left pixel is (0, 0): the eye on the
/// left, the eye on the right, the tip of the nose, the left and the right corner of the mouth. Left and right are those
/// of the picture, as MTCNN, `RetinaFace` and insightface's `kps` have them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landmarks(pub [[f32; 2]; 5]);

impl Landmarks {
    /// The columns of the ten numbers in a table, in order.
    pub const COLUMNS: [&str; 10] = [
        "left_eye_x",
        "left_eye_y",
        "right_eye_x",
        "right_eye_y",
        "nose_x",
        "nose_y",
        "mouth_left_x",
        "mouth_left_y",
        "mouth_right_x",
        "mouth_right_y",
    ];

    /// From the ten numbers, in the order of [`Self::COLUMNS`].
    #[must_use]
    pub fn from_numbers(numbers: [f32; 10]) -> Self {
        Self(std::array::from_fn(|point| [numbers[point * 2], numbers[point * 2 + 1]]))
    }

    /// The ten numbers, in the order of [`Self::COLUMNS`].
    #[must_use]
    pub fn numbers(&self) -> [f32; 10] {
        std::array::from_fn(|at| self.0[at / 2][at % 2])
    }
}

/// `(x, y) (x, y) (x, y) (x, y) (x, y)`.
impl fmt::Display for Landmarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, [x, y]) in self.0.iter().enumerate() {
            write!(f, "{}({x}, {y})", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
