//! What a run found, in words for somebody who is not a statistician, each with the numbers behind it. Nothing is claimed
//! that the intervals do not show.

use std::fmt::Write as _;

use super::page::Finding;
use super::words::{count, counted, one_in, point, target};
use super::{Report, breakdown, slice_names};
use crate::breakdown::{Breakdown, SliceRate};
use crate::estimate::Estimate;
use crate::headline::headline;
use crate::metrics::Metrics;
use crate::numbers::Quantity::{self, Cosine, Rate};
use crate::people::{Identities, People};
use crate::published::{PublishedAgreement, PublishedResult};
use crate::verification::OPERATING_FMR;
use crate::verification::carriers::FEWEST;

/// Most findings at the head of a page. Those nobody has to act on give way first.
const MOST: usize = 6;
/// Share of the faces without an embedding from which somebody should act.
const MANY_FAILED: f64 = 0.01;
/// Ratio of an interval's ends from which an equal error rate is called roughly known.
const ROUGH: f64 = 2.0;

/// The findings of a run, the most important first.
pub(super) fn findings(report: &Report) -> Vec<Finding> {
    let evaluation = &report.evaluation;
    let metrics = &evaluation.metrics;
    if metrics.pairs.genuine == 0 || metrics.pairs.impostor == 0 {
        return failures(report).into_iter().chain([nothing_compared(metrics)]).collect();
    }
    let people = &evaluation.people;
    // What stands out among a handful of people stands out by chance.
    let few = metrics.faces.identities < FEWEST as u64 && metrics.pairs.mode != "listed";
    let mut found: Vec<Finding> =
        [Some(recognition(metrics)), protocol(metrics, &report.published), identification(metrics), threshold(metrics)]
            .into_iter()
            .flatten()
            .collect();
    if !few {
        found.extend(labels(people));
        found.extend(two_names(people));
        found.extend(who_fails(people, evaluation.breakdown.as_ref()));
    }
    found.extend(failures(report));
    found.extend(precision(report));
    found.extend(too_few(metrics));
    while found.len() > MOST {
        match found.iter().rposition(|finding| !finding.act) {
            Some(last) => found.remove(last),
            None => break,
        };
    }
    found
}

fn finding(lead: &'static str, section: &'static str, text: String) -> Finding {
    Finding { lead, section, text, act: false }
}

fn to_act_on(lead: &'static str, section: &'static str, text: String) -> Finding {
    Finding { act: true, ..finding(lead, section, text) }
}

fn nothing_compared(metrics: &Metrics) -> Finding {
    let (genuine, impostor) = (metrics.pairs.genuine, metrics.pairs.impostor);
    let text = format!(
        "There are {} and {}: error rates need both.",
        counted(genuine, "genuine pair", "genuine pairs"),
        counted(impostor, "impostor pair", "impostor pairs")
    );
    to_act_on("Nothing to judge", "computed", text)
}

/// `90.45% (83.31% to 94.72%)`.
fn with_interval(quantity: Quantity, estimate: &Estimate) -> String {
    match (estimate.bound, estimate.lower, estimate.upper) {
        (false, Some(lower), Some(upper)) => {
            format!("{} ({} to {})", point(quantity, estimate), quantity.value(lower), quantity.value(upper))
        }
        _ => point(quantity, estimate),
    }
}

/// The headline: the true accept rate at the operating FMR and the equal error rate.
fn recognition(metrics: &Metrics) -> Finding {
    let rates = headline(metrics);
    let [eer, tar] = [0, 1].map(|i| rates.get(i).map(|row| &row.estimate));
    let one_in = one_in(OPERATING_FMR);
    let tar = tar.map(|tar| match tar.upper {
        None if tar.bound => format!(
            "{} are too few to say how many of the pairs of one person are recognised if one in {one_in} pairs of strangers \
             may match.",
            counted(metrics.pairs.impostor, "impostor pair", "impostor pairs"),
        ),
        Some(upper) if tar.bound => format!(
            "If one in {one_in} pairs of strangers may match, at most {} of the pairs of one person are recognised: {} are \
             too few to say more.",
            Rate.value(upper),
            counted(metrics.pairs.impostor, "impostor pair", "impostor pairs"),
        ),
        _ => format!(
            "If one in {one_in} pairs of strangers may match, {} of the pairs of one person are recognised.",
            with_interval(Rate, tar)
        ),
    });
    let eer = eer.map(|eer| format!("Equal error rate: {}{}.", with_interval(Rate, eer), roughly(eer)));
    finding("Recognition", "errors", tar.into_iter().chain(eer).collect::<Vec<_>>().join(" "))
}

/// Accuracy by the first protocol, next to its published value.
fn protocol(metrics: &Metrics, published: &[PublishedResult]) -> Option<Finding> {
    let result = metrics.protocols.first()?;
    let name = &result.protocol.name;
    let beside = published.iter().find(|row| row.metric == format!("{name}.accuracy")).map(|row| {
        let value = Rate.value(row.published);
        let words = match row.standing {
            PublishedAgreement::Agrees => "which agrees with the published",
            PublishedAgreement::Above => "which is above the published",
            PublishedAgreement::Below => "which is below the published",
            PublishedAgreement::NoInterval | PublishedAgreement::NotMeasured => "published:",
        };
        let differs = if row.differs.is_empty() { "" } else { ", which was measured in another way" };
        format!(", {words} {value}{differs}")
    });
    let accuracy = with_interval(Rate, &result.accuracy);
    let text = format!("By the protocol {name}, accuracy is {accuracy}{}.", beside.unwrap_or_default());
    Some(finding("Benchmark", "protocols", text))
}

/// How often a search of the first identification protocol succeeds: with the strictest threshold that its searches resolve.
fn identification(metrics: &Metrics) -> Option<Finding> {
    let result = metrics.identification.first()?;
    let (name, gallery) = (&result.protocol.name, result.rates.counts.gallery);
    let first = result.estimate("rank1").map(|rate| {
        let people = counted(gallery, "person", "people");
        format!(
            "In the search {name} among {people}, the right one comes first for {} of the probes.",
            with_interval(Rate, rate)
        )
    });
    let strictest = result.rates.open_set.iter().filter_map(|at| Some((at.target_fpir, at.tpir.as_ref()?)));
    let strictest = strictest.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(fpir, tpir)| {
        format!(
            "If one in {} searches for a stranger may return somebody, {} return the right person.",
            one_in(fpir),
            with_interval(Rate, tpir)
        )
    });
    let text = first.into_iter().chain(strictest).collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then(|| finding("Identification", "identification", text))
}

/// The operating threshold, and what cannot be resolved.
fn threshold(metrics: &Metrics) -> Option<Finding> {
    let operating = metrics.operating()?;
    // Rounded up: below the threshold itself the rate may be higher.
    let threshold = Cosine.value((operating.threshold? * 1e4).ceil() / 1e4);
    // Without an interval, these people say nothing about others, for whom a threshold is chosen.
    let (lower, upper) = operating.fmr.as_ref().and_then(|fmr| Some((fmr.lower?, fmr.upper?)))?;
    let mut text = format!(
        "Accept a pair at a cosine of {threshold} or higher for a false match rate of at most {}. For other people like these it may \
         be {} to {}.",
        target(operating.target_fmr),
        Rate.value(lower),
        Rate.value(upper)
    );
    let unresolved = metrics.operating_points.iter().filter(|point| point.threshold.is_none());
    if let Some(highest) = unresolved.map(|point| point.target_fmr).max_by(f64::total_cmp) {
        let _ = write!(
            text,
            " {} cannot resolve a rate of {} or lower.",
            counted(metrics.pairs.impostor, "impostor pair", "impostor pairs"),
            target(highest)
        );
    }
    Some(finding("Threshold", "thresholds", text))
}

fn labels(people: &People) -> Option<Finding> {
    let audit = &people.audit;
    if people.routing.gallery == 0 {
        return None;
    }
    if audit.another + audit.nobody == 0 {
        return Some(finding("Labels", "labels", "No face stands out from the other faces of its identity.".into()));
    }
    let looks = |n: u64, like: &str| {
        let (faces, looks) = (counted(n, "face", "faces"), if n == 1 { "looks" } else { "look" });
        (n > 0).then(|| format!("{faces} {looks} {like}"))
    };
    let another = looks(audit.another, "more like another identity than like their own label")
        .map(|text| if audit.another == 1 { text.replace("their own", "its own") } else { text });
    let nobody = looks(audit.nobody, "like no identity here");
    let text: Vec<String> = another.into_iter().chain(nobody).collect();
    let text = format!("{}. Look at the pictures: the label may be wrong, or the network mistaken.", text.join(", "));
    Some(to_act_on("Labels", "labels", text))
}

fn two_names(people: &People) -> Option<Finding> {
    let pairs = &people.audit.one_person;
    if pairs.is_empty() {
        return None;
    }
    let (listed, matching) = (pairs.len() as u64, people.audit.twice);
    let mut text = if matching > listed {
        // Among millions of pairs, thousands reach the threshold by likeness alone; the list is cut.
        format!(
            "The faces of {} match on average, many by likeness alone; the {} most alike are listed, and may be one \
             person each",
            counted(matching, "pair of identities", "pairs of identities"),
            count(listed)
        )
    } else {
        format!("{} may be one person", counted(listed, "pair of identities", "pairs of identities"))
    };
    if let Some(highest) = pairs.iter().filter_map(|pair| pair.highest_cosine).max_by(f32::total_cmp) {
        let _ = write!(text, "; the most alike two faces have a cosine of {}", Cosine.value(highest.into()));
    }
    Some(to_act_on("Two names", "labels", text + "."))
}

/// Whether some people or pictures fail more often than chance explains.
fn who_fails(people: &People, breakdown: Option<&Breakdown>) -> Option<Finding> {
    let uneven = uneven(&people.identities);
    let section = if uneven.is_some() { "people" } else { "breakdown" };
    let texts: Vec<String> = uneven.into_iter().chain(breakdown.and_then(worst_slice)).collect();
    if !texts.is_empty() {
        return Some(finding("Who fails", section, texts.join(" ")));
    }
    let even = people.identities.fnmr_spread.as_ref().is_some_and(|spread| spread.lower.is_some());
    even.then(|| {
        let text = "No person and no kind of picture is demonstrably missed more often than the others.";
        finding("Who fails", "people", text.into())
    })
}

fn uneven(found: &Identities) -> Option<String> {
    let spread = found.fnmr_spread.as_ref()?;
    let misses = found.errors.iter().fold(0_u64, |sum, one| sum.saturating_add(one.misses));
    if spread.lower? <= 1.0 || misses == 0 {
        return None;
    }
    let mut most: Vec<u64> = found.errors.iter().map(|one| one.misses).collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    let sums = most.iter().scan(0_u64, |sum, one| {
        *sum = sum.saturating_add(*one);
        Some(*sum)
    });
    let few = sums.take_while(|sum| sum.saturating_mul(2) < misses).count() + 1;
    Some(format!(
        "Misses are unevenly spread over people, more than the choice of their pictures explains: half of them come from {} \
         of {}.",
        few,
        counted(found.errors.len() as u64, "identity", "identities"),
    ))
}

/// The slice that is furthest on the worse side, if it is there by more than chance.
fn worst_slice(found: &Breakdown) -> Option<String> {
    let one = found.outlying().into_iter().find(|one| one.beyond_chance && one.ratio > 1.0)?;
    let (column, all) = (found.columns.get(one.column)?, one.rate.of(&found.all)?);
    let what = match one.rate {
        SliceRate::Fnmr => "missed",
        SliceRate::Fmr => "confused",
    };
    let helps = breakdown::best_measure(&found.discard).is_some_and(|best| best.measure == column.column);
    let helps = if helps { " Turning such pictures away helps." } else { "" };
    Some(format!(
        "Faces in the slice “{}” are {what} {:.1} times as often as all faces: {} against {}.{helps}",
        slice_names::full(column, one.slice),
        one.ratio,
        with_interval(Rate, one.estimate),
        point(Rate, all),
    ))
}

fn failures(report: &Report) -> Option<Finding> {
    if report.failures.is_empty() {
        return None;
    }
    let without_a_face = report.failures.iter().filter(|failure| failure.kind == "detect").count() as u64;
    let others = report.failures.len() as u64 - without_a_face;
    let none =
        (without_a_face > 0).then(|| format!("in {} no face was found", counted(without_a_face, "photo", "photos")));
    let others = (others > 0).then(|| format!("{} could not be read or embedded", counted(others, "face", "faces")));
    let all = report.evaluation.metrics.faces.manifest;
    let reasons: Vec<String> = none.into_iter().chain(others).collect();
    let verbs = if report.failures.len() == 1 { "has no embedding and enters" } else { "have no embedding and enter" };
    let text = format!(
        "{} of {} {verbs} no number: {}.",
        report.failures.len(),
        counted(all, "face", "faces"),
        reasons.join("; ")
    );
    // A few of many are no reason to act.
    let act = report.failures.len() as f64 >= MANY_FAILED * all as f64;
    Some(Finding { act, ..finding("Left out", "failures", text) })
}

/// A precision below f32 next to f32.
fn precision(report: &Report) -> Option<Finding> {
    let found = report.agreement.as_ref()?;
    let text = format!(
        "This run uses {}: of {}, the least similar to its own embedding in f32 has a cosine of {:.5}.",
        found.precision.name(),
        counted(found.faces, "face", "faces"),
        found.cosine_min
    );
    Some(finding("Precision", "agreement", text))
}

/// How roughly a rate is known, if it is.
fn roughly(rate: &Estimate) -> String {
    match (rate.lower, rate.upper) {
        (Some(lower), Some(upper)) if !rate.bound && lower > 0.0 && upper / lower >= ROUGH => {
            let factor = upper / lower;
            let decimals = usize::from(factor < 10.0);
            format!(
                ", known only to within a factor of {factor:.decimals$}; more people narrow that, more pictures of the same \
                 people hardly do"
            )
        }
        _ => String::new(),
    }
}

/// Whether there are so few people that the numbers are theirs alone.
fn too_few(metrics: &Metrics) -> Option<Finding> {
    let people = counted(metrics.faces.identities, "person is", "people are");
    let few = (1..FEWEST as u64).contains(&metrics.faces.identities);
    let text = format!("{people} too few: other people may give quite other numbers.");
    few.then(|| finding("Certainty", "computed", text))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::report::{FailureRow, sample};

    fn texts(report: &Report) -> String {
        let line = |finding: &Finding| {
            let sign = if finding.act { "!" } else { " " };
            format!("{sign} {} (#{}): {}", finding.lead, finding.section, finding.text)
        };
        findings(report).iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_run_says_what_it_found() {
        assert_snapshot!(texts(&sample::report()), @r"
          Recognition (#errors): If one in 1,000 pairs of strangers may match, 99.30% (94.33% to 100.00%) of the pairs of one person are recognised. Equal error rate: 0.32% (0.31% to 0.34%).
          Threshold (#thresholds): Accept a pair at a cosine of 0.3500 or higher for a false match rate of at most 0.1%. For other people like these it may be 0.095% to 0.10%. 9,000,000 impostor pairs cannot resolve a rate of 0.0001% or lower.
        ! Labels (#labels): 2 faces look more like another identity than like their own label, 43 faces look like no identity here. Look at the pictures: the label may be wrong, or the network mistaken.
        ! Two names (#labels): 1 pair of identities may be one person; the most alike two faces have a cosine of 0.9700.
          Who fails (#people): Misses are unevenly spread over people, more than the choice of their pictures explains: half of them come from 136 of 480 identities. Faces in the slice “sharpness: 3.1 to 80” are missed 2.5 times as often as all faces: 5.00% (4.75% to 5.25%) against 2.00%. Turning such pictures away helps.
          Left out (#failures): 57 of 187,697 faces have no embedding and enter no number: 57 faces could not be read or embedded.
        ");
    }

    #[test]
    fn a_finding_that_the_numbers_do_not_carry_does_not_appear() {
        let mut report = sample::report();
        report.failures.clear();
        report.agreement = None;
        let evaluation = &mut report.evaluation;
        evaluation.metrics.pairs.impostor = 400;
        for point in evaluation.metrics.operating_points.iter_mut().filter(|point| point.target_fmr < 5e-3) {
            (point.threshold, point.tar) = (None, None);
        }
        evaluation.metrics.fmr1000 =
            Estimate { bound: true, lower: Some(0.2), upper: None, ..evaluation.metrics.fmr1000.clone() };
        evaluation.metrics.eer = Estimate { lower: None, upper: None, ..evaluation.metrics.eer.clone() };
        evaluation.metrics.faces.identities = 4;
        let people = &mut evaluation.people;
        (people.audit.another, people.audit.nobody) = (0, 0);
        people.audit.one_person.clear();
        people.identities.fnmr_spread = None;
        evaluation.breakdown = None;
        assert_snapshot!(texts(&report), @r"
        Recognition (#errors): If one in 1,000 pairs of strangers may match, at most 80.00% of the pairs of one person are recognised: 400 impostor pairs are too few to say more. Equal error rate: 0.32%.
        Threshold (#thresholds): Accept a pair at a cosine of 0.2659 or higher for a false match rate of at most 1%. For other people like these it may be 0.95% to 1.05%. 400 impostor pairs cannot resolve a rate of 0.1% or lower.
        Certainty (#computed): 4 people are too few: other people may give quite other numbers.
        ");
    }

    #[test]
    fn a_list_that_is_cut_is_not_called_all() {
        let mut report = sample::report();
        report.evaluation.people.audit.twice = 8_802;
        let text = texts(&report);
        assert!(
            text.contains("8,802 pairs of identities match on average, many by likeness alone; the 1 most"),
            "{text}"
        );
    }

    #[test]
    fn a_rate_that_is_roughly_known_is_said_to_be() {
        let mut report = sample::report();
        for (lower, factor) in [(0.0014, "39"), (0.015, "3.7"), (0.000_01, "5520")] {
            let eer = &mut report.evaluation.metrics.eer;
            (eer.point, eer.lower, eer.upper) = (0.009, Some(lower), Some(0.0552));
            let text = texts(&report);
            assert!(text.contains(&format!("to 5.52%), known only to within a factor of {factor};")), "{text}");
        }
        assert!(texts(&report).contains("0.90% (0.0010% to 5.52%)"));
    }

    #[test]
    fn chance_is_not_called_a_pattern() {
        let mut report = sample::report();
        let people = &mut report.evaluation.people;
        people.identities.fnmr_spread =
            Some(Estimate { point: 1.1, lower: Some(0.8), upper: Some(1.5), ..Estimate::default() });
        report.evaluation.breakdown = None;
        let text = texts(&report);
        assert!(text.contains("No person and no kind of picture is demonstrably missed"), "{text}");
        assert!(!text.contains("unevenly"), "{text}");
    }

    #[test]
    fn a_run_without_pairs_says_what_is_missing() {
        let mut report = sample::report();
        report.evaluation = sample::nothing();
        report.failures = vec![
            FailureRow { row: 0, face_id: "a".into(), kind: "detect".into(), message: String::new() },
            FailureRow { row: 1, face_id: "b".into(), kind: "decode".into(), message: String::new() },
        ];
        report.evaluation.metrics.faces.manifest = 2;
        assert_snapshot!(texts(&report), @r"
        ! Left out (#failures): 2 of 2 faces have no embedding and enter no number: in 1 photo no face was found; 1 face could not be read or embedded.
        ! Nothing to judge (#computed): There are 0 genuine pairs and 0 impostor pairs: error rates need both.
        ");
    }

    #[test]
    fn at_most_six_and_every_call_to_act_is_kept() {
        let mut report = sample::report();
        let all = findings(&report);
        assert!(all.len() <= MOST, "{}", all.len());
        report.evaluation.people.audit.another = 3;
        let kept: Vec<_> = findings(&report).into_iter().filter(|finding| finding.act).map(|f| f.lead).collect();
        assert_eq!(kept, ["Labels", "Two names"]);
    }
}
