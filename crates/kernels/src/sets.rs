//! The kernels compiled for each instruction set, as tables of functions.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs

#[cfg(target_arch = "x86_64")]
use crate::amx::MatrixUnit;
use crate::arithmetic::{Bf16Pairs, Float, FloatPairs, I16Pairs, InBf16, InF32, InU8, InU16, RoundedInF32, U8Quads};
#[cfg(target_arch = "x86_64")]
use crate::cpu;
use crate::kernels::{self, DepthwiseTile, Finish, MaxPool, TileJob, WinogradIn, WinogradOut};
use crate::simd::Simd;
use crate::{Kernels, Precision};
use std::time::{Duration, Instant};

/// A tile kernel: the job, its pixels and its vectors of channels.
pub(crate) type TileKernel = unsafe fn(&TileJob, usize, usize);

/// One instruction set's kernels at one precision.
pub struct Set {
    /// Name of the instruction set.
    pub name: &'static str,
    /// 32-bit numbers in a register.
    pub lanes: usize,
    /// Pixels of a full tile.
    pub height: usize,
    /// Numbers in a word.
    pub per_word: usize,
    /// Bytes of an activation.
    pub bytes: usize,
    /// How weights are written.
    pub weights: WeightFormat,
    /// Whether a × b + c is rounded once.
    pub fused: bool,
    /// The products of most layers.
    pub(crate) tile: TileKernel,
    /// Finishes them.
    pub finish: unsafe fn(&Finish),
    /// Finishes those that end the network's body: the output is f32.
    pub finish_last: unsafe fn(&Finish),
    /// f32 products: the first layer, Winograd's, the head.
    pub tile_f32: TileKernel,
    /// Finishes an f32 product whose output is an activation.
    pub finish_f32: unsafe fn(&Finish),
    /// Finishes an f32 product whose output is f32.
    pub finish_head: unsafe fn(&Finish),
    /// Maximum of activations.
    pub max_pool: unsafe fn(&MaxPool),
    /// Activations → Winograd.
    pub winograd_in: unsafe fn(&WinogradIn),
    /// Winograd → activations.
    pub winograd_out: unsafe fn(&WinogradOut),
    /// Convolutions of single channels.
    pub depthwise: unsafe fn(&DepthwiseTile),
    /// The same of f32 maps.
    pub depthwise_f32: unsafe fn(&DepthwiseTile),
    /// f32 maps → Winograd.
    pub winograd_in_f32: unsafe fn(&WinogradIn),
    /// Winograd → f32 maps.
    pub winograd_out_f32: unsafe fn(&WinogradOut),
    /// Multiply-adds of `tile`'s kind at full speed.
    peak: unsafe fn(usize, &[u32]) -> u32,
    /// What computes the products of most layers in place of `tile`.
    #[cfg(target_arch = "x86_64")]
    pub(crate) unit: Option<&'static MatrixUnit>,
}

impl Set {
    /// The arithmetic, where it differs from the default of its precision. Sets with equal text give the same bytes at the same
    /// precision.
    #[must_use]
    pub fn arithmetic(&self) -> String {
        let products = match self.weights {
            WeightFormat::Bf16 if self.has_matrix_unit() => ", sums of 32 products",
            WeightFormat::F32 | WeightFormat::RoundedF32 | WeightFormat::Bf16 | WeightFormat::SplitBf16 => "",
            WeightFormat::I8 => ", 8-bit products",
            WeightFormat::I16 => ", 16-bit products",
        };
        format!("{products}{}", if self.fused { "" } else { ", multiply-adds rounded twice" })
    }

    /// Whether the products of most layers are computed by a matrix unit or its replica.
    #[must_use]
    pub fn has_matrix_unit(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.unit.is_some();
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Words behind the last panel of a layer that its kernels may read: zeros.
    #[must_use]
    pub fn words_behind(&self) -> usize {
        if self.has_matrix_unit() { 15 * 2 * self.lanes } else { 0 }
    }

    /// Whether a 3×3 layer is faster with Winograd, in f32, than directly. Winograd was seen to reach 1.4 to 1.7 times
    /// the f32 peak where few channels come out, 2.2 to 3.2 times elsewhere (`docs/cpu-kernels.md`); the products of
    /// bf16 pairs reach twice that peak, those of four bytes four times, those of a matrix unit sixteen times and more.
    #[must_use]
    pub fn winograd_pays(&self, outputs: usize) -> bool {
        match self.weights {
            _ if self.has_matrix_unit() => false,
            WeightFormat::F32 | WeightFormat::I16 => true,
            // Without bf16 instructions it would always pay, by 4% of the network. This way the bytes equal those of CPUs that
            // have them.
            WeightFormat::RoundedF32 | WeightFormat::Bf16 => outputs > 32,
            WeightFormat::SplitBf16 | WeightFormat::I8 => false,
        }
    }

    /// Operations a second that one thread's products reach without reading memory, as measured in a few hundredths of a second.
    #[must_use]
    pub fn peak(&self) -> f64 {
        /// Short enough to be waited for, long enough for the clock to rise.
        const LEAST: Duration = Duration::from_millis(20);
        let mut rounds = 64;
        loop {
            let start = Instant::now();
            let operations = self.run_peak(rounds);
            let time = start.elapsed();
            if time >= LEAST {
                return operations / time.as_secs_f64();
            }
            rounds *= 2;
        }
    }

    /// Multiply-adds of the set's kind at full speed on one thread: operations in `rounds` rounds.
    #[must_use]
    pub fn run_peak(&self, rounds: usize) -> f64 {
        #[cfg(target_arch = "x86_64")]
        if let Some(unit) = self.unit {
            // SAFETY: `choose` gives a set only to a CPU that has its unit.
            unsafe { (unit.peak)(rounds) };
            return rounds as f64 * unit.peak_operations;
        }
        // SAFETY: `choose` gives a set only to a CPU that has it; the seed holds two vectors.
        std::hint::black_box(unsafe { (self.peak)(rounds, &vec![0; 2 * self.lanes]) });
        (rounds * 8 * kernels::PEAK_SUMS * self.lanes * self.per_word * 2) as f64
    }
}

/// How the weights of a set's own products are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// f32.
    F32,
    /// bf16 values in f32.
    RoundedF32,
    /// bf16.
    Bf16,
    /// Two bf16s: the nearest, and the nearest to what that leaves.
    SplitBf16,
    /// Signed bytes.
    I8,
    /// Signed bytes in 16 bits.
    I16,
}

impl WeightFormat {
    /// Whether a product's sums are integers.
    #[must_use]
    pub fn integer(self) -> bool {
        matches!(self, Self::I8 | Self::I16)
    }

    /// Rows of a panel that so many words of a pixel are multiplied with.
    #[must_use]
    pub fn rows(self, words: usize) -> usize {
        if self == Self::SplitBf16 { words.next_multiple_of(SPLIT_BLOCK) } else { words }
    }
}

/// Channels whose first parts, then second parts, are multiplied as a block.
pub(crate) const SPLIT_BLOCK: usize = 32;

/// A kernel compiled for a set.
macro_rules! entry {
    ($features:literal, $name:ident, $job:ty, $kernel:expr) => {
        #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), target_feature(enable = $features))]
        unsafe fn $name(job: &$job) {
            // SAFETY: as in `set`.
            unsafe { $kernel(job) }
        }
    };
}

macro_rules! set {
    ($module:ident, $name:literal, $set:ty, $features:literal, $height:literal, [$($h:literal <= $top:literal),+],
     $arithmetic:ty, $storage:ty, $per_word:literal, $bytes:literal, $weights:expr) => {
        mod $module {
            use super::*;
            use crate::arithmetic::ProductArithmetic;

            // SAFETY of every function here: the callers of a `Set` keep the contract of its kernels, and a `Set` is
            // handed out only where the CPU has its features.
            #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), target_feature(enable = $features))]
            unsafe fn tile_of<A: ProductArithmetic<$set>, const H: usize, const V: usize>(job: &TileJob) {
                // SAFETY: as above.
                unsafe { kernels::tile::<$set, A, H, V>(job) }
            }
            unsafe fn tile<A: ProductArithmetic<$set>>(job: &TileJob, rows: usize, vectors: usize) {
                // SAFETY: as above.
                unsafe {
                    match (rows, vectors) {
                        $((..=$top, 1) => tile_of::<A, $h, 1>(job), (..=$top, _) => tile_of::<A, $h, 2>(job),)+
                        _ => unreachable!("a tile of {rows} pixels"),
                    }
                }
            }
            entry!($features, finish, Finish, kernels::finish::<$set, $arithmetic, $storage, $storage>);
            entry!($features, finish_last, Finish, kernels::finish::<$set, $arithmetic, $storage, InF32>);
            entry!($features, finish_f32, Finish, kernels::finish::<$set, Float, InF32, $storage>);
            entry!($features, finish_head, Finish, kernels::finish::<$set, Float, InF32, InF32>);
            entry!($features, max_pool, MaxPool, kernels::max_pool::<$set, $storage>);
            entry!($features, winograd_in, WinogradIn, kernels::winograd_in::<$set, $storage>);
            entry!($features, winograd_out, WinogradOut, kernels::winograd_out::<$set, $storage>);
            entry!($features, depthwise, DepthwiseTile, kernels::depthwise::<$set, $storage>);
            entry!($features, depthwise_f32, DepthwiseTile, kernels::depthwise::<$set, InF32>);
            entry!($features, winograd_in_f32, WinogradIn, kernels::winograd_in::<$set, InF32>);
            entry!($features, winograd_out_f32, WinogradOut, kernels::winograd_out::<$set, InF32>);
            #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), target_feature(enable = $features))]
            unsafe fn peak(rounds: usize, seed: &[u32]) -> u32 {
                // SAFETY: as above.
                unsafe { kernels::peak::<$set, $arithmetic>(rounds, seed) }
            }
            pub(super) static SET: Set = Set {
                name: $name,
                lanes: <$set as Simd>::LANES,
                height: $height,
                per_word: $per_word,
                bytes: $bytes,
                weights: $weights,
                fused: <$set as Simd>::FUSED,
                tile: tile::<$arithmetic>,
                finish,
                finish_last,
                tile_f32: tile::<Float>,
                finish_f32,
                finish_head,
                max_pool,
                winograd_in,
                winograd_out,
                depthwise,
                depthwise_f32,
                winograd_in_f32,
                winograd_out_f32,
                peak,
                #[cfg(target_arch = "x86_64")]
                unit: None,
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
use crate::simd::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::simd::avx512::Avx512;
#[cfg(target_arch = "aarch64")]
use crate::simd::neon::Neon;
use crate::simd::portable::Portable;

#[cfg(target_arch = "x86_64")]
macro_rules! avx512 {
    ($module:ident, $name:literal, $features:literal, $($rest:tt)+) => {
        set!($module, $name, Avx512, $features, 12, [3 <= 3, 6 <= 6, 9 <= 9, 12 <= 12], $($rest)+);
    };
}
#[cfg(target_arch = "x86_64")]
avx512!(avx512_f32, "avx512", "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", Float, InF32, 1, 4, WeightFormat::F32);
#[cfg(target_arch = "x86_64")]
avx512!(
    avx512_rounded,
    "avx512",
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
    FloatPairs,
    RoundedInF32,
    1,
    4,
    WeightFormat::RoundedF32
);
#[cfg(target_arch = "x86_64")]
avx512!(avx512_i16, "avx512", "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", I16Pairs, InU16, 2, 2, WeightFormat::I16);
#[cfg(target_arch = "x86_64")]
avx512!(
    avx512_bf16,
    "avx512+bf16",
    "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma",
    Bf16Pairs,
    InBf16,
    2,
    2,
    WeightFormat::Bf16
);
// Stores bf16 without its instructions. Its tiles are never used.
#[cfg(target_arch = "x86_64")]
avx512!(
    avx512_storing_bf16,
    "avx512",
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
    FloatPairs,
    InBf16,
    2,
    2,
    WeightFormat::Bf16
);
#[cfg(target_arch = "x86_64")]
avx512!(
    avx512_vnni,
    "avx512+vnni",
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma",
    U8Quads,
    InU8,
    4,
    1,
    WeightFormat::I8
);

#[cfg(target_arch = "x86_64")]
mod matrix;

#[cfg(target_arch = "x86_64")]
macro_rules! avx2 {
    ($module:ident, $($rest:tt)+) => { set!($module, "avx2+fma", Avx2, "avx2,fma", 6, [2 <= 2, 4 <= 4, 6 <= 6], $($rest)+); };
}
#[cfg(target_arch = "x86_64")]
avx2!(avx2_f32, Float, InF32, 1, 4, WeightFormat::F32);
#[cfg(target_arch = "x86_64")]
avx2!(avx2_rounded, FloatPairs, RoundedInF32, 1, 4, WeightFormat::RoundedF32);
#[cfg(target_arch = "x86_64")]
avx2!(avx2_i16, I16Pairs, InU16, 2, 2, WeightFormat::I16);

#[cfg(target_arch = "aarch64")]
macro_rules! neon {
    ($module:ident, $($rest:tt)+) => { set!($module, "neon", Neon, "neon", 12, [4 <= 4, 8 <= 8, 12 <= 12], $($rest)+); };
}
#[cfg(target_arch = "aarch64")]
neon!(neon_f32, Float, InF32, 1, 4, WeightFormat::F32);
#[cfg(target_arch = "aarch64")]
neon!(neon_rounded, FloatPairs, RoundedInF32, 1, 4, WeightFormat::RoundedF32);
#[cfg(target_arch = "aarch64")]
neon!(neon_i16, I16Pairs, InU16, 2, 2, WeightFormat::I16);

// The attribute has to name a feature: one of the baseline.
#[cfg(not(target_arch = "aarch64"))]
macro_rules! portable {
    ($module:ident, $($rest:tt)+) => { set!($module, "portable", Portable, "sse2", 4, [2 <= 2, 4 <= 4], $($rest)+); };
}
#[cfg(target_arch = "aarch64")]
macro_rules! portable {
    ($module:ident, $($rest:tt)+) => { set!($module, "portable", Portable, "neon", 4, [2 <= 2, 4 <= 4], $($rest)+); };
}
portable!(portable_f32, Float, InF32, 1, 4, WeightFormat::F32);
portable!(portable_rounded, FloatPairs, RoundedInF32, 1, 4, WeightFormat::RoundedF32);
portable!(portable_i16, I16Pairs, InU16, 2, 2, WeightFormat::I16);

/// The precisions that the kernels compute in.
pub const PRECISIONS: [Precision; 4] = [Precision::F32, Precision::Bf16x3, Precision::Bf16, Precision::Int8];

/// The requested kernels, or the fastest for `auto`; `None` if this CPU lacks them or they lack the precision.
#[must_use]
pub fn choose(kernels: Kernels, precision: Precision) -> Option<&'static Set> {
    able(kernels, precision).into_iter().next()
}

/// All sets of these kernels that this CPU can run, the fastest first.
#[must_use]
pub fn able(kernels: Kernels, precision: Precision) -> Vec<&'static Set> {
    match kernels {
        Kernels::Auto => fast().flat_map(|kernels| able(kernels, precision)).collect(),
        #[cfg(target_arch = "x86_64")]
        Kernels::Amx => {
            // A unit has no product of f32s.
            let of = |[split, bf16, int8]: [&'static Set; 3]| {
                let sets: [(_, &'static Set); 4] = [
                    (Precision::F32, &avx512_f32::SET),
                    (Precision::Bf16x3, split),
                    (Precision::Bf16, bf16),
                    (Precision::Int8, int8),
                ];
                sets.into_iter().filter(|(of, _)| *of == precision).map(|(_, set)| set)
            };
            let hardware = of([&matrix::SPLIT, &matrix::BF16, &matrix::INT8]).filter(|_| cpu::has_amx());
            let replica = of([&matrix::REPLICA_SPLIT, &matrix::REPLICA_BF16, &matrix::REPLICA_INT8]);
            hardware.chain(replica.filter(|_| cpu::replicates_amx())).collect()
        }
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx512 if cpu::avx512() => {
            let bf16 = std::arch::is_x86_feature_detected!("avx512bf16").then_some(&avx512_bf16::SET);
            let vnni = std::arch::is_x86_feature_detected!("avx512vnni").then_some(&avx512_vnni::SET);
            match precision {
                Precision::F32 => vec![&avx512_f32::SET],
                // Of the same bytes.
                Precision::Bf16 if cpu::slow_bf16() => [&avx512_rounded::SET].into_iter().chain(bf16).collect(),
                Precision::Bf16 => bf16.into_iter().chain([&avx512_rounded::SET]).collect(),
                Precision::Int8 => vnni.into_iter().chain([&avx512_i16::SET]).collect(),
                Precision::Bf16x3 | Precision::Tf32 | Precision::F16 => Vec::new(),
            }
        }
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx2 if cpu::avx2() => of(precision, [&avx2_f32::SET, &avx2_rounded::SET, &avx2_i16::SET]),
        #[cfg(target_arch = "aarch64")]
        Kernels::Neon => of(precision, [&neon_f32::SET, &neon_rounded::SET, &neon_i16::SET]),
        Kernels::Portable => of(precision, [&portable_f32::SET, &portable_rounded::SET, &portable_i16::SET]),
        _ => Vec::new(),
    }
}

/// All sets that this CPU can run: the fast ones, then the replica of a matrix unit, which is there for its bytes.
#[must_use]
pub fn every(precision: Precision) -> Vec<&'static Set> {
    let mut sets = able(Kernels::Auto, precision);
    for set in able(Kernels::Amx, precision) {
        if sets.iter().all(|known| known.name != set.name) {
            sets.push(set);
        }
    }
    sets
}

/// The set of the matrix unit, whatever this CPU has.
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) fn with_amx(precision: Precision) -> &'static Set {
    match precision {
        Precision::Bf16x3 => &matrix::SPLIT,
        Precision::Bf16 => &matrix::BF16,
        _ => &matrix::INT8,
    }
}

/// Kernels that are worth having for their speed, the widest first.
fn fast() -> impl Iterator<Item = Kernels> {
    #[cfg(target_arch = "x86_64")]
    let matrix = cpu::has_amx();
    #[cfg(not(target_arch = "x86_64"))]
    let matrix = false;
    matrix.then_some(Kernels::Amx).into_iter().chain(NAMED)
}

/// Kernels that go by the name of an instruction set, the widest first.
const NAMED: [Kernels; 4] = [Kernels::Avx512, Kernels::Avx2, Kernels::Neon, Kernels::Portable];

/// The one of three sets that has the precision.
fn of(precision: Precision, sets: [&'static Set; 3]) -> Vec<&'static Set> {
    [Precision::F32, Precision::Bf16, Precision::Int8]
        .into_iter()
        .zip(sets)
        .filter(|(of, _)| *of == precision)
        .map(|(_, set)| set)
        .collect()
}
