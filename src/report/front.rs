//! Accuracy against speed: each variant of an ablation as a point, and the front of those that nothing beats in both.

use super::ReportError;
use super::axis::ChartAxis;
use super::page::{DataTable, Exhibit, Legend, Section, TableCell};
use super::plots::{Chart, ChartLayer, Mark, Style};
use super::words::{NONE, sentence};
use crate::ablation::{AblationResult, Standing};
use crate::compare::MetricDirection;
use crate::numbers::Quantity;

/// The section; empty where there is nothing to choose between.
pub(super) fn section(found: &AblationResult) -> Result<Section, ReportError> {
    let section = Section::new("front", "Accuracy and speed");
    let standings = found.standings();
    if standings.is_empty() {
        return Ok(section);
    }
    let on_front: Vec<&Standing> = standings.iter().filter(|one| one.on_front).collect();
    let names: Vec<_> = on_front.iter().map(|one| format!("“{}”", found.variants[one.variant].name)).collect();
    let text = match &names[..] {
        [one] => format!("{one} is both the best and the fastest"),
        _ => format!(
            "Of {} variants, {} are the ones to choose from: every other is matched or beaten in both by one of them",
            standings.len(),
            names.join(", ")
        ),
    };
    Ok(section.text(sentence(&text)).with(figure(found, &standings)?))
}

fn figure(found: &AblationResult, standings: &[Standing]) -> Result<Exhibit, ReportError> {
    let metric = &found.metric;
    let unit = |value: f64| if metric.quantity == Quantity::Rate { value * 100.0 } else { value };
    let interval = |one: &Standing| {
        let value = found.variants[one.variant].value.as_ref()?;
        Some((unit(value.lower?), unit(value.upper?)))
    };
    let speeds: Vec<f64> = standings.iter().map(|one| one.speed).collect();
    let ends = standings.iter().flat_map(|one| {
        let (lower, upper) = interval(one).unwrap_or((unit(one.value), unit(one.value)));
        [lower, upper]
    });
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), end| (low.min(end), high.max(end)));
    let room = (high - low) * 0.06;
    let title = if metric.quantity == Quantity::Rate { format!("{}, %", metric.name) } else { metric.name.clone() };
    // Labels stand to the right of their points.
    let widest = speeds.iter().fold(0f64, |most, &speed| most.max(speed));
    let axis: Vec<f64> = speeds.iter().copied().chain([widest * 1.8]).collect();
    let mut layers = Vec::new();
    let mut front: Vec<(f64, f64)> =
        standings.iter().filter(|one| one.on_front).map(|one| (one.speed, unit(one.value))).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    layers.push(ChartLayer::Line(Style::Reference, front));
    for one in standings {
        if let Some((lower, upper)) = interval(one) {
            layers.push(ChartLayer::Line(Style::Grid, vec![(one.speed, lower), (one.speed, upper)]));
        }
        let mark = if one.on_front { Mark::Dot } else { Mark::Ring };
        let point = (one.speed, unit(one.value));
        layers.push(ChartLayer::Marks(Style::Value, mark, vec![point]));
        layers.push(ChartLayer::Label(point, format!("[{}]", one.variant)));
    }
    let chart = Chart {
        x: ChartAxis::powers("faces per second", &axis),
        y: ChartAxis::linear(&title, low - room, high + room),
        layers,
    };
    let legend = vec![
        Legend::mark(Style::Value, Mark::Dot, "on the front"),
        Legend::mark(Style::Value, Mark::Ring, "matched or beaten in both by another"),
        Legend::line(Style::Reference, "the front"),
        Legend::line(Style::Grid, "interval of the value"),
    ];
    let better = if metric.better == MetricDirection::Lower { "lower" } else { "higher" };
    let reading = format!(
        "Each point is a variant, by its number: further to the right is faster, {better} is more accurate. The line joins \
         those that no other variant matches or beats in both."
    );
    let limits = "Speeds were measured while embedding, one variant after another, under whatever load the machine had; \
                  `facevault throughput` measures side by side. Intervals of two variants on the same faces overlap more than \
                  that of their difference, which is above.";
    Exhibit::figure("Accuracy against speed", &chart, legend, [&reading, limits], numbers(found, standings))
}

fn numbers(found: &AblationResult, standings: &[Standing]) -> DataTable {
    let columns = ["variant", "#value", "#faces per second", "#weights, MiB", "on the front"];
    let mut table = DataTable::new(format!("Numbers: variants by {}", found.metric.name), &columns);
    for one in standings {
        let variant = &found.variants[one.variant];
        let value =
            variant.value.as_ref().map_or(NONE.into(), |value| TableCell::estimate(found.metric.quantity, value));
        let bytes = variant.origin.as_ref().map(|origin| origin.weights_bytes as f64 / f64::from(1 << 20));
        let cells: Vec<TableCell> = vec![
            format!("[{}] {}", one.variant, variant.name).into(),
            value,
            format!("{:.1}", one.speed).into(),
            bytes.map_or(NONE.into(), |mebibytes| format!("{mebibytes:.1}").into()),
            if one.on_front { "yes" } else { "no" }.into(),
        ];
        table.marked(false, cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use crate::ablation::tests::{ablation, ablation_with_speeds};
    use crate::config::Design;
    use crate::report::render_ablation;
    use crate::report::tests::{check, sections};

    #[test]
    fn variants_with_speeds_are_a_choice() {
        let values = [Some(0.10), Some(0.05), Some(0.12)];
        let found = ablation_with_speeds(Design::Each, 2, &values, &[100.0, 20.0, 50.0]);
        let html = render_ablation(&found).unwrap();
        check(&html);
        assert!(sections(&html).contains(&"front"), "{:?}", sections(&html));
        assert!(html.contains("Of 3 variants, “step 1”, “as configured” are the ones to choose from"), "{html}");
        assert!(html.contains("<svg") && html.contains("Accuracy against speed"));
    }

    #[test]
    fn without_speeds_there_is_nothing_to_choose() {
        let found = ablation(Design::Each, 1, &[Some(0.10), Some(0.05)], 0.005);
        assert!(!sections(&render_ablation(&found).unwrap()).contains(&"front"));
    }
}
