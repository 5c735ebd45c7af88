//! Where faces come from: `dataset` in a config.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Where faces come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum DatasetSource {
    /// Phase-1's `face_metadata.csv`.
    Phase1 {
        /// The CSV file.
        csv: PathBuf,
        /// Folder that every image must be in; default: the CSV's folder.
        root: PathBuf,
        /// Prefixes of recorded paths to replace, first match wins.
        rewrite: Vec<PathRewrite>,
        /// Which picture a face is read from.
        image: Phase1Image,
    },
    /// `<root>/<identity>/<image>`, or an image folder: pictures as `<root>/metadata.csv` names them.
    Folders {
        /// The folder of identity folders, or of `metadata.csv`.
        root: PathBuf,
        /// Tables next to the pictures.
        #[serde(flatten)]
        tables: Tables,
    },
    /// Identity folders, or an image folder, on the Hugging Face Hub, downloaded file by file at a pinned revision.
    HubFolders {
        /// `owner/name` of the dataset repository.
        repo: String,
        /// Commit hash, 7 to 40 hexadecimal characters, or a branch or tag, which may move; the commit it resolves to
        /// is recorded.
        revision: String,
        /// Folder inside the repository that holds the identity folders, or `metadata.csv`; "" for the repository's
        /// root.
        folder: String,
        /// Tables next to the pictures.
        #[serde(flatten)]
        tables: Tables,
    },
    /// insightface's `.bin`: a Python pickle of encoded pictures, two per pair, and one bool per pair.
    InsightfaceBin {
        /// The pickle.
        file: Container,
    },
    /// Parquet with encoded pictures: faces with identities, or pairs.
    Parquet {
        /// The files, in the order of their rows.
        shards: Container,
    },
    /// VGGFace2: photos in a `.tar.gz` or unpacked, and face boxes in a table.
    Vggface2 {
        /// The archive, or the folder where it is unpacked.
        archive: Container,
        /// The table of boxes.
        boxes: Container,
    },
    /// Procedural faces: pure function of these numbers and the generator's version.
    Synthetic {
        /// Which universe of identities; training and evaluation use different ones.
        seed: u64,
        /// Number of identities.
        identities: u32,
        /// Samples of each identity.
        samples: u32,
        /// Side of the square pictures, pixels.
        size: u32,
    },
}

/// Tables next to the pictures of a folder. An absolute path is a local file, any other one a name in the dataset's folder
/// or the one above.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// The dataset's own pair list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PathBuf>,
    /// A detector's boxes, at most one per face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<PathBuf>,
}

/// One file with a whole dataset, or several that form it together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubFiles {
    /// These paths, in this order; at least one.
    Named(Vec<String>),
    /// All files below this folder that the source can read, by path; "" for the repository's root.
    Below(String),
}

/// A recorded path prefix and what replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRewrite {
    /// Prefix as recorded, e.g. `/kaggle/working/face_crops_new/`.
    pub from: String,
    /// Replacement, relative to the dataset's root unless absolute.
    pub to: String,
}

/// Which picture of a Phase-1 row a face is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase1Image {
    /// The crop (`crop_path` / `face_path`); the row's box is not applied.
    Crop,
    /// The photo (`image_id` / `photo_path`); the row's box is cut out with the profile's margin.
    Photo,
}
