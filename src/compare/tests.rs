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
}

#[test]
fn the_headline_says_what_differs() {
    assert_snapshot!(headline_of(|_| ()), @"the runs compute the same");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "model.weights", "77")), @"differs: weights");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "preprocess.mirror", "sum")), @"differs: preprocessing (mirror none → sum)");
    assert_snapshot!(headline_of(|run| {
        set(&mut run.plan, "preprocess.mirror", "sum");
        set(&mut run.plan, "similarity.max_pairs", "5");
        set(&mut run.plan, "dataset.faces", "77");
    }), @"differs: dataset (faces 187697 → 77), preprocessing (mirror none → sum), protocol (max pairs none → 5)");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "model.precision", "int8")), @"differs: precision f32 → int8");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "model.calibration", "77")), @"differs: calibration none → 77");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "model.device", "cuda")), @"differs: device none → cuda");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "model.embedder", "another implementation")), @"differs: arithmetic (embedder none → another implementation)");
    assert_snapshot!(headline_of(|run| set(&mut run.plan, "code", "77")), @"differs: code 1 → 77");
    assert_snapshot!(headline_of(|run| run.evaluation.metrics.pairs.mode = "exhaustive".into()), @"differs: protocol (pairs compared sampled → exhaustive)");
    for key in ["name", "similarity.replicates", "similarity.hardest", "similarity.upstream.impostor_pairs"] {
        assert_eq!(headline_of(|run| set(&mut run.plan, key, "77")), headline_of(|_| ()), "{key}");
    }
}

#[test]
fn what_follows_from_another_difference_is_not_in_the_headline() {
    let detect = |run: &mut RunSummary, keep: &str| {
        set(&mut run.plan, "dataset.detect.code", "1");
        set(&mut run.plan, "dataset.detect.detector", "mtcnn");
        set(&mut run.plan, "dataset.detect.keep", keep);
        set(&mut run.plan, "dataset.manifest", keep);
    };
    let of = |first: &dyn Fn(&mut RunSummary), second: &dyn Fn(&mut RunSummary)| {
        compare(vec![with("a", first), with("b", second)]).unwrap().headline
    };
    assert_snapshot!(of(&|run| detect(run, "largest"), &|run| detect(run, "all")), @"differs: detection (keep largest → all)");
    assert_snapshot!(of(&|_| (), &|run| detect(run, "all")), @"differs: detection none → mtcnn");
    // In the third run the dataset differs by itself.
    let runs = [
        with("1", |run| detect(run, "1")),
        with("2", |run| detect(run, "2")),
        with("3", |run| {
            detect(run, "1");
            set(&mut run.plan, "dataset.manifest", "3");
        }),
    ];
    assert_snapshot!(compare(runs.into()).unwrap().headline, @"differs: dataset (manifest), detection (keep)");
    let margin = |profile: &'static str, margin: &'static str| {
        move |run: &mut RunSummary| {
            set(&mut run.plan, "preprocess.profile", profile);
            set(&mut run.plan, "preprocess.crop.margin", margin);
        }
    };
    assert_snapshot!(of(&margin("facenet-pytorch", "14.0"), &margin("custom", "32.0")), @"differs: preprocessing (crop margin 14 → 32)");
    assert_snapshot!(of(&margin("facenet-pytorch", "14.0"), &margin("sandberg-lfw", "32.0")), @"differs: preprocessing (profile facenet-pytorch → sandberg-lfw)");
    assert_snapshot!(of(&margin("facenet-pytorch", "14.0"), &margin("sandberg-lfw", "14.0")), @"the runs compute the same");
    let precision = |run: &mut RunSummary| {
        for (key, value) in [("precision", "int8"), ("embedder", "8-bit"), ("calibration", "256 faces")] {
            set(&mut run.plan, &format!("model.{key}"), value);
        }
    };
    assert_snapshot!(of(&|_| (), &precision), @"differs: precision f32 → int8");
    // Of several runs, the keys alone, also where one of them has none.
    let runs = ["1", "2"].map(|keep| with(keep, |run| detect(run, keep)));
    let runs = runs.into_iter().chain([with("none", |_| ())]);
    assert_snapshot!(compare(runs.collect()).unwrap().headline, @"differs: detection (detector, keep)");
    let runs = ["1", "2", "3"].map(|margin| with(margin, |run| set(&mut run.plan, "preprocess.crop.margin", margin)));
    assert_snapshot!(compare(runs.into()).unwrap().headline, @"differs: preprocessing (crop margin)");
}

#[test]
fn a_seed_matters_only_where_pairs_are_drawn() {
    let headline = |mode: &str| {
        let run = |id: &str, seed: &str| {
            with(id, |run| {
                set(&mut run.plan, "seed", seed);
                run.evaluation.metrics.pairs.mode = mode.into();
            })
        };
        compare(vec![run("a", "1"), run("b", "2")]).unwrap().headline
    };
    assert_eq!(headline("sampled"), "differs: protocol (seed 1 → 2)");
    assert_eq!(headline("exhaustive"), "the runs compute the same");
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
    assert_snapshot!(comparison.to_text(120), @r"
    differs: weights

    [1]  vggface2-3fa9c1d2e07b
    [2]  vggface2-77aa01cc9d21

    differs in  plan                [1]              [2]
    weights     model.weights       281cebca8662…    060b24840d57…
    other       preprocess.profile  facenet-pytorch  sandberg-lfw

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
fn what_is_too_wide_for_a_line_is_below_each_other() {
    let runs =
        ["14.0", "32.0", "14.0"].map(|margin| with(margin, |run| set(&mut run.plan, "preprocess.crop.margin", margin)));
    let text = compare(runs.into()).unwrap().to_text(40);
    let shown: Vec<_> = text.lines().skip(6).take(12).collect();
    assert_snapshot!(shown.join("\n"), @r"
    differs in  plan
    preprocessing  preprocess.crop.margin
      [1] [3]  14.0
      [2]      32.0

    provenance: no difference

    metric
    equal error rate
      [1]  0.32% [0.31%, 0.34%]
      [2]  0.32% [0.31%, 0.34%]  =
      [3]  0.32% [0.31%, 0.34%]  =
    ");
    assert!(text.lines().filter(|line| !line.starts_with("each run on its own")).all(|line| line.len() < 80), "{text}");
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
