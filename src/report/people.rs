//! Who fails, whose labels deserve a look, and what a search among centroids would do.

use super::axis::Axis;
use super::binning::Bin;
use super::figures;
use super::page::{Block, Cell, Legend, Section, Table};
use super::plots::{Chart, Layer, Mark, Panels, Role};
use super::sections::face;
use super::words::{NONE, count, counted, interval_name, made, maybe, operating, point, target};
use super::{Report, ReportError};
use crate::estimate::Estimate;
use crate::metrics::Metrics;
use crate::numbers::Quantity::{self, Cosine, Plain, Rate};
use crate::people::audit::{Audit, Cause, Looks, WithAndWithout, WrongPair};
use crate::people::routing::{Routing, RoutingPoint};
use crate::people::{Identities, IdentityErrors, People, Portrait};
use crate::similarity::PairKind;
use crate::verification::interval::upper_bound_of_none;

/// Identities in the tables of the worst.
const WORST_SHOWN: usize = 12;
/// Suspects in the table of labels to look at, and those that pictures are kept of.
pub const SUSPECTS_SHOWN: usize = 25;
/// Pairs of identities that look like one person.
const TWICE_SHOWN: usize = 15;
/// Hardest pairs on the wrong side of the threshold, of each kind.
const WRONG_SHOWN: usize = 15;
/// PNG bytes of suspects that go into a page at most.
const PICTURE_BYTES: usize = 1_200_000;
/// Letters of an identity's name above a small figure.
const NAME: usize = 12;

/// Errors by identity. `None` when none were counted.
pub(super) fn fails(people: &People, metrics: &Metrics) -> Result<Option<Section>, ReportError> {
    let Identities { errors, fnmr, fmr, .. } = &people.identities;
    if errors.is_empty() {
        return Ok(None);
    }
    let sentence = |rate: &Option<Estimate>| rate.as_ref().map_or(NONE.into(), |rate| Rate.sentence(rate));
    let mut text = vec![format!(
        "At the operating threshold of {}, {} of the same-identity pairs are missed and {} of the different-identity \
         pairs match.",
        operating(people.threshold, metrics),
        sentence(fnmr),
        sentence(fmr),
    )];
    text.extend(animals(&people.identities));
    text.extend(spread("misses", people.identities.fnmr_spread.as_ref()));
    text.extend(spread("false matches", people.identities.fmr_spread.as_ref()));
    let mut blocks = vec![
        concentration(errors)?,
        worst("Missed most", true, &people.identities.worst_missed()),
        worst("Confused most", false, &people.identities.worst_confused()),
    ];
    if !people.portraits.is_empty() {
        blocks.push(portraits(people)?);
    }
    Ok(Some(Section { id: "people", title: "Who fails".into(), text, blocks, ..Section::default() }))
}

fn animals(found: &Identities) -> Option<String> {
    let level = found.fnmr.as_ref().or(found.fmr.as_ref())?.level;
    let chance = ((1.0 - level) * found.fnmr_judged.max(found.fmr_judged) as f64).ceil() as u64;
    Some(format!(
        "Goats are missed more often than all together, even by the lower end of their interval: {} of {}. Lambs are \
         confused more often than all together: {} of {} (a cosine is symmetric, so they are the wolves as well). All \
         others are sheep (Doddington and others, 1998). With as many identities, up to {} of each would stand out by chance.",
        count(found.goats),
        counted(found.fnmr_judged, "identity", "identities"),
        count(found.lambs),
        counted(found.fmr_judged, "identity", "identities"),
        count(chance),
    ))
}

/// Whether identities differ more than faces explain.
fn spread(what: &str, found: Option<&Estimate>) -> Option<String> {
    let found = found?;
    let verdict = match (found.lower, found.upper) {
        (Some(lower), _) if lower > 1.0 => "people differ more than the choice of faces explains",
        (_, Some(upper)) if upper < 1.0 => "people differ less than chance alone would make them",
        (Some(_), Some(_)) => "no more than the choice of faces explains",
        _ => "too few to say",
    };
    Some(format!(
        "The variance of {what} over identities is {} times what it would be if all had one rate: {verdict}.",
        Plain.sentence(found)
    ))
}

/// The share of all errors that the worst identities make.
fn concentration(errors: &[IdentityErrors]) -> Result<Block, ReportError> {
    let curve = |of: fn(&IdentityErrors) -> u64| -> Vec<(f64, f64)> {
        let mut all: Vec<u64> = errors.iter().map(of).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        let total: u64 = all.iter().sum();
        if total == 0 {
            return Vec::new();
        }
        let mut sum = 0;
        let points = all.iter().enumerate().map(|(i, errors)| {
            sum += errors;
            (100.0 * (i + 1) as f64 / all.len() as f64, 100.0 * sum as f64 / total as f64)
        });
        std::iter::once((0.0, 0.0)).chain(points).collect()
    };
    let (missed, confused) = (curve(|one| one.misses), curve(|one| one.false_matches));
    let drawn = |points: &[(f64, f64)]| {
        let places: Vec<_> = points.iter().map(|(x, y)| (x / 100.0, y / 100.0)).collect();
        super::binning::thin(&places, 1.0 / 400.0).into_iter().map(|i| points[i]).collect::<Vec<_>>()
    };
    let layers = vec![
        Layer::Line(Role::Reference, vec![(0.0, 0.0), (100.0, 100.0)]),
        Layer::Line(Role::Impostor, drawn(&confused)),
        Layer::Line(Role::Genuine, drawn(&missed)),
    ];
    let (x, y) =
        (Axis::linear("identities, worst first, %", 0.0, 100.0), Axis::linear("share of all errors, %", 0.0, 100.0));
    let legend = vec![
        Legend::line(Role::Genuine, "misses"),
        Legend::line(Role::Impostor, "false matches, each counted for both identities"),
        Legend::line(Role::Reference, "the same number for everyone"),
    ];
    let mut table = Table::new("Numbers: share of errors", &["identities, worst first", "#misses", "#false matches"]);
    for share in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
        let at = |points: &[(f64, f64)]| {
            let reached = points.iter().rev().find(|(x, _)| *x <= share + 1e-9);
            maybe(reached.map(|(_, y)| y / 100.0), Rate)
        };
        table.row([format!("{share:.0}%"), at(&missed), at(&confused)]);
    }
    let words = [
        "Identities in order of their number of errors. A line that rises steeply says that few people make most of the errors: look at their pictures and labels first.",
        "Identities with more faces have more pairs and so more errors. Where errors are few, the line is steep by chance: see the ratio of variances above.",
    ];
    Block::figure("How many people make the errors", &Chart { x, y, layers }, legend, words, table)
}

/// A table of identities with one of their two rates.
fn worst(caption: &str, misses: bool, ranked: &[&IdentityErrors]) -> Block {
    let (rate, hits) = if misses { ("#FNMR", "#missed") } else { ("#FMR", "#matched") };
    let bound = |hits: u64, rate: Option<f64>, interval: Option<(f64, f64)>| match interval {
        Some((_, upper)) if hits == 0 => format!("≤ {}", Rate.value(upper)),
        _ => maybe(rate, Rate),
    };
    let other = if misses { "#its FMR" } else { "#its FNMR" };
    let mut table = Table::new(caption, &["identity", "#faces", "#pairs", hits, rate, "#interval", "kind", other]);
    for one in ranked.iter().take(WORST_SHOWN) {
        let (pairs, hits, rate, interval, other) = if misses {
            (
                one.genuine,
                one.misses,
                one.fnmr(),
                one.fnmr_interval,
                bound(one.false_matches, one.fmr(), one.fmr_interval),
            )
        } else {
            (
                one.impostor,
                one.false_matches,
                one.fmr(),
                one.fmr_interval,
                bound(one.misses, one.fnmr(), one.fnmr_interval),
            )
        };
        let nature = match (one.goat, one.lamb) {
            (true, true) => "goat, lamb",
            (true, false) => "goat",
            (false, true) => "lamb",
            (false, false) => "sheep",
        };
        table.row([
            one.identity_id.clone(),
            count(one.faces),
            count(pairs),
            count(hits),
            maybe(rate, Rate),
            interval.map_or(NONE.into(), |(lower, upper)| format!("[{}, {}]", Rate.value(lower), Rate.value(upper))),
            nature.into(),
            other,
        ]);
    }
    table.note = format!(
        "{} of {} with such an error, by the lower end of the interval. A pair that shares a face with another is not \
         independent of it: intervals are Wilson's with a plug-in variance over the identity's faces, those at 100% exact \
         binomial bounds. All are in identity_errors.parquet.",
        count(table.rows.len() as u64),
        count(ranked.len() as u64)
    );
    table.into()
}

/// Small multiples of the worst.
fn portraits(people: &People) -> Result<Block, ReportError> {
    let rate = |portrait: &Portrait| {
        let one = people.identities.errors.iter().find(|one| one.identity_id == portrait.identity_id);
        one.and_then(|one| if portrait.missed { one.fnmr() } else { one.fmr() })
    };
    let panels = people.portraits.iter().map(|portrait| {
        let bins = bins(portrait);
        let genuine = figures::outline(&bins, |bin| bin.genuine);
        let impostor = figures::outline(&bins, |bin| bin.impostor);
        let most = genuine.iter().chain(&impostor).map(|point| point.1).fold(0.0, f64::max);
        let mut x = Axis::linear("", -0.5, 1.0);
        x.ticks = [-0.5, 0.0, 0.5, 1.0].map(|value| (x.at(value), format!("{value}").replace('-', "−"))).into();
        let mut y = Axis::linear("", 0.0, if most > 0.0 { most * 1.05 } else { 1.0 });
        y.ticks.clear();
        let layers = vec![
            Layer::Area(Role::Impostor, impostor.clone()),
            Layer::Area(Role::Genuine, genuine.clone()),
            Layer::Vertical(Role::Reference, people.threshold),
            Layer::Line(Role::Impostor, impostor),
            Layer::Line(Role::Genuine, genuine),
        ];
        let name: String = portrait.identity_id.chars().take(NAME).collect();
        let cut = if portrait.identity_id.chars().count() > NAME { "…" } else { "" };
        let kind = if portrait.missed { "FNMR" } else { "FMR" };
        (format!("{name}{cut}: {kind} {}", maybe(rate(portrait), Rate)), Chart { x, y, layers })
    });
    let panels = Panels { columns: 4, charts: panels.collect() };
    let legend = vec![
        Legend::line(Role::Genuine, "cosines among the identity's faces"),
        Legend::line(Role::Impostor, "cosines to faces of others"),
        Legend::line(Role::Reference, "operating threshold"),
    ];
    let mut table = Table::new("Numbers: pairs by cosine, same / different identities", &["cosine from"]);
    for portrait in &people.portraits {
        table.column(&portrait.identity_id, true);
    }
    let all: Vec<Vec<Bin>> = people.portraits.iter().map(bins).collect();
    for i in 0..all.iter().map(Vec::len).min().unwrap_or(0) {
        if all.iter().any(|bins| bins[i].genuine + bins[i].impostor > 0) {
            let cells = all.iter().map(|bins| format!("{} / {}", count(bins[i].genuine), count(bins[i].impostor)));
            table.row(std::iter::once(Cosine.value(all[0][i].lower)).chain(cells));
        }
    }
    let words = [
        "One small figure an identity: first those missed most, then those confused most. Each curve is a share of its own pairs. What of the first curve lies left of the dotted line is missed, what of the second lies right of it is confused. Two humps of the first curve are often two people under one name.",
        "The heights of two small figures cannot be compared. An identity of many faces is shown by 300 of them, and others by at most 1,500 faces, evenly spaced; a tail of one in a thousand is too thin to be seen here.",
    ];
    Block::figure("The identities that fail most", &panels, legend, words, table)
}

fn bins(portrait: &Portrait) -> Vec<Bin> {
    let counts = portrait.genuine.iter().zip(&portrait.impostor).enumerate();
    let edge = |i: usize| crate::verification::tally::edge(i, portrait.genuine.len().max(1)).min(1.0);
    counts.map(|(i, (&genuine, &impostor))| Bin { lower: edge(i), upper: edge(i + 1), genuine, impostor }).collect()
}

/// Labels to look at. `None` when nothing was looked at.
pub(super) fn labels(report: &Report) -> Option<Section> {
    let People { audit, threshold, routing, .. } = &report.evaluation.people;
    if routing.gallery == 0 {
        return None;
    }
    let text = vec![
        format!(
            "The cosine to the centroid of the own identity's other faces is below {} for {}. Of these, {} like another \
             identity: a cosine of at least {} to its centroid, closer by at least {} (one standard deviation of \
             different-identity cosines). {} like nobody. The operating threshold is {}; outliers alone are listed where it \
             is higher than most faces reach.",
            Cosine.value(audit.far),
            counted(audit.another + audit.nobody, "suspect", "suspects"),
            counted(audit.another, "looks", "look"),
            Cosine.value(audit.near),
            Cosine.value(audit.margin),
            counted(audit.nobody, "looks", "look"),
            Cosine.value(*threshold),
        ),
        "The embedding only suggests: a wrong label, a bystander who inherited the folder's name, and a face that the \
         network fails on look the same from here. Look at the pictures before you change a label, and judge the network by \
         the column with all labels."
            .into(),
    ];
    let mut blocks: Vec<Block> = vec![suspects(report).into()];
    blocks.extend(audit.metrics.as_ref().map(|metrics| with_and_without(metrics).into()));
    blocks.extend([one_person(audit).into(), causes(audit).into(), wrong_pairs(report).folded().into()]);
    Some(Section { id: "labels", title: "Labels to look at".into(), text, blocks, ..Section::default() })
}

fn suspects(report: &Report) -> Table {
    let mut budget = PICTURE_BYTES;
    let columns = ["#rank", "face", "labelled as", "#cosine to its own", "looks like", "#cosine to that", "#margin"];
    let mut table = Table::new("Faces that do not look like their identity", &columns);
    let all = &report.evaluation.people.audit.suspects;
    for suspect in all.iter().take(SUSPECTS_SHOWN) {
        let looks_like = match suspect.kind {
            Looks::Another => suspect.looks_like.as_str().into(),
            Looks::Nobody => Cell { note: format!("closest: {}", suspect.looks_like), ..Cell::from("nobody") },
        };
        let cosine = |value: f32| Cell::from(maybe(Some(value.into()), Cosine));
        table.row([
            suspect.rank.to_string().into(),
            face(suspect.row, &suspect.face_id, &report.pictures, &mut budget),
            suspect.labelled_as.as_str().into(),
            cosine(suspect.own_cosine),
            looks_like,
            cosine(suspect.its_cosine),
            cosine(suspect.margin),
        ]);
    }
    table.note = format!(
        "{} of {}, first those that look like someone else, by margin; all are in label_audit.csv. Cosines are to \
         centroids; the face itself is held out of its own.",
        count(table.rows.len() as u64),
        count(all.len() as u64)
    );
    table
}

fn with_and_without(metrics: &WithAndWithout) -> Table {
    let WithAndWithout { exhaustive, with, without } = metrics;
    let name = format!("#{}", interval_name(&with.eer));
    let columns = ["metric", "#all labels", &name, "#without suspects", &name];
    let mut table = Table::new("The numbers without the faces that look like someone else", &columns);
    let mut row = |name: &str, quantity: Quantity, with: Option<&Estimate>, without: Option<&Estimate>| {
        let part = |of: Option<&Estimate>| {
            of.map_or((NONE.into(), String::new()), |of| (point(quantity, of), quantity.interval(of)))
        };
        let ((a, a_interval), (b, b_interval)) = (part(with), part(without));
        table.row([name.to_owned(), a, a_interval, b, b_interval]);
    };
    row("equal error rate", Rate, Some(&with.eer), Some(&without.eer));
    row("true accepts at 0.1% false matches", Rate, with.tar.as_ref(), without.tar.as_ref());
    row("same identity, mean cosine", Cosine, Some(&with.genuine_mean), Some(&without.genuine_mean));
    row("separation d′", Plain, Some(&with.d_prime), Some(&without.d_prime));
    let pairs = [with, without].map(|of| format!("{} + {}", count(of.genuine_pairs), count(of.impostor_pairs)));
    let [a, b] = pairs;
    table.row(["same + different-identity pairs".to_owned(), a, String::new(), b, String::new()]);
    let which = if *exhaustive { "All pairs." } else { "Samples, both of up to as many pairs." };
    table.note = format!(
        "{which} Leaving out faces that a network gets wrong flatters it: the difference is the most that these labels can \
         cost, and the second column is no better measurement. Faces that look like nobody stay in. Both columns share nearly all \
         pairs, so their difference is surer than the intervals look."
    );
    table
}

fn one_person(audit: &Audit) -> Table {
    let columns = ["identity", "other identity", "#mean cosine between them", "#faces", "#faces of the other"];
    let mut table = Table::new("Perhaps one person under two names", &columns);
    for one in audit.one_person.iter().take(TWICE_SHOWN) {
        let [a, b] = one.faces.map(count);
        let cosine = maybe(Some(one.mean_cosine.into()), Cosine);
        table.row([one.identity_a.clone(), one.identity_b.clone(), cosine, a, b]);
    }
    table.note = format!(
        "{} of {} whose faces match each other on average at the operating threshold.",
        count(table.rows.len() as u64),
        counted(audit.twice, "pair of identities", "pairs of identities")
    );
    table
}

const CAUSES: [(Cause, &str); 4] = [
    (Cause::WrongLabel, "a suspect label: with the identities suggested above it would not be an error"),
    (Cause::Nobody, "a face that looks like nobody"),
    (Cause::OnePersonTwice, "two identities that look like one person"),
    (Cause::Unexplained, "nothing above: a hard pair"),
];

fn causes(audit: &Audit) -> Table {
    let columns = ["what would explain it", "#same identity, below", "#different identities, above"];
    let mut table = Table::new("Hardest pairs on the wrong side of the operating threshold", &columns);
    let number = |kind: PairKind, cause: Cause| {
        count(audit.wrong_pairs.iter().filter(|pair| pair.kind == kind && pair.cause == cause).count() as u64)
    };
    for (cause, words) in CAUSES.iter().filter(|_| !audit.wrong_pairs.is_empty()) {
        let numbers = [PairKind::Genuine, PairKind::Impostor].map(|kind| number(kind, *cause));
        let [genuine, impostor] = numbers;
        table.row([(*words).to_owned(), genuine, impostor]);
    }
    table.note = "Of the hardest pairs that were kept (similarity.hardest), not of all pairs.".into();
    table
}

fn wrong_pairs(report: &Report) -> Table {
    let columns =
        ["kind", "#rank", "#cosine", "face", "identity", "other face", "its identity", "what would explain it"];
    let mut table = Table::new("Those pairs one by one", &columns);
    let all = &report.evaluation.people.audit.wrong_pairs;
    let shown = |kind: PairKind| all.iter().filter(move |pair| pair.kind == kind).take(WRONG_SHOWN);
    for WrongPair { kind, rank, cause } in shown(PairKind::Genuine).chain(shown(PairKind::Impostor)) {
        let pair = report.evaluation.hardest.iter().find(|pair| (pair.kind, pair.rank) == (*kind, *rank));
        let Some(pair) = pair else { continue };
        let kind = if *kind == PairKind::Genuine { "same identity" } else { "different identities" };
        let words = CAUSES.iter().find(|(known, _)| known == cause).map_or(NONE, |(_, words)| words);
        table.row([
            kind,
            &rank.to_string(),
            &maybe(Some(pair.cosine.into()), Cosine),
            &pair.face_a,
            &pair.identity_a,
            &pair.face_b,
            &pair.identity_b,
            words,
        ]);
    }
    table
}

/// Searching centroids. `None` when nothing was searched.
pub(super) fn routing(people: &People) -> Result<Option<Section>, ReportError> {
    let routing = &people.routing;
    if routing.gallery == 0 {
        return Ok(None);
    }
    let first = routing.rank_one.as_ref().map_or(NONE.into(), |rate| Rate.sentence(rate));
    let text = vec![
        format!(
            "Later phases compare a face with one centroid an identity. Here {} held out of their own centroid and searched \
             among {}; {} could not be, being alone under their name. The closest centroid is the right one for {first}.",
            counted(routing.held_out, "face was", "faces were"),
            counted(routing.gallery, "centroid", "centroids"),
            count(routing.alone),
        ),
        "Choose a threshold by what may go wrong: a known face is named rightly, named as someone else, or not named; an \
         unknown face (its identity taken out of the gallery) must not be named at all."
            .into(),
    ];
    let blocks = vec![rates(routing).into(), curve(people)?];
    Ok(Some(Section { id: "routing", title: "Routing by centroid".into(), text, blocks, ..Section::default() }))
}

fn rates(routing: &Routing) -> Table {
    let columns = ["threshold", "#named rightly (DIR)", "#named as someone else", "#unknown face named (FPIR)"];
    let mut table = Table::new("Rates by threshold", &columns);
    let mut unresolved = Vec::new();
    let mut row = |threshold: Cell, found: &RoutingPoint| {
        let rate = |estimate: &Option<Estimate>| match estimate {
            Some(found) => Cell { note: Rate.interval(found), ..point(Rate, found).into() },
            None => NONE.into(),
        };
        table.row([threshold, rate(&found.dir), rate(&found.wrong), rate(&found.fpir)]);
    };
    for point in &routing.ladder {
        row(format!("{:.2}", point.threshold).into(), point);
    }
    for aim in &routing.targets {
        match &aim.point {
            Some(point) => {
                let threshold = maybe(Some(point.threshold.into()), Cosine);
                row(Cell { note: format!("for FPIR ≤ {}", target(aim.fpir)), ..threshold.into() }, point);
            }
            None => unresolved.push(target(aim.fpir)),
        }
    }
    let searches = |of: fn(&RoutingPoint) -> &Option<Estimate>| {
        let n = routing.ladder.iter().find_map(|point| of(point).as_ref()).map_or(0, |found| found.n);
        counted(n, "face", "faces")
    };
    let rates = routing.ladder.iter().flat_map(|point| [&point.dir, &point.fpir]).flatten();
    let usual = rates.into_iter().find(|rate| rate.point > 0.0 && rate.point < 1.0);
    let method = usual.map_or(String::new(), |rate| format!(" Of the rates: {}.", made(rate)));
    table.note = format!(
        "Of {} with a mate and {} without. FNIR is 100% less DIR. “≤” is a bound: none was seen.{method}",
        searches(|point| &point.dir),
        searches(|point| &point.fpir)
    );
    if !unresolved.is_empty() {
        table.note = format!("{} Not resolved by these searches: FPIR of {}.", table.note, unresolved.join(", "));
    }
    table
}

fn curve(people: &People) -> Result<Block, ReportError> {
    let curve = &people.routing.curve;
    let n = people.routing.held_out + people.routing.alone;
    let x = Axis::rate("FPIR: unknown faces that are named", 1.0 / n.max(1) as f64);
    let worst = curve.iter().map(|point| point.dir_lower).fold(1.0, f64::min);
    let lower = (10.0 * worst - 0.5).floor().clamp(0.0, 9.0) * 10.0;
    let y = Axis::linear("DIR: known faces that are named rightly, %", lower, 100.0);
    let line: Vec<_> = curve.iter().map(|point| (point.fpir, 100.0 * point.dir)).collect();
    let band = curve.iter().map(|point| (point.fpir, 100.0 * point.dir_lower, 100.0 * point.dir_upper)).collect();
    let between = |point: &&RoutingPoint| (0.449..=0.621).contains(&point.threshold);
    let marks: Vec<_> = people
        .routing
        .ladder
        .iter()
        .filter(between)
        .filter_map(|point| Some((point.fpir.as_ref()?.point, 100.0 * point.dir.as_ref()?.point)))
        .filter(|(fpir, _)| *fpir > 0.0)
        .collect();
    let name = people.routing.rank_one.as_ref().map_or("interval".into(), interval_name);
    let mut legend = vec![
        Legend::line(Role::Value, "detection and identification rate, by threshold"),
        Legend::band(Role::Value, format!("{name} at each threshold")),
    ];
    if !marks.is_empty() {
        legend.push(Legend::mark(Role::Alarm, Mark::Cross, "thresholds 0.45 to 0.62 of the table above"));
    }
    let layers = vec![
        Layer::Band(Role::Value, band),
        Layer::Line(Role::Value, line),
        Layer::Marks(Role::Alarm, Mark::Cross, marks),
    ];
    let level = people.routing.rank_one.as_ref().map_or(0.95, |rate| rate.level);
    let none = upper_bound_of_none(n as f64, level);
    let mut table = Table::new("Numbers: DIR by FPIR", &["threshold", "#FPIR", "#DIR", "#lower", "#upper"]);
    for point in curve.iter().step_by(curve.len().div_ceil(40).max(1)) {
        let rate = |value| maybe(Some(value), Rate);
        let threshold = maybe(Some(point.threshold.into()), Cosine);
        let fpir = if point.fpir == 0.0 { format!("≤ {}", Rate.value(none)) } else { rate(point.fpir) };
        table.row([threshold, fpir, rate(point.dir), rate(point.dir_lower), rate(point.dir_upper)]);
    }
    let words = [
        "Up and left is better. Each point is one threshold: choose how many unknown faces may be named (across), read how many known ones are named rightly (up). A threshold that no unknown face reaches lies on the left edge.",
        "A gallery of this run's identities with all their faces. A larger gallery names more unknown faces, centroids of fewer faces name fewer known ones, and wrong labels count as errors. Faces of one person succeed and fail together, so the band is over identities.",
    ];
    Block::figure("Known faces named over unknown faces named", &Chart { x, y, layers }, legend, words, table)
}
