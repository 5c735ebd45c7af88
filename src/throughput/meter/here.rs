//! The meters of this machine.

use super::{CardFacts, CardMeter, Meter, MeterNote, Rapl};
use crate::config::{DeviceKind, DeviceRequest};
use crate::model::device;

/// A meter for each kind of device, or why there is none.
pub(in crate::throughput) struct Meters {
    processor: Result<Box<dyn Meter>, String>,
    card: Result<Box<dyn Meter>, String>,
    /// The card by its driver's words, where it tells.
    pub facts: Option<CardFacts>,
}

impl Meters {
    /// Opens what there is; a card is looked for only `with_card`.
    pub fn open(with_card: bool) -> Self {
        let processor = Rapl::here().map(|rapl| Box::new(rapl) as Box<dyn Meter>);
        let card = if with_card { first_card() } else { Err("no card was measured".into()) };
        let facts = card.as_ref().ok().map(|meter| meter.facts.clone());
        Self { processor, card: card.map(|meter| Box::new(meter) as Box<dyn Meter>), facts }
    }

    /// The one of a device.
    pub fn of(&mut self, device: DeviceKind) -> Result<&mut (dyn Meter + 'static), String> {
        let meter = match device {
            DeviceKind::Cpu => &mut self.processor,
            DeviceKind::Cuda => &mut self.card,
        };
        meter.as_mut().map(AsMut::as_mut).map_err(|reason| reason.clone())
    }

    /// Who counts a device's energy, or why nobody does.
    pub fn note(&mut self, device: DeviceKind) -> MeterNote {
        match self.of(device) {
            Ok(meter) => MeterNote { device, source: Some(meter.source()), absent: None },
            Err(reason) => MeterNote { device, source: None, absent: Some(reason) },
        }
    }
}

/// The card that networks are put on.
fn first_card() -> Result<CardMeter, String> {
    let card = device::card(DeviceRequest::Cuda, &|_| {}).map_err(|error| error.to_string())?;
    CardMeter::open(card.ok_or("no card was opened")?.pci_bus_id())
}
