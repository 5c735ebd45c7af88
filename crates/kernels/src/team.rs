//! Threads that compute one group of faces together, layer by layer.

use std::ops::Range;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Where all members wait for the last one. A layer of one face takes some 100 µs, far less than waking a thread, so members
/// spin, and yield only when one is late.
pub struct Barrier {
    size: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

/// Spins before a waiting member yields its core.
const SPINS_BEFORE_YIELD: u32 = 4_000;

impl Barrier {
    /// For so many threads.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, arrived: AtomicUsize::new(0), round: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }

    fn wait(&self) {
        let round = self.round.load(Relaxed);
        if self.arrived.fetch_add(1, AcqRel) + 1 == self.size {
            self.arrived.store(0, Relaxed);
            self.round.store(round.wrapping_add(1), Release);
            return;
        }
        let mut spins = 0;
        while self.round.load(Acquire) == round {
            assert!(!self.broken.load(Relaxed), "another thread of the forward pass panicked");
            spins += 1;
            if spins < SPINS_BEFORE_YIELD { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// One thread of a team.
pub struct TeamMember<'a> {
    rank: usize,
    barrier: &'a Barrier,
}

impl<'a> TeamMember<'a> {
    /// The thread of this rank, from 0.
    #[must_use]
    pub fn new(rank: usize, barrier: &'a Barrier) -> Self {
        Self { rank, barrier }
    }

    /// Number of members.
    #[must_use]
    pub fn size(&self) -> usize {
        self.barrier.size
    }

    /// Which one it is, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Whether this one does the work that cannot be shared.
    #[must_use]
    pub fn first(&self) -> bool {
        self.rank == 0
    }

    /// This member's share of `0..count`.
    #[must_use]
    pub fn share(&self, count: usize) -> Range<usize> {
        count * self.rank / self.size()..count * (self.rank + 1) / self.size()
    }

    /// Waits until all have come here.
    pub fn meet(&self) {
        if self.size() > 1 {
            self.barrier.wait();
        }
    }
}

impl Drop for TeamMember<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.barrier.broken.store(true, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for size in 1..5 {
            let barrier = Barrier::new(size);
            for count in 0..12 {
                let all: Vec<_> = (0..size).flat_map(|rank| TeamMember::new(rank, &barrier).share(count)).collect();
                assert_eq!(all, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn nobody_passes_before_the_last() {
        let barrier = Barrier::new(3);
        let here = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for rank in 0..3 {
                let (barrier, here) = (&barrier, &here);
                scope.spawn(move || {
                    let member = TeamMember::new(rank, barrier);
                    for round in 1..200 {
                        here.fetch_add(1, AcqRel);
                        member.meet();
                        assert_eq!(here.load(Acquire), 3 * round);
                        member.meet();
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_ends_those_who_wait() {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| TeamMember::new(0, &barrier).meet());
            let panics = scope.spawn(|| {
                let _member = TeamMember::new(1, &barrier);
                panic!("on purpose");
            });
            assert!(panics.join().is_err());
            assert!(waits.join().is_err());
        });
    }
}
