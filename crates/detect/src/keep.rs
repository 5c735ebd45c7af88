//! Which of a photo's faces are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Detection;

/// Which of a photo's faces are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// All, the largest first.
    #[default]
    All,
    /// The one with the largest box.
    Largest,
    /// The one with the largest area minus twice the squared distance of the box's centre from the photo's.
    CenterWeighted,
    /// The most probable one.
    MostProbable,
    /// The only one: a photo with no face or with several is a failure.
    One,
}

/// A photo of which one face was asked for has none, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", match .found {
    0 => "no face was found; lower the detector's thresholds or its smallest size, or leave the photo out".to_owned(),
    found => format!("{found} faces were found where one is needed; choose which to keep, or crop the photo"),
})]
pub struct NotOne {
    /// Faces that were found.
    pub found: usize,
}

impl Keep {
    /// The kept ones of the `detections` of a photo of `(width, height)` pixels whose probability is at least
    /// `min_probability`: none if there is none to keep. Of equals the later is kept, as by
    /// `facenet_pytorch.MTCNN.select_boxes`.
    ///
    /// # Errors
    /// [`NotOne`], by [`Self::One`] only.
    pub fn select(
        self,
        detections: &[Detection],
        min_probability: f32,
        (width, height): (u32, u32),
    ) -> Result<Vec<Detection>, NotOne> {
        let likely = detections.iter().filter(|face| face.probability >= min_probability).copied();
        let most = |value: &dyn Fn(&Detection) -> f64| {
            likely.clone().max_by(|a, b| value(a).total_cmp(&value(b))).into_iter().collect()
        };
        match self {
            Self::All => Ok(likely.collect()),
            Self::Largest => Ok(most(&|face| f64::from(face.area()))),
            Self::MostProbable => Ok(most(&|face| f64::from(face.probability))),
            Self::CenterWeighted => Ok(most(&|face| {
                // Centres are f32 and their distances f64, as NumPy has them there.
                let x = f64::from((face.bbox.x1 + face.bbox.x2) * 0.5) - f64::from(width) / 2.0;
                let y = f64::from((face.bbox.y1 + face.bbox.y2) * 0.5) - f64::from(height) / 2.0;
                f64::from(face.area()) - (x * x + y * y) * 2.0
            })),
            Self::One => {
                let faces: Vec<_> = likely.collect();
                if faces.len() == 1 { Ok(faces) } else { Err(NotOne { found: faces.len() }) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use facevault_preprocess::BoundingBox;

    fn face(x1: f32, y1: f32, side: f32, probability: f32) -> Detection {
        let bbox = BoundingBox { x1, y1, x2: x1 + side, y2: y1 + side };
        Detection { bbox, probability, landmarks: [[0.0; 2]; 5] }
    }

    #[test]
    fn each_rule_keeps_its_face() {
        // 100 × 100 at the corner of 400 × 200: 10,000 − 2·(150² + 50²) < 0; 60 × 60 in its centre: 3,600.
        let faces = [face(0.0, 0.0, 100.0, 0.9), face(170.0, 70.0, 60.0, 0.95), face(300.0, 100.0, 20.0, 0.99)];
        let kept = |keep: Keep, least| {
            let kept = keep.select(&faces, least, (400, 200)).unwrap();
            kept.iter().map(|face| face.bbox.x1).collect::<Vec<_>>()
        };
        assert_eq!(kept(Keep::All, 0.0), [0.0, 170.0, 300.0]);
        assert_eq!(kept(Keep::All, 0.95), [170.0, 300.0]);
        assert_eq!(kept(Keep::Largest, 0.0), [0.0]);
        assert_eq!(kept(Keep::Largest, 0.92), [170.0]);
        assert_eq!(kept(Keep::CenterWeighted, 0.0), [170.0]);
        assert_eq!(kept(Keep::MostProbable, 0.0), [300.0]);
        assert_eq!(kept(Keep::One, 0.98), [300.0]);
        for keep in [Keep::All, Keep::Largest, Keep::CenterWeighted, Keep::MostProbable] {
            assert_eq!(keep.select(&faces, 1.0, (400, 200)), Ok(vec![]), "{keep:?}");
        }
    }

    #[test]
    fn one_tells_none_from_several() {
        let faces = [face(0.0, 0.0, 10.0, 0.9), face(20.0, 0.0, 10.0, 0.9)];
        let none = Keep::One.select(&[], 0.0, (40, 40)).unwrap_err();
        let several = Keep::One.select(&faces, 0.0, (40, 40)).unwrap_err();
        assert_eq!((none.found, several.found), (0, 2));
        insta::assert_snapshot!(format!("{none}\n{several}"), @r"
        no face was found; lower the detector's thresholds or its smallest size, or leave the photo out
        2 faces were found where one is needed; choose which to keep, or crop the photo
        ");
    }

    #[test]
    fn of_equals_the_later_is_kept() {
        let faces = [face(0.0, 0.0, 10.0, 0.9), face(20.0, 0.0, 10.0, 0.9)];
        for keep in [Keep::Largest, Keep::MostProbable] {
            assert_eq!(keep.select(&faces, 0.0, (30, 10)).unwrap(), [faces[1]]);
        }
    }

    #[test]
    fn names_are_kebab_case() {
        let all = [Keep::All, Keep::Largest, Keep::CenterWeighted, Keep::MostProbable, Keep::One];
        let names = serde_json::to_string(&all).unwrap();
        assert_eq!(names, r#"["all","largest","center-weighted","most-probable","one"]"#);
    }
}
