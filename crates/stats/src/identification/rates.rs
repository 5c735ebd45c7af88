//! How often searches succeed. Intervals are Wilson's with plug-in variance over the probes' people, as everywhere: searches
//! for one person succeed and fail together. The gallery is held fixed.
//!
//! FNIR at an FPIR moves with the threshold, which other non-mated probes would place elsewhere: with t the threshold, FNIR
//! at f moves as FNIR(t) + (g/h)·(FPIR(t) − f) does, as FNMR at an FMR (`verification::rates`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Search;
use crate::estimate::{Estimate, Unit};
use crate::protocol::uncertainty::{Choice, Decided, Decision};
use crate::verification::carriers::{EffectiveTrials, too_few};
use crate::verification::clustered::{ClusteredRate, Clustering, rate};
use crate::verification::counts::{Count, Membership};
use crate::verification::plug_in::PlugIn;
use crate::verification::rates::{binomial, steepness, widen};
use crate::verification::roc::allowed;

const CLUSTERING: Clustering =
    Clustering { membership: Membership::One, trial: Unit::Searches, cluster: Unit::Identities };

/// Which rates are computed.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Ranks of the cumulative match characteristic.
    pub ranks: &'a [u32],
    /// False positive identification rates that thresholds are chosen for; > 0.
    pub fpirs: &'a [f64],
}

/// Searches of a gallery, or of several of about the same size.
#[derive(Debug)]
pub struct Searches<'a> {
    all: &'a [Search],
    /// People in the (smallest) gallery.
    gallery: u64,
    /// The mate must be among this many candidates to be found at a threshold; `None`: at any rank.
    candidates: Option<u32>,
    level: f64,
    /// Place of each search's person among all that have a search.
    units: Vec<u32>,
    people: usize,
    /// Scores of mates that are among the candidates, highest first.
    mates: Vec<f32>,
    /// Highest scores of non-mated searches, highest first.
    non_mates: Vec<f32>,
    counts: SearchCounts,
}

/// Numbers of searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchCounts {
    /// People in the gallery.
    pub gallery: u64,
    /// Searches for somebody who is in the gallery.
    pub mated: u64,
    /// How many people these are.
    pub mated_people: u64,
    /// Searches for somebody who is not.
    pub non_mated: u64,
    /// How many people these are; a probe whose person is not known counts as one.
    pub non_mated_people: u64,
}

/// The share of mated searches of a rank or better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RankRate {
    /// The rank.
    pub rank: u32,
    /// The cumulative match characteristic there. `None` without mated searches, and at ranks that every search reaches
    /// because the gallery holds no more people.
    pub rate: Option<Estimate>,
}

/// Rates at the lowest threshold that keeps a false positive identification rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenSetRates {
    /// The rate aimed at.
    pub target_fpir: f64,
    /// A person is returned whose score is ≥ this. `None`: fewer non-mated searches than 1/FPIR.
    pub threshold: Option<f32>,
    /// The false positive identification rate there: non-mated searches that return anybody.
    pub fpir: Option<Estimate>,
    /// The true positive identification rate: mated searches that return the mate among the candidates.
    pub tpir: Option<Estimate>,
    /// The false negative identification rate: mated searches that do not.
    pub fnir: Option<Estimate>,
}

/// All rates that were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchRates {
    /// Numbers of searches.
    pub counts: SearchCounts,
    /// In the order asked for.
    pub ranks: Vec<RankRate>,
    /// In the order asked for.
    pub open_set: Vec<OpenSetRates>,
}

impl<'a> Searches<'a> {
    /// Sorts searches. `gallery` is the number of people that each searched.
    #[must_use]
    pub fn new(searches: &'a [Search], gallery: u64, candidates: Option<u32>, level: f64) -> Self {
        let mut numbers: Vec<u32> = searches.iter().map(|search| search.person).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let place = |search: &Search| numbers.partition_point(|&number| number < search.person) as u32;
        let units: Vec<u32> = searches.iter().map(place).collect();
        let descending = |mut scores: Vec<f32>| {
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
            scores
        };
        let mates = searches.iter().filter_map(|search| search.mate);
        let among = |rank: u32| candidates.is_none_or(|most| rank <= most);
        let found = mates.filter(|mate| among(mate.rank)).map(|mate| mate.cosine).collect();
        let non_mated = searches.iter().filter(|search| search.mate.is_none());
        let non_mates = non_mated.filter_map(|search| Some(search.other?.cosine)).collect();
        let people = |mated: bool| {
            let mut seen = vec![false; numbers.len()];
            let of_kind = searches.iter().zip(&units).filter(|(search, _)| search.mate.is_some() == mated);
            of_kind.for_each(|(_, &unit)| seen[unit as usize] = true);
            seen.into_iter().filter(|seen| *seen).count() as u64
        };
        let mated = searches.iter().filter(|search| search.mate.is_some()).count() as u64;
        let counts = SearchCounts {
            gallery,
            mated,
            mated_people: people(true),
            non_mated: searches.len() as u64 - mated,
            non_mated_people: people(false),
        };
        let (mates, non_mates) = (descending(found), descending(non_mates));
        Self { all: searches, gallery, candidates, level, people: numbers.len(), units, mates, non_mates, counts }
    }

    /// Numbers of searches.
    #[must_use]
    pub fn counts(&self) -> SearchCounts {
        self.counts
    }

    /// All rates asked for.
    #[must_use]
    pub fn rates(&self, asked: Asked<'_>) -> SearchRates {
        SearchRates {
            counts: self.counts,
            ranks: asked.ranks.iter().map(|&rank| RankRate { rank, rate: self.rank(rank) }).collect(),
            open_set: asked.fpirs.iter().map(|&fpir| self.at_fpir(fpir)).collect(),
        }
    }

    /// The cumulative match characteristic at a rank; see [`RankRate::rate`].
    #[must_use]
    pub fn rank(&self, rank: u32) -> Option<Estimate> {
        if u64::from(rank) >= self.gallery {
            return None;
        }
        let counts = self.by_person(|search| search.mate.map(|mate| mate.rank <= rank));
        rate(&counts, CLUSTERING, self.level)
    }

    /// Rates at the lowest threshold that keeps a false positive identification rate.
    #[must_use]
    pub fn at_fpir(&self, target_fpir: f64) -> OpenSetRates {
        let most = allowed(target_fpir, self.counts.non_mated);
        if most == 0 {
            return OpenSetRates { target_fpir, threshold: None, fpir: None, tpir: None, fnir: None };
        }
        let threshold = self.threshold(most);
        let fpir = rate(&self.false_positives(threshold), CLUSTERING, self.level);
        let fnir = self.fnir(threshold).map(|fnir| {
            let method = format!("{}, the threshold chosen for this FPIR", fnir.method);
            Estimate { method, ..fnir }
        });
        let tpir = fnir.clone().map(Estimate::complement);
        OpenSetRates { target_fpir, threshold: Some(threshold), fpir, tpir, fnir }
    }

    /// The lowest threshold that at most `most` non-mated searches reach.
    pub(super) fn threshold(&self, most: u64) -> f32 {
        self.non_mates.get(most as usize).map_or(-1.0, |next| next.next_up())
    }

    /// Share of non-mated searches that return anybody.
    pub(super) fn fpir(&self, threshold: f32) -> f64 {
        reach(&self.non_mates, threshold) as f64 / self.counts.non_mated as f64
    }

    /// How much TPIR at an FPIR falls for each false positive identification more, as a share, that these searches have at the
    /// threshold: other searches would place it higher. 0 without mated or non-mated searches.
    #[must_use]
    pub fn steepness(&self, threshold: f32) -> f64 {
        let SearchCounts { mated, non_mated, .. } = self.counts;
        if mated == 0 || non_mated == 0 {
            return 0.0;
        }
        let matches = PlugIn::of_counts(&self.false_positives(threshold), Membership::One);
        let positives = reach(&self.non_mates, threshold);
        steepness(positives, non_mated, matches.variance().max(0.0).sqrt(), |most| {
            let threshold = self.threshold(most);
            let found = reach(&self.mates, threshold) as f64 / mated as f64;
            (reach(&self.non_mates, threshold), found)
        })
    }

    /// What runs are compared by at this threshold, which these searches chose: which of them succeed, and how far the others
    /// would move it. `trial` gives the number and the person of a search, by its place, that it has in all runs; `None` where
    /// it is not in all.
    pub fn decided(&self, threshold: f32, trial: impl Fn(usize) -> Option<(u32, u32)>) -> Decided {
        let steepness = self.steepness(threshold);
        let mut decided = Decided::default();
        for (place, search) in self.all.iter().enumerate() {
            let Some((key, person)) = trial(place) else { continue };
            if let Some(mate) = search.mate {
                let right = self.candidates.is_none_or(|most| mate.rank <= most) && mate.cosine >= threshold;
                decided.decisions.push(Decision { key, people: (person, person), right });
            } else {
                let passes = search.other.is_some_and(|other| other.cosine >= threshold);
                decided.choices.push(Choice { key, person, pull: if passes { -steepness } else { 0.0 } });
            }
        }
        decided
    }

    /// FNIR at a threshold that was chosen by these non-mated searches; `None` without mated ones.
    pub(super) fn fnir(&self, threshold: f32) -> Option<Estimate> {
        let SearchCounts { mated, non_mated, mated_people, non_mated_people, .. } = self.counts;
        if mated == 0 {
            return None;
        }
        let level = self.level;
        let [misses, matches] = [self.misses(threshold), self.false_positives(threshold)];
        let matches = PlugIn::of_counts(&matches, Membership::One);
        let positives = reach(&self.non_mates, threshold);
        let fpir = positives as f64 / non_mated as f64;
        let steepness = self.steepness(threshold);
        let point = (mated - reach(&self.mates, threshold)) as f64 / mated as f64;
        let carriers = (mated_people as usize, non_mated_people as usize);
        let plug_in = || {
            let few = too_few(carriers.0, "identities", "mated searches");
            if let Some(reason) = few.or_else(|| too_few(carriers.1, "identities", "non-mated searches")) {
                return Err(reason);
            }
            let misses = PlugIn::of_counts(&misses, Membership::One);
            // A few false positives do not show that the two cancel.
            let apart = misses.variance() + steepness.powi(2) * matches.variance();
            let both = matches.mixed(steepness, &misses, 1.0).over(self.people).at_least(apart);
            Ok((both, format!("{} identities", self.people)))
        };
        let rate = ClusteredRate {
            point,
            n: mated,
            unit: Unit::Searches,
            level,
            independent: binomial(point, mated) + steepness.powi(2) * binomial(fpir, non_mated),
            effective: &|| EffectiveTrials::new(mated, "searches", carriers.0, "identities", None),
            plug_in: &plug_in,
            given: "",
        };
        let mut found = rate.estimate();
        widen(&mut found, steepness, &matches, binomial(fpir, non_mated));
        Some(found)
    }

    fn misses(&self, threshold: f32) -> Vec<Count> {
        let among = |rank: u32| self.candidates.is_none_or(|most| rank <= most);
        self.by_person(|search| search.mate.map(|mate| !among(mate.rank) || mate.cosine < threshold))
    }

    fn false_positives(&self, threshold: f32) -> Vec<Count> {
        let named = |search: &Search| search.other.is_some_and(|other| other.cosine >= threshold);
        self.by_person(|search| search.mate.is_none().then(|| named(search)))
    }

    /// Searches by the probe's person that `hit` says yes to; `None` is no trial.
    fn by_person(&self, hit: impl Fn(&Search) -> Option<bool>) -> Vec<Count> {
        let mut counts = vec![Count::default(); self.people];
        for (search, &unit) in self.all.iter().zip(&self.units) {
            let Some(hit) = hit(search) else { continue };
            let count = &mut counts[unit as usize];
            *count = Count { hits: count.hits + u64::from(hit), trials: count.trials + 1 };
        }
        counts
    }
}

/// How many of these scores, highest first, reach a threshold.
fn reach(scores: &[f32], threshold: f32) -> u64 {
    scores.partition_point(|score| *score >= threshold) as u64
}
