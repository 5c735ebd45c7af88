//! Identities that fail, labels to review, and identification by centroid.

pub mod audit;
mod centroids;
pub mod headline;
pub(crate) mod identities;
mod one_person;
pub(crate) mod placement;
pub(crate) mod portraits;
pub mod routing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use audit::{Audit, Suspect};
pub use centroids::Centroids;
pub use identities::{Identities, IdentityErrors};
pub use portraits::Portrait;
pub use routing::Routing;

use crate::similarity::kernel::Rows;
use crate::similarity::sampling::Quota;
use crate::similarity::{
    self, ComparedPairs, HardPair, Labelled, PairMode, PairRequest, Population, SimilarityOptions,
};
use crate::verification::bootstrap::{Estimator, Resampling};
use crate::verification::rates::RateEstimator;
use audit::{Evidence, WithAndWithout};
use facevault_base::progress::{Cancel, Silent};
use headline::KeyMetrics;

/// Version of `people.json`; readers refuse what they do not know.
pub const SCHEMA: u32 = 1;

/// Up to this many pairs, headline metrics without suspects are of all that are left, if those with them are of all: some
/// 20 seconds on 2 cores.
const AUDIT_ALL: u64 = 3_000_000_000;

/// Otherwise both are of a sample of at most this many.
const AUDIT_SAMPLE: u64 = 2_000_000;

/// Who fails, which labels are suspect, and what searching centroids finds: `people.json`, but for the lists that are
/// tables of their own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct People {
    /// Version of the form; readers refuse others.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The operating threshold, a cosine: what is below is a miss, what reaches it a match. Of
    /// pairs that are too few for one, that of the equal error rate.
    pub threshold: f64,
    /// Errors by identity.
    pub identities: Identities,
    /// Cosines of the identities that fail most.
    pub portraits: Vec<Portrait>,
    /// Labels to look at.
    pub audit: Audit,
    /// Searching centroids.
    pub routing: Routing,
}

/// The input of [`study`].
#[derive(Debug, Clone, Copy)]
pub struct PeopleInput<'a> {
    /// Unit rows.
    pub rows: Rows<'a>,
    /// All faces, by row.
    pub faces: &'a [Labelled<'a>],
    /// The labelled ones.
    pub population: &'a Population<'a>,
    /// One unit row an identity of the population.
    pub centroids: &'a [f32],
    /// All pairs that were compared.
    pub found: &'a ComparedPairs,
    /// The operating threshold that their errors were counted at, if there is one.
    pub watched: Option<f32>,
    /// Their intervals.
    pub estimator: &'a Estimator,
    /// The hardest of them.
    pub hardest: &'a [HardPair],
    /// The threshold used if there is no operating threshold.
    pub eer_threshold: f64,
    /// Which pairs, and how uncertainty is estimated.
    pub options: &'a SimilarityOptions,
    /// Seed of samples and replicates.
    pub seed: u64,
}

/// Errors by identity, suspect labels and identification. `None` when cancelled.
#[must_use]
pub fn study(input: &PeopleInput<'_>, cancel: &Cancel) -> Option<People> {
    let &PeopleInput { rows, faces, population, found, watched, options, .. } = input;
    let threshold = watched.map_or(input.eer_threshold, f64::from);
    let placed = placement::place(rows, population, input.centroids, cancel)?;
    let how = (options.replicates, input.seed);
    let identities = Identities::new(population, &found.faces, options.confidence, how);
    let margin = found.impostor.moments.std();
    let evidence = Evidence { rows, population, faces, placed: &placed, hardest: input.hardest, threshold, margin };
    let mut audit = Audit::new(&evidence, cancel)?;
    audit.metrics = with_and_without(input, &audit, cancel);
    if cancel.requested() {
        return None;
    }
    Some(People {
        schema: SCHEMA,
        threshold,
        portraits: portraits::portraits(rows, population, &identities),
        identities,
        audit,
        routing: routing::routing(population, &placed, options.confidence),
    })
}

/// Compares again with the suspects that look like someone else unlabelled. `None` without such suspects, when one kind
/// of pair is gone with them, or when cancelled.
fn with_and_without(input: &PeopleInput<'_>, audit: &Audit, cancel: &Cancel) -> Option<WithAndWithout> {
    if audit.another == 0 {
        return None;
    }
    let mut faces = input.faces.to_vec();
    for row in audit.mislabelled() {
        faces[row as usize].identity = None;
    }
    let left = Population::new(&faces, input.seed);
    if left.available.genuine == 0 || left.available.impostor == 0 {
        return None;
    }
    let compared = [&input.found.genuine, &input.found.impostor].map(|tally| tally.moments.count());
    let available = &input.population.available;
    let all =
        compared == [available.genuine, available.impostor] && available.genuine + available.impostor <= AUDIT_ALL;
    let pairs = if all { PairMode::Exhaustive } else { PairMode::Sampled };
    let max_pairs = Some(input.options.max_pairs.unwrap_or(AUDIT_SAMPLE).min(AUDIT_SAMPLE));
    let few = SimilarityOptions { pairs, max_pairs, ..input.options.clone() };
    let quota = |population: &Population<'_>| Quota::new(&population.available, &few);
    let all = quota(input.population);
    // The evaluation itself may have compared just these pairs.
    let with = if compared == [all.genuine, all.impostor] {
        KeyMetrics::of(RateEstimator { estimator: input.estimator, cells: &input.found.cells })
    } else {
        headline(input, input.population, all, cancel)?
    };
    let exhaustive = all.is_all(&input.population.available) && quota(&left).is_all(&left.available);
    let without = headline(input, &left, quota(&left), cancel)?;
    Some(WithAndWithout { exhaustive, with, without })
}

/// Key metrics of a quota of pairs. `None` when one kind of pair was not found, or when cancelled.
fn headline(input: &PeopleInput<'_>, population: &Population<'_>, quota: Quota, cancel: &Cancel) -> Option<KeyMetrics> {
    let request = PairRequest { quota, hardest: 0, watched: &[], seed: input.seed };
    let found = similarity::compare(input.rows, population, &request, &Silent, cancel)?;
    if found.genuine.moments.count() == 0 || found.impostor.moments.count() == 0 {
        return None;
    }
    let (replicates, level) = (input.options.replicates, input.options.confidence);
    let how = Resampling { replicates, level, seed: input.seed };
    let estimator = Estimator::new(&found.genuine, &found.impostor, &found.cells, how, &|| cancel.requested())?;
    Some(KeyMetrics::of(RateEstimator { estimator: &estimator, cells: &found.cells }))
}
