//! The page of a throughput measurement: each speed beside its accuracy.

use super::ReportError;
use super::axis::Axis;
use super::page::{Block, Legend, Page, Section, Table, Verdict};
use super::plots::{Chart, Layer, Role};
use super::words::{NONE, count};
use crate::throughput::text::milliseconds;
use crate::throughput::{Measured, Separation, Throughput};

/// Half the width of a bar; bars are 1 apart.
const HALF: f64 = 0.35;

/// The whole page.
pub(super) fn page(measured: &Throughput) -> Result<Page, ReportError> {
    Ok(Page {
        kind: "FaceVault: throughput".into(),
        title: measured.config.clone(),
        description: String::new(),
        verdict: verdict(measured),
        tiles: Vec::new(),
        sections: vec![speed(measured)?, accuracy(measured), stages(measured)?, provenance(measured)],
        footer: vec![
            "One file, no script, nothing loaded from elsewhere. Ratios hold on this machine; absolute speeds depend on it and on what else ran.".into(),
        ],
    })
}

fn verdict(measured: &Throughput) -> Verdict {
    let fastest =
        measured.variants.iter().max_by(|a, b| a.faces_per_second.median.total_cmp(&b.faces_per_second.median));
    let text = fastest.map_or_else(String::new, |one| {
        format!(
            "Fastest: {}, {:.1} faces a second, lowest cosine to the reference {:.6}.",
            one.name, one.faces_per_second.median, one.agreement.min_cosine
        )
    });
    Verdict { tone: "neutral", sign: "·", text }
}

fn role(i: usize) -> Role {
    Role::Run((i % 30) as u8)
}

/// An axis with a number for each variant.
fn bars(measured: &Throughput) -> Axis {
    let n = measured.variants.len();
    let mut axis = Axis::linear("variant, numbered as in the table", 0.0, n as f64 + 1.0);
    axis.ticks = (1..=n).map(|i| (axis.at(i as f64), i.to_string())).collect();
    axis
}

fn numbered(i: usize, one: &Measured) -> String {
    format!("{}: {}", i + 1, one.name)
}

fn speed(measured: &Throughput) -> Result<Section, ReportError> {
    let most = measured.variants.iter().map(|one| one.faces_per_second.upper).fold(0.0, f64::max);
    let mut layers = Vec::new();
    let mut table = Table::new(
        "Numbers: faces a second",
        &["variant", "#median", "#lower quartile", "#upper quartile", "#relative to 1", "ran as", "on"],
    );
    for (i, one) in measured.variants.iter().enumerate() {
        let (at, rate) = ((i + 1) as f64, one.faces_per_second);
        let (left, right) = (at - HALF, at + HALF);
        layers.push(Layer::Area(Role::Value, vec![(left, rate.median), (right, rate.median)]));
        layers
            .push(Layer::Line(Role::Value, vec![(left, 0.0), (left, rate.median), (right, rate.median), (right, 0.0)]));
        layers.push(Layer::Line(Role::Ink, vec![(at, rate.lower), (at, rate.upper)]));
        table.row([
            numbered(i, one),
            format!("{:.1}", rate.median),
            format!("{:.1}", rate.lower),
            format!("{:.1}", rate.upper),
            format!("{:.2}", one.ratio.median),
            one.embedder.clone(),
            one.device_name.clone(),
        ]);
    }
    let y = Axis::linear("faces a second", 0.0, if most > 0.0 { most * 1.05 } else { 1.0 });
    let legend = vec![
        Legend::band(Role::Value, "median of the rounds"),
        Legend::line(Role::Ink, "from the lower to the upper quartile"),
    ];
    let words = [
        "Higher is faster. Variants were measured in turn, round by round, so drift of the machine hits all alike.",
        "The network alone, on faces that are in memory; reading and resizing are below. Speeds of two sessions do not compare, ratios do.",
    ];
    let mut text = vec![format!(
        "{} faces of {} × {} pixels, {} rounds, at least {} s of each variant in each round.",
        count(measured.faces as u64),
        measured.side,
        measured.side,
        measured.rounds,
        measured.seconds
    )];
    if measured.mirrored {
        text.push("This config mirrors faces: an experiment passes each face twice, a face here is one pass.".into());
    }
    let figure = Block::figure("Faces a second", &Chart { x: bars(measured), y, layers }, legend, words, table)?;
    Ok(Section { id: "speed", title: "Speed".into(), text, blocks: vec![figure], ..Section::default() })
}

fn accuracy(measured: &Throughput) -> Section {
    let mut table = Table::new(
        "Embeddings of the sample against the reference, f32 on the CPU",
        &["variant", "#lowest cosine", "#mean cosine", "#largest difference", "#equal error rate", "TAR at FAR"],
    );
    let separated = |found: Option<&Separation>| match found {
        Some(found) => [found.eer_text(), if found.tar.is_empty() { NONE.into() } else { found.tar_text() }],
        None => [NONE.to_owned(), NONE.to_owned()],
    };
    let [eer, tar] = separated(measured.reference_separation.as_ref());
    table.row(["reference".to_owned(), NONE.into(), NONE.into(), NONE.into(), eer, tar]);
    for (i, one) in measured.variants.iter().enumerate() {
        let [eer, tar] = separated(one.separation.as_ref());
        table.row([
            numbered(i, one),
            format!("{:.7}", one.agreement.min_cosine),
            format!("{:.7}", one.agreement.mean_cosine),
            format!("{:.1e}", one.agreement.max_difference),
            eer,
            tar,
        ]);
    }
    table.note = match &measured.reference_separation {
        Some(found) => format!(
            "{} same-identity and {} different-identity pairs. ≤: no error was seen, so the rate is a bound.",
            count(found.genuine),
            count(found.impostor)
        ),
        None => "No error rates: the sample lacks pairs of one kind.".into(),
    };
    let text =
        vec!["A speed counts only with this: each row is of the embeddings that its variant was timed on.".into()];
    Section { id: "accuracy", title: "Accuracy".into(), text, blocks: vec![table.into()], ..Section::default() }
}

fn stages(measured: &Throughput) -> Result<Section, ReportError> {
    let mut table = Table::new("Numbers: stages", &["variant", "stage", "#a face", "#share", "#GFLOP/s"]);
    let mut names: Vec<&str> = Vec::new();
    let mut layers = Vec::new();
    for (i, one) in measured.variants.iter().enumerate() {
        let (left, right) = ((i + 1) as f64 - HALF, (i + 1) as f64 + HALF);
        let mut below = 0.0;
        for stage in &one.stages {
            let known = names.iter().position(|name| *name == stage.name);
            let colour = role(known.unwrap_or(names.len()));
            if known.is_none() {
                names.push(&stage.name);
            }
            let above = below + stage.share * 100.0;
            layers.push(Layer::Band(colour, vec![(left, below, above), (right, below, above)]));
            layers.push(Layer::Line(
                colour,
                vec![(left, below), (left, above), (right, above), (right, below), (left, below)],
            ));
            below = above;
            table.row([
                numbered(i, one),
                stage.name.clone(),
                milliseconds(stage.seconds),
                format!("{:.1}%", stage.share * 100.0),
                stage.gflops.map_or_else(|| NONE.into(), |rate| format!("{rate:.1}")),
            ]);
        }
    }
    let mut before = Table::new("Before the network, on one thread", &["step", "#a face"]);
    before.row(["read and decode, or draw".to_owned(), milliseconds(measured.preparation.decode_seconds)]);
    before.row(["cut out and resize".to_owned(), milliseconds(measured.preparation.resize_seconds)]);
    let mut blocks: Vec<Block> = vec![before.into()];
    let mut text = Vec::new();
    if names.is_empty() {
        text.push("None of these implementations can tell its stages apart.".into());
    } else {
        let legend = names.iter().enumerate().map(|(i, name)| Legend::band(role(i), *name)).collect();
        let chart = Chart { x: bars(measured), y: Axis::linear("% of the pass", 0.0, 100.0), layers };
        let words = [
            "Which stage of the network a variant's time goes to, the first stage at the bottom.",
            "Measured in passes of their own, because the clocks between stages cost time. A variant without a bar cannot tell.",
        ];
        blocks.push(Block::figure("Stages of the network", &chart, legend, words, table)?);
    }
    Ok(Section { id: "stages", title: "Where the time goes".into(), text, blocks, ..Section::default() })
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
    Section { id: "provenance", title: "Provenance".into(), blocks: vec![table.into()], ..Section::default() }
}
