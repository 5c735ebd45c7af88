//! What a face costs: energy as it was counted, and the least that its arithmetic and bytes allow.

use super::super::page::{Cell as Square, Section, Table};
use super::super::words::{NONE, count};
use super::{measured_cells, numbered};
use crate::throughput::Throughput;

pub(super) fn energy(measured: &Throughput) -> Section {
    let mut table = Table::new(
        "Energy of the device in the timed windows",
        &["variant", "#faces a joule", "#watts", "#joules", "#seconds"],
    );
    let mut states = Table::new(
        "The card at the end of a variant's last window",
        &["variant", "#busy", "#memory in use, MiB", "#clock, MHz", "#watts", "#°C", "held back by"],
    );
    for (i, cell, one) in measured_cells(measured) {
        if let Some(energy) = &one.energy {
            let rate = format!("{:.3}", energy.faces_per_joule);
            table.row([
                numbered(i, cell).into(),
                if one.gate.passed { rate.into() } else { Square::struck(rate, &one.gate.because.join("; ")) },
                format!("{:.1}", energy.watts).into(),
                format!("{:.1}", energy.joules).into(),
                format!("{:.1}", energy.seconds).into(),
            ]);
        }
        if let Some(state) = &one.card_state {
            let known = |value: Option<String>| value.unwrap_or_else(|| NONE.into());
            states.row([
                numbered(i, cell),
                known(state.utilisation_percent.map(|percent| format!("{percent}%"))),
                known(state.memory_used_mib.map(count)),
                known(state.clock_mhz.map(|mhz| count(mhz.into()))),
                known(state.watts.map(|watts| format!("{watts:.0}"))),
                known(state.celsius.map(|celsius| celsius.to_string())),
                if state.throttled_by.is_empty() { "nothing".into() } else { state.throttled_by.join(", ") },
            ]);
        }
    }
    let mut text: Vec<String> = measured.meters.iter().map(|meter| capital(&meter.text())).collect();
    let mut blocks = Vec::new();
    if !table.rows.is_empty() {
        text.push("A card's energy is the whole card's and none of the machine around it; a processor's is all of its packages, with whatever else ran. Windows of less than a few seconds are coarse: counters move in steps of up to a tenth of a second.".into());
        blocks.push(table.into());
    }
    if !states.rows.is_empty() {
        states.note = "As the driver tells: busy is the share of the last moments in which any kernel ran, memory is everybody's.".into();
        blocks.push(states.into());
    }
    Section { id: "energy", title: "Energy".into(), text, blocks, ..Section::default() }
}

pub(super) fn floor(measured: &Throughput) -> Section {
    let mut table = Table::new("Arithmetic reached", &["variant", "#TFLOP/s", "#peak of the card", "#share of it"]);
    for (i, cell, one) in measured_cells(measured) {
        let Some(reached) = one.reached else { continue };
        let tflops = format!("{:.3}", reached.tflops);
        table.row([
            numbered(i, cell).into(),
            if one.gate.passed { tflops.into() } else { Square::struck(tflops, &one.gate.because.join("; ")) },
            reached.peak_tflops.map_or_else(|| NONE.into(), |peak| format!("{peak:.1}")).into(),
            reached.share.map_or_else(|| NONE.into(), |share| format!("{:.1}%", share * 100.0)).into(),
        ]);
    }
    table.note = "Operations as the network is defined: a shorter way to the same sums, such as Winograd's, counts as what it stands for. Peaks are dense ones of NVIDIA's data sheets, known for some cards by their name; CPUs and other cards have none here.".into();
    let text = vec![
        format!("At the least {}.", measured.floor_text()),
        "No speed can be above the peak over the operations of a face; how far below it a speed is, is what an implementation loses.".into(),
    ];
    let blocks = if table.rows.is_empty() { Vec::new() } else { vec![table.into()] };
    Section { id: "floor", title: "The floor".into(), text, blocks, ..Section::default() }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
