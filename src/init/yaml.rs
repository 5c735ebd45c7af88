//! The text of a config: every key with a line that says what it does.

use super::find::{Content, Line};
use super::scalar::scalar;
use super::{Choices, Look, Purpose, Shown, Weights};

/// A mapping and its comments.
struct Section(String);

impl Section {
    fn new(name: &str, comment: &str) -> Self {
        Self(format!("\n{}\n", with_comment(&format!("{name}:"), comment)))
    }

    fn line(mut self, text: &str, comment: &str) -> Self {
        self.0.extend(["  ", &with_comment(text, comment), "\n"]);
        self
    }
}

fn with_comment(text: &str, comment: &str) -> String {
    if comment.is_empty() { text.to_owned() } else { format!("{text} # {comment}") }
}

/// A config with this dataset and nothing else that matters, to count its faces.
pub(super) fn dataset_only(look: &Look) -> String {
    let weights = if look.has_pictures() { "weights: { source: embedded, name: demo }\n" } else { "" };
    format!("name: look\n{weights}{}", dataset(look, Purpose::Verification).0)
}

/// The whole config.
pub(super) fn text(look: &Look, choices: &Choices) -> String {
    let mut text = format!(
        "# Written by `facevault init`. {}.\n# `facevault check` shows what it would do, `facevault guide config-keys` lists \
         every key.\n\n",
        capital(&look.sentence())
    );
    text += &with_comment(&format!("name: {}", scalar(&look.found.name)), "runs are called by it");
    text += "\n";
    text += &with_comment("seed: 0", "of everything that is drawn at random; the same seed gives the same numbers");
    text += "\n";
    text += &dataset(look, choices.purpose).0;
    if look.has_pictures() {
        if choices.shown == Some(Shown::Photos) && look.found.content == Content::Pictures {
            text += &Section::new("detect", "finds the faces in the photos first")
                .line("detector: mtcnn", "as facenet-pytorch runs it; its weights are in the program")
                .line(
                    "keep: largest",
                    "one face of each photo; `all`, `center-weighted` and others: `facevault guide detection`",
                )
                .0;
        }
        text += &preprocess(look, choices).0;
        text += &model(&choices.weights);
        text += &weights(&choices.weights).0;
    }
    text += &protocols(look, choices.purpose);
    text
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn dataset(look: &Look, purpose: Purpose) -> Section {
    let kept = |line: &&Line| line.key != "pairs" || purpose == Purpose::Verification;
    let lines = look.found.lines.iter().filter(kept);
    let comment = "where the faces come from; relative paths start in this file's folder";
    lines.fold(Section::new("dataset", comment), |section, Line { key, value, comment }| {
        section.line(&format!("{key}: {value}"), comment)
    })
}

/// The profile and the crop.
fn preprocess(look: &Look, choices: &Choices) -> Section {
    let (profile, as_trained) = profile(look, choices);
    let section = Section::new("preprocess", "from a picture to the pixels that the network takes")
        .line(&format!("profile: {profile}"), as_trained);
    let section = match choices.shown {
        Some(Shown::Crops) if profile == "facevault-notebook" => section,
        Some(Shown::Crops) => section.line(
            "crop: { mode: whole }",
            "the pictures are crops: nothing is cut off; `box` cuts by a detector's box",
        ),
        // This profile takes whole pictures, and then no run would refuse photos.
        Some(Shown::Photos) | None if profile == "facevault-notebook" => section.line(
            "crop: { mode: box, margin: 14, unit: output-pixels }",
            "the face is cut out by its box, with a margin",
        ),
        Some(Shown::Photos) | None => section,
    };
    match choices.weights {
        Weights::Demo => section.line("resize: { size: 80 }", "what the miniature network takes"),
        _ => section,
    }
}

/// The profile and the reason.
pub(super) fn profile(look: &Look, choices: &Choices) -> (&'static str, &'static str) {
    match &choices.weights {
        Weights::Demo => ("facevault-notebook", "as the miniature network was trained"),
        weights if weights.is_onnx() => {
            ("insightface", "aligned by five points, 112 pixels, as insightface's networks take them")
        }
        _ if look.found.kind == "a Phase-1 table" && choices.shown == Some(Shown::Crops) => {
            ("facevault-notebook", "as the notebook read Phase 1's crops")
        }
        _ => (
            "facenet-pytorch",
            "160 pixels, standardised as FaceNet's checkpoints take them; the others: `facevault guide config-keys`",
        ),
    }
}

fn model(weights: &Weights) -> String {
    match weights {
        Weights::Demo => {
            Section::new("model", "which network").line("width: 0.25", "a quarter of FaceNet's channels").0
        }
        weights if weights.is_onnx() => {
            Section::new("model", "which network").line("network: onnx", "the file is its own network").0
        }
        Weights::File(_) => {
            Section::new("model", "which network")
                .line("network: inception-resnet-v1", "FaceNet; `facevault guide config-keys` lists the others")
                .0
        }
        Weights::Vggface2 => String::new(),
    }
}

fn weights(weights: &Weights) -> Section {
    let section = Section::new("weights", "the network's numbers");
    match weights {
        Weights::Vggface2 => section
            .line("source: hub", "FaceNet trained on VGGFace2: 112 MB, downloaded once from the Hugging Face Hub")
            .line("repo: py-feat/facenet", "owner and name of the repository")
            .line("revision: 8dd79278b755ee24ee9922619122df8a2b80b787", "a commit, so that it never changes")
            .line("file: model.safetensors", "the file in it")
            .line(
                "sha256: 060b24840d57519af854efb1c1d86f110842a1312220afbde4aebb0df1448c9d",
                "checked before anything is read",
            ),
        Weights::Demo => section
            .line("source: embedded", "inside the program; trained on drawn faces: for trying things, not for people")
            .line("name: demo", "the only ones inside"),
        Weights::File(path) => section.line("source: file", "a checkpoint on this machine").line(
            &format!("path: {}", scalar(&path.to_string_lossy())),
            "`sha256: …` below it pins the content; `facevault fetch` prints it",
        ),
    }
}

/// What is evaluated.
fn protocols(look: &Look, purpose: Purpose) -> String {
    let has_pairs = look.found.lines.iter().any(|line| line.key == "pairs");
    match purpose {
        Purpose::Verification if has_pairs => Section::new("protocols", "besides all pairs of all faces")
            .line("- name: listed", "accuracy over folds of the list of pairs; `facevault guide evaluate-a-benchmark`")
            .0,
        Purpose::Search => Section::new("protocols", "besides all pairs of all faces")
            .line("- name: search", "the beginning of its metrics' names: `search.rank1`")
            .line("  kind: identification", "how often a search finds the right person; `facevault guide search-a-gallery`")
            .line("  gallery: { first: 1 }", "the first picture of each person is in the gallery, the others search it")
            .0,
        Purpose::Verification => "\n# All pairs of all faces are compared. A list of pairs of your own: `dataset.pairs` and `protocols`,\n# `facevault guide evaluate-a-benchmark`.\n".into(),
        Purpose::Embeddings => "\n# `facevault embed` writes the embeddings and compares nothing; `facevault experiment` evaluates them, too.\n".into(),
    }
}
