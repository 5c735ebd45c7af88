//! How the numbers of a map are kept in memory.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

/// Of one number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Storage {
    /// 32 bits.
    #[default]
    F32,
    /// The upper 16 of these, rounded to the nearest, ties to even.
    Bf16,
    /// 32 bits of which the lower 16 are 0: bf16 for sets that cannot multiply it.
    Rounded,
    /// A byte of 0..=255.
    U8(Steps),
    /// The same in 16 bits, for sets that cannot multiply bytes.
    U16(Steps),
}

/// What a whole number of 0..=255 stands for: (it − zero) × unit. Zero itself is one of them, so that padding is exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// From one to the next.
    pub unit: f32,
    /// The one that stands for 0.
    pub zero: f32,
}

impl Steps {
    /// Those that reach from the least to the largest of some numbers.
    #[must_use]
    pub fn over([least, most]: [f32; 2]) -> Self {
        let (least, most) = (least.min(0.0), most.max(0.0));
        let unit = ((most - least) / 255.0).max(f32::MIN_POSITIVE);
        Self { unit, zero: (-least / unit).round_ties_even().clamp(0.0, 255.0) }
    }

    /// The nearest whole number, ties to even.
    #[inline(always)]
    fn nearest(self, value: f32) -> u32 {
        /// Numbers near it have their whole part in the lowest bits.
        const LARGE: f32 = 12_582_912.0;
        let value = value * (1.0 / self.unit) + self.zero;
        let value = if value > 0.0 { value } else { 0.0 };
        let value = if value < 255.0 { value } else { 255.0 };
        (value + LARGE).to_bits() & 0xff
    }

    #[inline(always)]
    fn value(self, whole: f32) -> f32 {
        (whole - self.zero) * self.unit
    }
}

impl Storage {
    /// Of a number.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Rounded => 4,
            Self::Bf16 | Self::U16(_) => 2,
            Self::U8(_) => 1,
        }
    }

    /// Of whole numbers.
    #[must_use]
    pub fn steps(self) -> Option<Steps> {
        match self {
            Self::U8(steps) | Self::U16(steps) => Some(steps),
            Self::F32 | Self::Bf16 | Self::Rounded => None,
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
                Self::U8(steps) => steps.value(f32::from(from.read())),
                Self::U16(steps) => steps.value(f32::from(from.cast::<u16>().read_unaligned())),
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
                Self::U8(steps) => {
                    let from = std::slice::from_raw_parts(from, into.len());
                    into.iter_mut().zip(from).for_each(|(into, &whole)| *into = steps.value(f32::from(whole)));
                }
                Self::U16(steps) => {
                    let from = std::slice::from_raw_parts(from.cast::<u16>(), into.len());
                    into.iter_mut().zip(from).for_each(|(into, &whole)| *into = steps.value(f32::from(whole)));
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
                Self::U8(steps) => {
                    let to = std::slice::from_raw_parts_mut(to, values.len());
                    to.iter_mut().zip(values).for_each(|(to, &value)| *to = steps.nearest(value) as u8);
                }
                Self::U16(steps) => {
                    let to = std::slice::from_raw_parts_mut(to.cast::<u16>(), values.len());
                    to.iter_mut().zip(values).for_each(|(to, &value)| *to = steps.nearest(value) as u16);
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
    /// Appends the bytes of a number.
    pub fn encode(self, value: f32, into: &mut Vec<u8>) {
        match self {
            Self::F32 => into.extend(value.to_ne_bytes()),
            Self::Bf16 => into.extend(narrowed(value).to_ne_bytes()),
            Self::Rounded => into.extend(widened(narrowed(value)).to_ne_bytes()),
            Self::U8(steps) => into.push(steps.nearest(value) as u8),
            Self::U16(steps) => into.extend((steps.nearest(value) as u16).to_ne_bytes()),
        }
    }
}
