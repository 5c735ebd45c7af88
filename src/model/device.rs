//! Which device the network runs on. A device is a requirement: `cuda` without CUDA is an error, only `auto` may choose.

use candle_core::Device;

use super::ModelError;
use crate::config::{DeviceKind, DeviceRequest};

/// A device that works.
pub struct Chosen {
    /// candle's handle.
    pub(super) device: Device,
    /// CPU or CUDA.
    pub kind: DeviceKind,
    /// In words, for provenance.
    pub name: String,
}

/// Opens the device that was asked for; `auto` takes CUDA if it works, else the CPU, and says so.
///
/// # Errors
/// [`ModelError::NoCuda`] with the reason.
pub fn choose(request: DeviceRequest, say: &dyn Fn(&str)) -> Result<Chosen, ModelError> {
    match request {
        DeviceRequest::Cpu => Ok(cpu()),
        DeviceRequest::Cuda => cuda().map_err(|reason| ModelError::NoCuda { reason }),
        DeviceRequest::Auto => cuda().or_else(|reason| {
            say(&format!("device auto: running on the CPU ({reason})"));
            Ok(cpu())
        }),
    }
}

fn cpu() -> Chosen {
    Chosen { device: Device::Cpu, kind: DeviceKind::Cpu, name: format!("CPU ({})", instruction_sets()) }
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Chosen, String> {
    // cudarc panics where a library of CUDA is missing; that is a reason like any other.
    let device = std::panic::catch_unwind(|| Device::new_cuda(0))
        .map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a CUDA library is missing").to_owned()
        })?
        .map_err(|error| reason(&error))?;
    let name = match &device {
        Device::Cuda(cuda) => cuda.cuda_stream().context().name().unwrap_or_else(|_| "CUDA device 0".into()),
        _ => "CUDA device 0".into(),
    };
    Ok(Chosen { device, kind: DeviceKind::Cuda, name })
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Chosen, String> {
    Err("this binary was built without the feature `cuda`".into())
}

/// What a candle error says, without the stack trace that it carries under `RUST_BACKTRACE`.
pub(super) fn reason(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => reason(inner),
        other => other.to_string(),
    }
}

/// The vector instruction sets that decide the speed here, e.g. `avx2+fma`.
#[must_use]
pub fn instruction_sets() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let sets = [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
            ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
            ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
        ];
        let present: Vec<_> = sets.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
        if present.is_empty() { "x86-64".into() } else { present.join("+") }
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_whatever_it_carries() {
        let backtrace = Box::new(std::backtrace::Backtrace::force_capture());
        let inner = Box::new(candle_core::Error::Msg("no device".into()));
        let error = candle_core::Error::WithBacktrace { inner, backtrace };
        assert!(error.to_string().lines().count() > 1, "candle shows no trace any more: {error}");
        assert_eq!(reason(&error), "no device");
    }
}
