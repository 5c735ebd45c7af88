//! Labels to look at. A face is a suspect when it is *far* from its own: its cosine to the centroid of its identity's
//! other faces is below the operating threshold, and an outlier among all faces' (below Tukey's lower fence, 1977), for a
//! network that misses most pairs at its operating threshold would otherwise suspect most faces. It looks like
//!
//! - *another* when it is *near* the closest other centroid and closer than to its own by the margin (one standard
//!   deviation of impostor cosines). Near is at or above the operating threshold, or the lower quartile of all
//!   faces' cosines to their own where that is lower; or
//! - *nobody* when it is near no centroid. A bystander who inherited the folder's name is such a face, and so is a bad
//!   picture of the right person.
//!
//! An embedding cannot distinguish a wrong label from a face it fails on: a person has to review this list. Faces that
//! cannot be held out (the only ones of their identity) are never suspects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::headline::KeyMetrics;
use super::one_person::one_person;
pub use super::one_person::{FIRST_BY_MEAN, MOST_COMPARED, OnePerson};
use super::placement::Placement;
use crate::similarity::kernel::Rows;
use crate::similarity::{HardPair, Labelled, PairKind, Population};
use facevault_base::progress::Cancel;

/// What the labels look like from the embedding.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// A face whose cosine to its own is below this is a suspect.
    pub far: f64,
    /// From this cosine on a suspect looks like another identity.
    pub near: f64,
    /// How much closer than its own that identity is at least.
    pub margin: f64,
    /// Suspects that look like someone else.
    pub another: u64,
    /// Suspects that look like nobody.
    pub nobody: u64,
    /// Pairs of identities whose faces match on average: their mean cosine reaches the operating threshold.
    pub twice: u64,
    /// Pairs of identities that may be one person, by their highest cosine: the first of those by mean, and those of
    /// the hardest impostor pairs. In a table of their own, too.
    pub one_person: Vec<OnePerson>,
    /// The kept hardest pairs that are on the wrong side of the threshold.
    pub wrong_pairs: Vec<WrongPair>,
    /// Key metrics with all labels as they are, and with the suspects that look like someone else unlabelled.
    /// `None` without such suspects, or when nothing is left to compare.
    pub metrics: Option<WithAndWithout>,
    /// Ranked: those that look like someone else by margin, then those that look like nobody by how little they look like
    /// their own. In a table of its own.
    #[serde(skip)]
    pub suspects: Vec<Suspect>,
}

/// What a suspect looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Looks {
    /// Someone else.
    Another,
    /// Nobody of the run.
    Nobody,
}

/// A face whose label a person should look at: a line of `label_audit.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suspect {
    /// 1 is looked at first.
    pub rank: u64,
    /// The face.
    pub face_id: String,
    /// Its row in the matrix.
    pub row: u32,
    /// Its identity as given.
    pub labelled_as: String,
    /// Cosine to the centroid of that identity's other faces.
    pub own_cosine: f32,
    /// The identity with the closest other centroid.
    pub looks_like: String,
    /// The cosine to it.
    pub its_cosine: f32,
    /// `its_cosine` − `own_cosine`.
    pub margin: f32,
    /// Whether that is more than a coincidence.
    pub kind: Looks,
}

/// One of the hardest pairs, and what would explain that it is on the wrong side of the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrongPair {
    /// Which kind of pair.
    pub kind: PairKind,
    /// Which of that kind.
    pub rank: u32,
    /// Why, perhaps.
    pub cause: Cause,
}

/// What would explain a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// With the identities that the embedding suggests it would be a pair of the other kind.
    WrongLabel,
    /// One of the faces looks like nobody.
    Nobody,
    /// The faces of the two identities match on average, so they look like one person.
    OnePersonTwice,
    /// Nothing here explains it: a hard pair.
    Unexplained,
}

/// The same numbers with and without the suspects that look like someone else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WithAndWithout {
    /// All pairs were compared for both; otherwise both are samples of at most the same number of pairs.
    pub exhaustive: bool,
    /// Labels as they are.
    pub with: KeyMetrics,
    /// Suspects unlabelled.
    pub without: KeyMetrics,
}

/// What the audit looks at.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Unit rows.
    pub rows: Rows<'a>,
    /// Labelled faces.
    pub population: &'a Population<'a>,
    /// All faces, by row.
    pub faces: &'a [Labelled<'a>],
    /// Labelled faces by position.
    pub placed: &'a [Placement],
    /// The hardest pairs.
    pub hardest: &'a [HardPair],
    /// The operating threshold.
    pub threshold: f64,
    /// Standard deviation of impostor cosines.
    pub margin: f64,
}

impl Audit {
    /// Everything but the metrics. `None` when cancelled.
    #[must_use]
    pub fn new(evidence: &Evidence<'_>, cancel: &Cancel) -> Option<Self> {
        let (far, near) = levels(evidence);
        let suspects = suspects(evidence, far, near);
        let (twice, one_person) = one_person(evidence, cancel)?;
        let number = |kind: Looks| suspects.iter().filter(|suspect| suspect.kind == kind).count() as u64;
        Some(Self {
            far,
            near,
            margin: evidence.margin,
            another: number(Looks::Another),
            nobody: number(Looks::Nobody),
            twice,
            wrong_pairs: wrong_pairs(evidence, &suspects, &one_person),
            one_person,
            metrics: None,
            suspects,
        })
    }

    /// The suspect at a row of the matrix.
    #[must_use]
    pub fn suspect(&self, row: u32) -> Option<&Suspect> {
        self.suspects.iter().find(|suspect| suspect.row == row)
    }

    /// Rows of the suspects that look like someone else.
    pub fn mislabelled(&self) -> impl Iterator<Item = u32> {
        self.suspects.iter().filter(|suspect| suspect.kind == Looks::Another).map(|suspect| suspect.row)
    }
}

/// The cosines that count as far from the own identity, and near another.
fn levels(evidence: &Evidence<'_>) -> (f64, f64) {
    let mut own: Vec<f32> = evidence.placed.iter().filter_map(|face| face.own).collect();
    own.sort_by(f32::total_cmp);
    let quartile = |share: f64| own.get((share * own.len().saturating_sub(1) as f64).round() as usize);
    let (Some(&lower), Some(&upper)) = (quartile(0.25), quartile(0.75)) else {
        return (evidence.threshold, evidence.threshold);
    };
    let (lower, upper) = (f64::from(lower), f64::from(upper));
    let fence = lower - 1.5 * (upper - lower);
    (evidence.threshold.min(fence), evidence.threshold.min(lower))
}

fn suspects(evidence: &Evidence<'_>, far: f64, near: f64) -> Vec<Suspect> {
    let Evidence { population, faces, placed, margin, .. } = *evidence;
    let judge = |face: &Placement| {
        let (own, (other, its)) = (face.own?, face.other?);
        let kind = match f64::from(its) >= near {
            _ if f64::from(own) >= far => return None,
            true if f64::from(its) - f64::from(own) >= margin => Looks::Another,
            true => return None,
            false => Looks::Nobody,
        };
        Some((kind, own, other, its))
    };
    let mut found: Vec<Suspect> = population
        .members
        .iter()
        .zip(placed)
        .filter_map(|(member, face)| {
            let (kind, own_cosine, other, its_cosine) = judge(face)?;
            let name = |identity: u32| population.names[identity as usize].to_owned();
            Some(Suspect {
                rank: 0,
                face_id: faces[member.row as usize].face_id.into(),
                row: member.row,
                labelled_as: name(member.identity),
                own_cosine,
                looks_like: name(other),
                its_cosine,
                margin: its_cosine - own_cosine,
                kind,
            })
        })
        .collect();
    let key = |suspect: &Suspect| match suspect.kind {
        Looks::Another => (false, -suspect.margin),
        Looks::Nobody => (true, suspect.own_cosine),
    };
    found.sort_by(|a, b| {
        let ((a_nobody, a_key), (b_nobody, b_key)) = (key(a), key(b));
        a_nobody.cmp(&b_nobody).then(a_key.total_cmp(&b_key)).then_with(|| a.row.cmp(&b.row))
    });
    found.iter_mut().zip(1..).for_each(|(suspect, rank)| suspect.rank = rank);
    found
}

fn wrong_pairs(evidence: &Evidence<'_>, suspects: &[Suspect], one_person: &[OnePerson]) -> Vec<WrongPair> {
    let by_row: std::collections::HashMap<u32, &Suspect> =
        suspects.iter().map(|suspect| (suspect.row, suspect)).collect();
    let cause = |pair: &HardPair| {
        let faces = [(pair.row_a, &pair.identity_a), (pair.row_b, &pair.identity_b)];
        let looks = |kind: Looks, row: u32| by_row.get(&row).filter(|suspect| suspect.kind == kind);
        let [a, b] = faces.map(|(row, label)| looks(Looks::Another, row).map_or(label, |suspect| &suspect.looks_like));
        let named = |one: &OnePerson| {
            let names = [&one.identity_a, &one.identity_b];
            names == [&pair.identity_a, &pair.identity_b] || names == [&pair.identity_b, &pair.identity_a]
        };
        // A wrong impostor pair is always on the list of possible duplicates, and does not explain itself: the rest of
        // the faces has to match, too.
        let alike = || {
            let matching = |one: &&OnePerson| f64::from(one.mean_cosine) >= evidence.threshold;
            one_person.iter().filter(matching).any(named)
        };
        if (a == b) != (pair.kind == PairKind::Genuine) {
            Cause::WrongLabel
        } else if faces.iter().any(|(row, _)| looks(Looks::Nobody, *row).is_some()) {
            Cause::Nobody
        } else if pair.kind == PairKind::Impostor && alike() {
            Cause::OnePersonTwice
        } else {
            Cause::Unexplained
        }
    };
    let wrong = |pair: &&HardPair| (f64::from(pair.cosine) < evidence.threshold) == (pair.kind == PairKind::Genuine);
    let judged = evidence.hardest.iter().filter(wrong);
    judged.map(|pair| WrongPair { kind: pair.kind, rank: pair.rank, cause: cause(pair) }).collect()
}
