//! How the numbers of a map are kept in memory.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

/// Of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// 32 bits.
    #[default]
    F32,
    /// The upper 16 of these, rounded to the nearest, ties to even.
    Bf16,
    /// 32 bits of which the lower 16 are 0: bf16 for sets that cannot multiply it.
    Rounded,
}

impl Storage {
    /// Of a number.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Rounded => 4,
            Self::Bf16 => 2,
        }
    }

    /// # Safety
    /// `from` is valid for one number.
    #[inline(always)]
    pub unsafe fn read(self, from: *const u8) -> f32 {
        // SAFETY: handed on from the caller.
        unsafe {
            match self {
                Self::F32 | Self::Rounded => from.cast::<f32>().read_unaligned(),
                Self::Bf16 => widened(from.cast::<u16>().read_unaligned()),
            }
        }
    }

    /// Reads as many as `into` holds. # Safety: `from` is valid for them.
    #[inline(always)]
    pub unsafe fn load(self, from: *const u8, into: &mut [f32]) {
        // SAFETY: handed on from the caller; numbers lie at multiples of their size.
        unsafe {
            match self {
                Self::F32 | Self::Rounded => into.copy_from_slice(std::slice::from_raw_parts(from.cast(), into.len())),
                Self::Bf16 => {
                    let from = std::slice::from_raw_parts(from.cast::<u16>(), into.len());
                    into.iter_mut().zip(from).for_each(|(into, &bits)| *into = widened(bits));
                }
            }
        }
    }

    /// Writes them. # Safety: `to` is valid for them.
    #[inline(always)]
    pub unsafe fn store(self, values: &[f32], to: *mut u8) {
        // SAFETY: as above.
        unsafe {
            match self {
                Self::F32 => to.cast::<f32>().copy_from_nonoverlapping(values.as_ptr(), values.len()),
                Self::Bf16 => {
                    let to = std::slice::from_raw_parts_mut(to.cast::<u16>(), values.len());
                    to.iter_mut().zip(values).for_each(|(to, &value)| *to = narrowed(value));
                }
                Self::Rounded => {
                    let to = std::slice::from_raw_parts_mut(to.cast::<f32>(), values.len());
                    to.iter_mut().zip(values).for_each(|(to, &value)| *to = widened(narrowed(value)));
                }
            }
        }
    }
}

#[inline(always)]
fn widened(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bf16, ties to even. A NaN stays one: its payload's upper bit is set in everything that computes here.
#[inline(always)]
fn narrowed(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    (if value.is_nan() { bits | 0x40_0000 } else { rounded } >> 16) as u16
}

impl Storage {
    /// Appends the bytes of a number. They fill whole words of 32 bits after an even count of them.
    pub fn encode(self, value: f32, into: &mut Vec<u8>) {
        match self {
            Self::F32 => into.extend(value.to_ne_bytes()),
            Self::Bf16 => into.extend(narrowed(value).to_ne_bytes()),
            Self::Rounded => into.extend(widened(narrowed(value)).to_ne_bytes()),
        }
    }
}
