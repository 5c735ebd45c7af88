//! What is at a path: its kind, the number of faces and people, and the size of the pictures.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::find::{self, Content, Found, Hints, Paths};
use super::{InitError, Shown, Weights, yaml};
use crate::config;
use crate::dataset::{self, DatasetSource, LeftOutReason, Manifest};
use crate::progress::Silent;
use crate::run::PHOTO_RATIO;
use crate::text::counted;

/// Pictures whose size is looked at.
const SAMPLE: usize = 64;

/// What was found.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Look {
    /// In words: "identity folders".
    pub kind: &'static str,
    /// Faces or photos; `None` where the file has to be unpacked to count them.
    pub pictures: Option<usize>,
    /// People; `None` likewise.
    pub identities: Option<usize>,
    /// The median of the pictures' shorter sides, in pixels; `None` without pictures, or where their headers do not tell.
    pub side: Option<u32>,
    /// What lies beside the pictures and is left out, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(skip)]
    pub found: Found,
}

impl Look {
    /// Looks at a path. A config in another folder than the current one needs absolute paths.
    pub fn at(path: &Path, hints: &Hints, elsewhere: bool) -> Result<Self, InitError> {
        if dataset::is_remote(path) {
            return Err(InitError::Remote { path: path.into() });
        }
        let found = find::find(path, hints, Paths { absolute: elsewhere })?;
        let mut look = Self { kind: found.kind, pictures: None, identities: None, side: None, note: None, found };
        let listed = match look.list() {
            Err(InitError::Dataset(error)) => {
                let Some(pairs) = look.found.take_pairs() else { return Err(error.into()) };
                // If this fails, too, it was not the list's fault.
                let listed = look.list()?;
                look.note =
                    Some(format!("{pairs} is left out, because it is no list of pairs of these pictures: {error}"));
                listed
            }
            listed => listed?,
        };
        match listed {
            Some(manifest) => look.count(&manifest),
            None => look.side = median(dataset::look::first_sides(&look.dataset()?, SAMPLE)?),
        }
        Ok(look)
    }

    /// The section, as `check` reads it from where the config will be.
    fn dataset(&self) -> Result<DatasetSource, InitError> {
        let section = yaml::dataset_only(self);
        let folder = std::env::current_dir().unwrap_or_default();
        Ok(config::load_stored(section.as_bytes(), &folder.join("config.yaml"), &[], &folder)?.config.dataset)
    }

    /// The faces; `None` for what has to be unpacked.
    fn list(&self) -> Result<Option<Manifest>, InitError> {
        Ok(dataset::list(&self.dataset()?, &Silent).transpose()?)
    }

    fn count(&mut self, manifest: &Manifest) {
        let pictures = [LeftOutReason::InRoot, LeftOutReason::TooDeep];
        if self.note.is_none() && pictures.iter().any(|reason| manifest.left_out.count(*reason) > 0) {
            self.note = Some(format!("left out: {}", manifest.left_out));
        }
        self.pictures = Some(manifest.len());
        self.identities = Some(manifest.identities().len());
        self.side = median(manifest.shorter_sides(SAMPLE));
    }

    /// Whether there are pictures, rather than embeddings.
    pub fn has_pictures(&self) -> bool {
        self.found.content != Content::Embeddings
    }

    /// Whether a person has to say what the pictures show.
    pub fn is_open(&self) -> bool {
        self.found.content == Content::Pictures
    }

    /// What the pictures are taken for, and why; `None` where neither their source nor their size tells.
    pub fn shown(&self, weights: &Weights) -> (Option<Shown>, String) {
        let side = weights.side();
        match (self.found.content, self.side) {
            (Content::Crops, _) => (Some(Shown::Crops), format!("the pictures of {} are crops", self.kind)),
            (Content::Boxes, _) => (Some(Shown::Photos), "the table has a box for each face".into()),
            (_, Some(found)) if f64::from(found) > PHOTO_RATIO * f64::from(side) => (
                Some(Shown::Photos),
                format!("pictures of {found} pixels are much larger than the {side} that the network takes"),
            ),
            (_, Some(found)) => (
                Some(Shown::Crops),
                format!("pictures of {found} pixels are about as large as the {side} that the network takes"),
            ),
            (_, None) => (None, "the size of the pictures is not known".into()),
        }
    }

    /// In a sentence without its end: "12 faces of 4 people in identity folders, 160 pixels".
    pub fn sentence(&self) -> String {
        let one = if self.has_pictures() { "picture" } else { "row" };
        let faces = self.pictures.map(|n| counted(n, one));
        let people = self.identities.map(|n| match n {
            0 => " of nobody known".to_owned(),
            n => format!(" of {}", counted(n, "person")),
        });
        let side = self.side.map_or_else(String::new, |side| format!("; shorter side {side} pixels (median)"));
        match (faces, people) {
            (Some(faces), Some(people)) => format!("{}: {faces}{people}{side}", self.kind),
            _ => format!("{}, counted when it is opened{side}", self.kind),
        }
    }
}

fn median(mut sides: Vec<u32>) -> Option<u32> {
    sides.sort_unstable();
    sides.get(sides.len() / 2).copied()
}
