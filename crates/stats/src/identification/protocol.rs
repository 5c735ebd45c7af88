//! Runs an identification protocol.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curves::{OpenSetPoint, RankPoint};
use super::roles::{Enrolled, Enrolment};
use super::{Asked, Gallery, IdentificationProtocol, Search, SearchRates, Searches, Template, search};
use crate::estimate::Estimate;
use crate::similarity::kernel::Rows;
use facevault_base::progress::Cancel;
use facevault_base::text::counted;

/// The result of an identification protocol for one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentificationResult {
    /// The protocol as configured.
    pub protocol: IdentificationProtocol,
    /// Faces of the gallery that were compared.
    pub templates: u64,
    /// Faces that only fill the gallery, with and without an embedding.
    #[serde(default)]
    pub distractors: u64,
    /// Faces that were not.
    pub left_out: LeftOutSearches,
    /// Confidence level of the intervals.
    pub confidence: f64,
    /// Numbers of searches, and how often they succeed.
    pub rates: SearchRates,
}

/// Faces of a protocol that were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LeftOutSearches {
    /// Faces of the gallery without an embedding, or that the dataset lacks.
    pub gallery: u64,
    /// Probes without an embedding, or that the dataset lacks.
    pub probes: u64,
    /// Probes of somebody all of whose gallery faces are left out: neither mated nor non-mated.
    pub not_enrolled: u64,
    /// Probes whose picture is in the gallery as well, of their own person: a search could not miss it.
    pub repeated: u64,
}

impl LeftOutSearches {
    /// Searches that were not made because a face is missing.
    #[must_use]
    pub fn searches(&self) -> u64 {
        self.probes + self.not_enrolled
    }
}

/// The search for one probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchedProbe {
    /// The probe's row in the matrix.
    pub row: u32,
    /// What was found.
    pub search: Search,
}

impl IdentificationResult {
    /// The estimate at the last part of one of the protocol's paths; `None` for another one, and where there is no number.
    #[must_use]
    pub fn estimate(&self, quantity: &str) -> Option<&Estimate> {
        if let Some(rank) = quantity.strip_prefix("rank") {
            return self.rates.ranks.iter().find(|found| found.rank.to_string() == rank)?.rate.as_ref();
        }
        let (kind, fpir) = quantity.split_once("@fpir=")?;
        let point = self.rates.open_set.iter().find(|point| format!("{:e}", point.target_fpir) == fpir)?;
        match kind {
            "tpir" => point.tpir.as_ref(),
            "fnir" => point.fnir.as_ref(),
            _ => None,
        }
    }

    /// Why there is no number at one of the protocol's paths.
    #[must_use]
    pub fn lacks(&self, quantity: &str) -> String {
        let counts = self.rates.counts;
        let name = &self.protocol.name;
        if !self.protocol.quantities().any(|known| known == quantity) {
            return format!("protocol `{name}` does not report this quantity");
        }
        match quantity.split_once("@fpir=").and_then(|(_, fpir)| fpir.parse::<f64>().ok()) {
            _ if counts.mated == 0 => format!("no probe of protocol `{name}` has its person in the gallery"),
            Some(fpir) => format!(
                "{} {} too few for an FPIR of {fpir:e}: it takes {}",
                counted(counts.non_mated, "non-mated search"),
                if counts.non_mated == 1 { "is" } else { "are" },
                (1.0 / fpir).ceil()
            ),
            None => format!("the gallery holds {}: every search reaches that rank", counted(counts.gallery, "person")),
        }
    }

    /// Probes of the protocol, with those left out.
    #[must_use]
    pub fn probes(&self) -> usize {
        let counts = self.rates.counts;
        (counts.mated + counts.non_mated + self.left_out.searches()) as usize
    }

    /// The cumulative match characteristic over ranks, and TPIR over FPIR, of the searches it was counted from.
    #[must_use]
    pub fn curves(&self, probes: &[SearchedProbe]) -> (Vec<RankPoint>, Vec<OpenSetPoint>) {
        let found: Vec<Search> = probes.iter().map(|probe| probe.search).collect();
        let searches =
            Searches::new(&found, self.rates.counts.gallery, Some(self.protocol.candidates), self.confidence);
        (searches.cmc(), searches.open_set())
    }
}

/// Runs a protocol. `row_of` is the matrix row of each manifest row, `None` without embedding. `None` when cancelled.
#[must_use]
pub fn run(
    protocol: &IdentificationProtocol,
    enrolment: &Enrolment,
    rows: Rows<'_>,
    row_of: &[Option<u32>],
    level: f64,
    cancel: &Cancel,
) -> Option<(IdentificationResult, Vec<SearchedProbe>)> {
    let embedded = |face: &Enrolled| -> Option<Template> {
        let row = row_of.get(face.row? as usize).copied().flatten()?;
        Some(Template { row, person: face.person })
    };
    let templates: Vec<Template> = enrolment.gallery.iter().filter_map(embedded).collect();
    let people = |of: &mut dyn Iterator<Item = u32>| of.collect::<BTreeSet<u32>>();
    let there = people(&mut templates.iter().map(|template| template.person));
    let lost = &people(&mut enrolment.gallery.iter().map(|face| face.person)) - &there;
    let with_embedding: Vec<Template> = enrolment.probes.iter().filter_map(embedded).collect();
    let probes: Vec<Template> = with_embedding.iter().filter(|probe| !lost.contains(&probe.person)).copied().collect();
    let left_out = LeftOutSearches {
        gallery: (enrolment.gallery.len() - templates.len()) as u64,
        probes: (enrolment.probes.len() - with_embedding.len()) as u64,
        not_enrolled: (with_embedding.len() - probes.len()) as u64,
        repeated: enrolment.repeated,
    };
    let gallery = Gallery::new(rows, &templates, protocol.gallery_rule);
    let found = search(&gallery, rows, &probes, cancel)?;
    let searches = Searches::new(&found, gallery.people() as u64, Some(protocol.candidates), level);
    let rates = searches.rates(Asked { ranks: &protocol.ranks, fpirs: &protocol.fpir });
    let searched = probes.iter().zip(&found).map(|(probe, search)| SearchedProbe { row: probe.row, search: *search });
    let searched = searched.collect();
    let result = IdentificationResult {
        protocol: protocol.clone(),
        templates: templates.len() as u64,
        distractors: enrolment.distractors,
        left_out,
        confidence: level,
        rates,
    };
    Some((result, searched))
}
