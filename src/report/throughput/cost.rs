//! Energy, and arithmetic against the device's peak.

use super::super::page::{DataTable, Section};
use super::super::words::{capitalised, count, or_dash};
use super::{gated, unbroken};
use crate::throughput::Throughput;

pub(super) fn energy(measured: &Throughput) -> Section {
    let mut table = DataTable::new(
        "Device energy in the timed windows",
        &["variant", "#faces per joule", "#watts", "#joules", "#seconds"],
    );
    let mut states = DataTable::new(
        "Card state at the end of each variant's last window",
        &["variant", "#busy", "#memory in use, MiB", "#clock, MHz", "#watts", "#°C", "throttled by"],
    );
    for (cell, one) in measured.measured() {
        if let Some(energy) = &one.energy {
            table.row([
                unbroken(&cell.name).into(),
                gated(format!("{:.3}", energy.faces_per_joule), &one.gate),
                format!("{:.1}", energy.watts).into(),
                format!("{:.1}", energy.joules).into(),
                format!("{:.1}", energy.seconds).into(),
            ]);
        }
        if let Some(state) = &one.card_state {
            states.row([
                unbroken(&cell.name),
                or_dash(state.utilisation_percent.map(|percent| format!("{percent}%"))),
                or_dash(state.memory_used_mib.map(count)),
                or_dash(state.clock_mhz.map(|mhz| count(mhz.into()))),
                or_dash(state.watts.map(|watts| format!("{watts:.0}"))),
                or_dash(state.celsius.map(|celsius| celsius.to_string())),
                if state.throttled_by.is_empty() { "nothing".into() } else { state.throttled_by.join(", ") },
            ]);
        }
    }
    let coarse = (!table.rows.is_empty()).then(|| {
        "A card's energy is that of the whole card and excludes the rest of the machine; a CPU's is that of all its packages, \
         including whatever else ran. Windows of less than a few seconds are coarse: counters advance in steps of up to a \
         tenth of a second."
            .to_owned()
    });
    Section::new("energy", "Energy")
        .texts(measured.meters.iter().map(|meter| capitalised(&meter.text())))
        .texts(coarse)
        .with(table)
        .with(states.note(
            "As reported by the driver: busy is the share of the last moments in which any kernel ran; memory includes that of \
             other processes.",
        ))
}

pub(super) fn floor(measured: &Throughput) -> Section {
    let mut table = DataTable::new("Arithmetic throughput", &["variant", "#TFLOP/s", "#peak", "#share of peak"]);
    for (cell, one) in measured.measured() {
        let Some(reached) = one.reached else { continue };
        table.row([
            unbroken(&cell.name).into(),
            gated(format!("{:.3}", reached.tflops), &one.gate),
            or_dash(reached.peak_tflops.map(|peak| format!("{peak:.1}"))).into(),
            or_dash(reached.share.map(|share| format!("{:.1}%", share * 100.0))).into(),
        ]);
    }
    Section::new("floor", "Minimum work per face")
        .text(format!("The least work: {}.", measured.floor_text()))
        .text(
            "The gap between the speed and the peak is the cost of the implementation. Only an algorithm that spares operations, \
             such as Winograd's, can come above.",
        )
        .with(table.note(
            "Operations are counted as the network is defined: a faster algorithm for the same sums, such as Winograd's, counts \
             as the operations it replaces. A CPU's peak is that of the kernels' own products from registers, on as many threads, \
             measured before the rounds. A card's is the dense peak of NVIDIA's data sheets, known by name for some cards.",
        ))
}
