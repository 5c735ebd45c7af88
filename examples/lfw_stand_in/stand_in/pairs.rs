//! Which pictures are compared: as LFW's protocol was drawn, in folds that share no people.

use std::collections::HashSet;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::people::Person;

/// A picture: who it is of, and its number from 1.
pub type Picture = (usize, u32);

/// Two pictures.
pub struct Pair {
    pub same: bool,
    pub a: Picture,
    pub b: Picture,
}

/// `count` different pairs of one person, then as many of two, among the people whose indices are given.
pub fn draw(people: &[Person], who: &[usize], count: usize, random: &mut ChaCha8Rng) -> Vec<Pair> {
    let several: Vec<usize> = who.iter().copied().filter(|&person| people[person].pictures > 1).collect();
    let mut seen = HashSet::new();
    let mut pairs = Vec::with_capacity(2 * count);
    while pairs.len() < 2 * count {
        let same = pairs.len() < count;
        let from = if same { &several } else { who };
        let first = from[random.random_range(0..from.len())];
        let second = if same { first } else { from[random.random_range(0..from.len())] };
        let mut picture = |person: usize| (person, random.random_range(1..=people[person].pictures));
        let (a, b) = (picture(first), picture(second));
        let (a, b) = (a.min(b), a.max(b));
        if a != b && same == (a.0 == b.0) && seen.insert((a, b)) {
            pairs.push(Pair { same, a, b });
        }
    }
    pairs
}

/// How many different pairs of one person there are.
pub fn possible(people: &[Person], who: &[usize]) -> usize {
    who.iter().map(|&person| people[person].pictures as usize).map(|n| n * (n - 1) / 2).sum()
}
