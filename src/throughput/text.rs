//! A measurement as text for the terminal.

use super::meter::MeterNote;
use super::{
    EndToEndOutcome, Floor, MeasuredVariant, ReferenceAgreement, Separation, Throughput, VariantOutcome, VariantResult,
};
use crate::compare::{Effect, EffectVerdict};
use crate::model::DeviceKind;
use crate::numbers::Quantity;
use crate::text::counted;
use crate::text_table::TextTable;

impl Separation {
    /// The equal error rate, or a bound without observed errors.
    pub fn eer_text(&self) -> String {
        match self.eer_bound {
            Some(bound) => format!("≤ {}", Quantity::Rate.value(bound)),
            None => Quantity::Rate.value(self.eer),
        }
    }

    /// The true accept rates: `98.00% at 1.00%`.
    pub fn tar_text(&self) -> String {
        let rates = self.tar.iter();
        let words =
            rates.map(|point| format!("{} at {}", Quantity::Rate.value(point.tar), Quantity::Rate.value(point.fmr)));
        words.collect::<Vec<_>>().join(", ")
    }
}

impl Throughput {
    /// The tables and notes, for lines of `width` characters.
    pub fn to_text(&self, width: usize) -> String {
        let mut lines = vec![
            format!(
                "{}: {} of {} pixels; median [quartiles] of {} of {} s",
                self.config,
                counted(self.faces, "face"),
                self.side,
                counted(self.rounds, "round"),
                self.seconds
            ),
            String::new(),
        ];
        let head =
            ["variant", "faces/s", "ratio", "min cosine", "mean cosine", "nearest changed", "EER", "difference", ""];
        let measured = self.measured().map(|(cell, one)| row(cell, one));
        lines.extend(TextTable::new(head).rows(measured).numbers_right().fitted(width, 1));
        let notes = self.variants.iter().filter_map(note);
        lines.extend(notes.chain(self.left_out.iter().cloned()));
        lines.push(String::new());
        lines.push(self.fastest_text());
        lines.extend(self.slower_than_f32());
        lines.push(self.reference_text());
        // One line per network: the batch size hardly changes an embedding.
        let networks = self.best_of_each(|a, b| a == b);
        let tars = std::iter::once(("reference", self.reference_separation.as_ref()))
            .chain(networks.iter().map(|(cell, one)| (&*cell.name, one.separation.as_ref())))
            .filter_map(|(name, found)| Some((name, found?)));
        lines.extend(
            tars.filter(|(_, found)| !found.tar.is_empty())
                .map(|(name, found)| format!("TAR at FMR, {name}: {}", found.tar_text())),
        );
        lines.push(format!(
            "preprocessing per face, on one thread: decode {}, resize {}",
            milliseconds(self.preparation.decode_seconds),
            milliseconds(self.preparation.resize_seconds)
        ));
        if self.preparation.failed > 0 {
            let are = if self.preparation.failed == 1 { "is" } else { "are" };
            let failed = counted(self.preparation.failed, "face");
            lines.push(format!("{failed} could not be read and {are} left out"));
        }
        lines.push(self.floor_text());
        lines.extend(self.end_to_end_table(width));
        lines.extend(self.energy_table(width));
        for (cell, one) in networks {
            lines.extend(stages(cell, one));
        }
        if let Some(peak) = self.peak_memory_mib {
            lines.push(format!("peak memory {peak} MiB, all variants together"));
        }
        lines.join("\n")
    }

    fn reference_text(&self) -> String {
        let reference = match self.reference {
            super::Reference::Candle => "candle",
            super::Reference::Fused => "fused",
            super::Reference::Portable => "portable",
            super::Reference::OnnxRuntime => "ONNX Runtime",
        };
        let rates = self.reference_separation.as_ref().map_or_else(
            || "; no error rates: the sample lacks genuine or impostor pairs".into(),
            |found| {
                format!(
                    ", EER {} from {} genuine and {} impostor pairs",
                    found.eer_text(),
                    found.genuine,
                    found.impostor
                )
            },
        );
        format!("accuracy against {reference} f32 on the CPU{rates}")
    }

    /// Minimum cost of the network, in words.
    pub fn floor_text(&self) -> String {
        let Floor { flop, parameters, bytes } = self.floor;
        let flop =
            flop.map_or_else(|| "an unknown number of operations".into(), |flop| format!("{:.3} GFLOP", flop / 1e9));
        format!(
            "one face takes {flop} and {bytes} bytes of pixels and embedding; each batch reads {parameters} \
             parameters once"
        )
    }

    fn end_to_end_table(&self, width: usize) -> Vec<String> {
        if self.end_to_end.is_empty() {
            return Vec::new();
        }
        let head = ["end to end", "faces/s", "of network", "fed", "busy", "threads", "prepare, one thread", "write"];
        let rows = self.end_to_end.iter().filter_map(|one| match &one.outcome {
            EndToEndOutcome::Measured(whole) => Some([
                if one.counts { one.name.clone() } else { format!("✗ {}", one.name) },
                format!("{:.1}", whole.faces_per_second),
                format!("{:.1}%", whole.of_network * 100.0),
                format!("{:.1}%", whole.fed * 100.0),
                whole.busy.map_or_else(|| "–".into(), |busy| format!("{:.1}%", busy * 100.0)),
                whole.workers.to_string(),
                milliseconds(whole.prepare_seconds),
                milliseconds(whole.write_seconds),
            ]),
            EndToEndOutcome::Failed(_) => None,
        });
        let failed = self.end_to_end.iter().filter_map(|one| match &one.outcome {
            EndToEndOutcome::Failed(failed) => Some(format!("{}: {}", one.name, failed.err)),
            EndToEndOutcome::Measured(_) => None,
        });
        let table = TextTable::new(head).rows(rows).numbers_right();
        std::iter::once(String::new()).chain(table.fitted(width, 1)).chain(failed).chain([String::new()]).collect()
    }

    fn energy_table(&self, width: usize) -> Vec<String> {
        let counted: Vec<_> =
            self.variants.iter().filter_map(|cell| Some((cell, cell.measured()?.energy.as_ref()?))).collect();
        let mut lines = Vec::new();
        if !counted.is_empty() {
            let head = ["energy of the device", "faces/J", "W", "J", "s"];
            let rows = counted.iter().map(|(cell, energy)| {
                [
                    mark_invalid(cell, cell.name.clone()),
                    format!("{:.3}", energy.faces_per_joule),
                    format!("{:.1}", energy.watts),
                    format!("{:.1}", energy.joules),
                    format!("{:.1}", energy.seconds),
                ]
            });
            lines.extend(TextTable::new(head).rows(rows).numbers_right().fitted(width, 1));
        }
        lines.extend(self.meters.iter().map(MeterNote::text));
        lines
    }
}

impl MeterNote {
    /// The energy source, or why there is none.
    #[must_use]
    pub fn text(&self) -> String {
        let device = device_name(self.device);
        match (&self.source, &self.absent) {
            (Some(source), _) => format!("energy of {device}: {source}"),
            (None, reason) => {
                format!("energy of {device}: not counted, {}", reason.as_deref().unwrap_or("no meter"))
            }
        }
    }
}

/// The name that `--devices` uses.
pub(crate) fn device_name(device: DeviceKind) -> &'static str {
    match device {
        DeviceKind::Cpu => "cpu",
        DeviceKind::Cuda => "cuda",
    }
}

/// Marks an invalid speed.
fn mark_invalid(cell: &VariantResult, text: String) -> String {
    if cell.measured().is_some_and(|one| !one.gate.passed) { format!("✗ {text}") } else { text }
}

fn row(cell: &VariantResult, one: &MeasuredVariant) -> [String; 9] {
    let (speed, agreement) = (&one.faces_per_second, &one.agreement);
    [
        mark_invalid(cell, cell.name.clone()),
        format!("{:.1} [{:.1}, {:.1}]", speed.median, speed.lower, speed.upper),
        format!("{:.2}", one.ratio.median),
        format!("{:.7}", agreement.closeness.min_cosine),
        format!("{:.7}", agreement.closeness.mean_cosine),
        agreement.nearest_text(),
        one.separation.as_ref().map_or_else(|| "–".into(), Separation::eer_text),
        agreement.eer_text(),
        if one.gate.passed { String::new() } else { "struck out".into() },
    ]
}

impl ReferenceAgreement {
    /// How many faces have a different nearest face: `2 of 64`.
    pub fn nearest_text(&self) -> String {
        self.nearest.map_or_else(|| "–".into(), |nearest| format!("{} of {}", nearest.flipped, nearest.asked))
    }

    /// The difference of the equal error rates.
    pub fn eer_text(&self) -> String {
        let words = |effect: &Effect| match effect.verdict {
            EffectVerdict::Same => EffectVerdict::Same.name().into(),
            _ => Quantity::Rate.effect(&effect.difference),
        };
        self.eer_difference.as_ref().map_or_else(|| "–".into(), words)
    }
}

/// Why a variant has no valid speed.
fn note(cell: &VariantResult) -> Option<String> {
    match &cell.outcome {
        VariantOutcome::Failed(failed) => {
            let how = if failed.not_available { "not available" } else { "failed" };
            Some(format!("{how}: {}: {}", cell.name, failed.err))
        }
        VariantOutcome::Measured(one) if !one.gate.passed => {
            Some(format!("struck out: {}: {}", cell.name, one.gate.because.join("; ")))
        }
        VariantOutcome::Measured(_) => None,
    }
}

/// Where the time of a pass goes; a CPU's stages are timed on one thread, however many embed.
fn stages(cell: &VariantResult, one: &MeasuredVariant) -> Vec<String> {
    if one.stages.is_empty() {
        return Vec::new();
    }
    let lines = one.stages.iter().map(|stage| {
        let rate = stage.gflops.map_or_else(|| "–".into(), |rate| format!("{rate:.1}"));
        [stage.name.clone(), milliseconds(stage.seconds), format!("{:.1}%", stage.share * 100.0), rate]
    });
    let per_face = if cell.variant.engine.device == DeviceKind::Cpu { "per face, one thread" } else { "per face" };
    let table = TextTable::new([&cell.name, per_face, "share", "GFLOP/s"]).rows(lines).numbers_right().indented(2);
    std::iter::once(String::new()).chain(table.lines()).collect()
}

/// Seconds as milliseconds.
pub(crate) fn milliseconds(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1e3)
}
