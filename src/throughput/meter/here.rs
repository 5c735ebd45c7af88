//! The meters of this machine.

use super::{CardFacts, CardMeter, Meter, MeterNote, Rapl};
use crate::model::{DeviceKind, DeviceRequest, device};

/// An energy meter for each kind of device, or why there is none.
pub(in crate::throughput) struct Meters {
    processor: Result<Box<dyn Meter>, String>,
    card: Result<Box<dyn Meter>, String>,
    /// The GPUs as their driver reports them.
    pub facts: Vec<CardFacts>,
}

impl Meters {
    /// Opens the available meters; looks for a GPU only if `with_card`.
    pub fn open(with_card: bool) -> Self {
        let processor = Rapl::here().map(|rapl| Box::new(rapl) as Box<dyn Meter>);
        let cards = if with_card { cards() } else { Err("no GPU was measured".into()) };
        let facts =
            cards.as_ref().map(|cards| cards.iter().map(|card| card.facts.clone()).collect()).unwrap_or_default();
        Self { processor, card: cards.map(|cards| Box::new(cards) as Box<dyn Meter>), facts }
    }

    /// The meter of a device.
    pub fn of(&mut self, device: DeviceKind) -> Result<&mut (dyn Meter + 'static), String> {
        let meter = match device {
            DeviceKind::Cpu => &mut self.processor,
            DeviceKind::Cuda => &mut self.card,
        };
        meter.as_mut().map(AsMut::as_mut).map_err(|reason| reason.clone())
    }

    /// The source of a device's energy readings, or why there is none.
    pub fn note(&mut self, device: DeviceKind) -> MeterNote {
        match self.of(device) {
            Ok(meter) => MeterNote { device, source: Some(meter.source()), absent: None },
            Err(reason) => MeterNote { device, source: None, absent: Some(reason) },
        }
    }
}

/// The GPUs that networks run on, at least one.
fn cards() -> Result<Vec<CardMeter>, String> {
    let first = device::card(DeviceRequest::Cuda, &|_| {}).map_err(|error| error.to_string())?;
    let first = first.ok_or("no GPU was opened")?;
    let others = first.twins().map_err(|error| error.to_string())?;
    std::iter::once(&first).chain(&others).map(|card| CardMeter::open(card.pci_bus_id())).collect()
}
