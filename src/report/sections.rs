//! The report of one run, in the order of a reader's questions: did it work, how well, where does it fail, how fast was
//! it, and how to reproduce it.

use std::collections::BTreeMap;

use super::page::{DataTable, HeadlineNumber, Page, Section, TableCell};
use super::verdict::verdict;
use super::words::{
    GENUINE_AND_IMPOSTOR, NONE, count, counted, interval_name, judged, made, maybe, or_dash, personal_data, point,
    sentence, target, unit, value_and_interval,
};
use super::{Report, ReportError, breakdown, explorer, figures, people, protocols};
use crate::agreement::{self, PrecisionAgreement, Verification};
use crate::estimate::Estimate;
use crate::metrics::Metrics;
use crate::numbers::Quantity::{Cosine, Plain, Rate};
use crate::similarity::{HardPair, IdentitySpread, PairKind};
use crate::verification::{Distribution, ErrorRate, Intervals};

/// Hardest pairs shown of each kind.
const PAIRS_SHOWN: usize = 50;
/// Identities shown in the table of the smallest margins.
const IDENTITIES_SHOWN: usize = 20;
/// Failures listed individually.
const FAILURES_SHOWN: usize = 50;
/// Budget for pictures of the hardest pairs, in bytes of PNG; base64 makes them a third larger.
const PICTURE_BYTES: usize = 1_800_000;

pub(super) fn page(report: &Report) -> Result<Page, ReportError> {
    let Report { evaluation, .. } = report;
    let metrics = &evaluation.metrics;
    Ok(Page {
        kind: "FaceVault run report",
        title: report.run_id.clone(),
        description: report.description.clone(),
        cautions: report.cautions.clone(),
        verdict: verdict(metrics),
        tiles: tiles(metrics),
        sections: vec![
            expectations(metrics),
            distributions(report)?,
            errors(report)?,
            thresholds(metrics),
            explorer::section(evaluation)?,
            protocols::protocols(&metrics.protocols),
            protocols::published(&report.published),
            upstream(metrics),
            hardest(report),
            identities(report)?,
            people::fails(&evaluation.people, metrics)?,
            people::labels(report),
            people::routing(&evaluation.people)?,
            breakdown::section(evaluation)?,
            agreement(report.agreement.as_ref()),
            throughput(report)?,
            failures(report),
            pairs(metrics),
            provenance(report),
            Section::new("command", "Reproduce this run")
                .text("This command repeats the run, resumes it, or reports that it is already complete; then it renders this page.")
                .command(&report.command),
        ],
        footer: footer(report),
    })
}

fn tiles(metrics: &Metrics) -> Vec<HeadlineNumber> {
    let faces = &metrics.faces;
    let mut tiles = vec![HeadlineNumber::estimate("Equal error rate", Rate, &metrics.eer)];
    if let Some((fmr, tar)) = metrics.operating().and_then(|point| Some((point.target_fmr, point.tar.as_ref()?))) {
        tiles.push(HeadlineNumber::estimate(format!("True accept rate at FMR {}", target(fmr)), Rate, tar));
    }
    tiles.extend([
        HeadlineNumber::estimate("Area under the ROC curve", Cosine, &metrics.auc),
        HeadlineNumber::estimate("Separation d′", Plain, &metrics.d_prime),
        HeadlineNumber::new(
            "Faces embedded",
            count(faces.embedded),
            format!("of {}, {} failed", count(faces.manifest), count(faces.failed)),
        ),
        HeadlineNumber::new(
            "Identities",
            count(faces.identities),
            format!("{} with a single face", count(faces.singletons)),
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
    Section::new("expectations", "Expectations").with(table)
}

fn distributions(report: &Report) -> Result<Section, ReportError> {
    let metrics = &report.evaluation.metrics;
    let missing = (metrics.pairs.genuine == 0 || metrics.pairs.impostor == 0)
        .then(|| "This run lacks genuine or impostor pairs, so its error rates are meaningless.".to_owned());
    Ok(Section::new("distributions", "Genuine and impostor pairs")
        .text(GENUINE_AND_IMPOSTOR)
        .texts(missing)
        .with(figures::distributions(&report.evaluation, false)?)
        .with(figures::distributions(&report.evaluation, true)?)
        .with(moments("The two distributions", &metrics.genuine, &metrics.impostor)))
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

fn errors(report: &Report) -> Result<Section, ReportError> {
    Ok(Section::new("errors", "Error rates")
        .with(figures::det(&report.evaluation)?)
        .with(figures::roc(&report.evaluation)?))
}

fn thresholds(metrics: &Metrics) -> Section {
    let name = metrics.operating_points.iter().find_map(|point| point.tar.as_ref()).unwrap_or(&metrics.eer);
    let name = format!("#{}", interval_name(name));
    let columns = ["target FMR", "#threshold", "#observed FMR", &name, "#true accept rate", &name];
    let mut table = DataTable::new("Thresholds", &columns);
    let [eer, interval] = value_and_interval(Rate, &metrics.eer);
    table.row([
        "equal error rate".into(),
        maybe(metrics.eer_threshold, Cosine),
        eer,
        interval,
        if metrics.eer.bound { NONE.into() } else { maybe(1.0 - metrics.eer.point, Rate) },
        String::new(),
    ]);
    let mut unresolved = Vec::new();
    for operating in &metrics.operating_points {
        let aim = target(operating.target_fmr);
        if operating.threshold.is_none() {
            unresolved.push(aim.clone());
        }
        let [fmr, fmr_interval] = value_and_interval(Rate, operating.fmr.as_ref());
        let [tar, tar_interval] = value_and_interval(Rate, operating.tar.as_ref());
        table.row([aim, maybe(operating.threshold, Cosine), fmr, fmr_interval, tar, tar_interval]);
    }
    table.note = "“≤” marks a bound: no false match was seen, and this is the highest rate the pairs allow.".into();
    if !unresolved.is_empty() {
        let pairs = counted(metrics.pairs.impostor, "impostor pair does", "impostor pairs do");
        let rates = unresolved.join(", ");
        table.note = format!("{} {pairs} not resolve these target rates, which get no threshold: {rates}.", table.note);
    }
    Section::new("thresholds", "Choosing a threshold")
        .text(
            "Two faces match when their cosine is at or above the threshold. Choose a false match rate you can \
             accept and read off the true accept rate it leaves. A threshold is valid only for this preprocessing and \
             these weights.",
        )
        .with(table)
        .with(fnmr_at_low_fmr(metrics))
        .with(fixed_thresholds(metrics).folded())
        .with(three_intervals(metrics).folded())
}

/// FMR100, FMR1000, `ZeroFMR`.
fn fnmr_at_low_fmr(metrics: &Metrics) -> DataTable {
    let name = format!("#{}", interval_name(&metrics.zero_fmr));
    let columns = ["rate", "threshold", "#false non-match rate", &name];
    let mut table = DataTable::new("False non-match rates at low false match rates", &columns);
    for (rate, threshold, estimate) in [
        ("FMR100", "the lowest with an FMR of at most 1%", &metrics.fmr100),
        ("FMR1000", "the lowest with an FMR of at most 0.1%", &metrics.fmr1000),
        ("ZeroFMR", "the lowest without a false match", &metrics.zero_fmr),
    ] {
        let [value, interval] = value_and_interval(Rate, estimate);
        table.row([rate.into(), threshold.into(), value, interval]);
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
    let section = Section::new("published", "Upstream's published ranges");
    let Some(upstream) = &metrics.upstream else { return section };
    let mut table = DataTable::new(
        "This run against the published range",
        &["quantity", "#measured", "#published from", "#to", "verdict"],
    );
    for row in &upstream.rows {
        let verdict = if row.inside { "✓ inside" } else { "✗ outside" };
        let [measured, lower, upper] = [row.measured, row.lower, row.upper].map(|value| maybe(value, Cosine));
        table.marked(!row.inside, [row.quantity.clone(), measured, lower, upper, verdict.into()]);
    }
    table.note = format!(
        "Sampled the way upstream does: {} genuine pairs among the first faces of each identity and {} random impostor pairs.",
        count(upstream.genuine.mean.n),
        count(upstream.impostor.mean.n)
    );
    section
        .with(table)
        .with(moments("The distributions of upstream's sample", &upstream.genuine, &upstream.impostor).folded())
}

fn hardest(report: &Report) -> Section {
    let mut budget = PICTURE_BYTES;
    let mut table = |kind: PairKind, caption: &str| {
        let pairs: Vec<_> = report.evaluation.hardest.iter().filter(|pair| pair.kind == kind).collect();
        let mut table =
            DataTable::new(caption, &["#rank", "#cosine", "face", "identity", "other face", "other identity"]);
        for pair in pairs.iter().take(PAIRS_SHOWN) {
            table.row(hard_pair(pair, &report.pictures, &mut budget));
        }
        if pairs.len() > PAIRS_SHOWN {
            let all = count(pairs.len() as u64);
            table.note = format!("The first {PAIRS_SHOWN} of {all}; pairs.parquet has all of them.");
        }
        table
    };
    let tables = [
        table(PairKind::Genuine, "Genuine pairs with the lowest cosines"),
        table(PairKind::Impostor, "Impostor pairs with the highest cosines"),
    ];
    let section = Section::new("hardest", "Hardest pairs");
    if report.evaluation.hardest.is_empty() {
        return section.text("No pairs were kept.");
    }
    let without_pictures = report.pictures.is_empty().then(|| {
        "Pictures are off because faces are personal data; set `report.pictures` in the config to show them.".into()
    });
    section
        .text(
            "These pairs cause the errors. The top rows are as often wrong labels or bad pictures as hard faces: look at \
             them before you blame the network.",
        )
        .texts(without_pictures)
        .with_all(tables)
}

/// A row of a table of hardest pairs, with pictures while the budget lasts.
fn hard_pair(pair: &HardPair, pictures: &BTreeMap<u32, Vec<u8>>, budget: &mut usize) -> [TableCell; 6] {
    let mut face = |row: u32, id: &str| TableCell::face(row, id, pictures, budget);
    [
        pair.rank.to_string().into(),
        maybe(f64::from(pair.cosine), Cosine).into(),
        face(pair.row_a, &pair.face_a),
        pair.identity_a.as_str().into(),
        face(pair.row_b, &pair.face_b),
        pair.identity_b.as_str().into(),
    ]
}

fn identities(report: &Report) -> Result<Section, ReportError> {
    let section = Section::new("identities", "Identity by identity");
    if report.evaluation.metrics.faces.identities == 0 {
        return Ok(section);
    }
    let all: &[IdentitySpread] = &report.evaluation.identities;
    let mut table = DataTable::new(
        "Identities with the smallest margins",
        &[
            "identity",
            "#faces",
            "#mean cosine within",
            "#lowest within",
            "#highest to another",
            "nearest other identity",
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
            or_dash(identity.nearest_identity.clone()),
            Cosine.value(*margin),
        ]);
    }
    table.note = format!(
        "{} of {}. The margin is the mean cosine within an identity minus the highest cosine to another; \
         identities.parquet has all of them.",
        count(table.rows.len() as u64),
        counted(all.len() as u64, "identity", "identities")
    );
    Ok(section.with(figures::identities(all)?).with(table))
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

fn throughput(report: &Report) -> Result<Section, ReportError> {
    let section = Section::new("throughput", "Throughput");
    if report.timeline.is_empty() {
        return Ok(section.text("No chunk has a timing."));
    }
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
    Ok(section.with(figures::throughput(&report.timeline)?).with(table))
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
    for failure in report.failures.iter().take(FAILURES_SHOWN) {
        faces.row([failure.row.to_string(), failure.face_id.clone(), failure.kind.clone(), failure.message.clone()]);
    }
    if report.failures.len() > FAILURES_SHOWN {
        let all = count(report.failures.len() as u64);
        faces.note = format!("The first {FAILURES_SHOWN} of {all}; failures.csv has all of them.");
    }
    let left_out = Some(&report.left_out).filter(|left_out| !left_out.is_empty());
    Section::new("failures", "Failures")
        .text(if report.failures.is_empty() {
            "Every face of the manifest has an embedding."
        } else {
            "These faces have no row in the embedding matrix and do not enter any number above."
        })
        .texts(left_out.map(|left_out| format!("Besides faces, the dataset's folders contain: {left_out}.")))
        .with_all([groups, faces])
}

fn pairs(metrics: &Metrics) -> Section {
    let (faces, pairs) = (&metrics.faces, &metrics.pairs);
    let rules = match pairs.mode.as_str() {
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
    };
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
    Section::new("pairs", "Pairs compared").text(rules).with_all([
        compared,
        table("Excluded", &["excluded", "#count"], &excluded),
        table("Faces", &["faces", "#count"], &counts),
        estimates,
    ])
}

fn provenance(report: &Report) -> Section {
    let table = |caption: &str, pairs: &[(String, String)]| {
        let mut table = DataTable::new(caption, &["key", "value"]);
        for (key, value) in pairs {
            table.row([key.as_str(), if value.is_empty() { NONE } else { value }]);
        }
        table
    };
    Section::new("provenance", "Plan and provenance")
        .texts(report.unpinned.iter().map(|text| sentence(text)))
        .with(
            table("Plan", &report.plan)
                .note("Everything that can change a number. The run's name ends in a digest of the plan."),
        )
        .with(
            table("Provenance", &report.provenance)
                .note("Where, when and with which build the run was computed; none of it is part of the run's name."),
        )
}

fn footer(report: &Report) -> Vec<String> {
    let pictures = if report.pictures.is_empty() { "" } else { " and pictures of faces" };
    vec![
        personal_data(&format!("ids of faces and identities{pictures}")),
        "The same run renders to the same bytes.".into(),
    ]
}
