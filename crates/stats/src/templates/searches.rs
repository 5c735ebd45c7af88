//! 1:N over templates: the probes are searched in each gallery, and the galleries' rates are averaged, as IJB-B and IJB-C
//! report them. A probe whose subject is in one gallery is a non-mated search of the other.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{TemplateSet, Templates};
use crate::estimate::Estimate;
use crate::identification::{self, Asked, Gallery, GalleryRule, Searches, Template};
use crate::similarity::kernel::Rows;
use facevault_base::progress::Cancel;

/// Ranks at which the share of mated searches is reported.
pub const RANKS: [u32; 3] = [1, 5, 10];

/// False positive identification rates at which the true positive identification rate is reported.
pub const FPIRS: [f64; 2] = [1e-2, 1e-1];

/// Searches of the probe templates in the galleries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateSearches {
    /// Means of the galleries' rates. The interval is the mean of the galleries' intervals, which holds however their
    /// errors go together.
    pub mean: MeanRates,
    /// Each gallery alone.
    pub galleries: Vec<identification::SearchRates>,
    /// Templates of galleries and probes without a face that has an embedding, which are left out.
    pub left_out: u64,
    /// Searches that are left out because their subject is in the gallery with templates without a face only: such a search
    /// is neither mated nor non-mated.
    #[serde(default)]
    pub not_enrolled: u64,
}

/// Means over galleries; `None` where a gallery has no such rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeanRates {
    /// The share of mated searches whose subject is among the first 1, 5 and 10.
    pub ranks: Vec<MeanRank>,
    /// The true positive identification rate at each false positive identification rate.
    pub open_set: Vec<MeanTpir>,
}

/// The share of mated searches at a rank or better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeanRank {
    /// The rank.
    pub rank: u32,
    /// The share.
    pub rate: Option<Estimate>,
}

/// The true positive identification rate at a false positive identification rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeanTpir {
    /// The false positive identification rate aimed at, in each gallery with its own threshold.
    pub target_fpir: f64,
    /// The true positive identification rate.
    pub tpir: Option<Estimate>,
}

impl TemplateSearches {
    /// Searches the galleries of a set; `Ok(None)` if it has no probes or no gallery.
    ///
    /// # Errors
    /// [`Interrupted`] when cancelled.
    pub fn of(
        set: &TemplateSet,
        templates: &Templates,
        level: f64,
        cancel: &Cancel,
    ) -> Result<Option<Self>, Interrupted> {
        if set.galleries.is_empty() || set.probes.is_empty() {
            return Ok(None);
        }
        let data = templates.to_f32();
        let rows = Rows { data: &data, dimension: templates.dimension() };
        let there = |listed: &[u32]| -> Vec<Template> {
            let there = listed.iter().filter(|&&template| templates.has_face(template));
            there.map(|&row| Template { row, person: set.subject_of[row as usize] }).collect()
        };
        let probes = there(&set.probes);
        let mut left_out = (set.probes.len() - probes.len()) as u64;
        let mut not_enrolled = 0;
        let mut galleries = Vec::new();
        for listed in &set.galleries {
            let of_gallery = there(listed);
            left_out += (listed.len() - of_gallery.len()) as u64;
            let mut lost: HashSet<u32> = listed.iter().map(|&template| set.subject_of[template as usize]).collect();
            for template in &of_gallery {
                lost.remove(&template.person);
            }
            let searched: Vec<Template> =
                probes.iter().filter(|probe| !lost.contains(&probe.person)).copied().collect();
            not_enrolled += (probes.len() - searched.len()) as u64;
            let gallery = Gallery::new(rows, &of_gallery, GalleryRule::Max);
            let searches = identification::search(&gallery, rows, &searched, cancel).ok_or(Interrupted)?;
            let searches = Searches::new(&searches, gallery.people() as u64, None, level);
            galleries.push(searches.rates(Asked { ranks: &RANKS, fpirs: &FPIRS }));
        }
        let rank = |(at, rank): (usize, u32)| MeanRank {
            rank,
            rate: mean(galleries.iter().map(|of| of.ranks[at].rate.as_ref())),
        };
        let tpir = |(at, target_fpir): (usize, f64)| MeanTpir {
            target_fpir,
            tpir: mean(galleries.iter().map(|of| of.open_set[at].tpir.as_ref())),
        };
        let mean = MeanRates {
            ranks: RANKS.into_iter().enumerate().map(rank).collect(),
            open_set: FPIRS.into_iter().enumerate().map(tpir).collect(),
        };
        Ok(Some(Self { mean, galleries, left_out, not_enrolled }))
    }

    /// `rank1`, `tpir@fpir=1e-2` and so on: of the means.
    pub(super) fn estimate(&self, quantity: &str) -> Option<&Estimate> {
        let MeanRates { ranks, open_set } = &self.mean;
        if let Some(rank) = quantity.strip_prefix("rank") {
            let rank: u32 = rank.parse().ok()?;
            return ranks.iter().find(|found| found.rank == rank)?.rate.as_ref();
        }
        let fpir: f64 = quantity.strip_prefix("tpir@fpir=")?.parse().ok()?;
        open_set.iter().find(|found| (found.target_fpir / fpir - 1.0).abs() < 1e-9)?.tpir.as_ref()
    }
}

/// Stopped on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

/// The mean of rates that have the same unit; `None` if one is missing.
fn mean<'a>(rates: impl Iterator<Item = Option<&'a Estimate>>) -> Option<Estimate> {
    let rates: Vec<&Estimate> = rates.collect::<Option<_>>()?;
    let first = *rates.first()?;
    let mean = |of: fn(&Estimate) -> Option<f64>| {
        let ends: Vec<f64> = rates.iter().map(|rate| of(rate)).collect::<Option<_>>()?;
        Some(ends.iter().sum::<f64>() / ends.len() as f64)
    };
    let interval = mean(|rate| rate.lower).zip(mean(|rate| rate.upper));
    Some(Estimate {
        point: mean(|rate| Some(rate.point))?,
        lower: interval.map(|ends| ends.0),
        upper: interval.map(|ends| ends.1),
        n: rates.iter().map(|rate| rate.n).sum(),
        unit: first.unit,
        level: first.level,
        method: match interval {
            Some(_) if rates.len() == 1 => first.method.clone(),
            Some(_) => format!("mean of {} galleries' intervals", rates.len()),
            None => "no interval: a gallery has none".into(),
        },
        bound: rates.iter().all(|rate| rate.bound),
    })
}
