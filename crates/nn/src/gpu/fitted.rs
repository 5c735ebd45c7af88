//! A network on a GPU, prepared for faces of one size: its memory, its tiles, and the batches in flight.

// Tested by: `a_card_gives_what_the_cpu_gives_in_every_precision` in tests/facevault/gpu.rs
// Tested by: `batches_cards_and_scarce_memory_change_no_byte` in tests/facevault/gpu.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::collections::HashMap;
use std::iter;
use std::time::{Duration, Instant};

use super::kernels::NetworkKernels;
use super::plan::{Addresses, GpuPlan, Launch, LaunchWork, NumberFormat, PackedProduct};
use super::tile::{self, BlockTile, TILES};
use crate::networks::inception_resnet_v1::DIMENSION;
use crate::{FaceBatch, StageTime, capacity};
use facevault_cuda::{Card, CudaError, DeviceMemory, Event, Graph, Pinned, Stream};
use facevault_preprocess::Standardise;

/// Batches in flight: one is computed while the next is uploaded.
pub const SLOTS: usize = 2;

/// Measured runs of a candidate, after one warm-up.
const TRIALS: usize = 3;

/// Time limit for measuring tiles. A GPU needs a fraction of it; anything slower (the emulator) uses the estimate.
const TUNING_LIMIT: Duration = Duration::from_secs(1);

/// Launch sequences to keep: two slots, a whole batch and a few shorter ones.
const GRAPHS: usize = 16;

/// The parts that do not depend on the faces.
pub struct LoadedNetwork {
    pub card: Card,
    pub kernels: NetworkKernels,
    pub compute: Stream,
    pub uploads: Stream,
    pub parameters: DeviceMemory,
    pub layers: Vec<PackedProduct>,
    pub numbers: NumberFormat,
    pub width: f64,
}

/// The parts that depend on the size of the faces and on how many go through at once. Graphs come first: they are dropped
/// before the memory that they refer to.
pub struct Fitted {
    graphs: HashMap<(usize, usize, usize), Graph>,
    slots: Vec<BatchSlot>,
    pub plan: GpuPlan,
    taps: DeviceMemory,
    values: DeviceMemory,
    standardise: Standardise,
    arena: DeviceMemory,
    places: Vec<usize>,
    /// Faces that the arena holds.
    pub capacity: usize,
    /// The tile of each launch, by the number of faces rounded up to a power of two; unused for kernels other than
    /// convolutions.
    tiles: HashMap<usize, Vec<BlockTile>>,
}

/// A batch's memory on the GPU, and its rows' memory on the host.
struct BatchSlot {
    pixels: DeviceMemory,
    out: DeviceMemory,
    rows: Pinned,
    /// Faces that fit.
    faces: usize,
    /// Passed when the rows have arrived.
    done: Option<Event>,
}

impl BatchSlot {
    fn new(card: &Card, face: usize, faces: usize) -> Result<Self, CudaError> {
        let out = faces * DIMENSION * size_of::<f32>();
        Ok(Self {
            pixels: card.allocate(face * faces)?,
            out: card.allocate(out)?,
            rows: card.pinned(out)?,
            faces,
            done: None,
        })
    }
}

impl Fitted {
    pub fn new(network: &LoadedNetwork, side: usize, faces: usize) -> Result<Self, CudaError> {
        let LoadedNetwork { card, compute, width, numbers, .. } = network;
        let plan = GpuPlan::new(*width, side, *numbers);
        let (places, bytes) = plan.arena(faces);
        let arena = card.allocate(bytes)?;
        // SAFETY: it is a part of no graph, freeing the arena waits for it, and all that uses the arena is queued behind it.
        unsafe { compute.fill(&arena, 0)? };
        let taps: Vec<u8> = plan.taps.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
        let memory = card.allocate(taps.len())?;
        compute.upload_now(&taps, &memory, 0)?;
        let face = side * side * 3;
        let slots = (0..SLOTS).map(|_| BatchSlot::new(card, face, faces)).collect::<Result<_, _>>()?;
        let mut fitted = Self {
            graphs: HashMap::new(),
            slots,
            plan,
            taps: memory,
            values: card.allocate(256 * size_of::<f32>())?,
            // Differs from every profile's: the first batch uploads its own.
            standardise: Standardise { mean: f32::NAN, scale: f32::NAN },
            arena,
            places,
            capacity: faces,
            tiles: HashMap::new(),
        };
        fitted.ensure_tiles(network, faces)?;
        Ok(fitted)
    }

    /// Launches for faces of a slot, from one on.
    fn launches(&self, network: &LoadedNetwork, slot: usize, first: usize, faces: usize) -> Vec<Launch> {
        let face = self.plan.side * self.plan.side * 3;
        let slot = &self.slots[slot];
        let at = Addresses {
            parameters: network.parameters.address(),
            taps: self.taps.address(),
            values: self.values.address(),
            arena: self.arena.address(),
            pixels: slot.pixels.address() + (first * face) as u64,
            out: slot.out.address() + (first * DIMENSION * size_of::<f32>()) as u64,
        };
        self.plan.launches(&network.layers, &self.places, &at, faces)
    }

    /// Tiles for so many faces, in the order of the launches.
    fn tiles(&self, faces: usize) -> impl Iterator<Item = BlockTile> {
        let known = self.tiles.get(&faces.next_power_of_two());
        known.into_iter().flatten().copied().chain(iter::repeat(TILES[0]))
    }

    fn queue(&self, network: &LoadedNetwork, launches: &[Launch], faces: usize) -> Result<(), CudaError> {
        for (launch, tile) in launches.iter().zip(self.tiles(faces)) {
            // SAFETY: addresses are those of this network's memory, which outlives its streams' work: whoever drops it waits.
            unsafe { network.kernels.launch(&network.compute, launch, tile)? };
        }
        Ok(())
    }

    /// Chooses the tiles for about `faces` faces, once.
    fn ensure_tiles(&mut self, network: &LoadedNetwork, faces: usize) -> Result<(), CudaError> {
        let about = faces.next_power_of_two();
        if !self.tiles.contains_key(&about) {
            let tiles = self.choose_tiles(network, about.min(self.capacity))?;
            self.tiles.insert(about, tiles);
        }
        Ok(())
    }

    /// Measures the most promising tiles of each convolution with `faces` faces and takes the fastest.
    fn choose_tiles(&self, network: &LoadedNetwork, faces: usize) -> Result<Vec<BlockTile>, CudaError> {
        let multiprocessors = network.card.multiprocessors() as usize;
        let (stream, started) = (&network.compute, Instant::now());
        let mut tiles = Vec::new();
        for launch in self.launches(network, 0, 0, faces) {
            let LaunchWork::Convolution { args, head: false } = &launch.work else {
                tiles.push(TILES[0]);
                continue;
            };
            let mut candidates = tile::candidates(args.rows as usize, args.channels as usize, multiprocessors);
            if started.elapsed() > TUNING_LIMIT {
                candidates.truncate(1);
            }
            if let [only] = candidates[..] {
                tiles.push(only);
                continue;
            }
            let mut best = (f32::INFINITY, candidates[0]);
            for tile in candidates {
                let mut events = Vec::with_capacity(TRIALS + 1);
                for _ in 0..=TRIALS {
                    // SAFETY: as in `queue`.
                    unsafe { network.kernels.launch(stream, &launch, tile)? };
                    events.push(stream.record()?);
                }
                stream.synchronize()?;
                let mut fastest = f32::INFINITY;
                for pair in events.windows(2) {
                    fastest = fastest.min(pair[1].milliseconds_since(&pair[0])?);
                }
                if fastest < best.0 {
                    best = (fastest, tile);
                }
            }
            tiles.push(best.1);
        }
        Ok(tiles)
    }

    /// The network's time for `faces` faces, ms.
    pub fn milliseconds(&mut self, network: &LoadedNetwork, faces: usize) -> Result<f64, CudaError> {
        let mut fastest = f64::INFINITY;
        for _ in 0..=TRIALS {
            let before = network.compute.record()?;
            self.compute(network, 0, 0, faces)?;
            let after = network.compute.record()?;
            after.synchronize()?;
            fastest = fastest.min(f64::from(after.milliseconds_since(&before)?));
        }
        Ok(fastest)
    }

    /// Queues the network for faces of a slot, as one graph launch if the same was queued before.
    fn compute(&mut self, network: &LoadedNetwork, slot: usize, first: usize, faces: usize) -> Result<(), CudaError> {
        let key = (slot, first, faces);
        if !self.graphs.contains_key(&key) {
            self.ensure_tiles(network, faces)?;
            let launches = self.launches(network, slot, first, faces);
            if self.graphs.len() >= GRAPHS {
                return self.queue(network, &launches, faces);
            }
            let graph = Graph::capture(&network.compute, || self.queue(network, &launches, faces))?;
            self.graphs.insert(key, graph);
        }
        self.graphs[&key].launch(&network.compute)
    }

    /// Uploads the network input of each byte value if it has changed.
    fn standardise(&mut self, network: &LoadedNetwork, standardise: Standardise) -> Result<(), CudaError> {
        if self.standardise != standardise {
            let values: Vec<u8> = standardise.values().into_iter().flat_map(f32::to_le_bytes).collect();
            network.compute.upload_now(&values, &self.values, 0)?;
            self.standardise = standardise;
        }
        Ok(())
    }

    /// Queues a batch: upload, network, download. Its pixels must stay unchanged and in place until it is done.
    pub fn start(&mut self, network: &LoadedNetwork, slot: usize, batch: &FaceBatch<'_>) -> Result<(), CudaError> {
        self.standardise(network, batch.standardise)?;
        let face = batch.side * batch.side * 3;
        if batch.count > self.slots[slot].faces {
            // Graphs refer to the old memory, and one may be running for the other slot.
            network.compute.synchronize()?;
            self.graphs.clear();
            self.slots[slot] = BatchSlot::new(&network.card, face, batch.count)?;
        }
        for piece in capacity::pieces(batch.count, self.capacity) {
            let bytes = piece.start * face..piece.end * face;
            // SAFETY: the slot is free: its last batch was finished. The pixels are the caller's.
            unsafe {
                network.uploads.upload(&batch.pixels[bytes.clone()], &self.slots[slot].pixels, bytes.start)?;
            }
            network.compute.wait(&network.uploads.record()?)?;
            self.compute(network, slot, piece.start, piece.len())?;
        }
        let BatchSlot { out, rows, done, .. } = &mut self.slots[slot];
        // SAFETY: nobody reads the rows before the event has passed.
        unsafe { network.compute.download(out, 0, &mut rows[..batch.count * DIMENSION * size_of::<f32>()])? };
        *done = Some(network.compute.record()?);
        Ok(())
    }

    /// Whether a batch's rows have arrived. [`Self::finish`] reports a failure.
    pub fn is_done(&self, slot: usize) -> bool {
        self.slots[slot].done.as_ref().is_none_or(|done| done.done().unwrap_or(true))
    }

    /// Waits for a batch and copies its rows.
    pub fn finish(&mut self, slot: usize, out: &mut [f32]) -> Result<(), CudaError> {
        let BatchSlot { rows, done, .. } = &mut self.slots[slot];
        if let Some(done) = done.take() {
            done.synchronize()?;
        }
        out.copy_from_slice(&rows.floats()[..out.len()]);
        Ok(())
    }

    /// Runs faces again, alone and step by step, with the time of upload, each launch and download.
    pub fn stages(
        &mut self,
        network: &LoadedNetwork,
        pixels: &[u8],
        faces: usize,
    ) -> Result<Vec<StageTime>, CudaError> {
        let launches = self.launches(network, 0, 0, faces);
        let tiles: Vec<_> = self.tiles(faces).take(launches.len()).collect();
        let BatchSlot { pixels: memory, out, rows, .. } = &mut self.slots[0];
        let rows = &mut rows[..faces * DIMENSION * size_of::<f32>()];
        let mut events = vec![network.compute.record()?];
        // SAFETY: the slot is free; pixels and rows stay until the stream was waited for, below.
        let queued = unsafe { network.compute.upload(pixels, memory, 0) }.and_then(|()| {
            events.push(network.compute.record()?);
            for (launch, tile) in launches.iter().zip(&tiles) {
                // SAFETY: as in `queue`.
                unsafe { network.kernels.launch(&network.compute, launch, *tile)? };
                events.push(network.compute.record()?);
            }
            // SAFETY: as above.
            unsafe { network.compute.download(out, 0, rows)? };
            events.push(network.compute.record()?);
            Ok(())
        });
        network.compute.synchronize().and(queued)?;
        let mut stages = Vec::new();
        let work = launches.iter().map(|launch| (launch.stage, launch.flop * faces as f64));
        let all = iter::once(("upload", 0.0)).chain(work).chain(iter::once(("download", 0.0)));
        for ((name, flop), pair) in all.zip(events.windows(2)) {
            let seconds = f64::from(pair[1].milliseconds_since(&pair[0])?) / 1e3;
            StageTime { name: name.into(), seconds, flop }.add_to(&mut stages);
        }
        Ok(stages)
    }
}
