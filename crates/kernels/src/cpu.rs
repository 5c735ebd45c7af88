//! What this CPU has of x86-64's instruction sets.

// Tested by: `auto_takes_the_widest_set_there_is` in crates/nn/src/cpu/tests.rs

use std::arch::asm;
use std::arch::is_x86_feature_detected as has;
use std::sync::OnceLock;

pub(crate) fn avx512() -> bool {
    has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") && avx2()
}

pub(crate) fn avx2() -> bool {
    has!("avx2") && has!("fma")
}

/// Whether `vdpbf16ps` is slower than f32's multiply-adds: on Intel's CPUs, where the network ran at 99.6 against 134.0 faces/s
/// (`docs/cpu-kernels.md`).
pub(crate) fn slow_bf16() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
}

/// Whether this CPU can replicate a matrix unit: with what the kernels around a unit are compiled for, whichever it is.
pub(crate) fn replicates_amx() -> bool {
    avx512() && has!("avx512vnni")
}

/// Whether this CPU has Intel's matrix unit with bf16 and int8, and the system lets this process use it.
#[must_use]
pub fn has_amx() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| replicates_amx() && amx() && permitted())
}

fn amx() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    /// AMX-BF16, AMX-TILE, AMX-INT8 in EDX of leaf 7.
    const AMX: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    /// OSXSAVE in ECX of leaf 1.
    const XGETBV: u32 = 1 << 27;
    /// The tiles' configuration and their data in XCR0.
    const STATE: u64 = 1 << 17 | 1 << 18;
    #[target_feature(enable = "xsave")]
    fn enabled() -> u64 {
        // SAFETY: the caller saw OSXSAVE.
        unsafe { _xgetbv(0) }
    }
    __cpuid(0).eax >= 7
        && __cpuid_count(7, 0).edx & AMX == AMX
        && __cpuid(1).ecx & XGETBV != 0
        // SAFETY: OSXSAVE says that the instruction is there.
        && unsafe { enabled() } & STATE == STATE
}

/// Linux gives the tiles' state only to processes that ask for it (Documentation/arch/x86/xstate.rst).
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: u64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let mut answer = ARCH_PRCTL;
    // SAFETY: the call reads and writes none of this process's memory; it may only allow it more.
    unsafe {
        asm!(
            "syscall", inout("rax") answer, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _, lateout("r11") _, options(nostack),
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
