//! Labelled faces grouped by identity, and which of their pairs are excluded.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use super::exclusions::Exclusions;
use super::member::Member;
use crate::verification::cells::MAX_UNITS;
use crate::verification::random::Draw;
use facevault_base::digest::Digest;

/// What a comparison needs to know about an embedded face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labelled<'a> {
    /// Its id.
    pub face_id: &'a str,
    /// Who it is, if known.
    pub identity: Option<&'a str>,
    /// The photo it is from.
    pub image_id: &'a str,
    /// Digest of its picture, and its box there (the bits of four floats). Equal values mean the same picture twice.
    pub content: Option<(Digest, Option<[u32; 4]>)>,
}

/// Labelled faces in the order of comparison: by resampled unit, then identity, then row. A face's place in that order
/// is its *position*.
#[derive(Debug, Clone)]
pub struct Population<'a> {
    /// All labelled faces.
    pub members: Vec<Member>,
    /// Identities, sorted as strings.
    pub names: Vec<&'a str>,
    /// Positions of each identity's faces.
    pub identities: Vec<Range<usize>>,
    /// Positions of each resampled unit's faces.
    pub units: Vec<Range<usize>>,
    /// Unit of each identity.
    pub unit_of: Vec<u16>,
    /// Rows of the matrix, with and without identity.
    pub rows: usize,
    /// Faces without identity.
    pub unlabelled: u64,
    /// Which pairs exist and which are left out.
    pub available: Available,
    /// Which pairs are left out, face by face.
    pub exclusions: Exclusions,
}

/// Numbers of pairs, counted without enumerating them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Available {
    /// Comparable genuine pairs of each resampled unit.
    pub genuine_by_unit: Vec<u64>,
    /// Comparable genuine pairs.
    pub genuine: u64,
    /// Comparable impostor pairs.
    pub impostor: u64,
    /// Pairs from one photo.
    pub same_image: u64,
    /// Pairs of one picture, from different photos.
    pub same_content: u64,
}

impl<'a> Population<'a> {
    /// Groups the faces; `faces[i]` is row i of the matrix. The seed chooses which identities are resampled together
    /// when there are more than [`MAX_UNITS`].
    #[must_use]
    pub fn new(faces: &[Labelled<'a>], seed: u64) -> Self {
        let mut names: Vec<&str> = faces.iter().filter_map(|face| face.identity).collect();
        names.sort_unstable();
        names.dedup();
        let mut faces_of = vec![0_u32; names.len()];
        for identity in faces.iter().filter_map(|face| names.binary_search(&face.identity?).ok()) {
            faces_of[identity] += 1;
        }
        let unit_of = units(&faces_of, seed);
        let (mut images, mut contents) = (HashMap::new(), HashMap::new());
        let mut members: Vec<Member> = Vec::with_capacity(faces.len());
        for (row, face) in faces.iter().enumerate() {
            let Some(identity) = face.identity.and_then(|name| names.binary_search(&name).ok()) else { continue };
            members.push(Member {
                row: row as u32,
                identity: identity as u32,
                image: number(&mut images, face.image_id),
                // An unknown picture equals no other.
                content: number(&mut contents, face.content.ok_or(row)),
            });
        }
        members.sort_unstable_by_key(|member| (unit_of[member.identity as usize], member.identity, member.row));
        let mut identities = vec![0..0; names.len()];
        let mut units = vec![0..0; names.len().min(MAX_UNITS)];
        for (position, member) in members.iter().enumerate() {
            let identity = member.identity as usize;
            for range in [&mut identities[identity], &mut units[usize::from(unit_of[identity])]] {
                *range = if range.start == range.end { position } else { range.start }..position + 1;
            }
        }
        let unlabelled = (faces.len() - members.len()) as u64;
        let available = Available::count(&members, &units);
        let exclusions = Exclusions::new(&members);
        Self { members, names, identities, units, unit_of, rows: faces.len(), unlabelled, available, exclusions }
    }
}

/// Unit of each identity: its own if there are few, otherwise a random group of identities; all groups have equal size.
/// Identities with more than one face are dealt out first, so that those with genuine pairs are spread over as
/// many units as possible.
fn units(faces_of: &[u32], seed: u64) -> Vec<u16> {
    let mut order: Vec<usize> = (0..faces_of.len()).collect();
    if order.len() > MAX_UNITS {
        Draw::units(seed).shuffle(&mut order);
        order.sort_by_key(|&identity| faces_of[identity] < 2);
    }
    let mut unit_of = vec![0; order.len()];
    for (place, identity) in order.into_iter().enumerate() {
        unit_of[identity] = (place % MAX_UNITS) as u16;
    }
    unit_of
}

impl Available {
    fn count(members: &[Member], units: &[Range<usize>]) -> Self {
        let shared = |members: &[Member]| {
            let image = pairs_with_equal(members, |m| m.image);
            let content =
                pairs_with_equal(members, |m| m.content) - pairs_with_equal(members, |m| (m.content, m.image));
            (image, content)
        };
        let (same_image, same_content) = shared(members);
        let genuine_by_unit: Vec<u64> = units
            .iter()
            .map(|unit| {
                let members = &members[unit.clone()];
                let all = pairs_with_equal(members, |m| m.identity);
                let image = pairs_with_equal(members, |m| (m.identity, m.image));
                let content = pairs_with_equal(members, |m| (m.identity, m.content))
                    - pairs_with_equal(members, |m| (m.identity, m.content, m.image));
                all - image - content
            })
            .collect();
        let genuine = genuine_by_unit.iter().sum();
        let impostor = pairs(members.len() as u64) - same_image - same_content - genuine;
        Self { genuine_by_unit, genuine, impostor, same_image, same_content }
    }
}

/// n(n−1)/2.
#[must_use]
pub fn pairs(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

/// Number of pairs whose members have equal keys.
fn pairs_with_equal<K: Ord>(members: &[Member], key: impl Fn(&Member) -> K) -> u64 {
    let mut keys: Vec<K> = members.iter().map(key).collect();
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).map(|run| pairs(run.len() as u64)).sum()
}

/// Numbers things in the order in which they are first seen.
fn number<K: Eq + Hash>(seen: &mut HashMap<K, u32>, key: K) -> u32 {
    let next = seen.len() as u32;
    *seen.entry(key).or_insert(next)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Faces with few different labels, so that all combinations of rules occur: (identity, image, content).
    pub(crate) type Labels = Vec<(Option<u8>, u8, Option<u8>)>;

    pub(crate) fn labels(faces: usize) -> impl Strategy<Value = Labels> {
        prop::collection::vec(
            (prop::option::weighted(0.9, 0u8..5), 0u8..12, prop::option::weighted(0.8, 0u8..12)),
            2..faces,
        )
    }

    /// Strings that [`Labelled`] can borrow from.
    pub(crate) fn strings() -> Vec<String> {
        (0..12).map(|number| format!("n{number:06}")).collect()
    }

    pub(crate) fn labelled<'a>(labels: &Labels, strings: &'a [String]) -> Vec<Labelled<'a>> {
        labels
            .iter()
            .map(|&(identity, image, content)| Labelled {
                face_id: &strings[usize::from(image)],
                identity: identity.map(|identity| strings[usize::from(identity)].as_str()),
                image_id: &strings[usize::from(image)],
                content: content.map(|content| (Digest::of(&[content]), None)),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn counts_are_those_of_looking_at_every_pair(labels in labels(40)) {
            let strings = strings();
            let faces = labelled(&labels, &strings);
            let found = Population::new(&faces, 1);
            let mut expected = Available::default();
            let known: Vec<_> = faces.iter().filter(|face| face.identity.is_some()).collect();
            for (i, a) in known.iter().enumerate() {
                for b in &known[i + 1..] {
                    if a.image_id == b.image_id {
                        expected.same_image += 1;
                    } else if a.content.is_some() && a.content == b.content {
                        expected.same_content += 1;
                    } else if a.identity == b.identity {
                        expected.genuine += 1;
                    } else {
                        expected.impostor += 1;
                    }
                }
            }
            prop_assert_eq!(found.unlabelled as usize, faces.len() - known.len());
            prop_assert_eq!(found.available.genuine_by_unit.iter().sum::<u64>(), expected.genuine);
            expected.genuine_by_unit.clone_from(&found.available.genuine_by_unit);
            prop_assert_eq!(found.available, expected);
        }
    }

    #[test]
    fn many_identities_are_resampled_in_even_groups() {
        let unit_of = units(&[2; 250], 3);
        let mut sizes = [0; MAX_UNITS];
        for &unit in &unit_of {
            sizes[usize::from(unit)] += 1;
        }
        assert!(sizes.iter().all(|size| (2..=3).contains(size)), "{sizes:?}");
        assert_ne!(unit_of, units(&[2; 250], 4));
        assert_eq!(units(&[2; 3], 9), [0, 1, 2]);
        let few: Vec<u32> = (0..5_000).map(|identity| 1 + u32::from(identity % 500 == 7)).collect();
        let unit_of = units(&few, 3);
        let repeated: std::collections::BTreeSet<u16> =
            (0..5_000).filter(|&identity| few[identity] > 1).map(|identity| unit_of[identity]).collect();
        assert_eq!(repeated.len(), 10, "ten people with two faces are in ten units");
    }
}
