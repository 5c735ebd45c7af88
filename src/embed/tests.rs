//! The embedding as a whole: against a direct computation, interrupted, damaged, and out of luck.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;

use super::mock::{DIMENSION, EmbedFixture, Fate, MockEmbedder, Recorded, SIDE, answer, pixels, quality};
use super::*;
use crate::digest::Digest;
use crate::embed::OnError;
use crate::model::{BATCH, BatchSize, ModelError};
use crate::progress::{Cancel, Silent};

fn direct(bench: &EmbedFixture) -> Vec<f32> {
    let rows = (0..bench.faces.len()).filter(|row| !bench.reader.fates.contains_key(row));
    rows.flat_map(|row| answer(&pixels(row), DIMENSION)).collect()
}

fn summary(outcome: EmbedOutcome) -> EmbedSummary {
    match outcome {
        EmbedOutcome::Complete(summary) => summary,
        EmbedOutcome::Interrupted(_) => panic!("{outcome:?}"),
    }
}

#[test]
fn rows_are_in_input_order_and_failures_are_listed() {
    let fates = [(0, Fate::Fails), (4, Fate::Panics), (5, Fate::Poisons), (6, Fate::Fails), (12, Fate::Poisons)];
    let mut bench = EmbedFixture::new(13, 5).with_fates(fates);
    bench.reader.jitter = true;
    bench.finish();
    let matrix = EmbeddingMatrix::open(&bench.file("face_embeddings.npy")).unwrap();
    assert_eq!(matrix.data, direct(&bench));
    assert_eq!(
        bench.text("face_embedding_index.csv"),
        "face_id\n\"face,1\"\n\"face,2\"\n\"face,3\"\n\"face,7\"\n\"face,8\"\n\"face,9\"\n\"face,10\"\n\"face,11\"\n"
    );
    insta::assert_snapshot!(bench.text("failures.csv"), @r#"
    row,face_id,kind,message
    0,"face,0",decode,"row 0, ""quoted"""
    4,"face,4",panic,reading panicked: the codec gave up on 4
    5,"face,5",forward,"the network's output has length NaN, not 1"
    6,"face,6",decode,"row 6, ""quoted"""
    12,"face,12",forward,"the network's output has length NaN, not 1"
    "#);
    let records = read_records(bench.run()).unwrap();
    let ranges: Vec<_> = records.iter().map(|chunk| chunk.first_row..chunk.first_row + chunk.rows).collect();
    assert_eq!(ranges, [0..5, 5..10, 10..13]);
    assert_eq!(records.iter().map(|record| record.embedded).collect::<Vec<_>>(), [3, 3, 2]);
    assert_eq!(bench.open(&Silent).embedded_rows().unwrap(), [1, 2, 3, 7, 8, 9, 10, 11]);
    let measured: Vec<_> = records.iter().flat_map(ChunkRecord::qualities).collect();
    assert_eq!(measured, [1, 2, 3, 7, 8, 9, 10, 11].map(|row| Some(quality(row))));
}

#[test]
fn a_manifest_without_embeddable_faces_gives_empty_files() {
    for bench in [EmbedFixture::new(0, 5), EmbedFixture::new(2, 5).with_fates([(0, Fate::Fails), (1, Fate::Fails)])] {
        bench.finish();
        assert_eq!(EmbeddingMatrix::open(&bench.file("face_embeddings.npy")).unwrap().rows, 0);
        assert_eq!(bench.text("face_embedding_index.csv"), "face_id\n");
        assert_eq!(differs_from_chunks(bench.run(), &bench.file("face_embeddings.npy")).unwrap(), None);
    }
}

#[test]
fn the_files_do_not_depend_on_batch_chunk_or_threads() {
    // More rows than a row group of the parquet file has.
    let expected = EmbedFixture::new(5000, 1000).with_fates([(3, Fate::Fails)]).finish();
    for (batch_size, chunk_size, threads) in [(1, 777, 1), (64, 4096, 4), (10_000, 100_000, 3)] {
        let mut bench = EmbedFixture::new(5000, chunk_size).with_fates([(3, Fate::Fails)]);
        bench.options.batch_size = BatchSize::Faces(batch_size);
        bench.options.threads = Some(threads);
        assert!(bench.finish() == expected, "batches of {batch_size}, chunks of {chunk_size}, {threads} threads");
    }
}

#[test]
fn the_table_holds_ids_identities_and_rows() {
    use polars::prelude::{DataType, ParquetReader, SerReader};
    let bench = EmbedFixture::new(7, 2).with_fates([(1, Fate::Fails)]);
    bench.finish();
    let table = ParquetReader::new(fs::File::open(bench.file("embeddings.parquet")).unwrap()).finish().unwrap();
    assert_eq!(table.height(), 6);
    let ids: Vec<_> = table.column("face_id").unwrap().str().unwrap().iter().map(Option::unwrap).collect();
    assert_eq!(ids, ["face,0", "face,2", "face,3", "face,4", "face,5", "face,6"]);
    let identities: Vec<_> = table.column("identity_id").unwrap().str().unwrap().iter().collect();
    assert_eq!(
        identities,
        [Some("person 0"), Some("person 0"), Some("person 0"), None, Some("person 1"), Some("person 1")]
    );
    let embeddings = table.column("embedding").unwrap();
    assert_eq!(*embeddings.dtype(), DataType::Array(Box::new(DataType::Float32), DIMENSION));
    let flat = embeddings.array().unwrap().get_inner();
    assert_eq!(flat.f32().unwrap().into_no_null_iter().collect::<Vec<_>>(), direct(&bench));
}

/// Sizes in `face_quality.parquet`, which are the mock's manifest rows.
fn measured(bench: &EmbedFixture) -> Vec<Option<u32>> {
    use polars::prelude::{ParquetReader, SerReader};
    let table = ParquetReader::new(fs::File::open(bench.file("face_quality.parquet")).unwrap()).finish().unwrap();
    assert_eq!(table.get_column_names(), ["face_id", "sharpness", "exposure", "contrast", "size"]);
    table.column("size").unwrap().u32().unwrap().iter().collect()
}

/// The sidecar of chunk 1, as it was before sidecars had a digest of themselves.
fn without_digest(bench: &EmbedFixture) -> String {
    let text = bench.text("chunks/00001.json");
    let (before, _) = text.split_once(",\n  \"sidecar_sha256\"").unwrap();
    format!("{before}\n}}\n")
}

#[test]
fn a_chunk_from_before_quality_was_measured_resumes_with_gaps() {
    let bench = EmbedFixture::new(7, 3).with_fates([(1, Fate::Fails)]);
    bench.finish();
    assert_eq!(measured(&bench), [0, 2, 3, 4, 5, 6].map(Some));
    let mut sidecar: serde_json::Value = serde_json::from_str(&without_digest(&bench)).unwrap();
    assert!(sidecar.as_object_mut().unwrap().remove("quality").is_some());
    fs::write(bench.file("chunks/00001.json"), sidecar.to_string()).unwrap();
    bench.finish();
    assert_eq!(measured(&bench), [Some(0), Some(2), None, None, None, Some(6)]);
    assert_eq!(damaged_chunks(bench.run()).unwrap(), Vec::<String>::new());
}

/// Fault (privacy): faces are to leave chunks of which one is missing → the missing chunk is an error; nothing is copied as
/// whole
#[test]
fn what_is_copied_without_some_faces_is_what_the_others_were() {
    let bench = EmbedFixture::new(23, 4).with_fates([(1, Fate::Fails), (8, Fate::Fails), (22, Fate::Fails)]);
    bench.finish();
    for step in [2, 3, 5, 22] {
        let gone: Vec<bool> = (0..23).map(|row| row % step == 1).collect();
        let left: Vec<usize> = (0..23).filter(|row| !gone[*row]).collect();
        let failed = |row: &&usize| bench.reader.fates.contains_key(*row);
        let to = tempfile::tempdir().unwrap();
        let chunks = copy_without(bench.run(), &gone, to.path()).unwrap();
        assert_eq!(damaged_chunks(to.path()).unwrap(), Vec::<String>::new());
        let records = read_records(to.path()).unwrap();
        assert_eq!((chunks, records.len()), (left.len().div_ceil(4), left.len().div_ceil(4)));
        let failures = records.iter().flat_map(|record| &record.failures);
        let expected = (0..).zip(&left).filter(|(_, row)| failed(row)).map(|(now, row)| (now, format!("face,{row}")));
        assert!(failures.map(|failure| (failure.row, failure.face_id.clone())).eq(expected));
        let embedded = || left.iter().filter(|row| !failed(row));
        let folder = to.path().join(CHUNKS);
        let data: Vec<f32> = records.iter().flat_map(|record| record.matrix(&folder).unwrap().data).collect();
        assert_eq!(data, embedded().flat_map(|row| answer(&pixels(*row), DIMENSION)).collect::<Vec<f32>>());
        let qualities = records.iter().flat_map(ChunkRecord::qualities);
        assert!(qualities.eq(embedded().map(|row| Some(quality(*row)))));
    }
    fs::remove_file(bench.file("chunks/00002.json")).unwrap();
    let to = tempfile::tempdir().unwrap();
    let error = copy_without(bench.run(), &[false; 23], to.path()).unwrap_err();
    assert!(matches!(error, StoreError::Incomplete { missing: 1, .. }), "{error}");
}

#[test]
fn a_sidecar_stays_small() {
    let bench = EmbedFixture::new(1024, 1024);
    bench.finish();
    let text = bench.text("chunks/00000.json");
    assert!(text.len() < 40_000, "{} bytes", text.len());
    assert!(text.lines().count() < 40, "an array is a line:\n{text}");
    let record: ChunkRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(record.qualities().last(), Some(Some(quality(1023))));
}

/// Fault (processes): embedding is interrupted after any number of faces → it resumes and ends with the same bytes
#[test]
fn interrupted_anywhere_it_resumes_to_the_same_bytes() {
    let fates = [(2, Fate::Fails), (9, Fate::Poisons)];
    let expected = EmbedFixture::new(20, 4).with_fates(fates).finish();
    for stop_at in 0..20 {
        let mut bench = EmbedFixture::new(20, 4).with_fates(fates);
        let cancel = Cancel::default();
        let mut store = bench.open(&Silent);
        let outcome = bench.session(&mut store, &Silent, &cancel, stop_after(stop_at, &cancel));
        let committed = store.rows_embedded() + store.rows_failed();
        match outcome.unwrap() {
            EmbedOutcome::Interrupted(summary) => {
                assert_eq!(summary.embedded + summary.failed, committed);
                assert!(
                    committed <= stop_at + 6 && committed.is_multiple_of(4),
                    "{committed} rows, stopped at {stop_at}"
                );
                assert!(matches!(store.embedded_rows(), Err(StoreError::Incomplete { .. })));
            }
            EmbedOutcome::Complete(_) => assert!(stop_at >= 15, "stopped at {stop_at}"),
        }
        bench.options.batch_size = BatchSize::Faces(1 + stop_at % 5);
        bench.reader.started.store(0, Ordering::SeqCst);
        assert!(bench.finish() == expected, "stopped at {stop_at}");
        assert_eq!(bench.reader.started.load(Ordering::SeqCst), 20 - committed, "only what is missing is read");
        let sessions: Vec<_> = read_records(bench.run()).unwrap().iter().map(|record| record.timings.session).collect();
        assert!(sessions.is_sorted() && sessions[0] == 1, "{sessions:?}");
    }
}

#[test]
fn a_finished_store_reads_and_embeds_nothing() {
    let bench = EmbedFixture::new(9, 4).with_fates([(1, Fate::Fails)]);
    bench.embed().unwrap();
    let again = bench.session(&mut bench.open(&Silent), &Silent, &Cancel::default(), |_| {
        Err(ModelError::Device { device: "mock".into(), reason: "was asked".into() })
    });
    let EmbedSummary { rows, embedded, failed, resumed, .. } = summary(again.unwrap());
    assert_eq!((rows, embedded, failed, resumed), (9, 8, 1, 9));
}

/// Cancels the work once so many rows are embedded.
fn stop_after(rows: usize, cancel: &Cancel) -> impl FnMut(usize) -> Result<(), ModelError> {
    move |embedded| {
        if embedded >= rows {
            cancel.request();
        }
        Ok(())
    }
}

type ChunkDamage = (&'static str, fn(&EmbedFixture));

/// What a killed process, a bad disk or a curious user does to the chunks of a run.
const DAMAGES: [ChunkDamage; 10] = [
    ("a flipped bit", |bench| {
        let mut bytes = bench.bytes("chunks/00001.npy");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(bench.file("chunks/00001.npy"), bytes).unwrap();
    }),
    ("a truncated matrix", |bench| {
        let bytes = bench.bytes("chunks/00001.npy");
        fs::write(bench.file("chunks/00001.npy"), &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("a sidecar without matrix", |bench| fs::remove_file(bench.file("chunks/00001.npy")).unwrap()),
    ("a matrix without sidecar", |bench| fs::remove_file(bench.file("chunks/00001.json")).unwrap()),
    ("a sidecar of garbage", |bench| fs::write(bench.file("chunks/00001.json"), b"\xff{").unwrap()),
    ("an empty sidecar", |bench| fs::write(bench.file("chunks/00001.json"), b"").unwrap()),
    ("a sidecar of another chunk", |bench| {
        fs::copy(bench.file("chunks/00000.json"), bench.file("chunks/00001.json")).unwrap();
    }),
    ("a sidecar with the quality of too few faces", |bench| {
        bench.replace("chunks/00001.json", "\"size\": [4, ", "\"size\": [");
    }),
    ("a sidecar that contradicts itself", |bench| {
        bench.replace("chunks/00001.json", "\"embedded\": 4", "\"embedded\": 5");
    }),
    ("a chunk past the end, and partial files", |bench| {
        let text = bench.text("chunks/00001.json").replace("\"chunk\": 1", "\"chunk\": 9");
        fs::write(bench.file("chunks/00009.json"), text).unwrap();
        fs::write(bench.file("chunks/.partial-x"), "half").unwrap();
        fs::write(bench.file(".partial-y"), "half").unwrap();
        fs::remove_file(bench.file("chunks/00001.json")).unwrap();
    }),
];

/// Fault (runs): a matrix or sidecar of a chunk is damaged, empty, missing, of another chunk or contradicts itself →
/// reported, and only that chunk is computed again
#[test]
fn damaged_chunks_are_said_and_computed_again() {
    let expected = EmbedFixture::new(11, 4).with_fates([(0, Fate::Fails)]).finish();
    for (name, damage) in DAMAGES {
        let bench = EmbedFixture::new(11, 4).with_fates([(0, Fate::Fails)]);
        bench.finish();
        damage(&bench);
        assert_ne!(damaged_chunks(bench.run()).unwrap(), Vec::<String>::new(), "{name}");
        let recorded = Recorded::default();
        let store = bench.open(&recorded);
        assert_eq!(store.rows_embedded(), 6, "{name}");
        let said = recorded
            .lines()
            .iter()
            .any(|line| line.starts_with("say chunk 0000") && line.ends_with("computing it again"));
        assert!(said || name == "a matrix without sidecar", "{name}: {:?}", recorded.lines());
        drop(store);
        bench.reader.started.store(0, Ordering::SeqCst);
        assert!(bench.finish() == expected, "{name}");
        assert_eq!(bench.reader.started.load(Ordering::SeqCst), 4, "{name}");
        assert_eq!(damaged_chunks(bench.run()).unwrap(), Vec::<String>::new(), "{name}");
        let mut left: Vec<_> =
            fs::read_dir(bench.file("chunks")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["00000.json", "00000.npy", "00001.json", "00001.npy", "00002.json", "00002.npy"], "{name}");
    }
}

/// Fault (disk): a chunk is damaged after it was checked → exporting ends with its name, and no matrix is written
#[test]
fn a_chunk_that_is_damaged_after_the_start_is_never_exported() {
    let bench = EmbedFixture::new(11, 4);
    bench.embed().unwrap();
    let store = bench.open(&Silent);
    DAMAGES[0].1(&bench);
    let error = export(bench.run(), &store, &bench.faces, 100, &Silent).unwrap_err().to_string();
    let error = error.replace(bench.run().to_str().unwrap(), "RUN");
    insta::assert_snapshot!(error, @"RUN/chunks/00001.npy is damaged: it does not match the digest in its sidecar; remove the run's `face_metadata.csv`, if it has one, and run it again to recompute what is damaged");
    assert!(!bench.file("face_embeddings.npy").exists());
}

/// Fault (runs): one row of the matrix differs from its chunk → the row and the chunk are named
#[test]
fn what_verify_is_told() {
    let bench = EmbedFixture::new(11, 4);
    assert_eq!(damaged_chunks(bench.run()).unwrap(), ["no chunk can be read"]);
    bench.finish();
    let matrix = bench.file("face_embeddings.npy");
    assert_eq!(differs_from_chunks(bench.run(), &matrix).unwrap(), None);
    let mut bytes = bench.bytes("face_embeddings.npy");
    bytes[128 + 16 * 6] ^= 1;
    fs::write(&matrix, &bytes).unwrap();
    assert_eq!(
        differs_from_chunks(bench.run(), &matrix).unwrap().unwrap(),
        "row 6 of the matrix differs from row 2 of chunk 00001"
    );
    fs::remove_file(bench.file("chunks/00002.json")).unwrap();
    assert_eq!(
        differs_from_chunks(bench.run(), &matrix).unwrap().unwrap(),
        "the matrix has 11 rows, the chunks have 8"
    );
    fs::remove_file(bench.file("chunks/00001.json")).unwrap();
    assert_eq!(damaged_chunks(bench.run()).unwrap(), ["chunks 00001 to 00002: missing"]);
    bench.finish();
    fs::remove_file(bench.file("chunks/00002.json")).unwrap();
    fs::write(bench.file("chunks/00000.json"), "{}").unwrap();
    insta::assert_snapshot!(damaged_chunks(bench.run()).unwrap().join("\n"), @"
    chunk 00000: its sidecar cannot be read: missing field `chunk` at line 1 column 2
    chunk 00002: missing
    ");
    assert!(matches!(read_records(bench.run()), Err(StoreError::Damaged { .. })));
}

/// Fault (runs): any number in a sidecar is negative, huge or missing → found as damage; nothing panics
#[test]
fn no_poisoned_sidecar_panics_or_passes() {
    let bench = EmbedFixture::new(11, 4).with_fates([(5, Fate::Fails)]);
    bench.finish();
    let matrix = bench.file("face_embeddings.npy");
    for text in [bench.text("chunks/00001.json"), without_digest(&bench)] {
        let digested = text.contains("sidecar_sha256");
        let numbers: Vec<_> = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
        let harmless = text.find("\"timings\"").unwrap();
        for at in numbers {
            for number in ["", "0", "99", "-1", "18446744073709551615", "9223372036854775807"] {
                let poisoned = format!("{}{number}{}", &text[..at], &text[at + 1..]);
                fs::write(bench.file("chunks/00001.json"), &poisoned).unwrap();
                let _ = read_records(bench.run());
                let damaged = damaged_chunks(bench.run()).unwrap();
                let differs = differs_from_chunks(bench.run(), &matrix);
                let in_words =
                    text[..at].rfind("face_id").is_some_and(|from| from > text[..at].rfind("row\"").unwrap_or(0));
                if digested && poisoned != text {
                    assert!(!damaged.is_empty(), "{poisoned}");
                } else if at < harmless && !in_words && poisoned != text {
                    assert!(!damaged.is_empty() || !matches!(differs, Ok(None)), "{poisoned}");
                }
            }
        }
    }
}

/// Fault (runs): a digit of a quality in a sidecar changes → found by its own digest, and the chunk is computed again
#[test]
fn a_changed_digit_in_a_sidecar_is_computed_again_and_one_without_digest_is_read() {
    let bench = EmbedFixture::new(11, 4);
    let whole = bench.finish();
    bench.replace("chunks/00001.json", "\"size\": [4, ", "\"size\": [3, ");
    insta::assert_snapshot!(damaged_chunks(bench.run()).unwrap().join("\n"), @"chunk 00001: its sidecar does not match its own digest");
    assert!(bench.finish() == whole, "as if it had never been changed");
    fs::write(bench.file("chunks/00001.json"), without_digest(&bench)).unwrap();
    assert_eq!(bench.open(&Silent).rows_embedded(), 11);
}

/// Fault (runs): a sidecar is of a run with another number of faces → named, and its chunk is computed again
#[test]
fn a_sidecar_of_another_manifest_is_noticed() {
    let bench = EmbedFixture::new(11, 4);
    bench.finish();
    let text = without_digest(&bench).replace("\"manifest_rows\": 11", "\"manifest_rows\": 12");
    fs::write(bench.file("chunks/00001.json"), text).unwrap();
    insta::assert_snapshot!(damaged_chunks(bench.run()).unwrap().join("\n"), @"chunk 00001: it belongs to another manifest, network or chunk size");
    assert!(matches!(read_records(bench.run()), Err(StoreError::Damaged { .. })));
    assert_eq!(bench.open(&Silent).rows_embedded(), 7);
}

#[test]
fn a_store_keeps_the_size_of_its_chunks() {
    let mut bench = EmbedFixture::new(20, 4);
    let cancel = Cancel::default();
    bench.session(&mut bench.open(&Silent), &Silent, &cancel, stop_after(9, &cancel)).unwrap();
    bench.options.chunk_size = 7;
    let recorded = Recorded::default();
    drop(bench.open(&recorded));
    assert_eq!(recorded.lines().last().unwrap(), "say the run keeps its chunks of 4 rows; ignoring chunk_size 7");
    assert!(bench.finish() == EmbedFixture::new(20, 4).finish());
    assert_eq!(read_records(bench.run()).unwrap().len(), 5);
}

/// Fault (runs): chunks are of a network with another dimension → they are not resumed
#[test]
fn chunks_of_another_network_are_not_resumed() {
    let bench = EmbedFixture::new(4, 4);
    bench.embed().unwrap();
    let lock = RunLock::acquire(bench.run()).unwrap();
    assert_eq!(ChunkStore::open(&lock, 4, DIMENSION + 1, 4, None, &Silent).unwrap().rows_embedded(), 0);
}

/// Fault (disk): reading a picture fails with an I/O error → its chunk is not committed, the command ends with an
/// error, and the next one tries again
#[test]
fn what_may_pass_is_not_committed_and_is_tried_again() {
    let whole = EmbedFixture::new(20, 4).with_fates([(1, Fate::Fails)]).finish();
    let mut bench = EmbedFixture::new(20, 4).with_fates([(1, Fate::Fails), (9, Fate::Unread), (18, Fate::Unread)]);
    insta::assert_snapshot!(bench.embed().unwrap_err(), @"2 faces could not be read, the first is `face,9` (row 9): Input/output error; this may pass, so the chunks with them are not committed: run the command again to try them again, or remove the pictures from the dataset");
    let committed: Vec<_> = read_records(bench.run()).unwrap().iter().map(|record| record.chunk).collect();
    assert_eq!(committed, [0, 1, 3], "all but the chunks with rows 9 and 18");
    let job = EmbedJob::new(&bench.faces, &bench.reader, &bench.preprocess, &bench.options);
    assert!(EmbedSample::read(job, &Cancel::default()).is_err(), "ranges would be those of other faces");
    bench.reader.fates.retain(|_, fate| *fate != Fate::Unread);
    assert!(bench.finish() == whole);
}

/// Fault (disk): no picture of a whole chunk can be read → the embedding stops there instead of trying every picture
#[test]
fn a_share_that_is_gone_ends_the_embedding() {
    let bench = EmbedFixture::new(400, 4).with_fates((4..400).map(|row| (row, Fate::Unread)));
    let error = bench.embed().unwrap_err().to_string();
    assert!(error.starts_with("4 faces could not be read, the first is `face,4` (row 4)"), "{error}");
    assert_eq!(read_records(bench.run()).unwrap().len(), 1, "what was read is kept");
}

#[test]
fn a_failure_stops_the_run_when_asked_to() {
    let mut bench = EmbedFixture::new(20, 4).with_fates([(9, Fate::Fails), (10, Fate::Fails)]);
    bench.options.on_error = OnError::Fail;
    let mut store = bench.open(&Silent);
    let error = bench.session(&mut store, &Silent, &Cancel::default(), |_| Ok(())).unwrap_err();
    insta::assert_snapshot!(error, @r#"face `face,9` (row 9) has no embedding: row 9, "quoted" (decode); set `embed.on_error: skip` to list it in failures.csv and continue"#);
    assert_eq!(store.rows_embedded(), 8, "the chunks before it stay");
}

/// Fault (pictures): more faces fail than `embed.max_failures` accepts, over several sessions → the run stops with the
/// last reason
#[test]
fn too_many_failures_stop_the_run_also_those_of_earlier_sessions() {
    let mut bench = EmbedFixture::new(20, 4).with_fates([(1, Fate::Fails), (3, Fate::Fails), (9, Fate::Poisons)]);
    bench.options.max_failures = Some(3);
    summary(bench.embed().unwrap());
    fs::remove_file(bench.file("chunks/00002.json")).unwrap();
    bench.options.max_failures = Some(2);
    let error = bench.embed().unwrap_err();
    insta::assert_snapshot!(error, @"more than 2 faces have no embedding (`embed.max_failures`); the last is `face,9` (row 9): the network's output has length NaN, not 1 (forward)");
    bench.options.max_failures = Some(1);
    let error = bench.embed().unwrap_err().to_string();
    assert!(error.contains("`face,3` (row 3)"), "{error}");
}

/// Fault (disk): a device fails or the disk refuses a chunk → what was committed stays, and the next start ends with
/// the same bytes
#[test]
fn a_failing_device_or_disk_keeps_what_was_committed() {
    let expected = EmbedFixture::new(20, 4).finish();
    let bench = EmbedFixture::new(20, 4);
    let mut store = bench.open(&Silent);
    let error = bench.session(&mut store, &Silent, &Cancel::default(), |done| match done {
        8.. => Err(ModelError::Device { device: "GPU".into(), reason: "out of memory".into() }),
        _ => Ok(()),
    });
    insta::assert_snapshot!(error.unwrap_err(), @"the GPU failed: out of memory");
    assert_eq!(store.rows_embedded(), 8);

    // A folder in the place of a file is a disk that refuses to write, for root too.
    let mut store = bench.open(&Silent);
    let obstacle = bench.file("chunks/00003.npy");
    fs::create_dir_all(obstacle.join("full")).unwrap();
    let error = bench.session(&mut store, &Silent, &Cancel::default(), |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains(obstacle.to_str().unwrap()) && error.ends_with("resumes from them"), "{error}");
    assert_eq!(store.rows_embedded(), 12);
    let partial = fs::read_dir(bench.file("chunks"))
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with('.'));
    assert!(!partial);
    drop(store);
    fs::remove_dir_all(obstacle).unwrap();
    assert!(bench.finish() == expected);
}

#[test]
fn mirroring_is_what_it_says() {
    let flipped = |row: usize| {
        let face = pixels(row);
        let mut flipped = face;
        for (line, out) in face.chunks(SIDE * 3).zip(flipped.chunks_mut(SIDE * 3)) {
            for x in 0..SIDE {
                out[x * 3..x * 3 + 3].copy_from_slice(&line[(SIDE - 1 - x) * 3..(SIDE - x) * 3]);
            }
        }
        flipped
    };
    let normalised = |row: Vec<f32>| {
        let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        row.into_iter().map(move |value| (f64::from(value) / length) as f32)
    };
    for mirror in [Mirror::Sum, Mirror::Concat] {
        let mut bench = EmbedFixture::new(7, 3).with_fates([(2, Fate::Fails), (5, Fate::Poisons)]);
        bench.preprocess.mirror = mirror;
        bench.finish();
        let expected: Vec<f32> = [0, 1, 3, 4, 6]
            .into_iter()
            .flat_map(|row| {
                let (a, b) = (answer(&pixels(row), DIMENSION), answer(&flipped(row), DIMENSION));
                normalised(match mirror {
                    Mirror::Sum => a.iter().zip(&b).map(|(a, b)| a + b).collect(),
                    _ => [a, b].concat(),
                })
            })
            .collect();
        let matrix = EmbeddingMatrix::open(&bench.file("face_embeddings.npy")).unwrap();
        assert_eq!(matrix.dimension, output_dimension(DIMENSION, mirror));
        assert_eq!(matrix.data, expected, "{mirror:?}");
    }
}

#[test]
fn reading_ahead_is_bounded() {
    let mut bench = EmbedFixture::new(400, 400);
    bench.options.batch_size = BatchSize::Faces(8);
    let job = EmbedJob::new(&bench.faces, &bench.reader, &bench.preprocess, &bench.options);
    let limit = job.cut(BATCH).faces_in_flight(1);
    let mut most = 0;
    let outcome = bench.session(&mut bench.open(&Silent), &Silent, &Cancel::default(), |embedded| {
        // Long enough for the readers to run as far ahead as they can.
        std::thread::sleep(Duration::from_millis(2));
        most = most.max(bench.reader.started.load(Ordering::SeqCst) - embedded);
        Ok(())
    });
    assert_eq!(summary(outcome.unwrap()).embedded, 400);
    assert!(most <= limit, "{most} faces in flight, {limit} are allowed");
    assert!(most > 2 * 8, "nothing was read ahead: {most}");
}

#[test]
fn progress_tells_of_faces_failures_and_what_was_resumed() {
    let bench = EmbedFixture::new(8, 4).with_fates([(1, Fate::Fails), (6, Fate::Fails)]);
    bench.embed().unwrap();
    fs::remove_file(bench.file("chunks/00001.json")).unwrap();
    let recorded = Recorded::default();
    bench.session(&mut bench.open(&Silent), &recorded, &Cancel::default(), |_| Ok(())).unwrap();
    insta::assert_snapshot!(recorded.lines().join("\n"), @"
    start embedding Some(8) faces, 4 resumed
    remark 1 failure
    remark 2 failures
    advance 3
    advance 1
    finish
    ");
}

#[test]
fn a_sample_can_be_embedded_again_after_wrong_answers() {
    for mirror in [Mirror::None, Mirror::Concat] {
        let mut bench = EmbedFixture::new(7, 4).with_fates([(1, Fate::Fails), (2, Fate::Poisons)]);
        bench.preprocess.mirror = mirror;
        let job = EmbedJob::new(&bench.faces, &bench.reader, &bench.preprocess, &bench.options);
        let mut sample = EmbedSample::read(job, &Cancel::default()).unwrap().unwrap();
        let mut again = || {
            let mut embedder = MockEmbedder::new(DIMENSION, |_| Ok(()));
            sample.embed(&mut embedder, &Silent, &Cancel::default()).unwrap().unwrap()
        };
        let first = again();
        assert_eq!(first.rows, [0, 3, 4, 5, 6]);
        assert_eq!(again(), first);
        bench.finish();
        assert_eq!(EmbeddingMatrix::open(&bench.file("face_embeddings.npy")).unwrap().data, first.data, "{mirror:?}");
    }
}

/// Fault (runs): a job of other faces than the run's → refused with both numbers
#[test]
fn a_store_of_other_faces_is_refused() {
    let bench = EmbedFixture::new(8, 4);
    let mut store = bench.open(&Silent);
    let job = EmbedJob::new(&bench.faces[1..], &bench.reader, &bench.preprocess, &bench.options);
    let mut embedder = MockEmbedder::new(DIMENSION, |_| Ok(()));
    let error = run(&job, &mut embedder, &mut store, &Silent, &Cancel::default()).unwrap_err();
    insta::assert_snapshot!(error, @"the job's rows (7) does not match the store's (8)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_run_equals_the_direct_computation(
        fates in prop::collection::vec(prop::option::weighted(0.15, prop::sample::select(vec![Fate::Fails, Fate::Poisons])), 0..60),
        chunk_size in 3usize..20,
        batch_size in 1usize..20,
        threads in 1usize..5,
        kills in prop::collection::vec((0usize..60, 0usize..DAMAGES.len()), 0..3),
    ) {
        let listed = fates.iter().enumerate().filter_map(|(row, fate)| Some((row, (*fate)?)));
        let mut bench = EmbedFixture::new(fates.len(), chunk_size).with_fates(listed);
        bench.options.batch_size = BatchSize::Faces(batch_size);
        bench.options.threads = Some(threads);
        for (stop_at, damage) in kills {
            let cancel = Cancel::default();
            let stop = stop_after(stop_at, &cancel);
            bench.session(&mut bench.open(&Silent), &Silent, &cancel, stop).unwrap();
            if bench.file("chunks/00001.json").exists() {
                DAMAGES[damage].1(&bench);
            }
        }
        bench.finish();
        prop_assert_eq!(EmbeddingMatrix::open(&bench.file("face_embeddings.npy")).unwrap().data, direct(&bench));
        let failed = bench.text("failures.csv").lines().count() - 1;
        prop_assert_eq!(failed, bench.reader.fates.len());
    }
}

/// Chunks of a run that several workers open.
fn shared(fixture: &EmbedFixture, session: u32) -> ChunkStore {
    let lock = RunLock::share(fixture.run()).unwrap();
    let layout = [fixture.faces.len(), fixture.dimension, fixture.options.chunk_size];
    let chunks = fixture.faces.len().div_ceil(fixture.options.chunk_size);
    ChunkStore::share(&lock, layout, Digest::of(b"arithmetic"), 0..chunks, session, &Silent).unwrap()
}

fn worker(fixture: &EmbedFixture, store: &mut ChunkStore) -> Result<EmbedOutcome, EmbedError> {
    fixture.session(store, &Silent, &Cancel::default(), |_| Ok(()))
}

/// Fault (processes): two workers that opened the same missing chunks commit them both → the second takes the first one's,
/// and nothing is written twice
#[test]
fn chunks_that_another_worker_committed_meanwhile_are_compared_and_kept() {
    let fixture = EmbedFixture::new(23, 5).with_fates([(3, Fate::Fails)]);
    drop(RunLock::acquire(fixture.run()).unwrap());
    let (mut first, mut second) = (shared(&fixture, 1), shared(&fixture, 2));
    worker(&fixture, &mut first).unwrap();
    let before = fixture.bytes("chunks/00000.json");
    worker(&fixture, &mut second).unwrap();
    assert_eq!(fixture.bytes("chunks/00000.json"), before);
    assert_eq!((second.rows_of_session(1), second.rows_of_session(2)), (22, 0));
}

/// Fault (processes): two workers compute other embeddings for a chunk → the second one's are refused, and the first one's
/// stay
#[test]
fn workers_that_do_not_agree_are_an_error() {
    let fixture = EmbedFixture::new(10, 5);
    drop(RunLock::acquire(fixture.run()).unwrap());
    let (mut first, mut second) = (shared(&fixture, 1), shared(&fixture, 2));
    worker(&fixture, &mut first).unwrap();
    let before = fixture.bytes("chunks/00001.npy");
    let other = fixture.with_fates([(7, Fate::Poisons)]);
    let error = worker(&other, &mut second).unwrap_err();
    assert!(matches!(error, EmbedError::Store(StoreError::Differs { chunk: 1, theirs: None, .. })), "{error}");
    assert_eq!(other.bytes("chunks/00001.npy"), before);
}

/// Fault (processes): two workers embed the same rows of a chunk and disagree on why another failed → refused
#[test]
fn workers_that_disagree_on_a_failure_are_an_error() {
    let fixture = EmbedFixture::new(10, 5).with_fates([(7, Fate::Fails)]);
    drop(RunLock::acquire(fixture.run()).unwrap());
    let (mut first, mut second) = (shared(&fixture, 1), shared(&fixture, 2));
    worker(&fixture, &mut first).unwrap();
    let other = fixture.with_fates([(7, Fate::Panics)]);
    let error = worker(&other, &mut second).unwrap_err();
    assert!(matches!(error, EmbedError::Store(StoreError::Differs { chunk: 1, theirs: Some(1), .. })), "{error}");
}

/// Fault (runs): a worker read other rows of the manifest than those that are there → its chunks are computed again
#[test]
fn chunks_of_other_faces_than_the_manifest_s_are_discarded() {
    let fixture = EmbedFixture::new(12, 5);
    drop(RunLock::acquire(fixture.run()).unwrap());
    worker(&fixture, &mut shared(&fixture, 1)).unwrap();
    let lock = RunLock::acquire(fixture.run()).unwrap();
    let arithmetic = Some(Digest::of(b"arithmetic"));
    let mut store = ChunkStore::open(&lock, 12, fixture.dimension, 5, arithmetic, &Silent).unwrap();
    assert_eq!(store.discard_other_faces(&fixture.faces).unwrap(), [0; 0]);
    let mut faces = fixture.faces.clone();
    faces[6].identity_id = Some("somebody else".into());
    assert_eq!(store.discard_other_faces(&faces).unwrap(), [1]);
    assert!(!store.is_complete() && !fixture.file("chunks/00001.npy").exists());
}

/// A worker whose rows are in the middle embeds the same as one that has them all.
#[test]
fn a_part_of_the_faces_has_the_rows_of_the_whole() {
    let fixture = EmbedFixture::new(23, 5).with_fates([(12, Fate::Fails)]);
    let whole = fixture.finish();
    let parts = EmbedFixture::new(23, 5).with_fates([(12, Fate::Fails)]);
    drop(RunLock::acquire(parts.run()).unwrap());
    let mut store = shared(&parts, 1);
    for chunks in [2..4, 4..5, 0..2] {
        store.assign(chunks);
        let rows = store.assigned_rows();
        let faces = &parts.faces[rows.clone()];
        let job = EmbedJob::new(faces, &parts.reader, &parts.preprocess, &parts.options).starting_at(rows.start);
        let mut network = MockEmbedder::new(parts.dimension, |_| Ok(()));
        super::run(&job, &mut network, &mut store, &Silent, &Cancel::default()).unwrap();
    }
    drop(store);
    let lock = RunLock::acquire(parts.run()).unwrap();
    let arithmetic = Some(Digest::of(b"arithmetic"));
    let store = ChunkStore::open(&lock, 23, parts.dimension, 5, arithmetic, &Silent).unwrap();
    super::export(parts.run(), &store, &parts.faces, 1000, &Silent).unwrap();
    let names = [
        "face_embeddings.npy",
        "face_embedding_index.csv",
        "embeddings.parquet",
        "face_quality.parquet",
        "failures.csv",
    ];
    assert_eq!(names.map(|name| parts.bytes(name)), whole);
}
