//! Datasets of all kinds: valid ones in all their forms, and invalid ones with their messages.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::dataset::{PathRewrite, Tables};
use crate::progress::Silent;
use crate::protocol::DATASET_PAIRS;

/// A folder for one test, and the messages while it was read.
pub(super) struct TestDir {
    pub folder: tempfile::TempDir,
    pub said: Mutex<Vec<String>>,
    /// Number of pictures after which opening is cancelled.
    pub stop_after: Mutex<Option<u64>>,
    pub cancel: Cancel,
}

impl Progress for TestDir {
    fn start(&self, _: &str, _: &'static str, _: Option<u64>, _: u64) {}
    fn advance(&self, _: u64) {
        if let Some(left) = self.stop_after.lock().unwrap().as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.cancel.request();
            }
        }
    }
    fn remark(&self, _: &str) {}
    fn finish(&self) {}
    fn say(&self, line: &str) {
        self.said.lock().unwrap().push(line.into());
    }
}

/// A folder without tables.
fn folders_at(root: &Path) -> DatasetSource {
    DatasetSource::Folders { root: root.into(), parts: Vec::new(), tables: Tables::default() }
}

impl TestDir {
    pub fn new() -> Self {
        let (said, stop_after) = (Mutex::default(), Mutex::default());
        Self { folder: tempfile::tempdir().unwrap(), said, stop_after, cancel: Cancel::default() }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file.
    pub fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn put(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Self {
        self.file(path, bytes);
        self
    }

    fn open(&self, source: &DatasetSource) -> Result<Manifest, DatasetError> {
        open(source, None, self, &self.cancel)
    }

    fn folders(&self) -> Result<Manifest, DatasetError> {
        self.open(&folders_at(self.root()))
    }

    /// Reads `faces.csv` with this content.
    fn table(
        &self,
        csv: impl AsRef<[u8]>,
        image: Phase1Image,
        rewrite: &[(&str, &str)],
    ) -> Result<Manifest, DatasetError> {
        self.put("faces.csv", csv);
        let rewrite = rewrite.iter().map(|&(from, to)| PathRewrite { from: from.into(), to: to.into() }).collect();
        let (csv, root) = (self.root().join("faces.csv"), self.root().into());
        self.open(&DatasetSource::Phase1 { csv, root, rewrite, image })
    }

    /// The messages since the last time, with this folder as `<dir>`.
    pub fn said(&self) -> String {
        std::mem::take(&mut *self.said.lock().unwrap()).join("\n").replace(self.root().to_str().unwrap(), "<dir>")
    }

    fn crops(&self, csv: impl AsRef<[u8]>) -> Result<Manifest, DatasetError> {
        self.table(csv, Phase1Image::Crop, &[])
    }

    /// The error's text, with this folder as `<dir>`.
    #[track_caller]
    fn error(&self, result: Result<Manifest, DatasetError>) -> String {
        result.unwrap_err().to_string().replace(self.root().to_str().unwrap(), "<dir>")
    }

    fn csv_error(&self, csv: impl AsRef<[u8]>) -> String {
        self.error(self.crops(csv))
    }

    /// Faults of the faces, in order.
    fn faults(&self, csv: &str, image: Phase1Image) -> Vec<Option<(FaultIn, String)>> {
        let manifest = self.table(csv, image, &[]).unwrap_or_else(|error| panic!("{error}"));
        let fault = |face: &Face| face.fault.clone().map(|fault| (fault.part, fault.reason));
        manifest.faces.iter().map(fault).collect()
    }
}

const WRITTEN: &str = "face_id,photo_id,identity_id,photo_path,face_path,x,y,w,h,confidence\n";

fn ids(manifest: &Manifest) -> Vec<&str> {
    manifest.faces.iter().map(|face| face.face_id.as_str()).collect()
}

fn metadata(manifest: &Manifest, rows: &[u32]) -> String {
    let mut csv = Vec::new();
    manifest.metadata_csv(rows, &mut csv).unwrap();
    String::from_utf8(csv).unwrap()
}

fn all(manifest: &Manifest) -> Vec<u32> {
    (0..manifest.len() as u32).collect()
}

#[test]
fn both_dialects_give_the_same_faces() {
    let place = TestDir::new();
    place.put("crops/1.jpg", "one").put("crops/2.jpg", "two");
    let documented = "face_id,image_id,identity_id,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score,crop_path,source\n\
                      a,p.jpg,n1,10,20.5,30,50.5,0.99,crops/1.jpg,web\n\
                      b,p.jpg,,1,2,3,4,,crops/2.jpg,\n";
    let written = "\u{feff}confidence;h;w;y;x;face_path;photo_path;identity_id;photo_id;face_id\r\n\
                   0.99;30;20;20.5;10;\"/kaggle/crops/1.jpg\";photos/p.jpg;n1;p.jpg;a\r\n\
                   ;2;2;2;1;crops\\2.jpg;photos/p.jpg;\" \";p.jpg;b\r\n";
    for image in [Phase1Image::Crop, Phase1Image::Photo] {
        let one = place.table(documented, image, &[]).unwrap();
        let other = place.table(written, image, &[("/kaggle/", "")]).unwrap();
        if image == Phase1Image::Crop {
            assert_eq!(one.faces, other.faces);
            assert_eq!(one.digest(), other.digest());
            assert_eq!(one.faces[1].content, Some(Digest::of(b"two")));
            assert_eq!(one.faces[0].bbox, None, "a crop is already cut");
        } else {
            assert_eq!(one.faces[0].bbox, Some(BoundingBox { x1: 10.0, y1: 20.5, x2: 30.0, y2: 50.5 }));
            assert_eq!(one.faces[0].bbox, other.faces[0].bbox);
            assert!(matches!(&other.faces[1].pixels, PixelSource::File { path, .. } if path == "photos/p.jpg"));
            assert!(matches!(&one.faces[1].pixels, PixelSource::File { path, .. } if path == "p.jpg"));
            assert_eq!(one.faces[1].content, None, "a picture that is not there is for embedding to report");
        }
        assert_eq!(one.faces[1].identity_id, None);
        assert_eq!((one.faces[0].detector_score, one.faces[1].detector_score), (Some(0.99), None));
    }
    // Tabs, and quoted separators and line breaks in columns that nobody reads.
    let tabs =
        "face_id\tphoto_id\tface_path\tnote\n\"a\"\tp\tcrops/1.jpg\t\"one\ttwo\nthree\"\nb\tp\tcrops/2.jpg\t,;\n";
    let manifest = place.crops(tabs).unwrap();
    assert_eq!(ids(&manifest), ["a", "b"]);
    assert_eq!(manifest.table.columns[3].get(0), Some("one\ttwo\nthree"));
}

#[test]
fn face_metadata_keeps_the_sources_columns_of_the_embedded_rows() {
    let place = TestDir::new();
    let csv = "face_id;note;photo_id;face_path\r\nb;\"x;\"\"y\"\"\";p1;b.jpg\r\na;,;p2;a.jpg\r\nc;;p3;c.jpg\r\n";
    let manifest = place.crops(csv).unwrap();
    assert_snapshot!(metadata(&manifest, &[0, 2]), @r#"
    face_id,note,photo_id,face_path
    b,"x;""y""",p1,b.jpg
    c,,p3,c.jpg
    "#);
    place.put("n1/a.jpg", "").put("n1/b.jpg", "");
    assert_snapshot!(metadata(&place.folders().unwrap(), &[1]), @"
    face_id,image_id,identity_id,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score,crop_path
    n1/b.jpg,n1/b.jpg,n1,,,,,,n1/b.jpg
    ");
}

#[test]
fn errors_in_a_table_name_the_line() {
    let place = TestDir::new();
    let with = |rows: &str| format!("{WRITTEN}{rows}");
    assert_snapshot!(place.csv_error(""), @"<dir>/faces.csv, line 1: the file is empty; expected a header and one line per face");
    assert_snapshot!(place.csv_error("\u{feff}\r\n"), @"<dir>/faces.csv, line 1: the file is empty; expected a header and one line per face");
    assert_snapshot!(place.csv_error(WRITTEN), @"<dir>/faces.csv, line 1: the table has a header but no rows");
    assert_snapshot!(place.csv_error("face_id,photo_id,path\na,b,c\n"), @"<dir>/faces.csv, line 1: missing column `crop_path` or `face_path`; the columns are `face_id`, `photo_id`, `path` (`image: crop` reads the picture from it; `image: photo` does not need it)");
    assert_snapshot!(place.csv_error(b"face_id,photo_id,face_path\r\n\r\na,p,ok.jpg\r\nb,p,\xff.jpg\r\n"), @"<dir>/faces.csv, line 4: invalid UTF-8 at byte 5 of the line; save the table as UTF-8");
    assert_snapshot!(place.csv_error(with("a,p,,,a.jpg,,,,,\n\n\"b\",\"p\",,,b.jpg,,,,,\na,p,,,c.jpg,,,,,\n")), @"<dir>/faces.csv, line 5: duplicate face_id `a`, first used on line 2; ids must be unique");
    assert_snapshot!(place.csv_error(with("a,p,,,a.jpg\n")), @"<dir>/faces.csv, line 2: the line has 5 values, the header has 10 columns; look for a separator or quote too many or too few");
    assert_snapshot!(place.csv_error(with(",p,,,a.jpg,,,,,\n")), @"<dir>/faces.csv, line 2: `face_id` is empty");
    assert_snapshot!(place.csv_error(with("a,p,,, ,,,,,\n")), @"<dir>/faces.csv, line 2: `face_path` is empty");
    assert_snapshot!(place.csv_error(with("\"a\nb\",p,,,a.jpg,,,,,\n")), @"<dir>/faces.csv, line 2: `face_id` contains a line break or another control character");
    assert_snapshot!(place.csv_error(with("a,p,,,../a.jpg,,,,,\n")), @"<dir>/faces.csv, line 2: `face_path` is `../a.jpg`, which is outside of `dataset.root` (the table's folder unless set); let it name the pictures' folder, or add a `dataset.rewrite` for the prefix");
    assert_snapshot!(place.csv_error(with("a,p,,,/kaggle/working/a.jpg,,,,,\n")), @"<dir>/faces.csv, line 2: `face_path` is `/kaggle/working/a.jpg`, which is outside of `dataset.root` (the table's folder unless set); let it name the pictures' folder, or add a `dataset.rewrite` for the prefix");
    let rewritten =
        place.table(with("a,p,,,/old/a.jpg,,,,,\n"), Phase1Image::Crop, &[("/old/", "../new/")]).unwrap_err();
    let rewritten = rewritten.to_string().replace(place.root().to_str().unwrap(), "<dir>");
    assert_snapshot!(rewritten, @"<dir>/faces.csv, line 2: `face_path` is `/old/a.jpg`, which `dataset.rewrite` turns into `../new/a.jpg`, outside of `dataset.root` (the table's folder unless set); let `dataset.root` name the pictures' folder, and `to` a path in it");
}

/// Fault (tables): a line with too few or too many values → a failure of its face only
#[test]
fn a_line_with_too_few_or_too_many_values_is_a_fault_of_its_face_only() {
    let place = TestDir::new();
    let rule = "columns; look for a separator or quote too many or too few";
    let table = "face_id,photo_id,identity_id,face_path\na,p,n1,a.jpg\nb,n2,b.jpg\nc,p,n3,c.jpg,x\nd\n,n5,e.jpg\nf,p,n6,f.jpg,\n";
    let manifest = place.crops(table).unwrap();
    let described = |face: &Face| {
        let reason = face.fault.as_ref().map_or("-", |fault| fault.reason.strip_suffix(rule).unwrap().trim());
        format!("{} {} {} {reason}", face.face_id, face.image_id, face.identity_id.as_deref().unwrap_or("-"))
    };
    assert_eq!(
        manifest.faces.iter().map(described).collect::<Vec<_>>(),
        [
            "a p n1 -",
            "b b - line 3: the line has 3 values, the header has 4",
            "c c - line 4: the line has 5 values, the header has 4",
            "d d - line 5: the line has 1 value, the header has 4",
            "line 6 line 6 - line 6: the line has 3 values, the header has 4",
            "f p n6 -",
        ]
    );
    assert!(manifest.table.columns.iter().all(|column| column.len() == 6));
    // A quote that is not closed would swallow the faces below it.
    assert_snapshot!(place.csv_error("face_id,photo_id,face_path\na,p,a.jpg\nb,\"p,b.jpg\nc,p,c.jpg\n"), @"<dir>/faces.csv, line 3: the line has 2 values, the header has 3 columns; look for a separator or quote too many or too few");
}

/// Fault (tables): an invalid value in a line → a failure of its face only, with line and column
#[test]
fn an_invalid_line_is_a_fault_of_its_face_only() {
    let place = TestDir::new();
    let faults = |row: &str, image| {
        let table = format!("{WRITTEN}a,p,n1,p.jpg,a.jpg,1,2,3,4,0.5\n\n{row}\n");
        let [good, bad] = &place.faults(&table, image)[..] else { panic!("{row}") };
        assert_eq!(*good, None);
        bad.clone()
    };
    let photo = |row: &str| match faults(row, Phase1Image::Photo) {
        Some((FaultIn::Box, reason)) => reason,
        other => panic!("{row}: {other:?}"),
    };
    assert_snapshot!(photo("b,p,n1,p.jpg,b.jpg,1,2,3px,4,"), @"line 4: `w` is `3px`, expected a finite number such as 12 or 12.5");
    assert_snapshot!(photo("b,p,n1,p.jpg,b.jpg,nan,2,3,4,"), @"line 4: `x` is `nan`, expected a finite number such as 12 or 12.5");
    assert_snapshot!(photo("b,p,n1,p.jpg,b.jpg,1,2,3,4,NaN"), @"line 4: `confidence` is `NaN`, expected a finite number such as 12 or 12.5");
    assert_snapshot!(photo("b,p,n1,p.jpg,b.jpg,1,2,0,4,"), @"line 4: the box from (1, 2) to (1, 6) has no area; expected x + w > x and y + h > y");
    assert_snapshot!(photo("b,p,n1,p.jpg,b.jpg,1,2,-3,4,"), @"line 4: the box from (1, 2) to (-2, 6) has no area; expected x + w > x and y + h > y");
    assert_snapshot!(photo("b,p,n1,p.jpg,b.jpg,1,,3,4,"), @"line 4: `y` is empty");
    assert_snapshot!(photo("b,p,n1,p.jpg,b.jpg,,,,,"), @"line 4: `x` is empty");
    // What a crop does not look at is not looked at.
    for row in ["b,p,n1,p.jpg,b.jpg,nan,,-3,4px,nan", "b,p,n1,p.jpg,b.jpg,,,,,\"0,99\""] {
        assert_eq!(faults(row, Phase1Image::Crop), None, "{row}");
    }
    let face = |row: &str| match faults(row, Phase1Image::Crop) {
        Some((FaultIn::Face, reason)) => reason.replace(place.root().to_str().unwrap(), "<dir>"),
        other => panic!("{row}: {other:?}"),
    };
    assert_snapshot!(face(",p,n1,p.jpg,b.jpg,1,2,3,4,"), @"line 4: `face_id` is empty");
    assert_snapshot!(face("b,,n1,p.jpg,b.jpg,1,2,3,4,"), @"line 4: `photo_id` is empty");
    assert_snapshot!(face("b,p,n1,p.jpg, ,1,2,3,4,"), @"line 4: `face_path` is empty");
    assert_snapshot!(face("b,p,\"n\n1\",p.jpg,b.jpg,1,2,3,4,"), @"line 4: `identity_id` contains a line break or another control character");
    assert_snapshot!(face("b,p,n1,p.jpg,../b.jpg,1,2,3,4,"), @"line 4: `face_path` is `../b.jpg`, which is outside of `dataset.root` (the table's folder unless set); let it name the pictures' folder, or add a `dataset.rewrite` for the prefix");
    let manifest = place.crops(format!("{WRITTEN}a,p,n1,p.jpg,a.jpg,,,,,\n,p,n1,p.jpg,b.jpg,,,,,\n")).unwrap();
    assert_eq!(ids(&manifest), ["a", "line 3"], "a face without an id is called by its line");
}

#[test]
fn values_are_trimmed_like_headers_and_trailing_separators_are_ignored() {
    let place = TestDir::new();
    place.put("a.jpg", "a");
    let table =
        "face_id, photo_id ,identity_id, face_path\n a , p , NA , a.jpg ,,\n\tb,p,00001,\ta.jpg\t\nc,p,null,a.jpg,\n";
    let manifest = place.crops(table).unwrap();
    assert_eq!(ids(&manifest), ["a", "b", "c"]);
    let names: Vec<_> = manifest.faces.iter().map(|face| face.identity_id.as_deref()).collect();
    assert_eq!(names, [Some("NA"), Some("00001"), Some("null")], "no name is taken for a missing one");
    assert!(manifest.faces.iter().all(|face| face.content == Some(Digest::of(b"a"))));
    // What is handed over are the ids that the index has.
    assert_eq!(metadata(&manifest, &[0, 1]), "face_id,photo_id,identity_id,face_path\na,p,NA,a.jpg\nb,p,00001,a.jpg\n");
}

#[test]
fn columns_of_an_image_folder_follow_the_documented_ones() {
    let place = TestDir::new();
    place.put("x/1.jpg", "1");
    place.put("metadata.csv", "file_name,label,glasses,detector_score\n./x/1.jpg,n1,yes,0.5\n");
    let manifest = place.folders().unwrap();
    assert_eq!(
        metadata(&manifest, &[0]),
        "face_id,image_id,identity_id,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score,crop_path,file_name,label,glasses,\
         meta.detector_score\nx/1.jpg,x/1.jpg,n1,,,,,,x/1.jpg,./x/1.jpg,n1,yes,0.5\n"
    );
}

#[test]
fn photos_of_one_name_in_several_folders_are_distinguished() {
    let place = TestDir::new();
    let rows = "a,1.jpg,n1,n1/1.jpg,a.jpg,,,,,\nb,1.jpg,n2,n2/1.jpg,b.jpg,,,,,\nc,1.jpg,n2,n2/1.jpg,c.jpg,,,,,\n";
    let manifest = place.crops(format!("{WRITTEN}{rows}")).unwrap();
    let images: Vec<_> = manifest.faces.iter().map(|face| face.image_id.as_str()).collect();
    assert_eq!(images, ["n1/1.jpg", "n2/1.jpg", "n2/1.jpg"]);
    assert_snapshot!(place.said(), @"1 photo id refers to more than one photo_path; using photo_path to identify photos");
}

#[test]
fn folders_are_read_in_byte_order_and_the_rest_is_counted() {
    let place = TestDir::new();
    for path in ["b/2.JPG", "b/10.png", "a-b/1.webp", "a/1.pgm", "a/x/deep.jpg", "a/x/y/deep.tif", "a/x/z.txt"] {
        place.put(path, path);
    }
    for path in ["a/._1.jpg", "a/notes.txt", "README", "empty/notes.txt", "face.png", ".git/config", "metadata.csv"] {
        place.put(path, "name,value\n");
    }
    place.put("a/nothing", "").put("a/pointer", "version https://git-lfs.github.com/spec/v1\n");
    // By content: a picture without a picture's name, and pictures that are none.
    place.put("b/photo_7", b"\x89PNG\r\n\x1a\n").put("b/3.heic", "?").put("b/4.jpg", "").put("b/5.avif", "?");
    let manifest = place.folders().unwrap();
    let expected = ["a/1.pgm", "a-b/1.webp", "b/10.png", "b/2.JPG", "b/3.heic", "b/4.jpg", "b/5.avif", "b/photo_7"];
    assert_eq!(ids(&manifest), expected);
    assert_eq!(manifest.identities(), ["a", "a-b", "b"]);
    assert_eq!(manifest.faces[1].content, Some(Digest::of(b"a-b/1.webp")));
    assert_snapshot!(place.said(), @"
    <dir>/metadata.csv has no column `file_name` and is ignored; the folder names are the identities
    left out: 1 picture next to the identity folders, 2 pictures deeper than <identity>/<image>, 1 identity folder without a picture, 1 empty file, 1 Git LFS or git-annex pointer, 5 files that are not pictures by name or content, 2 hidden entries
    ");
}

#[test]
fn a_root_that_is_one_level_too_high_is_told_the_right_one() {
    let place = TestDir::new();
    place.put("train/a/1.jpg", "1").put("train/b/1.jpg", "2").put("notes/x.txt", "3");
    assert_snapshot!(place.error(place.folders()), @"no faces in <dir>: its pictures are deeper than <identity>/<image>; is it one level too high? Then set the root to <dir>/train, or `dataset.parts` to [train]");
    place.put("test/c/1.jpg", "4");
    assert_snapshot!(place.error(place.folders()), @"no faces in <dir>: its pictures are deeper than <identity>/<image>; is it one level too high? Then set the root to <dir>/test or <dir>/train, or `dataset.parts` to [test, train]");
    // Two levels are not guessed at.
    let place = TestDir::new();
    place.put("data/train/a/1.jpg", "1");
    assert_snapshot!(place.error(place.folders()), @"no faces in <dir>, only 1 picture deeper than <identity>/<image>; expected pictures at <identity>/<image>, or a `metadata.csv` that lists them");
}

/// Fault (tables): the root of an image folder's splits, each with its own metadata.csv, or such a split among `dataset.parts` →
/// an error with the root to set; the splits are no people
#[test]
fn the_splits_of_an_image_folder_are_no_people() {
    let place = TestDir::new();
    for split in ["train", "test"] {
        place.put(&format!("{split}/metadata.csv"), "file_name,label\n1.png,Ann\n2.png,Bob\n");
        place.put(&format!("{split}/1.png"), "1").put(&format!("{split}/2.png"), "2");
    }
    assert_snapshot!(place.error(place.folders()), @"`<dir>/test` holds a metadata.csv that names pictures: it is an image folder of its own, and not a person, so `dataset.root` is one level too high; set it to `<dir>/test`, or, if its folders are people, rename the table");
    let parts = ["test", "train"].map(str::to_owned).to_vec();
    let source = DatasetSource::Folders { root: place.root().into(), parts, tables: Tables::default() };
    assert_snapshot!(place.error(place.open(&source)), @"`<dir>/test` holds a metadata.csv that names pictures: it is an image folder of its own, and not a person, so `dataset.root` is one level too high; set it to `<dir>/test`, or, if its folders are people, rename the table");
    assert_eq!(place.open(&folders_at(&place.root().join("train"))).unwrap().identities(), ["Ann", "Bob"]);
    // Any other table of that name says nothing.
    for split in ["train", "test"] {
        place.put(&format!("{split}/metadata.csv"), "camera\nx\n");
    }
    assert_eq!(place.folders().unwrap().identities(), ["test", "train"]);
}

#[test]
fn an_image_folder_counts_files_that_are_not_in_its_table() {
    let place = TestDir::new();
    place.put("metadata.csv", "file_name,label\nx/1.png,Ann\nx/Zoe\u{308}.png,Zoe\n").put("pairs.csv", "a");
    for path in ["x/1.png", "x/Zo\u{eb}.png", "x/2.png", "3.jpg", "x/notes.txt", "x/.hidden"] {
        place.put(path, path);
    }
    let manifest = place.folders().unwrap();
    assert_eq!(ids(&manifest), ["x/1.png", "x/Zoe\u{308}.png"]);
    assert_eq!(
        manifest.faces[1].content,
        Some(Digest::of("x/Zo\u{eb}.png".as_bytes())),
        "found in another normalisation"
    );
    assert!(bytes(&manifest, 1).is_ok());
    assert_snapshot!(place.said(), @"
    1 picture's path is spelled in a different Unicode normalisation than in the table
    left out: 2 pictures missing from `metadata.csv`, 2 files that are not pictures by name or content, 1 hidden entry
    ");
}

#[test]
fn an_unrelated_metadata_csv_is_ignored_and_one_without_faces_explained() {
    let place = TestDir::new();
    place.put("metadata.csv", "image,label\na.jpg,1\n");
    assert_snapshot!(place.error(place.folders()), @"<dir>/metadata.csv, line 1: missing column `file_name`; the columns are `image`, `label` (an image folder's metadata.csv gives the paths in it)");
    place.put("n1/1.jpg", "one");
    assert_eq!(ids(&place.folders().unwrap()), ["n1/1.jpg"]);
    assert_snapshot!(place.said(), @"
    <dir>/metadata.csv has no column `file_name` and is ignored; the folder names are the identities
    <dir>/metadata.csv has no column `file_name` and is ignored; the folder names are the identities
    left out: 1 file that is not a picture by name or content
    ");
    place.put("metadata.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n");
    assert_snapshot!(place.error(place.folders()), @"cannot read <dir>/metadata.csv: it is a Git LFS pointer, not the file: run `git lfs pull` in its clone");
}

#[test]
fn an_identity_in_two_normalisations_is_one_identity() {
    let place = TestDir::new();
    place.put("Jose\u{301}/1.jpg", "one").put("Jos\u{e9}/1.jpg", "two").put("Jo/1.jpg", "three");
    place.put("pairs.csv", "face_a,face_b,same\nJose\u{301}/1.jpg,Jos\u{e9}/1.jpg,1\n");
    let tables = Tables { pairs: Some("pairs.csv".into()), boxes: None };
    let manifest =
        place.open(&DatasetSource::Folders { root: place.root().into(), parts: Vec::new(), tables }).unwrap();
    assert_eq!(manifest.identities(), ["Jo", "Jose\u{301}"]);
    assert_eq!(ids(&manifest), ["Jo/1.jpg", "Jose\u{301}/1.jpg", "Jos\u{e9}/1.jpg"]);
    assert_eq!(contradictions(&manifest.lists[0], &manifest.faces), 0);
    assert_snapshot!(place.said(), @"`José` is spelled in two Unicode normalisations and treated as one identity");
}

#[test]
fn folders_that_cannot_be_a_dataset_are_explained() {
    let place = TestDir::new();
    assert_snapshot!(place.error(place.folders()), @"no faces in <dir>; expected pictures at <identity>/<image>, or a `metadata.csv` that lists them");
    place.put("n1/notes.txt", "");
    assert_snapshot!(place.error(place.folders()), @"no faces in <dir>, only 1 identity folder without a picture, 1 empty file; expected pictures at <identity>/<image>, or a `metadata.csv` that lists them");
    place.put("face.jpg", "");
    assert_snapshot!(place.error(place.folders()), @"<dir> contains pictures directly (`face.jpg`); put each identity in its own folder: <dir>/<identity>/<image>");
    let nowhere = folders_at(&place.root().join("nowhere"));
    assert_snapshot!(place.error(place.open(&nowhere)), @"<dir>/nowhere is not a folder; set `dataset.root` to the folder that has one folder per identity");
    let nowhere = DatasetSource::Phase1 {
        csv: place.root().join("nowhere.csv"),
        root: place.root().into(),
        rewrite: vec![],
        image: Phase1Image::Crop,
    };
    assert_snapshot!(place.error(place.open(&nowhere)), @"cannot read <dir>/nowhere.csv: No such file or directory (os error 2)");
}

#[cfg(unix)]
/// Fault (tables): a link in a table's folder that leads out of it → refused with the line and the target
#[test]
fn links_may_leave_a_folder_but_not_the_root_of_a_table() {
    use std::os::unix::fs::symlink;
    let (place, elsewhere) = (TestDir::new(), TestDir::new());
    elsewhere.put("n9/1.jpg", "other");
    place.put("n1/1.jpg", "one");
    symlink("1.jpg", place.root().join("n1/2.jpg")).unwrap();
    symlink("n1", place.root().join("n2")).unwrap();
    let manifest = place.folders().unwrap();
    assert_eq!(ids(&manifest), ["n1/1.jpg", "n1/2.jpg"], "one person under two names");
    assert!(manifest.faces.iter().all(|face| face.content == Some(Digest::of(b"one"))));

    let error = |result| place.error(result).replace(elsewhere.root().to_str().unwrap(), "<elsewhere>");
    symlink(elsewhere.root().join("n9/1.jpg"), place.root().join("n1/3.jpg")).unwrap();
    assert_eq!(place.folders().unwrap().faces[2].content, Some(Digest::of(b"other")));
    let csv = "face_id,photo_id,face_path\na,p,n1/1.jpg\nb,p,n1/3.jpg\n";
    assert_snapshot!(error(place.crops(csv)), @"<dir>/faces.csv, line 3: `n1/3.jpg` is a link to <elsewhere>/n9/1.jpg, outside <dir>; copy the files there, or set `dataset.root` to a folder that contains both");
    fs::remove_file(place.root().join("n1/3.jpg")).unwrap();
    fs::remove_file(place.root().join("faces.csv")).unwrap();
    symlink(elsewhere.root().join("n9"), place.root().join("n3")).unwrap();
    assert_eq!(ids(&place.folders().unwrap())[2], "n3/1.jpg");
    assert_snapshot!(error(place.crops("face_id,photo_id,face_path\na,p,n3/1.jpg\n")), @"<dir>/faces.csv, line 2: `n3/1.jpg` is a link to <elsewhere>/n9, outside <dir>; copy the files there, or set `dataset.root` to a folder that contains both");
    // Neither does another normalisation lead out.
    symlink(elsewhere.root().join("n9"), place.root().join("n\u{e9}")).unwrap();
    let message = error(place.crops("face_id,photo_id,face_path\na,p,ne\u{301}/1.jpg\n"));
    assert!(message.contains("/1.jpg` is a link to <elsewhere>/n9/1.jpg, outside <dir>"), "{message}");
    fs::remove_file(place.root().join("n\u{e9}")).unwrap();
    fs::remove_file(place.root().join("faces.csv")).unwrap();
    // A root may itself be a link.
    fs::remove_file(place.root().join("n3")).unwrap();
    symlink(place.root(), elsewhere.root().join("root")).unwrap();
    let root = elsewhere.root().join("root");
    assert_eq!(place.open(&folders_at(&root)).unwrap().faces, manifest.faces);
}

#[cfg(unix)]
#[test]
fn a_folder_under_several_names_is_one_identity() {
    use std::os::unix::fs::symlink;
    let (place, elsewhere) = (TestDir::new(), TestDir::new());
    elsewhere.put("x/1.jpg", "one");
    place.put("m/1.jpg", "two");
    for name in ["e", "c", "d"] {
        symlink(elsewhere.root().join("x"), place.root().join(name)).unwrap();
    }
    // The folder itself goes before links to it, whatever their names.
    symlink("m", place.root().join("a")).unwrap();
    symlink("a", place.root().join("z")).unwrap();
    let manifest = place.folders().unwrap();
    assert_eq!(ids(&manifest), ["c/1.jpg", "m/1.jpg"]);
    assert_eq!(manifest.left_out.count(LeftOutReason::Repeated), 4);
}

/// Does not apply to root, who can read everything.
#[cfg(unix)]
/// Fault (tables): a folder of a person that cannot be listed → an error, not a missing person
#[test]
fn an_unreadable_identity_is_an_error_and_an_unreadable_picture_a_failure() {
    use std::os::unix::fs::PermissionsExt;
    let place = TestDir::new();
    place.put("n1/1.jpg", "one").put("n1/2.jpg", "two").put("n2/1.jpg", "three");
    let lock = |path: &str, mode| {
        fs::set_permissions(place.root().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    lock("n1/2.jpg", 0);
    if File::open(place.root().join("n1/2.jpg")).is_ok() {
        return;
    }
    let manifest = place.folders().unwrap();
    assert_eq!(manifest.faces[1].content, None);
    let message = bytes(&manifest, 1).unwrap_err().to_string();
    assert!(message.ends_with("n1/2.jpg: Permission denied (os error 13)"), "{message}");
    lock("n2", 0);
    let message = place.error(place.folders());
    lock("n2", 0o700);
    assert_eq!(message, "cannot list <dir>/n2: Permission denied (os error 13)");
}

#[cfg(unix)]
/// Fault (tables): links to a folder above, to nowhere, or to each other → counted as left out; no folder is read twice
#[test]
fn loops_and_dangling_links_are_reported() {
    use std::os::unix::fs::symlink;
    let place = TestDir::new();
    place.put("n1/1.jpg", "one").put("n2/sub/2.jpg", "two");
    for (target, link) in [
        (".", "n1/loop"),
        ("..", "n2/sub/up"),
        (".", "self"),
        ("nowhere", "n3"),
        ("nowhere.jpg", "n1/2.jpg"),
        (".git/annex/objects/aa/b/SHA256E-s3--cc.jpg/SHA256E-s3--cc.jpg", "n1/3.jpg"),
        ("4.jpg", "n1/4.jpg"),
        ("../n2/sub", "n1/other"),
    ] {
        symlink(target, place.root().join(link)).unwrap();
    }
    let manifest = place.folders().unwrap();
    assert_eq!(ids(&manifest), ["n1/1.jpg", "n1/2.jpg", "n1/3.jpg", "n1/4.jpg"]);
    let message = |row| bytes(&manifest, row).unwrap_err().to_string().replace(place.root().to_str().unwrap(), "<dir>");
    assert_snapshot!(message(1), @"<dir>/n1/2.jpg is a link to nowhere.jpg, which does not exist; restore it, or remove the link");
    assert_snapshot!(message(2), @"<dir>/n1/3.jpg is a link to .git/annex/objects/aa/b/SHA256E-s3--cc.jpg/SHA256E-s3--cc.jpg, which does not exist; fetch it with `git annex get`");
    assert_snapshot!(message(3), @"cannot read <dir>/n1/4.jpg: Too many levels of symbolic links (os error 40)");
    assert_snapshot!(place.said(), @"left out: 2 pictures deeper than <identity>/<image>, 1 dangling link, 4 links to folders that were already visited");
}

#[cfg(target_os = "linux")]
/// Fault (tables): a file or folder whose name is not UTF-8 → left out and counted, and the first is named
#[test]
fn names_that_are_not_utf8_are_left_out_by_name() {
    use std::os::unix::ffi::OsStrExt;
    let odd = |bytes| std::ffi::OsStr::from_bytes(bytes);
    let place = TestDir::new();
    place.put("n1/1.jpg", "abc").put("n1/2.jpg", "abd").put("n2/1.jpg", "abe");
    fs::create_dir(place.root().join(odd(b"n\xff"))).unwrap();
    fs::write(place.root().join(odd(b"n\xff")).join("1.jpg"), "abf").unwrap();
    fs::write(place.root().join("n1").join(odd(b"\xfe\n.jpg")), "abg").unwrap();
    let named = r#""<dir>/n\xFF" is left out, and so is whatever else has a name that is not UTF-8, with all that is in it; rename it, because ids are made from names"#;
    let manifest = place.folders().unwrap();
    assert_eq!(ids(&manifest), ["n1/1.jpg", "n1/2.jpg", "n2/1.jpg"]);
    assert_eq!(place.said(), format!("{named}\nleft out: 2 entries whose names are not UTF-8"));
    let text = format!(r#"{{"source": "files", "root": {:?}, "pattern": "{{identity}}/*"}}"#, place.root());
    let manifest = place.open(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(ids(&manifest), ["n1/1.jpg", "n1/2.jpg", "n2/1.jpg"]);
    assert!(place.said().ends_with("left out: 2 entries whose names are not UTF-8"));
    for folder in ["n1", "n2"] {
        fs::remove_dir_all(place.root().join(folder)).unwrap();
    }
    let error = place.error(place.folders());
    assert!(error.contains("1 entry whose name is not UTF-8"), "{error}");
}

#[cfg(unix)]
/// Fault (tables): a file or folder whose name contains a control character → left out and counted, and the first is named
#[test]
fn names_with_control_characters_are_left_out_by_name() {
    let place = TestDir::new();
    place.put("n1/1.jpg", "abc").put("n1/2\r\u{1b}[2J.jpg", "abd").put("n1/Icon\r", "").put("n2\n/1.jpg", "abe");
    let named = r#""<dir>/n2\n" is left out, and so is whatever else has a name that contains a control character, with all that is in it; rename it, because ids are made from names"#;
    let manifest = place.folders().unwrap();
    assert_eq!(ids(&manifest), ["n1/1.jpg"]);
    let said = place.said();
    assert!(said.lines().any(|line| line == named) && !said.contains('\u{1b}'), "{said}");
    assert!(said.ends_with("left out: 3 entries whose names contain a control character"), "{said}");
}

/// A file that Linux opens and cannot read: the first page of a process is never mapped.
#[cfg(target_os = "linux")]
const UNREADABLE: &str = "/proc/self/mem";

#[test]
#[cfg(target_os = "linux")]
fn what_may_pass_is_no_failure_of_a_picture() {
    let place = TestDir::new();
    let csv = "face_id,photo_id,face_path\na,p,a.jpg\n";
    place.put("a.jpg", "abc");
    let manifest = place.crops(csv).unwrap();
    let picture = place.root().join("a.jpg");
    fs::remove_file(&picture).unwrap();
    std::os::unix::fs::symlink(UNREADABLE, &picture).unwrap();
    let error = bytes(&manifest, 0).unwrap_err();
    assert!(error.may_pass(), "{error}");
    fs::remove_file(&picture).unwrap();
    assert!(!bytes(&manifest, 0).unwrap_err().may_pass(), "it is gone");

    // While the dataset is read, the manifest would lack its digest.
    let place = TestDir::new();
    fs::create_dir(place.root().join("p")).unwrap();
    std::os::unix::fs::symlink(UNREADABLE, place.root().join("p/a.jpg")).unwrap();
    let error = place.folders().unwrap_err().to_string().replace(place.root().to_str().unwrap(), "<dir>");
    assert_snapshot!(error, @"cannot read <dir>/p/a.jpg: Input/output error (os error 5); this may pass, so it is not taken for a failure of the picture: run the command again, or remove the picture from the dataset");
}

/// Fault (pictures): a picture that changed after it was digested → a failure; its new pixels are not embedded
#[test]
fn bytes_detects_changes_since_the_scan() {
    let place = TestDir::new();
    let csv = "face_id,photo_id,face_path\na,p,a.jpg\nb,p,gone.jpg\nc,p,folder\n";
    place.put("a.jpg", "abc").put("folder/x", "");
    let manifest = place.crops(csv).unwrap();
    let touch = || {
        let later = SystemTime::now() + Duration::from_secs(5);
        File::options().append(true).open(place.root().join("a.jpg")).unwrap().set_modified(later).unwrap();
    };
    assert_eq!(bytes(&manifest, 0).unwrap(), b"abc");
    touch();
    assert_eq!(bytes(&manifest, 0).unwrap(), b"abc", "touched, but the same");
    place.put("a.jpg", "xyz");
    touch();
    assert!(matches!(bytes(&manifest, 0), Err(ReadError::Changed { .. })));
    place.put("a.jpg", "abcd");
    assert!(matches!(bytes(&manifest, 0), Err(ReadError::Changed { .. })));

    let message = |row| bytes(&manifest, row).unwrap_err().to_string().replace(place.root().to_str().unwrap(), "<dir>");
    assert_snapshot!(message(0), @"<dir>/a.jpg has changed since the dataset was read; start again to use the current pictures");
    assert_snapshot!(message(1), @"cannot read <dir>/gone.jpg: No such file or directory (os error 2)");
    assert_snapshot!(message(2), @"<dir>/folder is not a regular file");
    place.put("gone.jpg", "back");
    assert!(matches!(bytes(&manifest, 1), Err(ReadError::Changed { .. })), "its digest is not in the manifest");
    let drawn = procedural::open(1, 1, 1, 96).unwrap();
    assert_snapshot!(bytes(&drawn, 0).unwrap_err(), @"row 0 is a synthetic face, which has no file to read");
}

#[test]
fn descriptions_give_the_location_and_the_downloads() {
    let sources = [
        DatasetSource::Phase1 {
            csv: "/nowhere/faces.csv".into(),
            root: "/".into(),
            rewrite: vec![PathRewrite { from: "a".into(), to: "b".into() }],
            image: Phase1Image::Photo,
        },
        folders_at(Path::new("/nowhere")),
        DatasetSource::HubFolders {
            repo: "a/b".into(),
            revision: "c0ffee".into(),
            folder: "train".into(),
            tables: Tables { pairs: Some("pairs.csv".into()), boxes: Some("/here/boxes.csv".into()) },
        },
        DatasetSource::Synthetic { seed: 1, identities: 40, samples: 10, size: 160 },
    ];
    assert_snapshot!(sources.map(|source| describe(&source)).join("\n"), @"
    Phase-1 table /nowhere/faces.csv (missing), boxes cropped from photos in / after 1 path rewrite; nothing to download
    identity folders or image folder /nowhere (missing); nothing to download
    identity folders or image folder of dataset `a/b` at c0ffee, folder `train`, on the Hugging Face Hub, pairs from `pairs.csv`, boxes from `/here/boxes.csv`; `facevault fetch` downloads the files that are not in the Hub cache
    400 synthetic faces (40 identities × 10 samples, 160×160 pixels, seed 1, generator 1); nothing to download
    ");
}

#[test]
fn tables_are_found_in_the_folder_and_in_the_one_above() {
    let place = TestDir::new();
    place.put("lfw/train/Ann/1.jpg", "one").put("lfw/train/Ann/2.jpg", "two").put("lfw/train/Bob/1.jpg", "three");
    place.put("lfw/pairs.csv", "same,a,b\n1,Ann/1.jpg,Ann/2\n1,Ann/1.jpg,Bob/1.jpg\n0,Ann/1.jpg,Bob/1.jpg\n");
    place.put("lfw/train/boxes.csv", "path,x,y,w,h\nAnn/1.jpg,1,2,3,4\nCy/1.jpg,1,2,3,4\n");
    let root = place.root().join("lfw/train");
    let with = |pairs: Option<&str>, boxes: Option<&str>| {
        let tables = Tables { pairs: pairs.map(Into::into), boxes: boxes.map(Into::into) };
        place.open(&DatasetSource::Folders { root: root.clone(), parts: Vec::new(), tables })
    };
    let plain = with(None, None).unwrap();
    let manifest = with(Some("pairs.csv"), Some("boxes.csv")).unwrap();
    assert_eq!(manifest.lists[0].pairs.len(), 3);
    assert_eq!(manifest.lists[0].name, DATASET_PAIRS);
    assert_eq!(manifest.faces[0].bbox, Some(BoundingBox { x1: 1.0, y1: 2.0, x2: 4.0, y2: 6.0 }));
    assert_eq!(manifest.faces[1..], plain.faces[1..]);
    let digests = [&plain, &manifest, &with(Some("pairs.csv"), None).unwrap()].map(Manifest::digest);
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
    assert_snapshot!(place.said(), @"
    left out: 1 file that is not a picture by name or content
    2 of 3 faces have no box in <dir>/lfw/train/boxes.csv
    1 box is for pictures that are not in the dataset (<dir>/lfw/train/boxes.csv)
    1 of 3 pairs in <dir>/lfw/pairs.csv contradicts the identities of their faces; the list takes precedence
    1 of 3 pairs in <dir>/lfw/pairs.csv contradicts the identities of their faces; the list takes precedence
    left out: 1 file that is not a picture by name or content
    ");

    assert_snapshot!(place.error(with(Some("paris.csv"), None)), @"`paris.csv` (`dataset.pairs`) is neither in <dir>/lfw/train nor in the folder above; correct the name, or write `./paris.csv` for a file next to the config");
    let absolute = place.root().join("lfw/pairs.csv");
    assert_eq!(with(absolute.to_str(), None).unwrap().lists, manifest.lists);
}

/// Fault (processes): Ctrl-C while pictures are digested → it stops at the next picture; digests so far are remembered
#[test]
fn cancelling_is_a_distinct_error() {
    let place = TestDir::new();
    place.put("n1/1.jpg", "one");
    let cancel = Cancel::default();
    cancel.request();
    let source = folders_at(place.root());
    assert!(matches!(open(&source, None, &Silent, &cancel), Err(DatasetError::Interrupted)));
}

/// Text that is valid as an id: printable, not blank.
fn id() -> impl Strategy<Value = String> {
    "[a-zé\",;' ]{0,3}[a-z0-9]"
}

fn optional<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(strategy)
}

prop_compose! {
    fn face()(
        face_id in id(),
        identity_id in optional(id()),
        image_id in id(),
        file in optional(("[a-z]{1,3}/[a-z]{1,3}", any::<u64>(), any::<i64>())),
        drawn in any::<(u32, u32)>(),
        corner in optional((0f32..1e4, 0f32..1e4, 1f32..1e3, 1f32..1e3)),
        numbers in optional(prop::array::uniform10(-1e4f32..1e4)),
        detector_score in optional(0f32..=1.0),
        content in optional(any::<u64>()),
        fault in optional((prop::sample::select(vec![FaultIn::Face, FaultIn::Box, FaultIn::Landmarks]), ".{0,9}")),
    ) -> Face {
        let pixels = match file {
            Some((path, size, modified)) => PixelSource::File { path, size, modified },
            None => PixelSource::Synthetic { identity: drawn.0, sample: drawn.1 },
        };
        let bbox = corner.map(|(x, y, w, h)| BoundingBox { x1: x, y1: y, x2: x + w, y2: y + h });
        let content = content.map(|bytes| Digest::of(&bytes.to_le_bytes()));
        let fault = fault.map(|(part, reason)| Fault { part, reason });
        let landmarks = numbers.map(Landmarks::from_numbers);
        Face { face_id, identity_id, image_id, pixels, bbox, landmarks, detector_score, content, fault }
    }
}

prop_compose! {
    fn manifest()(
        faces in proptest::collection::vec(face(), 1..20),
        headers in proptest::collection::hash_set(".{0,4}", 0..4),
        seed in any::<u32>(),
    ) -> Manifest {
        let headers: Vec<String> = headers.into_iter().collect();
        let value = |column: usize, row: usize| format!("{}", (seed as usize).wrapping_mul(column * 31 + row) % 101);
        let columns = (0..headers.len()).map(|c| (0..faces.len()).map(|r| value(c, r)).collect()).collect();
        Manifest { faces, root: "/data".into(), table: SourceTable { headers, columns }, ..Manifest::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_manifest_file_gives_back_the_manifest(manifest in manifest()) {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        manifest.write_parquet(&one).unwrap();
        manifest.write_parquet(&two).unwrap();
        prop_assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        let read = Manifest::read_parquet(&one, "/data".into()).unwrap();
        prop_assert_eq!(read.digest(), manifest.digest());
        prop_assert_eq!(read, manifest);
    }

    #[test]
    fn the_digest_covers_what_can_change_a_result_and_nothing_else(
        manifest in manifest(),
        row in any::<prop::sample::Index>(),
    ) {
        let digest = manifest.digest();
        let row = row.index(manifest.len());
        let changed = |change: &dyn Fn(&mut Manifest)| {
            let mut other = manifest.clone();
            change(&mut other);
            other.digest() != digest
        };
        assert!(changed(&|m| m.faces[row].face_id.push('x')));
        assert!(changed(&|m| m.faces[row].image_id.push('x')));
        assert!(changed(&|m| m.faces[row].identity_id = Some("other!".into())));
        assert!(changed(&|m| {
            let identity = &mut m.faces[row].identity_id;
            *identity = if identity.is_some() { None } else { Some(String::new()) };
        }));
        assert!(changed(&|m| m.faces[row].content = Some(Digest::of(b"other"))));
        assert!(changed(&|m| m.faces[row].bbox = match m.faces[row].bbox {
            Some(bbox) => Some(BoundingBox { x2: bbox.x2 + 1.0, ..bbox }),
            None => Some(BoundingBox { x1: 0.0, y1: 0.0, x2: 1.0, y2: 1.0 }),
        }));
        assert!(changed(&|m| {
            let landmarks = &mut m.faces[row].landmarks;
            *landmarks = if landmarks.is_some() { None } else { Some(Landmarks::from_numbers([0.5; 10])) };
        }));
        assert!(manifest.faces[row].landmarks.is_none() || changed(&|m| {
            m.faces[row].landmarks.as_mut().unwrap().0[4][1] += 1.0;
        }));
        for part in [FaultIn::Face, FaultIn::Box, FaultIn::Landmarks] {
            let fault = |reason: &str| Some(Fault { part, reason: reason.into() });
            let with = |reason: &str| {
                let mut other = manifest.clone();
                other.faces[row].fault = fault(reason);
                other.digest()
            };
            assert!(with("one") != with("two"), "failures.csv says which");
            assert!(with("one") == with("one") && with("one") != digest);
        }
        assert!(changed(&|m| drop(m.faces.pop())));
        assert!(changed(&|m| m.faces.rotate_left(1)) || manifest.faces.iter().all(|f| *f == manifest.faces[0]));

        assert!(!changed(&|m| m.root = "/elsewhere".into()));
        assert!(!changed(&|m| m.faces[row].detector_score = Some(0.123)));
        assert!(!changed(&|m| m.table = SourceTable::default()));
        assert!(!changed(&|m| {
            m.faces[row].pixels = PixelSource::File { path: "moved".into(), size: 1, modified: 2 };
        }));
    }

    #[test]
    fn a_table_survives_a_round_trip_through_face_metadata(
        rows in proptest::collection::btree_map(id(), (optional(id()), id(), "[a-z]{1,3}", "\\PC{0,5}|\"\n,\r\n"), 1..12),
        delimiter in prop::sample::select(vec![b',', b';', b'\t']),
        crlf in any::<bool>(),
        bom in any::<bool>(),
    ) {
        // Trimmed values are what comes out.
        prop_assume!(rows.iter().all(|(id, (identity, image, ..))| {
            [Some(id), identity.as_ref(), Some(image)].into_iter().flatten().all(|text| text.trim() == text)
        }));
        let place = TestDir::new();
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(terminator)
            .from_writer(if bom { "\u{feff}".as_bytes().to_vec() } else { Vec::new() });
        writer.write_record(["note", "face_path", "photo_id", "identity_id", "face_id"]).unwrap();
        for (face_id, (identity, image, path, note)) in &rows {
            writer.write_record([note, path, image, identity.as_deref().unwrap_or_default(), face_id]).unwrap();
        }
        let given = place.crops(writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(ids(&given), rows.keys().map(String::as_str).collect::<Vec<_>>());
        assert!(given.faces.iter().zip(rows.values()).all(|(face, (identity, image, ..))| {
            face.identity_id == *identity && face.image_id == *image
        }));
        let again = place.crops(metadata(&given, &all(&given))).unwrap();
        prop_assert_eq!(again, given);
    }
}

#[test]
fn face_metadata_of_folders_is_a_phase_1_table() {
    let place = TestDir::new();
    place.put("n1/a.jpg", "a").put("n1/b, \"c\".png", "b").put("n 2/é.pgm", "c");
    let folders = place.folders().unwrap();
    let table = place.crops(metadata(&folders, &all(&folders))).unwrap();
    assert_eq!(table.faces, folders.faces);
}

#[test]
fn landmarks_are_read_from_a_phase_1_table_of_photos_and_handed_over() {
    let place = TestDir::new();
    place.put("p.jpg", "one").put("q.jpg", "two");
    let points = Landmarks::COLUMNS.join(",");
    let csv = format!(
        "face_id,photo_id,face_path,x,y,w,h,{points}\na,p.jpg,p.jpg,1,2,3,4,1,2,3,4,5.5,6,7,8,9,10\n\
         b,q.jpg,q.jpg,1,2,3,4,,,,,,,,,,\nc,q.jpg,q.jpg,1,2,3,4,1,2,3,4,5,inf,7,8,9,10\n"
    );
    let photos = place.table(&csv, Phase1Image::Photo, &[]).unwrap();
    let expected = Landmarks([[1.0, 2.0], [3.0, 4.0], [5.5, 6.0], [7.0, 8.0], [9.0, 10.0]]);
    assert_eq!(photos.faces.iter().map(|face| face.landmarks).collect::<Vec<_>>(), [Some(expected), None, None]);
    let fault = photos.faces[2].fault.as_ref().unwrap();
    assert_eq!(fault.part, FaultIn::Landmarks);
    assert_snapshot!(fault.reason, @"line 4: `nose_y` is `inf`, expected a finite number such as 12 or 12.5");
    assert_eq!(
        photos.wrong_rows(Crop::Align).unwrap(),
        "1 of 3 faces has an invalid row and fails; see failures.csv for the reason"
    );
    assert_eq!(photos.wrong_rows(Crop::Whole), None);
    let crops = place.crops(&csv).unwrap();
    assert!(crops.faces.iter().all(|face| face.landmarks.is_none() && face.fault.is_none()), "they are of the photo");
    let expected = [csv.lines().next(), csv.lines().nth(2)].map(Option::unwrap).join("\n");
    assert_eq!(metadata(&photos, &[1]).trim_end(), expected);

    // Behind the documented columns, where some face has them; the source's own move aside.
    place.put("n1/a.jpg", "a").put("n1/b.jpg", "b");
    let mut folders = place.folders().unwrap();
    let plain = folders.digest();
    folders.table = SourceTable {
        headers: vec!["nose_x".into(), "note".into()],
        columns: vec![["7", "8"].into_iter().collect(), ["u", "v"].into_iter().collect()],
    };
    assert!(metadata(&folders, &[0]).starts_with(
        "face_id,image_id,identity_id,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score,crop_path,nose_x,note\n"
    ));
    folders.faces[1].landmarks = Some(Landmarks([[1.0, 2.0], [3.0, 4.0], [5.5, 6.0], [7.0, 8.0], [9.0, 10.0]]));
    assert_snapshot!(metadata(&folders, &[1, 0]), @"
    face_id,image_id,identity_id,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score,crop_path,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,mouth_left_x,mouth_left_y,mouth_right_x,mouth_right_y,meta.nose_x,note
    n1/b.jpg,n1/b.jpg,n1,,,,,,n1/b.jpg,1,2,3,4,5.5,6,7,8,9,10,8,v
    n1/a.jpg,n1/a.jpg,n1,,,,,,n1/a.jpg,,,,,,,,,,,7,u
    ");
    assert!(folders.digest() != plain);
}

/// Fault (tables): every picture of a table is a URL → refused with the first; nothing is fetched
/// Fault (tables): the detector's score is `NA` in a table of photos → those lines fail, and it is said that it may be empty
#[test]
fn urls_and_scores_that_are_no_numbers_have_a_remedy() {
    let place = TestDir::new();
    let line = |id: &str, path: &str| format!("{id},p,n1,p.jpg,{path},1,2,3,4,NA\n");
    let both = [WRITTEN, &line("a", "https://a.org/1.jpg"), &line("b", "http://a.org/2.jpg")].concat();
    assert_snapshot!(place.csv_error(&both), @"<dir>/faces.csv, line 2: `face_path` is `https://a.org/1.jpg`, as in every line, and pictures at URLs are not fetched; download them, and give their paths");
    place.put("x.jpg", "x");
    place.crops([WRITTEN, &line("a", "https://a.org/1.jpg"), &line("b", "x.jpg")].concat()).unwrap();
    place.put("p.jpg", "x").said();
    place.table([WRITTEN, &line("a", "x.jpg")].concat(), Phase1Image::Photo, &[]).unwrap();
    let said = place.said();
    assert!(
        said.contains("the detector's score is not a number in 1 of 1 line; leave it empty where it is not known"),
        "{said}"
    );
}

/// Fault (tables): all boxes are relative to the picture, within 0..1 → refused with the first face, by `check`, too
/// Fault (tables): left and right are swapped in most faces' landmarks → a warning with their number and the first face
#[test]
fn boxes_and_landmarks_in_other_coordinates_are_noticed() {
    let place = TestDir::new();
    place.put("p.jpg", "one");
    let relative = format!("{WRITTEN}a,p,n1,p.jpg,,0.25,0.25,0.5,0.75,\nb,p,n2,p.jpg,,0,0,1,1,\n");
    let error = place.error(place.table(&relative, Phase1Image::Photo, &[]));
    assert!(error.starts_with("all 2 boxes lie within 0..1") && error.contains("`a` from (0.25, 0.25)"), "{error}");
    let (csv, root) = (place.root().join("faces.csv"), place.root().into());
    let source = DatasetSource::Phase1 { csv, root, rewrite: Vec::new(), image: Phase1Image::Photo };
    assert_eq!(place.error(list(&source, &Silent).unwrap()), error);
    // The boxes of crops are not used.
    place.crops(relative.replace(",p.jpg,,", ",p.jpg,p.jpg,")).unwrap();

    place.said();
    let points = |points| {
        let columns = Landmarks::COLUMNS.join(",");
        format!("face_id,photo_id,face_path,x,y,w,h,{columns}\na,p.jpg,p.jpg,1,2,30,40,{points}\n")
    };
    place.table(points("1,2,3,2,2,3,1,4,3,4"), Phase1Image::Photo, &[]).unwrap();
    assert_eq!(place.said(), "");
    place.table(points("3,2,1,2,2,3,3,4,1,4"), Phase1Image::Photo, &[]).unwrap();
    assert!(place.said().contains("in 1 of 1 face with landmarks, such as `a`"));
    list(&source, &place).unwrap().unwrap();
    assert!(place.said().contains("in 1 of 1 face with landmarks, such as `a`"));
}

/// A manifest of an earlier version, and the names of its runs, stay what they are.
#[test]
fn a_manifest_without_landmarks_has_no_trace_of_them() {
    let manifest = procedural::open(1, 2, 2, 96).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.parquet");
    manifest.write_parquet(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(10).any(|window| window == b"left_eye_x"));
    assert_snapshot!(manifest.digest(), @"c466c8624c02d057b0fb20c6f7160628f66aa17d1b6fc0eb7cffcf145b9ee55f");
    let mut aligned = manifest.clone();
    aligned.faces[3].landmarks = Some(Landmarks::from_numbers([0.25; 10]));
    aligned.write_parquet(&path).unwrap();
    assert_eq!(Manifest::read_parquet(&path, PathBuf::new()).unwrap(), aligned);
}

/// More rows than one slice of the file holds.
#[test]
fn slices_join_without_a_seam() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.parquet");
    let mut manifest = procedural::open(1, 700, 100, 96).unwrap();
    let values = manifest.faces.iter().map(|face| &face.face_id).collect();
    manifest.table = SourceTable { headers: vec!["id".into()], columns: vec![values] };
    manifest.write_parquet(&path).unwrap();
    assert!(Manifest::read_parquet(&path, PathBuf::new()).unwrap() == manifest);
    let nothing = Manifest::default();
    nothing.write_parquet(&path).unwrap();
    assert_eq!(Manifest::read_parquet(&path, PathBuf::new()).unwrap(), nothing);
}

/// Fault (runs): a damaged manifest, or one of another version → refused
#[test]
fn a_damaged_or_foreign_manifest_file_is_an_error() {
    let place = TestDir::new();
    let path = place.root().join("manifest.parquet");
    let read = || Manifest::read_parquet(&path, PathBuf::new());
    place.put("n1/1.jpg", "one").folders().unwrap().write_parquet(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(29) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(read().is_err(), "cut at {length}");
    }
    for i in (0..whole.len()).step_by(29) {
        let mut damaged = whole.clone();
        damaged[i] ^= 0x55;
        fs::write(&path, damaged).unwrap();
        assert!(read().is_err(), "byte {i}");
    }
    let mut foreign = polars::df!("face_id" => ["a"]).unwrap();
    polars::prelude::ParquetWriter::new(File::create(&path).unwrap()).finish(&mut foreign).unwrap();
    assert_snapshot!(place.error(read()), @"<dir>/manifest.parquet is not a manifest of this version: its digest does not match, or it has none; run `facevault embed` again");
    let mut climbing = place.folders().unwrap();
    climbing.faces[0].pixels = PixelSource::File { path: "../secret.jpg".into(), size: 1, modified: 1 };
    climbing.write_parquet(&path).unwrap();
    assert_snapshot!(place.error(read()), @"<dir>/manifest.parquet is not a manifest of this version: row 0 has a path outside the dataset's root; run `facevault embed` again");
}

#[test]
fn parts_of_a_root_hold_identity_folders_and_pictures_of_nobody_known() {
    let place = TestDir::new();
    place.put("probe/b/1.jpg", "1").put("probe/a/2.jpg", "2").put("probe/9.jpg", "3").put("probe/a/deep/1.jpg", "4");
    place.put("gallery/a/1.jpg", "5").put("other/c/1.jpg", "6").put("top.jpg", "7").put("notes.txt", "8");
    let source = |parts: &[&str]| DatasetSource::Folders {
        root: place.root().into(),
        parts: parts.iter().map(ToString::to_string).collect(),
        tables: Tables::default(),
    };
    let manifest = place.open(&source(&["gallery", "probe"])).unwrap();
    assert_eq!(ids(&manifest), ["gallery/a/1.jpg", "probe/9.jpg", "probe/a/2.jpg", "probe/b/1.jpg"]);
    let identities: Vec<_> = manifest.faces.iter().map(|face| face.identity_id.as_deref()).collect();
    assert_eq!(identities, [Some("a"), None, Some("a"), Some("b")]);
    assert_snapshot!(place.said(), @"left out: 1 picture next to the identity folders, 1 picture deeper than <identity>/<image>, 1 picture in a folder that is not in `dataset.parts`, 1 file that is not a picture by name or content");
    assert_snapshot!(place.error(place.open(&source(&["gallery", "probes"]))), @"<dir>/probes is not a folder, but `dataset.parts` names it; correct the name, or `dataset.root`");
}
