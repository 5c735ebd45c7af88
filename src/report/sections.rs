//! The report of one run, in the order of a reader's questions: what was found, which threshold, which labels and pictures
//! to look at, how well does it work, where does it fail, how fast was it, and how to reproduce it.

use std::collections::BTreeMap;

use super::findings::findings;
use super::page::{DataTable, HeadlineNumber, Page, Section, TableCell};
use super::verdict::verdict;
use super::words::{
    GENUINE_AND_IMPOSTOR, NONE, capitalised, count, counted, interval_name, judged, made, maybe, or_dash,
    personal_data, point, sentence, target, unit, value_and_interval,
};
use super::{Report, ReportError, breakdown, explorer, figures, identification, people, protocols, templates};
use crate::agreement::{self, PrecisionAgreement, Verification};
use crate::estimate::Estimate;
use crate::headline::headline;
use crate::metrics::Metrics;
use crate::numbers::Quantity::{Cosine, Plain, Rate};
use crate::similarity::{HardPair, IdentitySpread, PairKind};
use crate::verification::{Distribution, ErrorRate, Intervals};

/// Hardest pairs of each kind in the page, and those before the fold.
const PAIRS: usize = 50;
const PAIRS_SHOWN: usize = 10;
/// Identities in the table of the smallest margins, and those before the fold.
const IDENTITIES: usize = 20;
const IDENTITIES_SHOWN: usize = 5;
/// Failures listed individually, and those before the fold.
const FAILURES: usize = 50;
const FAILURES_SHOWN: usize = 10;
/// Budget for pictures of the hardest pairs, in bytes of PNG; base64 makes them a third larger.
const PICTURE_BYTES: usize = 1_800_000;

pub(super) fn page(report: &Report) -> Result<Page, ReportError> {
    let Report { evaluation, .. } = report;
    let metrics = &evaluation.metrics;
    Ok(Page {
        kind: "FaceVault run report",
        title: report.run_id.rsplit_once('-').map_or(report.run_id.as_str(), |(name, _)| name).to_owned(),
        description: report.description.clone(),
        facts: report.facts.clone(),
        cautions: report.cautions.clone(),
        verdict: verdict(metrics),
        tiles: tiles(metrics),
        findings: findings(report),
        sections: vec![
            expectations(metrics),
            thresholds(report)?,
            protocols::protocols(&metrics.protocols, &metrics.groups),
            templates::section(&metrics.templates)?,
            identification::section(report)?,
            protocols::published(&report.published),
            people::labels(report),
            breakdown::section(evaluation)?,
            errors(report)?,
            hardest(report),
            identities(report)?,
            people::routing(&evaluation.people)?,
            agreement(report.agreement.as_ref()),
            upstream(metrics),
            failures(report),
            computed(report)?,
        ],
        footer: footer(report),
    })
}

/// The headline, as in the terminal and in the list of runs, and the size of the run.
fn tiles(metrics: &Metrics) -> Vec<HeadlineNumber> {
    let faces = &metrics.faces;
    let mut tiles: Vec<_> = headline(metrics)
        .iter()
        .map(|row| HeadlineNumber::estimate(capitalised(&row.name), Rate, &row.estimate))
        .collect();
    tiles.extend([
        HeadlineNumber::new(
            "Faces embedded",
            count(faces.embedded),
            format!("of {}, {} failed", count(faces.manifest), count(faces.failed)),
        ),
        HeadlineNumber::new(
            "Identities",
            count(faces.identities),
            if faces.singletons == 0 {
                "all with several faces".into()
            } else {
                format!("{} with a single face", count(faces.singletons))
            },
        ),
    ]);
    tiles
}

fn expectations(metrics: &Metrics) -> Section {
    let mut table =
        DataTable::new("Ranges expected by the config", &["metric", "#value", "expected", "source", "verdict"]);
    for expectation in &metrics.expectations {
        let (value, range) = judged(expectation);
        let verdict = match (expectation.met, expectation.value) {
            (true, _) => "✓ met",
            (false, Some(_)) => "✗ not met",
            (false, None) => "✗ not judged",
        };
        let source = or_dash(expectation.source.clone());
        table.marked(!expectation.met, [expectation.metric.clone(), value, range, source, verdict.into()]);
    }
    let all_met = metrics.expectations.iter().all(|expectation| expectation.met);
    Section::new("expectations", "Expectations").with(if all_met { table.folded() } else { table })
}

/// Distributions and error rates. The tails and the ROC are folded: the explorer shows them too.
fn errors(report: &Report) -> Result<Section, ReportError> {
    let metrics = &report.evaluation.metrics;
    let missing = (metrics.pairs.genuine == 0 || metrics.pairs.impostor == 0)
        .then(|| "This run lacks genuine or impostor pairs, so its error rates are meaningless.".to_owned());
    Ok(Section::new("errors", "Genuine and impostor pairs, error rates")
        .text(GENUINE_AND_IMPOSTOR)
        .texts(missing)
        .with(figures::distributions(&report.evaluation, false)?)
        .with(figures::det(&report.evaluation)?)
        .with(figures::distributions(&report.evaluation, true)?.folded())
        .with(figures::roc(&report.evaluation)?.folded())
        .with(moments("The two distributions", &metrics.genuine, &metrics.impostor).folded()))
}

/// Mean, spread and quantiles of genuine and impostor pairs.
fn moments(caption: &str, genuine: &Distribution, impostor: &Distribution) -> DataTable {
    let name = format!("#{}", interval_name(&genuine.mean));
    let mut table = DataTable::new(caption, &["cosine", "#genuine", &name, "#impostor", &name]);
    let both = |name: String, genuine: &Estimate, impostor: &Estimate| {
        let [a, a_interval] = value_and_interval(Cosine, genuine);
        let [b, b_interval] = value_and_interval(Cosine, impostor);
        [name, a, a_interval, b, b_interval]
    };
    table.row(both("mean".into(), &genuine.mean, &impostor.mean));
    table.row(both("standard deviation".into(), &genuine.std, &impostor.std));
    table.row(both("mean of absolute values".into(), &genuine.mean_abs, &impostor.mean_abs));
    let bare = |name: &str, genuine: f64, impostor: f64| {
        [name.into(), maybe(genuine, Cosine), String::new(), maybe(impostor, Cosine), String::new()]
    };
    table.row(bare("minimum", genuine.min, impostor.min));
    for (genuine, impostor) in genuine.quantiles.iter().zip(&impostor.quantiles) {
        let name = match genuine.level {
            0.5 => "median".to_owned(),
            level => format!("{} quantile", target(level)),
        };
        table.row(both(name, &genuine.value, &impostor.value));
    }
    table.row(bare("maximum", genuine.max, impostor.max));
    let (of_genuine, of_impostor) = (made(&genuine.mean), made(&impostor.mean));
    table.note(if of_genuine == of_impostor {
        format!("Intervals: {of_genuine}.")
    } else {
        format!("Genuine pairs: {of_genuine}. Impostor pairs: {of_impostor}.")
    })
}

fn thresholds(report: &Report) -> Result<Section, ReportError> {
    let metrics = &report.evaluation.metrics;
    let name = metrics.operating_points.iter().find_map(|point| point.tar.as_ref()).unwrap_or(&metrics.eer);
    let mut table = DataTable::new("Thresholds", &["target FMR", "#threshold", "#observed FMR", "#true accept rate"]);
    let tar = if metrics.eer.bound { NONE.into() } else { maybe(1.0 - metrics.eer.point, Rate) };
    table.row([
        "equal error rate".into(),
        maybe(metrics.eer_threshold, Cosine).into(),
        TableCell::estimate(Rate, &metrics.eer),
        tar.into(),
    ]);
    let mut unresolved = Vec::new();
    for operating in &metrics.operating_points {
        let aim = target(operating.target_fmr);
        if operating.threshold.is_none() {
            unresolved.push(aim.clone());
        }
        table.row([
            aim.into(),
            maybe(operating.threshold, Cosine).into(),
            TableCell::estimate(Rate, operating.fmr.as_ref()),
            TableCell::estimate(Rate, operating.tar.as_ref()),
        ]);
    }
    table.note = format!(
        "Below each rate, its {}. “≤” marks a bound: no false match was seen, and this is the highest rate the pairs allow.",
        interval_name(name)
    );
    if !unresolved.is_empty() {
        let pairs = counted(metrics.pairs.impostor, "impostor pair does", "impostor pairs do");
        let rates = unresolved.join(", ");
        table.note = format!("{} {pairs} not resolve these target rates, which get no threshold: {rates}.", table.note);
    }
    let section = Section::new("thresholds", "Choosing a threshold").text(
        "Two faces match when their cosine is at or above the threshold. Choose a false match rate you can accept and read \
         off the true accept rate it leaves. A threshold is valid only for this preprocessing and these weights.",
    );
    let (section, named) = match explorer::of(&report.evaluation)? {
        Some((explorer, named)) => (section.explorer(&explorer), Some(named)),
        None => (section, None),
    };
    Ok(section
        .with(table.narrow())
        .with(fnmr_at_low_fmr(metrics).narrow())
        .with_all(named)
        .with(fixed_thresholds(metrics).folded())
        .with(three_intervals(metrics).folded()))
}

/// FMR100, FMR1000, `ZeroFMR`.
fn fnmr_at_low_fmr(metrics: &Metrics) -> DataTable {
    let columns = ["rate", "at the threshold", "#false non-match rate"];
    let mut table = DataTable::new("False non-match rates at low false match rates", &columns);
    for (rate, threshold, estimate) in [
        ("FMR100", "the lowest with an FMR of at most 1%", &metrics.fmr100),
        ("FMR1000", "the lowest with an FMR of at most 0.1%", &metrics.fmr1000),
        ("ZeroFMR", "the lowest without a false match", &metrics.zero_fmr),
    ] {
        table.row([rate.into(), threshold.into(), TableCell::estimate(Rate, estimate)]);
    }
    table.note(
        "“≥” marks a lower bound: there are too few pairs to observe such a low FMR, and this is the FNMR without any \
         false match.",
    )
}

/// Error rates at round thresholds.
fn fixed_thresholds(metrics: &Metrics) -> DataTable {
    let name = format!("#{}", interval_name(&metrics.zero_fmr));
    let columns = ["#threshold", "#false match rate", &name, "#false non-match rate", &name];
    let mut table = DataTable::new("Error rates at fixed thresholds", &columns);
    for row in &metrics.thresholds {
        let [fmr, fmr_interval] = value_and_interval(Rate, &row.fmr);
        let [fnmr, fnmr_interval] = value_and_interval(Rate, &row.fnmr);
        table.row([format!("{:.2}", row.threshold), fmr, fmr_interval, fnmr, fnmr_interval]);
    }
    table
}

/// Each interval next to the two alternatives.
fn three_intervals(metrics: &Metrics) -> DataTable {
    let mut table = DataTable::new(
        "The same intervals by three methods",
        &["rate", "#value", "#Wilson, plug-in variance", "#identity bootstrap", "#naive", "#naive too narrow by"],
    );
    let ends = |[lower, upper]: [f64; 2]| format!("[{}, {}]", Rate.value(lower), Rate.value(upper));
    for row in &metrics.intervals {
        let rate = match row.rate {
            ErrorRate::Fmr => "false match rate",
            ErrorRate::Tar => "true accept rate",
        };
        let Intervals { wilson, bootstrap, naive, naive_too_narrow } = &row.intervals;
        table.row([
            format!("{rate} at target FMR {}", target(row.target_fmr)),
            Rate.value(row.point),
            or_dash(wilson.map(ends)),
            or_dash(bootstrap.map(ends)),
            ends(*naive),
            or_dash(naive_too_narrow.map(|times| format!("{times:.1} times"))),
        ]);
    }
    table.note(
        "The Wilson interval is the one shown elsewhere on this page. The interval of a true accept rate accounts for the threshold \
         having been chosen for its FMR: other people would give another threshold. The interval of an FMR \
         holds this threshold fixed. The naive interval treats pairs as independent and the threshold as given, although \
         pairs share faces and people.",
    )
}

fn upstream(metrics: &Metrics) -> Section {
    let section = Section::new("published", "FaceVault's published table");
    let Some(upstream) = &metrics.upstream else { return section };
    let outside = upstream.rows.iter().filter(|row| !row.inside).count();
    let mut table = DataTable::new(
        "This run against the published range",
        &["quantity", "#measured", "#published from", "#to", "verdict"],
    );
    for row in &upstream.rows {
        let verdict = if row.inside { "inside" } else { "outside" };
        let [measured, lower, upper] = [row.measured, row.lower, row.upper].map(|value| maybe(value, Cosine));
        table.row([row.quantity.clone(), measured, lower, upper, verdict.into()]);
    }
    table.note = format!(
        "Sampled the way upstream does: {} genuine pairs among the first faces of each identity and {} random impostor pairs.",
        count(upstream.genuine.mean.n),
        count(upstream.impostor.mean.n)
    );
    section
        .text(format!(
            "The original FaceVault project publishes ranges of cosines for its own celebrity faces and VGGFace2 weights. {} \
             of {} of this run's values are outside. On other faces or weights that says nothing about quality; the config's \
             `similarity.upstream` asks for it.",
            outside,
            upstream.rows.len()
        ))
        .folded("This run against the published ranges")
        .with(table)
        .with(moments("The distributions of upstream's sample", &upstream.genuine, &upstream.impostor).folded())
}

fn hardest(report: &Report) -> Section {
    let mut budget = PICTURE_BYTES;
    let mut table = |kind: PairKind, caption: &str| {
        let pairs: Vec<_> = report.evaluation.hardest.iter().filter(|pair| pair.kind == kind).collect();
        let mut table = DataTable::new(caption, &["#rank", "#cosine", "face", "other face"]).narrow();
        for pair in pairs.iter().take(PAIRS) {
            table.row(hard_pair(pair, &report.pictures, &mut budget));
        }
        if pairs.len() > PAIRS {
            let all = count(pairs.len() as u64);
            table.note = format!("The first {PAIRS} of {all}; pairs.parquet has all of them.");
        }
        table.first(PAIRS_SHOWN)
    };
    let tables = [
        table(PairKind::Genuine, "Genuine pairs with the lowest cosines"),
        table(PairKind::Impostor, "Impostor pairs with the highest cosines"),
    ];
    let section = Section::new("hardest", "Hardest pairs");
    if report.evaluation.hardest.is_empty() {
        return section.text("No pairs were kept.");
    }
    let without_pictures = if report.pictures.is_empty() {
        " Pictures are off because faces are personal data; set `report.pictures` in the config to show them."
    } else {
        ""
    };
    section
        .text(format!(
            "These pairs cause the errors. The top rows are as often wrong labels or bad pictures as hard faces: look at \
             them before you blame the network.{without_pictures}"
        ))
        .with_all(tables)
}

/// A row of a table of hardest pairs, with pictures while the budget lasts.
fn hard_pair(pair: &HardPair, pictures: &BTreeMap<u32, Vec<u8>>, budget: &mut usize) -> [TableCell; 4] {
    let mut face = |row: u32, id: &str, identity: &str| {
        // Ids of faces in folders begin with their identity.
        let note = if id.starts_with(identity) { String::new() } else { identity.to_owned() };
        TableCell { note, ..TableCell::face(row, id, pictures, budget) }
    };
    [
        pair.rank.to_string().into(),
        maybe(f64::from(pair.cosine), Cosine).into(),
        face(pair.row_a, &pair.face_a, &pair.identity_a),
        face(pair.row_b, &pair.face_b, &pair.identity_b),
    ]
}

/// Errors by identity, and how close each is to others.
fn identities(report: &Report) -> Result<Section, ReportError> {
    let section = people::fails(&report.evaluation.people, &report.evaluation.metrics)?;
    if report.evaluation.metrics.faces.identities == 0 {
        return Ok(section);
    }
    let all: &[IdentitySpread] = &report.evaluation.identities;
    let mut table = DataTable::new(
        "Identities with the smallest margins",
        &["identity", "#mean cosine within", "#highest to another", "#margin"],
    )
    .narrow();
    let mut closest: Vec<_> = all.iter().filter_map(|identity| Some((figures::margin(identity)?, identity))).collect();
    closest.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.identity_id.cmp(&b.1.identity_id)));
    for (margin, identity) in closest.iter().take(IDENTITIES) {
        let faces = counted(identity.faces, "face", "faces");
        let lowest = maybe(identity.genuine_min.map(f64::from), Cosine);
        let nearest = or_dash(identity.nearest_identity.clone());
        table.row([
            TableCell::with_note(identity.identity_id.clone(), faces),
            TableCell::with_note(maybe(identity.genuine_mean, Cosine), format!("lowest {lowest}")),
            TableCell::with_note(maybe(identity.impostor_max.map(f64::from), Cosine), nearest),
            Cosine.value(*margin).into(),
        ]);
    }
    table.note = format!(
        "{} of {}. The margin is the mean cosine within an identity minus the highest cosine to another; \
         identities.parquet has all of them.",
        count(table.rows.len() as u64),
        counted(all.len() as u64, "identity", "identities")
    );
    Ok(section.with(figures::identities(all)?).with(table.first(IDENTITIES_SHOWN)))
}

fn agreement(found: Option<&PrecisionAgreement>) -> Section {
    let section = Section::new("agreement", "Agreement with f32");
    let Some(found) = found else { return section };
    let precision = found.precision.name();
    let mut rows = DataTable::new("The two embeddings of a face", &["measure", "#value"]);
    rows.row(["lowest cosine".into(), format!("{:.6}", found.cosine_min)]);
    rows.row(["mean cosine".into(), format!("{:.6}", found.cosine_mean)]);
    rows.row(["largest difference of a component".into(), format!("{:.1e}", found.max_difference)]);
    let verification = found.verification.as_ref().map(|Verification { genuine_pairs, impostor_pairs, f32, lower }| {
        let name = format!("#{}", interval_name(&f32.eer));
        let columns = ["rate", "#f32", &name, &format!("#{precision}"), &name, "#n"];
        let mut table = DataTable::new("Verification on the sample", &columns);
        for (name, reference, lower) in agreement::rows(f32, lower) {
            let [a, a_interval] = value_and_interval(Rate, reference);
            let [b, b_interval] = value_and_interval(Rate, lower);
            table.row([name, a, a_interval, b, b_interval, count(reference.n)]);
        }
        let (genuine, impostor) = (count(*genuine_pairs), count(*impostor_pairs));
        table.note(format!(
            "All {genuine} genuine and {impostor} impostor pairs of the sample. Each interval is for one precision alone; \
             both precisions embed the same faces, so their difference is far more certain than the intervals suggest."
        ))
    });
    section
        .text(format!(
            "This run uses {precision}. {} of its faces ({}) were also embedded in f32, on {}.",
            count(found.faces),
            found.sample,
            found.device
        ))
        .with(rows)
        .with_all(verification)
}

/// How this was computed: pairs, speed, plan and provenance, and the command that does it again.
fn computed(report: &Report) -> Result<Section, ReportError> {
    let section = Section::new("computed", "How this was computed")
        .text(pairs_in_words(&report.evaluation.metrics))
        .texts(speed_in_words(report))
        .texts(report.reused.iter().map(|(run, rows)| {
            format!("{} taken from {run}, with the same bytes.", counted(*rows, "embedding was", "embeddings were"))
        }))
        .texts(report.unpinned.iter().map(|text| sentence(text)))
        .texts(report.removals.iter().cloned())
        .with_all(pairs(&report.evaluation.metrics).map(DataTable::folded));
    let section = match &report.command {
        Some(command) => section
            .text("This command repeats the run, resumes it, or reports that it is already complete; then it renders this page:")
            .command(command),
        None => section.text("No command repeats this run: its config may still have the faces that were removed."),
    };
    let section = match report.timeline.len() {
        // A single chunk has no course over time.
        0 | 1 => section,
        _ => section.with(figures::throughput(&report.timeline)?.folded()).with(sessions(report).folded()),
    };
    Ok(section.with_all(provenance(report).map(DataTable::folded)))
}

fn speed_in_words(report: &Report) -> Option<String> {
    let faces = report.timeline.iter().fold(0_u64, |sum, chunk| sum.saturating_add(chunk.faces));
    let seconds: f64 = report.timeline.iter().map(|chunk| chunk.seconds).sum();
    (seconds > 0.0 && seconds.is_finite()).then(|| {
        format!(
            "{} embedded in {seconds:.1} s, {:.1} a second, with reading, decoding and writing.",
            counted(faces, "face was", "faces were"),
            faces as f64 / seconds
        )
    })
}

/// Speed by session.
fn sessions(report: &Report) -> DataTable {
    let mut sessions: BTreeMap<u32, (u64, u64, f64)> = BTreeMap::new();
    for chunk in &report.timeline {
        let (chunks, faces, seconds) = sessions.entry(chunk.session).or_default();
        *chunks += 1;
        *faces = faces.saturating_add(chunk.faces);
        *seconds += chunk.seconds;
    }
    let mut table =
        DataTable::new("Speed by session", &["session", "#chunks", "#faces", "#seconds", "#faces per second"]);
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
    table
}

fn failures(report: &Report) -> Section {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for failure in &report.failures {
        *kinds.entry(&failure.kind).or_default() += 1;
    }
    let mut groups = DataTable::new("By kind", &["kind", "#faces", "#of all faces"]);
    for (kind, n) in kinds {
        let share = n as f64 / report.evaluation.metrics.faces.manifest as f64;
        groups.row([kind.to_owned(), count(n), maybe(share, Rate)]);
    }
    let mut faces = DataTable::new("Faces without an embedding", &["#row", "face", "kind", "reason"]);
    for failure in report.failures.iter().take(FAILURES) {
        faces.row([failure.row.to_string(), failure.face_id.clone(), failure.kind.clone(), failure.message.clone()]);
    }
    if report.failures.len() > FAILURES {
        let all = count(report.failures.len() as u64);
        faces.note = format!("The first {FAILURES} of {all}; failures.csv has all of them.");
    }
    let left_out = Some(&report.left_out).filter(|left_out| !left_out.is_empty());
    let none_failed = report.failures.is_empty();
    Section::new("failures", "Faces left out")
        .texts(
            (!none_failed).then(|| {
                "These faces have no row in the embedding matrix and do not enter any number above.".to_owned()
            }),
        )
        .texts(left_out.map(|left_out| format!("Besides faces, the dataset's folders contain: {left_out}.")))
        .with_all([groups, faces.first(FAILURES_SHOWN)])
}

fn pairs_in_words(metrics: &Metrics) -> String {
    match metrics.pairs.mode.as_str() {
        "exhaustive" => "All pairs of labelled faces were compared, except those excluded below.".to_owned(),
        "sampled" => {
            "A seeded sample of all pairs of labelled faces was compared; the same seed draws the same pairs.".to_owned()
        }
        "listed" => {
            "The faces have no identities, so only the pairs of the dataset's own list were compared: whether any other \
             pair is genuine is unknown. Intervals resample groups of pictures that the list links as one person."
                .to_owned()
        }
        mode => format!("Pairs were chosen by the mode “{mode}”."),
    }
}

fn pairs(metrics: &Metrics) -> [DataTable; 4] {
    let (faces, pairs) = (&metrics.faces, &metrics.pairs);
    let mut compared = DataTable::new("Pairs", &["pairs", "#genuine", "#impostor"]);
    compared.row(["compared".into(), count(pairs.genuine), count(pairs.impostor)]);
    compared.row(["available under the rules".into(), count(pairs.genuine_available), count(pairs.impostor_available)]);
    let table = |caption: &str, columns: &[&str], rows: &[(&str, u64)]| {
        let mut table = DataTable::new(caption, columns);
        for (name, n) in rows {
            table.row([(*name).to_owned(), count(*n)]);
        }
        table
    };
    let excluded = [
        ("pairs of two faces from one image", pairs.excluded_same_image),
        ("pairs of two faces with the same content", pairs.excluded_same_content),
        ("faces without an identity", pairs.unlabelled_faces),
    ];
    let counts = [
        ("in the manifest", faces.manifest),
        ("embedded", faces.embedded),
        ("failed", faces.failed),
        ("embedded, with an identity", faces.labelled),
        ("identities", faces.identities),
        ("identities with a single face: no genuine pair", faces.singletons),
    ];
    let mut estimates = DataTable::new("Interval methods", &["metric", "#value", "#interval", "#n", "method"]);
    for (name, quantity, estimate) in [
        ("equal error rate", Rate, &metrics.eer),
        ("FMR100", Rate, &metrics.fmr100),
        ("FMR1000", Rate, &metrics.fmr1000),
        ("ZeroFMR", Rate, &metrics.zero_fmr),
        ("area under the ROC curve", Cosine, &metrics.auc),
        ("separation d′", Plain, &metrics.d_prime),
        ("genuine pairs, mean cosine", Cosine, &metrics.genuine.mean),
        ("impostor pairs, mean cosine", Cosine, &metrics.impostor.mean),
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
    [
        compared,
        table("Excluded", &["excluded", "#count"], &excluded),
        table("Faces", &["faces", "#count"], &counts),
        estimates,
    ]
}

fn provenance(report: &Report) -> [DataTable; 2] {
    let table = |caption: &str, pairs: &[(String, String)]| {
        let mut table = DataTable::new(caption, &["key", "value"]);
        for (key, value) in pairs {
            table.row([key.as_str(), if value.is_empty() { NONE } else { value }]);
        }
        table
    };
    [
        table("Plan", &report.plan)
            .note("Everything that can change a number. The run's name ends in a digest of the plan."),
        table("Provenance", &report.provenance)
            .note("Where, when and with which build the run was computed; none of it is part of the run's name."),
    ]
}

fn footer(report: &Report) -> Vec<String> {
    let pictures = if report.pictures.is_empty() { "" } else { " and pictures of faces" };
    vec![
        personal_data(&format!("ids of faces and identities{pictures}")),
        "The same run renders to the same bytes.".into(),
    ]
}
