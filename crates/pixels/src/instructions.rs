//! The choice of instructions. Any of them gives the same bytes.

#[cfg(target_arch = "x86_64")]
use crate::avx2::HasAvx2;

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
            Self::Avx2(avx2) => avx2.run(kernel),
        }
    }
}
