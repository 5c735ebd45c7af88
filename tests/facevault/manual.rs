//! Completions and manual pages, as the binary prints them.

use std::fs;
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use facevault::cli::Cli;

use crate::support::workspace::Workspace;

/// The names of all commands.
fn commands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn completions_know_every_command_and_are_scripts_of_their_shell() {
    let workspace = Workspace::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (script, _) = workspace.run(0, &["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell} does not know {command}");
        }
        assert!(script.contains("fail-on-regression") && !script.contains("\\u{"), "{shell}: options, as they are");
        // A shell that is here reads it without a complaint.
        let check = match shell {
            "bash" | "zsh" => [shell, "-n"],
            "fish" => [shell, "--no-execute"],
            _ => continue,
        };
        let path = workspace.path("script");
        fs::write(&path, &script).unwrap();
        match Command::new(check[0]).arg(check[1]).arg(&path).stdin(Stdio::null()).output() {
            Ok(read) => assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr)),
            Err(error) => println!("SKIPPED: {shell} is not here ({error})"),
        }
    }
}

#[test]
fn every_command_has_a_manual_page_with_all_its_options() {
    let workspace = Workspace::empty();
    workspace.run(0, &["man", "--out", "pages"]);
    for name in commands() {
        let (page, _) = workspace.run(0, &["man", &name]);
        let kept = fs::read_to_string(workspace.path("pages").join(format!("facevault-{name}.1"))).unwrap();
        assert_eq!(page.trim_end(), kept.trim_end(), "{name}");
        assert!(page.contains(&format!(".TH FACEVAULT-{} 1", name.to_uppercase())), "{page}");
        let command = Cli::command();
        let command = command.find_subcommand(&name).unwrap();
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("\\-\\-{}", option.replace('-', "\\-"))), "{name} --{option}");
        }
    }
    let (page, _) = workspace.run(0, &["man"]);
    assert!(page.contains("facevault\\-experiment(1)"), "{page}");
    assert_eq!(fs::read_dir(workspace.path("pages")).unwrap().count(), commands().len() + 1);
    let (_, error) = workspace.run(2, &["man", "compar"]);
    insta::assert_snapshot!(error.trim(), @"error: no command `compar`; did you mean `compare`?; `facevault --help` lists them");
}
