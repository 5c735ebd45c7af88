//! A chain of elementwise operations over rows of numbers in the first cache: what follows a product, and what elementwise
//! steps do on their own.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

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
    /// x · scale, x the whole number that the bits of a sum are; first in a chain, before the bias.
    Whole { scale: usize },
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
    /// Where else the rows go.
    pub twins: &'a [TwinTarget],
}

/// A second place for the rows of a [`Block`]: what comes out of its chain, scaled and shifted.
#[derive(Debug, Clone, Copy)]
pub struct TwinTarget {
    /// Of each number of the row.
    pub scale_and_shift: Option<[*const f32; 2]>,
    pub target: Target,
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

/// Widest row.
pub const WIDEST: usize = 256;

/// Numbers at a time: a loop of known length becomes one instruction an operation, whatever the length of the row.
const LANES: usize = 16;

/// What the first pass over sums begins with, of each number of a row.
#[derive(Clone, Copy, Default)]
struct Lead<'a> {
    /// The sums are whole numbers, and are multiplied with these.
    scale: Option<&'a [f32]>,
    bias: Option<&'a [f32]>,
}

/// One pass over the rows: where the result goes, and what comes first.
#[derive(Clone, Copy)]
struct Pass<'a> {
    lead: Lead<'a>,
    /// Of f32. Nowhere: in place.
    target: Option<&'a Target>,
}

/// f of each number of a row, after the lead.
///
/// # Safety
/// `from` and `to` are valid for `width` numbers, and are the same or apart.
#[inline(always)]
unsafe fn row(from: *const f32, to: *mut f32, width: usize, lead: Lead<'_>, op: impl Fn(f32, usize) -> f32) {
    // SAFETY: handed on from the caller.
    unsafe {
        let mut at = 0;
        while at + LANES <= width {
            let mut values = *from.add(at).cast::<[f32; LANES]>();
            if let Some(scale) = lead.scale {
                let scale = *scale.as_ptr().add(at).cast::<[f32; LANES]>();
                for lane in 0..LANES {
                    values[lane] = values[lane].to_bits() as i32 as f32 * scale[lane];
                }
            }
            if let Some(bias) = lead.bias {
                let bias = *bias.as_ptr().add(at).cast::<[f32; LANES]>();
                for lane in 0..LANES {
                    values[lane] += bias[lane];
                }
            }
            for lane in 0..LANES {
                values[lane] = op(values[lane], at + lane);
            }
            *to.add(at).cast::<[f32; LANES]>() = values;
            at += LANES;
        }
        while at < width {
            let sum = *from.add(at);
            let value = lead.scale.map_or(sum, |scale| sum.to_bits() as i32 as f32 * scale[at]);
            to.add(at).write(op(value + lead.bias.map_or(0.0, |bias| bias[at]), at));
            at += 1;
        }
    }
}

impl Block<'_> {
    /// Runs a pass; `op` gets a number, its place in the row, and the row's place.
    ///
    /// # Safety
    /// `values`, the operands and the target are valid for the rows.
    #[inline(always)]
    unsafe fn pass(&self, pass: Pass<'_>, op: impl Fn(f32, usize, Place) -> f32) {
        for (index, &place) in self.places.iter().enumerate() {
            // SAFETY: handed on from the caller.
            unsafe {
                let from = self.values.add(index * self.stride);
                let to = pass.target.map_or(from, |target| target.at(place).cast());
                row(from, to, self.width, pass.lead, |x, at| op(x, at, place));
            }
        }
    }

    /// Writes the rows to a target that is not of f32. # Safety: as [`Self::pass`].
    #[inline(always)]
    unsafe fn store(&self, target: &Target) {
        for (index, &place) in self.places.iter().enumerate() {
            // SAFETY: handed on from the caller.
            unsafe {
                let row = std::slice::from_raw_parts(self.values.add(index * self.stride), self.width);
                target.storage.store(row, target.at(place));
            }
        }
    }

    /// A pass with an operand. # Safety: as [`Self::pass`].
    #[inline(always)]
    unsafe fn with(&self, pass: Pass<'_>, operand: usize, op: impl Fn(f32, f32) -> f32) {
        let operand = &self.operands[operand];
        // SAFETY: handed on from the caller.
        unsafe {
            // An arm for each, so that the loop has no branch.
            macro_rules! wide {
                ($storage:expr) => {{
                    let storage = $storage;
                    self.pass(pass, |x, at, place| op(x, storage.read(operand.at(place).add(at * storage.bytes()))));
                }};
            }
            match (operand.wide, operand.storage) {
                (true, Storage::F32 | Storage::Rounded) => wide!(Storage::F32),
                (true, Storage::Bf16) => wide!(Storage::Bf16),
                (true, Storage::U8(steps)) => wide!(Storage::U8(steps)),
                (true, Storage::U16(steps)) => wide!(Storage::U16(steps)),
                (false, storage) => self.pass(pass, |x, _, place| op(x, storage.read(operand.at(place)))),
            }
        }
    }

    /// Numbers of an operand that are the same for every row.
    #[inline(always)]
    unsafe fn fixed(&self, operand: usize) -> Option<&[f32]> {
        let operand = &self.operands[operand];
        let fixed = operand.wide && operand.image == 0 && operand.pixel == 0 && operand.storage == Storage::F32;
        // SAFETY: an operand is valid for the rows.
        fixed.then(|| unsafe { std::slice::from_raw_parts(operand.base.cast(), self.width) })
    }

    /// What the chain begins with, and the links behind it. # Safety: as [`Self::pass`].
    #[inline(always)]
    unsafe fn lead(&self) -> (Lead<'_>, &[Link]) {
        let (mut lead, mut links) = (Lead::default(), self.links);
        // SAFETY: handed on from the caller.
        unsafe {
            if let Some((&Link::Whole { scale }, rest)) = links.split_first() {
                (lead.scale, links) = (self.fixed(scale), rest);
            }
            if let Some((&Link::Operand { binary: Binary::Add, operand, .. }, rest)) = links.split_first()
                && let Some(bias) = self.fixed(operand)
            {
                (lead.bias, links) = (Some(bias), rest);
            }
        }
        (lead, links)
    }

    /// Writes the finished rows once more. # Safety: as [`Self::pass`].
    #[inline(always)]
    unsafe fn copy_to(&self, twin: &TwinTarget, target: &Target) {
        let mut scaled = [0f32; WIDEST];
        for (index, &place) in self.places.iter().enumerate() {
            // SAFETY: handed on from the caller; a row is no wider than `WIDEST`.
            unsafe {
                // Rows that went straight to their place are there, others are still here.
                let from = match target.storage {
                    Storage::F32 => target.at(place).cast_const().cast(),
                    _ => self.values.add(index * self.stride).cast_const(),
                };
                let mut values = std::slice::from_raw_parts(from, self.width);
                if let Some([scale, shift]) = twin.scale_and_shift {
                    row(from, scaled.as_mut_ptr(), self.width, Lead::default(), |x, at| {
                        x * *scale.add(at) + *shift.add(at)
                    });
                    values = &scaled[..self.width];
                }
                twin.target.storage.store(values, twin.target.at(place));
            }
        }
    }

    /// Applies the chain and writes the rows: as many passes as there are links, the bias going with the link behind it.
    ///
    /// # Safety
    /// As [`Self::pass`].
    #[inline(always)]
    pub unsafe fn finish(&self, target: &Target) {
        // SAFETY: handed on from the caller.
        unsafe {
            let (mut lead, links) = self.lead();
            let last = (target.storage == Storage::F32).then_some(target);
            if links.is_empty() {
                self.pass(Pass { lead, target: last }, |x, _, _| x);
            }
            for (index, &link) in links.iter().enumerate() {
                let target = last.filter(|_| index + 1 == links.len());
                self.link(link, Pass { lead: std::mem::take(&mut lead), target });
            }
            if last.is_none() {
                self.store(target);
            }
            for twin in self.twins {
                self.copy_to(twin, target);
            }
        }
    }

    /// One arm for each operation, so that each is a loop of its own. # Safety: as [`Self::pass`].
    #[inline(always)]
    unsafe fn link(&self, link: Link, pass: Pass<'_>) {
        use functions::{binary, function};
        macro_rules! each {
            ($op:expr) => {{
                let op = $op;
                self.pass(pass, |x, _, _| op(x))
            }};
        }
        // SAFETY: handed on from the caller.
        unsafe {
            match link {
                Link::Function(Function::Relu) => each!(|x| function(Function::Relu, x)),
                Link::Function(f @ Function::LeakyRelu(_)) => each!(|x| function(f, x)),
                Link::Function(Function::Clip(low, high)) => each!(|x| function(Function::Clip(low, high), x)),
                Link::Function(Function::Sigmoid) => each!(functions::sigmoid),
                Link::Function(Function::HardSwish) => each!(|x| function(Function::HardSwish, x)),
                Link::Function(Function::HardSigmoid(a, b)) => each!(|x| function(Function::HardSigmoid(a, b), x)),
                Link::Function(Function::Silu) => each!(|x| function(Function::Silu, x)),
                Link::Function(Function::Tanh) => each!(functions::tanh),
                Link::Function(Function::Erf) => each!(functions::erf),
                Link::Function(Function::Gelu) => each!(|x| function(Function::Gelu, x)),
                Link::Function(Function::GeluTanh) => each!(|x| function(Function::GeluTanh, x)),
                Link::Function(Function::Exp) => each!(functions::exp),
                Link::Function(Function::Sqrt) => each!(f32::sqrt),
                Link::Function(f) => each!(|x| function(f, x)),
                Link::Scalar { binary: op, value, swapped: false } => match op {
                    Binary::Add => each!(|x| x + value),
                    Binary::Sub => each!(|x| x - value),
                    Binary::Mul => each!(|x| x * value),
                    Binary::Div => each!(|x| x / value),
                    _ => each!(|x| binary(op, x, value)),
                },
                Link::Scalar { binary: op, value, swapped: true } => each!(|x| binary(op, value, x)),
                Link::Operand { binary: op, operand, swapped: false } => match op {
                    Binary::Add => self.with(pass, operand, |x, y| x + y),
                    Binary::Sub => self.with(pass, operand, |x, y| x - y),
                    Binary::Mul => self.with(pass, operand, |x, y| x * y),
                    Binary::Div => self.with(pass, operand, |x, y| x / y),
                    _ => self.with(pass, operand, |x, y| binary(op, x, y)),
                },
                Link::Operand { binary: op, operand, swapped: true } => match op {
                    Binary::Add => self.with(pass, operand, |x, y| x + y),
                    Binary::Mul => self.with(pass, operand, |x, y| x * y),
                    _ => self.with(pass, operand, |x, y| binary(op, y, x)),
                },
                Link::PRelu { operand } => self.with(pass, operand, |x, slope| if x < 0.0 { slope * x } else { x }),
                // The lead has taken it.
                Link::Whole { .. } => (),
            }
        }
    }
}

impl Operand {
    /// # Safety
    /// It is valid for this place.
    #[inline(always)]
    unsafe fn at(&self, place: Place) -> *const u8 {
        // SAFETY: handed on from the caller.
        unsafe { self.base.add(place.image as usize * self.image + place.pixel as usize * self.pixel) }
    }
}

impl Target {
    /// From a channel on. # Safety: it has so many.
    pub unsafe fn from(self, channel: usize) -> Self {
        // SAFETY: handed on from the caller.
        Self { base: unsafe { self.base.add(channel * self.storage.bytes()) }, ..self }
    }

    /// # Safety
    /// As [`Operand::at`].
    #[inline(always)]
    unsafe fn at(&self, place: Place) -> *mut u8 {
        // SAFETY: handed on from the caller.
        unsafe { self.base.add(place.image as usize * self.image + place.pixel as usize * self.pixel) }
    }
}
