//! A dataset becomes a [`Manifest`]: one row a face, in input order. Each kind of source has its own file.

pub mod synthetic;

use std::path::PathBuf;

use crate::digest::Digest;

/// One face, before it is embedded.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Unique in the manifest.
    pub face_id: String,
    /// Who it is, when known.
    pub identity_id: Option<String>,
    /// The photo it was found in; two faces of one photo are never compared.
    pub image_id: String,
    /// Where its pixels come from.
    pub pixels: PixelSource,
    /// Box of the face in the picture that `pixels` names, in its pixels; `None`: the whole picture.
    pub bbox: Option<BoundingBox>,
    /// The detector's confidence, 0..=1.
    pub detector_score: Option<f32>,
    /// Digest of the bytes that `pixels` names; `None` when they could not be read (embedding will say why).
    pub content: Option<Digest>,
}

/// Where a face's pixels come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PixelSource {
    /// An encoded picture.
    File {
        /// Path relative to [`Manifest::root`], `/`-separated.
        path: String,
        /// Its size in bytes when it was digested.
        size: u64,
        /// Its modification time when it was digested, ns since the epoch.
        modified: i64,
    },
    /// A procedural face.
    Synthetic {
        /// Which identity of the dataset's universe.
        identity: u32,
        /// Which sample of it.
        sample: u32,
    },
}

/// A box in pixels: left, top, right, bottom; right and bottom are exclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// Left edge.
    pub x1: f32,
    /// Top edge.
    pub y1: f32,
    /// Right edge, exclusive.
    pub x2: f32,
    /// Bottom edge, exclusive.
    pub y2: f32,
}

/// All faces of a dataset in input order, with the source's own columns kept for the hand-over.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// The faces; a face's index here is its row everywhere.
    pub faces: Vec<Face>,
    /// Folder that file paths are relative to; empty for synthetic faces.
    pub root: PathBuf,
    /// The source's columns as they were (Phase-1) or in Phase-1's documented form (other sources): what
    /// `face_metadata.csv` is written from.
    pub table: SourceTable,
}

/// A table of strings, column by column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceTable {
    /// Column names in order.
    pub headers: Vec<String>,
    /// One vector a column, one value a face.
    pub columns: Vec<Vec<String>>,
}
