//! What a template protocol is made of: an entry of `protocols` in a config with `kind: templates`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Verification of templates: sets of faces of one subject, compared as wholes (IJB-B, IJB-C).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateProtocol {
    /// Short name. The protocol's metrics are `<name>.eer`, `<name>.auc`, `<name>.tar@fmr=1e-4` and so on.
    #[schemars(
        regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,31}$"),
        extend("x-values" = "1 to 32 lower-case letters, digits, `-` and `_`, starting with a letter or digit")
    )]
    pub name: String,
    /// How the embeddings of a template's faces become its one. `media`: the mean over the faces of each media (a video or
    /// a photo), then the sum over media. `faces`: the mean over all faces, so that a long video outweighs photos.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// Whether each face counts by its detector's score.
    #[serde(default)]
    pub detector_score: bool,
    /// The share of the list's pairs that may be left out because a template has no face with an embedding; more is an
    /// error. Not part of the run's name.
    #[serde(default = "max_left_out", skip_serializing)]
    #[schemars(range(min = 0, max = 1))]
    pub max_left_out: f64,
}

fn max_left_out() -> f64 {
    0.05
}

/// How the embeddings of a template's faces become its one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    /// The mean over the faces of each media, then the sum over media.
    #[default]
    Media,
    /// The mean over all faces.
    Faces,
}
