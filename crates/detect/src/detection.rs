//! A face that was found.

use facevault_preprocess::BoundingBox;

/// A face in a photo. Coordinates are pixels; they may lie outside the photo, as facenet-pytorch's do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Where the face is.
    pub bbox: BoundingBox,
    /// How sure O-Net is that it is one, 0 to 1.
    pub probability: f32,
    /// `[x, y]` of the left eye, right eye, nose, left and right corner of the mouth; left as seen in the photo.
    pub landmarks: [[f32; 2]; 5],
}

impl Detection {
    /// The area of the box, pixels².
    #[must_use]
    pub fn area(&self) -> f32 {
        (self.bbox.x2 - self.bbox.x1) * (self.bbox.y2 - self.bbox.y1)
    }
}
