//! Invented runs for tests.

use super::{ChunkTiming, FailureRow, Report};
use crate::agreement::{PrecisionAgreement, PrecisionRates, Verification};
use crate::breakdown::{Breakdown, Discard, DiscardCurve, SCHEMA as BREAKDOWN, SkippedColumn, Slice, Slices, Warning};
use crate::compare::RunSummary;
use crate::estimate::{Estimate, Unit};
use crate::evaluate::Evaluation;
use crate::metrics::{FaceCounts, Judged, Metrics, PairCounts, PublishedRow, SCHEMA, UpstreamResult};
use crate::model::Precision;
use crate::people::audit::{Audit, Cause, Looks, OnePerson, WithAndWithout, WrongPair};
use crate::people::headline::KeyMetrics;
use crate::people::routing::{CurvePoint, LADDER, Routing, RoutingPoint, RoutingTarget, TARGETS};
use crate::people::{Centroids, Identities, IdentityErrors, People, Portrait, Suspect};
use crate::similarity::{HardPair, Histograms, IdentitySpread, PairKind};
use crate::verification::{
    Curve, Distribution, ErrorRate, Intervals, OperatingPoint, Quantile, RateIntervals, ThresholdRates,
};

/// An estimate whose interval reaches 5% to each side.
pub(crate) fn estimate(point: f64) -> Estimate {
    let spread = point.abs() * 0.05;
    Estimate {
        point,
        lower: Some(point - spread),
        upper: Some(point + spread),
        n: 12_345,
        unit: Unit::Pairs,
        level: 0.95,
        method: "identity bootstrap, 1000 replicates".into(),
        bound: false,
    }
}

fn distribution(mean: f64, std: f64) -> Distribution {
    let levels = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999];
    let z = [-3.09, -2.33, -1.64, -0.67, 0.0, 0.67, 1.64, 2.33, 3.09];
    Distribution {
        mean: estimate(mean),
        std: estimate(std),
        mean_abs: estimate(mean.abs()),
        min: mean - 4.0 * std,
        max: (mean + 4.0 * std).min(1.0),
        quantiles: levels
            .into_iter()
            .zip(z)
            .map(|(level, z)| Quantile { level, value: estimate((mean + z * std).min(1.0)) })
            .collect(),
    }
}

/// A normal distribution in whole pairs; rounding remainders carry over to the next bin.
pub(crate) fn bell(bins: usize, pairs: f64, mean: f64, std: f64) -> Vec<u64> {
    let width = 2.0 / bins as f64;
    let mut rest = 0.5;
    (0..bins)
        .map(|bin| {
            let z = ((bin as f64 + 0.5) * width - 1.0 - mean) / std;
            rest += pairs * width / (std * 2.507) * (-0.5 * z * z).exp();
            let whole = rest.floor();
            rest -= whole;
            whole as u64
        })
        .collect()
}

/// Error rates at each occupied bin edge, from the strictest threshold down.
pub(crate) fn curve(histograms: &Histograms) -> Curve {
    let sums = [&histograms.genuine, &histograms.impostor].map(|counts| counts.iter().sum::<u64>().max(1) as f64);
    let bins = histograms.genuine.len();
    let (mut curve, mut genuine, mut impostor) = (Curve::default(), 0, 0);
    for bin in (0..bins).rev() {
        genuine += histograms.genuine[bin];
        impostor += histograms.impostor[bin];
        if histograms.genuine[bin] + histograms.impostor[bin] > 0 {
            let fnmr = 1.0 - genuine as f64 / sums[0];
            let spread = 2.0 * (fnmr * (1.0 - fnmr) / sums[0]).sqrt() * 8.0;
            curve.threshold.push(2.0 * bin as f64 / bins as f64 - 1.0);
            curve.fmr.push(impostor as f64 / sums[1]);
            curve.fnmr.push(fnmr);
            curve.fnmr_lower.push((fnmr - spread).max(0.0));
            curve.fnmr_upper.push((fnmr + spread).min(1.0));
        }
    }
    curve
}

/// A plausible evaluation; `shift` moves the mean of genuine pairs.
pub(crate) fn evaluation(shift: f64) -> Evaluation {
    let (bins, mean) = (65_536, 0.72 + shift);
    let histograms =
        Histograms { genuine: bell(bins, 400_000.0, mean, 0.15), impostor: bell(bins, 9_000_000.0, 0.01, 0.11) };
    let curve = curve(&histograms);
    let mut zero = estimate(0.0);
    zero.bound = true;
    zero.upper = Some(3.3e-7);
    let mut operating_points: Vec<_> = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]
        .into_iter()
        .filter_map(|target_fmr| {
            let i = curve.fmr.iter().rposition(|fmr| *fmr <= target_fmr)?;
            let mut tar = estimate(1.0 - curve.fnmr[i]);
            tar.upper = tar.upper.map(|upper| upper.min(1.0));
            Some(OperatingPoint {
                target_fmr,
                threshold: Some(curve.threshold[i]),
                fmr: Some(if target_fmr < 5e-5 { zero.clone() } else { estimate(curve.fmr[i]) }),
                tar: Some(tar),
            })
        })
        .collect();
    operating_points.push(OperatingPoint { target_fmr: 1e-6, threshold: None, fmr: Some(zero), tar: None });
    let intervals = operating_points.iter().flat_map(three_intervals).collect();
    let at = |threshold: f64| curve.threshold.iter().position(|edge| *edge <= threshold).unwrap_or(0);
    let thresholds = [0.3, 0.45, 0.62]
        .map(|threshold| (threshold, at(threshold)))
        .map(|(threshold, i)| ThresholdRates { threshold, fmr: estimate(curve.fmr[i]), fnmr: estimate(curve.fnmr[i]) })
        .into();
    let equal = curve.fmr.iter().zip(&curve.fnmr).position(|(fmr, fnmr)| fmr >= fnmr).unwrap_or(0);
    let (genuine, impostor) = (distribution(mean, 0.15), distribution(0.01, 0.11));
    let hardest = [PairKind::Genuine, PairKind::Impostor].into_iter().flat_map(|kind| {
        (1..=12_u32).map(move |rank| HardPair {
            kind,
            rank,
            row_a: rank,
            row_b: rank + 40,
            face_a: format!("0b7e{rank:04}-5d1c-4e0f-9a55-2f0d6c1b{rank:04}"),
            face_b: format!("<script>alert({rank})</script>"),
            identity_a: "n000164".into(),
            identity_b: if kind == PairKind::Genuine { "n000164".into() } else { "n0002\"7&1".into() },
            cosine: if kind == PairKind::Genuine { -0.3 + rank as f32 / 50.0 } else { 0.62 - rank as f32 / 90.0 },
        })
    });
    let identities = (0..480_u32).map(|i| {
        let wave = f64::from(i * 7919 % 480) / 480.0;
        IdentitySpread {
            identity_id: format!("n{i:06}"),
            faces: 100 + u64::from(i) % 300,
            genuine_mean: (i % 97 != 0).then_some(0.55 + 0.3 * wave),
            genuine_min: Some((wave - 0.4) as f32),
            impostor_max: Some((0.35 + 0.25 * (wave * 37.0).sin().abs()) as f32),
            nearest_identity: Some(format!("n{:06}", (i + 9) % 480)),
        }
    });
    let metrics = Metrics {
        schema: SCHEMA,
        faces: FaceCounts {
            manifest: 187_697,
            embedded: 187_640,
            failed: 57,
            labelled: 187_600,
            identities: 480,
            singletons: 5,
        },
        pairs: PairCounts {
            mode: "sampled".into(),
            genuine: 400_000,
            impostor: 9_000_000,
            genuine_available: 36_000_000,
            impostor_available: 17_500_000_000,
            excluded_same_image: 120,
            excluded_same_content: 4,
            unlabelled_faces: 40,
        },
        d_prime: estimate(6.17 + shift * 8.0),
        auc: estimate(0.9 + shift / 10.0),
        eer: estimate(f64::midpoint(curve.fmr[equal], curve.fnmr[equal])),
        eer_threshold: curve.threshold[equal],
        fmr100: estimate(0.012),
        fmr1000: estimate(0.034),
        zero_fmr: estimate(0.21),
        operating_points,
        intervals,
        thresholds,
        upstream: Some(UpstreamResult {
            genuine: genuine.clone(),
            impostor: impostor.clone(),
            rows: vec![
                PublishedRow {
                    quantity: "same identity, mean".into(),
                    measured: mean,
                    lower: 0.7,
                    upper: 0.8,
                    inside: true,
                },
                PublishedRow {
                    quantity: "different identities, largest".into(),
                    measured: 0.61,
                    lower: -0.49,
                    upper: 0.56,
                    inside: false,
                },
            ],
        }),
        expectations: vec![
            Judged {
                metric: "eer".into(),
                value: Some(0.0123),
                min: None,
                max: Some(0.05),
                source: Some("the configs' README".into()),
                met: true,
                not_judged: None,
            },
            Judged {
                metric: "upstream.impostor.max".into(),
                value: Some(0.61),
                min: Some(-0.49),
                max: Some(0.56),
                source: Some("published".into()),
                met: false,
                not_judged: None,
            },
        ],
        genuine,
        impostor,
        ..Metrics::default()
    };
    let (hardest, identities): (Vec<_>, Vec<_>) = (hardest.collect(), identities.collect());
    let people = people(&identities);
    Evaluation {
        metrics,
        curve,
        histograms,
        hardest,
        identities,
        centroids: Centroids::default(),
        people,
        breakdown: Some(breakdown()),
        tested: Vec::new(),
        searched: Vec::new(),
    }
}

/// Plausible results by identity: some goats and lambs, two wrong labels among outliers.
pub(crate) fn people(identities: &[IdentitySpread]) -> People {
    let errors = identities.iter().zip(0_u64..).map(|(identity, i)| {
        let (genuine, impostor) = (if identity.genuine_mean.is_some() { 4_000 } else { 0 }, 40_000);
        let (misses, false_matches) = (i * i % 97 * genuine / 1_000, i * 31 % 89);
        let around = |rate: f64| Some((rate * 0.8, rate * 1.3 + 0.000_01));
        let (fnmr, fmr) = (misses as f64 / 4_000.0, false_matches as f64 / impostor as f64);
        IdentityErrors {
            identity_id: identity.identity_id.clone(),
            faces: identity.faces,
            genuine,
            misses,
            fnmr_interval: around(fnmr),
            impostor,
            false_matches,
            fmr_interval: around(fmr),
            goat: fnmr > 0.09,
            lamb: fmr > 0.0021,
        }
    });
    let found = Identities {
        fnmr: Some(estimate(0.048)),
        fmr: Some(estimate(0.001)),
        fnmr_spread: Some(estimate(6.2)),
        fmr_spread: Some(Estimate { lower: None, upper: None, ..estimate(1.1) }),
        fnmr_judged: 475,
        fmr_judged: 480,
        goats: 31,
        lambs: 12,
        errors: errors.collect(),
    };
    let portrait = |i: usize| Portrait {
        identity_id: identities[i].identity_id.clone(),
        missed: i < 4,
        genuine: bell(40, 4_000.0, 0.45 + i as f64 / 30.0, 0.2),
        impostor: bell(40, 90_000.0, 0.02, 0.1 + i as f64 / 100.0),
    };
    let suspects = (1..=45_u64).map(|rank| {
        let own_cosine = 0.1 - rank as f32 / 500.0;
        let its_cosine = if rank < 3 { 0.71 } else { 0.3 - rank as f32 / 400.0 };
        Suspect {
            rank,
            face_id: format!("face-{rank:05}<i>"),
            row: 1_000 + rank as u32,
            labelled_as: "n000003".into(),
            own_cosine,
            looks_like: "n000007".into(),
            its_cosine,
            margin: its_cosine - own_cosine,
            kind: if rank < 3 { Looks::Another } else { Looks::Nobody },
        }
    });
    let headline = |shift: f64| KeyMetrics {
        genuine_pairs: 1_000_000,
        impostor_pairs: 1_000_000,
        eer: estimate(0.0312 - shift),
        tar: Some(estimate(0.952 + shift)),
        genuine_mean: estimate(0.72 + shift),
        d_prime: estimate(6.17 + shift),
    };
    let wrong = |kind, rank, cause| WrongPair { kind, rank, cause };
    let audit = Audit {
        far: 0.36,
        near: 0.36,
        margin: 0.11,
        another: 2,
        nobody: 43,
        twice: 1,
        one_person: vec![OnePerson {
            identity_a: "n000001".into(),
            identity_b: "n000002".into(),
            mean_cosine: 0.61,
            highest_cosine: Some(0.97),
            face_a: "n000001/0001_01<i>".into(),
            face_b: "n000002/0007_01".into(),
            faces: [300, 12],
        }],
        wrong_pairs: vec![
            wrong(PairKind::Genuine, 1, Cause::WrongLabel),
            wrong(PairKind::Genuine, 2, Cause::Nobody),
            wrong(PairKind::Impostor, 1, Cause::Unexplained),
        ],
        metrics: Some(WithAndWithout { exhaustive: false, with: headline(0.0), without: headline(0.004) }),
        suspects: suspects.collect(),
    };
    let rate = |point: f64| Some(Estimate { unit: Unit::Faces, ..estimate(point) });
    let at = |threshold: f32| {
        let strict = f64::from(threshold);
        RoutingPoint {
            threshold,
            dir: rate(1.0 - strict.powi(4)),
            wrong: rate(0.002),
            fpir: rate(10f64.powf(1.0 - 8.0 * strict)),
        }
    };
    let curve = (0..60).map(|i| {
        let fpir = 10f64.powf(-5.0 + f64::from(i) / 12.0);
        let dir = 0.8 + f64::from(i) / 400.0;
        CurvePoint { threshold: 0.9 - i as f32 / 100.0, fpir, dir, dir_lower: dir - 0.02, dir_upper: dir + 0.02 }
    });
    let targets = TARGETS.map(|fpir| RoutingTarget { fpir, point: (fpir > 2e-3).then(|| at(0.41)) });
    let routing = Routing {
        gallery: 480,
        held_out: 187_595,
        alone: 5,
        rank_one: rate(0.987),
        ladder: LADDER.map(at).into(),
        targets: targets.into(),
        curve: curve.collect(),
    };
    let portraits = (0..8).map(portrait).collect();
    People { schema: crate::people::SCHEMA, threshold: 0.36, identities: found, portraits, audit, routing }
}

/// Both rates of an operating point with a threshold; the naive interval is a tenth as wide.
fn three_intervals(point: &OperatingPoint) -> Vec<RateIntervals> {
    let &OperatingPoint { target_fmr, threshold: Some(threshold), .. } = point else { return Vec::new() };
    let of = |rate: ErrorRate, estimate: &Estimate| {
        let point = estimate.point;
        let around = |share: f64| [point - share * 0.05 * point, point + share * 0.05 * point];
        let resolved = |share: f64| (!estimate.bound).then(|| around(share));
        let intervals = Intervals {
            wilson: resolved(1.0),
            bootstrap: resolved(1.1),
            naive: around(0.1),
            naive_too_narrow: (!estimate.bound).then_some(10.0),
        };
        RateIntervals { rate, target_fmr, threshold, point, intervals }
    };
    let rates = [(ErrorRate::Fmr, &point.fmr), (ErrorRate::Tar, &point.tar)];
    rates.into_iter().filter_map(|(rate, estimate)| Some(of(rate, estimate.as_ref()?))).collect()
}

fn slice(name: &str, fnmr: f64) -> Slice {
    let mut none = estimate(0.0);
    (none.bound, none.upper) = (true, Some(4e-4));
    let small = fnmr > 0.2;
    Slice {
        name: name.into(),
        range: None,
        faces: 46_900,
        identities: if small { 5 } else { 471 },
        fnmr: Some(if fnmr == 0.0 { none } else { estimate(fnmr) }),
        fmr: Some(estimate(0.001 + fnmr / 100.0)),
        warnings: if small { vec![Warning::FewIdentities, Warning::FewGenuine] } else { Vec::new() },
    }
}

/// Two columns with slices, one without, and two curves: one measure predicts misses, the other does not.
pub(crate) fn breakdown() -> Breakdown {
    let column = |name: &str, slices: &[(&str, f64)]| Slices {
        column: name.into(),
        unknown: 12,
        slices: slices.iter().map(|(name, fnmr)| slice(name, *fnmr)).collect(),
    };
    let shares: Vec<f64> = (0..26).map(|step| f64::from(step) / 50.0).collect();
    let curve = |measure: &str, falls: f64| DiscardCurve {
        measure: measure.into(),
        pairs: 400_000,
        fnmr: shares.iter().map(|share| estimate(0.02 * (1.0 - falls * share))).collect(),
        area: estimate(1.0 - falls / 4.0),
    };
    let reason = "5012 different texts are neither few nor numbers".into();
    Breakdown {
        schema: BREAKDOWN,
        threshold: 0.3456,
        all: slice("all faces", 0.02),
        columns: vec![
            column(
                "sharpness",
                &[("3.1 to 80", 0.05), ("80.2 to 200", 0.02), ("200.4 to 611", 0.01), ("612 to 9000", 0.0)],
            ),
            column("meta.camera <old>", &[("front", 0.02), ("side & back", 0.3)]),
        ],
        left_out: vec![SkippedColumn { column: "meta.note".into(), reason }],
        discard: Discard {
            pairs: 400_000,
            available: 36_000_000,
            misses: 8_000,
            ideal: shares.iter().map(|share| ((0.02 - share) / (1.0 - share)).max(0.0)).collect(),
            curves: vec![curve("sharpness", 1.5), curve("exposure", 0.0)],
            shares,
        },
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

/// int8, slightly worse than f32.
fn agreement() -> PrecisionAgreement {
    let rates = |eer| PrecisionRates { eer: estimate(eer), operating_points: Vec::new() };
    PrecisionAgreement {
        precision: Precision::Int8,
        device: "CPU (avx2+fma, 2 threads)".into(),
        sample: "256 faces in evenly spaced blocks of 8".into(),
        faces: 255,
        cosine_min: 0.991_25,
        cosine_mean: 0.998,
        max_difference: 0.012,
        verification: Some(Verification {
            genuine_pairs: 896,
            impostor_pairs: 31_744,
            f32: rates(0.0125),
            lower: rates(0.0126),
        }),
    }
}

/// A plausible run.
pub(crate) fn report() -> Report {
    let kinds = ["decode", "read", "changed"];
    Report {
        agreement: Some(agreement()),
        run_id: "vggface2-3fa9c1d2e07b".into(),
        facts: vec![("Run", "vggface2-3fa9c1d2e07b".into()), ("Dataset", "folders faces".into())],
        description: "VGGFace2 checkpoint on 187,697 face crops: does it still separate people as published?".into(),
        command: Some("facevault experiment configs/vggface2.yaml --set embed.batch_size=64".into()),
        removals: Vec::new(),
        reused: Vec::new(),
        plan: pairs(&[
            ("code", "1"),
            ("dataset.faces", "187697"),
            ("dataset.manifest", "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"),
            ("model.precision", "f32"),
            ("model.weights", "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"),
            ("preprocess.profile", "facenet-pytorch"),
            ("similarity.pairs", "sampled"),
        ]),
        cautions: Vec::new(),
        unpinned: Vec::new(),
        provenance: pairs(&[
            ("build.version", "0.1.0"),
            ("build.revision", "5003ca9 (dirty)"),
            ("dataset.manifest", "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"),
            ("sessions.0.started", "2026-11-23 23:45:00 UTC"),
            ("sessions.0.ended", "never"),
            ("sessions.0.machine.cpu", "A processor with a name that is as long as such names are @ 2.00GHz"),
        ]),
        evaluation: evaluation(0.0),
        published: Vec::new(),
        timeline: (0..184)
            .map(|chunk| ChunkTiming {
                chunk,
                faces: 1024,
                seconds: 7.0 + f64::from(chunk * 31 % 17) / 9.0 + if chunk % 60 == 0 { 3.0 } else { 0.0 },
                session: u32::from(chunk >= 70) + u32::from(chunk >= 150),
            })
            .collect(),
        failures: (0..57)
            .map(|i| FailureRow {
                row: 17 + 3001 * i,
                face_id: format!("face-{i:05}<b>"),
                kind: kinds[i as usize % 3].into(),
                message:
                    "cannot decode crops/0b7e5d1c.jpg: the JPEG ends after 1,204 of its bytes; make the crop again"
                        .into(),
            })
            .collect(),
        left_out: "2 pictures deeper than <identity>/<image>, 1 hidden".into(),
        pictures: std::collections::BTreeMap::new(),
        exemplars: std::collections::BTreeMap::new(),
    }
}

/// The same run as input to a comparison, with a name and a shift.
pub(crate) fn summary(run_id: &str, shift: f64) -> RunSummary {
    let Report { plan, provenance, .. } = report();
    RunSummary { run_id: run_id.into(), plan, provenance, evaluation: evaluation(shift) }
}

/// An empty evaluation: no pairs, identities or numbers.
pub(crate) fn nothing() -> Evaluation {
    let none = || Estimate { lower: None, upper: None, n: 0, ..estimate(f64::NAN) };
    let empty = || Distribution {
        mean: none(),
        std: none(),
        mean_abs: none(),
        min: f64::NAN,
        max: f64::NAN,
        quantiles: Vec::new(),
    };
    Evaluation {
        metrics: Metrics {
            schema: SCHEMA,
            pairs: PairCounts { mode: "exhaustive".into(), ..PairCounts::default() },
            genuine: empty(),
            impostor: empty(),
            d_prime: none(),
            auc: none(),
            eer: none(),
            eer_threshold: f64::NAN,
            fmr100: none(),
            fmr1000: none(),
            zero_fmr: none(),
            ..Metrics::default()
        },
        histograms: Histograms { genuine: Vec::new(), impostor: Vec::new() },
        curve: Curve::default(),
        hardest: Vec::new(),
        identities: Vec::new(),
        centroids: Centroids::default(),
        people: People::default(),
        breakdown: None,
        tested: Vec::new(),
        searched: Vec::new(),
    }
}
