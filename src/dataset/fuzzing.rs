//! Tables, lists and containers of datasets.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::columns::TableKind;
use super::paths::{PathRules, normalise};
use super::phase1::FaceTableParser;
use super::{
    Container, DatasetError, DatasetSource, Face, FaultIn, IjbSet, Manifest, Phase1Image, PixelSource, RowTable,
    Tables, boxes, open, read_pair_list, read_roles, self_digest,
};
use crate::matrix::Matrix;
use crate::progress::{Cancel, Silent};
use crate::protocol::{ABSENT, PairList};

/// Gives the bytes as a file, with a folder for what the work writes.
fn as_file(name: &str, data: &[u8], work: impl FnOnce(&Path, &Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, cache) = (folder.path().join(name), folder.path().join("cache"));
    fs::write(&path, data).expect("a file");
    work(&path, &cache);
    let entries = folder.path().read_dir().expect("the folder").flatten();
    let beside: Vec<_> = entries.map(|entry| entry.path()).filter(|entry| *entry != path && *entry != cache).collect();
    assert!(beside.is_empty(), "something is beside the cache: {beside:?}");
}

/// Phase-1's table of faces: ids are unique and paths stay in the root. The columns that are handed over read back.
pub(crate) fn phase1(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    super::given::fuzz(text, usize::from(*kind));
    let image = if kind % 2 == 0 { Phase1Image::Crop } else { Phase1Image::Photo };
    let kind = if kind % 3 == 0 { TableKind::ImageFolder } else { TableKind::Phase1(image) };
    let parser = FaceTableParser { rules: PathRules::new(Path::new("/data"), &[]), kind, columns: [None; 2] };
    let Ok(table) = parser.parse(text).map_err(|error| error.at(Path::new("faces.csv"), text).to_string()) else {
        return;
    };
    let ids: HashSet<_> = table.faces.iter().map(|face| &face.face_id).collect();
    assert_eq!(ids.len(), table.faces.len());
    for face in &table.faces {
        let PixelSource::File { path, .. } = &face.pixels else { panic!("a table draws no faces") };
        assert_eq!(normalise(path).as_deref(), Some(&path[..]));
        assert!(!path.is_empty() || face.fault.as_ref().is_some_and(|fault| fault.part == FaultIn::Face));
        let sides = face.bbox.map(|bbox| [bbox.x2 - bbox.x1, bbox.y2 - bbox.y1]);
        assert!(sides.is_none_or(|sides| sides.iter().all(|side| *side > 0.0)));
    }
    for column in &table.source.columns {
        assert_eq!(column.len(), table.faces.len());
    }
}

/// The tables of IJB-C, one after the other with a NUL between them; a table that is left out is sound. Every face, pair
/// and search is of a template of the set, and what a run writes of them reads back the same.
pub(crate) fn templates(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (root, run) = (folder.path().join("IJBC"), folder.path().join("run"));
    for path in [root.join("loose_crop"), root.join("meta"), run.clone()] {
        fs::create_dir_all(path).expect("a folder");
    }
    let mut given = data.split(|byte| *byte == 0);
    for (name, sound) in TEMPLATE_TABLES {
        let text = given.next().filter(|text| !text.is_empty()).unwrap_or(sound.as_bytes());
        fs::write(root.join(format!("meta/ijbc_{name}")), text).expect("a table");
    }
    let source = DatasetSource::Ijb { root, set: IjbSet::Ijbc };
    let Some(Ok(manifest)) = super::list(&source, &Silent) else { return };
    let set = manifest.templates.as_ref().expect("the source has templates");
    let (faces, templates) = (manifest.len(), set.names.len());
    assert!(set.template_of.len() == faces && set.media_of.len() == faces && set.subject_of.len() == templates);
    assert!(set.names.is_sorted_by(|a, b| a < b));
    let listed = set.galleries.iter().flatten().chain(&set.probes).chain(&set.template_of);
    assert!(listed.chain(&set.subject_of).all(|template| (*template as usize) < templates));
    assert!(set.pairs.iter().all(|pair| pair.a() != pair.b() && (pair.a().max(pair.b()) as usize) < templates));
    let ids: HashSet<_> = manifest.faces.iter().map(|face| &face.face_id).collect();
    assert_eq!(ids.len(), faces);
    for face in &manifest.faces {
        let PixelSource::File { path, .. } = &face.pixels else { panic!("a table draws no faces") };
        assert!(normalise(path).as_deref() == Some(&path[..]) && path.starts_with("loose_crop/"), "{path}");
        assert_eq!(face.fault.is_none(), face.landmarks.is_some() && face.detector_score.is_some());
    }
    manifest.write_lists(&run).expect("the run's tables");
    let mut again = Manifest { templates: None, ..manifest.clone() };
    again.read_lists(&run).expect("what was written is read");
    assert_eq!(again.digest(), manifest.digest());
}

/// The tables of a set of two subjects.
const TEMPLATE_TABLES: [(&str, &str); 6] = [
    ("face_tid_mid.txt", "1.jpg 1 10\n2.jpg 1 10\n3.jpg 2 11\n4.jpg 7 12\n5.jpg 9 12\n"),
    (
        "name_5pts_score.txt",
        "1.jpg 1 2 3 4 5 6 7 8 9 10 0.9\n2.jpg 1 2 3 4 5 6 7 8 9 10 0.8\n3.jpg 1 2 3 4 5 6 7 8 9 10 1\n",
    ),
    ("template_pair_label.txt", "1 2 1\n1 7 0\n7 9 1\n"),
    ("1N_gallery_G1.csv", "TEMPLATE_ID,SUBJECT_ID\n1,5\n"),
    ("1N_gallery_G2.csv", "TEMPLATE_ID,SUBJECT_ID\n7,6\n"),
    ("1N_probe_mixed.csv", "TEMPLATE_ID,SUBJECT_ID,FILENAME\n2,5,a.jpg\n9,6,b.jpg\n"),
];

/// 4 pictures of `Ann`, 3 of `Bob` and 2 of `Cy`.
fn faces() -> Vec<Face> {
    let pictures = [("Ann", 4), ("Bob", 3), ("Cy", 2)];
    let faces = pictures.into_iter().flat_map(|(who, count)| (1..=count).map(move |number| (who, number)));
    let face = |(who, number): (&str, u32)| {
        let path = format!("images/000/{who}_{number:04}.jpg");
        Face { identity_id: Some(who.into()), ..Face::of_picture(path) }
    };
    faces.map(face).collect()
}

/// A list of pairs: they are of two different faces of the dataset, or of an absent one. Written as a table, the list
/// reads back.
pub(crate) fn pairs(data: &[u8]) {
    let Some((name, text)) = data.split_first() else { return };
    let name = ["pairs.csv", "pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt"][usize::from(name % 4)];
    let manifest = Manifest { faces: faces(), ..Manifest::default() };
    let read = |name: &str, text: &[u8]| {
        let mut list = None;
        as_file(name, text, |path, _| {
            list = read_pair_list("list", path, &manifest).map_err(|error| error.to_string()).ok();
        });
        list
    };
    let Some(PairList { pairs, absent, .. }) = read(name, text) else { return };
    let mut table = String::from("same,face_a,face_b,fold\n");
    for pair in &pairs {
        for row in [pair.a, pair.b] {
            assert!(row == ABSENT || (row as usize) < manifest.len());
        }
        assert!(pair.a != pair.b || pair.a == ABSENT);
        if pair.a != ABSENT && pair.b != ABSENT {
            let [a, b] = [pair.a, pair.b].map(|row| &manifest.faces[row as usize].face_id);
            let fold = pair.fold.map_or(String::new(), |fold| fold.to_string());
            let _ = writeln!(table, "{},{a},{b},{fold}", u8::from(pair.same));
        }
    }
    let folds = pairs.iter().filter(|pair| pair.fold.is_some()).count();
    if absent.is_empty() && (folds == 0 || folds == pairs.len()) {
        let table = if folds == 0 { table.replace(",fold\n", "\n").replace(",\n", "\n") } else { table };
        assert_eq!(read("again.csv", table.as_bytes()).map(|list| list.pairs), Some(pairs));
    }
}

/// A table of boxes: each box that a face gets has an area, and numbers that are finite. As a table of roles: each face has one
/// role.
pub(crate) fn boxes(data: &[u8]) {
    let mut faces = faces();
    let all = faces.len();
    as_file("boxes.csv", data, |path, _| match boxes::apply(&mut faces, path) {
        Ok(applied) => assert!(applied.without <= all),
        Err(error) => drop(error.to_string()),
    });
    for bbox in faces.iter().filter_map(|face| face.bbox) {
        assert!([bbox.x1, bbox.y1, bbox.x2, bbox.y2].iter().all(|edge| edge.is_finite()));
        assert!(bbox.x2 > bbox.x1 && bbox.y2 > bbox.y1);
    }
    let manifest = Manifest { faces, ..Manifest::default() };
    as_file("roles.csv", data, |path, _| match read_roles("search", path, &manifest) {
        Ok(table) => {
            let mut rows: Vec<u32> = table.entries.iter().filter_map(|entry| entry.row).collect();
            let named = rows.len();
            rows.sort_unstable();
            rows.dedup();
            assert!(rows.len() == named && rows.iter().all(|row| (*row as usize) < all));
        }
        Err(error) => drop(error.to_string()),
    });
}

/// Opens a dataset: every face has the content that it is said to have, or a reason why it has none.
fn opened(source: &DatasetSource, cache: &Path) -> Result<(), DatasetError> {
    let manifest = open(source, Some(cache), &Silent, &Cancel::default())?;
    for face in &manifest.faces {
        let path = match &face.pixels {
            PixelSource::File { path, .. } => path,
            PixelSource::Part(part) => {
                let file = fs::metadata(manifest.root.join(&part.path)).expect("the archive");
                assert!(part.offset.checked_add(part.size).is_some_and(|end| end <= file.len()));
                &part.path
            }
            other => panic!("a container draws no faces: {other:?}"),
        };
        assert_eq!(normalise(path).as_deref(), Some(&path[..]));
        assert!(face.content.is_some() || face.fault.is_some());
    }
    for pair in manifest.lists.iter().flat_map(|list| &list.pairs) {
        assert!((pair.a as usize) < manifest.len() && (pair.b as usize) < manifest.len());
    }
    Ok(())
}

fn container(name: &str, data: &[u8], source: impl Fn(Container) -> DatasetSource) {
    as_file(name, data, |path, cache| {
        let error = opened(&source(Container::Local { path: path.into(), sha256: None }), cache).err();
        drop(error.map(|error| error.to_string()));
    });
}

/// insightface's pickles.
pub(crate) fn insightface(data: &[u8]) {
    container("pairs.bin", data, |file| DatasetSource::InsightfaceBin { file });
}

/// Parquet shards.
pub(crate) fn parquet(data: &[u8]) {
    container("faces.parquet", data, |shards| DatasetSource::Parquet { shards });
    as_file("rows.parquet", data, |path, cache| {
        let source =
            DatasetSource::Embeddings { matrix: path.into(), column: None, sha256: None, table: RowTable::default() };
        let Ok(manifest) = open(&source, Some(cache), &Silent, &Cancel::default()) else { return };
        let mut matrix = Matrix::open(path, None).expect("a matrix that a dataset was opened of");
        let mut row = vec![0.0; matrix.dimension()];
        for at in 0..manifest.len().min(100) {
            drop(matrix.read(at, &mut row).map_err(|error| error.to_string()));
        }
    });
}

/// A tar archive. The first byte decides whether it is read as it is or compressed first: no fuzzer finds gzip's checksum.
pub(crate) fn tar(data: &[u8]) {
    let Some((compress, archive)) = data.split_first() else { return };
    let archive = if compress % 2 == 0 {
        archive.to_vec()
    } else {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(archive).and_then(|()| gzip.finish()).expect("memory does not fail to be written")
    };
    container("faces.tar", &archive, |archive| DatasetSource::Archive { archive, tables: Tables::default() });
    as_file("faces.tar", &archive, |path, cache| {
        let (shards, tables) = (path.into(), Tables::default());
        let source = DatasetSource::Webdataset { shards, picture: None, identity: None, field: None, tables };
        drop(opened(&source, cache).err().map(|error| error.to_string()));
    });
}

/// A run's `manifest.parquet`, `pair_lists.parquet` and `roles.parquet`, the first with a digest of itself that is right: whoever hands on a run can
/// compute it.
pub(crate) fn manifest(data: &[u8]) {
    let mut bytes = data.to_vec();
    // Replaces the digest, if there is room for one, by the zeros that it counts as.
    let _ = self_digest::is_whole(&mut bytes);
    self_digest::seal(&mut bytes);
    as_file("manifest.parquet", &bytes, |path, _| {
        if let Err(error) = Manifest::read_parquet(path, "/data".into()) {
            drop(error.to_string());
        }
    });
    as_file("pair_lists.parquet", data, |path, _| {
        let mut manifest = Manifest { faces: faces(), ..Manifest::default() };
        if let Err(error) = manifest.read_pair_lists(path) {
            drop(error.to_string());
        }
        for pair in manifest.lists.iter().flat_map(|list| &list.pairs) {
            assert!([pair.a, pair.b].iter().all(|row| *row == ABSENT || (*row as usize) < manifest.len()));
        }
    });
    as_file("roles.parquet", data, |path, _| {
        let mut manifest = Manifest { faces: faces(), ..Manifest::default() };
        if let Err(error) = manifest.read_roles(path) {
            drop(error.to_string());
        }
        let rows = manifest.roles.iter().flat_map(|table| table.entries.iter().filter_map(|entry| entry.row));
        assert!(rows.into_iter().all(|row| (row as usize) < manifest.len()));
    });
}
