//! Sets with the products of a matrix unit, and all else of AVX-512.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs

use super::{Set, TileJob, WeightFormat, avx512_f32, avx512_storing_bf16, avx512_vnni};
use crate::amx::{self, Gathering, HEIGHT, MatrixUnit};

/// f32 tiles as high as the unit's, in several of the set's own: the last begins where it ends with the pixels, since a tile
/// is computed whole.
unsafe fn tile_f32(job: &TileJob, rows: usize, vectors: usize) {
    let own = avx512_f32::SET.height;
    for first in (0..rows).step_by(own) {
        let first = first.min(rows.saturating_sub(own));
        // SAFETY: handed on from the caller.
        unsafe {
            let (offsets, out) = (job.offsets.add(first), job.out.add(first * job.stride));
            (avx512_f32::SET.tile)(&TileJob { offsets, out, ..*job }, own.min(rows), vectors);
        }
    }
}

unsafe fn no_tile(_: &TileJob, _: usize, _: usize) {
    unreachable!("`layer::Products` takes the unit")
}

/// Operations of 16 products of tiles whose words hold so many numbers.
const fn operations(per_word: usize) -> f64 {
    (16 * 2 * amx::ROWS * amx::ROW_WORDS * amx::ROW_WORDS * per_word) as f64
}

macro_rules! unit {
    ($name:ident, $as:literal, $of:path, $weights:ident, $gathering:expr, $gather:ident,
     [$multiply:ident, $set_up:path, $release:path, $peak:ident], $operations:expr) => {
        pub static $name: Set = Set {
            name: $as,
            height: HEIGHT,
            weights: WeightFormat::$weights,
            tile: no_tile,
            tile_f32,
            unit: Some(&MatrixUnit {
                gathering: $gathering,
                gather: amx::$gather,
                multiply: amx::$multiply,
                set_up: $set_up,
                release: $release,
                peak: amx::$peak,
                peak_operations: $operations,
            }),
            ..$of
        };
    };
}
macro_rules! units {
    ($as:literal, $bf16:ident, $split:ident, $int8:ident, [$multiply_bf16:ident, $multiply_int8:ident],
     [$peak_bf16:ident, $peak_int8:ident], $set_up:path, $release:path) => {
        unit!(
            $bf16,
            $as,
            avx512_storing_bf16::SET,
            Bf16,
            Gathering::Words { joined: false },
            gather,
            [$multiply_bf16, $set_up, $release, $peak_bf16],
            operations(2)
        );
        unit!(
            $split,
            $as,
            avx512_f32::SET,
            SplitBf16,
            Gathering::Split,
            gather_split,
            [$multiply_bf16, $set_up, $release, $peak_bf16],
            operations(2) / 3.0
        );
        unit!(
            $int8,
            $as,
            avx512_vnni::SET,
            I8,
            Gathering::Words { joined: true },
            gather,
            [$multiply_int8, $set_up, $release, $peak_int8],
            operations(4)
        );
    };
}

/// The replica needs no unit.
unsafe fn nothing() {}

units!("amx", BF16, SPLIT, INT8, [multiply_bf16, multiply_int8], [peak_bf16, peak_int8], amx::set_up, amx::release);
units!(
    "amx replica",
    REPLICA_BF16,
    REPLICA_SPLIT,
    REPLICA_INT8,
    [replica_bf16, replica_int8],
    [replica_peak_bf16, replica_peak_int8],
    nothing,
    nothing
);
