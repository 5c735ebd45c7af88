//! Comparing probes with a gallery: blocks of both sides at a time, so that memory grows with probes and templates, not with
//! their product. Every cosine has the same bits whatever the blocks and the number of threads, so ranks and ties have too.

use facevault_base::progress::Cancel;
use facevault_kernels::products::{LEFT, cosine_of};
use rayon::prelude::*;

use super::{Gallery, Template};
use crate::similarity::kernel::Rows;
use crate::similarity::product::PackedRows;

/// Probes of one piece of work.
const PROBES: usize = 3 * LEFT;

/// Templates of the gallery that are packed at once: 4 MB with 512 numbers a row.
const TEMPLATES: usize = 2_048;

/// What a search for one probe finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// The probe's person.
    pub person: u32,
    /// The probe's person in the gallery; `None`: the search is non-mated.
    pub mate: Option<Mate>,
    /// The highest score of another person, and who has it: of several the lowest number. `None` if there is nobody else.
    pub other: Option<OtherPerson>,
}

/// A probe's own person among those of the gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mate {
    /// Their score.
    pub cosine: f32,
    /// 1 plus the number of other people with at least this score.
    pub rank: u32,
}

/// Another person of the gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OtherPerson {
    /// Their number.
    pub person: u32,
    /// Their score.
    pub cosine: f32,
}

/// Searches a gallery for each probe, in their order. The probes' rows are as long as the gallery's. `None` when cancelled.
#[must_use]
pub fn search(gallery: &Gallery<'_>, rows: Rows<'_>, probes: &[Template], cancel: &Cancel) -> Option<Vec<Search>> {
    // Probes of a person share the person's packed templates.
    let mut order: Vec<u32> = (0..probes.len() as u32).collect();
    order.sort_by_key(|&probe| probes[probe as usize].person);
    let found: Vec<Vec<Search>> = order
        .par_chunks(PROBES)
        .map(|places| {
            let probes: Vec<Template> = places.iter().map(|&place| probes[place as usize]).collect();
            piece(gallery, rows, &probes, cancel)
        })
        .collect::<Option<_>>()?;
    let mut searches = vec![Search { person: 0, mate: None, other: None }; probes.len()];
    for (place, found) in order.into_iter().zip(found.into_iter().flatten()) {
        searches[place as usize] = found;
    }
    Some(searches)
}

/// Searches for a few probes, sorted by person.
fn piece(gallery: &Gallery<'_>, rows: Rows<'_>, probes: &[Template], cancel: &Cancel) -> Option<Vec<Search>> {
    let left: Vec<&[f32]> = probes.iter().map(|probe| rows.row(probe.row)).collect();
    let mut mates = Vec::with_capacity(probes.len());
    for probes in probes.chunk_by(|a, b| a.person == b.person) {
        let left = &left[mates.len()..][..probes.len()];
        mates.extend(scores_of(gallery, probes[0].person, left, cancel)?);
    }
    let mut others = vec![Others::default(); probes.len()];
    for first in (0..gallery.templates().len()).step_by(TEMPLATES) {
        if cancel.requested() {
            return None;
        }
        let templates = &gallery.templates()[first..];
        let end = templates.len().min(TEMPLATES);
        PackedRows::of(gallery.rows(first..first + end), gallery.dimension()).products(
            &left,
            |probe, place, product| {
                let others = &mut others[probe];
                others.highest = others.highest.max(cosine_of(product));
                let person = templates[place].person;
                if templates.get(place + 1).is_none_or(|next| next.person != person) {
                    others.judge(person, probes[probe].person, mates[probe]);
                }
            },
        );
    }
    let search = |((probe, mate), others): ((&Template, Option<f32>), Others)| Search {
        person: probe.person,
        mate: mate.map(|cosine| Mate { cosine, rank: others.ahead + 1 }),
        other: others.best,
    };
    Some(probes.iter().zip(mates).zip(others).map(search).collect())
}

/// The score of one person for each of these probes; `None` for one who is not in the gallery.
fn scores_of(gallery: &Gallery<'_>, person: u32, left: &[&[f32]], cancel: &Cancel) -> Option<Vec<Option<f32>>> {
    let mut scores = vec![None; left.len()];
    let of_person = gallery.of(person);
    for first in of_person.clone().step_by(TEMPLATES) {
        if cancel.requested() {
            return None;
        }
        let templates = first..of_person.end.min(first + TEMPLATES);
        PackedRows::of(gallery.rows(templates), gallery.dimension()).products(left, |probe, _, product| {
            let score: &mut Option<f32> = &mut scores[probe];
            *score = Some(score.map_or(cosine_of(product), |highest| highest.max(cosine_of(product))));
        });
    }
    Some(scores)
}

/// What the templates so far say about the people who are not the probe's.
#[derive(Debug, Clone, Copy)]
struct Others {
    /// The highest cosine with the templates of the person whose turn it is.
    highest: f32,
    /// Whoever is most like the probe.
    best: Option<OtherPerson>,
    /// People with at least the mate's score.
    ahead: u32,
}

impl Default for Others {
    fn default() -> Self {
        Self { highest: f32::NEG_INFINITY, best: None, ahead: 0 }
    }
}

impl Others {
    /// After the last template of a person.
    fn judge(&mut self, person: u32, own: u32, mate: Option<f32>) {
        let cosine = std::mem::replace(&mut self.highest, f32::NEG_INFINITY);
        if person == own {
            return;
        }
        self.ahead += u32::from(mate.is_some_and(|mate| cosine >= mate));
        if self.best.is_none_or(|best| cosine > best.cosine) {
            self.best = Some(OtherPerson { person, cosine });
        }
    }
}
