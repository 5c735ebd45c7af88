//! Valid configs in all their forms, and the messages: they are the interface of a wrong config.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::dataset::{Container, DatasetSource, HubFiles, PathRewrite, Phase1Image, Tables};
use crate::digest::Digest;
use crate::embed::{EmbedOptions, OnError};
use crate::model::{BatchSize, DeviceRequest, Kernels, ModelSpec, Network, Precision};
use crate::preprocess::{Crop, Mirror, PROFILES, Preprocess, Resize, Standardise, profile};
use crate::similarity::{PairMode, SimilarityOptions, UpstreamSampling};
use crate::weights::WeightsSource;

const SMALL: &str = "\
name: small
dataset: {source: synthetic, identities: 3, samples: 2}
weights: {source: embedded, name: demo}
";

fn understood(text: &str, overrides: &[&str]) -> Result<ExperimentConfig, ConfigError> {
    let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
    load_stored(text.as_bytes(), Path::new("config.yaml"), &overrides, Path::new("/current"))
        .map(|loaded| loaded.config)
}

#[track_caller]
fn accepted(text: &str, overrides: &[&str]) -> ExperimentConfig {
    understood(text, overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// A message in one line: place, the text above the carets, rule and helps.
fn brief(message: &str) -> String {
    let (mut place, mut marked, mut helps, mut above) = ("", String::new(), String::new(), "");
    for line in message.lines().skip(1) {
        if let Some(origin) = line.trim_start().strip_prefix("--> ") {
            place = origin;
        } else if let Some(help) = line.trim_start().strip_prefix("= help: ") {
            helps.extend([" | ", help]);
        } else if line.ends_with('^') {
            let carets = above.chars().zip(line.chars()).filter(|(_, mark)| *mark == '^');
            let text: String = carets.map(|(shown, _)| shown).collect();
            marked = if text.is_empty() { text } else { format!(" `{text}`") };
        } else {
            above = line;
        }
    }
    let rule = message.lines().next().and_then(|line| line.strip_prefix("error: ")).unwrap_or(message);
    format!("{place}{marked}: {rule}{helps}")
}

#[track_caller]
fn refused(text: &str) -> String {
    brief(&understood(text, &[]).unwrap_err().to_string())
}

/// The small config with more lines.
#[track_caller]
fn refused_with(lines: &str) -> String {
    refused(&format!("{SMALL}{lines}"))
}

/// The small config with another dataset or weights.
#[track_caller]
fn refused_instead(key: &str, value: &str) -> String {
    let kept = SMALL.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n");
    refused(&format!("{kept}\n{key}: {value}\n"))
}

#[track_caller]
fn refused_set(text: &str) -> String {
    brief(&understood(SMALL, &[text]).unwrap_err().to_string())
}

#[test]
fn a_message_shows_the_place_and_what_to_do() {
    let whole = |lines: &str, overrides: &[&str]| understood(&format!("{SMALL}{lines}"), overrides).unwrap_err();
    assert_snapshot!(whole("embed:\n  batchsize: 32\n", &[]), @r"
    error: unknown key `batchsize` in `embed`
     --> config.yaml:5:3
      |
    5 |   batchsize: 32
      |   ^^^^^^^^^
      = help: did you mean `batch_size`?
      = help: the keys are `device`, `precision`, `kernels`, `batch_size`, `chunk_size`, `part_rows`, `threads`, `picture_memory`, `on_error` and `max_failures`
    ");
    assert_snapshot!(whole("", &["embed..batch_size=1"]), @r"
    error: the key path of an override has an empty or padded part
     --> in --set
      |
      | embed..batch_size=1
      |       ^
      = help: write the keys with single dots between them: `embed.batch_size=64`
    ");
    assert_snapshot!(whole("", &["embed.batch_size="]), @r"
    error: `embed.batch_size` must be `auto` or a whole number, got nothing
     --> in --set
      |
      | embed.batch_size=
      |                  ^
    ");
    let digest = "z".repeat(64);
    let weights = format!("weights={{source: file, path: {}.pth, sha256: {digest}}} # {digest}", "m".repeat(80));
    assert_snapshot!(whole("", &[&weights]), @r"
    error: `weights.sha256` must be 64 hexadecimal characters, got `zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz…` (64 characters)
     --> in --set
      |
      | … mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm.pth, sha256: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz …
      |                                                               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: `sha256sum FILE` prints it; the Hub shows it beside each large file
    ");
    assert_snapshot!(understood("", &[]).unwrap_err(), @r"
    error: the config is empty
     --> config.yaml
      = help: it needs at least `name`, `dataset` and `weights`; `facevault guide config-keys` lists every key
    ");
}

#[test]
fn the_smallest_config_gets_sensible_defaults() {
    let config = accepted(SMALL, &[]);
    assert_eq!(config.seed, 0);
    assert_eq!(config.dataset, DatasetSource::Synthetic { seed: 0, identities: 3, samples: 2, size: 112 });
    assert_eq!(Some(config.preprocess), profile("facenet-pytorch"));
    assert_eq!(config.model, ModelSpec::of(Network::InceptionResnetV1));
    assert_eq!(
        config.embed,
        EmbedOptions {
            device: DeviceRequest::Auto,
            precision: Precision::F32,
            kernels: Kernels::Auto,
            batch_size: BatchSize::Auto,
            chunk_size: 1024,
            part_rows: 4_194_304,
            threads: None,
            picture_memory: 2048,
            on_error: OnError::Skip,
            max_failures: None,
        }
    );
    assert_eq!(
        config.similarity,
        SimilarityOptions {
            pairs: PairMode::Auto,
            max_pairs: None,
            upstream: None,
            replicates: 1000,
            confidence: 0.95,
            hardest: 50,
        }
    );
    assert!(!config.report.pictures && config.expect.is_empty() && config.description.is_empty());
}

#[test]
fn the_default_profile_is_the_networks() {
    for (network, name) in [
        ("inception-resnet-v1", "facenet-pytorch"),
        ("dinov2-vits14", "dinov2"),
        ("clip-vit-b-32", "clip"),
        ("iresnet50", "insightface-bin"),
        ("iresnet100", "insightface-bin"),
    ] {
        let config = accepted(SMALL, &[&format!("model.network={network}")]);
        assert_eq!(Some(config.preprocess), profile(name), "{network}");
    }
    let onnx = ["model={network: onnx}", "weights={source: url, url: 'https://example.org/a.ONNX?x=1'}"];
    let config = accepted(SMALL, &[&onnx[..], &["preprocess.profile=sface", "model.output=fc1"]].concat());
    assert_eq!((Some(config.preprocess), config.model.output.as_deref()), (profile("sface"), Some("fc1")));
    // What a network leaves open may differ from its profile.
    accepted(SMALL, &["model.network=iresnet50", "preprocess={profile: facenet-pytorch, resize: {size: 112}}"]);
    accepted(SMALL, &["model.network=dinov2-vits14", "preprocess={channels: bgr, mirror: concat}"]);
}

#[test]
fn preprocessing_and_width_must_fit_the_network() {
    assert_snapshot!(refused_with("model: {network: iresnet50}\npreprocess: {profile: facenet-tf}\n"), @"config.yaml:5:23 `facenet-tf`: `iresnet50` takes faces of 112×112 pixels, got 160×160 | the profile of this network is `insightface-bin`");
    assert_snapshot!(refused_with("model: {network: dinov2-vits14}\npreprocess: {resize: {size: 518}}\n"), @"config.yaml:5:29 `518`: `dinov2-vits14` takes faces of 224×224 pixels, got 518×518 | remove `preprocess.resize.size`, or set it to 224");
    assert_snapshot!(refused_with("model: {network: clip-vit-b-32}\npreprocess: {standardise: {mean: 127.5}}\n"), @"config.yaml:5:27 `{`: `clip-vit-b-32` applies the mean and deviation of each channel itself and needs mean 0, scale 255, got mean 127.5, scale 255 | the profile of this network is `clip`");
    assert_snapshot!(refused_with("model: {network: clip-vit-b-32}\npreprocess: {profile: facevault-api, resize: {size: 224}}\n"), @"config.yaml:5:23 `facevault-api`: `clip-vit-b-32` applies the mean and deviation of each channel itself and needs mean 0, scale 255, got mean 127.5, scale 127.5 | the profile of this network is `clip`");
    let onnx = "model: {network: onnx}\nweights: {source: file, path: w.onnx}\n";
    let no_weights = &SMALL[..SMALL.find("weights").unwrap()];
    assert_snapshot!(refused(&format!("{no_weights}{onnx}")), @"config.yaml:3:9 `network`: `onnx` needs `preprocess.profile`: no file says how its faces are cut out and scaled | take what the network was trained with; most recognisers of 112×112 pixels take `insightface`");
    assert_snapshot!(refused_with("model: {network: onnx}\npreprocess: {profile: insightface}\n"), @"config.yaml:3:1 `weights`: `model.network: onnx` needs weights that are an ONNX file | name a file that ends in `.onnx`");
    assert_snapshot!(refused(&format!("{no_weights}weights: {{source: file, path: w.onnx}}\n")), @"config.yaml:3:1 `weights`: an ONNX file is a network of its own | set `model: {network: onnx}`");
    assert_snapshot!(refused_with("model: {output: fc1}\n"), @"config.yaml:4:9 `output`: `model.output` is only for `onnx`, not for `inception-resnet-v1` | remove it");
    assert_snapshot!(refused_with("preprocess: {profile: clip}\n"), @"config.yaml:4:23 `clip`: `clip` is a profile for networks that apply the mean and deviation of each channel themselves; `inception-resnet-v1` does not | the profile of this network is `facenet-pytorch`");
    assert_snapshot!(refused_with("model: {network: iresnet100, width: 0.5}\n"), @"config.yaml:4:37 `0.5`: `model.width` must be 1 for `iresnet100`, got 0.5 | only `inception-resnet-v1` has other widths");
}

#[test]
fn containers_are_on_the_hub_or_on_this_machine() {
    let dataset = |text: &str| accepted(SMALL, &[&format!("dataset={text}")]).dataset;
    let sha256 = "ab".repeat(32);
    assert_eq!(
        dataset(&format!("{{source: insightface-bin, path: a/lfw.bin, sha256: {sha256}}}")),
        DatasetSource::InsightfaceBin {
            file: Container::Local { path: "/current/a/lfw.bin".into(), sha256: sha256.parse().ok() }
        }
    );
    let hub = |revision: &str, files, sha256: Option<&str>| Container::Hub {
        repo: "a/b".into(),
        revision: revision.into(),
        files,
        sha256: sha256.and_then(|sha256| sha256.parse().ok()),
    };
    assert_eq!(
        dataset(&format!(
            "{{source: insightface-bin, hub: {{repo: a/b, revision: 9ECE432, file: x.bin, sha256: {sha256}}}}}"
        )),
        DatasetSource::InsightfaceBin { file: hub("9ece432", HubFiles::Named(vec!["x.bin".into()]), Some(&sha256)) }
    );
    for (which, files) in [
        ("file: a.parquet", HubFiles::Named(vec!["a.parquet".into()])),
        ("files: [b.parquet, a.parquet]", HubFiles::Named(vec!["b.parquet".into(), "a.parquet".into()])),
        ("folder: lfw/", HubFiles::Below("lfw".into())),
        ("folder: ''", HubFiles::Below(String::new())),
    ] {
        let text = format!("{{source: parquet, hub: {{repo: a/b, revision: refs/pr-1_x, {which}}}}}");
        assert_eq!(dataset(&text), DatasetSource::Parquet { shards: hub("refs/pr-1_x", files, None) });
    }
    assert_eq!(
        dataset(
            "{source: vggface2, archive: {path: a.tar.gz}, boxes: {hub: {repo: a/b, revision: main, file: c.csv}}}"
        ),
        DatasetSource::Vggface2 {
            archive: Container::Local { path: "/current/a.tar.gz".into(), sha256: None },
            boxes: hub("main", HubFiles::Named(vec!["c.csv".into()]), None),
        }
    );
}

#[test]
fn a_container_is_stored_below_its_own_key() {
    let dataset = |text: &str| serde_json::to_value(accepted(SMALL, &[&format!("dataset={text}")]).dataset).unwrap();
    let file = serde_json::json!({
        "hub": { "repo": "a/b", "revision": "main", "files": { "named": ["x.bin"] }, "sha256": null }
    });
    assert_eq!(
        dataset("{source: insightface-bin, hub: {repo: a/b, revision: main, file: x.bin}}"),
        serde_json::json!({ "source": "insightface-bin", "file": file })
    );
    let shards = serde_json::json!({ "local": { "path": "/current/a.parquet", "sha256": null } });
    assert_eq!(
        dataset("{source: parquet, path: a.parquet}"),
        serde_json::json!({ "source": "parquet", "shards": shards })
    );
}

#[test]
fn numbers_of_a_runs_identity_have_nine_digits() {
    let third = "0.33333333333333331";
    let config = accepted(
        SMALL,
        &[
            &format!("model.width={third}"),
            "similarity.confidence=0.77777777777777779",
            &format!("preprocess.crop={{mode: centre, fraction: {third}}}"),
            &format!("protocols=[{{name: a, thresholds: {{step: {third}}}, max_left_out: {third}}}]"),
            &format!("expect.eer.max={third}"),
        ],
    );
    assert_eq!((config.model.width, config.similarity.confidence), (0.333_333_333, 0.777_777_778));
    assert_eq!(config.preprocess.crop, Crop::Centre { fraction: 0.333_333_333 });
    assert_eq!(config.protocols[0].thresholds.step, 0.333_333_333);
    // No part of it.
    assert_eq!((config.protocols[0].max_left_out, config.expect["eer"].max), (1.0 / 3.0, Some(1.0 / 3.0)));
}

#[test]
fn what_may_be_left_empty_is_as_if_it_was_not_given() {
    let empty = "preprocess={profile: null, crop: null, mirror: ~, resize: {size: null}}";
    let config = accepted(SMALL, &[empty, "embed={threads: null}", "similarity={max_pairs: ~, upstream: }"]);
    assert_eq!(config, accepted(SMALL, &[]));
    for section in ["preprocess", "model", "embed", "similarity", "protocols", "report", "expect", "published"] {
        assert_eq!(accepted(SMALL, &[&format!("{section}=null")]), accepted(SMALL, &[]), "{section}");
    }
    // The last of what was set counts.
    assert!(accepted(SMALL, &["expect.eer.max=0.1", "expect=null"]).expect.is_empty());
    let commented = format!("{SMALL}expect:\n  # eer: {{max: 0.1}}\nprotocols:\n");
    assert_eq!(accepted(&commented, &[]), accepted(SMALL, &[]));
}

#[test]
fn a_container_is_in_one_place_and_pinned_in_one() {
    let message = |text: &str| refused_instead("dataset", text);
    assert_snapshot!(message("{source: insightface-bin}"), @"config.yaml:3:10 `{`: `dataset` needs one of the keys `hub` and `path` | `hub: {repo: owner/name, revision: …, file: …}`, or `path:` of a copy on this machine");
    assert_snapshot!(message("{source: insightface-bin, path: x.bin, hub: {repo: a/b, revision: main, file: x.bin}}"), @"config.yaml:3:42 `x.bin`: `dataset` has both `hub` and `path`: it needs exactly one of them");
    assert_snapshot!(message(&format!("{{source: insightface-bin, sha256: {}, hub: {{repo: a/b, revision: main, file: x.bin}}}}", "ab".repeat(32))), @"config.yaml:3:44 `abababababababababababababababababababababababababababababababab`: `sha256` next to `hub` would pin nothing | move it into `hub`");
    assert_snapshot!(message("{source: insightface-bin, hub: {repo: a/b, revision: main}}"), @"config.yaml:3:36 `hub`: missing key `file` in `dataset.hub` | `facevault guide config-keys` lists every key with its unit and default");
    assert_snapshot!(message("{source: insightface-bin, hub: {repo: a/b, revision: ../main, file: x.bin}}"), @"config.yaml:3:63 `../main`: `dataset.hub.revision` must be a commit hash of 7 to 40 hexadecimal characters, or the name of a branch or tag, got `../main` | a name of hexadecimal characters alone is taken for a commit hash");
    assert_snapshot!(message("{source: insightface-bin, hub: {repo: a/b, revision: main, file: ../x.bin}}"), @"config.yaml:3:75 `../x.bin`: `dataset.hub.file` must be a path in the repository, without `.`, `..` or empty parts, got `../x.bin`");
    assert_snapshot!(message("{source: parquet, hub: {repo: a/b, revision: main}}"), @r#"config.yaml:3:33 `{`: `dataset.hub` needs exactly one of `file`, `files` and `folder` | `folder` takes every `.parquet` below it; `folder: ""` is the whole repository"#);
    assert_snapshot!(message("{source: parquet, hub: {repo: a/b, revision: main, file: a, folder: b}}"), @r#"config.yaml:3:33 `{`: `dataset.hub` needs exactly one of `file`, `files` and `folder` | `folder` takes every `.parquet` below it; `folder: ""` is the whole repository"#);
    assert_snapshot!(message("{source: parquet, hub: {repo: a/b, revision: main, files: []}}"), @"config.yaml:3:68 `[`: `dataset.hub.files` must not be empty");
    assert_snapshot!(message("{source: parquet, hub: {repo: a/b, revision: main, files: [a, /b]}}"), @"config.yaml:3:72 `/b`: `dataset.hub.files.1` must be a path in the repository, without `.`, `..` or empty parts, got `/b`");
    assert_snapshot!(message(&format!("{{source: parquet, hub: {{repo: a/b, revision: main, folder: a, sha256: {}}}}}", "ab".repeat(32))), @"config.yaml:3:80 `abababababababababababababababababababababababababababababab`: `sha256` pins one file: it goes with `file`, not with `files` or `folder` | a commit hash as `revision` pins all of them");
    assert_snapshot!(message("{source: vggface2, archive: {path: a.tar.gz}}"), @"config.yaml:3:1 `dataset`: missing key `boxes` in `dataset` with `source: vggface2` | `facevault guide config-keys` lists every key with its unit and default");
    assert_snapshot!(message("{source: vggface2, archive: {path: a.tar.gz}, boxes: {}}"), @"config.yaml:3:63 `{`: `dataset.boxes` needs one of the keys `hub` and `path` | `hub: {repo: owner/name, revision: …, file: …}`, or `path:` of a copy on this machine");
}

#[test]
fn a_profile_is_taken_whole_and_is_custom_once_a_part_differs() {
    for name in PROFILES {
        let network = match *name {
            "dinov2" => "dinov2-vits14",
            "clip" => "clip-vit-b-32",
            _ => "inception-resnet-v1",
        };
        let config = accepted(SMALL, &[&format!("preprocess.profile={name}"), &format!("model.network={network}")]);
        assert_eq!(Some(config.preprocess), profile(name));
    }
    let changed = accepted(
        SMALL,
        &["preprocess={profile: facevault-notebook, resize: {size: 96}, standardise: {mean: 0}, mirror: sum}"],
    );
    let base = profile("facevault-notebook").unwrap();
    assert_eq!(
        changed.preprocess,
        Preprocess {
            profile: "custom".into(),
            resize: Resize { size: 96, ..base.resize },
            standardise: Standardise { mean: 0.0, ..base.standardise },
            mirror: Mirror::Sum,
            ..base
        }
    );
    let spelled_out = accepted(SMALL, &["preprocess={profile: facevault-notebook, resize: {filter: opencv-linear}}"]);
    assert_eq!(Some(spelled_out.preprocess), profile("facevault-notebook"));
}

#[test]
fn tables_beside_the_pictures_are_names_in_the_dataset_or_local_files() {
    let tables = |text: &str| match accepted(SMALL, &[&format!("dataset={text}")]).dataset {
        DatasetSource::Folders { tables, .. } | DatasetSource::HubFolders { tables, .. } => tables,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        tables(
            "{source: hub-folders, repo: a/b, revision: main, folder: train, pairs: x/pairs.csv, boxes: ./boxes.csv}"
        ),
        Tables { pairs: Some("x/pairs.csv".into()), boxes: Some("/current/./boxes.csv".into()) }
    );
    assert_eq!(
        tables("{source: folders, root: faces, pairs: /data/pairs.txt, boxes: boxes.csv}"),
        Tables { pairs: Some("/data/pairs.txt".into()), boxes: Some("boxes.csv".into()) }
    );
    let stored = serde_json::to_value(accepted(SMALL, &["dataset={source: folders, root: faces}"]).dataset).unwrap();
    assert_eq!(stored, serde_json::json!({ "source": "folders", "root": "/current/faces" }), "as before these keys");
    assert_snapshot!(refused_instead("dataset", "{source: folders, root: faces, pairs: ''}"), @"config.yaml:3:48 `''`: `dataset.pairs` must be a file name in the folder or the one above, a local path that starts with `./`, `../` or `/`, or an address such as `s3://bucket/pairs.csv`, got an empty text");
    assert_snapshot!(refused_instead("dataset", "{source: folders, root: faces, boxes: a/../boxes.csv}"), @"config.yaml:3:48 `a/../boxes.csv`: `dataset.boxes` must be a file name in the folder or the one above, a local path that starts with `./`, `../` or `/`, or an address such as `s3://bucket/pairs.csv`, got `a/../boxes.csv`");
}

#[test]
fn a_branch_may_be_a_revision_of_pictures() {
    for name in ["main", "refs/pr/1", "v1.0"] {
        let config = accepted(SMALL, &[&format!("dataset={{source: hub-folders, repo: a/b, revision: {name}}}")]);
        assert!(matches!(config.dataset, DatasetSource::HubFolders { revision, .. } if revision == name));
    }
}

#[test]
fn the_middle_of_a_picture_can_be_asked_for() {
    let config = accepted(SMALL, &["preprocess.crop={mode: centre, fraction: 0.6}"]);
    assert_eq!(config.preprocess.crop, Crop::Centre { fraction: 0.6 });
    assert_eq!(config.preprocess.profile, "custom");
    assert_snapshot!(refused_with("preprocess: {crop: {mode: centre, fraction: 0}}"), @"config.yaml:4:45 `0`: `preprocess.crop.fraction` must be above 0 and at most 1, got 0");
    assert_snapshot!(refused_with("preprocess: {crop: {mode: centre, fraction: 1.1}}"), @"config.yaml:4:45 `1.1`: `preprocess.crop.fraction` must be above 0 and at most 1, got 1.1");
    assert_snapshot!(refused_with("preprocess: {crop: {mode: centre}}"), @"config.yaml:4:14 `crop`: missing key `fraction` in `preprocess.crop` with `mode: centre` | `facevault guide config-keys` lists every key with its unit and default");
}

#[test]
fn every_kind_of_source_can_be_written() {
    let folders = accepted(SMALL, &["dataset={source: folders, root: faces}"]);
    assert_eq!(
        folders.dataset,
        DatasetSource::Folders { root: "/current/faces".into(), parts: Vec::new(), tables: Tables::default() }
    );
    let hub = accepted(SMALL, &["dataset={source: hub-folders, repo: a/b, revision: A6B6E3D, folder: x/y/}"]);
    assert_eq!(
        hub.dataset,
        DatasetSource::HubFolders {
            repo: "a/b".into(),
            revision: "a6b6e3d".into(),
            folder: "x/y".into(),
            tables: Tables::default(),
        }
    );
    let phase1 = accepted(
        SMALL,
        &[
            "dataset={source: phase1, csv: d/m.csv, rewrite: [{from: /kaggle/, to: ''}], image: photo}",
            "dataset.rewrite.0.to=crops/",
        ],
    );
    assert_eq!(
        phase1.dataset,
        DatasetSource::Phase1 {
            csv: "/current/d/m.csv".into(),
            root: "/current/d".into(),
            rewrite: vec![PathRewrite { from: "/kaggle/".into(), to: "crops/".into() }],
            image: Phase1Image::Photo,
        }
    );
    let sha256 = "060b24840d57519af854efb1c1d86f110842a1312220afbde4aebb0df1448c9d";
    let revision = "8dd79278b755ee24ee9922619122df8a2b80b787";
    let hub = accepted(
        SMALL,
        &[&format!(
            "weights={{source: hub, repo: py-feat/facenet, revision: {revision}, file: m.safetensors, sha256: {sha256}}}"
        )],
    );
    assert_eq!(
        hub.weights,
        WeightsSource::Hub {
            repo: "py-feat/facenet".into(),
            revision: revision.into(),
            file: "m.safetensors".into(),
            sha256: Some(sha256.parse::<Digest>().unwrap()),
        }
    );
}

#[test]
fn relative_paths_start_at_the_file_or_at_the_current_folder_for_an_override() {
    let text = "name: a\ndataset: {source: folders, root: faces}\nweights: {source: file, path: w.pth}\n";
    let overrides = ["weights.path=w.pt".to_owned()];
    let loaded = load_stored(text.as_bytes(), Path::new("/configs/a.yaml"), &overrides, Path::new("/current")).unwrap();
    assert_eq!(
        loaded.config.dataset,
        DatasetSource::Folders { root: "/configs/faces".into(), parts: Vec::new(), tables: Tables::default() }
    );
    assert_eq!(loaded.config.weights, WeightsSource::File { path: "/current/w.pt".into(), sha256: None });
    assert_eq!(loaded.config.base, Path::new("/configs"));
    assert_eq!((loaded.text.as_str(), loaded.overrides), (text, overrides.to_vec()));
}

#[test]
fn overrides_make_missing_mappings_replace_whole_nodes_and_the_last_wins() {
    let config = accepted(
        SMALL,
        &["similarity.upstream.impostor_pairs=5", "embed.batch_size=1", "embed={batch_size: 2}", "expect.eer.max=0.5"],
    );
    assert_eq!(config.similarity.upstream, Some(UpstreamSampling { faces_per_identity: 10, impostor_pairs: 5 }));
    assert_eq!(config.embed.batch_size, BatchSize::Faces(2));
    assert_eq!(config.expect["eer"].max, Some(0.5));
}

#[test]
fn metrics_with_dots_and_equals_signs_can_be_overridden() {
    let config = accepted(SMALL, &["expect.tar@fmr=1e-3.min=0.9", "expect.genuine.mean_abs={max: 1, source: here}"]);
    assert_eq!(config.expect["tar@fmr=1e-3"].min, Some(0.9));
    assert_eq!(config.expect["genuine.mean_abs"].source.as_deref(), Some("here"));
}

#[test]
fn anchors_underscores_a_byte_order_mark_and_windows_lines_are_fine() {
    let text = "\u{feff}name: small\r\ndataset: {source: synthetic, identities: &n 3, samples: *n}\r\n\
                weights: {source: embedded, name: demo}\r\nsimilarity: {max_pairs: 1_000}\r\n";
    let config = accepted(text, &[]);
    assert_eq!(config.dataset, DatasetSource::Synthetic { seed: 0, identities: 3, samples: 3, size: 112 });
    assert_eq!(config.similarity.max_pairs, Some(1000));
}

/// Fault (config): an unknown key at any level → refused at its place with the nearest known key
#[test]
fn unknown_keys_at_each_level() {
    assert_snapshot!(refused_with("embeded: {}"), @"config.yaml:4:1 `embeded`: unknown key `embeded` | did you mean `embed`? | the keys are `name`, `description`, `seed`, `dataset`, `detect`, `preprocess`, `model`, `weights`, `embed`, `similarity`, `report`, `protocols`, `expect`, `ablation` and `published`");
    assert_snapshot!(refused_with("embed:\n  batchsize: 32\n"), @"config.yaml:5:3 `batchsize`: unknown key `batchsize` in `embed` | did you mean `batch_size`? | the keys are `device`, `precision`, `kernels`, `batch_size`, `chunk_size`, `part_rows`, `threads`, `picture_memory`, `on_error` and `max_failures`");
    assert_snapshot!(refused_with("similarity:\n  upstream:\n    pears: 5\n"), @"config.yaml:6:5 `pears`: unknown key `pears` in `similarity.upstream` | the keys are `faces_per_identity` and `impostor_pairs`");
    assert_snapshot!(refused_with("preprocess:\n  crop: {mode: whole, margin: 3}\n"), @"config.yaml:5:23 `margin`: unknown key `margin` in `preprocess.crop` with `mode: whole` | it takes no other keys | `margin` is a key of `mode: box`");
    assert_snapshot!(refused_with("expect:\n  eer: {maximum: 3}\n"), @"config.yaml:5:9 `maximum`: unknown key `maximum` in `expect.eer` | the keys are `min`, `max` and `source`");
    assert_snapshot!(refused_instead("dataset", "{source: synthetic, idenities: 3, samples: 2}"), @"config.yaml:3:30 `idenities`: unknown key `idenities` in `dataset` with `source: synthetic` | did you mean `identities`? | the keys are `seed`, `identities`, `samples` and `size`");
    assert_snapshot!(refused_instead("dataset", "\n  source: phase1\n  csv: a.csv\n  rewrite:\n    - {from: a, too: b}"), @"config.yaml:7:17 `too`: unknown key `too` in `dataset.rewrite.0` | the keys are `from` and `to`");
}

/// Fault (config): a value of the wrong type → refused at its place with what it must be
#[test]
fn wrong_types() {
    assert_snapshot!(refused_with("seed: many"), @"config.yaml:4:7 `many`: `seed` must be a whole number, got the text `many`");
    assert_snapshot!(refused_with("seed: -1"), @"config.yaml:4:7 `-1`: `seed` must be at least 0, got -1");
    assert_snapshot!(refused_with("embed: {batch_size: \"32\"}"), @r#"config.yaml:4:21 `"32"`: `embed.batch_size` must be `auto` or a whole number, got the text `32` | write it without quotes to make it a number"#);
    assert_snapshot!(refused_with("embed: {batch_size: 1.5}"), @"config.yaml:4:21 `1.5`: `embed.batch_size` must be `auto` or a whole number, got the number 1.5");
    assert_snapshot!(refused_with("embed: [1, 2]"), @"config.yaml:4:8 `[`: `embed` must be a mapping, got a list");
    assert_snapshot!(refused_with("report: {pictures: yes}"), @"config.yaml:4:20 `yes`: `report.pictures` must be `true` or `false`, got the text `yes`");
    assert_snapshot!(refused_with("seed: 1e9"), @"config.yaml:4:7 `1e9`: `seed` must be a whole number, got the number 1000000000.0");
    assert_snapshot!(refused_with("seed: 18446744073709551616"), @"config.yaml:4:7 `18446744073709551616`: `seed` must be a whole number, got the number 18446744073709551616 | the largest whole number is 18446744073709551615");
    assert_snapshot!(refused_with("expect: 3"), @"config.yaml:4:9 `3`: `expect` must be a mapping, got the number 3");
    assert_snapshot!(refused("name: 2024"), @"config.yaml:1:7 `2024`: `name` must be a text, got the number 2024 | put it in quotes to make it a text");
    assert_snapshot!(refused_instead("dataset", "synthetic"), @"config.yaml:3:10 `synthetic`: `dataset` must be a mapping with the key `source`, got the text `synthetic`");
    assert_snapshot!(refused_instead("weights", "{source: [], name: demo}"), @"config.yaml:3:19 `[`: `weights.source` must be `hub`, `url`, `file` or `embedded`, got a list");
    assert_snapshot!(refused_instead("dataset", "{source: phase1, csv: a.csv, rewrite: [{from: a, to: b}, {from: 1, to: b}]}"), @"config.yaml:3:74 `1`: `dataset.rewrite.1.from` must be a text, got the number 1 | put it in quotes to make it a text");
    assert_snapshot!(refused("- name\n- dataset\n"), @"config.yaml:1:1 `-`: a config must be a mapping of keys to values, got a list");
}

/// Fault (config): a number that is out of range or not finite, a name with other letters → refused at its place with
/// the range
#[test]
fn values_out_of_range() {
    assert_snapshot!(refused_with("embed:\n  batch_size: 0\n"), @"config.yaml:5:15 `0`: `embed.batch_size` must be from 1 to 65536, got 0");
    assert_snapshot!(refused_with("similarity: {confidence: 1}"), @"config.yaml:4:26 `1`: `similarity.confidence` must be from 0.5 to 0.9999, got 1");
    assert_snapshot!(refused_with("similarity: {upstream: {faces_per_identity: 1}}"), @"config.yaml:4:45 `1`: `similarity.upstream.faces_per_identity` must be from 2 to 10000, got 1");
    assert_snapshot!(refused_with("model: {width: .nan}"), @"config.yaml:4:16 `.nan`: `.nan` is not a finite number; if it is a text, put it in quotes");
    assert_snapshot!(refused_with("preprocess: {resize: {size: 74}}"), @"config.yaml:4:29 `74`: `preprocess.resize.size` must be from 75 to 1024, got 74");
    assert_snapshot!(refused_with("preprocess: {standardise: {scale: 0}}"), @"config.yaml:4:35 `0`: `preprocess.standardise.scale` must be from 1e-6 to 1000000, got 0");
    assert_snapshot!(refused_with("preprocess: {crop: {mode: box, margin: 160, unit: output-pixels}}"), @"config.yaml:4:40 `160`: a margin of 160 output pixels leaves nothing of a face 160 pixels wide");
    assert_snapshot!(refused_instead("dataset", "{source: synthetic, identities: 5000000000, samples: 1}"), @"config.yaml:3:42 `5000000000`: `dataset.identities` must be from 1 to 1000000, got 5000000000");
    assert_snapshot!(refused_instead("name", "My Run"), @"config.yaml:3:7 `My Run`: `name` must be 1 to 64 lower-case letters, digits, `-`, `_` and `.`, starting with a letter or digit, got `My Run` | for example `my-run`");
}

/// Fault (config): a missing key → refused at the mapping that lacks it
#[test]
fn missing_keys() {
    assert_snapshot!(refused("# a comment\nname: small\nweights: {source: embedded, name: demo}\n"), @"config.yaml:2:1 `n`: missing key `dataset` | `facevault guide config-keys` lists every key with its unit and default");
    assert_snapshot!(refused_instead("dataset", "\n  source: synthetic\n  samples: 1\n"), @"config.yaml:3:1 `dataset`: missing key `identities` in `dataset` with `source: synthetic` | `facevault guide config-keys` lists every key with its unit and default");
    assert_snapshot!(refused_instead("weights", "{name: demo}"), @"config.yaml:3:1 `weights`: missing key `source` in `weights` | `facevault guide config-keys` lists every key with its unit and default");
    assert_snapshot!(refused_with("preprocess:\n  crop:\n    mode: box\n    margin: 3\n"), @"config.yaml:5:3 `crop`: missing key `unit` in `preprocess.crop` with `mode: box` | `facevault guide config-keys` lists every key with its unit and default");
}

#[test]
fn a_digest_of_digits_alone_is_shown_as_it_is_written() {
    let digits = "1234".repeat(16);
    let refused = refused_instead("weights", &format!("{{source: file, path: a.pth, sha256: {digits}}}"));
    assert!(refused.contains(&format!("must be a text, got the number {digits}")), "{refused}");
    assert!(refused.contains("put it in quotes to make it a text"), "{refused}");
    assert!(refused_with("description: 0x1F").contains("got the number 0x1F"));
}

#[test]
fn names_that_do_not_exist() {
    assert_snapshot!(refused_with("preprocess:\n  profile: facenet-pytorh\n"), @"config.yaml:5:12 `facenet-pytorh`: `preprocess.profile` must be `facenet-tf`, `facenet-pytorch`, `facevault-notebook`, `facevault-api`, `insightface`, `insightface-bin`, `adaface`, `sface`, `dinov2` or `clip`, got `facenet-pytorh` | did you mean `facenet-pytorch`?");
    assert_snapshot!(refused_with("embed: {device: gpu}"), @"config.yaml:4:17 `gpu`: `embed.device` must be `auto`, `cpu` or `cuda`, got `gpu`");
    assert_snapshot!(refused_with("preprocess: {resize: {filter: pillow_bilinear}}"), @"config.yaml:4:31 `pillow_bilinear`: `preprocess.resize.filter` must be `pillow-bilinear`, `pillow-bicubic` or `opencv-linear`, got `pillow_bilinear` | did you mean `pillow-bilinear`?");
    assert_snapshot!(refused_instead("dataset", "{source: folder, root: faces}"), @"config.yaml:3:19 `folder`: `dataset.source` must be `phase1`, `folders`, `files`, `hub-folders`, `archive`, `insightface-bin`, `webdataset`, `parquet`, `vggface2`, `ijb`, `embeddings`, `array` or `synthetic`, got `folder` | did you mean `folders`?");
    assert_snapshot!(refused_instead("weights", "{source: embedded, name: vggface2}"), @"config.yaml:3:35 `vggface2`: `weights.name` must be `demo`, got `vggface2`");
}

/// Fault (config): a branch instead of a commit, or a digest of another form → refused
#[test]
fn references_that_are_not_pinned() {
    let weights = |revision: &str, sha256: &str| {
        let text = format!("{{source: hub, repo: a/b, revision: {revision}, file: m.pth, sha256: {sha256}}}");
        refused_instead("weights", &text)
    };
    let (hash, digest) = ("8dd79278b755ee24ee9922619122df8a2b80b787", "a".repeat(64));
    assert_snapshot!(weights("main", &digest), @"config.yaml:3:45 `main`: `weights.revision` must be a commit hash of 40 hexadecimal characters, got `main` | a branch or tag can move, and the same config would then give other numbers");
    assert_snapshot!(weights("8dd7927", &digest), @"config.yaml:3:45 `8dd7927`: `weights.revision` must be a commit hash of 40 hexadecimal characters, got `8dd7927` | a branch or tag can move, and the same config would then give other numbers");
    assert_snapshot!(weights(hash, "abc"), @"config.yaml:3:108 `abc`: `weights.sha256` must be 64 hexadecimal characters, got `abc` | `sha256sum FILE` prints it; the Hub shows it beside each large file");
    assert_snapshot!(weights(hash, &"z".repeat(64)), @"config.yaml:3:108 `zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz`: `weights.sha256` must be 64 hexadecimal characters, got `zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz…` (64 characters) | `sha256sum FILE` prints it; the Hub shows it beside each large file");
    assert_snapshot!(refused_instead("dataset", "{source: hub-folders, repo: lfw, revision: a6b6e3d}"), @"config.yaml:3:38 `lfw`: `dataset.repo` must be `owner/name`, got `lfw` | use the last two parts of its address on the Hub, for example `py-feat/facenet`");
    assert_snapshot!(refused_instead("dataset", "{source: hub-folders, repo: a/b, revision: a6b6e}"), @"config.yaml:3:53 `a6b6e`: `dataset.revision` must be a commit hash of 7 to 40 hexadecimal characters, or the name of a branch or tag, got `a6b6e` | a name of hexadecimal characters alone is taken for a commit hash");
    assert_snapshot!(refused_instead("dataset", "{source: hub-folders, repo: a/b, revision: ../main}"), @"config.yaml:3:53 `../main`: `dataset.revision` must be a commit hash of 7 to 40 hexadecimal characters, or the name of a branch or tag, got `../main` | a name of hexadecimal characters alone is taken for a commit hash");
    assert_snapshot!(refused_instead("dataset", "{source: hub-folders, repo: a/b, revision: a6b6e3d, folder: ../x}"), @r#"config.yaml:3:70 `../x`: `dataset.folder` must be a folder in the repository (`""` for its root), without `.`, `..` or empty parts, got `../x`"#);
    assert_snapshot!(refused_instead("weights", "{source: file, path: model.h5}"), @"config.yaml:3:31 `model.h5`: `weights.path` must be a path ending in `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.onnx`, got `model.h5` | rename a checkpoint of torch with another ending; shards (`*.index.json`) are not read: merge them into one file");
    for name in ["model_best.pth.tar", "last.ckpt", "LAST.CKPT", "checkpoint.tar"] {
        accepted(SMALL, &[&format!("weights={{source: file, path: {name}}}")]);
    }
}

#[test]
fn an_item_of_a_list_that_is_not_there_is_told_from_a_key() {
    let error = refused_set("protocols.0.name=x");
    let rule = "`protocols` is not in the config, and has no item `0` | give the whole list: `--set 'protocols=[…]'`";
    assert!(error.ends_with(rule), "{error}");
    assert!(refused_set("0=x").contains("unknown key `0`"), "the outermost are keys");
}

/// Fault (config): a URL of weights with a password, without encryption or of another form → refused; the password is not shown
#[test]
fn urls_of_weights() {
    let url = |url: &str| refused_instead("weights", &format!("{{source: url, url: \"{url}\"}}"));
    assert_snapshot!(url("https://me:secret@a.org/w.pt"), @r#"config.yaml:3:29 `"https://*********@a.org/w.pt"`: `weights.url` must not contain a user name or password: none is sent to a URL | download the file yourself and use `source: file`"#);
    assert_snapshot!(url("http://a.org/w.pt"), @r#"config.yaml:3:29 `"http://a.org/w.pt"`: `weights.url` must start with `https://`: over http, anybody on the way can change the file | http is for `localhost` and `127.0.0.1` only"#);
    assert_snapshot!(url("http://127.0.0.1.a.org/w.pt"), @r#"config.yaml:3:29 `"http://127.0.0.1.a.org/w.pt"`: `weights.url` must start with `https://`: over http, anybody on the way can change the file | http is for `localhost` and `127.0.0.1` only"#);
    assert_snapshot!(url("a.org/w.pt"), @r#"config.yaml:3:29 `"a.org/w.pt"`: `weights.url` must be an https URL with a path ending in `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.onnx`, got `a.org/w.pt` | for example `https://github.com/OWNER/REPO/releases/download/v1.0/model.pt`"#);
    assert_snapshot!(url("ftp://a.org/w.pt"), @r#"config.yaml:3:29 `"ftp://a.org/w.pt"`: `weights.url` must be an https URL with a path ending in `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.onnx`, got `ftp://a.org/w.pt` | for example `https://github.com/OWNER/REPO/releases/download/v1.0/model.pt`"#);
    assert_snapshot!(url("https://a.org"), @r#"config.yaml:3:29 `"https://a.org"`: `weights.url` must be an https URL with a path ending in `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.onnx`, got `https://a.org` | for example `https://github.com/OWNER/REPO/releases/download/v1.0/model.pt`"#);
    assert_snapshot!(url("https://a.org/w.zip?file=w.pt"), @r#"config.yaml:3:29 `"https://a.org/w.zip?*********"`: `weights.url` must be an https URL with a path ending in `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.onnx`, got `https://a.org/w.zip?*********` | for example `https://github.com/OWNER/REPO/releases/download/v1.0/model.pt`"#);
    assert_snapshot!(url("https://a.org/w.pt#part"), @r#"config.yaml:3:29 `"https://a.org/w.pt#part"`: `weights.url` must be an https URL with a path ending in `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.onnx`, got `https://a.org/w.pt#part` | for example `https://github.com/OWNER/REPO/releases/download/v1.0/model.pt`"#);
    assert_snapshot!(url("https://a.org/my weights.pt"), @r#"config.yaml:3:29 `"https://a.org/my weights.pt"`: `weights.url` must be an https URL with a path ending in `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.onnx`, got `https://a.org/my weights.pt` | for example `https://github.com/OWNER/REPO/releases/download/v1.0/model.pt`"#);
    assert_snapshot!(refused_instead("weights", "{source: url, path: w.pt}"), @"config.yaml:3:24 `path`: unknown key `path` in `weights` with `source: url` | the keys are `url` and `sha256` | `path` is a key of `source: file`");
    assert_snapshot!(refused_instead("weights", "{source: url, sha256: abc}"), @"config.yaml:3:32 `abc`: `weights.sha256` must be 64 hexadecimal characters, got `abc` | `sha256sum FILE` prints it; the Hub shows it beside each large file");
    for good in [
        "https://github.com/a/b/releases/download/v2.2.9/20180402-114759-vggface2.pt",
        "https://a.org:8443/w.safetensors?version=2&key=a%20b",
        "http://localhost:80/w.PTH",
        "http://127.0.0.1/w.bin",
    ] {
        let config = accepted(SMALL, &[&format!("weights={{source: url, url: \"{good}\"}}")]);
        assert_eq!(config.weights, WeightsSource::Url { url: good.into(), sha256: None });
    }
}

/// Fault (config): an expectation of an unknown metric, or without bounds → refused at its place
#[test]
fn expectations_that_cannot_be_met() {
    assert_snapshot!(refused_with("expect:\n  impostor.men: {max: 0.1}\n"), @"config.yaml:5:3 `impostor.men`: unknown metric `impostor.men` | did you mean `impostor.mean`? | `facevault guide config-keys` lists the metrics");
    assert_snapshot!(refused_with("expect: {eer: {min: 0.2, max: 0.1}}"), @"config.yaml:4:31 `0.1`: `expect.eer.max` must be at least `min` (0.2), got 0.1");
    assert_snapshot!(refused_with("expect: {eer: {source: nowhere}}"), @"config.yaml:4:10 `eer`: the range of `eer` has no bound | give `min`, `max` or both");
    assert_snapshot!(refused_with("expect: {upstream.genuine.mean: {min: 0.7}}"), @"config.yaml:4:10 `upstream.genuine.mean`: `upstream.genuine.mean` is computed only with `similarity.upstream` | add `similarity: {upstream: {}}`, or remove the metric");
}

/// Fault (config): a `--set` without key or value, or that does not fit the config → refused with the part that is
/// wrong
#[test]
fn wrong_overrides() {
    assert_snapshot!(refused_set("embed.batch_size"), @"in --set `embed.batch_size`: an override has the form `key.path=value`, but this one has no `=` | for example `--set embed.batch_size=64`");
    assert_snapshot!(refused_set("embed..batch_size=1"), @"in --set `.`: the key path of an override has an empty or padded part | write the keys with single dots between them: `embed.batch_size=64`");
    assert_snapshot!(refused_set("embed.batchsize=1"), @"in --set `batchsize`: unknown key `batchsize` in `embed` | did you mean `batch_size`? | the keys are `device`, `precision`, `kernels`, `batch_size`, `chunk_size`, `part_rows`, `threads`, `picture_memory`, `on_error` and `max_failures`");
    assert_snapshot!(refused_set("embd.batch_size=1"), @"in --set `embd`: unknown key `embd` | did you mean `embed`? | the keys are `name`, `description`, `seed`, `dataset`, `detect`, `preprocess`, `model`, `weights`, `embed`, `similarity`, `report`, `protocols`, `expect`, `ablation` and `published`");
    assert_snapshot!(refused_set("embed.batch_size=0"), @"in --set `0`: `embed.batch_size` must be from 1 to 65536, got 0");
    assert_snapshot!(refused_set("embed.batch_size=many"), @"in --set `many`: `embed.batch_size` must be `auto` or a whole number, got the text `many`");
    assert_snapshot!(refused_set("embed.batch_size="), @"in --set: `embed.batch_size` must be `auto` or a whole number, got nothing");
    assert_snapshot!(refused_set("embed={batch_size: 4, thraeds: 2}"), @"in --set `thraeds`: unknown key `thraeds` in `embed` | did you mean `threads`? | the keys are `device`, `precision`, `kernels`, `batch_size`, `chunk_size`, `part_rows`, `threads`, `picture_memory`, `on_error` and `max_failures`");
    assert_snapshot!(refused_set("embed={batch_size: 4"), @"in --set `{`: not valid YAML: unclosed bracket '{'");
    assert_snapshot!(refused_set("name.first=a"), @"in --set `first`: `name` is the text `small` and has no key `first`");
    assert_snapshot!(refused_set("weights.source=file"), @"config.yaml:3:29 `name`: unknown key `name` in `weights` with `source: file` | the keys are `path` and `sha256` | to change `weights.source`, replace the whole mapping: `--set 'weights={…}'` | `name` is a key of `source: embedded`");
    assert_snapshot!(refused_set("expect.eeer.max=1"), @"in --set `eeer`: unknown metric `eeer` | did you mean `eer`? | `facevault guide config-keys` lists the metrics");
}

/// Fault (config): YAML that does not parse, duplicate keys, several documents → refused at the place
#[test]
fn broken_yaml() {
    assert_snapshot!(refused_with("embed: {batch_size: 4"), @"config.yaml:4:8 `{`: not valid YAML: unclosed bracket '{'");
    assert_snapshot!(refused_with("embed:\n  batch_size: 4\n threads: 2\n"), @"config.yaml:6:2 `t`: not valid YAML: while parsing a block mapping, did not find expected key");
    assert_snapshot!(refused_with("embed:\n\tbatch_size: 4\n"), @"config.yaml:5:1 ` `: line 5 is indented with a tab, which YAML does not allow | indent with spaces");
    // The parser points at the line before, where the text that the tab continues stands.
    assert_snapshot!(refused_with("seed: 1\n\tthreads: 4\n"), @"config.yaml:5:1 ` `: line 5 is indented with a tab, which YAML does not allow | indent with spaces");
    assert_snapshot!(refused_with("seed: 1\nseed: 2\n"), @"config.yaml:5:1 `seed`: the key `seed` is given twice");
    assert_snapshot!(refused_with("embed: {threads: 1, threads: 2}"), @"config.yaml:4:21 `threads`: the key `threads` is given twice");
    assert_snapshot!(refused_with("seed: *nowhere"), @"config.yaml:4:7 `*`: not valid YAML: alias references unknown anchor");
    assert_snapshot!(refused_with("---\nname: b\n"), @"config.yaml:5:1 `n`: a config is one YAML document, but a second one starts here");
}

/// Fault (config): an empty file, or bytes that are not UTF-8 → refused at the place
#[test]
fn files_that_are_no_config() {
    assert_snapshot!(refused(""), @"config.yaml: the config is empty | it needs at least `name`, `dataset` and `weights`; `facevault guide config-keys` lists every key");
    assert_snapshot!(refused("# only a comment\n"), @"config.yaml: the config is empty | it needs at least `name`, `dataset` and `weights`; `facevault guide config-keys` lists every key");
    let bytes = b"name: small\ndescription: caf\xe9\n";
    let error = load_stored(bytes, Path::new("config.yaml"), &[], Path::new("/")).unwrap_err();
    assert_snapshot!(error, @r#"
error: the config is not UTF-8 text
 --> config.yaml:2:17
  |
2 | description: caf�
  |                 ^
  = help: save it again as UTF-8
"#);
}

/// Fault (config): an alias bomb, thousands of nested lists → refused at once as too large
#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut levels = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
    levels.extend((1..=30).map(|level| {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} [{items}]")
    }));
    let bomb = levels.join("\n");
    let start = Instant::now();
    let error = refused(&bomb);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(error.contains("the YAML is too large"), "{error}");
    refused_with(&format!("embed: {}{}", "[".repeat(5000), "]".repeat(5000)));
}

/// Fault (config): long lines with control characters in a config → cut and escaped, the caret in its place
#[test]
fn long_lines_are_cut_and_control_characters_stay_out_of_the_terminal() {
    let lines = format!("{SMALL}description: {}\nseed: \"\\e[31m{}\"\n", "x".repeat(500), "y".repeat(500));
    let error = understood(&lines, &[]).unwrap_err().to_string();
    assert!(error.lines().all(|line| line.chars().count() < 200), "{error}");
    assert!(!error.contains('\u{1b}'), "{error}");
    let error = understood(&format!("{SMALL}seed: \"a\u{202e}\u{9b}\"\n"), &[]).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().filter_map(|line| line.split_once("| ")).map(|(_, shown)| shown).collect();
    let (shown, caret) = (lines[0], lines[1]);
    assert_eq!(shown, "seed: \"a\\u202e\\u009b\"", "{error}");
    assert_eq!(caret, "              ^^^^^^", "below the one that YAML refuses: {error}");
}

/// Fault (config): a path that is not there, or of another kind → refused with the nearest name in the folder
#[test]
fn files_that_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("faces")).unwrap();
    fs::write(at("weights.pth"), "").unwrap();
    fs::write(at("metadata.csv"), "").unwrap();
    let write = |dataset: &str, weights: &str| {
        fs::write(at("config.yaml"), format!("name: a\ndataset: {dataset}\nweights: {weights}\n")).unwrap();
    };
    let load_it = |overrides: &[String]| load(&at("config.yaml"), overrides);
    let refused = |overrides: &[String]| {
        let error = load_it(overrides).unwrap_err().to_string();
        let here = std::env::current_dir().unwrap();
        brief(&error).replace(folder.path().to_str().unwrap(), "[folder]").replace(here.to_str().unwrap(), "[current]")
    };

    write("{source: folders, root: faces}", "{source: file, path: weights.pth}");
    load_it(&[]).unwrap();
    assert_snapshot!(refused(&["dataset.root=nowhere/at/all".into()]), @"in --set `nowhere/at/all`: `dataset.root`: no such folder: [current]/nowhere/at/all | [current] has no `nowhere` | relative paths here start in [current]");

    write("{source: folders, root: face}", "{source: file, path: weights.pth}");
    assert_snapshot!(refused(&[]), @"[folder]/config.yaml:2:34 `face`: `dataset.root`: no such folder: [folder]/face | did you mean `faces`? | relative paths here start in [folder]");
    // What was computed stays readable when its inputs are gone.
    load_stored(&fs::read(at("config.yaml")).unwrap(), &at("config.yaml"), &[], folder.path()).unwrap();

    write("{source: folders, root: metadata.csv}", "{source: file, path: weights.pth}");
    assert_snapshot!(refused(&[]), @"[folder]/config.yaml:2:34 `metadata.csv`: `dataset.root` must be a folder, but [folder]/metadata.csv is not one | relative paths here start in [folder]");

    write("{source: phase1, csv: meta/data.csv}", "{source: file, path: weights.pth}");
    assert_snapshot!(refused(&[]), @"[folder]/config.yaml:2:32 `meta/data.csv`: `dataset.csv`: no such file: [folder]/meta/data.csv | [folder] has no `meta` | relative paths here start in [folder]");

    write("{source: folders, root: ~/faces}", "{source: file, path: weights.pth}");
    assert_snapshot!(refused(&[]), @"[folder]/config.yaml:2:34 `~/faces`: `dataset.root`: no such folder: [folder]/~/faces | `~` is not expanded: write the full path | relative paths here start in [folder]");

    write("{source: folders, root: faces}", "{source: file, path: wieghts.pth}");
    assert_snapshot!(refused(&[]), @"[folder]/config.yaml:3:31 `wieghts.pth`: `weights.path`: no such file: [folder]/wieghts.pth | did you mean `weights.pth`? | relative paths here start in [folder]");

    let error = load(&at("confg.yaml"), &[]).unwrap_err().to_string();
    assert_snapshot!(brief(&error).replace(folder.path().to_str().unwrap(), "[folder]"), @"[folder]/confg.yaml: cannot read the config: No such file or directory (os error 2) | did you mean `config.yaml`? | built in, without a file: `demo`");
}

#[test]
fn the_shipped_configs_load() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    for name in ["demo", "vggface2"] {
        let path = configs.join(format!("{name}.yaml"));
        let config = load(&path, &[]).unwrap_or_else(|error| panic!("{error}")).config;
        assert_eq!(config.name, name);
    }
    // Phase 1's data is the user's own.
    let path = configs.join("phase1.yaml");
    let text = fs::read(&path).unwrap();
    let config = load_stored(&text, &path, &[], &configs).unwrap_or_else(|error| panic!("{error}")).config;
    assert_eq!(config.expect.len(), 6);
    if !configs.join("../data/face_metadata.csv").exists() {
        let error = load(&path, &[]).unwrap_err().to_string();
        assert!(error.contains("`dataset.csv`: no such file"), "{error}");
    }
    for entry in fs::read_dir(&configs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("# yaml-language-server: $schema=schema.json\n"), "{}", path.display());
        }
    }
}

proptest! {
    /// Fault (config): random texts → a config or an error, never a panic
    #[test]
    fn no_text_panics(text in "[a-z{}\\[\\]:,&*!|>'\"#\\-\\s\\\\0-9é]{0,80}") {
        let _ = understood(&text, &[]);
        let _ = understood(SMALL, &[&text]);
        let _ = understood(SMALL, &[&format!("embed={text}")]);
        let _ = understood(&format!("{SMALL}embed: {text}"), &[]);
    }

    #[test]
    fn a_value_from_the_command_line_is_as_good_as_one_from_the_file(batch in 0..70_000_u32, seed in any::<u64>()) {
        let in_file = understood(&format!("{SMALL}seed: {seed}\nembed: {{batch_size: {batch}}}\n"), &[]);
        let set = understood(SMALL, &[&format!("seed={seed}"), &format!("embed.batch_size={batch}")]);
        match (in_file, set) {
            (Ok(in_file), Ok(set)) => prop_assert_eq!(in_file, set),
            (in_file, set) => prop_assert!(in_file.is_err() && set.is_err()),
        }
    }
}

#[test]
fn precisions_and_kernels_are_what_they_are_called() {
    for precision in Precision::ALL {
        let config = accepted(SMALL, &[&format!("embed.precision={}", precision.name())]);
        assert_eq!(config.embed.precision, precision);
    }
    for kernels in [Kernels::Auto, Kernels::Avx512, Kernels::Avx2, Kernels::Neon, Kernels::Portable, Kernels::Candle] {
        let config = accepted(SMALL, &[&format!("embed.kernels={}", kernels.name())]);
        assert_eq!(config.embed.kernels, kernels);
    }
}

#[test]
fn detect_needs_photos_without_boxes() {
    let with = |dataset: &str, detect: &str| {
        let text =
            format!("name: small\ndataset: {dataset}\nweights: {{source: embedded, name: demo}}\ndetect: {detect}\n");
        refused(&text)
    };
    let photos = "{source: folders, root: photos}";
    assert_snapshot!(with("{source: synthetic, identities: 3, samples: 2}", "{}"), @"config.yaml:4:1 `detect`: `detect` needs photos, and this dataset's faces are located already | remove `detect`");
    assert_snapshot!(with("{source: folders, root: photos, boxes: boxes.csv}", "{}"), @"config.yaml:4:1 `detect`: `detect` finds the boxes that `dataset.boxes` gives | remove one of them");
    assert_snapshot!(with("{source: phase1, csv: faces.csv}", "{}"), @"config.yaml:4:1 `detect`: `detect` needs photos, and `dataset.image` is `crop` | set `dataset.image: photo`, or remove `detect`");
    assert_snapshot!(with(photos, "{keep: biggest}"), @"config.yaml:4:16 `biggest`: `detect.keep` must be `all`, `largest`, `center-weighted`, `most-probable` or `one`, got `biggest`");
    assert_snapshot!(with(photos, "{min_size: 5}"), @"config.yaml:4:20 `5`: `detect.min_size` must be from 10 to 10000, got 5");
    assert_snapshot!(with(photos, "{thresholds: [0.6, 0.7]}"), @"config.yaml:4:22 `[`: `detect.thresholds` must have 3 values, got 2");
    assert_snapshot!(with(photos, "{thresholds: [0.6, 0.7, 1.7]}"), @"config.yaml:4:33 `1.7`: `detect.thresholds.2` must be from 0 to 1, got 1.7");
    assert_snapshot!(with(photos, "{weights: {pnet: {source: embedded, name: demo}}}"), @"config.yaml:4:10 `weights`: missing key `rnet` in `detect.weights` | `facevault guide config-keys` lists every key with its unit and default");
    assert_snapshot!(with(photos, "{min_probabilty: 0.9}"), @"config.yaml:4:10 `min_probabilty`: unknown key `min_probabilty` in `detect` | did you mean `min_probability`? | the keys are `detector`, `weights`, `min_size`, `thresholds`, `factor`, `keep` and `min_probability`");
}

#[test]
fn protocols_are_of_pairs_unless_they_say_otherwise() {
    let config = accepted(
        SMALL,
        &[
            "protocols=[{name: a, folds: 3}, {kind: identification, name: b, fpir: [0.03], ranks: [1, 20]}, {kind: pairs, name: c}]",
        ],
    );
    assert_eq!(config.protocols.iter().map(|protocol| protocol.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(
        config.identification[0].quantities().collect::<Vec<_>>(),
        ["rank1", "rank20", "tpir@fpir=3e-2", "fnir@fpir=3e-2"]
    );
    let metrics = "protocols: [{kind: identification, name: b}]\n\
                   expect: {b.rank1: {min: 0.9}, b.tpir@fpir=1e-4: {min: 0.5}}\n\
                   published: [{metric: b.fnir@fpir=1e-2, value: 0.1, source: x}]\n";
    accepted(&format!("{SMALL}{metrics}"), &[]);
}

/// Fault (config): keys of an identification protocol that contradict each other, or a metric that it does not report → refused at the key, with what to remove
#[test]
fn identification_protocols_that_contradict_themselves_are_refused() {
    let protocol = |keys: &str| refused_with(&format!("protocols:\n  - {{name: b, {keys}}}\n"));
    assert_snapshot!(protocol("unknown_share: 0.5"), @"config.yaml:5:15 `unknown_share`: unknown key `unknown_share` in `protocols.0` | the keys are `name`, `group`, `pairs`, `split`, `folds`, `distance`, `subtract_mean`, `thresholds`, `max_left_out` and `far` | `unknown_share` is a key of `kind: identification`");
    assert_snapshot!(protocol("kind: search"), @"config.yaml:5:21 `search`: `protocols.0.kind` must be `pairs`, `identification` or `templates`, got `search`");
    assert_snapshot!(protocol("kind: identification, folds: 3"), @"config.yaml:5:37 `folds`: unknown key `folds` in `protocols.0` with `kind: identification` | the keys are `name`, `gallery`, `probes`, `distractors`, `unknown_share`, `roles`, `gallery_rule`, `candidates`, `ranks`, `fpir` and `max_left_out` | `folds` is a key of `kind: pairs`");
    assert_snapshot!(protocol("kind: identification, gallery: {}"), @"config.yaml:5:46 `{`: `gallery` takes either `first` or `folders` | for example `gallery: {first: 1}`");
    assert_snapshot!(protocol("kind: identification, gallery: {first: 1, folders: [a]}"), @"config.yaml:5:46 `{`: `gallery` takes either `first` or `folders` | for example `gallery: {first: 1}`");
    assert_snapshot!(protocol("kind: identification, gallery: {first: 0}"), @"config.yaml:5:54 `0`: `protocols.0.gallery.first` must be from 1 to 1000000, got 0");
    assert_snapshot!(protocol("kind: identification, gallery: {folders: [a]}, probes: {folders: [b, a]}"), @"config.yaml:5:80 `[`: the folder `a` is of the gallery and of the probes | name it in one of them");
    assert_snapshot!(protocol("kind: identification, gallery: {folders: [a]}, unknown_share: 0.5"), @"config.yaml:5:62 `unknown_share`: `unknown_share` chooses among the identities that `gallery: {first: …}` gives a gallery | remove it: whoever has no gallery here is unknown");
    assert_snapshot!(protocol("kind: identification, probes: {folders: [a]}"), @"config.yaml:5:37 `probes`: `gallery: {first: …}` makes probes of all other faces | remove `probes`, or name the folders of the gallery: `gallery: {folders: […]}`");
    assert_snapshot!(protocol("kind: identification, roles: ''"), @"config.yaml:5:44 `''`: `protocols.0.roles` must be the path of a file");
    assert_snapshot!(protocol("kind: identification, roles: a.csv, gallery: {first: 1}"), @"config.yaml:5:51 `gallery`: the table of `roles` says which faces are the gallery | remove `gallery` or `roles`");
    assert_snapshot!(protocol("kind: identification, fpir: [0.1, 0]"), @"config.yaml:5:49 `0`: `protocols.0.fpir.1` must be from 1e-9 to 1, got 0");
    assert_snapshot!(protocol("kind: identification, ranks: []"), @"config.yaml:5:44 `[`: `protocols.0.ranks` must not be empty");
    assert_snapshot!(protocol("kind: identification}\n  - {name: b"), @"config.yaml:6:12 `b`: two protocols are called `b`");
    assert_snapshot!(protocol("kind: identification}\nexpect: {b.rank2: {min: 1}"), @"config.yaml:6:10 `b.rank2`: unknown metric `b.rank2` | did you mean `b.rank1`? | `facevault guide config-keys` lists the metrics");
    assert_snapshot!(protocol("kind: identification}\nexpect: {b.tpir@fpir=1e-5: {min: 1}"), @"config.yaml:6:10 `b.tpir@fpir=1e-5`: unknown metric `b.tpir@fpir=1e-5` | did you mean `b.tpir@fpir=1e-1`? | `facevault guide config-keys` lists the metrics");
}
