//! The schema of `metrics.json`. Every estimate has point, lower, upper and n.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::identification::{IdentificationProtocol, IdentificationResult};
use crate::protocol::{GROUP_QUANTITIES, GroupResult, ProtocolResult};
use crate::similarity::ComparedPairs;
use crate::templates::{self, TemplatesResult};
use crate::verification::cells::Of;
use crate::verification::distribution::distribution;
use crate::verification::rates::RateEstimator;
use crate::verification::{Distribution, OPERATING_FMR, OperatingPoint, RateIntervals, ThresholdRates, thresholds};

/// Version of the schema; readers reject other versions.
pub const SCHEMA: u32 = 2;

/// All numbers of one evaluated run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Metrics {
    /// Version of the form; readers refuse others.
    #[schemars(extend("const" = SCHEMA))]
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
    /// Threshold at the equal error rate, a cosine.
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
    pub upstream: Option<UpstreamResult>,
    /// Verification protocols over published lists of pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<ProtocolResult>,
    /// Groups of these protocols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupResult>,
    /// Verification of templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplatesResult>,
    /// Identification protocols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identification: Vec<IdentificationResult>,
    /// The config's expectations (`expect:`), judged.
    pub expectations: Vec<Judged>,
}

/// Faces and identities.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamResult {
    /// All genuine pairs among the first k faces of each identity.
    pub genuine: Distribution,
    /// Random impostor pairs.
    pub impostor: Distribution,
    /// Measured values against published ranges.
    pub rows: Vec<PublishedRow>,
}

/// One published quantity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// One metric of a run: everything that other code knows about it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its key in `expect:` and in a comparison of runs, e.g. `tar@fmr=1e-3`.
    pub path: &'static str,
    /// In words.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// Which way it is better.
    pub better: MetricDirection,
    /// Whether runs are compared by it.
    pub headline: bool,
    value: Value,
    absent: Absent,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// From 0 to 1, written in percent.
    Rate,
    /// From 0 to 1, with too many nines for percent.
    Area,
    /// From −1 to 1.
    Cosine,
    /// Without a unit.
    Plain,
    /// A number of faces or identities.
    Count,
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MetricDirection {
    /// Lower values.
    Lower,
    /// Higher values.
    Higher,
    /// Neither: the location of cosines decides which thresholds fit, not how well people are distinguished.
    Neither,
}

/// How a metric is read from a run.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// An estimate, which may have an interval.
    Estimated(fn(&Metrics) -> Option<&Estimate>),
    /// A count or an extreme, which has none.
    Exact(fn(&Metrics) -> Option<f64>),
}

/// Why a run may lack a metric.
#[derive(Debug, Clone, Copy)]
enum Absent {
    /// Every run has it.
    Never,
    /// Neither distribution has any spread.
    NoSpread,
    /// Too few pairs to resolve the rate.
    TooFewPairs,
    /// `similarity.upstream` is not set, or its sampling found no pair.
    NoUpstream,
}

const fn metric(
    path: &'static str,
    name: &'static str,
    kind: MetricKind,
    better: MetricDirection,
    value: Value,
    absent: Absent,
) -> Metric {
    Metric { path, name, kind, better, headline: false, value, absent }
}

impl Metric {
    const fn headline(self) -> Self {
        Self { headline: true, ..self }
    }
}

use Value::{Estimated, Exact};

/// Every metric, headlines first. A new metric is a row here, its field of [`Metrics`], its computation (called in
/// `Metrics::of`), its line in the documentation and a test.
#[rustfmt::skip]
pub const METRICS: &[Metric] = &[
    metric("eer", "equal error rate", MetricKind::Rate, MetricDirection::Lower, Estimated(|m| Some(&m.eer)), Absent::Never).headline(),
    metric("tar@fmr=1e-1", "TAR at FMR 1e-1", MetricKind::Rate, MetricDirection::Higher, Estimated(|m| m.tar(1e-1)), Absent::TooFewPairs).headline(),
    metric("tar@fmr=1e-2", "TAR at FMR 1e-2", MetricKind::Rate, MetricDirection::Higher, Estimated(|m| m.tar(1e-2)), Absent::TooFewPairs).headline(),
    metric("tar@fmr=1e-3", "TAR at FMR 1e-3", MetricKind::Rate, MetricDirection::Higher, Estimated(|m| m.tar(1e-3)), Absent::TooFewPairs).headline(),
    metric("tar@fmr=1e-4", "TAR at FMR 1e-4", MetricKind::Rate, MetricDirection::Higher, Estimated(|m| m.tar(1e-4)), Absent::TooFewPairs).headline(),
    metric("tar@fmr=1e-5", "TAR at FMR 1e-5", MetricKind::Rate, MetricDirection::Higher, Estimated(|m| m.tar(1e-5)), Absent::TooFewPairs).headline(),
    metric("tar@fmr=1e-6", "TAR at FMR 1e-6", MetricKind::Rate, MetricDirection::Higher, Estimated(|m| m.tar(1e-6)), Absent::TooFewPairs).headline(),
    metric("auc", "area under the ROC curve", MetricKind::Area, MetricDirection::Higher, Estimated(|m| Some(&m.auc)), Absent::Never).headline(),
    metric("d_prime", "separation d′", MetricKind::Plain, MetricDirection::Higher, Estimated(|m| Some(&m.d_prime).filter(|d_prime| d_prime.n > 0)), Absent::NoSpread).headline(),
    metric("genuine.mean", "genuine cosine, mean", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.genuine.mean)), Absent::Never).headline(),
    metric("genuine.std", "genuine cosine, standard deviation", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.genuine.std)), Absent::Never).headline(),
    metric("impostor.mean", "impostor cosine, mean", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.impostor.mean)), Absent::Never).headline(),
    metric("impostor.std", "impostor cosine, standard deviation", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.impostor.std)), Absent::Never).headline(),
    metric("fmr100", "FNMR at FMR 1e-2", MetricKind::Rate, MetricDirection::Lower, Estimated(|m| resolved(&m.fmr100)), Absent::TooFewPairs),
    metric("fmr1000", "FNMR at FMR 1e-3", MetricKind::Rate, MetricDirection::Lower, Estimated(|m| resolved(&m.fmr1000)), Absent::TooFewPairs),
    metric("zero_fmr", "FNMR without a false match", MetricKind::Rate, MetricDirection::Lower, Estimated(|m| Some(&m.zero_fmr)), Absent::Never),
    metric("genuine.mean_abs", "genuine cosine, mean magnitude", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.genuine.mean_abs)), Absent::Never),
    metric("genuine.min", "genuine cosine, smallest", MetricKind::Cosine, MetricDirection::Neither, Exact(|m| Some(m.genuine.min)), Absent::Never),
    metric("genuine.max", "genuine cosine, largest", MetricKind::Cosine, MetricDirection::Neither, Exact(|m| Some(m.genuine.max)), Absent::Never),
    metric("impostor.mean_abs", "impostor cosine, mean magnitude", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.impostor.mean_abs)), Absent::Never),
    metric("impostor.min", "impostor cosine, smallest", MetricKind::Cosine, MetricDirection::Neither, Exact(|m| Some(m.impostor.min)), Absent::Never),
    metric("impostor.max", "impostor cosine, largest", MetricKind::Cosine, MetricDirection::Neither, Exact(|m| Some(m.impostor.max)), Absent::Never),
    metric("faces.manifest", "faces in the manifest", MetricKind::Count, MetricDirection::Neither, Exact(|m| Some(m.faces.manifest as f64)), Absent::Never),
    metric("faces.embedded", "embedded faces", MetricKind::Count, MetricDirection::Neither, Exact(|m| Some(m.faces.embedded as f64)), Absent::Never),
    metric("faces.failed", "faces without an embedding", MetricKind::Count, MetricDirection::Neither, Exact(|m| Some(m.faces.failed as f64)), Absent::Never),
    metric("faces.identities", "identities", MetricKind::Count, MetricDirection::Neither, Exact(|m| Some(m.faces.identities as f64)), Absent::Never),
    metric("upstream.genuine.mean", "upstream's sampling, genuine cosine, mean", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.upstream.as_ref()?.genuine.mean)), Absent::NoUpstream),
    metric("upstream.genuine.std", "upstream's sampling, genuine cosine, standard deviation", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.upstream.as_ref()?.genuine.std)), Absent::NoUpstream),
    metric("upstream.genuine.min", "upstream's sampling, genuine cosine, smallest", MetricKind::Cosine, MetricDirection::Neither, Exact(|m| Some(m.upstream.as_ref()?.genuine.min)), Absent::NoUpstream),
    metric("upstream.genuine.max", "upstream's sampling, genuine cosine, largest", MetricKind::Cosine, MetricDirection::Neither, Exact(|m| Some(m.upstream.as_ref()?.genuine.max)), Absent::NoUpstream),
    metric("upstream.impostor.mean", "upstream's sampling, impostor cosine, mean", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.upstream.as_ref()?.impostor.mean)), Absent::NoUpstream),
    metric("upstream.impostor.std", "upstream's sampling, impostor cosine, standard deviation", MetricKind::Cosine, MetricDirection::Neither, Estimated(|m| Some(&m.upstream.as_ref()?.impostor.std)), Absent::NoUpstream),
    metric("upstream.impostor.min", "upstream's sampling, impostor cosine, smallest", MetricKind::Cosine, MetricDirection::Neither, Exact(|m| Some(m.upstream.as_ref()?.impostor.min)), Absent::NoUpstream),
    metric("upstream.impostor.max", "upstream's sampling, impostor cosine, largest", MetricKind::Cosine, MetricDirection::Neither, Exact(|m| Some(m.upstream.as_ref()?.impostor.max)), Absent::NoUpstream),
];

const ALL_PATHS: [&str; METRICS.len()] = {
    let (mut paths, mut i) = ([""; METRICS.len()], 0);
    while i < paths.len() {
        paths[i] = METRICS[i].path;
        i += 1;
    }
    paths
};

/// Paths of the metrics that runs are compared by.
pub const HEADLINES: &[&str] = {
    let mut count = 0;
    while METRICS[count].headline {
        count += 1;
    }
    PATHS.split_at(count).0
};

/// Every path that `expect:` may name and [`Metrics::get`] answers.
pub const PATHS: &[&str] = &ALL_PATHS;

/// The metric at a path; `None` for any other path, also that of a protocol.
#[must_use]
pub fn find(path: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.path == path)
}

/// What a protocol's metric paths end in. All of them are rates.
pub const PROTOCOL_QUANTITIES: [&str; 5] = ["accuracy", "val", "far", "auc", "eer"];

/// The metric paths of a protocol.
pub fn protocol_paths(name: &str) -> impl Iterator<Item = String> {
    PROTOCOL_QUANTITIES.iter().map(move |quantity| format!("{name}.{quantity}"))
}

/// The metric paths of a group of protocols.
pub fn group_paths(name: &str) -> impl Iterator<Item = String> {
    GROUP_QUANTITIES.iter().map(move |quantity| format!("{name}.{quantity}"))
}

/// The metric paths of a template protocol.
pub fn template_paths(name: &str) -> impl Iterator<Item = String> {
    templates::QUANTITIES.iter().map(move |quantity| format!("{name}.{quantity}"))
}

/// The metric paths of an identification protocol.
pub fn identification_paths(protocol: &IdentificationProtocol) -> impl Iterator<Item = String> {
    protocol.quantities().map(|quantity| format!("{}.{quantity}", protocol.name))
}

/// What an identification protocol's metric paths end in, as a regular expression. All of them are rates.
pub const IDENTIFICATION_QUANTITIES: &str = r"rank[1-9][0-9]*|(tpir|fnir)@fpir=[1-9](\.[0-9]+)?e-?[0-9]+";

fn is_of_identification(quantity: &str) -> bool {
    let rank = || quantity.strip_prefix("rank")?.parse::<u32>().ok();
    let fpir = || {
        let (kind, fpir) = quantity.split_once("@fpir=")?;
        ["tpir", "fnir"].contains(&kind).then_some(fpir)?.parse::<f64>().ok()
    };
    rank().is_some() || fpir().is_some()
}

/// Which way the metric at a path is better.
#[must_use]
pub fn better(path: &str) -> MetricDirection {
    let of_protocol = || {
        let quantity = path.split_once('.').map_or("", |(_, quantity)| quantity);
        let lower = ["far", "eer", "spread", "std"].contains(&quantity) || quantity.starts_with("fnir@");
        if lower { MetricDirection::Lower } else { MetricDirection::Higher }
    };
    find(path).map_or_else(of_protocol, |metric| metric.better)
}

/// What kind of number is at a path of [`PATHS`] or of a protocol; `None` for any other path.
#[must_use]
pub fn kind(path: &str) -> Option<MetricKind> {
    let of_protocol = || {
        let (_, quantity) = path.split_once('.')?;
        let known = [&PROTOCOL_QUANTITIES[..], &GROUP_QUANTITIES, &templates::QUANTITIES].concat().contains(&quantity);
        (known || is_of_identification(quantity)).then_some(MetricKind::Rate)
    };
    find(path).map(|metric| metric.kind).or_else(of_protocol)
}

/// Whether a metric path names a rate, from 0 to 1.
#[must_use]
pub fn is_rate(path: &str) -> bool {
    matches!(kind(path), Some(MetricKind::Rate | MetricKind::Area))
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

    /// Every number that follows from cosines alone.
    #[must_use]
    pub(crate) fn of(
        rates: RateEstimator<'_>,
        found: &ComparedPairs,
        faces: FaceCounts,
        pairs: PairCounts,
        upstream: Option<UpstreamResult>,
    ) -> Self {
        let estimator = rates.estimator;
        let (eer, eer_threshold) = rates.eer();
        let (operating_points, intervals) = thresholds::operating_points(rates);
        Self {
            schema: SCHEMA,
            faces,
            pairs,
            genuine: distribution(estimator, &found.genuine, Of::Genuine),
            impostor: distribution(estimator, &found.impostor, Of::Impostor),
            d_prime: thresholds::d_prime(estimator),
            auc: thresholds::auc(rates),
            eer,
            eer_threshold,
            fmr100: thresholds::fnmr_at(rates, 1e-2),
            fmr1000: thresholds::fnmr_at(rates, 1e-3),
            zero_fmr: thresholds::fnmr_at(rates, 0.0),
            operating_points,
            intervals,
            thresholds: thresholds::ladder(rates),
            upstream,
            protocols: Vec::new(),
            groups: Vec::new(),
            templates: Vec::new(),
            identification: Vec::new(),
            expectations: Vec::new(),
        }
    }

    /// The number at one of [`PATHS`] or of a protocol's paths ([`protocol_paths`]); `None` for other paths and for numbers
    /// that this run does not have: a rate that its pairs cannot resolve, upstream's sampling if not configured, d′ without
    /// any spread.
    ///
    /// A rate without an error is its observed value, 0.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<f64> {
        match find(path) {
            Some(Metric { value: Exact(read), .. }) => read(self),
            _ => self.estimate(path).map(|estimate| estimate.point),
        }
    }

    /// As [`Self::get`], with the interval; `None` also for counts, minima and maxima, which have no interval.
    #[must_use]
    pub fn estimate(&self, path: &str) -> Option<&Estimate> {
        match find(path) {
            Some(Metric { value: Estimated(read), .. }) => read(self),
            Some(_) => None,
            None => {
                let (name, quantity) = path.split_once('.')?;
                if let Some(found) = self.protocols.iter().find(|found| found.protocol.name == name) {
                    return found.estimate(quantity);
                }
                if let Some(found) = self.templates.iter().find(|found| found.protocol.name == name) {
                    return found.estimate(quantity);
                }
                if let Some(found) = self.groups.iter().find(|found| found.group == name) {
                    return found.estimate(quantity);
                }
                self.identified(name)?.estimate(quantity)
            }
        }
    }

    /// Why [`Self::get`] has no number at a path.
    #[must_use]
    pub fn lacks(&self, path: &str) -> String {
        let (protocol, quantity) = path.split_once('.').unwrap_or((path, ""));
        match find(path).map(|metric| metric.absent) {
            Some(Absent::NoSpread) => "neither distribution has any spread".into(),
            Some(Absent::TooFewPairs) => {
                format!("{} impostor pairs are too few to observe such a rate", self.pairs.impostor)
            }
            Some(Absent::NoUpstream) => {
                "upstream's sampling is not configured (`similarity.upstream`) or found no pairs".into()
            }
            _ if self.protocols.iter().any(|found| found.protocol.name == protocol) => {
                format!("protocol `{protocol}` does not report this quantity")
            }
            _ if self.templates.iter().any(|found| found.protocol.name == protocol) => {
                format!("protocol `{protocol}` has too few pairs or searches to observe such a rate, or no gallery")
            }
            _ => match self.identified(protocol) {
                Some(found) => found.lacks(quantity),
                None => format!("protocol `{protocol}` was not run"),
            },
        }
    }

    fn identified(&self, protocol: &str) -> Option<&IdentificationResult> {
        self.identification.iter().find(|found| found.protocol.name == protocol)
    }

    /// The operating point for counting errors by identity, by slice and in the label audit: the one with a target FMR of
    /// 0.001, or with the next higher target that the pairs resolve.
    #[must_use]
    pub fn operating(&self) -> Option<&OperatingPoint> {
        let points = self.operating_points.iter().filter(|point| point.target_fmr >= OPERATING_FMR);
        points.filter(|point| point.threshold.is_some()).min_by(|a, b| a.target_fmr.total_cmp(&b.target_fmr))
    }

    /// True accept rate at a target false match rate; `None` where the pairs cannot resolve it.
    #[must_use]
    pub fn tar(&self, fmr: f64) -> Option<&Estimate> {
        OperatingPoint::find(&self.operating_points, fmr)?.tar.as_ref()
    }
}

/// The rate, unless only a lower bound is known.
fn resolved(rate: &Estimate) -> Option<&Estimate> {
    (!rate.bound || rate.upper.is_some()).then_some(rate)
}
