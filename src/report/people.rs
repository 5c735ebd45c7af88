//! Identities that fail most, suspect labels, and the results of a centroid search.

use super::axis::ChartAxis;
use super::binning::Bin;
use super::figures::Outlines;
use super::page::{DataTable, Exhibit, Legend, Section, TableCell};
use super::plots::{Chart, ChartLayer, SmallChart, Style};
use super::words::{NONE, count, counted, interval_name, made, maybe, operating, or_dash, target, value_and_interval};
use super::{Report, ReportError};
use crate::estimate::Estimate;
use crate::metrics::Metrics;
use crate::numbers::Quantity::{self, Cosine, Plain, Rate};
use crate::people::audit::{Audit, Cause, FIRST_BY_MEAN, Looks, MOST_COMPARED, OnePerson, WithAndWithout, WrongPair};
use crate::people::routing::{Routing, RoutingPoint};
use crate::people::{Identities, IdentityErrors, People, Portrait};
use crate::similarity::PairKind;
use crate::verification::interval::upper_bound_of_none;

/// Identities in each table of the worst, and those before the fold.
const WORST: usize = 12;
const WORST_SHOWN: usize = 4;
/// Suspects in the table of suspect labels; pictures are kept for these.
pub const SUSPECTS: usize = 25;
/// Those before the fold.
const SUSPECTS_SHOWN: usize = 6;
/// Pairs of identities in the table of possible duplicates, and those before the fold.
const TWICE: usize = 15;
const TWICE_SHOWN: usize = 5;
/// Hardest pairs on the wrong side of the threshold, per kind.
const WRONG_SHOWN: usize = 15;
/// Budget for pictures of suspects, in bytes of PNG.
const PICTURE_BYTES: usize = 1_200_000;

/// Errors by identity; empty where none were counted.
pub(super) fn fails(people: &People, metrics: &Metrics) -> Result<Section, ReportError> {
    let section = Section::new("people", "Errors by identity");
    let found = &people.identities;
    if found.errors.is_empty() {
        return Ok(section);
    }
    let sentence = |rate: &Option<Estimate>| rate.as_ref().map_or(NONE.into(), |rate| Rate.sentence(rate));
    let section = section
        .text(format!(
            "Operating threshold: {}. At this threshold, {} of the genuine pairs are missed and {} of the impostor pairs \
             match.",
            operating(people.threshold, metrics),
            sentence(&found.fnmr),
            sentence(&found.fmr),
        ))
        .texts(animals(found))
        .with(worst("Identities missed most", true, &found.worst_missed()))
        .with(worst("Identities confused most", false, &found.worst_confused()))
        .with(concentration(&found.errors)?.folded());
    let spreads = [("misses", &found.fnmr_spread), ("false matches", &found.fmr_spread)];
    let spreads: Vec<_> = spreads.into_iter().filter_map(|(what, of)| spread(what, of.as_ref())).collect();
    let intervals = "Pairs that share a face are not independent, so the intervals of an identity's rates are Wilson \
                     intervals with a plug-in variance over its faces, and exact binomial bounds at 100%.";
    let section = section.with(Exhibit::aside(
        "More than chance? How the intervals are made",
        [&spreads[..], &[intervals.into()]].concat().join(" "),
    ));
    if people.portraits.is_empty() { Ok(section) } else { Ok(section.with(portraits(people)?.folded())) }
}

fn animals(found: &Identities) -> Option<String> {
    found.fnmr.as_ref().or(found.fmr.as_ref())?;
    Some(format!(
        "Goats are missed more often than identities overall, judged by the lower end of their interval: {} of {}. Lambs are \
         confused more often than identities overall, judged likewise: {} of {} (cosines are symmetric, so lambs are also wolves). \
         All others are sheep (Doddington et al., 1998). With this many identities, up to {} of each would stand out by \
         chance.",
        count(found.goats),
        counted(found.fnmr_judged, "identity", "identities"),
        count(found.lambs),
        counted(found.fmr_judged, "identity", "identities"),
        count(found.chance()),
    ))
}

/// Whether identities differ more than sampling of faces explains.
fn spread(what: &str, found: Option<&Estimate>) -> Option<String> {
    let found = found?;
    let verdict = match (found.lower, found.upper) {
        (Some(lower), _) if lower > 1.0 => "identities differ more than the choice of faces explains",
        (_, Some(upper)) if upper < 1.0 => "identities differ less than expected by chance alone",
        (Some(_), Some(_)) => "the choice of faces can explain it",
        _ => "too few identities to tell",
    };
    Some(format!(
        "The variance of {what} over identities is {} times the variance if all had the same rate: {verdict}.",
        Plain.sentence(found)
    ))
}

/// The share of all errors caused by the worst identities.
fn concentration(errors: &[IdentityErrors]) -> Result<Exhibit, ReportError> {
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
        ChartLayer::Line(Style::Reference, vec![(0.0, 0.0), (100.0, 100.0)]),
        ChartLayer::Line(Style::Impostor, drawn(&confused)),
        ChartLayer::Line(Style::Genuine, drawn(&missed)),
    ];
    let (x, y) = (
        ChartAxis::linear("identities, worst first, %", 0.0, 100.0),
        ChartAxis::linear("share of all errors, %", 0.0, 100.0),
    );
    let legend = vec![
        Legend::line(Style::Genuine, "misses"),
        Legend::line(Style::Impostor, "false matches, each counted for both identities"),
        Legend::line(Style::Reference, "the same number for every identity"),
    ];
    let mut table =
        DataTable::new("Numbers: share of errors", &["identities, worst first", "#misses", "#false matches"]);
    for share in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
        let at = |points: &[(f64, f64)]| {
            let reached = points.iter().rev().find(|(x, _)| *x <= share + 1e-9);
            maybe(reached.map(|(_, y)| y / 100.0), Rate)
        };
        table.row([format!("{share:.0}%"), at(&missed), at(&confused)]);
    }
    let caption = [
        "Identities sorted by their number of errors. A line that rises steeply means that few identities cause most of the errors: look at their pictures and labels first.",
        "Identities with more faces have more pairs and therefore more errors. With few errors, the line is steep by chance: see the ratio of variances above.",
    ];
    Exhibit::figure("Concentration of errors", &Chart { x, y, layers }, legend, caption, table)
}

/// A table of identities ranked by one of their two rates.
fn worst(caption: &str, misses: bool, ranked: &[&IdentityErrors]) -> Exhibit {
    // Pairs, errors, error rate and its interval.
    type Errors = fn(&IdentityErrors) -> (u64, u64, Option<f64>, Option<(f64, f64)>);
    let missed: Errors = |one| (one.genuine, one.misses, one.fnmr(), one.fnmr_interval);
    let confused: Errors = |one| (one.impostor, one.false_matches, one.fmr(), one.fmr_interval);
    let (ranked_by, other, names) = if misses {
        (missed, confused, ["#missed", "#FNMR", "#FMR"])
    } else {
        (confused, missed, ["#matched", "#FMR", "#FNMR"])
    };
    let [errors, rate, other_rate] = names;
    let columns = ["identity", errors, rate, "kind", other_rate];
    let mut table = DataTable::new(caption, &columns);
    for one in ranked.iter().take(WORST) {
        let (pairs, errors, rate, interval) = ranked_by(one);
        let other = match other(one) {
            (_, 0, _, Some((_, upper))) => format!("≤ {}", Rate.value(upper)),
            (_, _, rate, _) => maybe(rate, Rate),
        };
        let kind = match (one.goat, one.lamb) {
            (true, true) => "goat, lamb",
            (true, false) => "goat",
            (false, true) => "lamb",
            (false, false) => "sheep",
        };
        let ends = interval.map(|(lower, upper)| format!("[{}, {}]", Rate.value(lower), Rate.value(upper)));
        table.row([
            TableCell::with_note(one.identity_id.clone(), counted(one.faces, "face", "faces")),
            TableCell::with_note(count(errors), format!("of {}", count(pairs))),
            TableCell::with_note(maybe(rate, Rate), ends.unwrap_or_default()),
            kind.into(),
            other.into(),
        ]);
    }
    table.note = format!(
        "{} of {} with such an error, by the lower end of the interval; identity_errors.parquet has all identities.",
        count(table.rows.len() as u64),
        count(ranked.len() as u64)
    );
    table.narrow().first(WORST_SHOWN).into()
}

/// Cosine distributions of the worst identities as small multiples.
fn portraits(people: &People) -> Result<Exhibit, ReportError> {
    let rate = |portrait: &Portrait| {
        let one = people.identities.errors.iter().find(|one| one.identity_id == portrait.identity_id);
        one.and_then(|one| if portrait.missed { one.fnmr() } else { one.fmr() })
    };
    let panels = people.portraits.iter().map(|portrait| {
        let bins = bins(portrait);
        let outlines = Outlines::of(&bins, 1.0);
        let mut x = ChartAxis::linear("", -0.5, 1.0);
        x.ticks = [-0.5, 0.0, 0.5, 1.0].map(|value| (x.at(value), format!("{value}").replace('-', "−"))).into();
        let mut y = ChartAxis::from_zero("", outlines.highest(), 1.05);
        y.ticks.clear();
        let layers = outlines.layers(Some(people.threshold));
        let kind = if portrait.missed { "FNMR" } else { "FMR" };
        let name = format!("{}: {kind} {}", portrait.identity_id, maybe(rate(portrait), Rate));
        (name, SmallChart(Chart { x, y, layers }))
    });
    let panels: Vec<_> = panels.collect();
    let legend = vec![
        Legend::line(Style::Genuine, "cosines among the identity's faces"),
        Legend::line(Style::Impostor, "cosines to faces of other identities"),
        Legend::line(Style::Reference, "operating threshold"),
    ];
    let mut table = DataTable::new("Numbers: pairs by cosine, genuine / impostor", &["cosine from"]);
    for portrait in &people.portraits {
        table.column(&format!("#{}", portrait.identity_id));
    }
    let all: Vec<Vec<Bin>> = people.portraits.iter().map(bins).collect();
    for i in 0..all.iter().map(Vec::len).min().unwrap_or(0) {
        if all.iter().any(|bins| bins[i].genuine + bins[i].impostor > 0) {
            let cells = all.iter().map(|bins| format!("{} / {}", count(bins[i].genuine), count(bins[i].impostor)));
            table.row(std::iter::once(Cosine.value(all[0][i].lower)).chain(cells));
        }
    }
    let caption = [
        "One small chart per identity: first those missed most, then those confused most. Each curve is the share of its own pairs. The part of the first curve left of the dotted line is missed, the part of the second curve right of it is confused. A first curve with two humps often means two people under one name.",
        "Heights are not comparable between charts. An identity with many faces is represented by 300 of them, and others by at most 1,500 faces, evenly spaced; a tail of one in a thousand is too thin to see here.",
    ];
    Exhibit::small_multiples("The identities that fail most", &panels, legend, caption, table)
}

fn bins(portrait: &Portrait) -> Vec<Bin> {
    let counts = portrait.genuine.iter().zip(&portrait.impostor).enumerate();
    let edge = |i: usize| crate::verification::tally::edge(i, portrait.genuine.len().max(1)).min(1.0);
    counts.map(|(i, (&genuine, &impostor))| Bin { lower: edge(i), upper: edge(i + 1), genuine, impostor }).collect()
}

/// The label audit; empty where no label was audited.
pub(super) fn labels(report: &Report) -> Section {
    let section = Section::new("labels", "Suspect labels");
    let People { audit, routing, .. } = &report.evaluation.people;
    if routing.gallery == 0 {
        return section;
    }
    if audit.another + audit.nobody == 0 {
        section.text("No face is suspect: each is close enough to the other faces of its identity.")
    } else {
        section.text(format!(
            "{} suspect: {} like another identity, {} like no identity. The embedding only suggests: a wrong label, a \
             bystander labelled with the folder's name, and a face the network fails on are indistinguishable here. Look at \
             the pictures before you change a label.",
            counted(audit.another + audit.nobody, "face is", "faces are"),
            counted(audit.another, "looks", "look"),
            counted(audit.nobody, "looks", "look"),
        ))
    }
        .with(suspects(report).first(SUSPECTS_SHOWN))
        .with(one_person(audit).first(TWICE_SHOWN))
        .with_all(audit.metrics.as_ref().map(|metrics| with_and_without(metrics).folded()))
        .with_all([causes(audit).folded(), wrong_pairs(report).folded()])
        .with(how_suspects_are_found(&report.evaluation.people))
        .with_all((!audit.one_person.is_empty()).then(|| how_pairs_of_identities_are_found(audit)))
}

fn suspects(report: &Report) -> DataTable {
    let mut budget = PICTURE_BYTES;
    let columns = ["#rank", "face", "label", "#cosine to label", "looks like", "#cosine to lookalike", "#margin"];
    let mut table = DataTable::new("Faces that do not look like their label", &columns).stacked();
    let audit = &report.evaluation.people.audit;
    for suspect in audit.suspects.iter().take(SUSPECTS) {
        let face = TableCell::face(suspect.row, &suspect.face_id, &report.pictures, &mut budget);
        // The suspect stands beside a typical face of each of the two identities.
        let mut identity = |id: &str| match report.exemplars.get(id) {
            Some(row) => TableCell::face(*row, id, &report.pictures, &mut budget),
            None => id.into(),
        };
        let (label, other) = (identity(&suspect.labelled_as), identity(&suspect.looks_like));
        let looks_like = match suspect.kind {
            Looks::Another => other,
            Looks::Nobody => {
                TableCell { text: "no identity".into(), note: format!("closest: {}", suspect.looks_like), ..other }
            }
        };
        let cosine = |value: f32| TableCell::from(maybe(f64::from(value), Cosine));
        table.row([
            suspect.rank.to_string().into(),
            face,
            label,
            cosine(suspect.own_cosine),
            looks_like,
            cosine(suspect.its_cosine),
            cosine(suspect.margin),
        ]);
    }
    table.note = format!(
        "{} of {}: first those that look like another identity, sorted by margin; label_audit.csv has all of them.",
        count(table.rows.len() as u64),
        count(audit.suspects.len() as u64)
    );
    table
}

fn how_suspects_are_found(people: &People) -> Exhibit {
    let People { audit, threshold, .. } = people;
    Exhibit::aside(
        "How suspects are found",
        format!(
            "A suspect's cosine to the centroid of its identity's other faces is below {}. It looks like another identity if \
             its cosine to that identity's centroid is at least {}, and higher than to its own by at least {} (one standard \
             deviation of impostor cosines). The operating threshold is {}; where it is higher than most faces reach, only \
             outliers are listed.",
            Cosine.value(audit.far),
            Cosine.value(audit.near),
            Cosine.value(audit.margin),
            Cosine.value(*threshold),
        ),
    )
}

fn with_and_without(metrics: &WithAndWithout) -> DataTable {
    let WithAndWithout { exhaustive, with, without } = metrics;
    let name = format!("#{}", interval_name(&with.eer));
    let columns = ["metric", "#all labels", &name, "#without suspects", &name];
    let mut table = DataTable::new("Metrics without the faces that look like another identity", &columns);
    let mut row = |name: &str, quantity: Quantity, with: Option<&Estimate>, without: Option<&Estimate>| {
        let [a, a_interval] = value_and_interval(quantity, with);
        let [b, b_interval] = value_and_interval(quantity, without);
        table.row([name.to_owned(), a, a_interval, b, b_interval]);
    };
    row("equal error rate", Rate, Some(&with.eer), Some(&without.eer));
    row("true accept rate at FMR 0.1%", Rate, with.tar.as_ref(), without.tar.as_ref());
    row("genuine pairs, mean cosine", Cosine, Some(&with.genuine_mean), Some(&without.genuine_mean));
    row("separation d′", Plain, Some(&with.d_prime), Some(&without.d_prime));
    let pairs = [with, without].map(|of| format!("{} + {}", count(of.genuine_pairs), count(of.impostor_pairs)));
    let [a, b] = pairs;
    table.row(["genuine + impostor pairs".to_owned(), a, String::new(), b, String::new()]);
    let which = if *exhaustive { "All pairs." } else { "Two samples, each of up to the same number of pairs." };
    table.note = format!(
        "{which} Leaving out faces that a network gets wrong flatters the network: the difference is the most that these labels can \
         cost, and the second column is not a better measurement. Faces that look like no identity stay in. Both columns share \
         nearly all pairs, so their difference is more certain than the intervals suggest."
    );
    table
}

fn one_person(audit: &Audit) -> DataTable {
    let columns =
        ["identity", "other identity", "#highest cosine", "#mean cosine", "face", "most alike face of the other"];
    let mut table = DataTable::new("Possibly one person under two identities", &columns).stacked();
    for one in audit.one_person.iter().take(TWICE) {
        let [a, b] = one.faces.map(|faces| counted(faces, "face", "faces"));
        let face = |id: &str| or_dash((!id.is_empty()).then(|| id.to_owned()));
        table.row([
            TableCell::with_note(one.identity_a.clone(), a),
            TableCell::with_note(one.identity_b.clone(), b),
            maybe(one.highest_cosine.map(f64::from), Cosine).into(),
            maybe(f64::from(one.mean_cosine), Cosine).into(),
            face(&one.face_a).into(),
            face(&one.face_b).into(),
        ]);
    }
    let listed = &audit.one_person;
    let shown = format!(
        "{} of {}; identity_pairs.csv has the whole list. Open the two faces: if they are one person, merge the identities. A \
         high cosine alone is no proof: twins and relatives look alike, and so do people in one scene.",
        count(table.rows.len() as u64),
        counted(listed.len() as u64, "pair of identities", "pairs of identities"),
    );
    let selected = listed.iter().any(OnePerson::selected).then(|| {
        format!(
            "Where two identities have more than {} pairs of faces, the highest cosine is that of evenly spaced faces.",
            count(MOST_COMPARED)
        )
    });
    let old = listed.iter().any(|one| one.highest_cosine.is_none()).then(|| {
        "An earlier version wrote this run, without the highest cosines: `facevault evaluate` adds them.".to_owned()
    });
    table.note = [Some(shown), selected, old].into_iter().flatten().collect::<Vec<_>>().join(" ");
    table
}

fn how_pairs_of_identities_are_found(audit: &Audit) -> Exhibit {
    let text = format!(
        "Pairs are listed if their mean cosine reaches the operating threshold ({} such {}; the first {FIRST_BY_MEAN} are \
         listed), if a pair of their faces is among the hardest impostor pairs and reaches it, or if they share a picture. \
         They are sorted by the highest cosine between a face of one and a face of the other.",
        count(audit.twice),
        if audit.twice == 1 { "pair" } else { "pairs" },
    );
    Exhibit::aside("How these pairs of identities are found", text)
}

const CAUSES: [(Cause, &str); 4] = [
    (Cause::WrongLabel, "a suspect label: with the identities suggested above, it would not be an error"),
    (Cause::Nobody, "a face that looks like no identity"),
    (Cause::OnePersonTwice, "two identities that look like one person"),
    (Cause::Unexplained, "none of the above: a hard pair"),
];

fn causes(audit: &Audit) -> DataTable {
    let columns = ["possible cause", "#genuine, below the threshold", "#impostor, at or above it"];
    let mut table = DataTable::new("Hardest pairs on the wrong side of the operating threshold", &columns);
    let number = |kind: PairKind, cause: Cause| {
        count(audit.wrong_pairs.iter().filter(|pair| pair.kind == kind && pair.cause == cause).count() as u64)
    };
    for (cause, name) in CAUSES.iter().filter(|_| !audit.wrong_pairs.is_empty()) {
        let numbers = [PairKind::Genuine, PairKind::Impostor].map(|kind| number(kind, *cause));
        let [genuine, impostor] = numbers;
        table.row([(*name).to_owned(), genuine, impostor]);
    }
    table.note = "Counts only the hardest pairs kept (`similarity.hardest`), not all pairs.".into();
    table
}

fn wrong_pairs(report: &Report) -> DataTable {
    let columns = ["kind", "#rank", "#cosine", "face", "identity", "other face", "other identity", "possible cause"];
    let mut table = DataTable::new("Each of these pairs", &columns).stacked();
    let all = &report.evaluation.people.audit.wrong_pairs;
    let shown = |kind: PairKind| all.iter().filter(move |pair| pair.kind == kind).take(WRONG_SHOWN);
    for WrongPair { kind, rank, cause } in shown(PairKind::Genuine).chain(shown(PairKind::Impostor)) {
        let pair = report.evaluation.hardest.iter().find(|pair| (pair.kind, pair.rank) == (*kind, *rank));
        let Some(pair) = pair else { continue };
        let kind = if *kind == PairKind::Genuine { "genuine" } else { "impostor" };
        let cause = CAUSES.iter().find(|(known, _)| known == cause).map_or(NONE, |(_, name)| name);
        table.row([
            kind,
            &rank.to_string(),
            &maybe(f64::from(pair.cosine), Cosine),
            &pair.face_a,
            &pair.identity_a,
            &pair.face_b,
            &pair.identity_b,
            cause,
        ]);
    }
    table
}

/// The centroid search; empty where nothing was searched.
pub(super) fn routing(people: &People) -> Result<Section, ReportError> {
    let routing = &people.routing;
    let section = Section::new("routing", "Routing by centroid");
    if routing.gallery == 0 {
        return Ok(section);
    }
    let first = routing.rank_one.as_ref().map_or(NONE.into(), |rate| Rate.sentence(rate));
    Ok(section
        .text(format!(
            "Searching a gallery compares a face with one centroid per identity. Here {} left out of their own centroid and searched \
             among {}; {} could not be searched, as the only face of an identity. The closest centroid is the correct one for \
             {first}.",
            counted(routing.held_out, "face was", "faces were"),
            counted(routing.gallery, "centroid", "centroids"),
            count(routing.alone),
        ))
        .text(
            "Choose a threshold by the possible outcomes: a known face is identified correctly, identified as someone else, or \
             not identified; an unknown face (its identity removed from the gallery) must not be identified at all.",
        )
        .folded("Rates by threshold, and the curve")
        .with(curve(people)?)
        .with(rates(routing)))
}

fn rates(routing: &Routing) -> DataTable {
    let columns =
        ["threshold", "#identified correctly (DIR)", "#identified as someone else", "#unknown face identified (FPIR)"];
    let mut table = DataTable::new("Rates by threshold", &columns);
    let mut unresolved = Vec::new();
    let mut row = |threshold: TableCell, found: &RoutingPoint| {
        let rate = |estimate: &Option<Estimate>| TableCell::estimate(Rate, estimate.as_ref());
        table.row([threshold, rate(&found.dir), rate(&found.wrong), rate(&found.fpir)]);
    };
    for point in &routing.ladder {
        row(format!("{:.2}", point.threshold).into(), point);
    }
    for aim in &routing.targets {
        match &aim.point {
            Some(point) => {
                let threshold = maybe(f64::from(point.threshold), Cosine);
                row(TableCell::with_note(threshold, format!("for FPIR ≤ {}", target(aim.fpir))), point);
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
    let method = usual.map_or(String::new(), |rate| format!(" Intervals: {}.", made(rate)));
    table.note = format!(
        "{} with a mate in the gallery, {} without. FNIR is 100% minus DIR. “≤” marks a bound: none was seen.{method}",
        searches(|point| &point.dir),
        searches(|point| &point.fpir)
    );
    if !unresolved.is_empty() {
        table.note = format!("{} Not resolved by these searches: FPIR of {}.", table.note, unresolved.join(", "));
    }
    table
}

fn curve(people: &People) -> Result<Exhibit, ReportError> {
    let curve = &people.routing.curve;
    let n = people.routing.held_out + people.routing.alone;
    let x = ChartAxis::rate("FPIR: unknown faces identified", 1.0 / n.max(1) as f64);
    let worst = curve.iter().map(|point| point.dir_lower).fold(1.0, f64::min);
    let lower = (10.0 * worst - 0.5).floor().clamp(0.0, 9.0) * 10.0;
    let y = ChartAxis::linear("DIR: known faces identified correctly, %", lower, 100.0);
    let line: Vec<_> = curve.iter().map(|point| (point.fpir, 100.0 * point.dir)).collect();
    let band = curve.iter().map(|point| (point.fpir, 100.0 * point.dir_lower, 100.0 * point.dir_upper)).collect();
    let name = people.routing.rank_one.as_ref().map_or("interval".into(), interval_name);
    let legend = vec![
        Legend::line(Style::Value, "detection and identification rate, by threshold"),
        Legend::band(Style::Value, format!("{name} at each threshold")),
    ];
    let layers = vec![ChartLayer::Band(Style::Value, band), ChartLayer::Line(Style::Value, line)];
    let level = people.routing.rank_one.as_ref().map_or(0.95, |rate| rate.level);
    let none = upper_bound_of_none(n as f64, level);
    let mut table = DataTable::new("Numbers: DIR by FPIR", &["threshold", "#FPIR", "#DIR", "#lower", "#upper"]);
    for point in curve.iter().step_by(curve.len().div_ceil(40).max(1)) {
        let rate = |value: f64| maybe(value, Rate);
        let threshold = maybe(f64::from(point.threshold), Cosine);
        let fpir = if point.fpir == 0.0 { format!("≤ {}", Rate.value(none)) } else { rate(point.fpir) };
        table.row([threshold, fpir, rate(point.dir), rate(point.dir_lower), rate(point.dir_upper)]);
    }
    let caption = [
        "Upper left is better. Each point is one threshold: choose an FPIR on the horizontal axis and read off the DIR on the vertical axis. A threshold that no unknown face reaches is placed on the left edge.",
        "The gallery is this run's identities with all their faces. A larger gallery identifies more unknown faces, centroids of fewer faces identify fewer known ones, and wrong labels count as errors. Faces of one person succeed and fail together, so the band is over identities.",
    ];
    Exhibit::figure("Detection and identification rate (DIR) by FPIR", &Chart { x, y, layers }, legend, caption, table)
}
