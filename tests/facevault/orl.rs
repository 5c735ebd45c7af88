//! 400 photographs through the full-size network, as a user runs it, against Pillow and facenet-pytorch
//! (`tests/fixtures/orl/make_golden.py`). Skipped with a message if the ORL faces are not available.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use crate::support::shared::shared;
use crate::support::workspace::{Workspace, write_weights};

/// Values per row in the golden file.
const KEPT: usize = 16;

/// The folder of ORL faces: in `$FACEVAULT_SHARED`, else in `shared` next to the repository.
pub fn orl_faces() -> Option<PathBuf> {
    shared("data/orl_faces", &["s1/1.pgm"], "the ORL faces")
}

/// A full-size network over a dataset.
pub fn workspace(dataset: &str) -> Workspace {
    let workspace = Workspace::empty();
    write_weights(&workspace.path("weights.safetensors"), 1.0);
    let config = format!(
        "name: orl\nweights: {{source: file, path: weights.safetensors}}\npreprocess: {{profile: facenet-pytorch}}\n\
         embed: {{device: cpu, chunk_size: 64}}\ndataset: {dataset}\n"
    );
    fs::write(workspace.path("config.yaml"), config).unwrap();
    workspace
}

pub fn matrix(workspace: &Workspace) -> Vec<f32> {
    let bytes = fs::read(workspace.only_run().join("face_embeddings.npy")).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

#[test]
fn four_hundred_photographs_equal_facenet_pytorch_as_folders_and_as_phase_1_csv() {
    let Some(faces) = orl_faces() else { return };
    let folders = workspace(&format!("{{source: folders, root: {}}}", faces.display()));
    folders.run(0, &["embed", "config.yaml"]);
    let index = fs::read_to_string(folders.only_run().join("face_embedding_index.csv")).unwrap();
    let ids: Vec<_> = index.lines().skip(1).collect();
    assert_eq!((ids.len(), ids[0], ids[1], ids[399]), (400, "s1/1.pgm", "s1/10.pgm", "s9/9.pgm"));

    let golden = npyz::NpyFile::new(&include_bytes!("../fixtures/orl/golden.npy")[..]).unwrap();
    let golden: Vec<f32> = golden.into_vec().unwrap();
    let ours = matrix(&folders);
    assert_eq!((ours.len(), golden.len()), (400 * 512, 400 * KEPT));
    let mut worst = 0f32;
    for (row, (ours, golden)) in ours.chunks(512).zip(golden.chunks(KEPT)).enumerate() {
        for (k, golden) in golden.iter().enumerate() {
            let difference = (ours[(row * KEPT + k) % 512] - golden).abs();
            assert!(difference <= 1e-5, "row {row} ({}): {difference:e}", ids[row]);
            worst = worst.max(difference);
        }
    }
    println!("max |difference| over 400 rows: {worst:.1e}");

    // The same faces as Phase-1's code writes them, with the paths of another machine.
    let mut csv = String::from("face_id,photo_id,identity_id,photo_path,face_path,x,y,w,h,confidence\n");
    for id in &ids {
        let (identity, file) = id.split_once('/').unwrap();
        writeln!(csv, "uuid-{identity}-{file},{file},{identity},,/kaggle/working/faces/{id},0,0,92,112,0.99").unwrap();
    }
    let phase1 = workspace(&format!(
        "{{source: phase1, csv: face_metadata.csv, root: {}, rewrite: [{{from: /kaggle/working/faces/, to: ''}}]}}",
        faces.display()
    ));
    fs::write(phase1.path("face_metadata.csv"), &csv).unwrap();
    phase1.run(0, &["embed", "config.yaml"]);
    assert!(matrix(&phase1) == ours, "a CSV and a folder of the same pictures give different embeddings");
    assert_eq!(
        fs::read_to_string(phase1.only_run().join("face_metadata.csv")).unwrap().replace('\r', ""),
        csv,
        "the metadata of the embedded faces is Phase-1's own"
    );
}
