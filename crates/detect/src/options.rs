//! What the detector looks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DetectError;

/// What MTCNN looks for. The defaults are facenet-pytorch's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorOptions {
    /// Side of the smallest face that is looked for. The time of a photo grows as its inverse square.
    #[schemars(range(min = 10, max = 10_000), extend("x-unit" = "pixels of the photo"))]
    pub min_size: u32,
    /// Probability from which P-Net's, and above which R-Net's and O-Net's candidates are kept.
    #[schemars(
        inner(range(min = 0, max = 1)),
        extend("x-digits" = 9, "x-values" = "three numbers from 0 to 1", "x-default" = "0.6, 0.7, 0.7")
    )]
    pub thresholds: [f32; 3],
    /// Ratio of the sides of two successive scales of the photo.
    #[schemars(range(min = 0.1, max = 0.95), extend("x-digits" = 9))]
    pub factor: f64,
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self { min_size: 20, thresholds: [0.6, 0.7, 0.7], factor: 0.709 }
    }
}

impl DetectorOptions {
    /// Whether the values are in their ranges.
    pub(crate) fn check(&self) -> Result<(), DetectError> {
        let wrong = |key, value: String, range| Err(DetectError::Option { key, value, range });
        if !(10..=10_000).contains(&self.min_size) {
            return wrong("min_size", self.min_size.to_string(), "10 to 10000 pixels");
        }
        if let Some(threshold) = self.thresholds.iter().find(|threshold| !(0.0..=1.0).contains(*threshold)) {
            return wrong("thresholds", threshold.to_string(), "0 to 1");
        }
        if !(0.1..=0.95).contains(&self.factor) {
            return wrong("factor", self.factor.to_string(), "0.1 to 0.95");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_facenet_pytorchs_and_survive_json() {
        let text = serde_json::to_string(&DetectorOptions::default()).unwrap();
        assert_eq!(text, r#"{"min_size":20,"thresholds":[0.6,0.7,0.7],"factor":0.709}"#);
        assert_eq!(serde_json::from_str::<DetectorOptions>(&text).unwrap(), DetectorOptions::default());
        assert_eq!(serde_json::from_str::<DetectorOptions>("{}").unwrap(), DetectorOptions::default());
        serde_json::from_str::<DetectorOptions>(r#"{"min_sise":20}"#).unwrap_err();
    }

    #[test]
    fn values_outside_their_ranges_are_refused() {
        let options = DetectorOptions::default;
        assert!(options().check().is_ok());
        for wrong in [
            DetectorOptions { min_size: 9, ..options() },
            DetectorOptions { thresholds: [0.6, f32::NAN, 0.7], ..options() },
            DetectorOptions { thresholds: [0.6, 0.7, 1.1], ..options() },
            DetectorOptions { factor: 1.0, ..options() },
            DetectorOptions { factor: f64::NAN, ..options() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        insta::assert_snapshot!(
            DetectorOptions { factor: 1.0, ..options() }.check().unwrap_err(),
            @"factor: 1 is outside 0.1 to 0.95; choose a value inside, or leave it out for facenet-pytorch's"
        );
    }
}
