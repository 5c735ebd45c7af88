//! The documentation's commands: each is one that the command line takes, and those of the guides that need no photos run.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use facevault::cli::Cli;

use crate::support::workspace::Workspace;

/// The line above a block of commands that run as they stand.
const TESTED: &str = "<!-- tested -->";

/// A block of shell commands in a page.
struct Block {
    tested: bool,
    /// Its commands of facevault, each with the number of the line that it begins on.
    commands: Vec<(usize, String)>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The README and all pages of `docs`.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![repository().join("README.md"), repository().join("configs/README.md")];
    let mut folders = vec![repository().join("docs")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension().and_then(|extension| extension.to_str()) {
                None if path.is_dir() => folders.push(path),
                Some("md") => pages.push(path),
                _ => {}
            }
        }
    }
    pages.sort();
    pages
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut inside, mut before, mut unfinished) = (false, "", None::<(usize, String)>);
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start().strip_prefix("```");
        if let Some(language) = fence {
            inside = !inside && language == "sh";
            if inside {
                blocks.push(Block { tested: before == TESTED, commands: Vec::new() });
            }
        } else if inside && let Some(block) = blocks.last_mut() {
            let (begun, text) =
                unfinished.take().map_or((number, line.to_owned()), |(begun, text)| (begun, text + line));
            match (text.strip_suffix('\\'), command(&text)) {
                (Some(open), _) => unfinished = Some((begun, open.to_owned())),
                (None, Some(command)) => block.commands.push((begun, command.to_owned())),
                (None, None) => {}
            }
        }
        before = line;
    }
    blocks
}

/// The arguments of facevault in a line.
fn command(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("$ ");
    let starts = ["facevault ", "cargo run --release --locked -- "];
    starts.iter().find_map(|start| line.strip_prefix(start))
}

/// The words of a command as a shell splits them, up to a comment, a pipe or a redirection.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in command.chars() {
        match (quote, letter) {
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == letter => quote = None,
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | ';' | '&') => break,
            (None, '#') if word.is_none() => break,
            _ => word.get_or_insert_default().push(letter),
        }
    }
    assert!(quote.is_none(), "an open quote in `{command}`");
    words.extend(word);
    words
}

/// The exit code that a comment at the end of a command announces.
fn exit_code(command: &str) -> i32 {
    command.rsplit_once("# exit code ").map_or(0, |(_, code)| code.trim().parse().unwrap())
}

#[test]
fn every_command_in_the_documentation_is_one_that_facevault_takes() {
    let (mut wrong, mut found) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (line, command) in blocks(&text).into_iter().flat_map(|block| block.commands) {
            found += 1;
            let words = words(&command);
            if let Err(error) = Cli::try_parse_from(std::iter::once("facevault".to_owned()).chain(words)) {
                wrong.push(format!("{}:{line}: {error}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found > 20, "{found}");
}

/// `just` puts `{{options}}` into the line as plain text, and the shell takes `--set 'a={b: c}'` apart.
#[test]
fn recipes_pass_on_what_was_quoted_in_one_piece() {
    let justfile = fs::read_to_string(repository().join("justfile")).unwrap();
    assert!(justfile.contains("\nset positional-arguments\n"));
    let mut taking = 0;
    for recipe in justfile.split("\n\n") {
        let lines = || recipe.lines().skip_while(|line| line.starts_with('#'));
        let Some(name) = lines().next().filter(|line| line.contains(':') && !line.contains(":=")) else { continue };
        let body: String = lines().skip(1).collect();
        let bare = body.replace("{{facevault}}", "").replace("{{quote(", "");
        assert!(!bare.contains("{{"), "{name} puts an argument into the line without quotes");
        if name.split(':').next().unwrap().contains(' ') {
            taking += 1;
            assert!(body.contains("\"$@\""), "{name}");
        }
    }
    assert!(taking > 10, "{taking}");
}

#[test]
fn the_guides_commands_on_drawn_faces_run() {
    let mut ran = 0;
    let workspace = Workspace::empty();
    fs::create_dir(workspace.path("configs")).unwrap();
    for config in ["configs/demo.yaml", "configs/embeddings.yaml"] {
        fs::copy(repository().join(config), workspace.path(config)).unwrap();
    }
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (_, command) in blocks(&text).into_iter().filter(|block| block.tested).flat_map(|block| block.commands) {
            let words = words(&command);
            workspace.run(exit_code(&command), &words.iter().map(String::as_str).collect::<Vec<_>>());
            ran += 1;
        }
    }
    assert!(ran > 8, "{ran}");
}

/// The anchor of a heading's line, as GitHub and mdBook make it.
fn anchor(line: &str) -> String {
    let heading = line.trim_start_matches('#').trim();
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

/// The text without blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).unwrap());
        let links = text.split("](").skip(1).filter_map(|after| after.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            let headings = |text: String| text.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
            let found: Option<Vec<String>> = match heading {
                "" => target.exists().then(Vec::new),
                _ => fs::read_to_string(&target).ok().map(|text| headings(prose(&text))),
            };
            if found.is_none_or(|found| !heading.is_empty() && !found.iter().any(|one| one == heading)) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn commands_are_read_as_a_shell_reads_them() {
    let text = "```sh\nfacevault compare A \\\n  'B C' --quiet  # why\nls\nfacevault runs --json | jq .\n```\n\n<!-- tested -->\n\
                ```sh\n$ facevault check c.yaml --set \"a={b: 'c'}\"\n```\n```text\nfacevault no\n```\n";
    let blocks = blocks(text);
    let all: Vec<Vec<String>> = blocks.iter().flat_map(|block| &block.commands).map(|(_, one)| words(one)).collect();
    assert_eq!(
        all,
        [
            vec!["compare", "A", "B C", "--quiet"],
            vec!["runs", "--json"],
            vec!["check", "c.yaml", "--set", "a={b: 'c'}"]
        ]
    );
    assert_eq!(blocks.iter().map(|block| block.tested).collect::<Vec<_>>(), [false, true]);
    assert_eq!((exit_code("verify demo"), exit_code("verify demo # exit code 4")), (0, 4));
}
