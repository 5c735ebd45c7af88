//! `init [PATH]`: writes a config for faces that somebody has.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::{options_to_repeat, print};
use crate::cli::InitArgs;
use crate::error::{CommandOutcome, Error};
use crate::init::{self, Choices, Hints, InitError, Look, Purpose, Shown, Weights};
use crate::terminal::{self, say};
use crate::text_table::TextTable;

/// What `init --json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct InitOutput<'a> {
    /// The config that was written.
    config: &'a Path,
    /// What was found at the path.
    found: &'a Look,
    /// The weights, as `--weights` names them; `None` without pictures.
    weights: Option<String>,
    /// What the config is for.
    purpose: Purpose,
    /// What the pictures were taken for; `None` without pictures, or where nothing tells.
    pictures: Option<Shown>,
    /// The preprocessing profile; `None` without pictures.
    profile: Option<&'static str>,
    /// Why the pictures were taken for that, or for nothing; `None` without pictures.
    reason: Option<String>,
    /// The commands to go on with.
    next: [String; 2],
}

pub(super) fn run(arguments: &InitArgs) -> Result<CommandOutcome, Error> {
    let common = &arguments.common;
    let hints = Hints { pattern: arguments.pattern.clone(), table: arguments.table.clone() };
    let elsewhere = arguments.out.as_deref().is_some_and(is_elsewhere);
    let look = Look::at(&arguments.path, &hints, elsewhere)?;
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.yaml", look.found.name)));
    let asks = !arguments.yes && !common.json && terminal::is_interactive();
    if asks {
        say(&format!("found   {}", look.sentence()));
    }
    if let Some(note) = look.note.as_ref().filter(|_| !common.quiet) {
        say(&format!("note    {note}"));
    }
    refuse_unused(arguments, &look)?;
    let (choices, reason) = choose(arguments, &look, asks)?;
    init::write(&out, &init::text(&look, &choices), arguments.force)?;
    if !asks && !common.quiet {
        say(&defaults(arguments, &look, &choices));
    }
    let repeated = options_to_repeat(common, &[]);
    let shown = out.display();
    let verb = if choices.purpose == Purpose::Embeddings { "embed" } else { "experiment" };
    let commands =
        ["check", verb].map(|verb| format!("facevault {verb} {}{repeated}", crate::run::quoted(&shown.to_string())));
    let profile = look.has_pictures().then(|| init::profile(&look, &choices));
    let output = InitOutput {
        config: &out,
        found: &look,
        weights: look.has_pictures().then(|| choices.weights.name()),
        purpose: choices.purpose,
        pictures: choices.shown.filter(|_| look.has_pictures()),
        profile: profile.map(|(name, _)| name),
        reason,
        next: commands,
    };
    print(common, &output, || {
        let mut table = TextTable::default();
        if !asks {
            table.row(["found", &look.sentence()]);
        }
        if let (Some((name, why)), Some(reason)) = (profile, &output.reason) {
            let taken = match choices.shown {
                Some(Shown::Photos) => "taken for photos",
                Some(Shown::Crops) => "taken for crops",
                None => "`--pictures` says whether they are crops or photos",
            };
            table.row(["pictures", &format!("{taken}: {reason}")]);
            table.row(["profile", &format!("{name}: {why}")]);
        }
        table.row(["wrote", &shown.to_string()]);
        table.row(["next", &output.next[0]]);
        table.row(["then", &output.next[1]]);
        table.to_string()
    })?;
    Ok(CommandOutcome::Done)
}

/// Whether a config's folder is another one than the current one.
fn is_elsewhere(config: &Path) -> bool {
    let folder = config.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match (folder.canonicalize(), Path::new(".").canonicalize()) {
        (Ok(folder), Ok(here)) => folder != here,
        _ => true,
    }
}

/// Refuses flags that say nothing of these faces.
fn refuse_unused(arguments: &InitArgs, look: &Look) -> Result<(), InitError> {
    let unused = match () {
        () if !look.has_pictures() && arguments.weights.is_some() => "--weights",
        () if !look.is_open() && arguments.pictures.is_some() => "--pictures",
        () => return Ok(()),
    };
    Err(InitError::Unused { flag: unused, kind: look.kind.to_owned() })
}

/// What the flags say, then what a person answers, then the defaults; and why the pictures are taken for what they are.
fn choose(arguments: &InitArgs, look: &Look, asks: bool) -> Result<(Choices, Option<String>), InitError> {
    let weights = match &arguments.weights {
        Some(text) => Weights::named(text)?,
        None if asks && look.has_pictures() => ask_weights(),
        None => Weights::Vggface2,
    };
    let weights = match weights {
        Weights::File(path) if arguments.out.as_deref().is_some_and(is_elsewhere) => {
            Weights::File(std::path::absolute(&path).unwrap_or(path))
        }
        other => other,
    };
    let purpose = arguments.purpose.unwrap_or_else(|| if asks { ask_purpose() } else { Purpose::default() });
    let (guess, why) = look.shown(&weights);
    let (shown, reason) = match arguments.pictures {
        Some(shown) => (Some(shown), "you said so".to_owned()),
        None if asks && look.is_open() => match Some(ask_shown(guess, &why)) {
            shown if shown == guess => (shown, why),
            shown => (shown, "you said so".to_owned()),
        },
        None => (guess, why),
    };
    Ok((Choices { weights, purpose, shown }, look.has_pictures().then_some(reason)))
}

/// What was chosen for somebody who was not asked.
fn defaults(arguments: &InitArgs, look: &Look, choices: &Choices) -> String {
    let mut taken = Vec::new();
    if arguments.weights.is_none() && look.has_pictures() {
        taken.push(format!("--weights {}", choices.weights.name()));
    }
    if arguments.purpose.is_none() {
        taken.push(format!("--for {}", word(choices.purpose)));
    }
    if let Some(shown) = choices.shown.filter(|_| arguments.pictures.is_none() && look.is_open()) {
        taken.push(format!("--pictures {}", word(shown)));
    }
    match &taken[..] {
        [] => "nothing was asked: every choice is a flag's".into(),
        taken => format!("nothing was asked; by default: {}", taken.join(" ")),
    }
}

/// As the command line spells a choice.
fn word<T: clap::ValueEnum + Copy>(choice: T) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn ask_weights() -> Weights {
    let question = "Which weights? A number, or the path of a checkpoint (.safetensors, .pth, .onnx)\n\
                    \u{20} 1  vggface2: FaceNet trained on VGGFace2, 112 MB from the Hugging Face Hub (Enter)\n\
                    \u{20} 2  demo: a miniature inside the program, to try things without a download";
    loop {
        match terminal::ask(question).as_deref() {
            None | Some("" | "1" | "vggface2") => return Weights::Vggface2,
            Some("2" | "demo") => return Weights::Demo,
            Some(path) if Path::new(path).is_file() => return Weights::File(path.into()),
            Some(other) => say(&format!("`{other}` is neither 1 nor 2 nor a file")),
        }
    }
}

fn ask_purpose() -> Purpose {
    let question = "What are the embeddings for?\n\
                    \u{20} 1  verification: how well people are told apart (Enter)\n\
                    \u{20} 2  search: how often a search in a gallery finds the right person\n\
                    \u{20} 3  embeddings: the files alone, nothing is compared";
    one_of(question, [Purpose::Verification, Purpose::Search, Purpose::Embeddings], 0)
}

fn ask_shown(guess: Option<Shown>, why: &str) -> Shown {
    let guess = guess.unwrap_or(Shown::Crops);
    let enter = |shown| if shown == guess { format!(" (Enter: {why})") } else { String::new() };
    let question = format!(
        "What do the pictures show?\n  1  crops: each is a face that was cut out already{}\n  2  photos: the faces have to be \
         found{}",
        enter(Shown::Crops),
        enter(Shown::Photos)
    );
    one_of(&question, [Shown::Crops, Shown::Photos], usize::from(guess == Shown::Photos))
}

/// Asks until the answer is a number or a word of the choices; nothing is the default.
fn one_of<T: clap::ValueEnum + Copy, const N: usize>(question: &str, choices: [T; N], default: usize) -> T {
    loop {
        let Some(answer) = terminal::ask(question) else { return choices[default] };
        if answer.is_empty() {
            return choices[default];
        }
        let numbered = answer.parse().ok().and_then(|number: usize| choices.get(number.checked_sub(1)?));
        let named = || choices.iter().find(|choice| word(**choice) == answer);
        match numbered.or_else(named) {
            Some(choice) => return *choice,
            None => say(&format!("`{answer}` is not one of 1 to {N}")),
        }
    }
}
