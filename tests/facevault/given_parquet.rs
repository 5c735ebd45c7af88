//! Embeddings that another program has computed, in parquet.

use std::fs::{self, File};
use std::path::Path;

use polars::prelude::*;

use crate::schemas;
use crate::support::workspace::Workspace;

/// Twelve rows for four people, in 5 numbers.
fn rows() -> Vec<Vec<f32>> {
    let value =
        |row: usize, at: usize| f32::from(u8::from(at == row / 3)) + 0.1 * ((at * 7 + row * 5) % 11) as f32 / 11.0;
    (0..12).map(|row| (0..5).map(|at| value(row, at)).collect()).collect()
}

/// A column of lists.
fn lists(name: &str, rows: &[Vec<f32>]) -> Column {
    let rows: Vec<Series> = rows.iter().map(|row| Series::new("".into(), row)).collect();
    Series::new(name.into(), rows).into_column()
}

fn texts(name: &str, text: impl Fn(usize) -> String) -> Column {
    Column::new(name.into(), (0..12).map(text).collect::<Vec<_>>())
}

fn write(path: &Path, columns: Vec<Column>) {
    let mut frame = DataFrame::new(columns[0].len(), columns).unwrap();
    ParquetWriter::new(File::create(path).unwrap()).with_row_group_size(Some(5)).finish(&mut frame).unwrap();
}

fn config(workspace: &Workspace, keys: &str) {
    let lines = format!(
        "name: given\nsimilarity: {{replicates: 50}}\nembed: {{chunk_size: 5}}\ndataset: {{source: embeddings, {keys}}}\n"
    );
    fs::write(workspace.path("given.yaml"), lines).unwrap();
}

/// Runs `given.yaml`; its files, and what was said.
#[track_caller]
fn experiment(workspace: &Workspace) -> ([Vec<u8>; 3], String) {
    let (stdout, stderr) = workspace.run(0, &["experiment", "given.yaml"]);
    let run = stdout.lines().find_map(|line| line.strip_prefix("run ")).unwrap().trim();
    let files = ["face_embeddings.npy", "face_embedding_index.csv", "metrics.json"];
    (files.map(|file| fs::read(workspace.path(run).join(file)).unwrap()), stdout + &stderr)
}

#[test]
fn a_matrix_in_parquet_is_the_matrix_that_it_is_in_npy() {
    let workspace = Workspace::empty();
    let rows = rows();
    let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 5), }\n";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((dictionary.len() as u16).to_le_bytes());
    npy.extend(dictionary.bytes());
    npy.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    fs::write(workspace.path("m.npy"), npy).unwrap();
    let lines: Vec<_> = (0..12).map(|n| format!("f{n:02},p{}", n / 3)).collect();
    fs::write(workspace.path("faces.csv"), format!("face_id,identity_id\n{}\n", lines.join("\n"))).unwrap();
    config(&workspace, "matrix: m.npy, faces: faces.csv");
    let (expected, _) = experiment(&workspace);

    // With a CSV, as lists and as lists of one fixed length, of f32 and of f64.
    let column = lists("emb", &rows);
    let fixed = |of| column.cast(&DataType::Array(Box::new(of), 5)).unwrap();
    let double = column.cast(&DataType::List(Box::new(DataType::Float64))).unwrap();
    for column in [column.clone(), fixed(DataType::Float32), fixed(DataType::Float64), double] {
        write(&workspace.path("m.parquet"), vec![column]);
        config(&workspace, "matrix: m.parquet, faces: faces.csv");
        assert!(experiment(&workspace).0 == expected);
    }
    // Its own columns say whose the rows are; others stay with the faces.
    let who = texts("celeb", |n| format!("p{}", n / 3));
    let id = texts("face_id", |n| format!("f{n:02}"));
    let age = Column::new("age".into(), (0..12).map(|n| 20 + n).collect::<Vec<i64>>());
    let other = lists("other", &rows[..].iter().map(|row| row[..2].to_vec()).collect::<Vec<_>>());
    write(&workspace.path("m.parquet"), vec![who, column.clone(), id, other, age]);
    config(&workspace, "matrix: m.parquet, column: emb, identity: celeb");
    let (found, _) = experiment(&workspace);
    assert!(found == expected);
    let metadata = fs::read_dir(workspace.path("experiments"))
        .unwrap()
        .filter_map(|run| fs::read_to_string(run.unwrap().path().join("face_metadata.csv")).ok());
    assert!(metadata.into_iter().any(|table| table.lines().next().unwrap().contains("age")));
    let checked = workspace.json(0, &["check", "given.yaml"]);
    assert_eq!(checked["faces"], 12);
    // `init` finds column and identity.
    write(&workspace.path("x.parquet"), vec![texts("celeb_id", |n| format!("p{}", n / 3)), column.clone()]);
    let init = workspace.json(0, &["init", "x.parquet"]);
    schemas::printed("init", &init);
    assert_eq!((&init["found"]["pictures"], &init["found"]["identities"]), (&12.into(), &4.into()));
    workspace.run(0, &["experiment", "x.yaml"]);
    // Only vectors: nobody is known, and `row` counts.
    write(&workspace.path("m.parquet"), vec![column]);
    config(&workspace, "matrix: m.parquet");
    workspace.run(0, &["embed", "given.yaml"]);
}

/// Fault (tables): a row of a matrix in parquet is null, has a null in it or another length than the first → a failure of its
/// face with row and column, or refused with column, rows and both lengths
/// Fault (tables): embeddings in parquet in f16 → refused with the column; beside embeddings in f32 they do not matter
/// Fault (tables): a parquet matrix without a column of lists of floats, with two of them, or without the one that the config
/// names → refused with the columns that there are
/// Fault (archives): a parquet matrix that is cut or no parquet → refused
#[test]
fn what_is_no_matrix_is_refused_with_the_columns_that_there_are() {
    let workspace = Workspace::empty();
    let mut rows = rows();
    let who = || texts("identity", |n| format!("p{}", n / 3));
    let path = workspace.path("m.parquet");
    let refused = |keys: &str, code| {
        config(&workspace, keys);
        let (_, said) = workspace.run(code, &["experiment", "given.yaml", "--quiet"]);
        said[said.find("error: ").unwrap()..].trim().replace(workspace.path("").to_str().unwrap(), "")
    };
    let mut all = Vec::new();
    write(&path, vec![who(), lists("a", &rows), lists("b", &rows)]);
    all.push(refused("matrix: m.parquet", 1));
    all.push(refused("matrix: m.parquet, column: c", 1));
    all.push(refused("matrix: m.parquet, column: identity", 1));
    all.push(refused("matrix: m.parquet, column: a, identity: who", 1));
    write(&path, vec![who(), Column::new("n".into(), (0..12).collect::<Vec<i64>>())]);
    all.push(refused("matrix: m.parquet", 1));
    let whole = lists("a", &rows).cast(&DataType::List(Box::new(DataType::Int32))).unwrap();
    write(&path, vec![who(), whole]);
    all.push(refused("matrix: m.parquet", 1));
    rows[7].pop();
    write(&path, vec![who(), lists("a", &rows)]);
    all.push(refused("matrix: m.parquet", 1));
    rows[0].clear();
    write(&path, vec![who(), lists("a", &rows)]);
    all.push(refused("matrix: m.parquet", 1));
    let half = |name: &str| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/dataset");
        fs::copy(fixtures.join(name), workspace.path(name)).unwrap();
        format!("matrix: {name}")
    };
    all.push(refused(&half("half.parquet"), 1));
    all.push(refused(&(half("half_beside.parquet") + ", column: half"), 1));
    config(&workspace, &half("half_beside.parquet"));
    workspace.run(0, &["embed", "given.yaml", "--quiet", "--experiments", "beside"]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    all.push(refused("matrix: m.parquet", 1).lines().next().unwrap().to_owned());
    fs::write(workspace.path("m.npy"), "").unwrap();
    all.push(refused("matrix: m.npy", 2));
    insta::assert_snapshot!(all.join("\n"), @r"
    error: m.parquet is not an embedding matrix: its columns of lists of floats are `a`, `b`; name one with `dataset.column`
    error: m.parquet is not an embedding matrix: it has no column `c`; its columns of lists of floats are `a`, `b`
    error: m.parquet is not an embedding matrix: its column `identity` does not hold lists of f32 or f64; its columns of lists of floats are `a`, `b`
    error: m.parquet, line 1: missing column `who`; the columns are `identity` (the config names it)
    error: m.parquet is not an embedding matrix: its columns are `identity`, `n`, and none holds lists of floats; write the embeddings as lists of f32
    error: m.parquet is not an embedding matrix: its columns are `identity`, `a`, and none holds lists of floats; write the embeddings as lists of f32
    error: m.parquet is not an embedding matrix: row 7 of its column `a` has 4 numbers, and row 0 has 5; all rows of a matrix have the same
    error: m.parquet is not an embedding matrix: row 0 of its column `a` has no numbers
    error: half.parquet is not an embedding matrix: its column `half` holds lists of f16, which are not read; write them as f32
    error: half_beside.parquet is not an embedding matrix: its column `half` holds lists of f16, which are not read; write them as f32
    error: m.parquet is not an embedding matrix: polars cannot read it: parquet: File out of specification: The file must end with PAR1
    error: missing key `faces` in `dataset`: the CSV that says whose the rows are
     --> given.yaml:4:10
      |
    4 | dataset: {source: embeddings, matrix: m.npy}
      |          ^
      = help: one line each row, in order
    ");

    let mut rows: Vec<Option<Series>> = self::rows().iter().map(|row| Some(Series::new("".into(), row))).collect();
    rows[0] = None;
    rows[1] = None;
    rows[4] = Some(Series::new("".into(), [Some(1f32), None, Some(0.0), None, Some(1.0)]));
    let column = rows.into_iter().collect::<ListChunked>().with_name("a".into()).into_column();
    write(&path, vec![who(), column]);
    config(&workspace, "matrix: m.parquet");
    let (_, said) = workspace.run(0, &["embed", "given.yaml"]);
    assert!(said.contains("3 of 12") || said.contains("3 failed"), "{said}");
    let run = workspace.only_run();
    let failures = fs::read_to_string(run.join("failures.csv")).unwrap();
    for line in [
        "row 0 of the column `a` is null",
        "row 1 of the column `a` is null",
        "row 4 of the column `a` has the value NaN in place 1",
    ] {
        assert!(failures.contains(line), "{failures}");
    }
    let nothing = vec![None::<Series>; 12].into_iter().collect::<ListChunked>();
    let nothing = nothing.cast(&DataType::List(Box::new(DataType::Float32))).unwrap().with_name("a".into());
    write(&path, vec![who(), nothing.into_column()]);
    let said = refused("matrix: m.parquet", 1);
    assert_eq!(said, "error: m.parquet is not an embedding matrix: no row of its column `a` has a list");
}
