//! A chain of elementwise operations over rows of numbers in the first cache: what follows a product, and what elementwise
//! steps do on their own.

use facevault_graph::{Binary, Function};

use super::functions;
use super::storage::Storage;

/// One operation of a chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Link {
    /// f(x).
    Function(Function),
    /// x ∘ value, or value ∘ x where swapped.
    Scalar { binary: Binary, value: f32, swapped: bool },
    /// x ∘ operand, or operand ∘ x where swapped.
    Operand { binary: Binary, operand: usize, swapped: bool },
    /// max(x, 0) + slope · min(x, 0), the slopes an operand.
    PRelu { operand: usize },
}

/// Numbers beside the rows: those of a pixel lie next to each other, or are one number.
#[derive(Debug, Clone, Copy)]
pub struct Operand {
    /// Of the first pixel of the first image, at the first number of the row.
    pub base: *const u8,
    /// How it is kept.
    pub storage: Storage,
    /// Bytes from image to image.
    pub image: usize,
    /// Bytes from pixel to pixel.
    pub pixel: usize,
    /// Whether a pixel has a number for each of the row, or one for all.
    pub wide: bool,
}

/// Which image and pixel a row belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Image of the group.
    pub image: u32,
    /// Pixel of the image.
    pub pixel: u32,
}

/// Rows of `width` numbers, `stride` apart.
#[derive(Debug)]
pub struct Block<'a> {
    pub values: *mut f32,
    pub stride: usize,
    pub width: usize,
    /// One a row.
    pub places: &'a [Place],
    pub links: &'a [Link],
    pub operands: &'a [Operand],
}

/// Where the rows go.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As [`Operand::base`].
    pub base: *mut u8,
    /// How it is kept.
    pub storage: Storage,
    /// Bytes from image to image.
    pub image: usize,
    /// Bytes from pixel to pixel.
    pub pixel: usize,
}

/// Widest row whose operands are converted at once.
pub const WIDEST: usize = 256;

/// Numbers at a time: a loop of known length becomes one instruction an operation, whatever the length of the row.
const LANES: usize = 16;

#[inline(always)]
fn one(row: &mut [f32], op: impl Fn(f32) -> f32) {
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for x in chunk {
            *x = op(*x);
        }
    }
    for x in rest {
        *x = op(*x);
    }
}

#[inline(always)]
fn two(row: &mut [f32], others: &[f32], op: impl Fn(f32, f32) -> f32) {
    let ((chunks, rest), (others, last)) = (row.as_chunks_mut::<LANES>(), others.as_chunks::<LANES>());
    for (chunk, others) in chunks.iter_mut().zip(others) {
        for (x, other) in chunk.iter_mut().zip(others) {
            *x = op(*x, *other);
        }
    }
    for (x, other) in rest.iter_mut().zip(last) {
        *x = op(*x, *other);
    }
}

impl Block<'_> {
    /// # Safety
    /// `values` and the operands are valid for the rows.
    #[inline(always)]
    unsafe fn rows(&self, mut each: impl FnMut(&mut [f32], Place)) {
        for (row, &place) in self.places.iter().enumerate() {
            // SAFETY: handed on from the caller.
            each(unsafe { std::slice::from_raw_parts_mut(self.values.add(row * self.stride), self.width) }, place);
        }
    }

    /// # Safety
    /// As [`Self::rows`].
    #[inline(always)]
    unsafe fn with(&self, operand: usize, op: impl Fn(f32, f32) -> f32) {
        let operand = &self.operands[operand];
        // SAFETY: handed on from the caller.
        unsafe {
            self.rows(|row, place| {
                let from =
                    operand.base.add(place.image as usize * operand.image + place.pixel as usize * operand.pixel);
                if !operand.wide {
                    let other = operand.storage.read(from);
                    one(row, |x| op(x, other));
                } else if operand.storage == Storage::F32 {
                    let others = std::slice::from_raw_parts(from.cast::<f32>(), row.len());
                    two(row, others, &op);
                } else {
                    let mut others = [0f32; WIDEST];
                    for (piece, row) in row.chunks_mut(WIDEST).enumerate() {
                        let others = &mut others[..row.len()];
                        operand.storage.load(from.add(piece * WIDEST * operand.storage.bytes()), others);
                        two(row, others, &op);
                    }
                }
            });
        }
    }

    #[inline(always)]
    unsafe fn each(&self, op: impl Fn(f32) -> f32) {
        // SAFETY: handed on from the caller.
        unsafe { self.rows(|row, _| one(row, &op)) }
    }

    /// Applies the chain. # Safety: as [`Self::rows`].
    #[inline(always)]
    pub unsafe fn apply(&self) {
        use functions::{binary, function};
        for &link in self.links {
            // SAFETY: handed on from the caller. One arm for each function, so that each is a loop of its own.
            unsafe {
                match link {
                    Link::Function(Function::Relu) => self.each(|x| function(Function::Relu, x)),
                    Link::Function(f @ Function::LeakyRelu(_)) => self.each(|x| function(f, x)),
                    Link::Function(Function::Clip(low, high)) => self.each(|x| function(Function::Clip(low, high), x)),
                    Link::Function(Function::Sigmoid) => self.each(functions::sigmoid),
                    Link::Function(Function::HardSwish) => self.each(|x| function(Function::HardSwish, x)),
                    Link::Function(Function::HardSigmoid(a, b)) => {
                        self.each(|x| function(Function::HardSigmoid(a, b), x));
                    }
                    Link::Function(Function::Silu) => self.each(|x| function(Function::Silu, x)),
                    Link::Function(Function::Tanh) => self.each(functions::tanh),
                    Link::Function(Function::Erf) => self.each(functions::erf),
                    Link::Function(Function::Gelu) => self.each(|x| function(Function::Gelu, x)),
                    Link::Function(Function::GeluTanh) => self.each(|x| function(Function::GeluTanh, x)),
                    Link::Function(Function::Exp) => self.each(functions::exp),
                    Link::Function(Function::Sqrt) => self.each(f32::sqrt),
                    Link::Function(f) => self.each(|x| function(f, x)),
                    Link::Scalar { binary: op, value, swapped: false } => match op {
                        Binary::Add => self.each(|x| x + value),
                        Binary::Sub => self.each(|x| x - value),
                        Binary::Mul => self.each(|x| x * value),
                        Binary::Div => self.each(|x| x / value),
                        _ => self.each(|x| binary(op, x, value)),
                    },
                    Link::Scalar { binary: op, value, swapped: true } => self.each(|x| binary(op, value, x)),
                    Link::Operand { binary: op, operand, swapped: false } => match op {
                        Binary::Add => self.with(operand, |x, y| x + y),
                        Binary::Sub => self.with(operand, |x, y| x - y),
                        Binary::Mul => self.with(operand, |x, y| x * y),
                        Binary::Div => self.with(operand, |x, y| x / y),
                        _ => self.with(operand, |x, y| binary(op, x, y)),
                    },
                    Link::Operand { binary: op, operand, swapped: true } => match op {
                        Binary::Sub => self.with(operand, |x, y| y - x),
                        _ => self.with(operand, |x, y| binary(op, y, x)),
                    },
                    Link::PRelu { operand } => self.with(operand, |x, slope| if x < 0.0 { slope * x } else { x }),
                }
            }
        }
    }

    /// Applies the chain and writes the rows. # Safety: as [`Self::rows`]; `target` is valid for them.
    #[inline(always)]
    pub unsafe fn finish(&self, target: &Target) {
        // SAFETY: handed on from the caller.
        unsafe {
            self.apply();
            self.rows(|row, place| {
                let to = target.base.add(place.image as usize * target.image + place.pixel as usize * target.pixel);
                target.storage.store(row, to);
            });
        }
    }
}
