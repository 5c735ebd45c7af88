//! Weights along a row as vectors need them: four target pixels together, their source pixels in pairs.

/// For each four target pixels: where their source pixels begin, and their weights.
#[derive(Debug, Default)]
pub(crate) struct Quads {
    /// Bytes from the start of the row to the first source pixel of each.
    firsts: Vec<[u32; 4]>,
    /// Pairs of weights of a target pixel; zeros fill up what it does not need.
    pairs: usize,
    /// Bytes of a row that are read at most.
    reach: usize,
    /// `pairs` for each four: the pair of pixels 0 and 2, four times each, for the channels and a fourth that is not used;
    /// then those of 1 and 3.
    weights: Vec<[[i16; 16]; 2]>,
}

impl Quads {
    /// Bytes that are read from the first source pixel of a pair on.
    pub const READ: usize = 16;

    /// `weight` gives that of a target pixel's n-th source pixel, of which there are up to `count`.
    pub fn prepare(&mut self, firsts: &[usize], count: usize, weight: impl Fn(usize, usize) -> i16) {
        self.pairs = count.div_ceil(2);
        self.firsts.clear();
        self.weights.clear();
        for (quad, pixels) in firsts.chunks(4).enumerate() {
            self.firsts.push(std::array::from_fn(|pixel| pixels.get(pixel).map_or(0, |&first| first as u32 * 3)));
            for pair in 0..self.pairs {
                let of = |pixel: usize, tap: usize| {
                    if pixel < pixels.len() && tap < count { weight(quad * 4 + pixel, tap) } else { 0 }
                };
                let lanes = |left| std::array::from_fn(|lane| of(left + lane / 8 * 2, pair * 2 + lane % 2));
                self.weights.push([lanes(0), lanes(1)]);
            }
        }
        let last = self.firsts.as_flattened().iter().max().map_or(0, |&first| first as usize);
        self.reach = last + self.pairs.saturating_sub(1) * 6 + Self::READ;
    }

    pub fn firsts(&self) -> &[[u32; 4]] {
        &self.firsts
    }

    pub fn pairs(&self) -> usize {
        self.pairs
    }

    pub fn weights(&self) -> &[[[i16; 16]; 2]] {
        &self.weights
    }

    /// Bytes of a row that are read at most: [`Self::READ`] from each of [`Self::firsts`] on, and from every sixth byte behind
    /// it, [`Self::pairs`] times.
    pub fn reach(&self) -> usize {
        self.reach
    }
}
