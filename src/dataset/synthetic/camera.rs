//! Light, blur and noise: from a painted canvas to 8-bit pixels.

use image::RgbImage;

use super::colour::Rgb;
use super::draw::Canvas;
use super::pose::Pose;
use super::random::lattice;

pub(super) fn expose(canvas: &Canvas, pose: &Pose) -> RgbImage {
    let size = canvas.size;
    let (light, camera) = (&pose.light, &pose.camera);
    let mut pixels = canvas.pixels.clone();
    if camera.blur > 0.0 {
        blur(&mut pixels, size, camera.blur);
    }
    let mut picture = RgbImage::new(size as u32, size as u32);
    let to_unit = 2.0 / size as f32;
    for (i, (pixel, out)) in pixels.iter().zip(picture.pixels_mut()).enumerate() {
        let (column, row) = (i % size, i / size);
        let (x, y) = ((column as f32 + 0.5) * to_unit - 1.0, (row as f32 + 0.5) * to_unit - 1.0);
        let brightness = 1.0 + light.slope.0 * x + light.slope.1 * y;
        for (channel, (value, cast)) in pixel.iter().zip(light.cast).enumerate() {
            let grain = lattice(camera.noise_seed.wrapping_add(channel as u32), column as i32, row as i32) - 0.5;
            let value = 0.5 + (value * cast * brightness - 0.5) * light.contrast + grain * 2.0 * camera.noise;
            out.0[channel] = (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        }
    }
    picture
}

/// Mixes each pixel with its binomial 3×3 mean.
fn blur(pixels: &mut [Rgb], size: usize, amount: f32) {
    let pass = |pixels: &mut [Rgb], step: usize, position: fn(usize, usize) -> usize| {
        let before = pixels.to_vec();
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let at = position(i, size);
            let previous = if at == 0 { before[i] } else { before[i - step] };
            let next = if at + 1 == size { before[i] } else { before[i + step] };
            for channel in 0..3 {
                let mean = (previous[channel] + next[channel]) * 0.25 + before[i][channel] * 0.5;
                pixel[channel] += (mean - before[i][channel]) * amount;
            }
        }
    };
    pass(pixels, 1, |i, size| i % size);
    pass(pixels, size, |i, size| i / size);
}
