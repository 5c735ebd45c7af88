//! AMX for tests on a CPU without it: its instructions are illegal there, so each one raises a signal, and is computed in the
//! handler as Intel's manual (volume 2) defines it.

// Tested by: `products_of_gathered_pixels_equal_their_definition` in crates/kernels/src/amx/tests.rs

use std::cell::RefCell;
use std::sync::Once;

use super::tests::{block_of_pairs, bytes};

/// A tile: its rows and their bytes as configured, and its data.
#[derive(Clone, Copy)]
struct Tile {
    rows: usize,
    row_bytes: usize,
    data: [[u32; 16]; 16],
}

const EMPTY: Tile = Tile { rows: 0, row_bytes: 0, data: [[0; 16]; 16] };

thread_local! {
    static TILES: RefCell<[Tile; 8]> = const { RefCell::new([EMPTY; 8]) };
}

/// From here on, the instructions of AMX that this crate uses work in this process.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler has the signature that SA_SIGINFO asks for, and touches only the thread's own tiles and what
        // the instruction reads and writes.
        let failed = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGILL, &raw const action, std::ptr::null_mut())
        };
        assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
    });
}

/// Registers by their numbers in instructions.
const REGISTERS: [libc::c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

unsafe extern "C" fn handle(signal: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands over the context of the instruction at RIP, which is readable.
    let done = unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let code = registers[libc::REG_RIP as usize] as *const u8;
        let register = |number: u8| registers[REGISTERS[usize::from(number)] as usize] as usize;
        let length = TILES.with_borrow_mut(|tiles| run(code, &register, tiles));
        length.map(|length| registers[libc::REG_RIP as usize] += length as i64)
    };
    if done.is_none() {
        // Another illegal instruction: it ends the process when it is run again.
        // SAFETY: the default handler is always there.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Computes the instruction at `code` and returns its length; `None` if it is none of AMX's.
unsafe fn run(code: *const u8, register: &dyn Fn(u8) -> usize, tiles: &mut [Tile; 8]) -> Option<usize> {
    // SAFETY: the CPU read the instruction before it refused it; memory is that which the instruction names.
    unsafe {
        let byte = |at: usize| *code.add(at);
        // VEX with three bytes, map 0F38, W 0, L 0.
        if byte(0) != 0xc4 || byte(1) & 0x1f != 2 || byte(2) & 0x84 != 0 {
            return None;
        }
        let (prefix, opcode, operands) = (byte(2) & 3, byte(3), byte(4));
        let third = usize::from(!(byte(2) >> 3) & 15);
        let (mode, first, second) = (operands >> 6, usize::from(operands >> 3 & 7), usize::from(operands & 7));
        match (prefix, opcode, mode) {
            // TILERELEASE, TILEZERO, TDPBF16PS, TDPBUSD.
            (0, 0x49, 3) => tiles.fill(EMPTY),
            (3, 0x49, 3) => tiles[first].data = EMPTY.data,
            (2, 0x5c, 3) => multiply(tiles, [first, second, third], |sum, pixels, weights| {
                block_of_pairs(f32::from_bits(sum), pixels, weights).to_bits()
            }),
            (1, 0x5e, 3) => multiply(tiles, [first, second, third], |sum, pixels, weights| {
                sum.wrapping_add(bytes(pixels, weights) as u32)
            }),
            // LDTILECFG, TILELOADD, TILESTORED.
            (0 | 2 | 3, 0x49 | 0x4b, 0..3) => {
                let extended = |bit: u8, number: u8| number | (!byte(1) >> bit & 1) << 3;
                let (base, index, mut length) = if second == 4 {
                    let places = byte(5);
                    let index = extended(6, places >> 3 & 7);
                    let scaled = if index == 4 { 0 } else { register(index) << (places >> 6) };
                    (register(extended(5, places & 7)), scaled, 6)
                } else {
                    (register(extended(5, operands & 7)), 0, 5)
                };
                let more = match mode {
                    1 => isize::from(byte(length) as i8),
                    2 => code.add(length).cast::<i32>().read_unaligned() as isize,
                    _ => 0,
                };
                length += [0, 1, 4][usize::from(mode)];
                let memory = (base as *mut u8).wrapping_offset(more);
                match (prefix, opcode) {
                    (0, 0x49) => configure(tiles, memory),
                    (3, 0x4b) => {
                        let tile = &mut tiles[first];
                        assert!(tile.rows > 0, "tile {first} is not configured");
                        for row in 0..tile.rows {
                            let to = tile.data[row].as_mut_ptr().cast::<u8>();
                            to.copy_from_nonoverlapping(memory.wrapping_add(row * index), tile.row_bytes);
                        }
                    }
                    (2, 0x4b) => {
                        let tile = &tiles[first];
                        assert!(tile.rows > 0, "tile {first} is not configured");
                        for row in 0..tile.rows {
                            let from = tile.data[row].as_ptr().cast::<u8>();
                            from.copy_to_nonoverlapping(memory.wrapping_add(row * index), tile.row_bytes);
                        }
                    }
                    _ => return None,
                }
                return Some(length);
            }
            _ => return None,
        }
        Some(5)
    }
}

/// The 64 bytes of LDTILECFG.
unsafe fn configure(tiles: &mut [Tile; 8], memory: *const u8) {
    // SAFETY: handed on from the caller.
    let bytes: [u8; 64] = unsafe { memory.cast::<[u8; 64]>().read_unaligned() };
    assert!(bytes[0] == 1 && bytes[1..16].iter().all(|&byte| byte == 0), "palette 1 from the first row on");
    for (number, tile) in tiles.iter_mut().enumerate() {
        let row_bytes = u16::from_le_bytes([bytes[16 + 2 * number], bytes[17 + 2 * number]]).into();
        *tile = Tile { rows: bytes[48 + number].into(), row_bytes, ..EMPTY };
        assert!(tile.rows <= 16 && tile.row_bytes <= 64);
    }
    assert!(bytes[32..48].iter().chain(&bytes[56..]).all(|&byte| byte == 0), "there are eight tiles");
}

fn multiply(tiles: &mut [Tile; 8], [sums, a, b]: [usize; 3], of: impl Fn(u32, &[u32], &[u32]) -> u32) {
    assert!(sums != a && sums != b && a != b, "the three tiles of a product differ");
    let (a, b) = (tiles[a], tiles[b]);
    let sums = &mut tiles[sums];
    let (columns, inner) = (sums.row_bytes / 4, a.row_bytes / 4);
    assert!(sums.rows == a.rows && b.row_bytes == sums.row_bytes && b.rows == inner && inner > 0);
    for row in 0..sums.rows {
        for column in 0..columns {
            let weights: [u32; 16] = std::array::from_fn(|k| b.data[k][column]);
            sums.data[row][column] = of(sums.data[row][column], &a.data[row][..inner], &weights[..inner]);
        }
    }
}
