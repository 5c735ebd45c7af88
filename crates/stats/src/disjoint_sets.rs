//! Disjoint sets of numbers.

/// Sets that are joined two at a time.
pub(crate) struct DisjointSets(Vec<u32>);

impl DisjointSets {
    /// Each of `0..count` alone.
    pub fn new(count: usize) -> Self {
        Self((0..count as u32).collect())
    }

    fn root(&mut self, mut item: u32) -> u32 {
        while self.0[item as usize] != item {
            let above = self.0[self.0[item as usize] as usize];
            self.0[item as usize] = above;
            item = above;
        }
        item
    }

    /// Makes one set of those of two numbers. The lower number becomes the root, whatever the order.
    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b) as usize] = a.min(b);
    }

    /// The number of each one's set. Sets are numbered from 0 in the order of their lowest members.
    pub fn numbered(mut self) -> Vec<u32> {
        let (mut numbers, mut next) = (vec![0; self.0.len()], 0);
        for item in 0..self.0.len() as u32 {
            let root = self.root(item);
            // The root is the lowest member, so it has its number already.
            numbers[item as usize] = if root == item {
                next += 1;
                next - 1
            } else {
                numbers[root as usize]
            };
        }
        numbers
    }
}
