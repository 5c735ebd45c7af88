//! Where faces come from: `dataset` in a config.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::hub::reference;

/// Where faces come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "source", rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub enum DatasetSource {
    /// Phase 1's `face_metadata.csv`.
    Phase1 {
        /// The `face_metadata.csv`, in the documented form or as Phase 1's code writes it.
        #[schemars(extend("x-values" = "path of a file"))]
        csv: PathBuf,
        /// Folder that every picture must be in.
        #[serde(default)]
        #[schemars(
            with = "Option<PathBuf>",
            length(min = 1),
            extend("x-values" = "path of a folder", "x-default" = "the CSV's folder")
        )]
        root: PathBuf,
        /// Prefixes of recorded paths to replace; the first that matches wins.
        #[serde(default)]
        rewrite: Vec<PathRewrite>,
        /// Which picture a face is read from: its crop as it is, or its box in the photo.
        #[serde(default)]
        image: Phase1Image,
    },
    /// Identity folders, `<root>/<identity>/<picture>`, or an image folder, whose `<root>/metadata.csv` names the
    /// pictures.
    Folders {
        /// The folder that holds the identity folders, or `metadata.csv`.
        #[schemars(extend("x-values" = "path of a folder"))]
        root: PathBuf,
        /// Folders in the root that hold the identity folders, such as `gallery` and `probe`. An identity may be in several; a
        /// picture directly in one of them has no identity.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(
            transform = reference::parts,
            extend("x-values" = "list of names of folders", "x-default" = "the root holds them")
        )]
        parts: Vec<String>,
        /// What lies next to the pictures.
        #[serde(flatten)]
        tables: Tables,
    },
    /// Pictures anywhere below a folder: those that a list or a table names, or all. A pattern of their paths, or the table,
    /// says whose they are.
    Files {
        /// The folder that the pictures are in.
        #[schemars(extend("x-values" = "path of a folder"))]
        root: PathBuf,
        /// What the parts of a path are, such as `{identity}/*/{n}.jpg` or `{identity}_{n}.jpg`: `*` is any text of a name,
        /// `**/` any folders, `{photo}` the photo that a face is from; other names become columns of the faces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(
            length(min = 1),
            extend("x-values" = "path below the root with `{identity}` in it", "x-default" = "identities are unknown, unless a table has them")
        )]
        pattern: Option<String>,
        /// A text file with the path of a picture in each line, from the root: those, in this order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-values" = "path of a file", "x-default" = "all pictures below the root, by path"))]
        list: Option<PathBuf>,
        /// A CSV with a line for each picture, instead of `pattern` and `list`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-values" = "path of a file", "x-default" = "none"))]
        table: Option<PathBuf>,
        /// The table's column with the path of the picture, from the root.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), extend("x-values" = "name of a column", "x-default" = "`file_name`"))]
        file: Option<String>,
        /// The table's column with the identity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(
            length(min = 1),
            extend(
                "x-values" = "name of a column",
                "x-default" = "`identity_id`, `identity`, `label_name`, `person`, `person_id`, `subject`, `label`, `name` or `class`"
            )
        )]
        identity: Option<String>,
        /// What lies next to the pictures.
        #[serde(flatten)]
        tables: Tables,
    },
    /// Identity folders, or an image folder, in a dataset repository on the Hugging Face Hub.
    HubFolders {
        /// Dataset repository on the Hub.
        #[schemars(transform = reference::repository)]
        repo: String,
        /// Commit, or a branch or tag, which may move; the full commit it resolves to is recorded.
        #[schemars(transform = reference::revision)]
        revision: String,
        /// Folder in the repository that holds the identity folders, or `metadata.csv`.
        #[serde(default)]
        #[schemars(transform = reference::folder, extend("x-default" = "the root"))]
        folder: String,
        /// What lies next to the pictures.
        #[serde(flatten)]
        tables: Tables,
    },
    /// Identity folders, `<identity>/<picture>`, in a tar archive, compressed with gzip or not.
    Archive {
        /// The archive.
        #[serde(flatten, serialize_with = "as_archive")]
        #[schemars(with = "WrittenContainer<HubFile>")]
        archive: Container,
        /// What lies next to the archive.
        #[serde(flatten)]
        tables: Tables,
    },
    /// Pairs in insightface's `.bin`: a Python pickle of encoded pictures, two for each pair, and of one bool for each pair.
    InsightfaceBin {
        /// The pickle.
        #[serde(flatten, serialize_with = "as_file")]
        #[schemars(with = "WrittenContainer<HubFile>")]
        file: Container,
    },
    /// WebDataset: tar archives in which the files of one name are a sample, such as `000.jpg` and `000.cls`.
    Webdataset {
        /// The archives, not compressed: one, a folder whose `*.tar` are read by name, or a pattern.
        #[schemars(
            with = "String",
            length(min = 1),
            extend("x-values" = "path of a file or folder, or a pattern such as `faces-{000000..000009}.tar` or `{train,val}.tar`")
        )]
        shards: PathBuf,
        /// Ending of a sample's picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), extend("x-values" = "ending such as `jpg`", "x-default" = "`jpg`, `png`, `webp` or another picture's, whichever a sample has"))]
        picture: Option<String>,
        /// Ending of the member that says who a sample shows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), extend("x-values" = "ending such as `cls`, `json` or `txt`", "x-default" = "`cls`, `json` or `txt`, whichever the first sample has"))]
        identity: Option<String>,
        /// Field of a JSON member with the identity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(
            length(min = 1),
            extend(
                "x-values" = "name of a field",
                "x-default" = "`identity_id`, `identity`, `label_name`, `person`, `person_id`, `subject`, `label`, `name` or `class`"
            )
        )]
        field: Option<String>,
        /// What lies next to the archives.
        #[serde(flatten)]
        tables: Tables,
    },
    /// Parquet with encoded pictures: faces with an identity column, or pairs (`pair`, `img_0`, `img_1`, or `image1`,
    /// `image2`, `target`). The columns tell which.
    Parquet {
        /// The files, in the order of their rows.
        #[serde(flatten, serialize_with = "as_shards")]
        #[schemars(with = "WrittenContainer<HubShards>")]
        shards: Container,
    },
    /// VGGFace2: an archive of photos, `<identity>/<photo>_<face>.jpg`, and a table of face boxes.
    Vggface2 {
        /// The `.tar.gz` with the photos, or a local folder where it is unpacked.
        #[schemars(with = "WrittenContainer<HubFile>")]
        archive: Container,
        /// The table of face boxes: a CSV, or the `.tar.gz` that holds it as `loose_bb_test.csv`.
        #[schemars(with = "WrittenContainer<HubFile>")]
        boxes: Container,
    },
    /// IJB-B or IJB-C in the layout of insightface's evaluation: loose crops, landmarks with scores, templates and pairs
    /// of templates.
    Ijb {
        /// The folder that holds `loose_crop` and `meta`.
        #[schemars(extend("x-values" = "path of a folder"))]
        root: PathBuf,
        /// Which of the two, and so the names of the tables in `meta`.
        set: IjbSet,
    },
    /// Embeddings that somebody has computed: the rows of a matrix, and a table that says whose they are. No pictures, no
    /// network: `model`, `preprocess`, `weights` and most of `embed` are left out.
    Embeddings {
        /// The matrix, a row each face: a `.npy` of f16, f32 or f64, a `.parquet` with a column of lists of f32 or f64, or the
        /// `face_embeddings.json` of a run whose matrix is in parts.
        #[schemars(
            regex(pattern = r"\.([nN][pP][yY]|[pP][aA][rR][qQ][uU][eE][tT]|[jJ][sS][oO][nN])$"),
            extend("x-values" = "the path of a file ending in `.npy`, `.parquet` or `.json`")
        )]
        matrix: PathBuf,
        /// The column of a parquet file with the embeddings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), extend("x-values" = "name of a column", "x-default" = "the only one with lists of floats"))]
        column: Option<String>,
        /// Expected SHA-256 of the matrix.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-default" = "recorded, not checked"))]
        sha256: Option<Digest>,
        /// Whose they are.
        #[serde(flatten)]
        table: RowTable,
    },
    /// Crops in an array: the rows of a `.npy` of bytes, and a table that says whose they are.
    Array {
        /// The array: a `.npy` of uint8, (faces, height, width, 3), RGB.
        #[schemars(regex(pattern = r"\.[nN][pP][yY]$"), extend("x-values" = "the path of a file ending in `.npy`"))]
        array: PathBuf,
        /// Whose they are.
        #[serde(flatten)]
        table: RowTable,
    },
    /// Procedural faces: a pure function of these numbers and the generator's version.
    Synthetic {
        /// Which universe of people; training and evaluation use different ones.
        #[serde(default)]
        seed: u64,
        /// Number of people.
        #[schemars(range(min = 1, max = 1_000_000))]
        identities: u32,
        /// Pictures of each person.
        #[schemars(range(min = 1, max = 100_000))]
        samples: u32,
        /// Side of the square pictures.
        #[serde(default = "synthetic_size")]
        #[schemars(range(min = 16, max = 2048), extend("x-unit" = "pixels"))]
        size: u32,
    },
}

/// A dataset of templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IjbSet {
    /// IARPA Janus Benchmark B.
    Ijbb,
    /// IARPA Janus Benchmark C.
    Ijbc,
}

impl IjbSet {
    /// The start of its tables' names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ijbb => "ijbb",
            Self::Ijbc => "ijbc",
        }
    }

    /// As people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Ijbb => "IJB-B",
            Self::Ijbc => "IJB-C",
        }
    }

    /// The ends of its galleries' names.
    #[must_use]
    pub fn galleries(self) -> [&'static str; 2] {
        match self {
            Self::Ijbb => ["1N_gallery_S1.csv", "1N_gallery_S2.csv"],
            Self::Ijbc => ["1N_gallery_G1.csv", "1N_gallery_G2.csv"],
        }
    }
}

impl DatasetSource {
    /// The tables next to the pictures, of a source that has such.
    #[must_use]
    pub fn tables(&self) -> Option<&Tables> {
        match self {
            Self::Folders { tables, .. }
            | Self::Files { tables, .. }
            | Self::HubFolders { tables, .. }
            | Self::Archive { tables, .. }
            | Self::Webdataset { tables, .. } => Some(tables),
            _ => None,
        }
    }
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

fn synthetic_size() -> u32 {
    112
}

/// Tables next to the pictures of a folder. An absolute path is a local file, any other one a name in the dataset's
/// folder, or in the one above.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tables {
    /// The list of pairs the dataset ships with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = reference::table)]
    pub pairs: Option<PathBuf>,
    /// Boxes a detector found, at most one for each face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = reference::table)]
    pub boxes: Option<PathBuf>,
}

/// The table of an array's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowTable {
    /// The CSV that says whose they are, one line each face.
    #[serde(default, skip_serializing_if = "is_empty")]
    #[schemars(
        with = "Option<PathBuf>",
        length(min = 1),
        extend("x-values" = "path of a file", "x-default" = "required, but for embeddings in parquet: its other columns")
    )]
    pub faces: PathBuf,
    /// Its column with the row of the matrix or array, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-values" = "name of a column", "x-default" = "the lines are the rows, in order"))]
    pub row: Option<String>,
    /// Its column with the face's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1),
        extend("x-values" = "name of a column", "x-default" = "`face_id`, `file_name`, `path` or `image`, else numbers")
    )]
    pub face: Option<String>,
    /// Its column with the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1),
        extend(
            "x-values" = "name of a column",
            "x-default" = "`identity_id`, `identity`, `label_name`, `person`, `person_id`, `subject`, `label`, `name` or `class`, if there is one"
        )
    )]
    pub identity: Option<String>,
    /// Its column with the photo that the face is from; two faces of one photo are not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1),
        extend("x-values" = "name of a column", "x-default" = "`image_id` or `photo_id`, else each face has its own")
    )]
    pub photo: Option<String>,
    /// The list of pairs the dataset ships with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = reference::table)]
    pub pairs: Option<PathBuf>,
}

/// A file that holds a whole dataset, or the few files that do together. Read as a config writes it, `WrittenContainer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", from = "WrittenContainer<HubShards>")]
pub enum Container {
    /// In a dataset repository on the Hugging Face Hub.
    Hub {
        /// `owner/name`.
        repo: String,
        /// Commit hash, 7 to 40 hexadecimal characters, or a branch.
        revision: String,
        /// Which of the repository's files.
        files: HubFiles,
        /// Expected SHA-256, if it is one file.
        sha256: Option<Digest>,
    },
    /// On this machine.
    Local {
        /// A file, or a folder if the source allows one.
        path: PathBuf,
        /// Expected SHA-256 of the file.
        sha256: Option<Digest>,
    },
}

/// Files of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubFiles {
    /// These paths, in this order; at least one.
    Named(Vec<String>),
    /// All files below this folder that the source can read, by path; "" for the repository's root.
    Below(String),
}

/// A container as a config writes it: on the Hub or on this machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct WrittenContainer<H> {
    /// Where it is in a dataset repository on the Hugging Face Hub.
    #[schemars(extend("x-default" = "either this or `path`"))]
    hub: Option<H>,
    /// A copy on this machine: a file; for `parquet` also a folder whose `*.parquet` are the shards, by name; for the
    /// archive of `vggface2` also the folder where it is unpacked.
    #[schemars(extend("x-values" = "path of a file or folder", "x-default" = "either this or `hub`"))]
    path: Option<PathBuf>,
    /// Expected SHA-256 of the file at `path`.
    #[schemars(extend("x-default" = "recorded, not checked"))]
    sha256: Option<Digest>,
}

/// One file of a dataset repository on the Hub.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used: what it allows is read as `HubShards`")]
struct HubFile {
    /// Dataset repository on the Hub.
    #[schemars(transform = reference::repository)]
    repo: String,
    /// Commit, or a branch or tag, which may move; the commit it resolves to is reported and recorded.
    #[schemars(transform = reference::revision)]
    revision: String,
    /// Path of the file.
    #[schemars(transform = reference::file)]
    file: String,
    /// Expected SHA-256 of the file.
    #[schemars(extend("x-default" = "recorded, not checked"))]
    sha256: Option<Digest>,
}

/// Parquet shards in a dataset repository on the Hub: one of `file`, `files` and `folder`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HubShards {
    /// Dataset repository on the Hub.
    #[schemars(transform = reference::repository)]
    repo: String,
    /// Commit, or a branch or tag, which may move; the commit it resolves to is reported and recorded.
    #[schemars(transform = reference::revision)]
    revision: String,
    /// Path of the only shard.
    #[schemars(transform = reference::file, extend("x-default" = "one of `file`, `files` and `folder` is required"))]
    file: Option<String>,
    /// Paths of the shards, in the order of their rows.
    #[schemars(length(min = 1), transform = reference::files, extend("x-values" = "list of paths in the repository"))]
    files: Option<Vec<String>>,
    /// Every `.parquet` below this folder, by path.
    #[schemars(transform = reference::folder)]
    folder: Option<String>,
    /// Expected SHA-256 of `file`.
    #[schemars(extend("x-default" = "recorded, not checked"))]
    sha256: Option<Digest>,
}

impl From<WrittenContainer<HubShards>> for Container {
    /// Of what the config's rules exclude, `hub` wins over `path`, and `folder` over `files` over `file`.
    fn from(written: WrittenContainer<HubShards>) -> Self {
        let WrittenContainer { hub, path, sha256 } = written;
        match hub {
            Some(HubShards { repo, revision, file, files, folder, sha256 }) => {
                let files = match folder {
                    Some(folder) => HubFiles::Below(folder.trim_end_matches('/').to_owned()),
                    None => HubFiles::Named(files.unwrap_or_else(|| file.into_iter().collect())),
                };
                Self::Hub { repo, revision, files, sha256 }
            }
            None => Self::Local { path: path.unwrap_or_default(), sha256 },
        }
    }
}

/// Writes `file: {…}`, although it is read without that level.
fn as_file<S: Serializer>(container: &Container, serializer: S) -> Result<S::Ok, S::Error> {
    nested("file", container, serializer)
}

/// Writes `archive: {…}`, although it is read without that level.
fn as_archive<S: Serializer>(container: &Container, serializer: S) -> Result<S::Ok, S::Error> {
    nested("archive", container, serializer)
}

/// Writes `shards: {…}`, although it is read without that level.
fn as_shards<S: Serializer>(container: &Container, serializer: S) -> Result<S::Ok, S::Error> {
    nested("shards", container, serializer)
}

fn nested<S: Serializer>(key: &str, container: &Container, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, container)?;
    map.end()
}

/// A recorded path prefix and what replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathRewrite {
    /// Prefix as recorded, for example `/kaggle/working/face_crops_new/`.
    #[schemars(length(min = 1))]
    pub from: String,
    /// What replaces it, relative to the root unless absolute.
    pub to: String,
}

/// Which picture of a Phase-1 row a face is read from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase1Image {
    /// The crop (`crop_path` / `face_path`); the row's box is not applied.
    #[default]
    Crop,
    /// The photo (`image_id` / `photo_path`); the row's box is cut out with the profile's margin.
    Photo,
}
