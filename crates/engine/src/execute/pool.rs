//! Windows.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

use std::ops::Range;

use super::Pass;
use crate::kernels::window::Window;
use crate::step::{Pool, PoolKind};

/// Which of the places start, start + dilation, … lie in 0..extent: the first of them and how many.
fn seen(start: isize, kernel: usize, dilation: usize, extent: usize) -> (isize, usize) {
    let dilation = dilation as isize;
    let before = if start < 0 { (-start + dilation - 1) / dilation } else { 0 };
    let behind = (extent as isize - start + dilation - 1) / dilation;
    let last = behind.min(kernel as isize);
    (start + before * dilation, (last - before).max(0) as usize)
}

impl Pass<'_> {
    pub(super) fn pool(&self, pool: &Pool, faces: Range<usize>) {
        let (input, out, g) = (&pool.input, &pool.out, &pool.geometry);
        for face in faces {
            let (from, to) = (self.at(&input.view, face).cast_const(), self.at(&out.view, face));
            let (storage, to_storage) = (self.storage(&input.view), self.storage(&out.view));
            let bytes = storage.bytes();
            // A team shares the pixels, or the channels of the only one.
            let pixels = out.height * out.width;
            let alone = pixels == 1 && self.member.size() > 1;
            let channels = if alone { self.member.share(pool.input.channels) } else { 0..input.channels };
            let pixels = if alone { 0..1 } else { self.member.share(pixels) };
            for pixel in pixels {
                let (y, x) = (pixel / out.width, pixel % out.width);
                let top = (y * g.stride.0) as isize - g.padding.0 as isize;
                let left = (x * g.stride.1) as isize - g.padding.1 as isize;
                let (first_row, rows) = seen(top, g.kernel.0, g.dilation.0, input.height);
                let (first_column, columns) = seen(left, g.kernel.1, g.dilation.1, input.width);
                let mean = match pool.kind {
                    PoolKind::Max => None,
                    PoolKind::Sum => Some(1.0),
                    PoolKind::Mean => Some(1.0 / (rows * columns) as f32),
                    PoolKind::MeanOfPlaces(height, width) => {
                        // From the padding's first place on, every window starts inside.
                        let (_, down) = seen((y * g.stride.0) as isize, g.kernel.0, g.dilation.0, height);
                        let (_, across) = seen((x * g.stride.1) as isize, g.kernel.1, g.dilation.1, width);
                        Some(1.0 / (down * across) as f32)
                    }
                };
                // SAFETY: what the window sees lies inside the input; members write disjoint pixels or channels.
                unsafe {
                    let number = first_row * input.row + first_column * input.pixel + channels.start as isize;
                    let target = y as isize * out.row + x as isize * out.pixel + channels.start as isize;
                    (self.plan.maps.pool)(&Window {
                        from: from.offset(number * bytes as isize),
                        rows,
                        columns,
                        row: g.dilation.0 * input.row as usize * bytes,
                        pixel: g.dilation.1 * input.pixel as usize * bytes,
                        channels: channels.len(),
                        storage,
                        mean,
                        to: to.offset(target * to_storage.bytes() as isize),
                        to_storage,
                    });
                }
            }
        }
    }
}
