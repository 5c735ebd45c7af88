//! Fresh faces, rendered beside the training.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use facevault::dataset::synthetic;
use rand::{Rng, RngExt};

/// Pictures of one person, rendered once.
const SAMPLES: u32 = 4;

/// Persons that are kept for more batches.
const KEPT: usize = 3000;

/// New persons a step, at most: rendering must not starve the step.
const FRESH: usize = 32;

/// An endless stream of persons of one universe, the newest of which are kept.
pub struct Pool {
    fresh: Receiver<Vec<Vec<u8>>>,
    persons: Vec<Vec<Vec<u8>>>,
    /// Persons that ever arrived.
    pub seen: usize,
}

impl Pool {
    pub fn new(seed: u64, side: u32, at_least: usize) -> Self {
        let (send, fresh) = sync_channel(FRESH);
        thread::spawn(move || {
            for identity in 0.. {
                let person = (0..SAMPLES).map(|k| synthetic::render(seed, identity, k, side).into_raw()).collect();
                if send.send(person).is_err() {
                    return;
                }
            }
        });
        let persons: Vec<_> = fresh.iter().take(at_least).collect();
        Self { fresh, seen: persons.len(), persons }
    }

    /// `persons` × `samples` pictures, the pictures of a person side by side.
    pub fn batch(&mut self, persons: usize, samples: usize, random: &mut impl Rng) -> Vec<u8> {
        for person in self.fresh.try_iter().take(FRESH) {
            if self.persons.len() < KEPT {
                self.persons.push(person);
            } else {
                self.persons[self.seen % KEPT] = person;
            }
            self.seen += 1;
        }
        let mut pixels = Vec::new();
        for person in distinct(self.persons.len(), persons, random) {
            let pictures = &self.persons[person];
            for picture in distinct(pictures.len(), samples, random) {
                pixels.extend_from_slice(&pictures[picture]);
            }
        }
        pixels
    }
}

/// `count` different numbers below `limit`.
fn distinct(limit: usize, count: usize, random: &mut impl Rng) -> Vec<usize> {
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count.min(limit) {
        let next = random.random_range(0..limit);
        if !chosen.contains(&next) {
            chosen.push(next);
        }
    }
    chosen
}
