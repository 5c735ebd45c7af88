//! Which instructions the inner loops use. Every choice gives the same bytes.

#[cfg(target_arch = "x86_64")]
use crate::avx2::Avx2;

/// Which instructions the inner loops use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kernels {
    /// What every CPU of the target has.
    Portable,
    /// 256-bit integer vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Kernels {
    /// The fastest that this CPU has.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }
}
