//! A measurement in words for the terminal. Pure.

use super::{Measured, Separation, Throughput};
use crate::numbers::Quantity;

impl Separation {
    /// The equal error rate in words, a bound where no error was seen.
    #[must_use]
    pub fn eer_text(&self) -> String {
        match self.eer_bound {
            Some(bound) => format!("≤ {}", Quantity::Rate.value(bound)),
            None => Quantity::Rate.value(self.eer),
        }
    }

    /// The true accept rates in words: `98.00% at 1.00%`.
    #[must_use]
    pub fn tar_text(&self) -> String {
        let rates = self.tar.iter();
        let words =
            rates.map(|point| format!("{} at {}", Quantity::Rate.value(point.tar), Quantity::Rate.value(point.far)));
        words.collect::<Vec<_>>().join(", ")
    }
}

impl Throughput {
    /// The table and what belongs to it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![
            format!(
                "{}: {} faces of {} pixels; median [quartiles] of {} rounds of {} s",
                self.config, self.faces, self.side, self.rounds, self.seconds
            ),
            String::new(),
        ];
        let head = ["variant", "faces/s", "ratio", "min cosine", "mean cosine", "max |diff|", "EER"].map(String::from);
        lines.extend(aligned(std::iter::once(head).chain(self.variants.iter().map(row))));
        lines.push(String::new());
        lines.push(format!(
            "accuracy against {} f32 on the CPU{}",
            match self.reference {
                super::Reference::Candle => "candle",
                super::Reference::Fused => "fused",
            },
            self.reference_separation.as_ref().map_or_else(
                || "; no error rates: the sample lacks pairs of one kind".into(),
                |found| format!(
                    ", EER {} from {} same-identity and {} different-identity pairs",
                    found.eer_text(),
                    found.genuine,
                    found.impostor
                )
            )
        ));
        let tars = std::iter::once(("reference", self.reference_separation.as_ref()))
            .chain(self.variants.iter().map(|one| (one.name.as_str(), one.separation.as_ref())))
            .filter_map(|(name, found)| Some((name, found?)));
        lines.extend(
            tars.filter(|(_, found)| !found.tar.is_empty())
                .map(|(name, found)| format!("TAR at FAR, {name}: {}", found.tar_text())),
        );
        lines.push(format!(
            "before the network: decode {}, resize {} a face",
            milliseconds(self.preparation.decode_seconds),
            milliseconds(self.preparation.resize_seconds)
        ));
        if self.preparation.failed > 0 {
            lines.push(format!("{} faces could not be read and are left out", self.preparation.failed));
        }
        for one in &self.variants {
            lines.extend(stages(one));
        }
        if let Some(peak) = self.peak_memory_mib {
            lines.push(format!("peak memory {peak} MiB, all variants together"));
        }
        lines.join("\n")
    }
}

fn row(one: &Measured) -> [String; 7] {
    let speed = &one.faces_per_second;
    [
        one.name.clone(),
        format!("{:.1} [{:.1}, {:.1}]", speed.median, speed.lower, speed.upper),
        format!("{:.2}", one.ratio.median),
        format!("{:.7}", one.agreement.min_cosine),
        format!("{:.7}", one.agreement.mean_cosine),
        format!("{:.1e}", one.agreement.max_difference),
        one.separation.as_ref().map_or_else(|| "–".into(), Separation::eer_text),
    ]
}

fn stages(one: &Measured) -> Vec<String> {
    if one.stages.is_empty() {
        return Vec::new();
    }
    let lines = one.stages.iter().map(|stage| {
        let rate = stage.gflops.map_or_else(|| "–".into(), |rate| format!("{rate:.1}"));
        [format!("  {}", stage.name), milliseconds(stage.seconds), format!("{:.1}%", stage.share * 100.0), rate]
    });
    let head = [format!("  {}", one.name), "a face".into(), "share".into(), "GFLOP/s".into()];
    std::iter::once(String::new()).chain(aligned(std::iter::once(head).chain(lines))).collect()
}

/// Seconds as milliseconds.
#[must_use]
pub(crate) fn milliseconds(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1e3)
}

/// Columns as wide as their widest cell: the first to the left, the others to the right.
fn aligned<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> Vec<String> {
    let rows: Vec<_> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(i, (cell, width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect()
}
