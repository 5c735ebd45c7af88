//! The page of a throughput measurement: each speed beside its accuracy, struck out where that fails.

mod cost;
mod speed;
mod stages;
mod whole;

use super::ReportError;
use super::page::{Page, Section, Table, Verdict};
use super::plots::Role;
use super::words::{NONE, count};
use crate::throughput::meter::CardFacts;
use crate::throughput::{MeasuredVariant, Separation, Throughput, VariantResult};

/// Half the width of a bar; bars are 1 apart.
const HALF: f64 = 0.35;

/// The whole page.
pub(super) fn page(measured: &Throughput) -> Result<Page, ReportError> {
    let mut sections = vec![speed::section(measured)?, accuracy(measured), stages::section(measured)?];
    sections.extend(whole::section(measured)?);
    sections.extend([cost::energy(measured), cost::floor(measured), provenance(measured)]);
    Ok(Page {
        kind: "FaceVault: throughput".into(),
        title: measured.config.clone(),
        description: String::new(),
        cautions: Vec::new(),
        verdict: Verdict { tone: "neutral", sign: "·", text: measured.fastest_text() },
        tiles: Vec::new(),
        sections,
        footer: vec![
            "One file, no script, nothing loaded from elsewhere. Ratios hold on this machine; absolute speeds depend on it and on what else ran.".into(),
        ],
    })
}

fn role(i: usize) -> Role {
    Role::Run((i % 30) as u8)
}

/// A variant with its number, by which figures know it.
fn numbered(i: usize, cell: &VariantResult) -> String {
    format!("{}: {}", i + 1, cell.name)
}

/// The variants that were measured, with their places among all.
fn measured_cells(measured: &Throughput) -> impl Iterator<Item = (usize, &VariantResult, &MeasuredVariant)> {
    measured.variants.iter().enumerate().filter_map(|(i, cell)| Some((i, cell, cell.measured()?)))
}

fn accuracy(measured: &Throughput) -> Section {
    let mut table = Table::new(
        "Embeddings of the sample against the reference, f32 on the CPU",
        &[
            "variant",
            "gate",
            "#lowest cosine",
            "#mean cosine",
            "#largest difference",
            "#other nearest face",
            "#equal error rate",
            "#difference",
            "TAR at FAR",
        ],
    );
    let separated = |found: Option<&Separation>| match found {
        Some(found) => [found.eer_text(), if found.tar.is_empty() { NONE.into() } else { found.tar_text() }],
        None => [NONE.to_owned(), NONE.to_owned()],
    };
    let [eer, tar] = separated(measured.reference_separation.as_ref());
    let none = || NONE.to_owned();
    table.row(["reference".to_owned(), none(), none(), none(), none(), none(), eer, none(), tar]);
    for (i, cell, one) in measured_cells(measured) {
        let [eer, tar] = separated(one.separation.as_ref());
        let closeness = &one.agreement.closeness;
        table.row([
            numbered(i, cell),
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
            "{} same-identity and {} different-identity pairs. ≤: no error was seen, so the rate is a bound.",
            count(found.genuine),
            count(found.impostor)
        ),
        None => "No error rates: the sample lacks pairs of one kind.".into(),
    };
    table.note = format!(
        "{pairs} Difference: to the reference's rate on the same pairs, in percentage points, with its paired interval. \
         Other nearest face: faces of the sample whose nearest other face is another one than by the reference."
    );
    let text = vec![
        "A speed counts only with this: each row is of the embeddings that its variant was timed on.".into(),
        "The gate fails where the lowest cosine is below what the precision must keep, or where the equal error rate is worse with its whole interval.".into(),
    ];
    Section { id: "accuracy", title: "Accuracy".into(), text, blocks: vec![table.into()], ..Section::default() }
}

fn provenance(measured: &Throughput) -> Section {
    let mut table = Table::new("Machine, build, weights", &["what", "value"]);
    let (machine, build, weights) = (&measured.machine, &measured.build, &measured.weights);
    let known = |value: Option<String>| value.unwrap_or_else(|| NONE.into());
    for (what, value) in [
        ("machine", machine.host.clone()),
        ("processor", machine.cpu.clone()),
        ("cores", machine.cores.to_string()),
        ("instruction sets", machine.instruction_sets.clone()),
        ("memory, MiB", known(machine.memory_mib.map(count))),
        ("GPU driver", known(machine.gpu_driver.clone())),
        ("system", machine.os.clone()),
        ("facevault", format!("{} {}", build.version, build.revision)),
        ("compiler", build.rustc.clone()),
        ("target", build.target.clone()),
        ("profile", build.profile.clone()),
        ("Cargo.lock, sha256", build.cargo_lock.to_string()),
        ("weights, sha256", weights.sha256.to_string()),
        ("peak memory of all variants, MiB", known(measured.peak_memory_mib.map(count))),
    ] {
        table.row([what.to_owned(), value]);
    }
    for card in &measured.cards {
        table.row([format!("card at {}", card.pci_bus_id), card_text(card)]);
    }
    Section { id: "provenance", title: "Provenance".into(), blocks: vec![table.into()], ..Section::default() }
}

fn card_text(card: &CardFacts) -> String {
    let clock = card.max_clock_mhz.map(|mhz| format!(", at most {mhz} MHz"));
    let limit = card.limit_watts.map(|watts| format!(", at most {watts:.0} W"));
    let (name, driver, memory) = (&card.name, &card.driver, count(card.memory_mib));
    format!("{name}, driver {driver}, {memory} MiB{}{}", clock.unwrap_or_default(), limit.unwrap_or_default())
}
