//! A canvas in head coordinates: shapes are signed distances, which determine the coverage of a pixel.
//!
//! Pixels depend only on `+ − × ÷ √` and comparisons, which are exact on every platform, and so are the pictures.

use super::colour::{Rgb, mix};
use super::pose::Pose;

/// A box in head coordinates: left, top, right, bottom.
#[derive(Clone, Copy)]
pub(super) struct Bounds(pub(super) f32, pub(super) f32, pub(super) f32, pub(super) f32);

impl Bounds {
    pub(super) const ALL: Self = Self(-9.0, -9.0, 9.0, 9.0);

    pub(super) fn around(x: f32, y: f32, rx: f32, ry: f32) -> Self {
        Self(x - rx, y - ry, x + rx, y + ry)
    }
}

pub(super) struct Canvas<'a> {
    pub(super) size: usize,
    pub(super) pixels: Vec<Rgb>,
    /// Head coordinates of each pixel's centre.
    places: Vec<(f32, f32)>,
    pose: &'a Pose,
    /// Side of a pixel, head units.
    pixel: f32,
}

/// Half of the picture's side, head units at scale 1.
const HALF: f32 = 1.28;

impl<'a> Canvas<'a> {
    pub(super) fn new(size: u32, pose: &'a Pose) -> Self {
        let size = size as usize;
        let pixel = 2.0 * HALF / (size.max(1) as f32 * pose.scale);
        let places = (0..size * size).map(|i| place(pose, size, i % size, i / size)).collect();
        Self { size, pixels: vec![[0.0; 3]; size * size], places, pose, pixel }
    }

    /// Paints `colour(x, y)` with `opacity` where `distance(x, y)` is negative. `depth` is the distance of the
    /// shape from the plane of the head, which determines how far it moves when the head turns.
    pub(super) fn paint(
        &mut self,
        bounds: Bounds,
        depth: f32,
        opacity: f32,
        distance: impl Fn(f32, f32) -> f32,
        colour: impl Fn(f32, f32) -> Rgb,
    ) {
        if opacity <= 0.0 {
            return;
        }
        let (dx, dy) = (self.pose.yaw * depth, self.pose.pitch * depth);
        let (columns, rows) = self.cover(Bounds(bounds.0 + dx, bounds.1 + dy, bounds.2 + dx, bounds.3 + dy));
        let per_pixel = 1.0 / self.pixel;
        for row in rows {
            for column in columns.clone() {
                let (x, y) = self.places[row * self.size + column];
                let (x, y) = (x - dx, y - dy);
                let coverage = (0.5 - distance(x, y) * per_pixel).clamp(0.0, 1.0) * opacity;
                if coverage > 0.0 {
                    let pixel = &mut self.pixels[row * self.size + column];
                    *pixel = mix(*pixel, colour(x, y), coverage);
                }
            }
        }
    }

    /// Multiplies brightness by 1 + amount · (1 − r²)² in an ellipse: soft light and shadow.
    pub(super) fn shade(&mut self, centre: (f32, f32), radii: (f32, f32), depth: f32, tint: Rgb) {
        let (dx, dy) = (self.pose.yaw * depth, self.pose.pitch * depth);
        let (x0, y0) = (centre.0 + dx, centre.1 + dy);
        let (columns, rows) = self.cover(Bounds::around(x0, y0, radii.0, radii.1));
        for row in rows {
            for column in columns.clone() {
                let (x, y) = self.places[row * self.size + column];
                let (x, y) = ((x - x0) / radii.0, (y - y0) / radii.1);
                let inside = 1.0 - x * x - y * y;
                if inside > 0.0 {
                    let pixel = &mut self.pixels[row * self.size + column];
                    for (value, tint) in pixel.iter_mut().zip(tint) {
                        *value *= 1.0 + tint * inside * inside;
                    }
                }
            }
        }
    }

    /// Pixels that a box may cover, with a margin for the warp of [`place`].
    fn cover(&self, bounds: Bounds) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let (cos, sin) = self.pose.turn;
        let (mut low, mut high) = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
        for (x, y) in [(bounds.0, bounds.1), (bounds.2, bounds.1), (bounds.0, bounds.3), (bounds.2, bounds.3)] {
            let (x, y) = (x.clamp(-2.0, 2.0), y.clamp(-2.0, 2.0));
            let (x, y) = (x * (1.0 - 0.35 * self.pose.yaw * x), y * (1.0 - 0.2 * self.pose.pitch * y));
            let (x, y) = (cos * x - sin * y, cos * y + sin * x);
            low = (low.0.min(x), low.1.min(y));
            high = (high.0.max(x), high.1.max(y));
        }
        let margin = 0.05 + self.pixel;
        let to_pixels = |v: f32, shift: f32| {
            ((v * self.pose.scale / HALF + shift + 1.0) * 0.5 * self.size as f32).clamp(0.0, self.size as f32)
        };
        let range = |low: f32, high: f32, shift: f32| {
            to_pixels(low - margin, shift).floor() as usize..to_pixels(high + margin, shift).ceil() as usize
        };
        (range(low.0, high.0, self.pose.shift.0), range(low.1, high.1, self.pose.shift.1))
    }
}

/// Head coordinates of a pixel's centre.
fn place(pose: &Pose, size: usize, column: usize, row: usize) -> (f32, f32) {
    let scale = 2.0 / size as f32;
    let x = ((column as f32 + 0.5) * scale - 1.0 - pose.shift.0) * HALF / pose.scale;
    let y = ((row as f32 + 0.5) * scale - 1.0 - pose.shift.1) * HALF / pose.scale;
    let (cos, sin) = pose.turn;
    let (x, y) = (cos * x + sin * y, cos * y - sin * x);
    // The far side of a turned head is narrower.
    (x * (1.0 + 0.35 * pose.yaw * x), y * (1.0 + 0.2 * pose.pitch * y))
}

/// Distance to an ellipse, exact on its outline.
pub(super) fn ellipse(x: f32, y: f32, rx: f32, ry: f32) -> f32 {
    let (x, y) = (x / rx, y / ry);
    ((x * x + y * y).sqrt() - 1.0) * rx.min(ry)
}

/// Distance to a box with round corners.
pub(super) fn round_box(x: f32, y: f32, rx: f32, ry: f32, corner: f32) -> f32 {
    let (x, y) = (x.abs() - rx + corner, y.abs() - ry + corner);
    let (ox, oy) = (x.max(0.0), y.max(0.0));
    (ox * ox + oy * oy).sqrt() + x.max(y).min(0.0) - corner
}

/// Distance to a line with a thickness.
pub(super) fn stroke(x: f32, y: f32, from: (f32, f32), to: (f32, f32), radius: f32) -> f32 {
    let (px, py) = (x - from.0, y - from.1);
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let along = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1e-6)).clamp(0.0, 1.0);
    let (ox, oy) = (px - dx * along, py - dy * along);
    (ox * ox + oy * oy).sqrt() - radius
}
