//! The schema of `metrics.json`. Every estimate has point, lower, upper and n.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::protocol::ProtocolResult;
use crate::verification::{Distribution, OPERATING_FMR, OperatingPoint, RateIntervals, ThresholdRates};

/// Version of the schema; readers reject other versions.
pub const SCHEMA: u32 = 2;

/// All numbers of one evaluated run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Numbers of faces and identities.
    pub faces: FaceCounts,
    /// The pairs compared.
    pub pairs: PairCounts,
    /// Cosines of genuine pairs.
    pub genuine: Distribution,
    /// Cosines of impostor pairs.
    pub impostor: Distribution,
    /// Separation of the two: |μg−μi| / sqrt((σg²+σi²)/2).
    pub d_prime: Estimate,
    /// Area under the ROC curve: the probability that a genuine pair scores above an impostor pair (ties count half).
    pub auc: Estimate,
    /// Equal error rate.
    pub eer: Estimate,
    /// Threshold at the equal error rate.
    pub eer_threshold: f64,
    /// FNMR at the lowest threshold with FMR ≤ 1e-2. Like the next, a bound without an upper end if there are too few pairs
    /// to observe such a rate.
    pub fmr100: Estimate,
    /// FNMR at the lowest threshold with FMR ≤ 1e-3.
    pub fmr1000: Estimate,
    /// FNMR at the lowest threshold without a false match.
    pub zero_fmr: Estimate,
    /// Error rates at target FMRs 1e-1 … 1e-6, and at lower ones that the pairs resolve.
    pub operating_points: Vec<OperatingPoint>,
    /// The intervals of the resolved operating points' rates, by three methods.
    pub intervals: Vec<RateIntervals>,
    /// Error rates at fixed thresholds.
    pub thresholds: Vec<ThresholdRates>,
    /// Upstream's own sampling against its published table, if configured.
    pub upstream: Option<Upstream>,
    /// Verification protocols over published lists of pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<ProtocolResult>,
    /// `expect:` of the config, judged.
    pub expectations: Vec<Judged>,
}

/// Faces and identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceCounts {
    /// Rows of the manifest.
    pub manifest: u64,
    /// Rows with an embedding.
    pub embedded: u64,
    /// Rows without.
    pub failed: u64,
    /// Embedded rows with an identity.
    pub labelled: u64,
    /// Distinct identities among them.
    pub identities: u64,
    /// Identities with a single embedded face, which have no genuine pair.
    pub singletons: u64,
}

/// The pairs compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairCounts {
    /// `exhaustive`, `sampled`, or `listed`: the faces have no identities, and the pairs come from a published list.
    pub mode: String,
    /// Genuine pairs compared.
    pub genuine: u64,
    /// Impostor pairs compared.
    pub impostor: u64,
    /// All genuine pairs that the rules allow.
    pub genuine_available: u64,
    /// All impostor pairs that the rules allow.
    pub impostor_available: u64,
    /// Pairs excluded because both faces are from one image.
    pub excluded_same_image: u64,
    /// Pairs excluded because both faces have the same content (digest and box).
    pub excluded_same_content: u64,
    /// Faces excluded because they have no identity.
    pub unlabelled_faces: u64,
}

/// Upstream FaceVault's own sampling and its published ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upstream {
    /// All genuine pairs among the first k faces of each identity.
    pub genuine: Distribution,
    /// Random impostor pairs.
    pub impostor: Distribution,
    /// Measured values against published ranges.
    pub rows: Vec<PublishedRow>,
}

/// One published quantity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedRow {
    /// A description: "same identity, mean".
    pub quantity: String,
    /// Measured in this run.
    pub measured: f64,
    /// Lower end of the published range.
    pub lower: f64,
    /// Upper end of the published range.
    pub upper: f64,
    /// Whether `measured` is in the range.
    pub inside: bool,
}

/// A range that a metric must fall in; at least one bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Inclusive lower bound.
    #[schemars(extend("x-unit" = "the metric's unit", "x-default" = "no bound"))]
    pub min: Option<f64>,
    /// Inclusive upper bound.
    #[schemars(extend("x-unit" = "the metric's unit", "x-default" = "no bound"))]
    pub max: Option<f64>,
    /// Where the range is from.
    pub source: Option<String>,
}

/// One expectation of the config, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Metric path, e.g. `eer`.
    pub metric: String,
    /// The value; `None` if this run does not have it.
    pub value: Option<f64>,
    /// Inclusive lower bound.
    pub min: Option<f64>,
    /// Inclusive upper bound.
    pub max: Option<f64>,
    /// The source of the range.
    pub source: Option<String>,
    /// Whether the value is in the range; false without a value.
    pub met: bool,
    /// The reason why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<String>,
}

/// The metrics used to compare runs.
pub const HEADLINES: [&str; 13] = [
    "eer",
    "tar@fmr=1e-1",
    "tar@fmr=1e-2",
    "tar@fmr=1e-3",
    "tar@fmr=1e-4",
    "tar@fmr=1e-5",
    "tar@fmr=1e-6",
    "auc",
    "d_prime",
    "genuine.mean",
    "genuine.std",
    "impostor.mean",
    "impostor.std",
];

/// The paths that `expect:` and [`Metrics::get`] accept, besides protocols' ([`protocol_paths`]).
pub const PATHS: &[&str] = &[
    "eer",
    "auc",
    "d_prime",
    "fmr100",
    "fmr1000",
    "zero_fmr",
    "genuine.mean",
    "genuine.std",
    "genuine.mean_abs",
    "genuine.min",
    "genuine.max",
    "impostor.mean",
    "impostor.std",
    "impostor.mean_abs",
    "impostor.min",
    "impostor.max",
    "tar@fmr=1e-1",
    "tar@fmr=1e-2",
    "tar@fmr=1e-3",
    "tar@fmr=1e-4",
    "tar@fmr=1e-5",
    "tar@fmr=1e-6",
    "faces.manifest",
    "faces.embedded",
    "faces.failed",
    "faces.identities",
    "upstream.genuine.mean",
    "upstream.genuine.std",
    "upstream.genuine.min",
    "upstream.genuine.max",
    "upstream.impostor.mean",
    "upstream.impostor.std",
    "upstream.impostor.min",
    "upstream.impostor.max",
];

/// The quantities of a protocol: the last part of its metric paths.
pub const PROTOCOL_QUANTITIES: [&str; 5] = ["accuracy", "val", "far", "auc", "eer"];

/// The metric paths of a protocol.
pub fn protocol_paths(name: &str) -> impl Iterator<Item = String> {
    PROTOCOL_QUANTITIES.iter().map(move |quantity| format!("{name}.{quantity}"))
}

/// Whether a metric path names a rate, from 0 to 1.
#[must_use]
pub fn is_rate(path: &str) -> bool {
    let quantity = path.rsplit_once('.').map(|(_, quantity)| quantity);
    ["eer", "auc", "fmr100", "fmr1000", "zero_fmr"].contains(&path)
        || path.starts_with("tar@fmr=")
        || quantity.is_some_and(|quantity| PROTOCOL_QUANTITIES.contains(&quantity))
}

/// Why `metrics.json` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadMetricsError {
    /// It has another schema version.
    #[error("schema {found}, but this version of facevault reads schema {expected}")]
    Schema {
        /// The file's schema.
        found: u64,
        /// [`SCHEMA`].
        expected: u32,
    },
    /// It does not match the schema.
    #[error("{0}")]
    Form(String),
}

impl Metrics {
    /// Reads `metrics.json`, checking the schema version before anything else.
    ///
    /// # Errors
    /// [`ReadMetricsError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReadMetricsError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u64,
        }
        let form = |error: serde_json::Error| ReadMetricsError::Form(error.to_string());
        let Version { schema } = serde_json::from_slice(bytes).map_err(form)?;
        if schema != u64::from(SCHEMA) {
            return Err(ReadMetricsError::Schema { found: schema, expected: SCHEMA });
        }
        serde_json::from_slice(bytes).map_err(form)
    }

    /// The same numbers with at most 15 decimals. `serde_json` writes every `f64` exactly but can read numbers with more
    /// digits one unit in the last place off; rounded numbers survive the round trip bit for bit.
    #[must_use]
    pub fn rounded(self) -> Self {
        rounded(self)
    }

    /// The number at one of [`PATHS`] or of a protocol's paths ([`protocol_paths`]); `None` for other paths and for numbers
    /// that this run does not have: a rate that its pairs cannot resolve, upstream's sampling if not configured, d′ without
    /// any spread.
    ///
    /// A rate without an error is its observed value, 0.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<f64> {
        let moment = |of: &Distribution, end: &str| match end {
            "min" => Some(of.min),
            "max" => Some(of.max),
            _ => None,
        };
        let extreme = || match path.rsplit_once('.')? {
            ("genuine", end) => moment(&self.genuine, end),
            ("impostor", end) => moment(&self.impostor, end),
            ("upstream.genuine", end) => moment(&self.upstream.as_ref()?.genuine, end),
            ("upstream.impostor", end) => moment(&self.upstream.as_ref()?.impostor, end),
            _ => None,
        };
        match path {
            "faces.manifest" => Some(self.faces.manifest as f64),
            "faces.embedded" => Some(self.faces.embedded as f64),
            "faces.failed" => Some(self.faces.failed as f64),
            "faces.identities" => Some(self.faces.identities as f64),
            _ => self.estimate(path).map(|estimate| estimate.point).or_else(extreme),
        }
    }

    /// As [`Self::get`], with the interval; `None` also for counts, minima and maxima, which have no interval.
    #[must_use]
    pub fn estimate(&self, path: &str) -> Option<&Estimate> {
        let upstream = self.upstream.as_ref();
        match path {
            "eer" => Some(&self.eer),
            "auc" => Some(&self.auc),
            "d_prime" => Some(&self.d_prime).filter(|d_prime| d_prime.n > 0),
            "fmr100" => resolved(&self.fmr100),
            "fmr1000" => resolved(&self.fmr1000),
            "zero_fmr" => Some(&self.zero_fmr),
            _ if PATHS.contains(&path) => match path.rsplit_once('.') {
                Some(("genuine", moment)) => self.genuine.moment(moment),
                Some(("impostor", moment)) => self.impostor.moment(moment),
                Some(("upstream.genuine", moment)) => upstream?.genuine.moment(moment),
                Some(("upstream.impostor", moment)) => upstream?.impostor.moment(moment),
                _ => self.tar(path.strip_prefix("tar@fmr=")?.parse().ok()?),
            },
            _ => {
                let (name, quantity) = path.rsplit_once('.')?;
                self.protocols.iter().find(|found| found.protocol.name == name)?.estimate(quantity)
            }
        }
    }

    /// Why [`Self::get`] has no number at a path.
    #[must_use]
    pub fn lacks(&self, path: &str) -> String {
        let few = format!("{} impostor pairs are too few to observe such a rate", self.pairs.impostor);
        let protocol = path.rsplit_once('.').map_or(path, |(name, _)| name);
        match path {
            "d_prime" => "neither distribution has any spread".into(),
            "fmr100" | "fmr1000" => few,
            _ if path.starts_with("tar@fmr=") => few,
            _ if path.starts_with("upstream.") => {
                "upstream's sampling is not configured (`similarity.upstream`) or found no pairs".into()
            }
            _ if self.protocols.iter().any(|found| found.protocol.name == protocol) => {
                format!("protocol `{protocol}` does not report this quantity")
            }
            _ => format!("protocol `{protocol}` was not run"),
        }
    }

    /// The operating point for counting errors by identity, by slice and in the label audit: the one with a target FMR of
    /// 0.001, or with the next higher target that the pairs resolve.
    #[must_use]
    pub fn operating(&self) -> Option<&OperatingPoint> {
        let points = self.operating_points.iter().filter(|point| point.target_fmr >= OPERATING_FMR);
        points.filter(|point| point.threshold.is_some()).min_by(|a, b| a.target_fmr.total_cmp(&b.target_fmr))
    }

    /// The true accept rate at a target FMR.
    fn tar(&self, target: f64) -> Option<&Estimate> {
        self.operating_points.iter().find(|point| point.target_fmr == target)?.tar.as_ref()
    }
}

/// The rate, unless only a lower bound is known.
fn resolved(rate: &Estimate) -> Option<&Estimate> {
    (!rate.bound || rate.upper.is_some()).then_some(rate)
}

/// [`Metrics::rounded`] for anything stored as JSON.
pub(crate) fn rounded<T: Serialize + DeserializeOwned>(numbers: T) -> T {
    let rounded = serde_json::to_value(&numbers).map(|mut value| {
        round(&mut value);
        serde_json::from_value(value)
    });
    match rounded {
        Ok(Ok(rounded)) => rounded,
        _ => numbers,
    }
}

/// Rounds every fraction to as many decimals (up to 15) as keep its digits below 2⁵³, where division by a power of ten
/// is exact to the last bit.
fn round(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Array(values) => values.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        Value::Number(number) if number.is_f64() => {
            let x = number.as_f64().unwrap_or_default();
            let scale = [1e15, 1e12, 1e9].into_iter().find(|scale| x.abs() * scale < 8e15).unwrap_or(1.0);
            if let Some(rounded) = serde_json::Number::from_f64((x * scale).round() / scale) {
                *number = rounded;
            }
        }
        _ => {}
    }
}
