//! The CPU plan as an [`Embedder`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::execute::{Pass, PixelTables};
use super::plan::{CpuPlan, GROUP, ParameterSource, PlanSource, StepWork};
use crate::networks::inception_resnet_v1::{Convolution, DIMENSION};
use crate::weights::Tensors;
use crate::{
    Calibration, DeviceKind, Embedder, EmbedderInfo, Execution, FaceBatch, Kernels, ModelError, Precision, StageTime,
    folding, host,
};
use facevault_kernels::arena::{Arena, ArenaPointer};
use facevault_kernels::sets::Set;
use facevault_kernels::team::{Barrier, TeamMember};

/// The size of the published network's faces: what a plan is made for first.
const SIDE: usize = 160;

/// How the network is compiled.
#[derive(Debug, Clone, Copy)]
pub struct CpuOptions {
    /// Threads; `None` takes all cores.
    pub threads: Option<usize>,
    /// Arithmetic.
    pub precision: Precision,
    /// Instruction set.
    pub kernels: Kernels,
    /// Whether 3×3 layers are computed with Winograd's F(4×4, 3×3): faster, and about 10⁻⁶ off.
    pub winograd: bool,
}

impl CpuOptions {
    /// As configured.
    #[must_use]
    pub fn new(options: &Execution) -> Self {
        Self { threads: options.threads, precision: options.precision, kernels: options.kernels, winograd: true }
    }
}

/// A layer of the plan, for benchmarks.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanLayer {
    /// Its key in the checkpoint, or several.
    pub name: String,
    /// The part of the network.
    pub stage: &'static str,
    /// Floating-point operations for a face, by definition.
    pub flop: f64,
    /// Whether it is computed with Winograd.
    pub winograd: bool,
}

/// InceptionResnetV1 on the CPU.
pub struct CpuEmbedder {
    info: EmbedderInfo,
    plan: CpuPlan,
    tables: Vec<Option<PixelTables>>,
    arenas: Vec<Arena>,
    pool: rayon::ThreadPool,
    width: f64,
    ranges: BTreeMap<String, f32>,
    winograd: bool,
}

impl CpuEmbedder {
    /// Compiles a checkpoint. `tensors` must hold the network's parameters; int8 needs a calibration.
    ///
    /// # Errors
    /// [`ModelError::NoKernels`] where this CPU lacks the kernels, [`ModelError::Precision`], [`ModelError::NoCalibration`],
    /// [`ModelError::Device`] when threads cannot be started.
    pub fn new(
        tensors: &Tensors,
        width: f64,
        options: CpuOptions,
        calibration: Option<&Calibration>,
    ) -> Result<Self, ModelError> {
        Self::of_set(host::choose(options.kernels, options.precision)?, tensors, width, options, calibration)
    }

    /// Compiles a checkpoint for a set of the precision in `options`, whatever kernels they ask for.
    pub(super) fn of_set(
        set: &'static Set,
        tensors: &Tensors,
        width: f64,
        options: CpuOptions,
        calibration: Option<&Calibration>,
    ) -> Result<Self, ModelError> {
        let (winograd, info) = (options.winograd, info(set, options));
        if options.precision == Precision::Int8 && calibration.is_none() {
            return Err(ModelError::NoCalibration);
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(host::threads(options.threads))
            .thread_name(|i| format!("forward-{i}"))
            .build()
            .map_err(|error| ModelError::Device { device: "CPU".into(), reason: error.to_string() })?;
        let ranges = calibration.map(|calibration| calibration.ranges.clone()).unwrap_or_default();
        let folded = |spec: &Convolution| folding::folded(tensors, spec);
        let parameters = ParameterSource::Folded(&folded);
        let plan = CpuPlan::new(set, width, SIDE, &PlanSource { parameters, ranges: &ranges, winograd });
        if options.precision == Precision::Int8 {
            let names: BTreeSet<&String> =
                plan.steps.iter().flat_map(|step| step.outputs.iter().map(|(_, name)| name)).collect();
            if let Some(value) = ranges.keys().find(|name| !names.contains(name)) {
                return Err(ModelError::StrayRange { value: value.clone() });
            }
            if let Some(value) = names.into_iter().find(|name| !ranges.contains_key(*name)) {
                return Err(ModelError::NoRange { value: value.clone() });
            }
        }
        let mut embedder = Self { info, plan, tables: Vec::new(), arenas: Vec::new(), pool, width, ranges, winograd };
        embedder.renew();
        Ok(embedder)
    }

    /// Its info with these options, without weights.
    ///
    /// # Errors
    /// [`ModelError::NoKernels`] where this CPU lacks the kernels, [`ModelError::Precision`] where none have the precision.
    pub fn describe(options: CpuOptions) -> Result<EmbedderInfo, ModelError> {
        Ok(info(host::choose(options.kernels, options.precision)?, options))
    }

    fn renew(&mut self) {
        self.tables = (0..=GROUP).map(|_| None).collect();
        self.arenas = (0..self.pool.current_num_threads()).map(|_| Arena::new(self.plan.arena, &[])).collect();
    }

    /// Replans for faces of this size.
    fn fit(&mut self, side: usize) {
        if self.plan.side != side {
            let parameters = ParameterSource::Plan(&self.plan.steps);
            let source = PlanSource { parameters, ranges: &self.ranges, winograd: self.winograd };
            self.plan = CpuPlan::new(self.plan.set, self.width, side, &source);
            self.renew();
        }
    }

    /// Runs one group of faces on one thread and calls `watch` after each step.
    fn watched(
        &mut self,
        pixels: &[u8],
        images: usize,
        values: &[f32; 256],
        mut watch: impl FnMut(&Pass<'_>, usize, std::ops::Range<usize>),
    ) {
        let Self { plan, tables, arenas, .. } = self;
        let tables = tables[images].get_or_insert_with(|| PixelTables::new(plan, images));
        let barrier = Barrier::new(1);
        let member = TeamMember::new(0, &barrier);
        let pass = Pass { plan, tables, arena: arenas[0].shared(), member: &member, pixels, images, values };
        pass.run(|step, faces| watch(&pass, step, faces));
    }

    /// The range of each layer's output over a batch; the plan must be in f32.
    ///
    /// # Errors
    /// [`ModelError::Shape`].
    pub fn calibrate(&mut self, batch: FaceBatch<'_>, into: &mut Calibration) -> Result<(), ModelError> {
        batch.check(&vec![0.0; batch.count * DIMENSION], DIMENSION)?;
        self.fit(batch.side);
        let values = batch.standardise.values();
        let face = batch.side * batch.side * 3;
        let groups: Vec<&[u8]> = batch.pixels.chunks(GROUP * face).collect();
        let Self { plan, tables, arenas, pool, .. } = self;
        for pixels in &groups {
            let images = pixels.len() / face;
            tables[images].get_or_insert_with(|| PixelTables::new(plan, images));
        }
        let arenas: Vec<_> = arenas.iter_mut().map(Arena::shared).collect();
        let found = share_out(pool, &arenas, &groups, |pixels, arena, member, ranges: &mut BTreeMap<String, f32>| {
            let images = pixels.len() / face;
            let Some(tables) = &tables[images] else { return };
            let pass = Pass { plan, tables, arena, member, pixels, images, values: &values };
            pass.run(|step, faces| pass.ranges(step, faces, |name, most| widen(ranges, name, most)));
        });
        found.iter().flatten().for_each(|(name, most)| widen(&mut into.ranges, name, *most));
        into.faces += batch.count;
        Ok(())
    }

    /// The layers of the plan for faces of a size, in order.
    pub fn layers(&mut self, side: usize) -> Vec<PlanLayer> {
        self.fit(side);
        let layer = |step: &super::plan::PlanStep| PlanLayer {
            name: step.name.clone(),
            stage: step.stage,
            flop: step.flop,
            winograd: matches!(step.work, StepWork::Winograd(_)),
        };
        self.plan.steps.iter().map(layer).collect()
    }

    /// Runs one layer on one thread over whatever its input holds: a benchmark's unit. A layer of the stem takes one face.
    pub fn run_layer(&mut self, layer: usize, faces: usize) -> usize {
        let faces = if layer < self.plan.stem { 1 } else { faces.clamp(1, GROUP) };
        let Self { plan, tables, arenas, .. } = self;
        let tables = tables[faces].get_or_insert_with(|| PixelTables::new(plan, faces));
        let barrier = Barrier::new(1);
        let member = TeamMember::new(0, &barrier);
        let pixels = vec![127; plan.side * plan.side * 3];
        let arena = arenas[0].shared();
        Pass { plan, tables, arena, member: &member, pixels: &pixels, images: faces, values: &[0.5; 256] }
            .step(layer, 0..faces);
        faces
    }

    /// Multiply-adds of the plan's kind at full speed on one thread: operations in `rounds` rounds.
    #[must_use]
    pub fn run_peak(&self, rounds: usize) -> f64 {
        self.plan.set.run_peak(rounds)
    }
}

fn info(set: &Set, options: CpuOptions) -> EmbedderInfo {
    EmbedderInfo {
        name: format!("inception-resnet-v1 (fused{})", set.arithmetic()),
        device: DeviceKind::Cpu,
        device_name: host::name(set, host::threads(options.threads)),
        precision: options.precision,
    }
}

/// Each thread takes whole jobs, alone and in its own arena, until there are none; what each has gathered from its jobs.
fn share_out<J: Sync, R: Default + Send>(
    pool: &rayon::ThreadPool,
    arenas: &[ArenaPointer],
    jobs: &[J],
    run: impl Fn(&J, ArenaPointer, &TeamMember<'_>, &mut R) + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    pool.broadcast(|thread| {
        let barrier = Barrier::new(1);
        let member = TeamMember::new(0, &barrier);
        let mut gathered = R::default();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            run(job, arenas[thread.index()], &member, &mut gathered);
        }
        gathered
    })
}

/// Takes the largest value of a layer's output into the range of that layer.
fn widen(ranges: &mut BTreeMap<String, f32>, name: &str, most: f32) {
    let range = ranges.entry(name.to_owned()).or_default();
    *range = range.max(most);
}

/// The unit vector of what the network gives.
fn normalise(row: &[f32], out: &mut [f32]) {
    out.copy_from_slice(row);
    host::normalise(out);
}

impl Embedder for CpuEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn peak(&self) -> Option<f64> {
        Some(host::peak(self.plan.set, &self.pool))
    }

    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        batch.check(out, DIMENSION)?;
        self.fit(batch.side);
        let values = batch.standardise.values();
        let Self { plan, tables, arenas, pool, .. } = self;
        let threads = pool.current_num_threads();
        // With enough faces, each thread takes whole groups and waits for the others only at the end; with few, all threads
        // share one group.
        let apart = batch.count >= 2 * threads || threads == 1;
        let groups = batch.count.div_ceil(GROUP);
        let groups = if apart { groups.next_multiple_of(threads).min(batch.count) } else { groups };
        let bounds: Vec<usize> = (0..=groups).map(|i| i * batch.count / groups).collect();
        for pair in bounds.windows(2) {
            let images = pair[1] - pair[0];
            tables[images].get_or_insert_with(|| PixelTables::new(plan, images));
        }
        let face = batch.side * batch.side * 3;
        let mut rest = out;
        let mut jobs = Vec::with_capacity(groups);
        for pair in bounds.windows(2) {
            let (rows, tail) = rest.split_at_mut((pair[1] - pair[0]) * DIMENSION);
            rest = tail;
            jobs.push((&batch.pixels[pair[0] * face..pair[1] * face], Mutex::new(rows)));
        }
        let arenas: Vec<_> = arenas.iter_mut().map(Arena::shared).collect();
        let run = |(pixels, rows): &(&[u8], Mutex<&mut [f32]>), arena, member: &TeamMember<'_>| {
            let images = pixels.len() / face;
            let Some(tables) = &tables[images] else { return };
            let pass = Pass { plan, tables, arena, member, pixels, images, values: &values };
            pass.run(|_, _| ());
            if member.first()
                && let Ok(mut rows) = rows.lock()
            {
                for (i, row) in rows.chunks_exact_mut(DIMENSION).enumerate() {
                    normalise(pass.output(i), row);
                }
            }
            // No member may begin the next group while these outputs are read.
            member.meet();
        };
        if apart {
            share_out(pool, &arenas, &jobs, |job, arena, member, (): &mut ()| run(job, arena, member));
        } else {
            let barrier = Barrier::new(threads);
            pool.broadcast(|thread| {
                let member = TeamMember::new(thread.index(), &barrier);
                for job in &jobs {
                    run(job, arenas[0], &member);
                }
            });
        }
        Ok(())
    }

    fn stages(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<Vec<StageTime>, ModelError> {
        batch.check(out, DIMENSION)?;
        self.fit(batch.side);
        let values = batch.standardise.values();
        let mut stages: Vec<StageTime> = Vec::new();
        let face = batch.side * batch.side * 3;
        for (pixels, rows) in batch.pixels.chunks(GROUP * face).zip(out.chunks_mut(GROUP * DIMENSION)) {
            let mut last = Instant::now();
            self.watched(pixels, pixels.len() / face, &values, |pass, step, faces| {
                let now = Instant::now();
                let step = &pass.plan.steps[step];
                let seconds = (now - last).as_secs_f64();
                last = now;
                let flop = step.flop * faces.len() as f64;
                StageTime { name: step.stage.into(), seconds, flop }.add_to(&mut stages);
                if step.name == "last_linear" {
                    rows.chunks_exact_mut(DIMENSION).enumerate().for_each(|(i, row)| normalise(pass.output(i), row));
                }
            });
        }
        Ok(stages)
    }
}
