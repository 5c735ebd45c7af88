//! One stretch of memory for all that a group of faces needs on its way through a network, and the places in it.

// Tested by: `what_lives_together_lies_apart` in crates/kernels/src/arena.rs

/// A stretch of memory that is needed from one step to another.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Bytes.
    pub size: usize,
    /// First and last step that use it.
    pub life: (usize, usize),
}

/// Where each stretch begins, and how much memory they take together: first fit, largest first, from `start` on, those
/// that live at the same time apart. Sizes and `start` are multiples of whatever alignment is wanted.
#[must_use]
pub fn place(needs: &[Need], start: usize) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(needs[i].size));
    let mut placed: Vec<(usize, usize, usize)> = Vec::new(); // begin, end, which
    let (mut offsets, mut total) = (vec![0; needs.len()], start);
    for i in order {
        let mut offset = start;
        placed.sort_unstable();
        for &(begin, end, other) in &placed {
            let (a, b) = (needs[i].life, needs[other].life);
            let together = a.0 <= b.1 && b.0 <= a.1;
            if together && begin < offset + needs[i].size && offset < end {
                offset = end;
            }
        }
        offsets[i] = offset;
        placed.push((offset, offset + needs[i].size, i));
        total = total.max(offset + needs[i].size);
    }
    (offsets, total)
}

/// Memory for one group's activations, at a multiple of 64.
pub struct Arena {
    bytes: Vec<[u64; 8]>,
}

impl Arena {
    /// So many bytes: these, then zeros.
    #[must_use]
    pub fn new(bytes: usize, head: &[u8]) -> Self {
        let mut arena = Self { bytes: vec![[0; 8]; bytes.max(head.len()).div_ceil(64) + 1] };
        // SAFETY: the arena is at least as long as its head.
        unsafe { arena.shared().start().copy_from_nonoverlapping(head.as_ptr(), head.len()) };
        arena
    }

    /// For the threads of one team.
    pub fn shared(&mut self) -> ArenaPointer {
        ArenaPointer(self.bytes.as_mut_ptr().cast())
    }
}

/// An arena that a team shares.
#[derive(Clone, Copy)]
pub struct ArenaPointer(*mut u8);

impl ArenaPointer {
    /// Its first byte.
    #[must_use]
    pub fn start(self) -> *mut u8 {
        self.0
    }
}

// SAFETY: the members of a team write disjoint parts of it and meet before they read what others wrote.
unsafe impl Send for ArenaPointer {}
// SAFETY: as above.
unsafe impl Sync for ArenaPointer {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_lives_together_lies_apart(
            needs in prop::collection::vec((1usize..50, 0usize..20, 0usize..6), 1..40), start in 0usize..3
        ) {
            let needs: Vec<Need> =
                needs.iter().map(|&(size, first, more)| Need { size, life: (first, first + more) }).collect();
            let (offsets, total) = place(&needs, start);
            for (i, a) in needs.iter().enumerate() {
                prop_assert!(offsets[i] >= start && offsets[i] + a.size <= total);
                for (j, b) in needs.iter().enumerate().skip(i + 1) {
                    let together = a.life.0 <= b.life.1 && b.life.0 <= a.life.1;
                    let apart = offsets[i] + a.size <= offsets[j] || offsets[j] + b.size <= offsets[i];
                    prop_assert!(!together || apart);
                }
            }
        }
    }
}
