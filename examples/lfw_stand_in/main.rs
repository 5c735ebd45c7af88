//! A stand-in for LFW with its file layout and its counts, of procedural faces: what `configs/lfw-*.yaml` run on where
//! the photographs may not go.
//!
//! `cargo run --release --example lfw_stand_in -- FOLDER [--faces N]`, 13,233 faces unless told. The same numbers give
//! the same bytes. Faces are drawn, nobody is shown and no accuracy on them means anything for photographs.

mod stand_in;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut folder, mut faces) = (None, Some(stand_in::FACES));
    while let Some(argument) = arguments.next() {
        if argument == "--faces" {
            faces = arguments.next().and_then(|text| text.parse().ok()).filter(|faces| *faces >= stand_in::FEWEST);
        } else {
            folder = Some(PathBuf::from(argument));
        }
    }
    let (Some(folder), Some(faces)) = (folder, faces) else {
        eprintln!("usage: lfw_stand_in FOLDER [--faces N], N at least {}", stand_in::FEWEST);
        return ExitCode::from(2);
    };
    if folder.exists() {
        eprintln!("{} is there already; name a folder that is not", folder.display());
        return ExitCode::FAILURE;
    }
    let start = Instant::now();
    match stand_in::write(&folder, faces) {
        Ok(stand_in::Summary { people, pairs, bytes }) => {
            println!(
                "{faces} faces of {people} people and {pairs} pairs in {}: {:.0} MB in {:.0} s",
                folder.display(),
                bytes as f64 / 1e6,
                start.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot write below {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
