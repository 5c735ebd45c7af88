//! Coarse histograms of the cosines of the identities that fail most, for small multiples.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identities::Identities;
use crate::similarity::Population;
use crate::similarity::kernel::{Rows, cosine};
use crate::similarity::member::Member;
use crate::verification::tally::bin;

/// Bins over [−1, 1].
pub const BINS: usize = 40;
/// Identities shown of each kind.
const EACH: usize = 4;
/// Faces of an identity that are looked at, evenly spaced.
const OWN_FACES: usize = 300;
/// Faces of others that they are compared with, evenly spaced.
const OTHER_FACES: usize = 1500;

/// The cosines of one identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Portrait {
    /// Who.
    pub identity_id: String,
    /// Chosen because it is missed; otherwise because it is confused.
    pub missed: bool,
    /// Cosines among its faces, in 40 equal bins over [−1, 1].
    pub genuine: Vec<u64>,
    /// Cosines to a sample of other identities' faces, in the same bins.
    pub impostor: Vec<u64>,
}

/// The identities that are missed most, then those that are confused most, each once.
#[must_use]
pub fn portraits(rows: Rows<'_>, population: &Population<'_>, identities: &Identities) -> Vec<Portrait> {
    let missed: Vec<_> = identities.worst_missed().into_iter().take(EACH).map(|one| (one, true)).collect();
    let known = |name: &str| missed.iter().any(|(one, _)| one.identity_id == name);
    let confused = identities.worst_confused().into_iter().filter(|one| !known(&one.identity_id)).take(EACH);
    let chosen: Vec<_> = missed.iter().copied().chain(confused.map(|one| (one, false))).collect();
    let find = |name: &str| population.names.binary_search(&name).ok();
    chosen
        .into_iter()
        .filter_map(|(one, missed)| Some(portrait(rows, population, find(&one.identity_id)?, missed)))
        .collect()
}

fn portrait(rows: Rows<'_>, population: &Population<'_>, identity: usize, missed: bool) -> Portrait {
    let own: Vec<&Member> = spaced(&population.members[population.identities[identity].clone()], OWN_FACES).collect();
    let (mut genuine, mut impostor) = (vec![0; BINS], vec![0; BINS]);
    let add = |counts: &mut Vec<u64>, a: &Member, b: &Member| {
        if a.comparable(b) {
            counts[bin(cosine(rows.row(a.row), rows.row(b.row)), BINS)] += 1;
        }
    };
    for (i, a) in own.iter().enumerate() {
        own[i + 1..].iter().for_each(|b| add(&mut genuine, a, b));
        let others = spaced(&population.members, OTHER_FACES).filter(|b| b.identity != a.identity);
        others.for_each(|b| add(&mut impostor, a, b));
    }
    Portrait { identity_id: population.names[identity].into(), missed, genuine, impostor }
}

/// At most `most` faces, evenly spaced.
fn spaced(faces: &[Member], most: usize) -> impl Iterator<Item = &Member> {
    faces.iter().step_by(faces.len().div_ceil(most).max(1))
}
