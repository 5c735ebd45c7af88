//! Components → RGB: guesses the colour space as libjpeg's `jdapimin.c` does and converts as `jdcolor.c` does (CMYK: as
//! Pillow's `Convert.c` does).

/// What the components mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    /// CMYK, the first three turned to YCbCr.
    Ycck,
}

impl Colours {
    /// As libjpeg guesses: by the JFIF marker, then by Adobe's, then by the components' names.
    pub fn guess(ids: &[u8], has_jfif: bool, adobe_transform: Option<u8>) -> Self {
        match ids {
            [_] => Self::Grey,
            [_, _, _] if has_jfif => Self::YCbCr,
            [_, _, _] => match adobe_transform {
                Some(0) => Self::Rgb,
                None if ids == b"RGB" => Self::Rgb,
                _ => Self::YCbCr,
            },
            _ => match adobe_transform {
                None | Some(0) => Self::Cmyk,
                Some(_) => Self::Ycck,
            },
        }
    }
}

/// A row of each component → a row of RGB. Each holds at least `out`'s pixels.
pub(crate) fn to_rgb(colours: Colours, components: &[&[u8]], out: &mut [u8]) {
    match (colours, components) {
        (Colours::YCbCr, &[y, cb, cr]) => ycc_to_rgb(y, cb, cr, out),
        (Colours::Grey, &[grey]) => {
            for (out, &grey) in out.as_chunks_mut::<3>().0.iter_mut().zip(grey) {
                *out = [grey; 3];
            }
        }
        (Colours::Rgb, &[red, green, blue]) => {
            for (((out, &red), &green), &blue) in out.as_chunks_mut::<3>().0.iter_mut().zip(red).zip(green).zip(blue) {
                *out = [red, green, blue];
            }
        }
        (Colours::Cmyk, &[cyan, magenta, yellow, black]) => {
            // Pillow always reads the inks as inverted, as Adobe stores them, whatever the markers say.
            for ((((out, &cyan), &magenta), &yellow), &black) in
                out.as_chunks_mut::<3>().0.iter_mut().zip(cyan).zip(magenta).zip(yellow).zip(black)
            {
                *out = [cyan, magenta, yellow].map(|ink| without(255 - ink, black));
            }
        }
        (Colours::Ycck, &[y, cb, cr, black]) => {
            ycc_to_rgb(y, cb, cr, out);
            // libjpeg inverts the three inks, Pillow inverts them back.
            for (out, &black) in out.as_chunks_mut::<3>().0.iter_mut().zip(black) {
                *out = out.map(|ink| without(ink, black));
            }
        }
        _ => debug_assert!(false, "{colours:?} of {} components", components.len()),
    }
}

/// The light an ink lets through, out of what black lets through; 255 is all of it (Pillow's `cmyk2rgb`).
fn without(ink: u8, light: u8) -> u8 {
    let product = u32::from(ink) * u32::from(light) + 128;
    light - (((product >> 8) + product) >> 8) as u8
}

/// YCbCr → RGB after JFIF (BT.601, full range) with 16-bit fractions.
#[inline(always)]
pub(crate) fn ycc_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    for (((out, &y), &cb), &cr) in out.as_chunks_mut::<3>().0.iter_mut().zip(y).zip(cb).zip(cr) {
        let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
        let red = y + ((RED_CR * cr + HALF) >> 16);
        let green = y + ((GREEN_CB * cb + GREEN_CR * cr + HALF) >> 16);
        let blue = y + ((BLUE_CB * cb + HALF) >> 16);
        *out = [red, green, blue].map(|value| value.clamp(0, 255) as u8);
    }
}

// 1.402, -0.34414, -0.71414 and 1.772, times 2^16.
pub(crate) const RED_CR: i32 = 91_881;
pub(crate) const GREEN_CB: i32 = -22_554;
pub(crate) const GREEN_CR: i32 = -46_802;
pub(crate) const BLUE_CB: i32 = 116_130;
