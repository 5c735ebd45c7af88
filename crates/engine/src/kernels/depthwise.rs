//! Convolutions of one channel each: memory to memory, as wide as a register.

use super::storage::Storage;

/// Pixels of a tile.
pub const HEIGHT: usize = 6;
/// Channels of a tile.
pub const WIDTH: usize = 32;

/// A tile of pixels, for channels from one on.
#[derive(Debug)]
pub struct DepthwiseTile {
    /// Base of the offsets.
    pub arena: *const u8,
    /// Which taps see more than padding.
    pub taps: *const u32,
    /// For each, where each pixel's channels begin, bytes: `runs` × [`HEIGHT`].
    pub offsets: *const u32,
    /// Taps.
    pub runs: usize,
    /// First channel, and how many: at most [`WIDTH`].
    pub channel: usize,
    pub width: usize,
    pub storage: Storage,
    /// taps × `channels`.
    pub weights: *const f32,
    /// Channels in `weights`, a multiple of [`WIDTH`].
    pub channels: usize,
    /// [`HEIGHT`] × [`WIDTH`] sums.
    pub out: *mut f32,
}

/// # Safety
/// The pointers of `job` are valid for what it says.
#[inline(always)]
pub unsafe fn depthwise(job: &DepthwiseTile) {
    // SAFETY: handed on from the caller.
    unsafe {
        if job.storage == Storage::F32 && job.width == WIDTH {
            sums(job, |from| *from.cast::<[f32; WIDTH]>());
        } else {
            sums(job, |from| {
                let mut values = [0f32; WIDTH];
                job.storage.load(from, &mut values[..job.width]);
                values
            });
        }
    }
}

#[inline(always)]
unsafe fn sums(job: &DepthwiseTile, load: impl Fn(*const u8) -> [f32; WIDTH]) {
    // SAFETY: handed on from the caller.
    unsafe {
        let mut sums = [[0f32; WIDTH]; HEIGHT];
        for run in 0..job.runs {
            let tap = *job.taps.add(run) as usize;
            let weights = *job.weights.add(tap * job.channels + job.channel).cast::<[f32; WIDTH]>();
            for (row, sums) in sums.iter_mut().enumerate() {
                let offset = *job.offsets.add(run * HEIGHT + row) as usize;
                let values = load(job.arena.add(offset + job.channel * job.storage.bytes()));
                for lane in 0..WIDTH {
                    sums[lane] = values[lane].mul_add(weights[lane], sums[lane]);
                }
            }
        }
        job.out.cast::<[[f32; WIDTH]; HEIGHT]>().write(sums);
    }
}
