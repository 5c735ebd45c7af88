//! Error rates of the faces that have something in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BreakdownInput;
use super::column::FaceColumn;
use crate::estimate::{Estimate, Unit};
use crate::similarity::member::Member;
use crate::verification::carriers::FEWEST;
use crate::verification::clustered::{Clustering, rate};
use crate::verification::counts::{Count, Membership};

/// Fewest errors expected at the rate of all faces for a slice to be distinguishable (Doddington's rule of 30).
const RULE_OF_30: f64 = 30.0;

/// A pair counts with the identity of its face, and twice where both of its faces are in the slice.
pub(super) const PAIRS: Clustering =
    Clustering { membership: Membership::PerFace, trial: Unit::Pairs, cluster: Unit::Identities };

/// The slices of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slices {
    /// The column.
    pub column: String,
    /// Labelled faces without a value.
    pub unknown: u64,
    /// In the order of the values; at least two.
    pub slices: Vec<Slice>,
}

/// Some labelled faces and the error rates of their pairs at the operating threshold. A pair counts once for each of its
/// faces that is in the slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The value, or the least and the greatest of a quarter of the numbers.
    pub name: String,
    /// Least and greatest value, where they are numbers that were cut into quarters.
    pub range: Option<[f64; 2]>,
    /// Faces.
    pub faces: u64,
    /// Identities of these faces.
    pub identities: u64,
    /// False non-match rate; `None` without a genuine pair.
    pub fnmr: Option<Estimate>,
    /// False match rate; `None` without an impostor pair.
    pub fmr: Option<Estimate>,
    /// Why the slice may be too small to be informative.
    pub warnings: Vec<Warning>,
}

/// Why a slice may be too small to be informative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// Fewer than 8 identities with genuine pairs: the rates say little about other people.
    FewIdentities,
    /// At the rate of all faces there would be fewer than 30 misses.
    FewGenuine,
    /// At the rate of all faces there would be fewer than 30 false matches.
    FewImpostor,
}

impl Warning {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::FewIdentities => "fewer than 8 identities with genuine pairs",
            Self::FewGenuine => "fewer than 30 misses expected",
            Self::FewImpostor => "fewer than 30 false matches expected",
        }
    }
}

/// A column without slices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkippedColumn {
    /// The column.
    pub column: String,
    /// Why, in words.
    pub reason: String,
}

/// All faces, the slices of each column, and the columns without.
pub(super) fn of(input: &BreakdownInput<'_>) -> (Slice, Vec<Slices>, Vec<SkippedColumn>) {
    let members = &input.population.members;
    let all = slice(input, ("all faces".into(), None), members.iter(), None);
    let rows: Vec<u32> = members.iter().map(|member| member.row).collect();
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for column in input.columns {
        match slices(input, column, &rows, &all) {
            Ok(slices) => columns.push(slices),
            Err(reason) => left_out.push(SkippedColumn { column: column.name.clone(), reason }),
        }
    }
    (all, columns, left_out)
}

fn slices(input: &BreakdownInput<'_>, column: &FaceColumn<'_>, rows: &[u32], all: &Slice) -> Result<Slices, String> {
    let groups = column.groups(rows)?;
    let members = || input.population.members.iter().zip(&groups.of);
    Ok(Slices {
        column: column.name.clone(),
        unknown: groups.of.iter().filter(|group| group.is_none()).count() as u64,
        slices: groups
            .names
            .into_iter()
            .enumerate()
            .map(|(i, name)| {
                let of_group = members().filter(|(_, group)| **group == Some(i)).map(|(member, _)| member);
                slice(input, name, of_group, Some(all))
            })
            .collect(),
    })
}

/// `members` are in the population's order: those of one identity follow each other.
fn slice<'a>(
    input: &BreakdownInput<'_>,
    (name, range): (String, Option<[f64; 2]>),
    members: impl Iterator<Item = &'a Member>,
    all: Option<&Slice>,
) -> Slice {
    let errors = input.errors;
    let (mut genuine, mut impostor): (Vec<Count>, Vec<Count>) = (Vec::new(), Vec::new());
    let (mut last, mut faces) = (None, 0);
    for member in members {
        if last.replace(member.identity) != Some(member.identity) {
            genuine.push(Count::default());
            impostor.push(Count::default());
        }
        faces += 1;
        let row = member.row as usize;
        for (clusters, errors, pairs) in [
            (&mut genuine, &errors.misses[0], &errors.genuine),
            (&mut impostor, &errors.false_matches[0], &errors.impostor),
        ] {
            if let Some(cluster) = clusters.last_mut() {
                cluster.hits += u64::from(errors[row]);
                cluster.trials += u64::from(pairs[row]);
            }
        }
    }
    let [fnmr, fmr] = [&genuine, &impostor].map(|clusters| rate(clusters, PAIRS, input.how.level));
    let few = |mine: &Option<Estimate>, all: Option<&Estimate>| {
        let expected = |rate: &Estimate| rate.point * mine.as_ref().map_or(0.0, |mine| mine.n as f64 / 2.0);
        all.is_none_or(|rate| expected(rate) < RULE_OF_30)
    };
    let whole = |of: fn(&Slice) -> &Option<Estimate>, mine| all.map_or(mine, |all| of(all).as_ref());
    let warnings = [
        (genuine.iter().filter(|cluster| cluster.trials > 0).count() < FEWEST, Warning::FewIdentities),
        (few(&fnmr, whole(|all| &all.fnmr, fnmr.as_ref())), Warning::FewGenuine),
        (few(&fmr, whole(|all| &all.fmr, fmr.as_ref())), Warning::FewImpostor),
    ];
    Slice {
        name,
        range,
        faces,
        identities: genuine.len() as u64,
        warnings: warnings.into_iter().filter(|(few, _)| *few).map(|(_, warning)| warning).collect(),
        fnmr,
        fmr,
    }
}
