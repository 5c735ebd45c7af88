//! Containers made to fill memory or the disk.

use super::*;

fn source(archive: &Path) -> DatasetSource {
    DatasetSource::Archive { archive: local(archive), tables: Tables::default() }
}

/// An entry as it lies in an archive; its header may claim another size than its content has.
fn entry(path: &str, kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path(path).unwrap();
    header.set_entry_type(EntryType::new(kind));
    header.set_size(size);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn whole(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    entry(path, kind, content.len() as u64, content)
}

/// A pax record: its own length, key and value.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (1..1000).find(|length: &usize| length.to_string().len() + rest.len() == *length).unwrap();
    format!("{length}{rest}").into_bytes()
}

fn ended(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}

/// Names of both kinds that archives have are read, and only the last two parts of them count.
#[test]
fn names_that_records_give_are_read() {
    let place = TestDir::new();
    let deep = format!("{}/Ann/2.jpg", ["folder"; 30].join("/"));
    let tar = ended(&[
        whole("a/Ann/1.jpg", b'0', &jpeg("a")),
        whole("././@LongLink", b'L', format!("{deep}\0").as_bytes()),
        whole("cut", b'0', &jpeg("b")),
        whole("pax_global_header", b'g', &pax("comment", "of all")),
        whole("x", b'x', &[pax("mtime", "1.5"), pax("path", "a/Bøb/3.jpg")].concat()),
        whole("cut", b'0', &jpeg("c")),
    ]);
    let manifest = place.opened(&source(&place.file("x.tar", tar)));
    let ids: Vec<_> = manifest.faces.iter().map(|face| face.face_id.as_str()).collect();
    assert_eq!(ids, ["Ann/1.jpg", "Ann/2.jpg", "Bøb/3.jpg"]);
}

/// Fault (archives): a tar record with a long name or link of 4 GB → refused from its header; nothing of it is read
/// Fault (archives): a tar record with local or global attributes of 4 GB → refused from its header
/// Fault (archives): two records that name one tar entry → refused
/// Fault (archives): a sparse tar entry, in GNU's way or in POSIX's → refused by name
/// Fault (archives): a tar entry whose size is another one in its attributes → refused by name
#[test]
fn records_that_describe_an_entry_are_bounded() {
    let place = TestDir::new();
    let message = |parts: &[Vec<u8>]| place.refused(&source(&place.file("x.tar", ended(parts))));
    let good = whole("a/Ann/1.jpg", b'0', &jpeg("a"));
    let claims = |kind| message(&[good.clone(), entry("././@LongLink", kind, 4 << 30, b"name")]);
    assert_snapshot!(claims(b'L'), @"<dir>/x.tar: invalid entry `@LongLink`: it announces a name of more than 4,096 bytes");
    assert_snapshot!(claims(b'K'), @"<dir>/x.tar: invalid entry `@LongLink`: it announces a name of more than 4,096 bytes");
    assert_snapshot!(claims(b'x'), @"<dir>/x.tar: invalid entry `@LongLink`: it announces more than 1 MiB of attributes");
    assert_snapshot!(claims(b'g'), @"<dir>/x.tar: invalid entry `@LongLink`: it announces more than 1 MiB of attributes");
    let name = whole("././@LongLink", b'L', b"a/Ann/2.jpg\0");
    assert_snapshot!(message(&[name.clone(), name.clone(), good.clone()]), @"<dir>/x.tar: invalid entry `a/Ann/2.jpg`: it is described twice");
    let attributes = whole("x", b'x', &pax("path", "a/Ann/2.jpg"));
    assert_snapshot!(message(&[attributes.clone(), attributes, good.clone()]), @"<dir>/x.tar: invalid entry `a/Ann/2.jpg`: it is described twice");
    assert_snapshot!(message(&[whole("a/Ann/1.jpg", b'S', &jpeg("a"))]), @"<dir>/x.tar: invalid entry `a/Ann/1.jpg`: it is not a regular file");
    let with = |key, value| message(&[whole("x", b'x', &pax(key, value)), good.clone()]);
    assert_snapshot!(with("GNU.sparse.realsize", "99999999999"), @"<dir>/x.tar: invalid entry `a/Ann/1.jpg`: it is sparse");
    assert_snapshot!(with("size", "99999999999"), @"<dir>/x.tar: invalid entry `a/Ann/1.jpg`: it has 8 GiB or more; unpack the archive yourself and use `source: folders`");
    assert_snapshot!(message(&[entry("a/Ann/1.jpg", b'0', 600 << 20, b"")]), @"<dir>/x.tar: it ends after 1536 bytes, in the middle of an entry; download or copy it again");
}

/// A gzip file of these bytes and then so many MiB of zeros, in some 5 KB for each.
fn inflated(start: &[u8], mebibytes: usize) -> Vec<u8> {
    let gz = |bytes: &[u8]| {
        let mut gz = GzEncoder::new(Vec::new(), Compression::default());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    };
    [gz(start), gz(&vec![0; 1 << 20]).repeat(mebibytes)].concat()
}

/// Fault (archives): 300 KB of gzip that unpack to a picture of 300 MB → refused at 256 MiB; what was unpacked is removed
/// Fault (archives): 300 KB of gzip that unpack to a file which is no picture → refused at 256 MiB, although it is left out
#[test]
fn a_small_archive_does_not_unpack_to_a_large_one() {
    let place = TestDir::new();
    for name in ["a/Ann/2.jpg", "a/readme.txt"] {
        let start = [whole("a/Ann/1.jpg", b'0', &jpeg("a")), entry(name, b'0', 300 << 20, b"")].concat();
        let message = place.refused(&source(&place.file("x.tar.gz", inflated(&start, 300))));
        assert!(message.contains("and unpacks to more than 268435456, the limit for its size"), "{message}");
    }
}

/// Fault (archives): parquet of 30 KB with pages of 270 MB → refused from the pages' headers; nothing of them is unpacked
/// Fault (archives): a text of more than 64 KiB in a parquet table → refused by its row and column
#[test]
fn parquet_does_not_unpack_to_more_than_pictures_do() {
    let place = TestDir::new();
    let message = |columns| place.refused(&shards(place.file("x.parquet", parquet(columns))));
    let zeros = vec![0; 27 << 20];
    let labels: Vec<_> = (0..10).collect::<Vec<i64>>();
    let text = message(vec![column("image", &[&zeros[..]; 10][..]), column("label", &labels[..])]);
    let (_, rest) = text.split_once(" bytes and ").unwrap();
    assert_snapshot!(rest, @"unpacks to more than 268435456, the limit for its size, which pictures do not reach: it is damaged, or made to fill a disk; if you know better, unpack it yourself and use `source: folders`");
    let long = "x".repeat(70_000);
    let (image, label) = (column("image", &[&jpeg("a")[..]][..]), column("label", &["Ann"][..]));
    let text = message(vec![image, label, column("note", &[long.as_str()][..])]);
    assert_snapshot!(text, @"<dir>/x.parquet: row 0: `note` has 70000 bytes, at most 65536 are read");
}

/// Fault (processes): Ctrl-C while an archive is read whose next picture is far away → it stops, and nothing is kept
#[test]
fn reading_stops_between_two_pictures() {
    let place = TestDir::new();
    let start = [whole("a/Ann/1.jpg", b'0', &jpeg("a")), entry("a/readme.txt", b'0', 8 << 20, b"")].concat();
    let path = place.file("x.tar.gz", inflated(&start, 8));
    *place.stop_after.lock().unwrap() = Some(3);
    assert!(matches!(place.read(&source(&path)), Err(DatasetError::Interrupted)));
    assert_eq!(place.unpacked(), [""; 0]);
}
