//! The throughput page: the speed of each variant next to its accuracy, struck out where the accuracy gate fails.

mod cost;
mod speed;
mod stages;
mod whole;

use super::ReportError;
use super::page::{Banner, DataTable, Page, Section, TableCell};
use super::words::{NONE, count, or_dash};
use crate::provenance;
use crate::throughput::meter::CardFacts;
use crate::throughput::{AccuracyGate, Separation, Throughput};

pub(super) fn page(measured: &Throughput) -> Result<Page, ReportError> {
    Ok(Page {
        kind: "FaceVault throughput",
        title: measured.config.clone(),
        verdict: Banner::neutral(measured.fastest_text()),
        sections: vec![
            speed::section(measured)?,
            accuracy(measured),
            stages::section(measured)?,
            whole::section(measured)?,
            cost::energy(measured),
            cost::floor(measured),
            origin(measured),
        ],
        footer: vec![
            "Ratios are valid on this machine; absolute speeds depend on the machine and on its other load.".into(),
        ],
        ..Page::default()
    })
}

/// A variant's name for a table: on one line, so that all rows are equally high.
fn unbroken(name: &str) -> String {
    name.replace(' ', "\u{a0}")
}

/// A speed or what follows from it, struck out where the gate failed.
fn gated(text: String, gate: &AccuracyGate) -> TableCell {
    if gate.passed { text.into() } else { TableCell::struck(text, &gate.because.join("; ")) }
}

fn accuracy(measured: &Throughput) -> Section {
    let mut table = DataTable::new(
        "Embeddings of the sample against the reference (f32 on the CPU)",
        &[
            "variant",
            "gate",
            "#lowest cosine",
            "#mean cosine",
            "#largest difference",
            "#other nearest face",
            "#equal error rate",
            "#difference",
            "TAR at FMR",
        ],
    );
    let separated = |found: Option<&Separation>| match found {
        Some(found) => [
            found.eer_text(),
            if found.tar.is_empty() { NONE.into() } else { found.tar_text().replace(" at ", "\u{a0}at\u{a0}") },
        ],
        None => [NONE.to_owned(), NONE.to_owned()],
    };
    let [eer, tar] = separated(measured.reference_separation.as_ref());
    let none = || NONE.to_owned();
    table.row(["reference".to_owned(), none(), none(), none(), none(), none(), eer, none(), tar]);
    for (cell, one) in measured.measured() {
        let [eer, tar] = separated(one.separation.as_ref());
        let closeness = &one.agreement.closeness;
        table.row([
            unbroken(&cell.name),
            if one.gate.passed { "passed".into() } else { format!("failed: {}", one.gate.because.join("; ")) },
            format!("{:.7}", closeness.min_cosine),
            format!("{:.7}", closeness.mean_cosine),
            format!("{:.1e}", closeness.max_difference),
            one.agreement.nearest_text(),
            eer,
            one.agreement.eer_text(),
            tar,
        ]);
    }
    let pairs = match &measured.reference_separation {
        Some(found) => format!(
            "{} genuine and {} impostor pairs. ≤: no error was seen, so the rate is a bound.",
            count(found.genuine),
            count(found.impostor)
        ),
        None => "No error rates: the sample lacks genuine or impostor pairs.".into(),
    };
    Section::new("accuracy", "Accuracy")
        .text("A speed counts only if its accuracy holds: each row is for the embeddings computed while the variant was timed.")
        .text(
            "The gate fails if the lowest cosine is below the minimum for the precision, or if the whole interval of the equal \
             error rate's difference is on the worse side.",
        )
        .with(table.note(format!(
            "{pairs} Difference: to the reference's equal error rate on the same pairs, in percentage points, with its paired \
             interval. Other nearest face: faces of the sample whose nearest other face differs from the reference's."
        )))
}

fn origin(measured: &Throughput) -> Section {
    let mut table = DataTable::new("Machine, build, weights", &["item", "value"]);
    let (machine, build, weights) = (&measured.machine, &measured.build, &measured.weights);
    for (item, value) in [
        ("measured", provenance::utc(measured.measured_at)),
        ("machine", machine.host.clone()),
        ("processor", machine.cpu.clone()),
        ("cores", machine.cores.to_string()),
        ("instruction sets", machine.instruction_sets.clone()),
        ("memory, MiB", or_dash(machine.memory_mib.map(count))),
        ("GPU driver", or_dash(machine.gpu_driver.clone())),
        ("system", machine.os.clone()),
        ("facevault", format!("{} {}", build.version, build.revision)),
        ("compiler", build.rustc.clone()),
        ("target", build.target.clone()),
        ("profile", build.profile.clone()),
        ("Cargo.lock, sha256", build.cargo_lock.to_string()),
        ("weights, sha256", weights.sha256.to_string()),
        ("peak memory over all variants, MiB", or_dash(measured.peak_memory_mib.map(count))),
    ] {
        table.row([item.to_owned(), value]);
    }
    for card in &measured.cards {
        table.row([format!("card at {}", card.pci_bus_id), card_text(card)]);
    }
    Section::new("provenance", "Provenance").with(table)
}

fn card_text(card: &CardFacts) -> String {
    let clock = card.max_clock_mhz.map(|mhz| format!(", at most {mhz} MHz"));
    let limit = card.limit_watts.map(|watts| format!(", at most {watts:.0} W"));
    let (name, driver, memory) = (&card.name, &card.driver, count(card.memory_mib));
    format!("{name}, driver {driver}, {memory} MiB{}{}", clock.unwrap_or_default(), limit.unwrap_or_default())
}
