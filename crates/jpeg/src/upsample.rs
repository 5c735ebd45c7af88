//! Components at a part of the resolution → rows of the picture's width, as libjpeg's `jdsample.c` does by default: a
//! triangle filter where the resolution is halved ("fancy upsampling"), else repetition.

use crate::frame::{Component, Frame};

/// How a component's rows are brought to the picture's width and height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upsampling {
    /// Already there.
    None,
    /// Twice as wide, by triangle filter.
    Wide,
    /// Twice as high, by triangle filter.
    High,
    /// Twice as wide and high, by triangle filter.
    WideAndHigh,
    /// Any whole number of times, by repetition.
    Repeat { wide: usize, high: usize },
}

impl Upsampling {
    /// The filter needs three samples in a row to be worth it; narrower components are repeated. (There is no such rule
    /// for columns.)
    pub fn of(component: &Component, frame: &Frame) -> Self {
        let (wide, high) = (frame.h_max / component.h, frame.v_max / component.v);
        match (wide, high) {
            (1, 1) => Self::None,
            (2, 1) if component.width > 2 => Self::Wide,
            (1, 2) => Self::High,
            (2, 2) if component.width > 2 => Self::WideAndHigh,
            _ => Self::Repeat { wide, high },
        }
    }

    /// Which of the component's rows make the picture's row `y`: the nearest, and the one that it is mixed with.
    pub fn rows(self, y: usize, height: usize) -> (usize, usize) {
        match self {
            Self::None | Self::Wide => (y, y),
            Self::High | Self::WideAndHigh => {
                let near = y / 2;
                // The outermost row also stands in for the missing one beyond it.
                (near, if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(height - 1) })
            }
            Self::Repeat { high, .. } => (y / high, y / high),
        }
    }

    /// One row of the picture's width. `is_lower` says that `far` is the row below `near`.
    ///
    /// `near` and `far` hold the component's width; `out` gets that times the factor, of which the picture may need one
    /// less (its width is not a multiple).
    ///
    /// Inlined, so that it uses the instructions its caller is compiled for.
    #[inline(always)]
    pub fn row(self, near: &[u8], far: &[u8], is_lower: bool, sums: &mut [i16], out: &mut [u8]) {
        match self {
            Self::None => out[..near.len()].copy_from_slice(near),
            Self::Wide => twice_as_wide(near, out),
            Self::High => {
                // Halves are rounded up and down in turn, here from row to row.
                let bias = if is_lower { 2 } else { 1 };
                for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
                    *out = ((u16::from(near) * 3 + u16::from(far) + bias) >> 2) as u8;
                }
            }
            Self::WideAndHigh => twice_as_wide_and_high(near, far, sums, out),
            Self::Repeat { wide, .. } => {
                for (out, &sample) in out.chunks_mut(wide).zip(near) {
                    out.fill(sample);
                }
            }
        }
    }
}

/// Each sample becomes two, a quarter of the way to its left and right neighbours; halves are rounded down and up in turn.
#[inline(always)]
fn twice_as_wide(samples: &[u8], out: &mut [u8]) {
    let (Some(&first), Some(&last)) = (samples.first(), samples.last()) else { return };
    let count = samples.len();
    let out = &mut out.as_chunks_mut::<2>().0[..count];
    let mix = |near: u8, far: u8, bias: u16| ((u16::from(near) * 3 + u16::from(far) + bias) >> 2) as u8;
    for (out, &[left, here, right]) in out[1..].iter_mut().zip(samples.array_windows::<3>()) {
        *out = [mix(here, left, 1), mix(here, right, 2)];
    }
    out[0] = [first, mix(first, samples[1.min(count - 1)], 2)];
    if count > 1 {
        out[count - 1] = [mix(last, samples[count - 2], 1), last];
    }
}

/// The same in both directions at once: `near` and `far` are mixed 3:1 into `sums`, these with their neighbours.
#[inline(always)]
fn twice_as_wide_and_high(near: &[u8], far: &[u8], sums: &mut [i16], out: &mut [u8]) {
    let count = near.len();
    // A copy of its own edge at either end.
    let sums = &mut sums[..count + 2];
    for ((sum, &near), &far) in sums[1..].iter_mut().zip(near).zip(far) {
        *sum = i16::from(near) * 3 + i16::from(far);
    }
    sums[0] = sums[1];
    sums[count + 1] = sums[count];
    let out = &mut out.as_chunks_mut::<2>().0[..count];
    let (left, here, right) = (&sums[..count], &sums[1..=count], &sums[2..]);
    for (((out, &left), &here), &right) in out.iter_mut().zip(left).zip(here).zip(right) {
        *out = [((here * 3 + left + 8) >> 4) as u8, ((here * 3 + right + 7) >> 4) as u8];
    }
}
