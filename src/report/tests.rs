//! Whole pages: complete, well-formed, self-contained and deterministic for any numbers.

use super::*;
use crate::compare::compare;
use crate::config::{Design, Published};
use crate::estimate::Estimate;
use crate::protocol::{
    Distance, FarTarget, FoldResult, Grid, ListedCounts, PairsSource, Protocol, ProtocolResult, Split,
};
use crate::published;
use crate::similarity::{Histograms, IdentitySpread};
use crate::verification::OperatingPoint;
use proptest::prelude::*;

/// HTML elements without an end tag.
const VOID: [&str; 5] = ["meta", "img", "br", "input", "wbr"];

/// Checks that tags are balanced and nested, and attribute values quoted; returns the names of all elements.
fn well_formed(html: &str) -> Vec<String> {
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "stray > before {}", &rest[at..(at + 60).min(rest.len())]);
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "</{name}>");
            continue;
        }
        let body = tag.trim_end_matches('/');
        let name = body.split([' ', '\n']).next().unwrap_or_default().to_owned();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()) && !name.is_empty(), "<{tag}>");
        assert!(body.matches('"').count().is_multiple_of(2) && !body.contains('<'), "<{tag}>");
        if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
            open.push(name.clone());
        }
        if name == "style" || name == "script" {
            let end = rest.find(&format!("</{name}>")).expect("style and script end");
            rest = &rest[end..];
        }
        seen.push(name);
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    seen
}

/// Checks that apply to every page.
pub(super) fn check(html: &str) {
    let elements = well_formed(html);
    assert_eq!(elements.iter().filter(|name| *name == "h1").count(), 1);
    assert!(!elements.iter().any(|name| name == "link"), "{elements:?}");
    // The explorer's data and script, or no script; and a policy that allows no other.
    let explorers = html.matches("<div class=\"explorer\">").count();
    assert_eq!(elements.iter().filter(|name| *name == "script").count(), 2 * explorers);
    assert_eq!(html.matches(&format!("<script>{}</script>", page::SCRIPT)).count(), explorers);
    assert_eq!(html.matches("<script type=\"application/json\" id=\"explorer-data\">{").count(), explorers);
    let script = if explorers == 0 { "script-src &#x27;none&#x27;" } else { "script-src &#x27;sha256-" };
    assert!(html.contains("default-src &#x27;none&#x27;") && html.contains(script) && !html.contains("unsafe"));
    assert!(!html.contains(" style=\""), "the policy would ignore it");
    for address in ["http:", "https:", "//", "@import", "url("] {
        assert!(!html.contains(address), "{address}");
    }
    assert!(html.contains("<html lang=\"en\">"));
    let figures = html.matches("<figure").count();
    // A figure has one drawing, or a list of small ones.
    let several: usize = html
        .split("<ul class=\"multiples\">")
        .skip(1)
        .map(|list| list.split("</ul>").next().unwrap_or_default().matches("role=\"img\"").count() - 1)
        .sum();
    assert_eq!(figures + several, html.matches("role=\"img\"").count());
    assert_eq!(figures, html.matches("<figcaption>").count());
    let headers = html.matches("<th ").count();
    assert_eq!(headers, html.matches("<th scope=\"").count());
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
}

/// Sections in the order of a report.
const SECTIONS: [&str; 12] = [
    "expectations",
    "thresholds",
    "labels",
    "breakdown",
    "errors",
    "hardest",
    "people",
    "routing",
    "agreement",
    "published",
    "failures",
    "computed",
];

/// All sections but the glossary, which ends every page.
pub(super) fn sections(html: &str) -> Vec<&str> {
    let ids = html.split("<section id=\"").skip(1).filter_map(|part| part.split('"').next());
    ids.filter(|id| *id != "glossary").collect()
}

#[test]
fn a_report_has_every_section_in_order() {
    let html = render(&sample::report()).unwrap();
    check(&html);
    assert_eq!(sections(&html), SECTIONS);
    for text in [
        "≤ 0.000033%",
        "1 of 2 expectations not met: upstream.impostor.max.",
        "vggface2-3fa9c1d2e07b",
        ">outside<",
        "31 of 475 identities",
        "2 look like another identity",
        "Not resolved by these searches: FPIR of 0.1%.",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    assert_eq!(render(&sample::report()).unwrap(), render(&sample::report()).unwrap());
    let comparison = || compare(vec![sample::summary("a", 0.0), sample::summary("b", 0.1)]).unwrap();
    assert_eq!(render_comparison(&comparison()).unwrap(), render_comparison(&comparison()).unwrap());
}

/// Fault (texts): names, identities and descriptions with markup, scripts and template syntax in a report → shown as text
#[test]
fn ids_cannot_become_markup() {
    let mut report = sample::report();
    let hostile = "</td><script>alert(1)</script><img src=x onerror=\"x\">'&{{ 7*7 }}";
    report.run_id = hostile.into();
    report.description = hostile.into();
    report.command = Some(hostile.into());
    report.plan = vec![(hostile.into(), hostile.into())];
    report.evaluation.metrics.pairs.mode = hostile.into();
    report.evaluation.identities[1].identity_id = hostile.into();
    report.evaluation.people = sample::people(&report.evaluation.identities);
    report.evaluation.people.audit.suspects[0].looks_like = hostile.into();
    report.evaluation.people.portraits[0].identity_id = hostile.into();
    report.failures[0].kind = hostile.into();
    let html = render(&report).unwrap();
    check(&html);
    assert!(html.contains("&lt;script&gt;alert(1)") && !html.contains("<script>alert"));
    let data = html.split("id=\"explorer-data\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(data).is_ok(), "{data}");
    let runs = vec![sample::summary(hostile, 0.0), sample::summary("b", 0.0)];
    check(&render_comparison(&compare(runs).unwrap()).unwrap());
}

#[test]
fn pairs_of_identities_come_with_two_faces_and_what_to_do() {
    let mut report = sample::report();
    let section = |report: &Report| {
        let html = render(report).unwrap();
        check(&html);
        let from = html.find("Possibly one person under two identities").unwrap();
        html[from..].split("</section>").next().unwrap().to_owned()
    };
    let text = section(&report);
    let cells = ["0.9700", "0.6100", "n000001&#x2f;<wbr>0001_<wbr>01&lt;i&gt;", "n000002&#x2f;<wbr>0007_<wbr>01"];
    let places = cells.map(|cell| text.find(&format!(">{cell}<")).unwrap_or_else(|| panic!("{cell}: {text}")));
    assert!(places.is_sorted(), "highest cosine, mean, face, other face");
    assert!(text.contains("Open the two faces") && text.contains("no proof") && text.contains("identity_pairs.csv"));
    assert!(!text.contains("evenly spaced") && !text.contains("earlier version"));

    let pair = &mut report.evaluation.people.audit.one_person[0];
    (pair.highest_cosine, pair.faces) = (None, [2_000, 501]);
    pair.face_a.clear();
    let text = section(&report);
    assert!(
        text.contains("1,000,000 pairs of faces") && text.contains("<code>facevault evaluate</code> adds them"),
        "{text}"
    );
}

#[test]
fn pictures_appear_only_when_given_and_never_without_end() {
    let mut report = sample::report();
    assert!(!render(&report).unwrap().contains("<img"));
    report.pictures.insert(1, b"foobar".to_vec());
    let html = render(&report).unwrap();
    assert_eq!(html.matches("<img src=\"data:image&#x2f;png;base64,Zm9vYmFy\"").count(), 2, "one in each table");
    assert!(html.contains("and pictures of faces"));
    // A suspect stands beside a typical face of the identity it is labelled as.
    let suspect = report.evaluation.people.audit.suspects[0].clone();
    report.pictures.insert(7_000, b"barbaz".to_vec());
    report.exemplars.insert(suspect.labelled_as.clone(), 7_000);
    let html = render(&report).unwrap();
    let row = html.split("Faces that do not look like their label</caption>").nth(1).unwrap();
    let row = row.split("<tbody>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(row.contains("base64,YmFyYmF6") && row.contains(&format!("face {}", suspect.labelled_as)), "{row}");
    report.pictures = (0..60).chain(1_000..1_050).map(|row| (row, vec![7; 400_000])).collect();
    check(&render(&report).unwrap());
}

#[test]
fn a_run_without_any_number_is_still_a_page() {
    let mut report = sample::report();
    report.evaluation = sample::nothing();
    report.timeline.clear();
    report.failures.clear();
    report.plan.clear();
    let html = render(&report).unwrap();
    check(&html);
    assert!(html.contains("Nothing to judge") && !html.contains("class=\"verdict"));
    let mut poor = sample::summary("poor", 0.0);
    poor.evaluation = sample::nothing();
    let comparison = compare(vec![poor, sample::summary("rich", 0.0)]).unwrap();
    check(&render_comparison(&comparison).unwrap());
    let _ = comparison.to_text(80);
}

/// A run of 200,000 faces: all their pairs, thousands of identities, every table and figure full.
fn large() -> Report {
    let mut report = sample::report();
    let evaluation = &mut report.evaluation;
    let (genuine, impostor) = (36_000_000.0, 1.7e10);
    evaluation.histograms = Histograms {
        genuine: sample::bell(65_536, genuine, 0.72, 0.15),
        impostor: sample::bell(65_536, impostor, 0.01, 0.11),
    };
    evaluation.curve = sample::curve(&evaluation.histograms);
    (evaluation.metrics.pairs.genuine, evaluation.metrics.pairs.impostor) = (genuine as u64, impostor as u64);
    let identity = evaluation.identities[1].clone();
    evaluation.identities = (0..9131_u32)
        .map(|i| IdentitySpread {
            identity_id: format!("n{i:06}"),
            genuine_mean: Some(f64::from(i * 7919 % 9131) / 9131.0),
            impostor_max: Some((i * 104_729 % 9131) as f32 / 9131.0),
            ..identity.clone()
        })
        .collect();
    let hardest = evaluation.hardest.clone();
    evaluation.hardest = (0..10).flat_map(|_| hardest.clone()).collect();
    let chunk = report.timeline[0].clone();
    report.timeline = (0..200).map(|i| ChunkTiming { chunk: i, session: i / 100, ..chunk.clone() }).collect();
    report
}

#[test]
fn a_large_run_stays_a_small_page() {
    let mut report = large();
    let html = render(&report).unwrap();
    check(&html);
    assert!(html.len() < 1_500_000, "{}", html.len());
    let chunk = report.timeline[0].clone();
    report.timeline = (0..20_000).map(|i| ChunkTiming { chunk: i, session: i / 3, ..chunk.clone() }).collect();
    check(&render(&report).unwrap());
}

#[test]
fn an_identity_without_an_error_has_a_bound() {
    let mut report = sample::report();
    let one = report.evaluation.people.identities.errors.iter_mut().find(|one| one.goat).unwrap();
    (one.false_matches, one.fmr_interval) = (0, Some((0.0, 0.000_074)));
    (one.misses, one.fnmr_interval) = (3_999, Some((0.98, 0.9999)));
    report.evaluation.people.routing.curve[0].fpir = 0.0;
    let html = render(&report).unwrap();
    assert!(html.contains("≤ 0.0074%") && html.contains("≤ 0.0016%"));
}

#[test]
fn a_comparison_shows_differences_before_numbers() {
    let mut other = sample::summary("other-run", 0.1);
    other.plan.push(("preprocess.crop.margin".into(), "32.0".into()));
    let html = render_comparison(&compare(vec![sample::summary("first-run", 0.0), other]).unwrap()).unwrap();
    check(&html);
    assert_eq!(sections(&html), ["verdict", "runs", "differences", "metrics", "distributions", "errors"]);
    assert!(html.contains("Differs: preprocessing (crop margin none → 32)."));
    assert!(html.contains(" pp") && html.contains("+0.1000"), "differences are shown");
}

/// Writes sample pages into a folder, to look at in a browser:
/// `SAMPLE_PAGES=/tmp cargo test --lib sample_pages -- --ignored`.
#[test]
#[ignore = "writes pages to look at"]
fn sample_pages() {
    let folder = std::path::PathBuf::from(std::env::var_os("SAMPLE_PAGES").expect("SAMPLE_PAGES names a folder"));
    let write = |name: &str, html: String| std::fs::write(folder.join(name), html).unwrap();
    let mut report = sample::report();
    write("report.html", render(&report).unwrap());
    write("large.html", render(&large()).unwrap());
    report.evaluation.metrics.expectations.truncate(1);
    let picture = image::RgbImage::from_fn(160, 160, |x, y| image::Rgb([x as u8, y as u8, 128]));
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    report.pictures = (0..60).map(|row| (row, png.get_ref().clone())).collect();
    report.timeline.truncate(1);
    write("pictures.html", render(&report).unwrap());
    report.evaluation = sample::nothing();
    write("nothing.html", render(&report).unwrap());
    let mut other = sample::summary("vggface2-77aa01cc9d21", 0.05);
    other.plan[5].1 = "sandberg-lfw".into();
    other.provenance[1].1 = "38145ed".into();
    let third = sample::summary("casia-webface-0123456789ab", -0.1);
    let runs = vec![sample::summary("vggface2-3fa9c1d2e07b", 0.0), other, third];
    write("compare.html", render_comparison(&compare(runs).unwrap()).unwrap());
    write("paired.html", paired::tests::page(&paired::tests::two_runs()));
    write("throughput.html", render_throughput(&throughput(0.25)).unwrap());
    let numbers = [Some(0.10), None, Some(0.121), Some(0.04)];
    for (name, design) in [("steps", Design::Steps), ("each", Design::Each), ("grid", Design::Grid)] {
        let found =
            crate::ablation::tests::ablation(design, if design == Design::Grid { 2 } else { 3 }, &numbers, 0.005);
        write(&format!("ablation-{name}.html"), render_ablation(&found).unwrap());
    }
    write("benchmarked.html", render(&benchmarked()).unwrap());
}

prop_compose! {
    fn any_number()(kind in 0..6, value in -1.5_f64..1.5, wild in proptest::num::f64::ANY) -> f64 {
        match kind {
            0 => wild,
            1 => 0.0,
            _ => value,
        }
    }
}

prop_compose! {
    fn any_evaluation()(
        genuine in proptest::collection::vec(0_u64..5, 0..40),
        impostor in proptest::collection::vec(0_u64..5, 0..40),
        numbers in proptest::collection::vec(any_number(), 24),
        rates in proptest::collection::vec((any_number(), any_number(), any_number()), 0..12),
        counts in proptest::collection::vec(prop_oneof![Just(0_u64), 0..1000_u64, proptest::num::u64::ANY], 4),
        bound in any::<bool>(),
    ) -> Evaluation {
        let mut evaluation = sample::nothing();
        let estimate = |i: usize| {
            let mut estimate = sample::estimate(numbers[i]);
            (estimate.lower, estimate.upper, estimate.bound) = (Some(numbers[i + 1]), Some(numbers[i + 2]), bound);
            estimate
        };
        let metrics = &mut evaluation.metrics;
        metrics.eer = estimate(0);
        metrics.auc = estimate(3);
        metrics.d_prime = estimate(6);
        metrics.genuine.mean = estimate(9);
        metrics.eer_threshold = numbers[12];
        (metrics.pairs.genuine, metrics.pairs.impostor) = (counts[0], counts[1]);
        metrics.operating_points =
            vec![OperatingPoint { target_fmr: numbers[13].abs(), threshold: Some(numbers[14]), fmr: Some(estimate(15)), tar: Some(estimate(18)) }];
        evaluation.identities = rates
            .iter()
            .map(|(a, b, c)| IdentitySpread {
                identity_id: "x".into(),
                faces: counts[2],
                genuine_mean: Some(*a),
                genuine_min: Some(*b as f32),
                impostor_max: Some(*c as f32),
                nearest_identity: None,
            })
            .collect();
        for (a, b, c) in &rates {
            evaluation.curve.threshold.push(*a);
            evaluation.curve.fmr.push(*b);
            evaluation.curve.fnmr.push(*c);
            evaluation.curve.fnmr_lower.push(*a);
        }
        evaluation.people = sample::people(&vec![sample::report().evaluation.identities[1].clone(); 9]);
        let people = &mut evaluation.people;
        (people.threshold, people.audit.margin) = (numbers[0], numbers[1]);
        (people.identities.fnmr, people.identities.fmr_spread) = (Some(estimate(2)), Some(estimate(5)));
        people.identities.errors[0].fnmr_interval = Some((numbers[7], numbers[8]));
        people.identities.errors[1].misses = counts[3].min(1 << 40);
        people.portraits[0].genuine.clone_from(&genuine);
        people.audit.suspects[0].own_cosine = numbers[9] as f32;
        people.routing.ladder[0].dir = Some(estimate(10));
        people.routing.ladder[5].fpir = None;
        people.routing.curve[3].dir_lower = numbers[11];
        people.routing.curve[4].fpir = numbers[12];
        let mut breakdown = sample::breakdown();
        breakdown.threshold = numbers[21];
        breakdown.all.fnmr = Some(estimate(0));
        breakdown.columns[0].slices[0].fmr = Some(estimate(3));
        breakdown.columns[1].slices[1].fnmr = Some(estimate(6));
        breakdown.discard.curves[0].fnmr[3] = estimate(9);
        breakdown.discard.curves[1].area = estimate(12);
        breakdown.discard.ideal[1] = numbers[22];
        evaluation.breakdown = Some(breakdown);
        evaluation.histograms = Histograms { genuine, impostor };
        evaluation
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_numbers_make_a_page(
        evaluation in any_evaluation(),
        timeline in proptest::collection::vec((any::<u32>(), any::<u64>(), any_number(), 0_u32..3), 0..9),
    ) {
        let mut report = sample::report();
        report.evaluation = evaluation;
        report.timeline = timeline.into_iter().map(|(chunk, faces, seconds, session)| ChunkTiming { chunk, faces, seconds, session }).collect();
        check(&render(&report).unwrap());
        let mut other = sample::summary("other", 0.0);
        other.evaluation = report.evaluation;
        let comparison = compare(vec![sample::summary("first", 0.0), other]).unwrap();
        check(&render_comparison(&comparison).unwrap());
        prop_assert!(comparison.to_text(400).ends_with("do not overlap\n"));
    }
}

/// A measurement of two variants, the second of which fails the gate and has every number `number`, and of one that is
/// unavailable.
fn throughput(number: f64) -> crate::throughput::Throughput {
    use crate::compare::{Effect, EffectVerdict, NearestFaces};
    use crate::model::{DeviceKind, Kernels, Precision};
    use crate::provenance::{Build, MachineInfo};
    use crate::throughput::meter::{CardState, Energy, MeterNote};
    use crate::throughput::{
        AccuracyGate, BenchVariant, EndToEnd, EndToEndOutcome, EndToEndSpeed, Failed, Floor, MeasuredVariant,
        NetworkSetup, Preparation, Quartiles, Reached, Reference, ReferenceAgreement, Separation, Stage, Tar,
        Throughput, VariantOutcome, VariantResult,
    };
    use crate::weights::WeightsOrigin;
    let variant = |device, batch| {
        let (precision, kernels, threads) = (Precision::F32, Kernels::Auto, Some(1));
        BenchVariant { engine: NetworkSetup { device, precision, kernels, threads }, batch }
    };
    let difference = Estimate { point: number, lower: Some(number), upper: Some(number), ..Estimate::default() };
    let measured = |name: &str, batch, number: f64, passed: bool| VariantResult {
        name: name.into(),
        variant: variant(DeviceKind::Cpu, batch),
        outcome: VariantOutcome::Measured(Box::new(MeasuredVariant {
            embedder: "network <candle>".into(),
            device_name: "CPU".into(),
            faces_per_second: Quartiles { median: number, lower: number, upper: number },
            by_round: vec![number; 3],
            ratio: Quartiles { median: number, lower: number, upper: number },
            stages: vec![
                Stage { name: "stem".into(), seconds: number, share: number, gflops: Some(number) },
                Stage { name: "head".into(), seconds: number, share: number, gflops: None },
            ],
            reached: Some(Reached { tflops: number, peak_tflops: Some(number), share: Some(number) }),
            agreement: ReferenceAgreement {
                closeness: crate::closeness::Closeness {
                    min_cosine: number,
                    mean_cosine: number,
                    max_difference: number,
                },
                nearest: Some(NearestFaces { asked: 8, flipped: 2, all: true }),
                eer_difference: Some(Effect { difference: difference.clone(), verdict: EffectVerdict::NotResolvable }),
            },
            separation: None,
            gate: AccuracyGate {
                passed,
                because: if passed { Vec::new() } else { vec!["lowest cosine <0.5>".into()] },
                least_cosine: 0.99,
            },
            energy: Some(Energy { joules: number, seconds: number, faces: 8, watts: number, faces_per_joule: number }),
            energy_absent: None,
            card_state: Some(CardState { watts: Some(number), clock_mhz: Some(1980), ..CardState::default() }),
        })),
    };
    let failed = Failed { err: "out of <memory>".into(), not_available: false };
    let whole = EndToEndSpeed {
        faces: 8,
        seconds: number,
        faces_per_second: number,
        of_network: number,
        fed: number,
        busy: Some(number),
        workers: 2,
        prepare_seconds: number,
        upload_seconds: Some(number),
        network_seconds: Some(number),
        download_seconds: None,
        write_seconds: number,
    };
    let end_to_end = |name: &str, outcome| {
        let variant = variant(DeviceKind::Cpu, 8);
        EndToEnd { name: name.into(), variant, counts: false, outcome }
    };
    let meter = |device, source: Option<&str>, absent: Option<&str>| MeterNote {
        device,
        source: source.map(Into::into),
        absent: absent.map(Into::into),
    };
    let tar = vec![Tar { fmr: 0.1, tar: 0.9 }];
    Throughput {
        schema: 2,
        config: "small".into(),
        measured_at: 0,
        faces: 8,
        side: 80,
        mirrored: true,
        rounds: 3,
        seconds: 1.0,
        reference: Reference::Candle,
        reference_separation: Some(Separation { genuine: 4, impostor: 20, eer: 0.0, eer_bound: Some(0.53), tar }),
        preparation: Preparation::default(),
        floor: Floor { flop: Some(number), parameters: 10, bytes: 100 },
        variants: vec![
            measured("first & best", 8, 0.5, true),
            measured("second", 32, number, false),
            VariantResult {
                name: "third".into(),
                variant: variant(DeviceKind::Cuda, 1024),
                outcome: VariantOutcome::Failed(failed.clone()),
            },
        ],
        end_to_end: vec![
            end_to_end("first & best", EndToEndOutcome::Measured(whole)),
            end_to_end("second", EndToEndOutcome::Failed(failed)),
        ],
        meters: vec![
            meter(DeviceKind::Cpu, Some("RAPL, 1 processor package"), None),
            meter(DeviceKind::Cuda, None, Some("the driver does not count it")),
        ],
        cards: Vec::new(),
        left_out: vec!["skipping device cuda: none".into()],
        peak_memory_mib: None,
        machine: MachineInfo::current(),
        build: Build::current(),
        weights: WeightsOrigin {
            origin: crate::model::weights::Origin {
                source: "x".into(),
                location: "x".into(),
                revision: None,
                bytes: 1,
            },
            sha256: crate::digest::Digest::of(b"weights"),
            pinned_by: None,
        },
    }
}

#[test]
fn a_measurement_is_a_whole_page_whatever_its_numbers() {
    for number in [0.25, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
        let html = render_throughput(&throughput(number)).unwrap();
        check(&html);
        assert!(html.contains("first\u{a0}&amp;\u{a0}best") && html.contains("network &lt;candle&gt;"), "{number}");
        assert_eq!(html.matches("<figure>").count(), 4);
        for id in ["speed", "accuracy", "stages", "whole", "energy", "floor", "provenance"] {
            assert!(html.contains(&format!("<section id=\"{id}\"")), "{id}");
        }
    }
}

#[test]
fn a_speed_that_does_not_count_is_struck_out_in_words_too_and_is_never_the_fastest() {
    let measured = throughput(900.0);
    let html = render_throughput(&measured).unwrap();
    assert!(html.contains("<s>900.0</s><small>struck out: lowest cosine &lt;0.5&gt;</small>"), "{html}");
    assert!(
        html.contains("<s>900.0</s><small>struck out: its embeddings fail the gate</small>"),
        "the end-to-end pass too"
    );
    assert!(
        html.contains("Fastest: first &amp; best, 0.5 faces per second"),
        "the second one is faster and struck out"
    );
    // Unmeasured variants are listed with their reason, for the network and for the end-to-end pass.
    assert_eq!(html.matches("out of &lt;memory&gt;").count(), 2);
    assert!(html.contains("not counted, the driver does not count it"));
    let text = measured.to_text(400);
    for line in [
        "✗ second",
        "struck out: second: lowest cosine <0.5>",
        "failed: third: out of <memory>",
        "skipping device cuda: none",
        "2 of 8",
        "Fastest: first & best",
        "energy of cuda: not counted, the driver does not count it",
    ] {
        assert!(text.contains(line), "{line} is missing from\n{text}");
    }
}

#[test]
fn a_variant_is_the_fastest_only_beyond_noise_and_a_slow_precision_is_said() {
    use crate::model::Precision;
    use crate::throughput::{Quartiles, VariantOutcome};
    let measured = |rounds: &[[f64; 2]], precision| {
        let mut measured = throughput(0.25);
        measured.variants.truncate(2);
        measured.rounds = rounds.len();
        measured.variants[1].variant.engine.precision = precision;
        for (i, cell) in measured.variants.iter_mut().enumerate() {
            let VariantOutcome::Measured(one) = &mut cell.outcome else { panic!("{cell:?}") };
            one.gate.passed = true;
            one.by_round = rounds.iter().map(|round| round[i]).collect();
            one.faces_per_second = Quartiles::of(&one.by_round).unwrap();
        }
        measured
    };
    // The machine slows down; the first is faster in each round, or in some.
    let ahead = measured(&[[110.0, 100.0], [100.0, 91.0], [90.0, 80.0]], Precision::Bf16);
    assert!(ahead.fastest_text().starts_with("Fastest: first & best, 100.0 faces per second, lowest"));
    insta::assert_snapshot!(ahead.slower_than_f32().join("\n"), @"bf16 is slower than f32 here: 0.91 times its speed [0.90, 0.91] (cpu auto bf16 threads 1, each at its fastest batch size).");
    let level = measured(&[[110.0, 112.0], [100.0, 95.0], [90.0, 90.0]], Precision::Bf16);
    insta::assert_snapshot!(level.fastest_text(), @"first & best (100.0 faces per second) and second (95.0 faces per second) cannot be told apart within noise.");
    assert!(level.slower_than_f32().is_empty());
    insta::assert_snapshot!(measured(&[[100.0, 90.0]], Precision::F32).fastest_text(), @"Fastest: first & best, 100.0 faces per second in a single round, which does not show noise, lowest cosine to the reference 0.500000.");
    let html = render_throughput(&ahead).unwrap();
    assert!(html.contains("bf16 is slower than f32 here: 0.91 times its speed"), "{html}");
}

#[test]
fn a_measurement_without_stages_energy_or_a_whole_pass_says_so_or_leaves_it_out() {
    let mut measured = throughput(0.25);
    measured.end_to_end.clear();
    for cell in &mut measured.variants {
        if let crate::throughput::VariantOutcome::Measured(one) = &mut cell.outcome {
            one.stages.clear();
            (one.energy, one.card_state, one.reached) = (None, None, None);
        }
    }
    let html = render_throughput(&measured).unwrap();
    check(&html);
    assert!(html.contains("can time its stages") && !html.contains("id=\"whole\""));
}

/// A run with a protocol that leaves out pairs, and published values for it.
fn benchmarked() -> Report {
    let mut report = sample::report();
    let estimate = |point: f64, reach: f64| Estimate {
        point,
        lower: Some(point - reach),
        upper: Some(point + reach),
        n: 5999,
        ..report.evaluation.metrics.eer.clone()
    };
    let protocol = Protocol {
        group: None,
        name: "view-2".into(),
        pairs: PairsSource::Dataset,
        split: Split::Folds { count: None },
        distance: Distance::Arccos,
        subtract_mean: true,
        thresholds: Grid { from: 0.0, to: 4.0, step: 0.01 },
        far: FarTarget { target: 1e-3, step: 0.001 },
        max_left_out: 0.05,
    };
    let fold = |fold| FoldResult {
        fold,
        pairs: 600,
        threshold: 0.41,
        accuracy: 0.995,
        val_threshold: 0.35,
        val: Some(0.98),
        far: None,
    };
    let result = ProtocolResult {
        protocol,
        pairs: ListedCounts { listed: 6000, genuine: 2999, impostor: 3000, missing: 3, absent: 2 },
        folds: (1..=10).map(fold).collect(),
        accuracy: estimate(0.995, 0.002),
        accuracy_std: 0.0025,
        val: Some(estimate(0.98, 0.01)),
        val_std: Some(0.01),
        far: None,
        auc: Estimate { lower: None, upper: None, ..estimate(0.999, 0.0) },
        eer: None,
    };
    report.evaluation.metrics.protocols = vec![result];
    let published = |metric: &str, value| Published {
        metric: metric.into(),
        value,
        plus_minus: Some(0.00252),
        source: "README of <davidsandberg/facenet>".into(),
        differs: vec!["faces were detected".into(), "mirrored".into()],
    };
    let published =
        [published("view-2.accuracy", 0.9965), published("view-2.val", 0.9999), published("view-2.eer", 0.1)];
    report.published = published::compare(&report.evaluation.metrics, &published, &[]);
    report
}

#[test]
fn protocols_are_shown_with_published_values() {
    let report = benchmarked();
    let html = render(&report).unwrap();
    let plain = text_of(&html);
    for text in [
        "view-2: 2,999 genuine and 3,000 impostor test pairs of a list of 6,000; 10 folds, each \
         with thresholds from the other folds; arccos distance after subtracting the training folds' mean; thresholds from 0 up to \
         but excluding 4 in steps of 0.01. 3 pairs were left out (2 with a face that the dataset does not contain, 1 with a face without an \
         embedding; pairs_left_out.csv lists them): compare with care.",
        "view-2 accuracy 99.50% 0.25% [99.30%, 99.70%]",
        "view-2.accuracy 99.50% ± 0.25% [99.30%, 99.70%] 99.65% ± 0.25% ✓ agrees README of <davidsandberg/facenet> faces \
         were detected; mirrored",
        "view-2.val 98.00% ± 1.00% [97.00%, 99.00%] 99.99% ± 0.25% ▼ below",
        "view-2.eer – 10.00% ± 0.25% ○ not measured",
    ] {
        assert!(plain.contains(text), "{text}\n\n{plain}");
    }
    let bare = text_of(&render(&sample::report()).unwrap());
    assert!(!bare.contains("Verification protocols") && !bare.contains("Published values"));
}

#[test]
fn searches_are_shown_with_their_curves() {
    let mut report = sample::report();
    let (result, probes) = facevault_stats::testing::searched();
    report.evaluation.metrics.identification = vec![result];
    report.evaluation.searched = vec![probes];
    let html = render(&report).unwrap();
    check(&html);
    let plain = text_of(&html);
    for text in [
        "search: 36 probes of 12 people are searched for among 12 people; 36 probes of 12 people are not in the gallery. The \
         gallery is the first face of each identity (12 faces); 50% of the identities, chosen by the seed, have none; a \
         person's score is that of the most similar of their faces.",
        "A dash: the gallery holds no more people, so every search reaches that rank.",
        "A dash: an FPIR takes at least 1/FPIR searches for people who are not in the gallery.",
        "In the search search among 12 people, the right one comes first for",
        "If one in 10 searches for a stranger may return somebody,",
        "Cumulative match characteristic (CMC)",
        "True positive identification rate (TPIR, DIR) by FPIR",
    ] {
        assert!(plain.contains(text), "{text}\n\n{plain}");
    }
    let bare = text_of(&render(&sample::report()).unwrap());
    assert!(!bare.contains("Cumulative match"));
}

/// The visible text, in one line.
fn text_of(html: &str) -> String {
    let html = html.replace("<wbr>", "");
    let (mut text, mut rest) = (String::new(), html.as_str());
    while let Some((before, after)) = rest.split_once('<') {
        text += before;
        text.push(' ');
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#x2f;", "/");
    let text = text.replace("&#x27;", "'").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
