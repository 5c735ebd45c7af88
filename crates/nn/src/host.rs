//! What the embedders on this machine's CPU share: its kernels, threads and name, and how a row becomes a unit vector.

use crate::{ModelError, device};
use facevault_kernels::sets::{self, Set};
use facevault_kernels::{Kernels, Precision};

/// The kernels that are asked for.
///
/// # Errors
/// [`ModelError::NoKernels`] where this CPU lacks them, [`ModelError::Precision`] where none have the precision.
pub(crate) fn choose(kernels: Kernels, precision: Precision) -> Result<&'static Set, ModelError> {
    sets::choose(kernels, precision).ok_or_else(|| {
        let cpu = device::instruction_sets();
        let able: Vec<_> =
            sets::PRECISIONS.into_iter().filter(|&precision| sets::choose(kernels, precision).is_some()).collect();
        if able.is_empty() {
            return ModelError::NoKernels { kernels: kernels.name(), cpu };
        }
        let with =
            if kernels == Kernels::Auto { String::new() } else { format!(" with `kernels: {}`", kernels.name()) };
        ModelError::Precision { precision, device: format!("CPU ({cpu}){with}"), able }
    })
}

/// The precisions that this CPU has kernels for that are made for their speed.
#[must_use]
pub fn precisions_of_this_cpu() -> Vec<Precision> {
    sets::PRECISIONS.into_iter().filter(|&precision| sets::choose(Kernels::Auto, precision).is_some()).collect()
}

/// As many as rayon's default pool, unless configured.
pub(crate) fn threads(configured: Option<usize>) -> usize {
    configured.filter(|&threads| threads > 0).unwrap_or_else(rayon::current_num_threads)
}

/// Operations a second that the set's products reach on all threads of a pool at once.
pub(crate) fn peak(set: &Set, pool: &rayon::ThreadPool) -> f64 {
    pool.broadcast(|_| set.peak()).into_iter().sum()
}

/// The device in words.
pub(crate) fn name(set: &Set, threads: usize) -> String {
    words(set.name, threads)
}

/// What computes on the CPU, in words.
pub(crate) fn words(what: &str, threads: usize) -> String {
    let plural = if threads == 1 { "" } else { "s" };
    format!("CPU ({what}, {threads} thread{plural})")
}

/// Makes a row a unit vector; the norm is bounded from below so that a zero vector stays zero, as in
/// `torch.nn.functional.normalize`.
pub(crate) fn normalise(row: &mut [f32]) {
    let norm = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt().max(1e-12);
    for v in row {
        *v = (f64::from(*v) / norm) as f32;
    }
}
