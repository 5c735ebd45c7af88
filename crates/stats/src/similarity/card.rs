//! All pairs on a GPU, bit for bit as on the CPU: the kernel computes each product in the same order as the CPU's
//! kernels, with fused multiply-adds, and keeps only integers.
//!
//! All faces are in the card's memory or, if they do not fit, are sent with each block. Each comparing thread has its
//! own *lane*: a stream, and memory for a block's results.

// Tested by: `a_card_finds_what_the_cpu_finds` in tests/facevault/pairs_card.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use rayon::prelude::*;

use super::Population;
use super::engine::{Answer, Counted, Hit, LEFT, PANEL, PairEngine, RIGHT};
use super::kernel::Rows;
use super::panels::Panels;
use crate::verification::tally::{BINS, bin};
use facevault_base::progress::Progress;
use facevault_cuda::ptx::PAIRS;
use facevault_cuda::{Card, CudaError, DeviceMemory, Event, Kernel, Pinned, Stream};
use facevault_kernels::products::Sums;

/// Threads of a block of the kernel.
const THREADS: u32 = 256;

/// Right panels that one thread block of the kernel processes.
const GROUP: usize = 8;

/// Bytes of shared memory for two slices of 16 components of a panel on each side.
const SLICES: u32 = 2 * 2 * 16 * PANEL as u32 * 4;

/// Pairs in the tail that fit into a lane; at least those of two panels, which cannot be halved.
const ROOM: usize = 1 << 18;

/// Bytes of a [`Hit`] on the card.
const HIT: usize = 8;

/// Bytes of the sums that follow the counts.
const TOTALS: usize = 48;

/// Panels that are sent to the card at once.
const SENT: usize = 32;

/// The kernel's arguments: `Args` of `pairs.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Args {
    left: u64,
    right: u64,
    counts: u64,
    totals: u64,
    hits: u64,
    dimension: u32,
    left_rows: u32,
    right_rows: u32,
    room: u32,
    tail: f32,
    window: u32,
    window_bins: u32,
    unused: u32,
}

/// The faces of a comparison on a card.
#[derive(Debug)]
pub struct CardPairs<'a> {
    card: Card,
    kernel: Kernel,
    panels: Panels<'a>,
    dimension: usize,
    /// All panels, if they fit.
    whole: Option<DeviceMemory>,
    lanes: Mutex<Vec<Lane>>,
    returned: Condvar,
    /// Bins that a thread block counts in shared memory: the first, and how many. They follow the cosines.
    window: AtomicU32,
    window_bins: u32,
}

/// One thread's lane.
#[derive(Debug)]
struct Lane {
    stream: Stream,
    /// Counts and sums.
    results: DeviceMemory,
    hits: DeviceMemory,
    results_here: Pinned,
    hits_here: Pinned,
    /// Panels of a block, here and on the card, if the card does not hold all of them.
    rows: Option<(Pinned, DeviceMemory)>,
    counted: Counted,
}

impl<'a> CardPairs<'a> {
    /// Copies the faces to the card and creates up to `lanes` lanes, at least one.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`] if not even one block fits, and every other [`CudaError`].
    pub fn new(
        card: Card,
        rows: Rows<'a>,
        population: &'a Population<'a>,
        lanes: usize,
        progress: &dyn Progress,
    ) -> Result<Self, CudaError> {
        let kernel = card.module(PAIRS)?.kernel("pairs")?;
        let window_bins = window_bins(card.shared_per_block());
        kernel.shared(SLICES + window_bins * 4)?;
        let mut pairs = Self {
            card,
            kernel,
            panels: Panels::new(rows, population),
            dimension: rows.dimension,
            whole: None,
            lanes: Mutex::default(),
            returned: Condvar::new(),
            window: AtomicU32::new((BINS as u32 - window_bins) / 2),
            window_bins,
        };
        match pairs.send_all().and_then(|whole| Ok((whole, pairs.lanes(lanes, false)?))) {
            Ok((whole, lanes)) => {
                pairs.whole = Some(whole);
                pairs.lanes = Mutex::new(lanes);
            }
            Err(error) if error.is_out_of_memory() => {
                progress.say("the card has no room for all faces at once: each block of pairs brings its own");
                pairs.lanes = Mutex::new(pairs.lanes(lanes, true)?);
            }
            Err(error) => return Err(error),
        }
        Ok(pairs)
    }

    /// Packs all panels; each part is copied to the card while the next is packed.
    fn send_all(&self) -> Result<DeviceMemory, CudaError> {
        let (bytes, all) = (self.panels.bytes(), self.panels.len());
        let memory = self.card.allocate(all * bytes)?;
        let mut parts = [self.card.pinned(SENT * bytes)?, self.card.pinned(SENT * bytes)?];
        let stream = self.card.stream()?;
        let mut send = || -> Result<(), CudaError> {
            let mut sent: Vec<Event> = Vec::new();
            for (number, first) in (0..all).step_by(SENT).enumerate() {
                let part = &mut parts[number % 2][..SENT.min(all - first) * bytes];
                if number >= 2 {
                    sent[number - 2].synchronize()?;
                }
                part.par_chunks_exact_mut(bytes)
                    .enumerate()
                    .for_each(|(place, panel)| self.panels.pack(first + place, panel));
                // SAFETY: the part is packed again only after its copy is done, and all copies are awaited below; nothing
                // else uses the memory yet.
                unsafe { stream.upload(part, &memory, first * bytes)? };
                sent.push(stream.record()?);
            }
            Ok(())
        };
        let queued = send();
        stream.synchronize().and(queued)?;
        Ok(memory)
    }

    /// As many lanes as fit, up to `wanted`.
    fn lanes(&self, wanted: usize, with_rows: bool) -> Result<Vec<Lane>, CudaError> {
        let mut lanes = vec![self.lane(with_rows)?];
        while lanes.len() < wanted {
            match self.lane(with_rows) {
                Ok(lane) => lanes.push(lane),
                Err(error) if error.is_out_of_memory() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(lanes)
    }

    fn lane(&self, with_rows: bool) -> Result<Lane, CudaError> {
        let card = &self.card;
        let results = BINS * size_of::<u32>() + TOTALS;
        let rows = (LEFT + RIGHT) / PANEL * self.panels.bytes();
        Ok(Lane {
            stream: card.stream()?,
            results: card.allocate(results)?,
            hits: card.allocate(ROOM * HIT)?,
            results_here: card.pinned(results)?,
            hits_here: card.pinned(ROOM * HIT)?,
            rows: if with_rows { Some((card.pinned(rows)?, card.allocate(rows)?)) } else { None },
            counted: Counted::default(),
        })
    }

    fn compare_on(
        &self,
        lane: &mut Lane,
        left: &Range<usize>,
        right: &Range<usize>,
        tail: f32,
    ) -> Result<Answer, CudaError> {
        let bytes = self.panels.bytes();
        let (left_panels, right_panels) = (self.panels.of(left), self.panels.of(right));
        let (left_at, right_at) = match (&self.whole, &mut lane.rows) {
            (Some(whole), _) => {
                let at = |panel: usize| whole.address() + (panel * bytes) as u64;
                (at(left_panels.start), at(right_panels.start))
            }
            (None, Some((here, there))) => {
                let panels = left_panels.clone().chain(right_panels.clone());
                let length = panels.clone().count() * bytes;
                here.chunks_exact_mut(bytes).zip(panels).for_each(|(slot, panel)| self.panels.pack(panel, slot));
                // SAFETY: both belong to the lane, which waits for its stream before they are used again.
                unsafe { lane.stream.upload(&here[..length], there, 0)? };
                (there.address(), there.address() + (left_panels.len() * bytes) as u64)
            }
            (None, None) => unreachable!("a lane without rows is made where all are on the card"),
        };
        // SAFETY: they belong to the lane, which waits for its stream before they are used again.
        unsafe { lane.stream.fill(&lane.results, 0)? };
        let args = Args {
            left: left_at,
            right: right_at,
            counts: lane.results.address(),
            totals: lane.results.address() + (BINS * size_of::<u32>()) as u64,
            hits: lane.hits.address(),
            dimension: self.dimension as u32,
            left_rows: left.len() as u32,
            right_rows: right.len() as u32,
            room: ROOM as u32,
            tail,
            window: self.window.load(Ordering::Relaxed),
            window_bins: self.window_bins,
            unused: 0,
        };
        let grid = [left_panels.len() as u32, right_panels.len().div_ceil(GROUP) as u32, 1];
        // SAFETY: the struct has the kernel's layout. `left` and `right` point to enough panels for that many rows;
        // counts, sums and hits belong to the lane and have the lengths that the kernel assumes; the lane waits below.
        unsafe { lane.stream.launch(&self.kernel, grid, THREADS, SLICES + self.window_bins * 4, &args)? };
        // SAFETY: both belong to the lane, which waits in the next line.
        unsafe { lane.stream.download(&lane.results, 0, &mut lane.results_here)? };
        lane.stream.record()?.synchronize()?;

        let (counts, totals) = lane.results_here.split_at(BINS * size_of::<u32>());
        let Totals { sums, hits, mean } = Totals::read(totals);
        if hits > ROOM {
            return Ok(Answer::TooMany);
        }
        if let Some(mean) = mean {
            let half = self.window_bins as usize / 2;
            let first = bin(mean, BINS).saturating_sub(half).min(BINS - 2 * half);
            self.window.store(first as u32, Ordering::Relaxed);
        }
        lane.counted.sums = sums;
        lane.counted.counts.clear();
        lane.counted.counts.extend(counts.as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes)));
        let here = &mut lane.hits_here[..hits * HIT];
        lane.stream.download_now(&lane.hits, 0, here)?;
        lane.counted.hits.clear();
        lane.counted.hits.extend(here.as_chunks::<HIT>().0.iter().map(|&[a, b, c, d, e, f, g, h]| {
            let rows = u32::from_ne_bytes([a, b, c, d]);
            Hit { left: (rows >> 16) as u16, right: rows as u16, cosine: f32::from_ne_bytes([e, f, g, h]) }
        }));
        Ok(Answer::Counted)
    }
}

impl PairEngine for CardPairs<'_> {
    fn compare(
        &self,
        left: &Range<usize>,
        right: &Range<usize>,
        tail: f32,
        take: &mut dyn FnMut(&Counted),
    ) -> Result<Answer, String> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.returned.wait_while(lanes, |lanes| lanes.is_empty());
        let Some(mut lane) = waited.unwrap_or_else(PoisonError::into_inner).pop() else {
            return Err("it has no lane".into());
        };
        let answer = self.compare_on(&mut lane, left, right, tail);
        if answer.is_err() {
            // Queued work must not outlive the memory it reads.
            let _ = lane.stream.synchronize();
        }
        if answer == Ok(Answer::Counted) {
            take(&lane.counted);
        }
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
        self.returned.notify_one();
        answer.map_err(|error| error.to_string())
    }
}

/// The sums of a block: `Totals` of `pairs.cu`.
struct Totals {
    sums: Sums,
    hits: usize,
    /// The moments of the cosines; `None` without any.
    mean: Option<f32>,
}

impl Totals {
    fn read(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks();
        let word = |place: usize| u64::from_ne_bytes(words[place]);
        let (shorts, _) = bytes.as_chunks();
        let short = |place: usize| u32::from_ne_bytes(shorts[8 + place]);
        let (count, sum) = (word(0), word(1) as i64);
        let range = if count == 0 { [f32::INFINITY, f32::NEG_INFINITY] } else { [!short(0), short(1)].map(unordered) };
        Self {
            sums: Sums::new(count, sum, [word(2), word(3)], range),
            hits: short(2) as usize,
            mean: (count > 0).then(|| (sum as f64 / count as f64 / f64::from(1 << 30)) as f32),
        }
    }
}

/// The inverse of the kernel's order-preserving map from floats to integers.
fn unordered(place: u32) -> f32 {
    f32::from_bits(if place >> 31 == 1 { place ^ 0x8000_0000 } else { !place })
}

/// Bins that a thread block counts in shared memory, such that two blocks fit on a multiprocessor; a power of two.
fn window_bins(shared_per_block: u32) -> u32 {
    // A multiprocessor has 1 KiB more than a block may use, and reserves 1 KiB of each block.
    const RESERVED: u32 = 1024;
    let multiprocessor = shared_per_block + RESERVED;
    let bins = (multiprocessor / 2).saturating_sub(RESERVED + SLICES) / 4;
    (1 << bins.max(256).ilog2()).min(16_384)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_blocks_fit_on_a_multiprocessor() {
        // A100, H100, and GPUs with 100 KiB.
        assert_eq!([163, 227, 99].map(|kib| window_bins(kib * 1024)), [8192, 16_384, 4096]);
        assert_eq!(window_bins(0), 256);
    }

    #[test]
    fn extremes_come_back_as_they_were() {
        let ordered = |value: f32| {
            let bits = value.to_bits();
            bits ^ if bits >> 31 == 1 { u32::MAX } else { 0x8000_0000 }
        };
        let values = [-1.0, -0.3, -1e-30, -0.0, 0.0, 1e-30, 0.7, 1.0];
        assert!(values.map(ordered).is_sorted_by(|a, b| a < b));
        for value in values {
            assert_eq!(unordered(ordered(value)).to_bits(), value.to_bits());
        }
    }
}
