//! Agreement of a lower precision with f32 on the same faces: `agreement.json`. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closeness::Closeness;
use crate::estimate::Estimate;
use crate::evaluate::{self, EvaluateError, Labelled};
use crate::metrics::Metrics;
use crate::model::{DeviceRequest, EmbedderInfo, Precision};
use crate::numbers::Quantity::Rate;
use crate::numbers::minus;
use crate::progress::{Cancel, Silent};
use crate::similarity::{Cards, NoCheckpoint, PairMode, SimilarityOptions};
use crate::text::counted;
use crate::verification::OperatingPoint;

/// False match rates that a few hundred faces can resolve, at which both precisions are evaluated.
const TARGETS: [f64; 2] = [1e-2, 1e-3];

/// The minimum cosine between a face's embeddings in `precision` and in f32 for the precision's speed to be valid.
///
/// The values for bf16 and int8 were measured on CPUs, with a margin (docs/precision.md). The distance of a cosine from 1 scales
/// with the square of the rounding error: tf32 and f16, with 10 fraction bits instead of the 7 of bf16, come 64 times
/// closer, of which a factor of 5 is required. f32 is listed for kernels and devices that add in another order.
pub(crate) fn required_cosine(precision: Precision) -> f64 {
    match precision {
        Precision::F32 | Precision::Bf16x3 => 0.999_99,
        Precision::Tf32 | Precision::F16 => 0.999_9,
        Precision::Bf16 => 0.999_5,
        Precision::Int8 => 0.99,
    }
}

/// f32 and a lower precision on the same faces: `agreement.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PrecisionAgreement {
    /// The lower precision.
    pub precision: Precision,
    /// What both ran on, e.g. `CPU (avx2+fma, 2 threads)`.
    pub device: String,
    /// How the faces were chosen, in words.
    pub sample: String,
    /// Faces of the sample.
    pub faces: u64,
    /// Lowest cosine of a face's two embeddings.
    pub cosine_min: f64,
    /// Mean cosine of a face's two embeddings.
    pub cosine_mean: f64,
    /// Largest difference of two corresponding values.
    pub max_difference: f64,
    /// How well each separates people; `None` if the sample lacks pairs.
    pub verification: Option<Verification>,
}

/// Verification on the sample's pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Verification {
    /// Genuine pairs.
    pub genuine_pairs: u64,
    /// Impostor pairs.
    pub impostor_pairs: u64,
    /// In f32.
    pub f32: PrecisionRates,
    /// In the lower precision.
    pub lower: PrecisionRates,
}

/// Error rates of one precision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PrecisionRates {
    /// Equal error rate.
    pub eer: Estimate,
    /// True accept rates at false match rates 1e-2 and 1e-3, where the pairs resolve them.
    pub operating_points: Vec<OperatingPoint>,
}

/// Compares rows in f32 with the same faces' rows in the lower precision of `embedder`: unit vectors, one per face.
/// `options` control the intervals. `None` without faces. Fails with [`EvaluateError::Matrix`] for invalid rows,
/// [`EvaluateError::Interrupted`].
pub(crate) fn compare(
    embedder: &EmbedderInfo,
    sample: &str,
    faces: &[Labelled<'_>],
    [reference, lower]: [&[f32]; 2],
    options: &SimilarityOptions,
    seed: u64,
    cancel: &Cancel,
) -> Result<Option<PrecisionAgreement>, EvaluateError> {
    let dimension = reference.len().checked_div(faces.len()).unwrap_or(0);
    if dimension == 0 {
        return Ok(None);
    }
    let Closeness { min_cosine, mean_cosine, max_difference } = Closeness::of(lower, reference, dimension);
    let options = SimilarityOptions { pairs: PairMode::Exhaustive, upstream: None, hardest: 0, ..options.clone() };
    let metrics = |matrix| {
        let input = evaluate::EvaluationInput {
            matrix,
            dimension,
            faces,
            columns: &[],
            manifest_rows: faces.len() as u64,
            failed: 0,
            options: &options,
            seed,
            expect: &std::collections::BTreeMap::new(),
            benchmarks: crate::evaluate::Benchmarks::default(),
            checkpoint: &NoCheckpoint,
            cards: &Cards::new(DeviceRequest::Cpu),
        };
        match evaluate::evaluate(&input, &Silent, cancel) {
            Ok(evaluation) => Ok(Some(evaluation.metrics)),
            Err(EvaluateError::NotEvaluable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    };
    let verification = metrics(reference)?.zip(metrics(lower)?).map(|(reference, lower)| Verification {
        genuine_pairs: reference.pairs.genuine,
        impostor_pairs: reference.pairs.impostor,
        f32: rates(reference),
        lower: rates(lower),
    });
    Ok(Some(PrecisionAgreement {
        precision: embedder.precision,
        device: embedder.device_name.clone(),
        sample: sample.into(),
        faces: faces.len() as u64,
        cosine_min: min_cosine,
        cosine_mean: mean_cosine,
        max_difference,
        verification,
    }))
}

fn rates(metrics: Metrics) -> PrecisionRates {
    let aimed = |point: &OperatingPoint| TARGETS.iter().any(|target| point.aims_at(*target));
    let points = metrics.operating_points.into_iter();
    PrecisionRates {
        eer: metrics.eer,
        operating_points: points.filter(|point| aimed(point) && point.tar.is_some()).collect(),
    }
}

impl PrecisionAgreement {
    pub fn lines(&self) -> Vec<String> {
        let Self { precision, faces, cosine_min, cosine_mean, max_difference, verification, .. } = self;
        let precision = precision.name();
        let [least, mean] = [cosine_min, cosine_mean].map(|cosine| minus(&format!("{cosine:.6}")));
        let mut lines = vec![format!(
            "{precision} against f32 on {}: cosine at least {least}, mean {mean}, largest difference {max_difference:.1e}",
            counted(*faces, "face")
        )];
        if let Some(Verification { genuine_pairs, impostor_pairs, f32, lower }) = verification {
            let both: Vec<_> = rows(f32, lower)
                .into_iter()
                .map(|(name, f32, lower)| format!("{name} {} (f32 {})", Rate.point(lower), Rate.point(f32)))
                .collect();
            lines.push(format!(
                "on their {genuine_pairs} genuine and {impostor_pairs} impostor pairs: {}",
                both.join(", ")
            ));
        }
        lines
    }
}

/// The rates that both have: name, value in f32, value in the lower precision.
pub(crate) fn rows<'a>(
    f32: &'a PrecisionRates,
    lower: &'a PrecisionRates,
) -> Vec<(String, &'a Estimate, &'a Estimate)> {
    let mut rows = vec![("equal error rate".to_owned(), &f32.eer, &lower.eer)];
    for (a, b) in f32.operating_points.iter().zip(&lower.operating_points) {
        if let (Some(reference), Some(lower)) = (&a.tar, &b.tar) {
            rows.push((format!("TAR at FMR {:e}", a.target_fmr), reference, lower));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DeviceKind;
    use facevault_stats::testing::unit_rows;

    fn embedder() -> EmbedderInfo {
        EmbedderInfo {
            name: "fused".into(),
            device: DeviceKind::Cpu,
            device_name: "CPU (avx2+fma, 2 threads)".into(),
            precision: Precision::Int8,
        }
    }

    fn agreement(identities: &[Option<&str>], rows: [&[f32]; 2]) -> Option<PrecisionAgreement> {
        let ids: Vec<String> = (0..identities.len()).map(|i| format!("f{i}")).collect();
        let faces: Vec<_> = ids
            .iter()
            .zip(identities)
            .map(|(id, identity)| Labelled { face_id: id, identity: *identity, image_id: id, content: None })
            .collect();
        let options = SimilarityOptions {
            pairs: PairMode::Auto,
            max_pairs: Some(1),
            upstream: None,
            replicates: 10,
            hardest: 5,
            ..SimilarityOptions::DEFAULT
        };
        compare(&embedder(), "some faces", &faces, rows, &options, 0, &Cancel::default()).unwrap()
    }

    #[test]
    fn cosines_and_differences_are_those_of_the_rows() {
        let a = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let mut b = a;
        (b[0], b[1]) = (0.8, 0.6);
        let found = agreement(&[None, None], [&a, &b]).unwrap();
        assert_eq!((found.faces, found.verification.is_none()), (2, true));
        assert!((found.cosine_min - 0.8).abs() < 1e-7 && (found.cosine_mean - 0.9).abs() < 1e-7, "{found:?}");
        assert!((found.max_difference - 0.6).abs() < 1e-7);
        insta::assert_snapshot!(found.lines().join("\n"), @"int8 against f32 on 2 faces: cosine at least 0.800000, mean 0.900000, largest difference 6.0e-1");
    }

    #[test]
    fn rates_stand_side_by_side_where_there_are_pairs() {
        let people: Vec<_> = (0..40).map(|i| Some(["a", "b", "c", "d"][i % 4])).collect();
        let good: Vec<f32> = (0..40).flat_map(|i| (0..8).map(move |k| f32::from(u8::from(k == i % 4)))).collect();
        let poor = unit_rows(40, 8, 7);
        let found = agreement(&people, [&good, &poor]).unwrap();
        let verification = found.verification.as_ref().unwrap();
        // All pairs, regardless of the config's limit.
        assert_eq!((verification.genuine_pairs, verification.impostor_pairs), (180, 600));
        assert!(verification.f32.eer.bound && verification.lower.eer.point > 0.3, "{verification:?}");
        // 600 pairs resolve 1e-2, not 1e-3.
        assert_eq!(verification.f32.operating_points.len(), 1);
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<PrecisionAgreement>(&text).unwrap().lines(), found.lines());
        insta::assert_snapshot!(found.lines().join("\n"), @r"
        int8 against f32 on 40 faces: cosine at least −0.595159, mean 0.046011, largest difference 1.6e0
        on their 180 genuine and 600 impostor pairs: equal error rate 54.44% (f32 ≤ 52.71%), TAR at FMR 1e-2 1.67% (f32 100.00%)
        ");
    }

    #[test]
    fn fewer_bits_may_be_further_away() {
        let least = Precision::ALL.map(required_cosine);
        assert!(least.is_sorted_by(|a, b| a >= b) && least.iter().all(|least| *least > 0.9), "{least:?}");
    }

    #[test]
    fn nothing_agrees_with_nothing() {
        assert_eq!(agreement(&[], [&[], &[]]), None);
    }
}
