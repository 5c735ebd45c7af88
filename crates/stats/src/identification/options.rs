//! What an identification protocol is made of: `protocols` with `kind: identification` in a config.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::GalleryRule;

/// An identification protocol: probes are searched for in a gallery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentificationProtocol {
    /// Its metrics are `<name>.rank1` and so on.
    pub name: String,
    /// Which faces are the gallery, and which are probes.
    pub roles: Roles,
    /// Folders of the dataset whose faces only fill the gallery.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distractors: Vec<String>,
    /// How a person with several faces in the gallery is compared.
    pub gallery_rule: GalleryRule,
    /// The mate must be among this many candidates to be found at a threshold.
    pub candidates: u32,
    /// Ranks of the cumulative match characteristic.
    pub ranks: Vec<u32>,
    /// False positive identification rates that thresholds are chosen for.
    pub fpir: Vec<f64>,
    /// Share of the probes that may be left out. It changes no number, so it is not part of a run's identity.
    #[serde(skip, default = "max_left_out")]
    pub max_left_out: f64,
}

/// Which faces are the gallery, and which are probes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Roles {
    /// The first faces of each identity are its gallery, the others are probes.
    First {
        /// How many.
        faces: u32,
        /// Share of the identities, chosen by the seed, whose faces are all probes.
        unknown_share: f64,
    },
    /// By the folders that the faces are in.
    Folders {
        /// Folders of the gallery.
        gallery: Vec<String>,
        /// Folders of the probes; empty: all others.
        probes: Vec<String>,
    },
    /// By a table. What it says is part of the manifest; where it was read is not.
    Table {
        /// Where.
        #[serde(skip)]
        path: PathBuf,
    },
}

/// An identification protocol as a config writes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "IdentificationProtocol")]
pub struct WrittenIdentification {
    /// Short name. The protocol's metrics are `<name>.rank<n>` for each of `ranks`, and `<name>.tpir@fpir=<rate>` and
    /// `<name>.fnir@fpir=<rate>` for each of `fpir`.
    #[schemars(
        regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,31}$"),
        extend("x-values" = "1 to 32 lower-case letters, digits, `-` and `_`, starting with a letter or digit")
    )]
    pub name: String,
    /// Which faces are the gallery.
    #[schemars(extend("x-default" = "the first face of each identity"))]
    pub gallery: Option<WrittenGallery>,
    /// Which faces are probes.
    #[schemars(extend("x-default" = "all that are not the gallery"))]
    pub probes: Option<WrittenProbes>,
    /// Faces that only fill the gallery. Nobody searches for them, and each is a person of its own, whatever its identity.
    #[schemars(extend("x-default" = "none"))]
    pub distractors: Option<WrittenDistractors>,
    /// Share of the identities, chosen by `seed`, that have no gallery: all their faces are probes of somebody unknown.
    #[schemars(range(min = 0, max = 1), extend("x-digits" = 9, "x-default" = "0"))]
    pub unknown_share: Option<f64>,
    /// A CSV that says which faces are the gallery and which are probes, instead of `gallery` and `probes`.
    #[schemars(extend("x-values" = "path of a file", "x-default" = "none"))]
    pub roles: Option<PathBuf>,
    /// How a person with several faces in the gallery is compared: by the face that is most like the probe (`max`), or by
    /// their mean embedding (`mean`).
    #[serde(default)]
    pub gallery_rule: GalleryRule,
    /// TPIR and FNIR: the probe's person must be among this many candidates, and reach the threshold.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "people"))]
    pub candidates: u32,
    /// Ranks at which the share of probes found is reported.
    #[serde(default = "ranks")]
    #[schemars(length(min = 1), inner(range(min = 1, max = 1_000_000_000)), extend("x-values" = "list of whole numbers from 1 on", "x-default" = "1, 5, 10"))]
    pub ranks: Vec<u32>,
    /// False positive identification rates at which TPIR and FNIR are reported.
    #[serde(default = "fpir")]
    #[schemars(
        length(min = 1),
        inner(range(min = 1e-9, max = 1)),
        transform = rounded_items,
        extend("x-values" = "list of rates", "x-default" = "1e-1, 1e-2, 1e-3, 1e-4")
    )]
    pub fpir: Vec<f64>,
    /// The share of the probes that may be left out because they, or all gallery faces of their person, have no embedding;
    /// more is an error. Not part of the run's name.
    #[serde(default = "max_left_out")]
    #[schemars(range(min = 0, max = 1))]
    pub max_left_out: f64,
}

/// Which faces are the gallery, as a config writes it: one of the two keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GalleryFaces")]
pub struct WrittenGallery {
    /// The first faces of each identity, in the order of the manifest; the identity's others are probes.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "faces", "x-default" = "either this or `folders`"))]
    pub first: Option<u32>,
    /// The faces in these folders of the dataset. Those whose person has no probe only make the search harder.
    #[schemars(length(min = 1), extend("x-values" = "list of folders", "x-default" = "either this or `first`"))]
    pub folders: Option<Vec<String>>,
}

/// Which faces are probes, as a config writes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProbeFaces")]
pub struct WrittenProbes {
    /// The faces in these folders of the dataset.
    #[schemars(length(min = 1), extend("x-values" = "list of folders"))]
    pub folders: Vec<String>,
}

/// Which faces only fill the gallery, as a config writes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DistractorFaces")]
pub struct WrittenDistractors {
    /// The faces in these folders of the dataset.
    #[schemars(length(min = 1), extend("x-values" = "list of folders"))]
    pub folders: Vec<String>,
}

/// The numbers of a list are part of a run's identity.
fn rounded_items(schema: &mut Schema) {
    if let Some(items) = schema.get_mut("items").and_then(serde_json::Value::as_object_mut) {
        items.insert("x-digits".into(), 9.into());
    }
}

fn one() -> u32 {
    1
}

fn ranks() -> Vec<u32> {
    vec![1, 5, 10]
}

fn fpir() -> Vec<f64> {
    vec![1e-1, 1e-2, 1e-3, 1e-4]
}

/// As for pairs: a twentieth is a sign of another dataset.
fn max_left_out() -> f64 {
    0.05
}

impl IdentificationProtocol {
    /// The last parts of its metrics' paths.
    pub fn quantities(&self) -> impl Iterator<Item = String> {
        let open_set = self.fpir.iter().flat_map(|fpir| [format!("tpir@fpir={fpir:e}"), format!("fnir@fpir={fpir:e}")]);
        self.ranks.iter().map(|rank| format!("rank{rank}")).chain(open_set)
    }
}

impl WrittenIdentification {
    /// The protocol that this describes, with its paths as they are written. What contradicts another key is ignored.
    #[must_use]
    pub fn into_protocol(self) -> IdentificationProtocol {
        let Self { gallery_rule, candidates, max_left_out, .. } = self;
        let Self { name, gallery, probes, distractors, unknown_share, roles, ranks, fpir, .. } = self;
        let folders = |folders: Vec<String>| folders.iter().map(|one| one.trim_matches('/').to_owned()).collect();
        let roles = match (roles, gallery) {
            (Some(path), _) => Roles::Table { path },
            (None, Some(WrittenGallery { folders: Some(gallery), .. })) => Roles::Folders {
                gallery: folders(gallery),
                probes: folders(probes.map(|probes| probes.folders).unwrap_or_default()),
            },
            (None, gallery) => Roles::First {
                faces: gallery.and_then(|gallery| gallery.first).unwrap_or(1),
                unknown_share: unknown_share.unwrap_or(0.0),
            },
        };
        let distractors = folders(distractors.map(|distractors| distractors.folders).unwrap_or_default());
        IdentificationProtocol { name, roles, distractors, gallery_rule, candidates, ranks, fpir, max_left_out }
    }
}
