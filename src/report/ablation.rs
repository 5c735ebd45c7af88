//! The page of an ablation: what each choice costs, and what that rests on.

use super::ReportError;
use super::page::{Block, Cell, Page, Section, Table, Tile, Verdict};
use super::paired::sentence;
use super::waterfall;
use super::words::{NONE, count, point};
use crate::ablation::{AblationResult, AblationVariant, Change, verdict};
use crate::compare;
use crate::config::Design;
use crate::numbers::Quantity;

/// The whole page.
pub(super) fn page(found: &AblationResult) -> Result<Page, ReportError> {
    let sections = [
        Some(costs(found)?),
        Some(variants(found)),
        differences(found),
        missing(found),
        Some(provenance(found)),
        Some(command(found)),
    ];
    Ok(Page {
        kind: "FaceVault: what each choice costs".into(),
        title: found.config.clone(),
        description: found.description.clone(),
        cautions: Vec::new(),
        verdict: Verdict { tone: "neutral", sign: "·", text: found.headline() },
        tiles: tiles(found),
        sections: sections.into_iter().flatten().collect(),
        footer: vec!["One file, no script, nothing loaded from elsewhere. The same runs give the same bytes.".into()],
    })
}

fn tiles(found: &AblationResult) -> Vec<Tile> {
    let quantity = found.metric.quantity;
    let tile = |label: &str, value: String, note: String| Tile { label: label.into(), value, note };
    let mut tiles = Vec::new();
    let value = |label: &str, variant: &AblationVariant| {
        let value = variant.value.as_ref()?;
        Some(tile(label, point(quantity, value), quantity.interval(value)))
    };
    tiles.extend(found.variants.first().and_then(|variant| value("As configured", variant)));
    if let Some(Change { pairs, effect: Some(effect), .. }) = &found.total {
        tiles.extend(value("With all steps", &found.variants[pairs[0].1]));
        let Cell { text, note, .. } = difference(found, Some(effect));
        tiles.push(tile("Change", text, format!("{note} {}", verdict(effect)).trim_start().into()));
    }
    if let Some(shared) = &found.shared {
        tiles.push(tile("Faces", count(shared.faces), format!("of {} identities", count(shared.identities))));
    }
    tiles
}

fn costs(found: &AblationResult) -> Result<Section, ReportError> {
    let mut text = vec![sentence(&format!("{}; {}", found.better(), found.meaning()))];
    match &found.shared {
        Some(shared) => text.push(sentence(&shared.sentence())),
        None => text.push("There are no two variants that could be compared.".into()),
    }
    let of_protocol = found.metric.key.ends_with(".accuracy");
    let how = if of_protocol {
        "each listed pair is decided in all variants, and the interval is that of the differences, which knows that pairs \
         share people; so what the variants share (hard pictures, people who look alike) cancels"
    } else {
        "the same people are drawn again and again for all variants at once, so that what the variants share (hard pictures, \
         people who look alike) cancels"
    };
    text.push(format!(
        "Intervals of changes are paired: {how}. They are narrower than two intervals side by side suggest."
    ));
    let blocks = vec![waterfall::figure(found)?];
    Ok(Section { id: "costs", title: "What each choice costs".into(), text, blocks, ..Section::default() })
}

/// The numbers of the figure.
pub(super) fn numbers(found: &AblationResult) -> Table {
    let over = if found.design == Design::Grid { "#pairs of variants" } else { "between" };
    let mut table = Table::new("Numbers: what each step changes", &["step", "#change", "verdict", over]);
    for change in found.changes.iter().chain(&found.total) {
        let (difference, word) = effect(found, change.effect.as_ref());
        let between = match (found.design, change.pairs.first()) {
            (Design::Grid, _) => change.over(),
            (_, Some((from, to))) => format!("[{from}] and [{to}]"),
            (_, None) => NONE.into(),
        };
        table.row([change.step.clone(), difference, word, between]);
    }
    if found.metric.quantity == Quantity::Rate {
        table.note = "pp: percentage points.".into();
    }
    table
}

/// Difference with its interval, and verdict.
fn effect(found: &AblationResult, effect: Option<&compare::Effect>) -> (String, String) {
    effect.map_or_else(
        || (NONE.into(), "not measured".into()),
        |effect| (found.metric.quantity.effect(&effect.difference), signed(effect)),
    )
}

/// A difference, its interval below it.
fn difference(found: &AblationResult, effect: Option<&compare::Effect>) -> Cell {
    let Some(effect) = effect else { return NONE.into() };
    let text = found.metric.quantity.effect(&effect.difference);
    match text.split_once(" [") {
        Some((size, interval)) => Cell { note: format!("[{interval}"), ..size.into() },
        None => text.into(),
    }
}

/// A verdict with a sign, so that it is not told by colour.
fn signed(effect: &compare::Effect) -> String {
    let sign = match effect.verdict {
        compare::EffectVerdict::Better => "✓ ",
        compare::EffectVerdict::Worse => "✗ ",
        _ => "",
    };
    format!("{sign}{}", verdict(effect))
}

fn variants(found: &AblationResult) -> Section {
    let quantity = found.metric.quantity;
    let path = found.design == Design::Steps;
    let mut columns =
        vec!["variant", "#value", if path { "#change to the one before" } else { "#change to [0]" }, "verdict"];
    columns.extend(path.then_some("#change to [0]"));
    columns.extend(["#faces a second", "run"]);
    let mut table = Table::new(&format!("Variants by {}", found.metric.name), &columns);
    for (number, variant) in found.variants.iter().enumerate() {
        let value = match &variant.value {
            Some(value) => Cell { note: quantity.interval(value), ..point(quantity, value).into() },
            None => "not measured".into(),
        };
        let change = found.change_of(number);
        let change = change.as_ref().and_then(|change| change.effect.as_ref());
        let mut cells: Vec<Cell> =
            vec![format!("[{number}] {}", variant.name).into(), value, difference(found, change)];
        cells.push(change.map_or_else(String::new, signed).into());
        cells.extend(path.then(|| difference(found, variant.to_config.as_ref())));
        let adopted = variant.adopted_from.as_ref().map_or_else(String::new, |run| format!("embeddings of {run}"));
        cells.push(variant.speed_text().into());
        cells.push(Cell { note: adopted, ..variant.run.clone().unwrap_or_else(|| NONE.into()).into() });
        let worse = change.is_some_and(|effect| effect.verdict == compare::EffectVerdict::Worse);
        table.classed(if worse { "bad" } else { "" }, cells);
    }
    table.note = "Value: with its own interval, on the pairs that all variants share. Better and worse: the whole paired interval is on that side. Cannot be told from 0: it contains 0, which does not show that nothing changes. Faces a second: median of the chunks when they were embedded, beside whatever else the machine did; `facevault throughput` measures side by side.".into();
    Section { id: "variants", title: "Every variant".into(), blocks: vec![table.into()], ..Section::default() }
}

fn differences(found: &AblationResult) -> Option<Section> {
    let mut table = Table::new("What differs in the plans", &["variant", "key", "in [0]", "here"]);
    for (number, variant) in found.variants.iter().enumerate() {
        for [key, there, here] in &variant.differences {
            table.row([format!("[{number}] {}", variant.name), key.clone(), there.clone(), here.clone()]);
        }
    }
    let same = found.variants.iter().skip(1).filter(|variant| variant.run.is_some() && variant.differences.is_empty());
    let same: Vec<_> = same.map(|variant| format!("“{}”", variant.name)).collect();
    let text = if same.is_empty() {
        Vec::new()
    } else {
        vec![format!("{} changes nothing that could change a number: the same run as [0].", same.join(", "))]
    };
    (!table.rows.is_empty() || !text.is_empty()).then(|| Section {
        id: "differences",
        title: "What the steps change".into(),
        text,
        blocks: vec![Block::from(table.folded())],
        ..Section::default()
    })
}

fn missing(found: &AblationResult) -> Option<Section> {
    let mut table = Table::new("Variants without a number", &["variant", "why"]);
    for (number, variant) in found.variants.iter().enumerate() {
        if let Some(reason) = &variant.err {
            table.row([format!("[{number}] {}", variant.name), reason.clone()]);
        }
    }
    let text =
        "They did not keep the others from being measured. A change across one of them is that of all steps it spans.";
    (!table.rows.is_empty()).then(|| Section {
        id: "missing",
        title: "Not measured, and why".into(),
        text: vec![text.into()],
        blocks: vec![table.into()],
        ..Section::default()
    })
}

fn provenance(found: &AblationResult) -> Section {
    let mut table =
        Table::new("Where each variant was embedded", &["variant", "run", "program", "device", "weights", "manifest"]);
    for (number, variant) in found.variants.iter().enumerate() {
        if let (Some(run), Some(origin)) = (&variant.run, &variant.origin) {
            let short = |digest: &crate::digest::Digest| format!("{}…", digest.short(12));
            table.row([
                format!("[{number}]"),
                run.clone(),
                origin.program.clone(),
                origin.device.clone(),
                short(&origin.weights),
                short(&origin.manifest),
            ]);
        }
    }
    table.note = "Weights and manifest: SHA-256. Each run's `provenance.json` has the rest, and `facevault verify RUN` checks it.".into();
    let text = found.variants.iter().find_map(|variant| variant.value.as_ref()).map(|value| sentence(&value.method));
    Section {
        id: "provenance",
        title: "Provenance".into(),
        text: text.into_iter().collect(),
        blocks: vec![table.into()],
        ..Section::default()
    }
}

fn command(found: &AblationResult) -> Section {
    Section {
        id: "command",
        title: "Make it again".into(),
        text: vec!["What is finished is not computed again.".into()],
        command: Some(found.command.clone()),
        ..Section::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::ablation::tests::ablation;
    use crate::config::Design;
    use crate::report::render_ablation;
    use crate::report::tests::{check, sections};

    #[test]
    fn a_path_is_a_waterfall_with_both_ends() {
        let found = ablation(Design::Steps, 3, &[Some(0.10), Some(0.12), Some(0.121), Some(0.04)], 0.005);
        let html = render_ablation(&found).unwrap();
        check(&html);
        assert_eq!(html, render_ablation(&found).unwrap());
        assert_eq!(sections(&html), ["costs", "variants", "differences", "provenance", "command"]);
        // In the figure itself, signs and words beside the colours.
        for words in [
            "as configured: 10.00% [5.00%, 15.00%]",
            "step 1: +2.00 pp [+1.50, +2.50], worse",
            "step 2: +0.10 pp [−0.40, +0.60], cannot be told from 0",
            "step 3: −8.10 pp [−8.60, −7.60], better",
            "with all steps: 4.00% [0.00%, 9.00%]",
        ] {
            let words = words.replace("0.00%, 9.00%", "−1.00%, 9.00%");
            assert!(html.contains(&format!(">\n{words}\n</text>")), "{words}");
        }
        assert!(html.contains("class=\"fill better\"") && html.contains("class=\"fill worse\""));
        assert!(html.contains("embeddings of other-0123456789ab") && html.contains("CPU &lt;fast&gt;"));
        assert!(html.contains("✗ worse") && html.contains("✓ better"));
    }

    #[test]
    fn what_was_not_measured_stands_on_the_page_with_its_reason() {
        let found = ablation(Design::Steps, 3, &[Some(0.10), None, Some(0.13), Some(0.04)], 0.005);
        let html = render_ablation(&found).unwrap();
        check(&html);
        assert!(sections(&html).contains(&"missing"));
        assert!(html.contains("is not available &amp; so on") && html.contains(">\nstep 1: not measured\n</text>"));
        assert!(html.contains(">\nstep 1 + step 2: +3.00 pp"));
    }

    #[test]
    fn every_design_and_any_number_make_a_page() {
        for number in [0.25, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            for (design, variants) in [(Design::Steps, 3), (Design::Each, 3), (Design::Grid, 4)] {
                for spread in [0.0, number] {
                    let mut values = vec![Some(number); variants];
                    values[1] = Some(0.1);
                    check(&render_ablation(&ablation(design, 2, &values, spread)).unwrap());
                    values[0] = None;
                    check(&render_ablation(&ablation(design, 2, &values, spread)).unwrap());
                }
                check(&render_ablation(&ablation(design, 2, &vec![None; variants], 0.0)).unwrap());
            }
        }
    }

    #[test]
    fn many_steps_make_a_higher_chart() {
        let height = |steps: usize| {
            let html = render_ablation(&ablation(Design::Steps, steps, &vec![Some(0.1); steps + 1], 0.01)).unwrap();
            check(&html);
            let of = html.split("viewBox=\"0 0 1120 ").nth(1).unwrap();
            of.split('"').next().unwrap().parse::<u32>().unwrap()
        };
        assert_eq!(height(20) - height(10), 10 * 84);
    }
}
