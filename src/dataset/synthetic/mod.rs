//! Procedural faces: a pure function from numbers to pictures, for the offline demo and for tests.
//!
//! A person is some hundred numbers (`identity.rs`), a picture of them is some thirty more (`pose.rs`); both come from
//! a keyed random stream, so any face of any universe can be drawn independently. All arithmetic is exact: the same face
//! has the same bytes on every platform.

mod camera;
mod colour;
mod draw;
mod face;
mod identity;
mod pose;
mod random;

use image::RgbImage;

use draw::Canvas;
use identity::Identity;
use pose::Pose;
use random::Random;

/// Incremented whenever any picture changes; part of the digest in a run's name.
pub const GENERATOR_VERSION: u32 = 1;

/// The picture number `sample` of person `identity` in the universe `seed`, `size` × `size` pixels.
///
/// Persons of different universes have nothing in common, so a network can be trained on some and tested on others.
#[must_use]
pub fn render(seed: u64, identity: u32, sample: u32, size: u32) -> RgbImage {
    let identity = u64::from(identity);
    let who = Identity::draw(&mut Random::new(&[seed, identity]));
    let pose = Pose::draw(&mut Random::new(&[seed, identity, u64::from(sample), 1]));
    let mut canvas = Canvas::new(size, &pose);
    face::background(&mut canvas, &pose);
    face::behind(&mut canvas, &who, &pose);
    face::skin(&mut canvas, &who);
    face::nose(&mut canvas, &who);
    face::beard(&mut canvas, &who);
    face::mouth(&mut canvas, &who, &pose);
    face::eyes(&mut canvas, &who, &pose);
    face::brows(&mut canvas, &who, &pose);
    face::glasses(&mut canvas, &who);
    face::hair(&mut canvas, &who);
    face::occluder(&mut canvas, &pose);
    camera::expose(&canvas, &pose)
}

#[cfg(test)]
mod tests;
