//! AMX itself, in inline assembly.

// Tested by: `products_of_gathered_pixels_equal_their_definition` in crates/kernels/src/amx/tests.rs
// Not yet: no CPU with AMX has run it; the tests trap its instructions and compute them as Intel's manual says.

use std::arch::asm;

use super::{HEIGHT, MultiplyKernel, PackedTile, ROW_BYTES, ROWS};

/// What a thread tells its unit: every tile has 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Tiles of palette 1.
const TILES: usize = 8;

static CONFIGURATION: Configuration = {
    let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
    let mut tile = 0;
    while tile < TILES {
        row_bytes[tile] = ROW_BYTES as u16;
        rows[tile] = ROWS as u8;
        tile += 1;
    }
    Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

/// Configures this thread's tiles.
///
/// # Safety
/// The CPU has AMX and the process may use it: `cpu::has_amx`.
pub(crate) unsafe fn set_up() {
    // SAFETY: handed on from the caller; the configuration is one of palette 1. Nothing else in this program uses tiles.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) }
}

/// Frees this thread's tiles: the system need not keep them when it changes threads.
///
/// # Safety
/// As [`set_up`].
pub(crate) unsafe fn release() {
    // SAFETY: handed on from the caller.
    unsafe { asm!("tilerelease", options(nostack)) }
}

/// Goes through the stretches: `$zero` before, `$step` for each block, `$store` after. In `$step`, `{a}` and `{b}` point to a
/// block of each side, whose rows are `{line}` and `{row}` apart; in `$store`, `{a}` is where the first sums go and `{b}` is
/// what lies between two rows of them.
macro_rules! multiply {
    ($job:expr, $vectors:literal, [$($zero:expr),+], [$($step:expr),+], [$($store:expr),+]) => {
        asm!(
            $($zero,)+
            "2:",
            "mov {a:e}, dword ptr [{stretch}]",
            "mov {b:e}, dword ptr [{stretch} + 4]",
            "mov {blocks:e}, dword ptr [{stretch} + 8]",
            "imul {b}, {row}",
            "add {a}, qword ptr [{job}]",
            "add {b}, qword ptr [{job} + 8]",
            "3:",
            $($step,)+
            "add {a}, 2048",
            "add {b}, {step}",
            "dec {blocks:e}",
            "jnz 3b",
            "add {stretch}, 12",
            "dec {count}",
            "jnz 2b",
            "mov {a}, qword ptr [{job} + 16]",
            "mov {b}, qword ptr [{job} + 24]",
            $($store,)+
            job = in(reg) $job,
            stretch = inout(reg) $job.stretches => _,
            count = inout(reg) $job.count => _,
            a = out(reg) _,
            b = out(reg) _,
            blocks = out(reg) _,
            line = in(reg) ROW_BYTES,
            row = in(reg) $vectors * ROW_BYTES,
            step = in(reg) $vectors * ROW_BYTES * ROWS,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// The fields that the assembly reads by number.
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(PackedTile, pixels) == 0 && offset_of!(PackedTile, weights) == 8);
    assert!(offset_of!(PackedTile, out) == 16 && offset_of!(PackedTile, stride) == 24);
    assert!(size_of::<super::Stretch>() == 12 && super::BLOCK_BYTES == 2048 && HEIGHT * ROW_BYTES == 2048);
};

macro_rules! kernels {
    ($multiply:ident, $peak:ident, $dot:literal) => {
        /// The job, its tiles of pixels and its vectors of channels.
        ///
        /// # Safety
        /// The pointers of `job` are valid for what it says, weights for whole blocks; the CPU has AMX, and this thread's tiles
        /// are set up.
        pub(crate) unsafe fn $multiply(job: &PackedTile, tiles: usize, vectors: usize) {
            // SAFETY: handed on from the caller. Four tiles of sums stay in registers; loads and stores are of 16 rows of
            // 64 bytes, which `PackedTile` describes.
            unsafe {
                match (tiles, vectors) {
                    (1, 1) => multiply!(
                        job,
                        1,
                        ["tilezero tmm0"],
                        [
                            "tileloadd tmm6, [{b} + {row}*1]",
                            "tileloadd tmm4, [{a} + {line}*1]",
                            concat!($dot, " tmm0, tmm4, tmm6")
                        ],
                        ["tilestored [{a} + {b}*1], tmm0"]
                    ),
                    (1, _) => multiply!(
                        job,
                        2,
                        ["tilezero tmm0", "tilezero tmm1"],
                        [
                            "tileloadd tmm6, [{b} + {row}*1]",
                            "tileloadd tmm4, [{a} + {line}*1]",
                            concat!($dot, " tmm0, tmm4, tmm6"),
                            "tileloadd tmm7, [{b} + {row}*1 + 64]",
                            concat!($dot, " tmm1, tmm4, tmm7")
                        ],
                        ["tilestored [{a} + {b}*1], tmm0", "tilestored [{a} + {b}*1 + 64], tmm1"]
                    ),
                    (_, 1) => multiply!(
                        job,
                        1,
                        ["tilezero tmm0", "tilezero tmm2"],
                        [
                            "tileloadd tmm6, [{b} + {row}*1]",
                            "tileloadd tmm4, [{a} + {line}*1]",
                            concat!($dot, " tmm0, tmm4, tmm6"),
                            "tileloadd tmm5, [{a} + {line}*1 + 1024]",
                            concat!($dot, " tmm2, tmm5, tmm6")
                        ],
                        [
                            "tilestored [{a} + {b}*1], tmm0",
                            "mov {blocks}, {b}",
                            "shl {blocks}, 4",
                            "add {a}, {blocks}",
                            "tilestored [{a} + {b}*1], tmm2"
                        ]
                    ),
                    _ => multiply!(
                        job,
                        2,
                        ["tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3"],
                        [
                            "tileloadd tmm6, [{b} + {row}*1]",
                            "tileloadd tmm4, [{a} + {line}*1]",
                            concat!($dot, " tmm0, tmm4, tmm6"),
                            "tileloadd tmm7, [{b} + {row}*1 + 64]",
                            concat!($dot, " tmm1, tmm4, tmm7"),
                            "tileloadd tmm5, [{a} + {line}*1 + 1024]",
                            concat!($dot, " tmm2, tmm5, tmm6"),
                            concat!($dot, " tmm3, tmm5, tmm7")
                        ],
                        [
                            "tilestored [{a} + {b}*1], tmm0",
                            "tilestored [{a} + {b}*1 + 64], tmm1",
                            "mov {blocks}, {b}",
                            "shl {blocks}, 4",
                            "add {a}, {blocks}",
                            "tilestored [{a} + {b}*1], tmm2",
                            "tilestored [{a} + {b}*1 + 64], tmm3"
                        ]
                    ),
                }
            }
        }

        /// `rounds` × 16 products from registers.
        ///
        /// # Safety
        /// As the products above.
        pub(crate) unsafe fn $peak(rounds: usize) {
            // SAFETY: handed on from the caller; no memory is touched.
            unsafe {
                set_up();
                for _ in 0..rounds {
                    asm!(
                        concat!(".rept 4\n", $dot, " tmm0, tmm4, tmm6\n", $dot, " tmm1, tmm4, tmm7\n",
                            $dot, " tmm2, tmm5, tmm6\n", $dot, " tmm3, tmm5, tmm7\n.endr"),
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, options(nostack, nomem),
                    );
                }
                release();
            }
        }

        const _: MultiplyKernel = $multiply;
    };
}

kernels!(multiply_bf16, peak_bf16, "tdpbf16ps");
kernels!(multiply_int8, peak_int8, "tdpbusd");
