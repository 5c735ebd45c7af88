//! Steps become a plan: which of them run face by face, where each buffer lies, and where the inputs of each tile are.

use facevault_graph::Graph;
use facevault_kernels::arena::{Need, place};
use facevault_kernels::kernels::{DEPTHWISE_HEIGHT, DEPTHWISE_WIDTH};
use facevault_kernels::sets::Set;

use crate::error::EngineError;
use crate::kernels::chain::Place;
use crate::kernels::sets::{Maps, maps};
use crate::kernels::storage::Storage;
use crate::lower::{BufferSpec, Factors, Lowered, lower};
use crate::step::{Geometry, Grid, Pad, Step, Work};
use crate::view::{Home, View};

/// Faces that go through the layers together at most, so that the weights are read once for all of them.
pub const GROUP: usize = 8;

/// An arena of more than this takes fewer faces at a time.
const LARGE_ARENA: usize = 1 << 30;

/// Places in an arena are 32 bits.
const LARGEST_ARENA: usize = u32::MAX as usize;

/// Activations that stay in the second cache from step to step.
const CACHE_BYTES: usize = 768 << 10;

/// Buffers begin at multiples of a cache line.
const LINE: usize = 64;

/// A place for numbers.
#[derive(Debug, Clone, Copy)]
pub struct Buffer {
    /// Where it begins in the arena, bytes.
    pub offset: usize,
    /// Bytes from face to face; 0 where faces go through one at a time, and for scratch.
    pub face: usize,
    /// How its numbers are kept.
    pub storage: Storage,
}

/// A graph, ready to run.
pub struct Plan {
    pub set: &'static Set,
    pub maps: &'static Maps,
    pub steps: Vec<Step>,
    pub buffers: Vec<Buffer>,
    pub constants: Vec<f32>,
    /// What every arena begins with: zeros, then pixels for padding to read.
    pub head: Vec<u8>,
    /// Faces of a group at most.
    pub group: usize,
    /// Steps that run face by face; the others take a group at once.
    pub stem: usize,
    /// Bytes of an arena.
    pub arena: usize,
    /// Height and width of a face.
    pub side: (usize, usize),
    /// The embedding.
    pub output: View,
    /// Buffers in whole numbers, and the values that they are for.
    pub observed: Vec<(usize, String)>,
}

impl Plan {
    /// Compiles a graph.
    pub fn new(graph: &Graph, set: &'static Set, factors: Factors<'_>, threads: usize) -> Result<Self, EngineError> {
        let face = &graph.values[graph.input];
        let side = match face.shape[..] {
            [1, 3, height, width] if width != 3 => (height, width),
            [1, height, width, 3] => (height, width),
            _ => {
                let what = format!("an input of the shape {:?}, which is no face", face.shape);
                return Err(EngineError::Unsupported { node: face.name.clone(), what });
            }
        };
        let Lowered { mut steps, buffers: specs, constants, head: pads, output, observed } =
            lower(graph, set, factors, threads, GROUP)?;
        let lives = lives(&steps, &specs, &output);
        // Zeros for padding and for tiles' missing pixels to read, as many as a tap is long.
        let zeros = steps.iter().map(|step| longest_tap(&step.work)).max().unwrap_or(0).next_multiple_of(16) * 4 + LINE;
        for step in &mut steps {
            if let Some(pad) = pad_of(&mut step.work) {
                pad.offset += zeros;
            }
        }
        let mut head = vec![0; zeros];
        head.extend(pads);
        let start = head.len().next_multiple_of(LINE);
        let mut group = GROUP;
        let (mut stem, mut placed) = Self::laid_out(&steps, &specs, &lives, group, start);
        while placed.1 > LARGE_ARENA && group > 1 {
            group /= 2;
            (stem, placed) = Self::laid_out(&steps, &specs, &lives, group, start);
        }
        let (buffers, arena) = placed;
        if arena > LARGEST_ARENA {
            return Err(EngineError::TooLarge { bytes: arena, limit: LARGEST_ARENA });
        }
        Ok(Self { set, maps: maps(set), steps, buffers, constants, head, group, stem, arena, side, output, observed })
    }

    /// The stem for groups of so many faces, and the places of the buffers.
    fn laid_out(
        steps: &[Step],
        specs: &[BufferSpec],
        lives: &[(usize, usize)],
        group: usize,
        start: usize,
    ) -> (usize, (Vec<Buffer>, usize)) {
        let stem = stem(steps, specs, lives, group);
        (stem, lay_out(specs, lives, stem, group, start))
    }
}

/// First and last step that touch each buffer.
fn lives(steps: &[Step], specs: &[BufferSpec], output: &View) -> Vec<(usize, usize)> {
    let mut lives = vec![(usize::MAX, 0); specs.len()];
    let mut touch = |buffer: usize, now: usize| lives[buffer] = (lives[buffer].0.min(now), lives[buffer].1.max(now));
    for (now, step) in steps.iter().enumerate() {
        for view in step.work.reads().into_iter().chain(step.work.writes()) {
            if let Home::Buffer(buffer) = view.home {
                touch(buffer, now);
            }
        }
        match &step.work {
            Work::Winograd(winograd) => {
                touch(winograd.scratch.0, now);
                touch(winograd.scratch.1, now);
            }
            Work::MatMul(product) => touch(product.scratch, now),
            _ => (),
        }
    }
    if let Home::Buffer(buffer) = output.home {
        touch(buffer, steps.len());
    }
    lives
}

/// How many steps run face by face: those whose weights are small against their activations, as long as it is a clean cut.
fn stem(steps: &[Step], specs: &[BufferSpec], lives: &[(usize, usize)], group: usize) -> usize {
    let bytes = |view: &View| match view.home {
        Home::Buffer(buffer) => specs[buffer].length * specs[buffer].storage.bytes(),
        Home::Constants => 0,
    };
    // Bytes that a group of faces moves from beyond the second cache: weights once a face in the stem, activations that do not
    // stay there elsewhere.
    let weights: Vec<usize> = steps.iter().map(|step| step.work.weight_bytes() * (group - 1)).collect();
    let activations: Vec<usize> = steps
        .iter()
        .map(|step| {
            let touched: usize = step.work.reads().into_iter().chain(step.work.writes()).map(bytes).sum();
            if touched * group > CACHE_BYTES { touched * group } else { 0 }
        })
        .collect();
    let clean = |cut: usize| {
        // What crosses the cut is not read before it.
        lives.iter().enumerate().all(|(buffer, &(first, last))| {
            let crosses = first < cut && last >= cut && first <= last;
            let read_before =
                steps[..cut].iter().any(|step| step.work.reads().iter().any(|view| view.home == Home::Buffer(buffer)));
            !(crosses && read_before)
        })
    };
    let mut cost: usize = activations.iter().sum();
    let (mut best, mut least) = (0, cost);
    for cut in 1..=steps.len() {
        cost = cost + weights[cut - 1] - activations[cut - 1];
        if cost < least && clean(cut) {
            (best, least) = (cut, cost);
        }
    }
    best
}

/// Numbers that a tap reads.
fn longest_tap(work: &Work) -> usize {
    match work {
        Work::Product(step) => step.words.max(step.input.channels),
        Work::Winograd(step) => step.inputs,
        // Whole tiles are read.
        Work::Depthwise(step) => step.input.channels.next_multiple_of(DEPTHWISE_WIDTH),
        Work::MatMul(step) => *step.left.shape.last().unwrap_or(&0),
        _ => 0,
    }
}

fn pad_of(work: &mut Work) -> Option<&mut Pad> {
    match work {
        Work::Product(step) => step.pad.as_mut(),
        Work::Winograd(step) => step.pad.as_mut(),
        Work::Depthwise(step) => step.pad.as_mut(),
        _ => None,
    }
}

/// Gives each buffer its place.
fn lay_out(
    specs: &[BufferSpec],
    lives: &[(usize, usize)],
    stem: usize,
    group: usize,
    start: usize,
) -> (Vec<Buffer>, usize) {
    let (mut needs, mut faces) = (Vec::new(), Vec::new());
    for (spec, &(first, last)) in specs.iter().zip(lives) {
        let face = (spec.length * spec.storage.bytes()).next_multiple_of(LINE);
        let grouped = spec.of_faces && last >= stem && first <= last;
        // What the stem leaves for the group must outlive the stem of every face of it.
        let life = (if grouped && first < stem { 0 } else { first }, last);
        // What no step touches needs no room.
        let size = if first <= last { face * if grouped { group } else { 1 } } else { 0 };
        needs.push(Need { size, life });
        faces.push(if grouped { face } else { 0 });
    }
    let (offsets, total) = place(&needs, start);
    let buffer = |((offset, face), spec): ((usize, usize), &BufferSpec)| Buffer { offset, face, storage: spec.storage };
    let buffers = offsets.into_iter().zip(faces).zip(specs).map(buffer).collect();
    // A tile may read past the last pixel.
    (buffers, total + 64 * LINE)
}

/// The pixels of each tile and the places of their inputs, for a number of faces at a time.
#[derive(Debug, Default)]
pub struct TileTable {
    /// Indices of taps, tile after tile.
    pub taps: Vec<u32>,
    /// For each of `taps`, where each pixel's channels begin in the arena, bytes.
    pub offsets: Vec<u32>,
    /// Of each pixel.
    pub places: Vec<Place>,
    /// First of `taps` of each tile, and the end.
    pub tiles: Vec<u32>,
    /// Pixels of a tile.
    pub height: usize,
}

impl TileTable {
    /// Pixels that see the same part of the kernel, the rest being padding, come to lie in the same tiles, so that taps
    /// that see nothing but zeros are left out.
    fn new(
        plan: &Plan,
        input: &Grid,
        geometry: &Geometry,
        runs: usize,
        pad: Option<Pad>,
        height: usize,
        images: usize,
    ) -> Self {
        let Home::Buffer(buffer) = input.view.home else { unreachable!("products read buffers") };
        let home = plan.buffers[buffer];
        let taps = geometry.kernel.0 * geometry.kernel.1;
        let outside = pad.map_or(0, |pad| pad.offset as u32);
        let place = |image: usize, y: usize, x: usize, run: usize| {
            let (ky, kx) = if runs == taps { (run / geometry.kernel.1, run % geometry.kernel.1) } else { (run, 0) };
            let y = (y * geometry.stride.0 + ky * geometry.dilation.0).checked_sub(geometry.padding.0)?;
            let x = (x * geometry.stride.1 + kx * geometry.dilation.1).checked_sub(geometry.padding.1)?;
            (y < input.height && x < input.width).then(|| {
                let number = input.view.offset as isize + y as isize * input.row + x as isize * input.pixel;
                home.offset + image * home.face + number as usize * home.storage.bytes()
            })
        };
        let mut order = Vec::with_capacity(images * geometry.height * geometry.width);
        for image in 0..images {
            for y in 0..geometry.height {
                for x in 0..geometry.width {
                    // With more taps than bits, pixels stay in their order.
                    let seen = if runs <= 64 {
                        (0..runs).fold(0u64, |seen, run| seen << 1 | u64::from(place(image, y, x, run).is_some()))
                    } else {
                        0
                    };
                    order.push((seen, image, y, x));
                }
            }
        }
        order.sort_by_key(|&(seen, ..)| std::cmp::Reverse(seen));
        let mut table = Self { tiles: vec![0], height, ..Self::default() };
        for tile in order.chunks(height) {
            for run in 0..runs {
                let places: Vec<_> = tile.iter().map(|&(_, image, y, x)| place(image, y, x, run)).collect();
                if pad.is_some() || places.iter().any(Option::is_some) {
                    table.taps.push(run as u32);
                    let row = |i: usize| places.get(i).copied().flatten().map_or(outside, |place| place as u32);
                    table.offsets.extend((0..height).map(row));
                }
            }
            table.tiles.push(table.taps.len() as u32);
            table.places.extend(
                tile.iter()
                    .map(|&(_, image, y, x)| Place { image: image as u32, pixel: (y * geometry.width + x) as u32 }),
            );
        }
        table
    }
}

/// The tables of every step for a number of faces.
pub struct TileTables {
    pub steps: Vec<TileTable>,
}

impl TileTables {
    pub fn new(plan: &Plan, images: usize) -> Self {
        let table = |(index, step): (usize, &Step)| {
            let images = if index < plan.stem { 1 } else { images };
            match &step.work {
                Work::Product(p) => TileTable::new(plan, &p.input, &p.geometry, p.runs, p.pad, plan.set.height, images),
                Work::Depthwise(d) => {
                    let taps = d.geometry.kernel.0 * d.geometry.kernel.1;
                    TileTable::new(plan, &d.input, &d.geometry, taps, d.pad, DEPTHWISE_HEIGHT, images)
                }
                _ => TileTable::default(),
            }
        };
        Self { steps: plan.steps.iter().enumerate().map(table).collect() }
    }
}
