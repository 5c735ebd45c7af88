//! Published lists of pairs in an evaluation: the protocols over them, and, if no face has an identity, the list in
//! place of all pairs.

use super::{EvaluateError, Labelled, SearchedProtocol, TestedProtocol};
use crate::identification::{self, Enrolment, IdentificationProtocol, IdentificationResult, LeftOutSearches};
use crate::protocol::uncertainty::ListedPeople;
use crate::protocol::{self, DATASET_PAIRS, Listed, ListedPair, PairList, PairsSource, Protocol, ProtocolResult};
use crate::similarity::kernel::Rows;
use crate::similarity::listed::RowPair;
use crate::templates::{TemplateCounts, TemplateInput, TemplateProtocol, TemplateSet, TemplatesResult};
use crate::verification::bootstrap::Resampling;
use facevault_base::progress::Cancel;

/// Published lists of pairs, and the protocols that use them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Benchmarks<'a> {
    /// The protocols.
    pub protocols: &'a [Protocol],
    /// Identification protocols, each with its gallery and its probes in manifest rows.
    pub searches: &'a [(&'a IdentificationProtocol, Enrolment)],
    /// The lists, in manifest rows.
    pub lists: &'a [PairList],
    /// Matrix row of each manifest row; `None` without embedding.
    pub row_of: &'a [Option<u32>],
    /// Identity of each manifest row, if known.
    pub identities: &'a [Option<&'a str>],
    /// The template protocols.
    pub template_protocols: &'a [TemplateProtocol],
    /// The templates, if the dataset has any.
    pub templates: Option<&'a TemplateSet>,
    /// The detector's score of each manifest row.
    pub scores: &'a [Option<f32>],
    /// Whether a row is two halves side by side, of the face and of its mirror image.
    pub halves: bool,
}

impl Benchmarks<'_> {
    /// Runs all protocols.
    pub(super) fn run(
        &self,
        rows: Rows<'_>,
        level: f64,
    ) -> Result<(Vec<ProtocolResult>, Vec<TestedProtocol>), EvaluateError> {
        let mut found = (Vec::new(), Vec::new());
        for protocol in self.protocols {
            let name = list_of(protocol);
            let Some(list) = self.lists.iter().find(|list| list.name == name) else {
                return Err(EvaluateError::NoPairs { protocol: protocol.name.clone() });
            };
            let people = ListedPeople::new(self.identities, &list.pairs);
            let listed = Listed { pairs: &list.pairs, row_of: self.row_of, people: &people };
            let (result, pairs) = protocol::run(protocol, listed, rows, self.halves, level)
                .map_err(|source| EvaluateError::Protocol { protocol: protocol.name.clone(), source })?;
            check_left_out(protocol, result.pairs.missing as usize, list.pairs.len())?;
            found.0.push(result);
            found.1.push(TestedProtocol { protocol: protocol.name.clone(), pairs });
        }
        Ok(found)
    }

    /// Runs all template protocols.
    pub(super) fn verify_templates(
        &self,
        rows: Rows<'_>,
        resampling: Resampling,
        cancel: &Cancel,
    ) -> Result<Vec<TemplatesResult>, EvaluateError> {
        let &Self { template_protocols, templates, row_of, scores, .. } = self;
        let one = |protocol: &TemplateProtocol| {
            let name = || protocol.name.clone();
            let set = templates.ok_or_else(|| EvaluateError::NoTemplates { protocol: name() })?;
            let input = TemplateInput { set, row_of, scores, resampling };
            let result = input.verify(protocol, &input.templates(protocol, rows), cancel);
            let result = result
                .map_err(|_| EvaluateError::Interrupted)?
                .ok_or_else(|| EvaluateError::OneKind { protocol: name() })?;
            let TemplateCounts { missing, listed, .. } = result.counts;
            left_out_within(&protocol.name, protocol.max_left_out, missing as usize, listed as usize)?;
            Ok(result)
        };
        template_protocols.iter().map(one).collect()
    }

    /// Runs all identification protocols.
    pub(super) fn search(
        &self,
        rows: Rows<'_>,
        level: f64,
        cancel: &Cancel,
    ) -> Result<(Vec<IdentificationResult>, Vec<SearchedProtocol>), EvaluateError> {
        let mut found = (Vec::new(), Vec::new());
        for (protocol, enrolment) in self.searches {
            let (result, probes) = identification::run(protocol, enrolment, rows, self.row_of, level, cancel)
                .ok_or(EvaluateError::Interrupted)?;
            check_searches(protocol, &result.left_out, enrolment.probes.len())?;
            if result.rates.counts.gallery == 0 {
                let protocol = protocol.name.clone();
                return Err(EvaluateError::NobodyEnrolled { protocol });
            }
            found.1.push(SearchedProtocol { protocol: protocol.name.clone(), probes });
            found.0.push(result);
        }
        Ok(found)
    }

    /// The first list, to use in place of identities if no face has one.
    #[must_use]
    pub fn list_in_place_of_names(&self, faces: &[Labelled<'_>]) -> Option<ListedPairs> {
        let list = self.lists.first()?;
        if faces.iter().any(|face| face.identity.is_some()) {
            return None;
        }
        let row = |face: u32| self.row_of.get(face as usize).copied().flatten();
        let there = |pair: &ListedPair| Some(RowPair { a: row(pair.a)?, b: row(pair.b)?, same: pair.same });
        let people = ListedPeople::new(self.identities, &list.pairs);
        let mut groups = vec![String::new(); faces.len()];
        for (face, row) in (0..).zip(self.row_of) {
            if let Some(name) = row.and_then(|row| groups.get_mut(row as usize)) {
                *name = format!("{:08}", people.of(face));
            }
        }
        Some(ListedPairs { pairs: list.pairs.iter().filter_map(there).collect(), groups })
    }
}

/// Name of a protocol's list.
#[must_use]
pub fn list_of(protocol: &Protocol) -> &str {
    match protocol.pairs {
        PairsSource::Dataset => DATASET_PAIRS,
        PairsSource::Files { .. } => &protocol.name,
    }
}

/// Checks that a protocol tolerates this many left-out pairs.
///
/// # Errors
/// [`EvaluateError::LeftOut`].
pub fn check_left_out(protocol: &Protocol, left_out: usize, pairs: usize) -> Result<(), EvaluateError> {
    left_out_within(&protocol.name, protocol.max_left_out, left_out, pairs)
}

/// Checks that a share of at most `most` pairs is left out.
///
/// # Errors
/// [`EvaluateError::LeftOut`].
pub fn left_out_within(protocol: &str, most: f64, left_out: usize, pairs: usize) -> Result<(), EvaluateError> {
    if left_out as f64 <= most * pairs as f64 {
        return Ok(());
    }
    Err(EvaluateError::LeftOut { protocol: protocol.into(), left_out, pairs, most })
}

/// Checks that an identification protocol tolerates this many left-out probes.
///
/// # Errors
/// [`EvaluateError::SearchesLeftOut`].
pub fn check_searches(
    protocol: &IdentificationProtocol,
    left_out: &LeftOutSearches,
    probes: usize,
) -> Result<(), EvaluateError> {
    let (most, left_out) = (protocol.max_left_out, left_out.searches() as usize);
    if left_out as f64 <= most * probes as f64 {
        return Ok(());
    }
    Err(EvaluateError::SearchesLeftOut { protocol: protocol.name.clone(), left_out, probes, most })
}

/// A list of pairs in place of identities.
#[derive(Debug)]
pub struct ListedPairs {
    /// The list's pairs whose faces are both embedded.
    pub pairs: Vec<RowPair>,
    /// A placeholder identity for each matrix row, naming its group of pictures; never shown.
    groups: Vec<String>,
}

impl ListedPairs {
    /// The faces, labelled by their groups.
    #[must_use]
    pub fn label<'a>(&'a self, faces: &[Labelled<'a>]) -> Vec<Labelled<'a>> {
        faces.iter().zip(&self.groups).map(|(face, group)| Labelled { identity: Some(group), ..*face }).collect()
    }
}
