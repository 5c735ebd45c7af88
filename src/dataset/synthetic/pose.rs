//! The properties that differ between pictures of a person: position and rotation of the head, light, expression,
//! background, camera.

use super::colour::{Rgb, hsv};
use super::random::Random;

pub(super) struct Pose {
    /// Of the head's middle in the picture, half pictures.
    pub(super) shift: (f32, f32),
    pub(super) scale: f32,
    /// Cosine and sine of the rotation in the picture's plane.
    pub(super) turn: (f32, f32),
    /// How far a feature one unit nearer to the camera moves sideways and down.
    pub(super) yaw: f32,
    pub(super) pitch: f32,
    pub(super) light: Light,
    pub(super) expression: Expression,
    pub(super) scene: Scene,
    pub(super) camera: Camera,
}

pub(super) struct Light {
    /// Change of brightness a unit to the right and down.
    pub(super) slope: (f32, f32),
    pub(super) cast: Rgb,
    pub(super) contrast: f32,
}

pub(super) struct Expression {
    pub(super) smile: f32,
    pub(super) open: f32,
    /// Share of the eye that the lid covers.
    pub(super) lid: f32,
    pub(super) gaze: (f32, f32),
    pub(super) brow: f32,
}

pub(super) struct Scene {
    pub(super) wall: [Rgb; 2],
    pub(super) pattern: (f32, f32, u32),
    pub(super) cloth: Rgb,
    /// An object in front of the face: its colour, the edge it enters from (0..4) and how far it reaches.
    pub(super) occluder: Option<(Rgb, u32, f32)>,
}

pub(super) struct Camera {
    pub(super) blur: f32,
    pub(super) noise: f32,
    pub(super) noise_seed: u32,
}

impl Pose {
    pub(super) fn draw(r: &mut Random) -> Self {
        // The half angle's tangent parametrises the circle without sin and cos, which differ between platforms.
        let t = r.bell(0.11);
        Self {
            shift: (r.bell(0.09), r.bell(0.08)),
            scale: 1.0 + r.bell(0.11),
            turn: ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)),
            yaw: r.bell(0.26),
            pitch: r.bell(0.14),
            light: Light {
                slope: (r.bell(0.32), r.bell(0.22)),
                cast: {
                    let (gain, warm, green) = (1.0 + r.bell(0.20), r.bell(0.07), r.bell(0.03));
                    [gain * (1.0 + warm), gain * (1.0 + green), gain * (1.0 - warm)]
                },
                contrast: 1.0 + r.bell(0.14),
            },
            expression: Expression {
                smile: r.range(-0.3, 1.0),
                open: if r.chance(0.3) { r.range(0.02, 0.11) } else { 0.0 },
                lid: if r.chance(0.05) { 1.0 } else { r.range(0.0, 0.3) },
                gaze: (r.bell(0.4), r.bell(0.2)),
                brow: r.bell(0.05),
            },
            scene: Scene {
                wall: [0, 1].map(|_| hsv(r.unit(), r.range(0.0, 0.5), r.range(0.15, 0.95))),
                pattern: (r.range(1.0, 7.0), r.range(0.0, 0.5), r.next() as u32),
                cloth: hsv(r.unit(), r.range(0.0, 0.9), r.range(0.1, 0.9)),
                occluder: r
                    .chance(0.04)
                    .then(|| (hsv(r.unit(), r.range(0.1, 0.6), r.range(0.2, 0.9)), r.below(4), r.range(0.2, 0.55))),
            },
            camera: Camera {
                blur: if r.chance(0.35) { r.range(0.2, 1.0) } else { 0.0 },
                noise: r.range(0.0, 0.035),
                noise_seed: r.next() as u32,
            },
        }
    }
}
