use super::*;
use crate::report::sample;
use insta::assert_snapshot;

fn with(run_id: &str, change: impl FnOnce(&mut RunSummary)) -> RunSummary {
    let mut run = sample::summary(run_id, 0.0);
    change(&mut run);
    run
}

fn set(pairs: &mut Vec<(String, String)>, key: &str, value: &str) {
    pairs.retain(|(k, _)| k != key);
    pairs.push((key.into(), value.into()));
}

fn headline_of(change: impl FnOnce(&mut RunSummary)) -> String {
    compare(vec![with("a", |_| ()), with("b", change)]).unwrap().headline
}

#[test]
fn a_comparison_needs_two_different_runs() {
    let error = |runs| compare(runs).unwrap_err();
    assert_snapshot!(error(vec![with("a", |_| ())]), @"a comparison needs at least two runs, got 1; `facevault runs` lists them");
    assert_snapshot!(error(vec![with("a", |_| ()), with("a", |_| ())]), @"run a is named twice; a comparison needs different runs");
}

#[test]
fn the_headline_says_what_differs() {
    assert_snapshot!(headline_of(|_| ()), @"comparable: same dataset, protocol, preprocessing, weights and code");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "model.weights", "77")), @"comparable: same dataset, protocol and preprocessing; weights differ");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "preprocess.mirror", "sum")), @"not comparable: preprocessing differs");
    assert_snapshot!(headline_of(|run| {
        set(&mut run.plan, "preprocess.mirror", "sum");
        set(&mut run.plan, "similarity.max_pairs", "5");
        set(&mut run.plan, "dataset.manifest", "77");
    }), @"not comparable: dataset, protocol and preprocessing differ");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "dataset.faces", "77")), @"not comparable: dataset differs");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "model.device", "cuda")), @"comparable: same dataset, protocol and preprocessing; code differs");
    assert_eq!(
        headline_of(|run| set(&mut run.plan, "model.calibration", "77")),
        headline_of(|run| set(&mut run.plan, "model.precision", "77"))
    );
    assert_snapshot!(headline_of(|run| run.evaluation.metrics.pairs.mode = "exhaustive".into()), @"not comparable: protocol differs");
    for key in ["name", "similarity.replicates", "similarity.hardest", "similarity.upstream.impostor_pairs"] {
        assert_eq!(headline_of(|run| set(&mut run.plan, key, "77")), headline_of(|_| ()), "{key}");
    }
}

#[test]
fn a_seed_matters_only_where_pairs_are_drawn() {
    let runs = |mode: &str| {
        let run = |id: &str, seed: &str| {
            with(id, |run| {
                set(&mut run.plan, "seed", seed);
                run.evaluation.metrics.pairs.mode = mode.into();
            })
        };
        compare(vec![run("a", "1"), run("b", "2")]).unwrap().comparable
    };
    assert!(!runs("sampled"));
    assert!(runs("exhaustive"));
}

#[test]
fn provenance_compares_the_last_sessions_without_their_times() {
    let later = with("b", |run| {
        set(&mut run.provenance, "sessions.1.started", "2026-11-24");
        set(&mut run.provenance, "sessions.1.machine.cpu", "another");
    });
    let comparison = compare(vec![with("a", |_| ()), later]).unwrap();
    let keys: Vec<_> = comparison.provenance.iter().map(|difference| difference.key.as_str()).collect();
    assert_eq!(keys, ["session.machine.cpu"]);
}

#[test]
fn a_bound_has_no_difference() {
    let bound = with("b", |run| run.evaluation.metrics.eer.bound = true);
    let comparison = compare(vec![with("a", |_| ()), bound]).unwrap();
    assert_eq!(comparison.metrics[0].values[1].difference, None);
    assert_eq!(comparison.metrics[0].values[1].apart, None);
}

#[test]
fn text_shows_differences_then_numbers() {
    let other = {
        let mut other = sample::summary("vggface2-77aa01cc9d21", 0.1);
        set(&mut other.plan, "preprocess.profile", "sandberg-lfw");
        set(&mut other.plan, "model.weights", "060b24840d57519af854efb1c1d86f110842a1312220afbde4aebb0df1448c9d");
        set(&mut other.provenance, "build.revision", "38145ed");
        other
    };
    let comparison = compare(vec![sample::summary("vggface2-3fa9c1d2e07b", 0.0), other]).unwrap();
    assert_snapshot!(comparison.to_text(), @r"
    not comparable: preprocessing differs

    [1]  vggface2-3fa9c1d2e07b
    [2]  vggface2-77aa01cc9d21

    differs in     plan                [1]                             [2]
    preprocessing  preprocess.profile  facenet-pytorch                 sandberg-lfw
    weights        model.weights       281cebca8662831…305e985625d99b  060b24840d57519…aebb0df1448c9d

    provenance      [1]              [2]
    build.revision  5003ca9 (dirty)  38145ed

    metric                               [1]                       [2]
    equal error rate                     0.32% [0.31%, 0.34%]      0.099% [0.094%, 0.10%]  −0.22 pp *
    TAR at FMR 1e-1                      99.99% [94.99%, 100.00%]  100.00% [95.00%, 100.00%]  +0.0072 pp
    TAR at FMR 1e-2                      99.87% [94.88%, 100.00%]  99.99% [94.99%, 100.00%]  +0.11 pp
    TAR at FMR 1e-3                      99.30% [94.33%, 100.00%]  99.90% [94.91%, 100.00%]  +0.61 pp
    TAR at FMR 1e-4                      97.68% [92.80%, 100.00%]  99.57% [94.60%, 100.00%]  +1.89 pp
    TAR at FMR 1e-5                      94.39% [89.67%, 99.11%]   98.69% [93.76%, 100.00%]  +4.30 pp
    area under the ROC curve             0.9000 [0.8550, 0.9450]   0.9100 [0.8645, 0.9555]  +0.0100
    separation d′                        6.170 [5.861, 6.479]      6.970 [6.621, 7.319]  +0.800 *
    genuine cosine, mean                 0.7200 [0.6840, 0.7560]   0.8200 [0.7790, 0.8610]  +0.1000 *
    genuine cosine, standard deviation   0.1500 [0.1425, 0.1575]   0.1500 [0.1425, 0.1575]  =
    impostor cosine, mean                0.0100 [0.0095, 0.0105]   0.0100 [0.0095, 0.0105]  =
    impostor cosine, standard deviation  0.1100 [0.1045, 0.1155]   0.1100 [0.1045, 0.1155]  =
    faces embedded                       187640                    187640  =
    faces failed                         57                        57  =
    identities                           480                       480  =
    genuine pairs                        400000                    400000  =
    impostor pairs                       9000000                   9000000  =

    each run on its own faces and pairs; differences are relative to [1]; * the intervals do not overlap
    ");
}

#[test]
fn json_has_the_differences_and_the_numbers() {
    let comparison = compare(vec![with("a", |_| ()), with("b", |run| set(&mut run.plan, "seed", "3"))]).unwrap();
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!(json["plan"][0]["part"], "protocol");
    assert_eq!(json["plan"][0]["values"], serde_json::json!([null, "3"]));
    assert_eq!(json["metrics"][0]["values"][0]["estimate"]["n"], 12_345);
    assert!(json.get("summaries").is_none());
}
