//! Energy, power, clocks and memory in use of an NVIDIA GPU, from its driver (NVML, loaded at run time).

use std::env;
use std::path::PathBuf;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::{CardFacts, CardState, Meter};

/// Name of NVML's library.
const LIBRARY: &str = if cfg!(windows) { "nvml.dll" } else { "libnvidia-ml.so.1" };

/// Environment variable with folders to search first, also for the driver.
const FOLDERS: &str = "FACEVAULT_CUDA_LIBS";

const MIB: u64 = 1 << 20;

/// One GPU.
pub struct CardMeter {
    nvml: Nvml,
    pci_bus_id: String,
    /// The counter at opening, mJ.
    began: u64,
    /// What it is.
    pub facts: CardFacts,
}

impl CardMeter {
    /// Opens the meter of the GPU at `pci_bus_id`.
    ///
    /// # Errors
    /// Why its energy cannot be read.
    pub fn open(pci_bus_id: &str) -> Result<Self, String> {
        let nvml = library().map_err(|error| format!("NVML cannot be opened ({error})"))?;
        let (facts, began) = {
            let device = nvml
                .device_by_pci_bus_id(pci_bus_id)
                .map_err(|error| format!("NVML does not know the GPU at {pci_bus_id}: {error}"))?;
            let began = device
                .total_energy_consumption()
                .map_err(|error| format!("the driver does not report this GPU's energy: {error}"))?;
            (facts(&nvml, &device, pci_bus_id), began)
        };
        Ok(Self { nvml, pci_bus_id: pci_bus_id.into(), began, facts })
    }

    fn device(&self) -> Result<Device<'_>, NvmlError> {
        self.nvml.device_by_pci_bus_id(self.pci_bus_id.as_str())
    }
}

/// NVML from the first folder that has it, otherwise from the system.
fn library() -> Result<Nvml, NvmlError> {
    let folders = env::var_os(FOLDERS).unwrap_or_default();
    let mut places = env::split_paths(&folders).map(|folder| folder.join(LIBRARY));
    let path = places.find(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(LIBRARY));
    Nvml::builder().lib_path(path.as_os_str()).init()
}

fn facts(nvml: &Nvml, device: &Device<'_>, pci_bus_id: &str) -> CardFacts {
    CardFacts {
        name: device.name().unwrap_or_else(|_| "unknown".into()),
        pci_bus_id: pci_bus_id.into(),
        driver: nvml.sys_driver_version().unwrap_or_else(|_| "unknown".into()),
        memory_mib: device.memory_info().map_or(0, |memory| memory.total / MIB),
        max_clock_mhz: device.max_clock_info(Clock::SM).ok(),
        limit_watts: device.enforced_power_limit().ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
    }
}

impl Meter for CardMeter {
    fn source(&self) -> String {
        format!("NVML's energy counter of {}", self.facts.name)
    }

    fn joules(&mut self) -> Result<f64, String> {
        let counted = self.device().and_then(|device| device.total_energy_consumption());
        let millijoules = counted.map_err(|error| format!("the GPU's energy can no longer be read: {error}"))?;
        Ok(millijoules.saturating_sub(self.began) as f64 / 1e3)
    }

    fn state(&mut self) -> Option<CardState> {
        let device = self.device().ok()?;
        Some(CardState {
            utilisation_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
            memory_used_mib: device.memory_info().ok().map(|memory| memory.used / MIB),
            clock_mhz: device.clock_info(Clock::SM).ok(),
            watts: device.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
            celsius: device.temperature(TemperatureSensor::Gpu).ok(),
            throttled_by: device.current_throttle_reasons().map(throttling).unwrap_or_default(),
        })
    }
}

/// GPUs that share the work: their total energy, and the state of the first.
impl Meter for Vec<CardMeter> {
    fn source(&self) -> String {
        match &self[..] {
            [one] => one.source(),
            all => format!("NVML's energy counters of {} GPUs together", all.len()),
        }
    }

    fn joules(&mut self) -> Result<f64, String> {
        self.iter_mut().map(Meter::joules).sum()
    }

    fn state(&mut self) -> Option<CardState> {
        self.first_mut()?.state()
    }
}

/// Why the clock is throttled, ignoring idleness.
fn throttling(reasons: ThrottleReasons) -> Vec<String> {
    let held_back = reasons.difference(ThrottleReasons::GPU_IDLE);
    held_back.iter_names().map(|(name, _)| name.to_lowercase().replace('_', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words_and_idleness_is_none() {
        let reasons = ThrottleReasons::GPU_IDLE | ThrottleReasons::SW_POWER_CAP | ThrottleReasons::HW_SLOWDOWN;
        assert_eq!(throttling(reasons), ["sw power cap", "hw slowdown"]);
        assert!(throttling(ThrottleReasons::empty()).is_empty());
    }
}
