//! Faces in, embeddings out, on all threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use facevault_graph::{Graph, check};
use facevault_kernels::arena::Arena;
use facevault_kernels::sets::Set;
use facevault_kernels::team::{Barrier, TeamMember};

use crate::error::EngineError;
use crate::execute::Pass;
use crate::lower::Factors;
use crate::patterns;
use crate::plan::{GROUP, Plan, TileTables};
use crate::ranges::Ranges;

/// A graph on the CPU.
pub struct Engine {
    plan: Plan,
    tables: Vec<Option<TileTables>>,
    arenas: Vec<Arena>,
    pool: rayon::ThreadPool,
}

/// One step, for measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Of its nodes.
    pub name: String,
    /// How it is computed.
    pub kind: &'static str,
    /// Floating-point operations a face, by definition.
    pub flop: f64,
    /// Time, s.
    pub seconds: f64,
}

impl Engine {
    /// Compiles a graph for a set of kernels that this CPU has, on so many threads.
    ///
    /// # Errors
    /// [`EngineError::Misshapen`] for a graph that contradicts itself, [`EngineError::Unsupported`] for what has no kernel,
    /// [`EngineError::TooLarge`], [`EngineError::Threads`].
    pub fn new(graph: &Graph, set: &'static Set, threads: usize) -> Result<Self, EngineError> {
        Self::of(graph, set, Factors::OfSet, threads)
    }

    /// As [`Self::new`], for a set whose products are of whole numbers.
    ///
    /// # Errors
    /// As [`Self::new`]; [`EngineError::NoRange`] where `ranges` lacks one: they are [`Self::widen`]'s of the same graph.
    pub fn in_wholes(graph: &Graph, set: &'static Set, ranges: &Ranges, threads: usize) -> Result<Self, EngineError> {
        Self::of(graph, set, Factors::Whole(ranges), threads)
    }

    /// As [`Self::new`], for [`Self::widen`]; `set` is one of f32.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn observing(graph: &Graph, set: &'static Set, threads: usize) -> Result<Self, EngineError> {
        Self::of(graph, set, Factors::Observed, threads)
    }

    fn of(graph: &Graph, set: &'static Set, factors: Factors<'_>, threads: usize) -> Result<Self, EngineError> {
        check(graph)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("forward-{i}"))
            .build()
            .map_err(|error| EngineError::Threads { reason: error.to_string() })?;
        let plan = Plan::new(&patterns::join(graph), set, factors, threads)?;
        let arenas = (0..threads).map(|_| Arena::new(plan.arena, &plan.head)).collect();
        Ok(Self { plan, tables: (0..=GROUP).map(|_| None).collect(), arenas, pool })
    }

    /// Height and width of a face, pixels.
    #[must_use]
    pub fn side(&self) -> (usize, usize) {
        self.plan.side
    }

    /// Faces that go through the network together, at most.
    #[must_use]
    pub fn group(&self) -> usize {
        self.plan.group
    }

    /// Its kernels.
    #[must_use]
    pub fn set(&self) -> &'static Set {
        self.plan.set
    }

    /// Its threads.
    #[must_use]
    pub fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    /// Numbers of an embedding.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.plan.output.shape.iter().product()
    }

    /// `count` faces of interleaved bytes → `count` × [`Self::dimension`] numbers, as the graph computes them. `values` is the
    /// network input of each byte.
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn run(&mut self, pixels: &[u8], count: usize, values: &[f32; 256], out: &mut [f32]) {
        let face = self.plan.side.0 * self.plan.side.1 * 3;
        let dimension = self.dimension();
        assert_eq!((pixels.len(), out.len()), (count * face, count * dimension), "lengths of {count} faces");
        if count == 0 {
            return;
        }
        let Self { plan, tables, arenas, pool } = self;
        let threads = pool.current_num_threads();
        // With enough faces, each thread takes whole groups and waits for the others only at the end; with few, all threads
        // share one group.
        let apart = count >= 2 * threads || threads == 1;
        let groups = count.div_ceil(plan.group);
        let groups = if apart { groups.next_multiple_of(threads).min(count) } else { groups };
        let bounds: Vec<usize> = (0..=groups).map(|i| i * count / groups).collect();
        let (mut rest, mut jobs) = (out, Vec::with_capacity(groups));
        for pair in bounds.windows(2) {
            let images = pair[1] - pair[0];
            tables[images].get_or_insert_with(|| TileTables::new(plan, images));
            let (rows, tail) = rest.split_at_mut(images * dimension);
            rest = tail;
            jobs.push((&pixels[pair[0] * face..pair[1] * face], Mutex::new(rows)));
        }
        let arenas: Vec<_> = arenas.iter_mut().map(Arena::shared).collect();
        let run = |(pixels, rows): &(&[u8], Mutex<&mut [f32]>), arena, member: &TeamMember<'_>| {
            let images = pixels.len() / face;
            let Some(tables) = &tables[images] else { return };
            let pass = Pass { plan, tables, arena, member, pixels, images, values };
            pass.run(|_, _| ());
            if member.first()
                && let Ok(mut rows) = rows.lock()
            {
                rows.chunks_exact_mut(dimension).enumerate().for_each(|(i, row)| row.copy_from_slice(pass.output(i)));
            }
            // No member may begin the next group while these outputs are read.
            member.meet();
        };
        if apart {
            let next = AtomicUsize::new(0);
            pool.broadcast(|thread| {
                let barrier = Barrier::new(1);
                let member = TeamMember::new(0, &barrier);
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(job, arenas[thread.index()], &member);
                }
            });
        } else {
            let barrier = Barrier::new(threads);
            pool.broadcast(|thread| {
                let member = TeamMember::new(thread.index(), &barrier);
                for job in &jobs {
                    run(job, arenas[0], &member);
                }
            });
        }
    }

    /// Widens `ranges` to what the network makes of these faces. On one thread, after [`Self::observing`].
    ///
    /// # Panics
    /// If `pixels` are not whole faces.
    pub fn widen(&mut self, pixels: &[u8], values: &[f32; 256], ranges: &mut Ranges) {
        let face = self.plan.side.0 * self.plan.side.1 * 3;
        assert!(pixels.len().is_multiple_of(face), "{} bytes are no faces", pixels.len());
        for pixels in pixels.chunks(self.plan.group * face) {
            self.watched(pixels, values, |pass, step, faces| pass.widen(step, faces, ranges));
        }
    }

    /// Runs at most a group of faces on one thread; `watch` is called after each step with the faces it was for.
    fn watched(
        &mut self,
        pixels: &[u8],
        values: &[f32; 256],
        mut watch: impl FnMut(&Pass<'_>, usize, std::ops::Range<usize>),
    ) {
        let images = pixels.len() / (self.plan.side.0 * self.plan.side.1 * 3);
        assert!((1..=self.plan.group).contains(&images), "{images} faces");
        let Self { plan, tables, arenas, .. } = self;
        let tables = tables[images].get_or_insert_with(|| TileTables::new(plan, images));
        let barrier = Barrier::new(1);
        let member = TeamMember::new(0, &barrier);
        let pass = Pass { plan, tables, arena: arenas[0].shared(), member: &member, pixels, images, values };
        pass.run(|step, faces| watch(&pass, step, faces));
    }

    /// The time of each step over at most a group of faces, on one thread.
    ///
    /// # Panics
    /// As [`Self::run`].
    pub fn layers(&mut self, pixels: &[u8], values: &[f32; 256]) -> Vec<Layer> {
        let layer = |step: &crate::step::Step| Layer {
            name: step.name.clone(),
            kind: step.work.kind(),
            flop: step.flop,
            seconds: 0.0,
        };
        let mut layers: Vec<Layer> = self.plan.steps.iter().map(layer).collect();
        let mut last = Instant::now();
        self.watched(pixels, values, |_, step, _| {
            let now = Instant::now();
            layers[step].seconds += (now - last).as_secs_f64();
            last = now;
        });
        layers
    }
}
