//! Energy of a measurement and state of the device, where this machine can report them; otherwise the reason why not.

mod here;
mod nvml;
mod rapl;

use schemars::JsonSchema;
use serde::Serialize;

pub(super) use here::Meters;
pub use nvml::CardMeter;
pub use rapl::Rapl;

use crate::model::DeviceKind;

/// Reads the energy of a device.
pub trait Meter: Send {
    /// The source of the readings, and what they include.
    fn source(&self) -> String;

    /// Energy since the meter was opened, J; never less than before.
    ///
    /// # Errors
    /// Why the counter can no longer be read.
    fn joules(&mut self) -> Result<f64, String>;

    /// The current state of the device, if it reports one.
    fn state(&mut self) -> Option<CardState> {
        None
    }
}

/// Momentary state of a GPU, as far as its driver reports it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct CardState {
    /// Share of recent time that a kernel was running, %: NVML's utilisation of the whole GPU, by any process.
    pub utilisation_percent: Option<u32>,
    /// Memory in use on the GPU, by any process, MiB.
    pub memory_used_mib: Option<u64>,
    /// Clock of the multiprocessors, MHz.
    pub clock_mhz: Option<u32>,
    /// Power, W.
    pub watts: Option<f64>,
    /// Temperature, °C.
    pub celsius: Option<u32>,
    /// Why the clock is throttled, in NVML's words; empty if it is not.
    pub throttled_by: Vec<String>,
}

/// Identity of a GPU, as its driver reports it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CardFacts {
    /// Name.
    pub name: String,
    /// PCI bus id.
    pub pci_bus_id: String,
    /// Version of the driver.
    pub driver: String,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Highest clock of the multiprocessors, MHz.
    pub max_clock_mhz: Option<u32>,
    /// Power limit, W.
    pub limit_watts: Option<f64>,
}

/// Whether a device's energy is measured here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MeterNote {
    /// The device.
    pub device: DeviceKind,
    /// Source of the readings, if any.
    pub source: Option<String>,
    /// Why there are none.
    pub absent: Option<String>,
}

/// Energy over the timed windows of one variant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Energy {
    /// Energy of the device in these windows, J.
    pub joules: f64,
    /// Their length, s.
    pub seconds: f64,
    /// Faces embedded in them.
    pub faces: u64,
    /// Mean power, W.
    pub watts: f64,
    /// Faces a joule.
    pub faces_per_joule: f64,
}

/// Adds up windows. A window whose counter could not be read at both ends is left out, and the reason is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EnergySum {
    joules: f64,
    seconds: f64,
    faces: u64,
    lost: Option<String>,
}

impl EnergySum {
    /// A window with the counter at its beginning and its end.
    pub fn add(&mut self, counter: [Result<f64, String>; 2], faces: u64, seconds: f64) {
        match counter {
            [Ok(before), Ok(after)] => {
                self.joules += after - before;
                self.seconds += seconds;
                self.faces += faces;
            }
            [Err(reason), _] | [_, Err(reason)] => self.lost = Some(reason),
        }
    }

    /// The total over all windows, or why there is none.
    pub fn total(&self) -> Result<Energy, String> {
        let Self { joules, seconds, faces, lost } = self;
        if *joules > 0.0 && *seconds > 0.0 {
            let (joules, seconds, faces) = (*joules, *seconds, *faces);
            return Ok(Energy {
                joules,
                seconds,
                faces,
                watts: joules / seconds,
                faces_per_joule: faces as f64 / joules,
            });
        }
        Err(lost
            .clone()
            .unwrap_or_else(|| "the counter did not move during the measurement; try more --seconds".into()))
    }
}

/// A counter that wraps to 0 after `largest`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WrappingCounter {
    largest: u64,
    last: u64,
    total: u64,
}

impl WrappingCounter {
    fn new(largest: u64, now: u64) -> Self {
        Self { largest, last: now, total: 0 }
    }

    /// The total since the start, provided the counter wrapped at most once since the last call.
    fn advance(&mut self, now: u64) -> u64 {
        let since = if now >= self.last { now - self.last } else { self.largest.saturating_sub(self.last) + now };
        self.last = now;
        self.total += since;
        self.total
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A meter that reads what it is given, one reading after the other.
    pub(in crate::throughput) struct ScriptedMeter(pub Vec<Result<f64, String>>);

    impl Meter for ScriptedMeter {
        fn source(&self) -> String {
            "a script".into()
        }

        fn joules(&mut self) -> Result<f64, String> {
            if self.0.is_empty() { Err("the script is over".into()) } else { self.0.remove(0) }
        }
    }

    #[test]
    fn a_counter_that_begins_again_goes_on() {
        let mut counter = WrappingCounter::new(1000, 900);
        assert_eq!([950, 1000, 20, 20, 10].map(|now| counter.advance(now)), [50, 100, 120, 120, 1110]);
    }

    #[test]
    fn windows_add_up_and_one_without_its_meter_is_left_out() {
        let mut meter =
            ScriptedMeter(vec![Ok(10.0), Ok(30.0), Ok(30.0), Err("the sensor is gone".into()), Ok(50.0), Ok(60.0)]);
        let mut sum = EnergySum::default();
        for faces in [100, 5000, 50] {
            let before = meter.joules();
            sum.add([before, meter.joules()], faces, 2.0);
        }
        let found = sum.total().unwrap();
        assert_eq!((found.joules, found.seconds, found.faces), (30.0, 4.0, 150));
        assert_eq!((found.watts, found.faces_per_joule), (7.5, 5.0));
    }

    #[test]
    fn a_meter_that_tells_nothing_says_why() {
        let mut sum = EnergySum::default();
        sum.add([Ok(5.0), Err("the sensor is gone".into())], 10, 1.0);
        assert_eq!(sum.total(), Err("the sensor is gone".into()));
        let mut still = EnergySum::default();
        still.add([Ok(5.0), Ok(5.0)], 10, 1.0);
        assert!(still.total().unwrap_err().contains("did not move"));
    }
}
