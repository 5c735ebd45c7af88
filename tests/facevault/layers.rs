//! Dependencies point down. Cargo enforces that between packages; these tests enforce it between modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The line above the list of layers in `src/lib.rs`.
const HEADLINE: &str = "Each module uses only modules on lines below its own:";

/// The module that a file of a package's `src` belongs to, and how many `super`s lead from the file to the crate's root.
fn place(file: &Path) -> Option<(String, usize)> {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    let (name, folders) = parts.split_last()?;
    let stem = name.strip_suffix(".rs")?;
    let first = folders.first().copied().unwrap_or(stem);
    (!["lib", "main"].contains(&first)).then(|| (first.to_owned(), folders.len() + usize::from(stem != "mod")))
}

/// Source text without comments and without the module of tests.
fn code(text: &str) -> String {
    let starts = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod tests {"];
    let (before, after) = match starts.iter().filter_map(|start| text.find(start)).min() {
        Some(tests) => (&text[..tests], text[tests..].split_once("\n}\n").map_or("", |(_, after)| after)),
        None => (text, ""),
    };
    let lines = before.lines().chain(after.lines()).filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Modules of the crate that a text names after `crate::` or after `supers` times `super::`.
fn named(text: &str, supers: usize, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let roots = ["crate::".to_owned(), "super::".repeat(supers)];
    let mut found = BTreeSet::new();
    for root in &roots {
        for (at, _) in text.match_indices(root.as_str()) {
            if text[..at].ends_with("super::") || text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &text[at + root.len()..];
            // `crate::{a::b, c}`: commas at the outermost level separate modules.
            let heads: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => {
                    let mut depth = 0;
                    let end = list.find(|c: char| {
                        depth += i32::from(c == '{') - i32::from(c == '}');
                        depth < 0
                    });
                    let mut level = 0;
                    list[..end.unwrap_or(list.len())]
                        .split(|c: char| {
                            level += i32::from(c == '{') - i32::from(c == '}');
                            c == ',' && level == 0
                        })
                        .collect()
                }
                None => vec![rest],
            };
            for head in heads {
                let name: String = head.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.extend(modules.get(&name).cloned());
            }
        }
    }
    found
}

fn sources(folder: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder.join(below)).unwrap().map(Result::unwrap) {
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            sources(folder, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Module → the modules that it uses.
fn uses(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(src, Path::new(""), &mut files);
    let modules: BTreeSet<String> = files.iter().filter_map(|file| Some(place(file)?.0)).collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let Some((module, supers)) = place(file) else { continue };
        let name = file.file_stem().unwrap().to_str().unwrap();
        if name == "mock" || name == "tests" || name.ends_with("_tests") {
            continue;
        }
        let text = code(&fs::read_to_string(src.join(file)).unwrap());
        let mut named = named(&text, supers, &modules);
        named.remove(&module);
        uses.entry(module).or_default().extend(named);
    }
    uses
}

/// The layers that `src/lib.rs` draws, the topmost first.
fn layers(lib: &str) -> Vec<Vec<String>> {
    let (_, rest) = lib.split_once(HEADLINE).expect("the headline of the layers");
    let block = rest.split("```").nth(1).expect("a block of layers");
    let lines = block.lines().skip(1).map(|line| line.trim_start_matches("//!").trim());
    let names = |line: &str| line.split('·').map(|name| name.trim().to_owned()).collect();
    lines.filter(|line| !line.is_empty()).map(names).collect()
}

#[test]
fn modules_use_only_what_is_drawn_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src");
    let layers = layers(&fs::read_to_string(src.join("lib.rs")).unwrap());
    let level = |module: &str| layers.iter().position(|layer| layer.iter().any(|name| name == module));
    for (module, used) in uses(&src) {
        let here = level(&module).unwrap_or_else(|| panic!("src/lib.rs draws no layer for `{module}`"));
        for other in used {
            let there = level(&other).unwrap_or_else(|| panic!("src/lib.rs draws no layer for `{other}`"));
            assert!(there > here, "`{module}` uses `{other}`, which src/lib.rs does not draw below it");
        }
    }
}

#[test]
fn modules_of_a_package_are_no_cycle() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates");
    for package in fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path()) {
        let mut left = uses(&package.join("src"));
        // Removes modules that use no remaining module until none can be removed.
        while let Some(free) = left.iter().find(|(_, used)| used.iter().all(|other| !left.contains_key(other))) {
            let free = free.0.clone();
            left.remove(&free);
        }
        assert!(left.is_empty(), "{}: these modules use each other: {left:?}", package.display());
    }
}

#[test]
fn uses_are_found_in_every_spelling() {
    let modules: BTreeSet<String> = ["a", "b", "c"].map(str::to_owned).into();
    let found = |text: &str, supers| named(&code(text), supers, &modules).into_iter().collect::<String>();
    assert_eq!(found("use crate::{a::{self, x}, b};\nfn f() { crate::c::g() }", 1), "abc");
    assert_eq!(found("// crate::a\nuse super::b;\n#[cfg(test)]\nmod tests { use crate::c; }", 1), "b");
    assert_eq!(found("#[cfg(test)]\nmod tests {\n    use crate::a;\n}\nuse crate::b;", 1), "b");
    assert_eq!(found("use super::a;\nuse super::super::b;", 2), "b");
    assert_eq!(place(Path::new("a.rs")), Some(("a".into(), 1)));
    assert_eq!(place(Path::new("a/mod.rs")), Some(("a".into(), 1)));
    assert_eq!(place(Path::new("a/b.rs")), Some(("a".into(), 2)));
    assert_eq!(place(Path::new("lib.rs")), None);
}
