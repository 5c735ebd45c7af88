//! Containers of all kinds: each layout in its forms, and invalid ones with their messages.

mod hostile;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;
use insta::assert_snapshot;
use polars::prelude::{Column, DataFrame, IntoColumn, IntoSeries, NamedFrom, ParquetWriter, Series, StructChunked};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tar::{EntryType, Header};

use super::unpacked::INDEX;
use super::*;
use crate::dataset::tests::TestDir;
use crate::dataset::{self, Container, DatasetSource, PixelSource, Tables};
use crate::pickle::Input;
use crate::preprocess::BoundingBox;
use crate::progress::Cancel;
use crate::protocol::DATASET_PAIRS;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dataset").join(name)
}

fn local(path: impl Into<PathBuf>) -> Container {
    Container::Local { path: path.into(), sha256: None }
}

fn bin(path: impl Into<PathBuf>) -> DatasetSource {
    DatasetSource::InsightfaceBin { file: local(path) }
}

fn shards(path: impl Into<PathBuf>) -> DatasetSource {
    DatasetSource::Parquet { shards: local(path) }
}

impl TestDir {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, source: &DatasetSource) -> Result<Manifest, DatasetError> {
        dataset::open(source, Some(&self.path("cache")), self, &self.cancel)
    }

    #[track_caller]
    fn opened(&self, source: &DatasetSource) -> Manifest {
        self.read(source).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The error's text without the paths of this folder and the fixtures.
    #[track_caller]
    fn refused(&self, source: &DatasetSource) -> String {
        let message = self.read(source).unwrap_err().to_string();
        assert_eq!(self.unpacked(), [""; 0], "{message}");
        let message = message.replace(self.folder.path().to_str().unwrap(), "<dir>");
        message.replace(fixture("").to_str().unwrap(), "<fixtures>/")
    }

    /// Entries of the folder of unpacked containers without locks.
    fn unpacked(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("cache/unpacked")).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }
}

/// Ids, identities and photos, and the pairs by row.
fn described(manifest: &Manifest) -> String {
    let faces = manifest.faces.iter().map(|face| {
        assert!(face.content.is_some());
        format!("{} {} {}", face.face_id, face.identity_id.as_deref().unwrap_or("-"), face.image_id)
    });
    let pairs = manifest.lists.iter().flat_map(|list| {
        assert_eq!(list.name, DATASET_PAIRS);
        list.pairs.iter().map(|pair| {
            assert_eq!(pair.fold, None);
            format!("{}-{} {}", pair.a, pair.b, if pair.same { "same" } else { "different" })
        })
    });
    faces.chain(pairs).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_common_form_of_pickle_is_the_same_dataset() {
    let place = TestDir::new();
    let first = place.opened(&bin(fixture("protocol4.bin")));
    assert_snapshot!(described(&first), @r"
    000000.jpg - 000000.jpg
    000001.png - 000001.png
    000003.jpg - 000003.jpg
    000005.png - 000005.png
    0-1 same
    0-2 different
    2-3 same
    ");
    assert_snapshot!(place.said(), @"3 pairs (2 genuine, 1 impostor) of 4 distinct pictures");
    let file = fs::read(fixture("protocol4.bin")).unwrap();
    let expected = ContainerFile {
        path: fixture("protocol4.bin").display().to_string(),
        commit: None,
        bytes: file.len() as u64,
        sha256: Digest::of(&file),
    };
    assert_eq!(first.containers, [expected]);
    for name in ["protocol2", "protocol3", "protocol5", "python2", "tuples", "bytearrays", "numpy2", "numpy4"] {
        let manifest = place.opened(&bin(fixture(&format!("{name}.bin"))));
        assert_eq!(manifest.digest(), first.digest(), "{name}");
        assert_eq!(manifest.lists, first.lists, "{name}");
    }
}

/// Fault (archives): a pickle of pairs that calls `posix.system` or any other function → refused by the function's name; nothing is run
/// Fault (archives): an insightface .bin that is cut, empty, a web page or goes on behind its end → refused by what it is and where
#[test]
fn a_pickle_of_anything_else_is_refused_by_name() {
    let place = TestDir::new();
    let message = |name: &str| place.refused(&bin(fixture(&format!("{name}.bin"))));
    assert_snapshot!(message("call2"), @"<fixtures>/call2.bin: its pickle refers to `posix.system` at byte 2366, and loading that could run any code");
    assert_snapshot!(message("call4"), @"<fixtures>/call4.bin: its pickle refers to `posix.system` at byte 1757, and loading that could run any code");
    assert_snapshot!(message("arrays"), @"<fixtures>/arrays.bin: its pickle refers to `numpy._core.multiarray._reconstruct` at byte 54, and loading that could run any code");
    assert_snapshot!(message("dictionary"), @"<fixtures>/dictionary.bin: it is a pickle of a dict; an insightface .bin is a pickle of (list of encoded pictures, list of bools), with two pictures per bool");
    assert_snapshot!(message("odd"), @"<fixtures>/odd.bin: it is a pickle of 5 pictures and 3 bools; an insightface .bin is a pickle of (list of encoded pictures, list of bools), with two pictures per bool");
    assert_snapshot!(message("texts"), @"<fixtures>/texts.bin: it is a pickle of lists where picture 0 is a string; an insightface .bin is a pickle of (list of encoded pictures, list of bools), with two pictures per bool");
    assert_snapshot!(message("single"), @"<fixtures>/single.bin: it is a pickle of a list; an insightface .bin is a pickle of (list of encoded pictures, list of bools), with two pictures per bool");
    let message = |bytes: &[u8]| place.refused(&bin(place.file("x.bin", bytes)));
    assert_snapshot!(message(b""), @"<dir>/x.bin: it is empty, expected a Python pickle of protocol 2 to 5 (insightface's .bin)");
    assert_snapshot!(message(b"<!doctype html>"), @"<dir>/x.bin: it is a web page, expected a Python pickle of protocol 2 to 5 (insightface's .bin)");
    assert_snapshot!(message(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), @"cannot read <dir>/x.bin: it is a Git LFS pointer, not the file: run `git lfs pull` in its clone");
    assert_snapshot!(message(b"(lp0\n."), @"<dir>/x.bin: it is a file that begins with the bytes (lp0, expected a Python pickle of protocol 2 to 5 (insightface's .bin)");
    assert_snapshot!(message(b"\x80\x06."), @"<dir>/x.bin: it is a pickle of protocol 6, expected a Python pickle of protocol 2 to 5 (insightface's .bin)");
    assert_snapshot!(message(b"\x80\x04."), @"<dir>/x.bin: its pickle is damaged at byte 3: the stack is empty");
    assert_snapshot!(message(b"\x80\x04]].x"), @"<dir>/x.bin: its pickle is damaged at byte 5: the file continues after its end");
    assert_snapshot!(message(b"\x80\x04]]\x86."), @"<dir>/x.bin: it is a pickle of 0 pictures and 0 bools; an insightface .bin is a pickle of (list of encoded pictures, list of bools), with two pictures per bool");
    let mut whole = fs::read(fixture("protocol4.bin")).unwrap();
    assert_snapshot!(message(&whole[..700]), @"<dir>/x.bin: it ends inside its pickle: it is truncated; download or copy it again");
    whole.push(0);
    assert_snapshot!(message(&whole), @"<dir>/x.bin: its pickle is damaged at byte 1750: the file continues after its end");
}

#[test]
fn pairs_in_parquet_are_the_same_dataset_as_in_a_pickle() {
    let place = TestDir::new();
    let first = place.opened(&bin(fixture("protocol4.bin")));
    for name in ["pair.parquet", "target.parquet"] {
        let manifest = place.opened(&shards(fixture(name)));
        assert_eq!(manifest.digest(), first.digest(), "{name}");
    }
}

#[test]
fn faces_in_parquet_have_the_names_in_the_table() {
    let place = TestDir::new();
    assert_snapshot!(described(&place.opened(&shards(fixture("faces.parquet")))), @r"
    Ann_0001.jpg 0 Ann_0001.jpg
    Ann_0002.png 0 Ann_0002.png
    Bob_0001.jpg 1 Bob_0001.jpg
    Bob_0002.png 1 Bob_0002.png
    ");
}

/// Parquet as polars writes it, two rows per group.
fn parquet(columns: Vec<Column>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new(columns[0].len(), columns).unwrap();
    ParquetWriter::new(&mut bytes).with_row_group_size(Some(2)).finish(&mut frame).unwrap();
    bytes
}

/// A column of pictures with paths.
fn pictures(name: &str, bytes: &[Option<&[u8]>], paths: &[Option<&str>]) -> Column {
    let fields = [Series::new("bytes".into(), bytes), Series::new("path".into(), paths)];
    StructChunked::from_series(name.into(), bytes.len(), fields.iter()).unwrap().into_series().into_column()
}

fn column<T, Of: ?Sized>(name: &str, values: T) -> Column
where
    Series: NamedFrom<T, Of>,
{
    Series::new(name.into(), values).into_column()
}

/// Something with the magic bytes of a JPEG.
fn jpeg(content: &str) -> Vec<u8> {
    [b"\xff\xd8\xff\xe0", content.as_bytes()].concat()
}

#[test]
fn shards_are_one_dataset_in_the_order_of_their_names() {
    let place = TestDir::new();
    let [a, b, c] = ["a", "b", "c"].map(jpeg);
    let shard = |pictures: &[&[u8]], labels: &[&str]| {
        parquet(vec![column("image", pictures), column("name", labels), column("image_id", labels)])
    };
    place.file("shards/2.parquet", shard(&[&c], &["Cy"]));
    place.file("shards/1.parquet", shard(&[&a, &b, &a], &["Ann", "", "Ann"]));
    place.file("shards/readme.md", "");
    let manifest = place.opened(&shards(place.path("shards")));
    assert_snapshot!(described(&manifest), @r"
    000000.jpg Ann Ann
    000001.jpg - 000001.jpg
    000002.jpg Ann Ann
    000003.jpg Cy Cy
    ");
    let names: Vec<_> = manifest.containers.iter().map(|file| Path::new(&file.path).file_name().unwrap()).collect();
    assert_eq!(names, ["1.parquet", "2.parquet"]);

    place.file("shards/3.parquet", parquet(vec![column("image", &[&a[..]][..]), column("label", &[1i64][..])]));
    let message = place.read(&shards(place.path("shards"))).unwrap_err().to_string();
    assert_snapshot!(message.replace(place.folder.path().to_str().unwrap(), "<dir>"), @"<dir>/shards/3.parquet: its columns are `image` (binary), `label` (i64), but those of the first file are `image` (binary), `name` (str), `image_id` (str); choose files of one split with `files` or `folder`");
}

#[test]
fn ids_are_the_names_in_the_table_if_unique() {
    let place = TestDir::new();
    let [a, b] = ["a", "b"].map(jpeg);
    let ids = |names: &[Option<&str>; 2]| {
        let bytes = [Some(&a[..]), Some(&b[..])];
        let columns = vec![
            pictures("image", &bytes, &[None; 2]),
            column("label", &[-1i32, 7][..]),
            column("file_name", &names[..]),
        ];
        let manifest = place.opened(&shards(place.file("x.parquet", parquet(columns))));
        assert_eq!(manifest.identities(), ["7"], "-1 is not a label");
        manifest.faces.into_iter().map(|face| face.face_id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&[Some("a.jpg"), Some("b.jpg")]), "a.jpg b.jpg");
    assert_eq!(ids(&[Some("a.jpg"), Some("a.jpg")]), "000000.jpg 000001.jpg");
    assert_eq!(ids(&[Some("a.jpg"), None]), "000000.jpg 000001.jpg");
    assert_eq!(ids(&[Some("a.jpg"), Some("b\n.jpg")]), "000000.jpg 000001.jpg");
}

/// Fault (archives): parquet with another layout, null pictures, labels out of range or a cut footer → refused by row or columns
#[test]
fn errors_in_a_parquet_file_name_the_row_or_columns() {
    let place = TestDir::new();
    let a = jpeg("a");
    let one = [Some(&a[..])];
    let message = |bytes: &[u8]| place.refused(&shards(place.file("x.parquet", bytes)));
    let table = |columns| message(&parquet(columns));
    assert_snapshot!(message(b"<!doctype html>"), @"<dir>/x.parquet: it is a web page, expected a parquet file");
    assert_snapshot!(message(b"PAR1"), @"<dir>/x.parquet: polars cannot read it: parquet: File out of specification: A Parquet file must contain a header and footer with at least 12 bytes");
    assert_snapshot!(message(b"PAR1\xff\xff\xff\x7fPAR1"), @"<dir>/x.parquet: polars cannot read it: parquet: File out of specification: The footer size must be smaller or equal to the file's size");
    assert_snapshot!(table(vec![column("image", &one[..]), column("score", &[0.5f64][..])]), @"<dir>/x.parquet: its columns are `image` (binary), `score` (f64); expected pairs (pictures `img_0`, `img_1` and `pair`, or pictures `image1`, `image2` and `target`) or faces (one picture column and one of `identity_id`, `identity`, `label_name`, `person`, `person_id`, `subject`, `label`, `name`, `class`); a picture is a binary column or a struct with a binary `bytes`");
    assert_snapshot!(table(vec![pictures("image", &[None], &[Some("a.jpg")]), column("label", &[1i64][..])]), @"<dir>/x.parquet: none of its rows is usable; row 0: `image` has a path but no bytes; the file must contain the pictures");
    assert_snapshot!(table(vec![column("image", &one[..]), column("label", &["a\tb"][..])]), @"<dir>/x.parquet: none of its rows is usable; row 0: `label` contains a line break or another control character");
    let pairs = |label: Column| table(vec![label, column("img_0", &one[..]), column("img_1", &one[..])]);
    assert_snapshot!(pairs(column("pair", &[2i64][..])), @"<dir>/x.parquet: row 0: `pair` is 2, expected 1 (genuine) or 0 (impostor)");
    assert_snapshot!(pairs(column("pair", &[None::<bool>][..])), @"<dir>/x.parquet: row 0: `pair` is null");
    assert_snapshot!(table(vec![column("image", &one[..0]), column("label", &[0i64; 0][..])]), @"<dir>/x.parquet: it has no rows");
    fs::create_dir(place.path("empty")).unwrap();
    assert_snapshot!(place.refused(&shards(place.path("empty"))), @"<dir>/empty: it contains no `.parquet` files; those in folders inside it are not read");
    let whole = fs::read(fixture("faces.parquet")).unwrap();
    assert_snapshot!(message(&whole[..1000]), @"<dir>/x.parquet: it ends after 1000 bytes, in the middle of the table; download or copy it again");
}

/// Fault (archives): something else than a picture in a list of pictures → its face fails with the reason, the others do not
#[test]
fn anything_but_a_picture_in_a_pickle_is_a_fault_of_its_face() {
    let place = TestDir::new();
    let file = place.file("hole.bin", b"\x80\x03](C\x01aNC\x01bC\x01ae](\x88\x89e\x86.");
    let manifest = place.read(&bin(file)).unwrap();
    let faults: Vec<_> =
        manifest.faces.iter().map(|face| face.fault.as_ref().map(|fault| fault.reason.as_str())).collect();
    assert_eq!(faults, [None, Some("picture 1 is None"), None]);
    let rows: Vec<_> = manifest.lists[0].pairs.iter().map(|pair| (pair.a, pair.b, pair.same)).collect();
    assert_eq!(rows, [(0, 1, true), (2, 0, false)]);
}

#[test]
fn a_null_picture_is_a_fault_of_its_face_and_other_columns_are_kept() {
    let place = TestDir::new();
    let (a, c) = (jpeg("a"), jpeg("c"));
    let faces = parquet(vec![
        column("image", &[Some(&a[..]), None, Some(&c[..])][..]),
        column("label", &["NA", "null", "00001"][..]),
        column("glasses", &[Some(true), None, Some(false)][..]),
        column("age", &[0.5f64, 1.0, 2.0][..]),
    ]);
    for _ in 0..2 {
        let manifest = place.read(&shards(place.file("x.parquet", &faces))).unwrap();
        let faults: Vec<_> =
            manifest.faces.iter().map(|face| face.fault.as_ref().map(|fault| fault.reason.as_str())).collect();
        assert_eq!(faults, [None, Some("row 1: `image` is null"), None]);
        let names: Vec<_> = manifest.faces.iter().filter_map(|face| face.identity_id.as_deref()).collect();
        assert_eq!(names, ["NA", "null", "00001"]);
        assert_eq!(manifest.table.headers, ["glasses", "age"]);
        let values: Vec<Vec<&str>> = manifest.table.columns.iter().map(|column| column.iter().collect()).collect();
        assert_eq!(values, [["true", "", "false"], ["0.5", "1.0", "2.0"]]);
    }
    let pairs = parquet(vec![
        column("pair", &[1i64, 0][..]),
        column("img_0", &[Some(&a[..]), Some(&a[..])][..]),
        column("img_1", &[Some(&c[..]), None][..]),
    ]);
    let manifest = place.read(&shards(place.file("pairs.parquet", &pairs))).unwrap();
    assert_eq!(manifest.faces.iter().filter(|face| face.fault.is_some()).count(), 1);
    assert_eq!(manifest.lists[0].pairs.len(), 2);
}

#[test]
fn columns_of_unsupported_types_are_named_and_refused_only_if_required() {
    let place = TestDir::new();
    let unread = "`taken` (timestamp), `born` (date), `at` (time), `lasted` (duration), `small` (int8), `byte` (uint8), \
                  `short` (int16), `price` (decimal), `half` (float16), `sizes` (list[i64]), `code` (fixed-size binary), \
                  `nothing` (null)";
    for _ in 0..2 {
        let manifest = place.opened(&shards(fixture("odd_columns.parquet")));
        assert_eq!(described(&manifest), "000000.jpg Ann 000000.jpg\n000001.jpg Bob 000001.jpg");
        assert_eq!(manifest.table.headers, ["place", "age"]);
        let values: Vec<Vec<&str>> = manifest.table.columns.iter().map(|column| column.iter().collect()).collect();
        assert_eq!(values, [["here", "there"], ["0.5", "1.5"]]);
        let said = place.said();
        let line = said.lines().find_map(|line| line.split_once(": unused columns: ")).unwrap().1;
        assert_eq!(line, unread);
    }
    let place = TestDir::new();
    let message = |name: &str| place.refused(&shards(fixture(name)));
    assert_snapshot!(message("odd_label.parquet"), @"<fixtures>/odd_label.parquet: its column `label` has the unsupported type int8; store names as text, numbers as 32- or 64-bit integers and pictures as binary");
    assert_snapshot!(message("odd_decimal.parquet"), @"<fixtures>/odd_decimal.parquet: its column `label` has the unsupported type decimal; store names as text, numbers as 32- or 64-bit integers and pictures as binary");
    assert_snapshot!(message("odd_photo.parquet"), @"<fixtures>/odd_photo.parquet: its column `image_id` has the unsupported type uint8; store names as text, numbers as 32- or 64-bit integers and pictures as binary");
    assert_snapshot!(message("odd_picture.parquet"), @"<fixtures>/odd_picture.parquet: its column `image` has the unsupported type struct with a decimal; store names as text, numbers as 32- or 64-bit integers and pictures as binary");
    // Neither may a later file have one of them where the first has a column that stays with the faces.
    let whole = parquet(vec![
        column("image", &[Some(&jpeg("a")[..])][..]),
        column("identity", &["Ann"][..]),
        column("small", &[1i64][..]),
    ]);
    place.file("shards/1.parquet", whole);
    place.file("shards/2.parquet", fs::read(fixture("odd_columns.parquet")).unwrap());
    let message = place.refused(&shards(place.path("shards")));
    assert!(
        message.contains("2.parquet: its columns are `image` (binary), `identity` (str), `taken` (timestamp), "),
        "{message}"
    );
}

/// A `.tar.gz` of entries: path, kind, content.
fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tarball(entries)).unwrap();
    gzip.finish().unwrap()
}

fn tarball(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = Header::new_ustar();
        // `set_path` refuses what an attacker writes.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

const FILE: EntryType = EntryType::Regular;

const BOXES: &str =
    "NAME_ID,X,Y,W,H\n\"n000009/0002_01\",1,2,10,20\n\"n000001/0001_01\",3,4,30,40\n\"n000001/0001_02\",5,6,7,8\n";

fn vggface2(archive: &Path, boxes: &Path) -> DatasetSource {
    DatasetSource::Vggface2 { archive: local(archive), boxes: local(boxes) }
}

#[test]
fn an_archive_and_its_unpacked_folder_are_the_same_dataset() {
    let place = TestDir::new();
    let [a, b, c] = ["a", "b", "c"].map(jpeg);
    let boxes = place.file("boxes.csv", BOXES);
    let packed = archive(&[
        ("test/", EntryType::Directory, b""),
        ("test/n000009/0002_01.jpg", FILE, &a),
        ("./test/n000001/0001_02.jpg", FILE, &b),
        ("test/readme.txt", FILE, b"x"),
        ("test/n000001/0001_01.jpg", FILE, &c),
        ("test/n000001/0003_01.jpg", FILE, b"no box"),
    ]);
    let manifest = place.opened(&vggface2(&place.file("test.tar.gz", packed), &boxes));
    assert_snapshot!(described(&manifest), @r"
    n000001/0001_01.jpg n000001 n000001/0001
    n000001/0001_02.jpg n000001 n000001/0001
    n000001/0003_01.jpg n000001 n000001/0003
    n000009/0002_01.jpg n000009 n000009/0002
    ");
    let expected = [Some([3.0, 4.0, 33.0, 44.0]), Some([5.0, 6.0, 12.0, 14.0]), None, Some([1.0, 2.0, 11.0, 22.0])];
    let corners = |BoundingBox { x1, y1, x2, y2 }: BoundingBox| [x1, y1, x2, y2];
    let found: Vec<_> = manifest.faces.iter().map(|face| face.bbox.map(corners)).collect();
    assert_eq!(found, expected);
    assert_snapshot!(place.said(), @r"
    1 of 4 faces has no box in <dir>/boxes.csv
    left out: 1 file that is not a picture by name or content
    ");
    assert_eq!(manifest.containers.len(), 2);

    for (path, bytes) in [("0001_01.jpg", &c), ("0001_02.jpg", &b), ("0003_01.jpg", &b"no box".to_vec())] {
        place.file(&format!("unpacked/test/n000001/{path}"), bytes);
    }
    place.file("unpacked/test/n000009/0002_01.jpg", &a);
    // Published as a separate archive.
    let published = archive(&[
        ("bb_landmark/loose_landmark_test.csv", FILE, b"x"),
        ("bb_landmark/loose_bb_test.csv", FILE, BOXES.as_bytes()),
    ]);
    let boxes = place.file("bb_landmark.tar.gz", published);
    let unpacked = place.opened(&vggface2(&place.path("unpacked"), &boxes));
    assert_eq!(unpacked.digest(), manifest.digest());
    assert_eq!(unpacked.containers.len(), 1, "a folder is not a container");
}

fn identities(archive: &Path) -> DatasetSource {
    let tables = Tables { pairs: Some("pairs.csv".into()), boxes: Some("boxes.csv".into()) };
    DatasetSource::Archive { archive: local(archive), tables }
}

#[test]
fn a_tar_archive_of_identity_folders_is_read_as_the_folder_is() {
    let place = TestDir::new();
    let [a, b, c] = ["a", "b", "c"].map(jpeg);
    place.file(
        "pairs.csv",
        "face_a,face_b,same\nAnn/1.jpg,Ann/2.jpg,1\nAnn_1,Bob/1.jpg,0\n".replace("Ann_1", "Ann/1.jpg"),
    );
    place.file("boxes.csv", "path,x1,y1,x2,y2\nBob/1.jpg,1,2,3,4\n");
    let entries: [(&str, EntryType, &[u8]); 6] = [
        ("lfw/", EntryType::Directory, b""),
        ("lfw/Bob/1.jpg", FILE, &a),
        ("./lfw/Ann/2.jpg", FILE, &b),
        ("lfw/Ann/1.jpg", FILE, &c),
        ("lfw/readme.txt", FILE, b"x"),
        ("lfw/Ann/.DS_Store", FILE, b"x"),
    ];
    let manifest = place.opened(&identities(&place.file("lfw.tar.gz", archive(&entries))));
    assert_snapshot!(described(&manifest), @r"
    Ann/1.jpg Ann Ann/1.jpg
    Ann/2.jpg Ann Ann/2.jpg
    Bob/1.jpg Bob Bob/1.jpg
    0-1 same
    0-2 different
    ");
    assert_eq!(manifest.faces[2].bbox, Some(BoundingBox { x1: 1.0, y1: 2.0, x2: 3.0, y2: 4.0 }));
    assert_eq!(manifest.left_out.to_string(), "1 file that is not a picture by name or content, 1 hidden entry");
    let plain = place.opened(&identities(&place.file("lfw.tar", tarball(&entries))));
    assert_eq!(plain.digest(), manifest.digest(), "compressed or not");
    // The folder that it is unpacked to has a file of its own.
    let index = [("index/1.jpg", FILE, &a[..]), ("index/2.jpg", FILE, &b), ("Bob/3.jpg", FILE, &c)];
    let named = TestDir::new();
    let called_index = named.opened(&DatasetSource::Archive {
        archive: local(named.file("index.tar", tarball(&index))),
        tables: Tables::default(),
    });
    assert_eq!(called_index.identities(), ["Bob", "index"]);
    let labelled = [&[("faces", EntryType::new(b'V'), &b""[..])], &entries[..]].concat();
    let padded = [archive(&labelled), vec![0; 10_240]].concat();
    let from_tape = place.opened(&identities(&place.file("tape.tar.gz", padded)));
    assert_eq!(from_tape.digest(), manifest.digest(), "with a label and padding");
    for (path, bytes) in [("Bob/1.jpg", &a), ("Ann/2.jpg", &b), ("Ann/1.jpg", &c)] {
        place.file(&format!("folders/{path}"), bytes);
    }
    let tables = Tables { pairs: Some("pairs.csv".into()), boxes: Some("boxes.csv".into()) };
    let folders = place.opened(&DatasetSource::Folders { root: place.path("folders"), parts: Vec::new(), tables });
    assert_eq!(folders.digest(), manifest.digest());
}

/// Fault (archives): a tar archive that is cut between two entries or inside one → refused by its length
/// Fault (archives): a tar archive of nothing, or a file of no bytes → said so
/// Fault (archives): two entries of an archive with one id → refused by both names
/// Fault (archives): two archives put together with `cat`, compressed or not → refused, because only the first would be read
#[test]
fn an_archive_of_something_else_is_explained() {
    let place = TestDir::new();
    let [first, second] = ["a", "b"].map(|person| {
        let path = format!("{person}/1.jpg");
        [&tarball(&[(&path, FILE, &jpeg(person))])[..], &[0; 8192]].concat()
    });
    let both = [&first[..], &second].concat();
    let members = |parts: &[&[u8]]| -> Vec<u8> {
        let gzip = |part: &&[u8]| {
            let mut out = GzEncoder::new(Vec::new(), Compression::fast());
            out.write_all(part).unwrap();
            out.finish().unwrap()
        };
        parts.iter().flat_map(gzip).collect()
    };
    for (name, bytes) in [
        ("both.tar", both.clone()),
        ("both.tar.gz", members(&[&both])),
        ("members.tar.gz", members(&[&first, &second])),
    ] {
        let said = place.refused(&identities(&place.file(name, bytes)));
        assert!(said.contains(name) && said.contains("it goes on behind the mark of its end"), "{said}");
    }
    assert_snapshot!(place.refused(&identities(&place.file("lfw.tar.bz2", b"BZh91AY&SY"))), @"<dir>/lfw.tar.bz2: it is a bzip2 file (decompress it with `bunzip2`), expected a tar archive, compressed with gzip or not");
    let message = |bytes: &[u8]| {
        let source = DatasetSource::Archive { archive: local(place.file("x.tar", bytes)), tables: Tables::default() };
        place.refused(&source)
    };
    let picture = jpeg("a");
    let whole = tarball(&[("lfw/Ann/1.jpg", FILE, &picture), ("lfw/Bob/1.jpg", FILE, &picture)]);
    assert_snapshot!(message(b"<html>"), @"<dir>/x.tar: it is a web page, expected a tar archive, compressed with gzip or not");
    assert_snapshot!(message(&whole[..whole.len() - 1024]), @"<dir>/x.tar: it ends after 2048 bytes, in the middle of the archive; download or copy it again");
    assert_snapshot!(message(&whole[..700]), @"<dir>/x.tar: it ends after 700 bytes, in the middle of the archive; download or copy it again");
    assert_snapshot!(message(b""), @"<dir>/x.tar: it is empty, expected a tar archive, compressed with gzip or not");
    let nothing = "<dir>/x.tar: it is an archive without a file in it; pack the pictures again, or name the archive that holds them";
    assert_eq!(message(&tarball(&[])), nothing);
    assert_eq!(message(&[0; 10_240]), nothing);
    assert_eq!(message(&archive(&[])), nothing);
    assert_eq!(message(&tarball(&[("Ann/", EntryType::Directory, b"")])), nothing);
    assert_snapshot!(message(&vec![0; 100_000]), @r"<dir>/x.tar: it is a file that begins with the bytes \x00\x00\x00\x00, expected a tar archive, compressed with gzip or not");
    assert_snapshot!(message(&tarball(&[("readme", FILE, b"x")])), @"<dir>/x.tar: it has no pictures in folders of people, only `readme`; expected <identity>/<picture>");
    assert_snapshot!(message(&tarball(&[("1.jpg", FILE, &picture)])), @"<dir>/x.tar: it has no pictures in folders of people, only `1.jpg`; expected <identity>/<picture>");
    assert_snapshot!(message(&tarball(&[("a/Ann/1.jpg", FILE, &picture), ("b/Ann/1.jpg", FILE, &picture)])), @"<dir>/x.tar: `a/Ann/1.jpg` and `b/Ann/1.jpg` would both have the id `Ann/1.jpg`; rename one of them");
    assert_snapshot!(message(&tarball(&[("a/metadata.csv", FILE, b"file_name"), ("a/Ann/1.jpg", FILE, &picture)])), @"<dir>/x.tar: `a/metadata.csv` names pictures and people, and archives are read by their folders only; unpack it and use `source: folders`");
    assert_snapshot!(message(&tarball(&[("../Ann/1.jpg", FILE, &picture)])), @"<dir>/x.tar: invalid entry `../Ann/1.jpg`: it leads out of the archive");
}

/// Fault (archives): an archive entry with `..`, an absolute path, a link, a pipe → refused by name; nothing is written
#[test]
fn entries_that_lead_elsewhere_are_refused() {
    let place = TestDir::new();
    let boxes = place.file("boxes.csv", BOXES);
    let message = |entries: &[(&str, EntryType, &[u8])]| {
        place.refused(&vggface2(&place.file("x.tar.gz", archive(entries)), &boxes))
    };
    let good = ("n000001/0001_01.jpg", FILE, &b"x"[..]);
    assert_snapshot!(message(&[good, ("../n000001/0001_02.jpg", FILE, b"x")]), @"<dir>/x.tar.gz: invalid entry `../n000001/0001_02.jpg`: it leads out of the archive");
    assert_snapshot!(message(&[good, ("n000001/../../0001_02.jpg", FILE, b"x")]), @"<dir>/x.tar.gz: invalid entry `n000001/../../0001_02.jpg`: it leads out of the archive");
    assert_snapshot!(message(&[good, ("/n000001/0001_02.jpg", FILE, b"x")]), @"<dir>/x.tar.gz: invalid entry `/n000001/0001_02.jpg`: it is an absolute path");
    assert_snapshot!(message(&[good, ("n000001/0001_02.jpg", EntryType::Symlink, b"")]), @"<dir>/x.tar.gz: invalid entry `n000001/0001_02.jpg`: it is a link");
    assert_snapshot!(message(&[good, ("n000001/0001_02.jpg", EntryType::Link, b"")]), @"<dir>/x.tar.gz: invalid entry `n000001/0001_02.jpg`: it is a link");
    assert_snapshot!(message(&[good, ("n000001/0001_02.jpg", EntryType::Fifo, b"")]), @"<dir>/x.tar.gz: invalid entry `n000001/0001_02.jpg`: it is not a regular file");
    assert_snapshot!(message(&[good, ("train/n000001/0001_01.jpg", FILE, b"x")]), @"<dir>/x.tar.gz: invalid entry `train/n000001/0001_01.jpg`: it is duplicated");
    assert_snapshot!(message(&[("readme", FILE, b"x")]), @"<dir>/x.tar.gz: it has no pictures named like `n000001/0001_01.jpg` (identity, photo, face); it has 1 other files, the first is `readme`");
    assert!(!place.path("cache/n000001").exists() && !place.path("cache/unpacked/0001_02.jpg").exists());
}

#[test]
fn an_invalid_archive_or_table_is_explained() {
    let place = TestDir::new();
    let boxes = place.file("boxes.csv", BOXES);
    let message = |bytes: &[u8]| place.refused(&vggface2(&place.file("x.tar.gz", bytes), &boxes));
    let whole = archive(&[("n000001/0001_01.jpg", FILE, &jpeg(&"long ".repeat(9999)))]);
    assert_snapshot!(message(b"{\"error\": 1}"), @"<dir>/x.tar.gz: it is JSON, expected VGGFace2's .tar.gz");
    assert_snapshot!(message(b"\x1f\x8b no gzip"), @"<dir>/x.tar.gz: it is not a valid .tar.gz: invalid gzip header");
    assert_snapshot!(message(&whole[..whole.len() / 2]), @"<dir>/x.tar.gz: it ends after 322 bytes, in the middle of an entry; download or copy it again");
    assert_snapshot!(message(&[&whole[..], b"\0\0tail of something else"].concat()), @"<dir>/x.tar.gz: it is not a valid .tar.gz: invalid gzip header");
    let mut damaged = whole.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    assert_snapshot!(message(&damaged), @"<dir>/x.tar.gz: it is not a valid .tar.gz: corrupt gzip stream does not have a matching checksum");
    let packed = place.file("x.tar.gz", &whole);
    let message = |table: &[u8]| {
        let error = place.read(&vggface2(&packed, &place.file("boxes.csv", table))).unwrap_err().to_string();
        error.replace(place.folder.path().to_str().unwrap(), "<dir>")
    };
    assert_snapshot!(message(b"NAME_ID,X,Y,W,H\nn000007/0001_01,1,2,3,4\n"), @"<dir>/boxes.csv: none of its boxes (1) is for a picture of the archive: the first box is for `n000007/0001_01`, the first picture is `n000001/0001_01.jpg`");
    assert_snapshot!(message(b"<html>"), @"<dir>/boxes.csv: it is a web page, expected a CSV with the columns NAME_ID, X, Y, W, H");
    assert_snapshot!(message(&archive(&[("other.csv", FILE, b"x")])), @"<dir>/boxes.csv: it is not a valid .tar.gz: it has no loose_bb_test.csv");
}

/// Fault (archives): a container with another digest than the config pins → refused before anything is unpacked
#[test]
fn a_pinned_digest_is_checked_before_anything_is_unpacked() {
    let place = TestDir::new();
    let expected = Digest::of(b"another");
    let file = Container::Local { path: fixture("protocol2.bin"), sha256: Some(expected) };
    assert_snapshot!(place.refused(&DatasetSource::InsightfaceBin { file }), @"<fixtures>/protocol2.bin: its sha256 is 336e5dbbaae974a44dea992e076bcad59468f2aaa330b61f68bad09fe0c4c34e, but ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5 is pinned: it is a different file, or damaged; correct `sha256` or replace the file");
    let sha256 = Some(Digest::of(&fs::read(fixture("protocol2.bin")).unwrap()));
    let file = Container::Local { path: fixture("protocol2.bin"), sha256 };
    place.opened(&DatasetSource::InsightfaceBin { file });
}

/// Fault (archives): a changed, missing or added file in the cache of unpacked pictures → unpacked again
#[test]
fn a_container_is_unpacked_once_and_again_when_the_cache_is_damaged() {
    let place = TestDir::new();
    let path = place.file("x.bin", fs::read(fixture("protocol4.bin")).unwrap());
    let manifest = place.opened(&bin(&path));
    let unpacked = manifest.root.clone();
    assert_eq!(place.unpacked(), [unpacked.file_name().unwrap().to_str().unwrap()]);
    let untouched = |place: &TestDir| {
        fs::write(unpacked.join("extra"), "").unwrap();
        assert_eq!(place.opened(&bin(&path)).digest(), manifest.digest());
        fs::remove_file(unpacked.join("extra")).is_ok()
    };
    assert!(untouched(&place), "it was unpacked a second time");
    for damage in [
        |unpacked: &Path| fs::write(unpacked.join("000001.png"), "x").unwrap(),
        |unpacked: &Path| fs::remove_file(unpacked.join("000003.jpg")).unwrap(),
        |unpacked: &Path| fs::write(unpacked.join(INDEX), "x").unwrap(),
    ] {
        damage(&unpacked);
        assert!(!untouched(&place));
        let PixelSource::File { path, .. } = &manifest.faces[1].pixels else { panic!() };
        assert!(fs::read(unpacked.join(path)).unwrap().starts_with(b"\x89PNG"));
    }
}

/// Fault (processes): Ctrl-C or a kill while a container is unpacked → what was unpacked is removed, by the next start after a kill
#[test]
fn cancelling_leaves_nothing_behind_and_leftovers_are_removed() {
    let place = TestDir::new();
    *place.stop_after.lock().unwrap() = Some(4);
    assert!(matches!(place.read(&bin(fixture("protocol4.bin"))), Err(DatasetError::Interrupted)));
    assert_eq!(place.unpacked(), [""; 0]);
    // As a killed process leaves it.
    place.file("cache/unpacked/.partial-0123456789abcdef/000000.jpg", "half");
    let place = TestDir { cancel: Cancel::default(), stop_after: Mutex::default(), ..place };
    let manifest = place.opened(&bin(fixture("protocol4.bin")));
    assert_eq!(place.unpacked(), [manifest.root.file_name().unwrap().to_str().unwrap()]);
}

#[test]
fn two_processes_unpack_one_container_without_harm() {
    let place = TestDir::new();
    let digests: Vec<_> = std::thread::scope(|scope| {
        let open = || place.opened(&bin(fixture("protocol4.bin"))).digest();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn unpacking_requires_a_cache() {
    let place = TestDir::new();
    let error = dataset::open(&bin(fixture("protocol4.bin")), None, &place, &Cancel::default()).unwrap_err();
    assert!(error.to_string().ends_with("unpacking it requires a cache folder"), "{error}");
}

proptest! {
    /// Fault (archives): any bytes of a pickle of pairs changed, or its end cut → an error or other pairs, never a panic
    #[test]
    fn damage_of_a_pickle_never_panics(
        which in 0usize..6,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let name = ["protocol2", "protocol3", "protocol4", "protocol5", "python2", "numpy2"][which];
        let mut bytes = fs::read(fixture(&format!("{name}.bin"))).unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let mut input = Input::new(std::io::Cursor::new(&bytes)).unwrap();
        if let Ok(pairs) = insightface::read(&mut input) {
            prop_assert_eq!(pairs.pictures.len(), 2 * pairs.same.len());
            for blob in pairs.pictures.iter().flatten() {
                prop_assert!(blob.read(&mut input).is_ok_and(|picture| picture.len() <= bytes.len()) || blob.latin1);
            }
        }
    }

    #[test]
    fn every_list_of_pairs_comes_back(
        pairs in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), prop::collection::vec(any::<u8>(), 1..40), any::<bool>()), 1..20),
    ) {
        let mut bytes = b"\x80\x03](".to_vec();
        for picture in pairs.iter().flat_map(|(a, b, _)| [a, b]) {
            bytes.extend([b'C', picture.len() as u8]);
            bytes.extend(picture);
        }
        bytes.extend(b"e](");
        bytes.extend(pairs.iter().map(|(_, _, same)| if *same { 0x88 } else { 0x89 }));
        bytes.extend(b"e\x86.");
        let mut input = Input::new(std::io::Cursor::new(bytes)).unwrap();
        let read = insightface::read(&mut input).unwrap();
        let pictures: Vec<_> = read.pictures.iter().flatten().map(|blob| blob.read(&mut input).unwrap()).collect();
        for (i, (a, b, same)) in pairs.iter().enumerate() {
            prop_assert_eq!((&pictures[2 * i], &pictures[2 * i + 1], read.same[i]), (a, b, *same));
        }
    }

    /// Fault (archives): any byte of a tar header changed → an error or other names, never a path that leads out
    #[test]
    fn damage_of_an_archive_never_panics(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(&archive(&[("a/n000001/0001_01.jpg", FILE, b"x")])[..]).read_to_end(&mut tar).unwrap();
        let at = at.index(1024);
        tar[at] = value;
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(&tar).unwrap();
        let place = TestDir::new();
        let path = place.file("x.tar.gz", gz.finish().unwrap());
        if let Ok(manifest) = place.read(&vggface2(&path, &place.file("boxes.csv", BOXES))) {
            prop_assert!(manifest.faces.iter().all(|face| face.face_id.split('/').count() == 2));
        }
    }
}

proptest! {
    // What polars does with damage that only it can find is polars' affair: always the same damage.
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]

    /// Fault (archives): any bytes of a parquet file changed, or its end cut → an error or another dataset, never a panic
    #[test]
    fn damage_of_a_parquet_file_is_an_error_or_another_dataset(
        which in 0usize..3,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = fs::read(fixture(["pair.parquet", "target.parquet", "faces.parquet"][which])).unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let place = TestDir::new();
        if let Ok(manifest) = place.read(&shards(place.file("x.parquet", bytes))) {
            prop_assert!(manifest.faces.iter().all(|face| face.content.is_some()));
        }
    }
}
