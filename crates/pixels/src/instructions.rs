//! The choice of instructions. Any of them gives the same bytes.

// Tested by: `resizing_as_pillow_agrees` in crates/pixels/src/tests.rs
// Tested by: `resizing_as_opencv_agrees` in crates/pixels/src/tests.rs
// Tested by: `warping_agrees` in crates/pixels/src/tests.rs
// Tested by: `sums_agree` in crates/pixels/src/tests.rs

/// What a loop is compiled for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instructions {
    /// What every CPU of the target has.
    Portable,
    /// 256-bit vectors and fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2(HasAvx2),
}

/// A loop whose result does not depend on the instructions that it is compiled to.
pub(crate) trait Kernel {
    /// What it computes.
    type Output;

    /// Implementations are `#[inline(always)]`, as is what they call: so they use the instructions of their caller, which
    /// are `instructions`.
    fn run(self, instructions: Instructions) -> Self::Output;
}

impl Instructions {
    /// The fastest that this CPU has.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = HasAvx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }

    /// Runs a kernel that is compiled for them.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable => kernel.run(self),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `avx2` proves that the CPU has what the function is compiled for.
            Self::Avx2(avx2) => unsafe { run_on_avx2(kernel, avx2) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_on_avx2<K: Kernel>(kernel: K, avx2: HasAvx2) -> K::Output {
    kernel.run(Instructions::Avx2(avx2))
}

/// Proof that this CPU has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct HasAvx2(());

#[cfg(target_arch = "x86_64")]
impl HasAvx2 {
    /// `None` where the CPU lacks them.
    fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}
