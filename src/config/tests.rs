//! The messages, whole: they are the interface of a wrong config.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::preprocess::{PROFILES, profile};

const SMALL: &str = "\
name: small
dataset: {source: synthetic, identities: 3, samples: 2}
weights: {source: embedded, name: demo}
";

fn understood(text: &str, overrides: &[&str]) -> Result<ExperimentConfig, ConfigError> {
    let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
    load_stored(text.as_bytes(), Path::new("config.yaml"), &overrides, Path::new("/current")).map(|loaded| loaded.config)
}

#[track_caller]
fn accepted(text: &str, overrides: &[&str]) -> ExperimentConfig {
    understood(text, overrides).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(text: &str) -> String {
    understood(text, &[]).unwrap_err().to_string()
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
    understood(SMALL, &[text]).unwrap_err().to_string()
}

#[test]
fn the_smallest_config_gets_sensible_defaults() {
    let config = accepted(SMALL, &[]);
    assert_eq!(config.seed, 0);
    assert_eq!(config.dataset, DatasetSource::Synthetic { seed: 0, identities: 3, samples: 2, size: 112 });
    assert_eq!(Some(config.preprocess), profile("facenet-pytorch"));
    assert_eq!(config.model, ModelSpec { network: Network::InceptionResnetV1, width: 1.0 });
    assert_eq!(
        config.embed,
        EmbedOptions {
            device: DeviceRequest::Auto,
            precision: Precision::F32,
            batch_size: 32,
            chunk_size: 1024,
            threads: None,
            on_error: OnError::Skip,
            max_failures: None,
        }
    );
    assert_eq!(
        config.similarity,
        SimilarityOptions {
            pairs: PairMode::Auto,
            max_pairs: 20_000_000,
            upstream: None,
            replicates: 1000,
            confidence: 0.95,
            hardest: 50,
        }
    );
    assert!(!config.report.pictures && config.expect.is_empty() && config.description.is_empty());
}

#[test]
fn a_profile_is_taken_whole_and_is_custom_once_a_part_differs() {
    for name in PROFILES {
        let config = accepted(SMALL, &[&format!("preprocess.profile={name}")]);
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
fn every_kind_of_source_can_be_written() {
    let folders = accepted(SMALL, &["dataset={source: folders, root: faces}"]);
    assert_eq!(folders.dataset, DatasetSource::Folders { root: "/current/faces".into() });
    let hub = accepted(SMALL, &["dataset={source: hub-folders, repo: a/b, revision: A6B6E3D, folder: x/y/}"]);
    assert_eq!(
        hub.dataset,
        DatasetSource::HubFolders { repo: "a/b".into(), revision: "a6b6e3d".into(), folder: "x/y".into() }
    );
    let phase1 = accepted(
        SMALL,
        &["dataset={source: phase1, csv: d/m.csv, rewrite: [{from: /kaggle/, to: ''}], image: photo}", "dataset.rewrite.0.to=crops/"],
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
        &[&format!("weights={{source: hub, repo: py-feat/facenet, revision: {revision}, file: m.safetensors, sha256: {sha256}}}")],
    );
    assert_eq!(
        hub.weights,
        WeightsSource::Hub {
            repo: "py-feat/facenet".into(),
            revision: revision.into(),
            file: "m.safetensors".into(),
            sha256: sha256.parse::<Digest>().unwrap(),
        }
    );
}

#[test]
fn relative_paths_start_at_the_file_or_at_the_current_folder_for_an_override() {
    let text = "name: a\ndataset: {source: folders, root: faces}\nweights: {source: file, path: w.pth}\n";
    let overrides = ["weights.path=w.pt".to_owned()];
    let loaded = load_stored(text.as_bytes(), Path::new("/configs/a.yaml"), &overrides, Path::new("/current")).unwrap();
    assert_eq!(loaded.config.dataset, DatasetSource::Folders { root: "/configs/faces".into() });
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
    assert_eq!(config.embed.batch_size, 2);
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
    assert_eq!(config.similarity.max_pairs, 1000);
}

#[test]
fn unknown_keys_at_each_level() {
    assert_snapshot!(refused_with("embeded: {}"), @"");
    assert_snapshot!(refused_with("embed:\n  batchsize: 32\n"), @"");
    assert_snapshot!(refused_with("similarity:\n  upstream:\n    pears: 5\n"), @"");
    assert_snapshot!(refused_with("preprocess:\n  crop: {mode: whole, margin: 3}\n"), @"");
    assert_snapshot!(refused_with("expect:\n  eer: {maximum: 3}\n"), @"");
    assert_snapshot!(refused_instead("dataset", "{source: synthetic, idenities: 3, samples: 2}"), @"");
    assert_snapshot!(refused_instead("dataset", "\n  source: phase1\n  csv: a.csv\n  rewrite:\n    - {from: a, too: b}"), @"");
}

#[test]
fn wrong_types() {
    assert_snapshot!(refused_with("seed: many"), @"");
    assert_snapshot!(refused_with("seed: -1"), @"");
    assert_snapshot!(refused_with("embed: {batch_size: \"32\"}"), @"");
    assert_snapshot!(refused_with("embed: {batch_size: 1.5}"), @"");
    assert_snapshot!(refused_with("embed: [1, 2]"), @"");
    assert_snapshot!(refused_with("report: {pictures: yes}"), @"");
    assert_snapshot!(refused_with("expect: 3"), @"");
    assert_snapshot!(refused("name: 2024"), @"");
    assert_snapshot!(refused_instead("dataset", "synthetic"), @"");
    assert_snapshot!(refused_instead("weights", "{source: [], name: demo}"), @"");
    assert_snapshot!(refused_instead("dataset", "{source: phase1, csv: a.csv, rewrite: [{from: a, to: b}, {from: 1, to: b}]}"), @"");
    assert_snapshot!(refused("- name\n- dataset\n"), @"");
}

#[test]
fn values_out_of_range() {
    assert_snapshot!(refused_with("embed:\n  batch_size: 0\n"), @"");
    assert_snapshot!(refused_with("similarity: {confidence: 1}"), @"");
    assert_snapshot!(refused_with("similarity: {upstream: {faces_per_identity: 1}}"), @"");
    assert_snapshot!(refused_with("model: {width: .nan}"), @"");
    assert_snapshot!(refused_with("preprocess: {resize: {size: 74}}"), @"");
    assert_snapshot!(refused_with("preprocess: {standardise: {scale: 0}}"), @"");
    assert_snapshot!(refused_with("preprocess: {crop: {mode: box, margin: 160, unit: output-pixels}}"), @"");
    assert_snapshot!(refused_instead("dataset", "{source: synthetic, identities: 5000000000, samples: 1}"), @"");
    assert_snapshot!(refused_instead("name", "My Run"), @"");
}

#[test]
fn missing_keys() {
    assert_snapshot!(refused("# a comment\nname: small\nweights: {source: embedded, name: demo}\n"), @"");
    assert_snapshot!(refused_instead("dataset", "\n  source: synthetic\n  samples: 1\n"), @"");
    assert_snapshot!(refused_instead("weights", "{name: demo}"), @"");
    assert_snapshot!(refused_with("preprocess:\n  crop:\n    mode: box\n    margin: 3\n"), @"");
}

#[test]
fn names_that_do_not_exist() {
    assert_snapshot!(refused_with("preprocess:\n  profile: facenet-pytorh\n"), @"");
    assert_snapshot!(refused_with("embed: {device: gpu}"), @"");
    assert_snapshot!(refused_with("preprocess: {resize: {filter: pillow_bilinear}}"), @"");
    assert_snapshot!(refused_instead("dataset", "{source: folder, root: faces}"), @"");
    assert_snapshot!(refused_instead("weights", "{source: embedded, name: vggface2}"), @"");
}

#[test]
fn references_that_are_not_pinned() {
    let weights = |revision: &str, sha256: &str| {
        let text = format!("{{source: hub, repo: a/b, revision: {revision}, file: m.pth, sha256: {sha256}}}");
        refused_instead("weights", &text)
    };
    let (hash, digest) = ("8dd79278b755ee24ee9922619122df8a2b80b787", "0".repeat(64));
    assert_snapshot!(weights("main", &digest), @"");
    assert_snapshot!(weights("8dd7927", &digest), @"");
    assert_snapshot!(weights(hash, "abc"), @"");
    assert_snapshot!(weights(hash, &"z".repeat(64)), @"");
    assert_snapshot!(refused_instead("dataset", "{source: hub-folders, repo: lfw, revision: a6b6e3d}"), @"");
    assert_snapshot!(refused_instead("dataset", "{source: hub-folders, repo: a/b, revision: v1.0}"), @"");
    assert_snapshot!(refused_instead("dataset", "{source: hub-folders, repo: a/b, revision: a6b6e3d, folder: ../x}"), @"");
    assert_snapshot!(refused_instead("weights", "{source: file, path: model.onnx}"), @"");
}

#[test]
fn expectations_that_cannot_be_met() {
    assert_snapshot!(refused_with("expect:\n  impostor.men: {max: 0.1}\n"), @"");
    assert_snapshot!(refused_with("expect: {eer: {min: 0.2, max: 0.1}}"), @"");
    assert_snapshot!(refused_with("expect: {eer: {source: nowhere}}"), @"");
    assert_snapshot!(refused_with("expect: {upstream.genuine.mean: {min: 0.7}}"), @"");
}

#[test]
fn wrong_overrides() {
    assert_snapshot!(refused_set("embed.batch_size"), @"");
    assert_snapshot!(refused_set("embed..batch_size=1"), @"");
    assert_snapshot!(refused_set("embed.batchsize=1"), @"");
    assert_snapshot!(refused_set("embd.batch_size=1"), @"");
    assert_snapshot!(refused_set("embed.batch_size=0"), @"");
    assert_snapshot!(refused_set("embed.batch_size=many"), @"");
    assert_snapshot!(refused_set("embed.batch_size="), @"");
    assert_snapshot!(refused_set("embed={batch_size: 4, thraeds: 2}"), @"");
    assert_snapshot!(refused_set("embed={batch_size: 4"), @"");
    assert_snapshot!(refused_set("name.first=a"), @"");
    assert_snapshot!(refused_set("weights.source=file"), @"");
    assert_snapshot!(refused_set("expect.eeer.max=1"), @"");
}

#[test]
fn broken_yaml() {
    assert_snapshot!(refused_with("embed: {batch_size: 4"), @"");
    assert_snapshot!(refused_with("embed:\n  batch_size: 4\n threads: 2\n"), @"");
    assert_snapshot!(refused_with("embed:\n\tbatch_size: 4\n"), @"");
    assert_snapshot!(refused_with("seed: 1\nseed: 2\n"), @"");
    assert_snapshot!(refused_with("embed: {threads: 1, threads: 2}"), @"");
    assert_snapshot!(refused_with("seed: *nowhere"), @"");
    assert_snapshot!(refused_with("---\nname: b\n"), @"");
}

#[test]
fn files_that_are_no_config() {
    assert_snapshot!(refused(""), @"");
    assert_snapshot!(refused("# only a comment\n"), @"");
    let bytes = b"name: small\ndescription: caf\xe9\n";
    let error = load_stored(bytes, Path::new("config.yaml"), &[], Path::new("/")).unwrap_err();
    assert_snapshot!(error, @"");
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..=30 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{items}]\n");
    }
    let start = Instant::now();
    let error = refused(&bomb);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(error.starts_with("error: this YAML is too large"), "{error}");
    let deep = refused_with(&format!("embed: {}{}", "[".repeat(5000), "]".repeat(5000)));
    assert!(deep.starts_with("error: "), "{deep}");
}

#[test]
fn long_lines_are_cut_and_control_characters_stay_out_of_the_terminal() {
    let error = refused_with(&format!("description: {}\nseed: \"\\e[31m{}\"\n", "x".repeat(500), "y".repeat(500)));
    assert!(error.lines().all(|line| line.chars().count() < 200), "{error}");
    assert!(!error.contains('\u{1b}'), "{error}");
}

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
        error.replace(folder.path().to_str().unwrap(), "[folder]").replace(here.to_str().unwrap(), "[current]")
    };

    write("{source: folders, root: faces}", "{source: file, path: weights.pth}");
    load_it(&[]).unwrap();
    assert_snapshot!(refused(&["dataset.root=nowhere/at/all".into()]), @"");

    write("{source: folders, root: face}", "{source: file, path: weights.pth}");
    assert_snapshot!(refused(&[]), @"");
    // What was computed stays readable when its inputs are gone.
    load_stored(&fs::read(at("config.yaml")).unwrap(), &at("config.yaml"), &[], folder.path()).unwrap();

    write("{source: folders, root: metadata.csv}", "{source: file, path: weights.pth}");
    assert_snapshot!(refused(&[]), @"");

    write("{source: phase1, csv: meta/data.csv}", "{source: file, path: weights.pth}");
    assert_snapshot!(refused(&[]), @"");

    write("{source: folders, root: ~/faces}", "{source: file, path: weights.pth}");
    assert_snapshot!(refused(&[]), @"");

    write("{source: folders, root: faces}", "{source: file, path: wieghts.pth}");
    assert_snapshot!(refused(&[]), @"");

    let error = load(&at("confg.yaml"), &[]).unwrap_err().to_string();
    assert_snapshot!(error.replace(folder.path().to_str().unwrap(), "[folder]"), @"");
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
        assert!(error.contains("`dataset.csv`: there is no file"), "{error}");
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
