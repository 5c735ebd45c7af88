//! Chooses the device. `cuda` without a working GPU is an error; only `auto` falls back.

use candle_core::Device;

use super::ModelError;
use crate::{DeviceKind, DeviceRequest};
use facevault_cuda::{Card, CudaError};

/// A working candle device.
pub(crate) struct Chosen {
    /// candle's handle.
    pub(super) device: Device,
    /// CPU or CUDA.
    pub kind: DeviceKind,
    /// In words, for provenance.
    pub name: String,
}

/// The GPU for the fused plan, or `None` to run on the CPU. `auto` takes a GPU if one works, else says why not. Needs only the
/// driver.
///
/// # Errors
/// [`ModelError::NoCuda`] with the reason.
pub fn card(request: DeviceRequest, say: &dyn Fn(&str)) -> Result<Option<Card>, ModelError> {
    resolve(request, say, || Ok(Card::first()?))
}

/// The device for candle, which needs the feature `cuda` to run on a GPU. `needed_by` names what runs with candle, for the
/// error.
///
/// # Errors
/// As [`card`].
pub(crate) fn candle(request: DeviceRequest, needed_by: &str, say: &dyn Fn(&str)) -> Result<Chosen, ModelError> {
    let cuda = resolve(request, say, || candle_cuda(needed_by))?;
    Ok(cuda.unwrap_or_else(|| Chosen { device: Device::Cpu, kind: DeviceKind::Cpu, name: cpu() }))
}

/// The CPU in words.
fn cpu() -> String {
    format!("CPU ({})", instruction_sets())
}

/// Why there is no GPU, and the remedy, which only a user who asked for one needs.
struct Refusal {
    reason: String,
    remedy: Option<&'static str>,
}

impl From<CudaError> for Refusal {
    fn from(error: CudaError) -> Self {
        Self { reason: error.reason(), remedy: error.remedy() }
    }
}

/// Opens the GPU if `request` asks for it.
fn resolve<T>(
    request: DeviceRequest,
    say: &dyn Fn(&str),
    open: impl FnOnce() -> Result<T, Refusal>,
) -> Result<Option<T>, ModelError> {
    match request {
        DeviceRequest::Cpu => Ok(None),
        DeviceRequest::Cuda => open().map(Some).map_err(|Refusal { reason, remedy }| ModelError::NoCuda {
            reason: [Some(reason.as_str()), remedy].into_iter().flatten().collect::<Vec<_>>().join("; "),
        }),
        DeviceRequest::Auto => {
            Ok(open().inspect_err(|refusal| say(&format!("device auto: running on the CPU ({})", refusal.reason))).ok())
        }
    }
}

#[cfg(feature = "cuda")]
fn candle_cuda(_needed_by: &str) -> Result<Chosen, Refusal> {
    // cudarc panics when a CUDA library is missing; report that like any other reason.
    let opened = std::panic::catch_unwind(|| Device::new_cuda(0)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a CUDA library is missing").to_owned()
    });
    let device = match opened.and_then(|device| device.map_err(|error| reason(&error))) {
        Ok(device) => device,
        // Our own driver check gives the better reason, if it finds one.
        Err(reason) => return Err(Card::count().map_or_else(Refusal::from, |_| Refusal { reason, remedy: None })),
    };
    let name = match &device {
        Device::Cuda(cuda) => cuda.cuda_stream().context().name().unwrap_or_else(|_| "CUDA device 0".into()),
        _ => "CUDA device 0".into(),
    };
    Ok(Chosen { device, kind: DeviceKind::Cuda, name })
}

#[cfg(not(feature = "cuda"))]
fn candle_cuda(needed_by: &str) -> Result<Chosen, Refusal> {
    let reason = format!("this binary was built without the feature `cuda`, which {needed_by} needs on a GPU");
    Err(Refusal { reason, remedy: None })
}

/// A candle error's message, without the stack trace that it carries under `RUST_BACKTRACE`.
pub(super) fn reason(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => reason(inner),
        other => other.to_string(),
    }
}

/// The vector instruction sets of this CPU that matter for speed, e.g. `avx2+fma`.
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
            ("amx", facevault_kernels::cpu::has_amx()),
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

    fn said(request: DeviceRequest) -> (Result<Option<()>, String>, String) {
        let lines = std::cell::RefCell::new(String::new());
        let refusal = Refusal { reason: "there is none".into(), remedy: Some("buy one") };
        let result = resolve(request, &|line| lines.borrow_mut().push_str(line), || Err(refusal));
        (result.map_err(|error| error.to_string()), lines.into_inner())
    }

    #[test]
    fn cuda_is_a_requirement_and_auto_says_why_it_is_not_met() {
        let (result, lines) = said(DeviceRequest::Cuda);
        insta::assert_snapshot!(result.unwrap_err(), @"device `cuda` is not available: there is none; buy one; use `device: cpu`, or `auto` to fall back to the CPU");
        assert_eq!(lines, "");
        let (result, lines) = said(DeviceRequest::Auto);
        assert_eq!(result, Ok(None));
        insta::assert_snapshot!(lines, @"device auto: running on the CPU (there is none)");
        assert_eq!(said(DeviceRequest::Cpu), (Ok(None), String::new()));
    }

    #[test]
    fn a_reason_is_one_line_whatever_it_carries() {
        let backtrace = Box::new(std::backtrace::Backtrace::force_capture());
        let inner = Box::new(candle_core::Error::Msg("no device".into()));
        let error = candle_core::Error::WithBacktrace { inner, backtrace };
        assert!(error.to_string().lines().count() > 1, "candle shows no trace any more: {error}");
        assert_eq!(reason(&error), "no device");
    }
}
