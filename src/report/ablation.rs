//! The ablation page: what each step changes, and the runs behind it.

use super::page::{Banner, DataTable, HeadlineNumber, Page, Section, TableCell};
use super::words::{NONE, count, counted, or_dash, sentence};
use super::{ReportError, front, waterfall};
use crate::ablation::{AblationResult, AblationVariant, Change, verdict};
use crate::compare::{Effect, EffectVerdict};
use crate::config::Design;

pub(super) fn page(found: &AblationResult) -> Result<Page, ReportError> {
    Ok(Page {
        kind: "FaceVault ablation",
        title: found.config.clone(),
        description: found.description.clone(),
        verdict: Banner::neutral(found.headline()),
        tiles: tiles(found),
        sections: vec![
            costs(found)?,
            front::section(found)?,
            variants(found),
            differences(found),
            missing(found),
            provenance(found),
            Section::new("command", "Reproduce this ablation")
                .text("Finished runs are not computed again.")
                .command(&found.command),
        ],
        footer: vec!["The same runs render to the same bytes.".into()],
        ..Page::default()
    })
}

fn tiles(found: &AblationResult) -> Vec<HeadlineNumber> {
    let mut tiles = Vec::new();
    let value = |label: &str, variant: &AblationVariant| {
        Some(HeadlineNumber::estimate(label, found.metric.quantity, variant.value.as_ref()?))
    };
    tiles.extend(found.variants.first().and_then(|variant| value("As configured", variant)));
    if let Some(Change { step, pairs, effect: Some(effect), .. }) = &found.total {
        tiles.extend(value(&format!("With {step}"), &found.variants[pairs[0].1]));
        let TableCell { text, note, .. } = difference(found, Some(effect));
        tiles.push(HeadlineNumber::new("Change", text, format!("{note} {}", verdict(effect)).trim_start().into()));
    }
    if let Some(shared) = &found.shared {
        let identities = format!("of {}", counted(shared.identities, "identity", "identities"));
        tiles.push(HeadlineNumber::new("Faces", count(shared.faces), identities));
    }
    tiles
}

fn costs(found: &AblationResult) -> Result<Section, ReportError> {
    let how = if found.metric.key.ends_with(".accuracy") {
        "each listed pair is decided in all variants, and the interval is of the differences and accounts for pairs that \
         share people, so whatever the variants share (hard pictures, people who look alike) cancels"
    } else {
        "the same people are resampled for all variants at once, so whatever the variants share (hard pictures, people \
         who look alike) cancels"
    };
    Ok(Section::new("costs", "What each step changes")
        .text(sentence(&format!("{}; {}", found.better(), found.meaning())))
        .text(match &found.shared {
            Some(shared) => sentence(&shared.sentence()),
            None => "No two variants can be compared.".into(),
        })
        .text(format!(
            "Intervals of changes are paired: {how}. They are narrower than the separate intervals of two variants suggest."
        ))
        .with(waterfall::figure(found)?))
}

/// A difference with its interval as the note.
fn difference(found: &AblationResult, effect: Option<&Effect>) -> TableCell {
    let Some(effect) = effect else { return NONE.into() };
    let text = found.metric.quantity.effect(&effect.difference);
    match text.split_once(" [") {
        Some((size, interval)) => TableCell::with_note(size, format!("[{interval}")),
        None => text.into(),
    }
}

fn variants(found: &AblationResult) -> Section {
    let path = found.design == Design::Steps;
    let mut columns =
        vec!["variant", "#value", if path { "#change to the previous" } else { "#change to [0]" }, "verdict"];
    columns.extend(path.then_some("#change to [0]"));
    columns.extend(["#faces per second", "run"]);
    let mut table = DataTable::new(format!("Variants by {}", found.metric.name), &columns);
    for (number, variant) in found.variants.iter().enumerate() {
        let value = match &variant.value {
            Some(value) => TableCell::estimate(found.metric.quantity, value),
            None => "not measured".into(),
        };
        let change = found.change_of(number);
        let change = change.as_ref().and_then(|change| change.effect.as_ref());
        let mut cells: Vec<TableCell> =
            vec![format!("[{number}] {}", variant.name).into(), value, difference(found, change)];
        cells.push(change.map_or_else(String::new, waterfall::signed).into());
        cells.extend(path.then(|| difference(found, variant.to_config.as_ref())));
        let adopted = variant.adopted_from.as_ref().map_or_else(String::new, |run| format!("embeddings of {run}"));
        cells.push(variant.speed_text().into());
        cells.push(TableCell::with_note(or_dash(variant.run.clone()), adopted));
        table.marked(change.is_some_and(|effect| effect.verdict == EffectVerdict::Worse), cells);
    }
    Section::new("variants", "Variants").with(table.note(
        "Value: with its own interval, on the pairs that all variants share. Better and worse: the whole paired interval is \
         on that side. Indistinguishable from 0: the interval contains 0, which does not show that nothing changes. Faces per \
         second: median over the chunks, measured while embedding under whatever load the machine had; `facevault \
         throughput` measures variants side by side.",
    ))
}

fn differences(found: &AblationResult) -> Section {
    let mut table = DataTable::new("Differences between the plans", &["variant", "key", "in [0]", "in the variant"]);
    for (number, variant) in found.variants.iter().enumerate() {
        for [key, there, here] in &variant.differences {
            table.row([format!("[{number}] {}", variant.name), key.clone(), there.clone(), here.clone()]);
        }
    }
    let same = found.variants.iter().skip(1).filter(|variant| variant.run.is_some() && variant.differences.is_empty());
    let same: Vec<_> = same.map(|variant| format!("“{}”", variant.name)).collect();
    let text = format!(
        "These steps change no setting that affects a number, so they are the same run as [0]: {}.",
        same.join(", ")
    );
    Section::new("differences", "Settings each step changes")
        .texts((!same.is_empty()).then_some(text))
        .with(table.folded())
}

fn missing(found: &AblationResult) -> Section {
    let section = Section::new("missing", "Not measured");
    let mut table = DataTable::new("Variants without a value", &["variant", "reason"]);
    for (number, variant) in found.variants.iter().enumerate() {
        if let Some(reason) = &variant.err {
            table.row([format!("[{number}] {}", variant.name), reason.clone()]);
        }
    }
    if table.rows.is_empty() {
        return section;
    }
    let text =
        "The other variants are unaffected. A change measured across one of these covers all the steps it spans.";
    section.text(text).with(table)
}

fn provenance(found: &AblationResult) -> Section {
    let columns = ["variant", "run", "program", "device", "weights", "manifest"];
    let mut table = DataTable::new("Where each variant was embedded", &columns);
    for (number, variant) in found.variants.iter().enumerate() {
        if let (Some(run), Some(origin)) = (&variant.run, &variant.origin) {
            table.row([
                format!("[{number}]"),
                run.clone(),
                origin.program.clone(),
                origin.device.clone(),
                format!("{}…", origin.weights.short(12)),
                format!("{}…", origin.manifest.short(12)),
            ]);
        }
    }
    table.note = "Weights and manifest: SHA-256. Each run's `provenance.json` has the details, and `facevault verify RUN` checks it.".into();
    let method = found.variants.iter().find_map(|variant| variant.value.as_ref()).map(|value| sentence(&value.method));
    Section::new("provenance", "Provenance").texts(method).with(table)
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
        // The figure itself carries signs and words, not only colours.
        for words in [
            "as configured: 10.00% [5.00%, 15.00%]",
            "step 1: +2.00 pp [+1.50, +2.50], worse",
            "step 2: +0.10 pp [−0.40, +0.60], indistinguishable from 0",
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
    fn unmeasured_variants_are_listed_with_the_reason() {
        let found = ablation(Design::Steps, 3, &[Some(0.10), None, Some(0.13), Some(0.04)], 0.005);
        let html = render_ablation(&found).unwrap();
        check(&html);
        assert!(sections(&html).contains(&"missing"));
        assert!(html.contains("is not available &amp; so on") && html.contains(">\nstep 1: not measured\n</text>"));
        assert!(html.contains(">\nstep 1 + step 2: +3.00 pp"));
    }

    #[test]
    fn every_design_renders_with_any_numbers() {
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
    fn the_chart_grows_with_the_steps() {
        let height = |steps: usize| {
            let html = render_ablation(&ablation(Design::Steps, steps, &vec![Some(0.1); steps + 1], 0.01)).unwrap();
            check(&html);
            let of = html.split("viewBox=\"0 0 1120 ").nth(1).unwrap();
            of.split('"').next().unwrap().parse::<u32>().unwrap()
        };
        assert_eq!(height(20) - height(10), 10 * 84);
    }
}
