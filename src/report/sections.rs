//! The report of one run, section by section, in the order a reader asks: did it work, how well, where does it fail,
//! how fast was it, and how is it made again.

use std::collections::BTreeMap;

use super::base64;
use super::breakdown;
use super::explorer;
use super::figures;
use super::page::{Block, Cell, Page, Section, Table, Tile};
use super::people;
use super::protocols;
use super::words::{NONE, count, counted, interval_name, judged, made, maybe, point, target, unit, verdict};
use super::{Report, ReportError};
use crate::agreement::{self, PrecisionAgreement, Verification};
use crate::estimate::Estimate;
use crate::metrics::{Distribution, ErrorRate, Intervals, Metrics};
use crate::numbers::Quantity::{self, Cosine, Plain, Rate};
use crate::similarity::{HardPair, IdentitySpread, PairKind};

/// Hardest pairs shown of each kind.
const PAIRS_SHOWN: usize = 50;
/// Identities in the table of the closest.
const IDENTITIES_SHOWN: usize = 20;
/// Failures shown one by one.
const FAILURES_SHOWN: usize = 50;
/// PNG bytes of hardest pairs that go into a page at most; as text they are a third larger.
const PICTURE_BYTES: usize = 1_800_000;

/// The whole page.
pub(super) fn page(report: &Report) -> Result<Page, ReportError> {
    let metrics = &report.evaluation.metrics;
    let explorer = explorer::section(&report.evaluation)?;
    let scripted = explorer.is_some();
    let sections = [
        expectations(metrics),
        Some(distributions(report)?),
        Some(errors(report)?),
        Some(thresholds(metrics)),
        explorer,
        protocols::protocols(&metrics.protocols),
        protocols::published(&report.published),
        upstream(metrics),
        Some(hardest(report)),
        if metrics.faces.identities > 0 { Some(identities(&report.evaluation.identities)?) } else { None },
        people::fails(&report.evaluation.people, metrics)?,
        people::labels(report),
        people::routing(&report.evaluation.people)?,
        report.evaluation.breakdown.as_ref().map(|found| breakdown::section(found, metrics)).transpose()?,
        report.agreement.as_ref().map(agreement),
        Some(throughput(report)?),
        Some(failures(report)),
        Some(pairs(metrics)),
        Some(provenance(report)),
        Some(command(report)),
    ];
    Ok(Page {
        kind: "FaceVault: report of one run".into(),
        title: report.run_id.clone(),
        description: report.description.clone(),
        cautions: report.cautions.clone(),
        verdict: verdict(metrics),
        tiles: tiles(metrics),
        sections: sections.into_iter().flatten().collect(),
        footer: footer(report, scripted),
    })
}

fn tiles(metrics: &Metrics) -> Vec<Tile> {
    let tile = |label: &str, value: String, note: String| Tile { label: label.into(), value, note };
    let estimate = |label: &str, quantity: Quantity, estimate: &Estimate| {
        tile(label, point(quantity, estimate), quantity.interval(estimate))
    };
    let faces = &metrics.faces;
    let mut tiles = vec![estimate("Equal error rate", Rate, &metrics.eer)];
    if let Some((rate, tar)) = metrics.operating().and_then(|point| Some((point.target_fmr, point.tar.as_ref()?))) {
        tiles.push(estimate(&format!("True accepts at {} false matches", target(rate)), Rate, tar));
    }
    tiles.extend([
        estimate("Area under the ROC curve", Cosine, &metrics.auc),
        estimate("Separation d′", Plain, &metrics.d_prime),
        tile(
            "Faces embedded",
            count(faces.embedded),
            format!("of {}, {} failed", count(faces.manifest), count(faces.failed)),
        ),
        tile("Identities", count(faces.identities), format!("{} with one face", count(faces.singletons))),
    ]);
    tiles
}

fn expectations(metrics: &Metrics) -> Option<Section> {
    let mut table =
        Table::new("Ranges that the config expects", &["metric", "#value", "expected", "source", "verdict"]);
    for expectation in &metrics.expectations {
        let (value, range) = judged(expectation);
        let source = expectation.source.clone().unwrap_or_else(|| NONE.into());
        let (class, verdict) = match (expectation.met, expectation.value) {
            (true, _) => ("", "✓ met"),
            (false, Some(_)) => ("bad", "✗ not met"),
            (false, None) => ("bad", "✗ not judged"),
        };
        table.classed(class, [expectation.metric.clone(), value, range, source, verdict.into()]);
    }
    (!table.rows.is_empty()).then(|| Section {
        id: "expectations",
        title: "Expectations".into(),
        blocks: vec![table.into()],
        ..Section::default()
    })
}

fn distributions(report: &Report) -> Result<Section, ReportError> {
    let metrics = &report.evaluation.metrics;
    let mut text = Vec::new();
    if metrics.pairs.genuine == 0 || metrics.pairs.impostor == 0 {
        text.push("One of the two kinds of pair does not occur in this run, so no error rate means anything.".into());
    }
    Ok(Section {
        id: "distributions",
        title: "Same and different identities".into(),
        text,
        blocks: vec![
            figures::distributions(&report.evaluation, false)?,
            figures::distributions(&report.evaluation, true)?,
            moments("The two distributions", &metrics.genuine, &metrics.impostor).into(),
        ],
        ..Section::default()
    })
}

/// Mean, spread and quantiles of both kinds of pair.
fn moments(caption: &str, genuine: &Distribution, impostor: &Distribution) -> Table {
    let name = interval_name(&genuine.mean);
    let mut table = Table::new(
        caption,
        &["cosine", "#same identity", &format!("#{name}"), "#different identities", &format!("#{name}")],
    );
    let both = |name: String, genuine: &Estimate, impostor: &Estimate| {
        [name, point(Cosine, genuine), Cosine.interval(genuine), point(Cosine, impostor), Cosine.interval(impostor)]
    };
    table.row(both("mean".into(), &genuine.mean, &impostor.mean));
    table.row(both("standard deviation".into(), &genuine.std, &impostor.std));
    table.row(both("mean of absolute values".into(), &genuine.mean_abs, &impostor.mean_abs));
    let bare = |name: &str, genuine: f64, impostor: f64| {
        [name.into(), maybe(Some(genuine), Cosine), String::new(), maybe(Some(impostor), Cosine), String::new()]
    };
    table.row(bare("smallest", genuine.min, impostor.min));
    for (genuine, impostor) in genuine.quantiles.iter().zip(&impostor.quantiles) {
        let name = match genuine.level {
            0.5 => "median".to_owned(),
            level => format!("{} quantile", target(level)),
        };
        table.row(both(name, &genuine.value, &impostor.value));
    }
    table.row(bare("largest", genuine.max, impostor.max));
    let (same, different) = (made(&genuine.mean), made(&impostor.mean));
    table.note = if same == different {
        format!("Intervals: {same}.")
    } else {
        format!("Same identity: {same}. Different identities: {different}.")
    };
    table
}

fn errors(report: &Report) -> Result<Section, ReportError> {
    Ok(Section {
        id: "errors",
        title: "Error rates".into(),
        blocks: vec![figures::det(&report.evaluation)?, figures::roc(&report.evaluation)?],
        ..Section::default()
    })
}

fn thresholds(metrics: &Metrics) -> Section {
    let name = metrics.operating_points.iter().find_map(|point| point.tar.as_ref()).unwrap_or(&metrics.eer);
    let name = interval_name(name);
    let mut table = Table::new(
        "Thresholds",
        &[
            "false match rate aimed at",
            "#threshold",
            "#observed false match rate",
            &format!("#{name}"),
            "#true accept rate",
            &format!("#{name}"),
        ],
    );
    table.row([
        "where both rates are equal".into(),
        maybe(Some(metrics.eer_threshold), Cosine),
        point(Rate, &metrics.eer),
        Rate.interval(&metrics.eer),
        if metrics.eer.bound { NONE.into() } else { maybe(Some(1.0 - metrics.eer.point), Rate) },
        String::new(),
    ]);
    let mut unresolved = Vec::new();
    for operating in &metrics.operating_points {
        let aim = target(operating.target_fmr);
        let part = |estimate: &Option<Estimate>| {
            estimate.as_ref().map_or((NONE.into(), String::new()), |e| (point(Rate, e), Rate.interval(e)))
        };
        let ((fmr, fmr_interval), (tar, tar_interval)) = (part(&operating.fmr), part(&operating.tar));
        if operating.threshold.is_none() {
            unresolved.push(aim.clone());
        }
        table.row([aim, maybe(operating.threshold, Cosine), fmr, fmr_interval, tar, tar_interval]);
    }
    table.note = "“≤” is a bound: no false match was seen, and this is the highest rate the pairs allow.".into();
    if !unresolved.is_empty() {
        let pairs = counted(metrics.pairs.impostor, "different-identity pair", "different-identity pairs");
        let rates = unresolved.join(", ");
        table.note = format!("{} Not resolved by {pairs}, so there is no threshold for: {rates}.", table.note);
    }
    Section {
        id: "thresholds",
        title: "Which threshold to choose".into(),
        text: vec![
            "Two faces match when their cosine is at or above the threshold. Choose the rate of false matches you can live with, and read what it costs in true accepts. A threshold holds for this preprocessing and these weights only.".into(),
        ],
        blocks: vec![
            table.into(),
            misses(metrics).into(),
            ladder(metrics).folded().into(),
            three_intervals(metrics).folded().into(),
        ],
        ..Section::default()
    }
}

/// FMR100, FMR1000, `ZeroFMR`.
fn misses(metrics: &Metrics) -> Table {
    let name = format!("#{}", interval_name(&metrics.zero_fmr));
    let mut table =
        Table::new("Misses where false matches are rare", &["rate", "threshold", "#false non-matches", &name]);
    for (rate, threshold, estimate) in [
        ("FMR100", "the lowest with at most 1% false matches", &metrics.fmr100),
        ("FMR1000", "the lowest with at most 0.1% false matches", &metrics.fmr1000),
        ("ZeroFMR", "the lowest without a false match", &metrics.zero_fmr),
    ] {
        table.row([rate.into(), threshold.into(), point(Rate, estimate), Rate.interval(estimate)]);
    }
    table.note =
        "“≥” is a bound from below: the pairs are too few to see such a rate, and without any false match this \
                  many are missed."
            .into();
    table
}

/// The other way round: from a threshold to its error rates.
fn ladder(metrics: &Metrics) -> Table {
    let name = format!("#{}", interval_name(&metrics.zero_fmr));
    let columns = ["#threshold", "#false match rate", &name, "#false non-match rate", &name];
    let mut table = Table::new("What a threshold costs", &columns);
    for row in &metrics.thresholds {
        let (fmr, fnmr) = (&row.fmr, &row.fnmr);
        let threshold = format!("{:.2}", row.threshold);
        table.row([threshold, point(Rate, fmr), Rate.interval(fmr), point(Rate, fnmr), Rate.interval(fnmr)]);
    }
    table
}

/// Each interval beside those that it could have been.
fn three_intervals(metrics: &Metrics) -> Table {
    let mut table = Table::new(
        "The same intervals made in three ways",
        &["rate", "#value", "#Wilson, plug-in variance", "#identity bootstrap", "#naive", "#naive is too narrow by"],
    );
    let ends = |[lower, upper]: [f64; 2]| format!("[{}, {}]", Rate.value(lower), Rate.value(upper));
    for row in &metrics.intervals {
        let rate = match row.rate {
            ErrorRate::Fmr => "false match rate",
            ErrorRate::Tar => "true accept rate",
        };
        let Intervals { wilson, bootstrap, naive, naive_too_narrow } = &row.intervals;
        table.row([
            format!("{rate} at {}", target(row.target_fmr)),
            Rate.value(row.point),
            wilson.map_or_else(|| NONE.into(), ends),
            bootstrap.map_or_else(|| NONE.into(), ends),
            ends(*naive),
            naive_too_narrow.map_or_else(|| NONE.into(), |times| format!("{times:.1} times")),
        ]);
    }
    table.note =
        "The first is the one shown everywhere. A true accept rate's knows that its threshold was chosen for the false match rate: other people \
                  would give another one. A false match rate's is of this threshold, held fixed. The naive one takes pairs as independent and the threshold as \
                  given: pairs share faces and people."
            .into();
    table
}

fn upstream(metrics: &Metrics) -> Option<Section> {
    let upstream = metrics.upstream.as_ref()?;
    let mut table = Table::new(
        "Measured here against the published range",
        &["quantity", "#measured", "#published from", "#to", "verdict"],
    );
    for row in &upstream.rows {
        let (class, verdict) = if row.inside { ("", "✓ inside") } else { ("bad", "✗ outside") };
        let [measured, lower, upper] = [row.measured, row.lower, row.upper].map(|value| maybe(Some(value), Cosine));
        table.classed(class, [row.quantity.clone(), measured, lower, upper, verdict.into()]);
    }
    let pairs = |distribution: &Distribution| count(distribution.mean.n);
    table.note = format!(
        "Sampled as upstream does: {} same-identity pairs among the first faces of each identity, {} random different-identity pairs.",
        pairs(&upstream.genuine),
        pairs(&upstream.impostor)
    );
    let distributions = moments("The distributions of upstream's sample", &upstream.genuine, &upstream.impostor);
    Some(Section {
        id: "published",
        title: "Beside the published numbers".into(),
        blocks: vec![table.into(), distributions.folded().into()],
        ..Section::default()
    })
}

fn hardest(report: &Report) -> Section {
    let mut budget = PICTURE_BYTES;
    let mut table = |kind: PairKind, caption: &str| -> Table {
        let pairs: Vec<_> = report.evaluation.hardest.iter().filter(|pair| pair.kind == kind).collect();
        let mut table = Table::new(caption, &["#rank", "#cosine", "face", "identity", "other face", "its identity"]);
        for pair in pairs.iter().take(PAIRS_SHOWN) {
            table.row(hard_pair(pair, &report.pictures, &mut budget));
        }
        if pairs.len() > PAIRS_SHOWN {
            table.note = format!("The first {PAIRS_SHOWN} of {}; all are in pairs.parquet.", count(pairs.len() as u64));
        }
        table
    };
    let tables = [
        table(PairKind::Genuine, "Same identity, least alike"),
        table(PairKind::Impostor, "Different identities, most alike"),
    ];
    let mut text = vec![
        "Where the errors come from. The first rows are as often wrong labels or bad pictures as hard faces: look at them before you blame the network.".to_owned(),
    ];
    if report.evaluation.hardest.is_empty() {
        text = vec!["No pairs were kept.".into()];
    } else if report.pictures.is_empty() {
        text.push("Without pictures: faces are personal data. The config's key report.pictures shows them.".into());
    }
    Section {
        id: "hardest",
        title: "Hardest pairs".into(),
        text,
        blocks: tables.into_iter().map(Block::from).collect(),
        ..Section::default()
    }
}

/// A face with its picture, where there is one and the budget allows it.
pub(super) fn face(row: u32, id: &str, pictures: &BTreeMap<u32, Vec<u8>>, budget: &mut usize) -> Cell {
    let picture = pictures.get(&row).and_then(|png| {
        *budget = budget.checked_sub(png.len())?;
        Some(format!("data:image/png;base64,{}", base64::encode(png)))
    });
    Cell { picture, ..id.into() }
}

/// A row of the table of hardest pairs; pictures as long as the budget lasts.
fn hard_pair(pair: &HardPair, pictures: &BTreeMap<u32, Vec<u8>>, budget: &mut usize) -> [Cell; 6] {
    let mut face = |row: u32, id: &str| face(row, id, pictures, budget);
    [
        pair.rank.to_string().into(),
        maybe(Some(f64::from(pair.cosine)), Cosine).into(),
        face(pair.row_a, &pair.face_a),
        pair.identity_a.as_str().into(),
        face(pair.row_b, &pair.face_b),
        pair.identity_b.as_str().into(),
    ]
}

fn identities(all: &[IdentitySpread]) -> Result<Section, ReportError> {
    let mut table = Table::new(
        "Identities with the least to spare",
        &[
            "identity",
            "#faces",
            "#mean cosine within",
            "#lowest within",
            "#highest to another",
            "nearest other",
            "#margin",
        ],
    );
    let mut closest: Vec<_> = all.iter().filter_map(|identity| Some((figures::margin(identity)?, identity))).collect();
    closest.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.identity_id.cmp(&b.1.identity_id)));
    for (margin, identity) in closest.iter().take(IDENTITIES_SHOWN) {
        table.row([
            identity.identity_id.clone(),
            count(identity.faces),
            maybe(identity.genuine_mean, Cosine),
            maybe(identity.genuine_min.map(f64::from), Cosine),
            maybe(identity.impostor_max.map(f64::from), Cosine),
            identity.nearest_identity.clone().unwrap_or_else(|| NONE.into()),
            Cosine.value(*margin),
        ]);
    }
    table.note = format!(
        "{} of {}. The margin is the mean cosine within less the highest to another; all are in identities.parquet.",
        count(table.rows.len() as u64),
        counted(all.len() as u64, "identity", "identities")
    );
    Ok(Section {
        id: "identities",
        title: "Identity by identity".into(),
        blocks: vec![figures::identities(all)?, table.into()],
        ..Section::default()
    })
}

fn agreement(found: &PrecisionAgreement) -> Section {
    let precision = found.precision.name();
    let mut rows = Table::new("A face's two embeddings", &["what", "#value"]);
    rows.row(["lowest cosine".into(), format!("{:.6}", found.cosine_min)]);
    rows.row(["mean cosine".into(), format!("{:.6}", found.cosine_mean)]);
    rows.row(["largest difference of two numbers".into(), format!("{:.1e}", found.max_difference)]);
    let mut blocks: Vec<Block> = vec![rows.into()];
    if let Some(Verification { genuine_pairs, impostor_pairs, f32, lower }) = &found.verification {
        let name = format!("#{}", interval_name(&f32.eer));
        let columns = ["rate", "#f32", &name, &format!("#{precision}"), &name, "#n"];
        let mut table = Table::new("Telling people apart on the sample", &columns);
        for (name, reference, lower) in agreement::rows(f32, lower) {
            table.row([
                name,
                point(Rate, reference),
                Rate.interval(reference),
                point(Rate, lower),
                Rate.interval(lower),
                count(reference.n),
            ]);
        }
        let (genuine, impostor) = (count(*genuine_pairs), count(*impostor_pairs));
        table.note = format!(
            "All {genuine} same-identity and {impostor} different-identity pairs of the sample. The intervals are for \
             each precision alone; both saw the same faces, so their difference is far surer than the intervals look."
        );
        blocks.push(table.into());
    }
    Section {
        id: "agreement",
        title: "Agreement with f32".into(),
        text: vec![format!(
            "This run is in {precision}. {} of its faces ({}) were embedded in f32 as well, on {}.",
            count(found.faces),
            found.sample,
            found.device
        )],
        blocks,
        ..Section::default()
    }
}

fn throughput(report: &Report) -> Result<Section, ReportError> {
    let mut sessions: BTreeMap<u32, (u64, u64, f64)> = BTreeMap::new();
    for chunk in &report.timeline {
        let (chunks, faces, seconds) = sessions.entry(chunk.session).or_default();
        *chunks += 1;
        *faces = faces.saturating_add(chunk.faces);
        *seconds += chunk.seconds;
    }
    let mut table = Table::new("Speed by session", &["session", "#chunks", "#faces", "#seconds", "#faces per second"]);
    let number = |value: f64| if value.is_finite() { format!("{value:.1}") } else { NONE.into() };
    let mut line = |name: String, (chunks, faces, seconds): (u64, u64, f64)| {
        table.row([name, count(chunks), count(faces), number(seconds), number(faces as f64 / seconds)]);
    };
    for (session, totals) in &sessions {
        line((u64::from(*session) + 1).to_string(), *totals);
    }
    if sessions.len() > 1 {
        let sum = sessions.values().fold((0, 0_u64, 0.0), |a, b| (a.0 + b.0, a.1.saturating_add(b.1), a.2 + b.2));
        line("all".into(), sum);
    }
    let mut section = Section { id: "throughput", title: "Throughput".into(), ..Section::default() };
    if report.timeline.is_empty() {
        section.text.push("No chunk has a timing.".into());
    } else {
        section.blocks = vec![figures::throughput(&report.timeline)?, table.into()];
    }
    Ok(section)
}

fn failures(report: &Report) -> Section {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for failure in &report.failures {
        *kinds.entry(&failure.kind).or_default() += 1;
    }
    let mut groups = Table::new("By kind", &["kind", "#faces", "#of all faces"]);
    for (kind, n) in kinds {
        let share = n as f64 / report.evaluation.metrics.faces.manifest as f64;
        groups.row([kind.to_owned(), count(n), maybe(Some(share), Rate)]);
    }
    let mut faces = Table::new("Faces without an embedding", &["#row", "face", "kind", "reason"]);
    for failure in report.failures.iter().take(FAILURES_SHOWN) {
        faces.row([failure.row.to_string(), failure.face_id.clone(), failure.kind.clone(), failure.message.clone()]);
    }
    if report.failures.len() > FAILURES_SHOWN {
        let all = count(report.failures.len() as u64);
        faces.note = format!("The first {FAILURES_SHOWN} of {all}; all are in failures.csv.");
    }
    let text = if report.failures.is_empty() {
        "Every face of the manifest has an embedding."
    } else {
        "These faces have no row in the matrix and take no part in any number above."
    };
    let left_out = Some(&report.left_out).filter(|left_out| !left_out.is_empty());
    let left_out = left_out.map(|left_out| format!("Besides faces, the dataset's folders hold: {left_out}."));
    Section {
        id: "failures",
        title: "Failures".into(),
        text: std::iter::once(text.into()).chain(left_out).collect(),
        blocks: vec![groups.into(), faces.into()],
        ..Section::default()
    }
}

fn pairs(metrics: &Metrics) -> Section {
    let (faces, pairs) = (&metrics.faces, &metrics.pairs);
    let rules = match pairs.mode.as_str() {
        "exhaustive" => {
            "Every pair of labelled faces was compared, less those that the rules below leave out.".to_owned()
        }
        "sampled" => "A seeded sample of all pairs of labelled faces was compared: the same seed draws the same pairs."
            .to_owned(),
        "listed" => {
            "No face has a name, so only the pairs of the dataset's own list were compared: of all others nobody knows \
                     whether they are one person. Intervals resample groups of pictures that the list calls one person."
                .to_owned()
        }
        mode => format!("Pairs were chosen by the mode “{mode}”."),
    };
    let mut table = Table::new("Pairs", &["pairs", "#same identity", "#different identities"]);
    table.row(["compared".into(), count(pairs.genuine), count(pairs.impostor)]);
    table.row(["available under the rules".into(), count(pairs.genuine_available), count(pairs.impostor_available)]);
    let mut left_out = Table::new("Left out", &["what", "#count"]);
    left_out.row(["pairs of two faces from one image".into(), count(pairs.excluded_same_image)]);
    left_out.row(["pairs of two faces with the same content".into(), count(pairs.excluded_same_content)]);
    left_out.row(["faces without an identity".into(), count(pairs.unlabelled_faces)]);
    let mut counts = Table::new("Faces", &["faces", "#count"]);
    for (name, n) in [
        ("in the manifest", faces.manifest),
        ("embedded", faces.embedded),
        ("failed", faces.failed),
        ("embedded, with an identity", faces.labelled),
        ("identities", faces.identities),
        ("identities with a single face: no same-identity pair", faces.singletons),
    ] {
        counts.row([name.to_owned(), count(n)]);
    }
    let mut estimates = Table::new("How the intervals were made", &["metric", "#value", "#interval", "#n", "method"]);
    for (name, quantity, estimate) in [
        ("equal error rate", Rate, &metrics.eer),
        ("FMR100", Rate, &metrics.fmr100),
        ("FMR1000", Rate, &metrics.fmr1000),
        ("ZeroFMR", Rate, &metrics.zero_fmr),
        ("area under the ROC curve", Cosine, &metrics.auc),
        ("separation d′", Plain, &metrics.d_prime),
        ("same identity, mean cosine", Cosine, &metrics.genuine.mean),
        ("different identities, mean cosine", Cosine, &metrics.impostor.mean),
    ] {
        let (one, many) = unit(estimate.unit);
        estimates.row([
            name.to_owned(),
            point(quantity, estimate),
            quantity.interval(estimate),
            counted(estimate.n, one, many),
            made(estimate),
        ]);
    }
    Section {
        id: "pairs",
        title: "Which pairs were compared".into(),
        text: vec![rules],
        blocks: [table, left_out, counts, estimates].map(Block::from).into(),
        ..Section::default()
    }
}

fn provenance(report: &Report) -> Section {
    let mut plan = Table::new("Plan", &["key", "value"]);
    let mut origin = Table::new("Provenance", &["key", "value"]);
    for (table, pairs) in [(&mut plan, &report.plan), (&mut origin, &report.provenance)] {
        for (key, value) in pairs {
            table.row([key.as_str(), if value.is_empty() { NONE } else { value }]);
        }
    }
    plan.note = "Everything that can change a number. The run's name ends in a digest of it.".into();
    origin.note = "Where, when and with what it was computed; nothing here is part of the run's name.".into();
    Section {
        id: "provenance",
        title: "Plan and provenance".into(),
        blocks: vec![plan.into(), origin.into()],
        ..Section::default()
    }
}

fn command(report: &Report) -> Section {
    Section {
        id: "command",
        title: "Make it again".into(),
        text: vec![
            "This command computes the run again, or resumes it, or says that nothing is left to do; then it renders this page.".into(),
        ],
        command: Some(report.command.clone()),
        ..Section::default()
    }
}

fn footer(report: &Report, scripted: bool) -> Vec<String> {
    let script = if scripted { "no script but the one that moves the threshold" } else { "no script" };
    let pictures = if report.pictures.is_empty() { "" } else { " and pictures of faces" };
    vec![
        format!(
            "This page holds ids of faces and identities{pictures}: personal data. Treat it as you treat the dataset."
        ),
        format!("One file, {script}, nothing loaded from elsewhere. The same run gives the same bytes."),
    ]
}
