//! The plan on a card as an [`Embedder`]: batches are uploaded while the one before is computed, and nobody waits for the
//! card before a batch's rows are asked for.

use std::collections::{HashMap, VecDeque};
use std::iter;
use std::time::{Duration, Instant};

use super::kernels::Kernels;
use super::plan::{Addresses, Launch, Layer, Numbers, Parameters, Plan, Work};
use super::tile::{self, TILES, Tile};
use crate::config::{BatchSize, DeviceKind, EmbedOptions, Precision, Standardise};
use crate::cuda::{Card, CudaError, DeviceMemory, Event, Graph, Pinned, Stream};
use crate::model::folding;
use crate::model::inception_resnet_v1::DIMENSION;
use crate::model::queue::{OwnedBatch, Pixels, Queue};
use crate::model::{Embedder, EmbedderInfo, FaceBatch, ModelError, StageTime, capacity};
use crate::weights::Tensors;

/// What a card computes in.
pub const PRECISIONS: &[Precision] = &[Precision::F32, Precision::Tf32, Precision::F16, Precision::Bf16];

/// Batches on their way: one is computed while the next is uploaded.
const SLOTS: usize = 2;

/// Times that a candidate is measured, after one that is not.
const TRIALS: usize = 3;

/// How long tiles may be tried: a card takes a fraction of it, and on what is slower the estimate has to do.
const PATIENCE: Duration = Duration::from_secs(1);

/// Launch sequences that are kept: two slots, a whole batch and a few shorter ones.
const GRAPHS: usize = 16;

/// InceptionResnetV1 on a card.
pub struct CardEmbedder {
    info: EmbedderInfo,
    network: Network,
    /// For faces of the size that came last.
    fitted: Option<Fitted>,
    /// Faces of a batch: what was asked for, or what turned out to be fastest.
    batch: usize,
    /// Pinned memory for faces that come in memory that is not.
    staging: Pixels,
}

/// What does not depend on the faces.
struct Network {
    card: Card,
    kernels: Kernels,
    compute: Stream,
    uploads: Stream,
    parameters: DeviceMemory,
    layers: Vec<Layer>,
    numbers: Numbers,
    width: f64,
}

/// What depends on the size of the faces, and on how many go through the network at once. Graphs come first: they are
/// dropped before the memory that they name.
struct Fitted {
    graphs: HashMap<(usize, usize, usize), Graph>,
    slots: Vec<Slot>,
    plan: Plan,
    taps: DeviceMemory,
    values: DeviceMemory,
    standardise: Standardise,
    arena: DeviceMemory,
    places: Vec<usize>,
    /// Faces that the arena holds.
    capacity: usize,
    /// Of each launch, by the power of two that the faces were rounded up to; those of other kernels than convolutions mean
    /// nothing.
    tiles: HashMap<usize, Vec<Tile>>,
}

/// A batch's memory on the card, and its rows' memory here.
struct Slot {
    pixels: DeviceMemory,
    out: DeviceMemory,
    rows: Pinned,
    /// Faces that fit.
    faces: usize,
    /// Passed when the rows are there.
    done: Option<Event>,
}

impl CardEmbedder {
    /// Puts a checkpoint on a card; `tensors` must hold the network's parameters. `size` is the network's width, and the side
    /// of the faces that will come. With `batch_size: auto` batches are measured. `say` gets a line where memory is short.
    ///
    /// # Errors
    /// [`ModelError::Precision`], [`ModelError::OutOfMemory`] where not even one face fits, [`ModelError::Device`].
    pub fn new(
        card: &Card,
        tensors: &Tensors,
        size: (f64, usize),
        options: &EmbedOptions,
        say: &dyn Fn(&str),
    ) -> Result<Self, ModelError> {
        let (width, side) = size;
        let info = Self::describe(card, options.precision)?;
        let failed = |error| told(error, &info);
        let numbers = numbers(options.precision, &info)?;
        let plan = Plan::new(width, side, numbers);
        let folded = |convolution: &_| folding::folded(tensors, convolution);
        let Parameters { bytes, layers } = Parameters::new(plan.program(), numbers, folded);
        let open = || {
            let (compute, uploads) = (card.stream()?, card.stream()?);
            let parameters = card.allocate(bytes.len())?;
            compute.upload_now(&bytes, &parameters, 0)?;
            let kernels = Kernels::load(card, options.precision)?;
            Ok(Network { kernels, compute, uploads, parameters, layers, numbers, width, card: card.clone() })
        };
        let network = open().map_err(failed)?;
        let mut embedder = Self { info, network, fitted: None, batch: 1, staging: Pixels::default() };
        let batch = match options.batch_size {
            BatchSize::Faces(faces) => faces,
            BatchSize::Auto => capacity::best_batch(capacity::CANDIDATES, |faces| embedder.speed(side, faces))?,
        };
        embedder.batch = batch;
        embedder.fit(side, batch, say)?;
        Ok(embedder)
    }

    /// What it is, without weights.
    ///
    /// # Errors
    /// [`ModelError::Precision`].
    pub fn describe(card: &Card, precision: Precision) -> Result<EmbedderInfo, ModelError> {
        let (major, minor) = card.compute();
        let info = EmbedderInfo {
            // Tensor cores of different generations round sums differently.
            name: format!("inception-resnet-v1 (cuda, compute capability {major}.{minor})"),
            dimension: DIMENSION,
            device: DeviceKind::Cuda,
            device_name: card.name().to_owned(),
            precision,
        };
        numbers(precision, &info)?;
        Ok(info)
    }

    /// Makes everything ready for faces of a size, `wanted` at once or as many as there is memory for.
    fn fit(&mut self, side: usize, wanted: usize, say: &dyn Fn(&str)) -> Result<&mut Fitted, ModelError> {
        let Self { info, network, fitted, .. } = self;
        let fits = fitted.as_ref().is_some_and(|fitted| fitted.plan.side == side);
        if !fits {
            // The old one's memory is free before the new one asks for its own.
            *fitted = None;
            let make = |faces| Fitted::new(network, side, faces).map_err(|error| told(error, info));
            *fitted = Some(capacity::fit(wanted, make, say)?.1);
        }
        fitted.as_mut().ok_or(ModelError::Idle)
    }

    /// Faces a millisecond in batches of `faces`, computing alone.
    fn speed(&mut self, side: usize, faces: usize) -> Result<f64, ModelError> {
        self.fitted = None;
        let Self { info, network, fitted, .. } = self;
        let failed = |error| told(error, info);
        let made = fitted.insert(Fitted::new(network, side, faces).map_err(failed)?);
        let milliseconds = made.milliseconds(network, faces).map_err(failed)?;
        self.fitted = None;
        Ok(faces as f64 / milliseconds)
    }
}

/// How a precision's numbers are kept on a card.
fn numbers(precision: Precision, info: &EmbedderInfo) -> Result<Numbers, ModelError> {
    Numbers::of(precision).ok_or_else(|| ModelError::Precision {
        precision,
        device: info.device_name.clone(),
        able: PRECISIONS,
    })
}

/// A failure of the driver as one of the network.
fn told(error: CudaError, info: &EmbedderInfo) -> ModelError {
    let device = info.device_name.clone();
    match error {
        CudaError::OutOfMemory { wanted, room } => {
            let (wanted, free) = (wanted.unwrap_or(0), room.map_or(0, |(free, _)| free));
            ModelError::OutOfMemory { device, wanted: wanted as u64, free: free as u64 }
        }
        other => ModelError::Device { device, reason: other.reason() },
    }
}

impl Slot {
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
    fn new(network: &Network, side: usize, faces: usize) -> Result<Self, CudaError> {
        let Network { card, compute, width, numbers, .. } = network;
        let plan = Plan::new(*width, side, *numbers);
        let (places, bytes) = plan.arena(faces);
        let arena = card.allocate(bytes)?;
        compute.fill(&arena, 0)?;
        let taps: Vec<u8> = plan.taps.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
        let memory = card.allocate(taps.len())?;
        compute.upload_now(&taps, &memory, 0)?;
        let face = side * side * 3;
        let slots = (0..SLOTS).map(|_| Slot::new(card, face, faces)).collect::<Result<_, _>>()?;
        let mut fitted = Self {
            graphs: HashMap::new(),
            slots,
            plan,
            taps: memory,
            values: card.allocate(256 * size_of::<f32>())?,
            // Of no profile: the first batch brings its own.
            standardise: Standardise { mean: f32::NAN, scale: f32::NAN },
            arena,
            places,
            capacity: faces,
            tiles: HashMap::new(),
        };
        fitted.know_tiles(network, faces)?;
        Ok(fitted)
    }

    /// Launches for faces of a slot, from one on.
    fn launches(&self, network: &Network, slot: usize, first: usize, faces: usize) -> Vec<Launch> {
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
    fn tiles(&self, faces: usize) -> impl Iterator<Item = Tile> {
        let known = self.tiles.get(&faces.next_power_of_two());
        known.into_iter().flatten().copied().chain(iter::repeat(TILES[0]))
    }

    fn queue(&self, network: &Network, launches: &[Launch], faces: usize) -> Result<(), CudaError> {
        for (launch, tile) in launches.iter().zip(self.tiles(faces)) {
            // SAFETY: addresses are those of this network's memory, which outlives its streams' work: whoever drops it waits.
            unsafe { network.kernels.launch(&network.compute, launch, tile)? };
        }
        Ok(())
    }

    /// Finds the tiles for about so many faces, unless that was done before.
    fn know_tiles(&mut self, network: &Network, faces: usize) -> Result<(), CudaError> {
        let about = faces.next_power_of_two();
        if !self.tiles.contains_key(&about) {
            let tiles = self.choose_tiles(network, about.min(self.capacity))?;
            self.tiles.insert(about, tiles);
        }
        Ok(())
    }

    /// The fastest of the most promising tiles of each convolution, measured with so many faces.
    fn choose_tiles(&self, network: &Network, faces: usize) -> Result<Vec<Tile>, CudaError> {
        let multiprocessors = network.card.multiprocessors() as usize;
        let (stream, started) = (&network.compute, Instant::now());
        let mut tiles = Vec::new();
        for launch in self.launches(network, 0, 0, faces) {
            let Work::Convolution { args, head: false } = &launch.work else {
                tiles.push(TILES[0]);
                continue;
            };
            let mut candidates = tile::candidates(args.rows as usize, args.channels as usize, multiprocessors);
            if started.elapsed() > PATIENCE {
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

    /// What the network takes for `faces` faces, ms.
    fn milliseconds(&mut self, network: &Network, faces: usize) -> Result<f64, CudaError> {
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

    /// Queues the network for faces of a slot: with one call where the same was done before.
    fn compute(&mut self, network: &Network, slot: usize, first: usize, faces: usize) -> Result<(), CudaError> {
        let key = (slot, first, faces);
        if !self.graphs.contains_key(&key) {
            self.know_tiles(network, faces)?;
            let launches = self.launches(network, slot, first, faces);
            if self.graphs.len() >= GRAPHS {
                return self.queue(network, &launches, faces);
            }
            let graph = network.compute.capture(|| self.queue(network, &launches, faces))?;
            self.graphs.insert(key, graph);
        }
        self.graphs[&key].launch(&network.compute)
    }

    /// The network input of each byte: the same division that the reference does for each pixel.
    fn standardise(&mut self, network: &Network, standardise: Standardise) -> Result<(), CudaError> {
        if self.standardise != standardise {
            let value = |byte: u8| (f32::from(byte) - standardise.mean) / standardise.scale;
            let values: Vec<u8> = (0..=255).flat_map(|byte| value(byte).to_le_bytes()).collect();
            network.compute.upload_now(&values, &self.values, 0)?;
            self.standardise = standardise;
        }
        Ok(())
    }

    /// Queues a batch: upload, network, download. Its pixels stay what and where they are until it is done.
    fn start(&mut self, network: &Network, slot: usize, batch: &FaceBatch<'_>) -> Result<(), CudaError> {
        self.standardise(network, batch.standardise)?;
        let face = batch.side * batch.side * 3;
        if batch.count > self.slots[slot].faces {
            // Graphs name the old memory, and one may be running for the other slot.
            network.compute.synchronize()?;
            self.graphs.clear();
            self.slots[slot] = Slot::new(&network.card, face, batch.count)?;
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
        let Slot { out, rows, done, .. } = &mut self.slots[slot];
        // SAFETY: nobody reads the rows before the event has passed.
        unsafe { network.compute.download(out, 0, &mut rows[..batch.count * DIMENSION * size_of::<f32>()])? };
        *done = Some(network.compute.record()?);
        Ok(())
    }

    /// Waits for a batch and gives its rows.
    fn finish(&mut self, slot: usize, out: &mut [f32]) -> Result<(), CudaError> {
        let Slot { rows, done, .. } = &mut self.slots[slot];
        if let Some(done) = done.take() {
            done.synchronize()?;
        }
        out.copy_from_slice(&rows.floats()[..out.len()]);
        Ok(())
    }
}

impl Embedder for CardEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn batch(&self) -> usize {
        self.fits().map_or(self.batch, |fits| self.batch.min(fits))
    }

    fn fits(&self) -> Option<usize> {
        self.fitted.as_ref().map(|fitted| fitted.capacity)
    }

    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        batch.check(out, DIMENSION)?;
        let bytes = batch.pixels.len();
        let mut pixels = std::mem::take(&mut self.staging);
        let mut queue = self.queue();
        if pixels.len() < bytes {
            pixels = queue.pixels(bytes)?;
        }
        pixels[..bytes].copy_from_slice(batch.pixels);
        let FaceBatch { count, side, standardise, .. } = batch;
        queue.start(OwnedBatch { pixels, count, side, standardise })?;
        pixels = queue.finish(out)?;
        drop(queue);
        self.staging = pixels;
        Ok(())
    }

    fn queue(&mut self) -> Box<dyn Queue + '_> {
        Box::new(CardQueue { embedder: self, started: VecDeque::new(), next: 0 })
    }

    fn stages(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<Vec<StageTime>, ModelError> {
        self.embed(batch, out)?;
        let Self { info, network, fitted, staging, .. } = self;
        let Some(fitted) = fitted else { return Ok(Vec::new()) };
        let faces = batch.count.min(fitted.capacity);
        let pixels = &staging[..faces * batch.side * batch.side * 3];
        fitted.stages(network, pixels, faces).map_err(|error| told(error, info))
    }
}

impl Fitted {
    /// Faces once more, alone and one step after the other: up, launch by launch, down.
    fn stages(&mut self, network: &Network, pixels: &[u8], faces: usize) -> Result<Vec<StageTime>, CudaError> {
        let launches = self.launches(network, 0, 0, faces);
        let tiles: Vec<_> = self.tiles(faces).take(launches.len()).collect();
        let Slot { pixels: memory, out, rows, .. } = &mut self.slots[0];
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

/// The way into the network; whatever is on its way is waited for when it is dropped.
struct CardQueue<'a> {
    embedder: &'a mut CardEmbedder,
    /// Batches on their way, oldest first, with their slots.
    started: VecDeque<(OwnedBatch, usize)>,
    next: usize,
}

impl CardQueue<'_> {
    fn failed(&self, error: CudaError) -> ModelError {
        told(error, &self.embedder.info)
    }
}

impl Queue for CardQueue<'_> {
    fn pixels(&mut self, bytes: usize) -> Result<Pixels, ModelError> {
        let pinned = self.embedder.network.card.pinned(bytes);
        pinned.map(Pixels::new).map_err(|error| self.failed(error))
    }

    fn in_flight(&self) -> usize {
        SLOTS
    }

    fn start(&mut self, batch: OwnedBatch) -> Result<(), ModelError> {
        let (slot, wanted) = (self.next % SLOTS, self.embedder.batch);
        let pixels = batch.faces();
        // Memory for another size would take the place of what those on their way need.
        let side = self.started.front().map_or(batch.side, |(batch, _)| batch.side);
        let checks = [
            ("batch", pixels.pixels.len(), batch.count * batch.side * batch.side * 3),
            ("side of a batch behind others", batch.side, side),
            ("queue of batches", self.started.len().max(SLOTS - 1) + 1, SLOTS),
        ];
        if let Some(&(what, got, expected)) = checks.iter().find(|(_, got, expected)| got != expected) {
            return Err(ModelError::Shape { what, got, expected });
        }
        self.embedder.fit(side, wanted, &|_| ())?;
        let CardEmbedder { info, network, fitted, .. } = &mut *self.embedder;
        let fitted = fitted.as_mut().ok_or(ModelError::Idle)?;
        if let Err(error) = fitted.start(network, slot, &pixels) {
            // An upload may be on its way out of memory that goes now.
            let _ = network.uploads.synchronize();
            return Err(told(error, info));
        }
        self.started.push_back((batch, slot));
        self.next += 1;
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let Some((_, slot)) = self.started.front() else { return false };
        let done = self.embedder.fitted.as_ref().and_then(|fitted| fitted.slots[*slot].done.as_ref());
        // A failure is told by `finish`.
        done.is_none_or(|done| done.done().unwrap_or(true))
    }

    fn finish(&mut self, out: &mut [f32]) -> Result<Pixels, ModelError> {
        let (batch, slot) = self.started.pop_front().ok_or(ModelError::Idle)?;
        if let Err(error) = batch.faces().check(out, DIMENSION) {
            // Its pixels go with it, and may still be read.
            let _ = self.embedder.network.compute.synchronize();
            return Err(error);
        }
        let CardEmbedder { info, fitted, .. } = &mut *self.embedder;
        let fitted = fitted.as_mut().ok_or(ModelError::Idle)?;
        fitted.finish(slot, out).map_err(|error| told(error, info))?;
        Ok(batch.pixels)
    }
}

impl Drop for CardQueue<'_> {
    fn drop(&mut self) {
        if !self.started.is_empty() {
            // Their pixels are still read. A card that fails here has failed a call before, or will the next one.
            let _ = self.embedder.network.uploads.synchronize();
            let _ = self.embedder.network.compute.synchronize();
        }
    }
}
