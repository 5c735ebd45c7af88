//! The energy of a card, as a fake NVML tells it. NVML is found by an environment variable, so each test here is a child
//! process that runs one of the ignored tests below.

use std::process::Command;

use facevault::throughput::meter::{CardMeter, CardState, Meter};

use crate::support::fake_cuda;

const PLACE: &str = "0000:01:00.0";

/// Runs an ignored test of this file with the fake NVML.
fn child(test: &str, settings: &[(&str, &str)]) {
    let Some(folder) = fake_cuda::folder() else { return };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("meter::{test}"), "--ignored", "--nocapture", "--quiet"]);
    let output = fake_cuda::steer(&mut command, folder, settings).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{test} failed:\n{text}");
}

#[test]
fn a_card_is_read_as_its_driver_tells() {
    child("reads_the_card", &[]);
    child("a_card_that_does_not_count_says_so", &[("FAKE_CUDA_NVML", "no-energy")]);
    child("a_card_that_is_lost_says_so", &[("FAKE_CUDA_NVML", "lost")]);
}

#[test]
#[ignore = "child of a_card_is_read_as_its_driver_tells"]
fn reads_the_card() {
    let mut meter = CardMeter::open(PLACE).unwrap();
    let facts = meter.facts.clone();
    assert_eq!((facts.name.as_str(), facts.pci_bus_id.as_str(), facts.driver.as_str()), ("Fake card", PLACE, "535.1"));
    assert_eq!((facts.memory_mib, facts.max_clock_mhz, facts.limit_watts), (81_920, Some(1980), Some(700.0)));
    assert_eq!(meter.source(), "NVML's energy counter of Fake card");
    // From its opening on, and not from when the driver was loaded.
    assert_eq!([meter.joules(), meter.joules()], [Ok(250.0), Ok(500.0)]);
    let expected = CardState {
        utilisation_percent: Some(97),
        memory_used_mib: Some(3072),
        clock_mhz: Some(1700),
        watts: Some(512.5),
        celsius: Some(61),
        throttled_by: vec!["sw power cap".into()],
    };
    assert_eq!(meter.state(), Some(expected));
    let elsewhere = CardMeter::open("0000:99:00.0").err().unwrap();
    assert!(elsewhere.starts_with("NVML does not know the GPU at 0000:99:00.0: "), "{elsewhere}");
}

#[test]
#[ignore = "child of a_card_is_read_as_its_driver_tells"]
fn a_card_that_does_not_count_says_so() {
    let error = CardMeter::open(PLACE).err().unwrap();
    assert!(error.starts_with("the driver does not report this GPU's energy: "), "{error}");
}

#[test]
#[ignore = "child of a_card_is_read_as_its_driver_tells"]
fn a_card_that_is_lost_says_so() {
    let mut meter = CardMeter::open(PLACE).unwrap();
    assert_eq!(meter.joules(), Ok(250.0));
    let error = meter.joules().unwrap_err();
    assert!(error.starts_with("the GPU's energy can no longer be read: "), "{error}");
    assert_eq!(meter.state(), None);
}
