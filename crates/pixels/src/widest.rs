//! The choice of instructions: one loop, compiled for each.

// Tested by: `every_width_gives_the_same_bytes` in crates/pixels/src/widest.rs

/// A loop whose result does not depend on the instructions that it is compiled to.
pub(crate) trait Kernel {
    /// What it computes.
    type Output;

    /// Implementations are `#[inline(always)]`, as is what they call: so they use the instructions of their caller.
    fn run(self) -> Self::Output;
}

/// Runs a kernel on the widest vectors of this CPU.
pub(crate) fn on_widest<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma")
        {
            // SAFETY: the CPU has what the function is compiled for.
            return unsafe { on_avx512(kernel) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has what the function is compiled for.
            return unsafe { on_avx2(kernel) };
        }
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
fn on_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn on_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}
