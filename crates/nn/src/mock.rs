//! A device for tests: a thread that answers with a delay and records how it is used.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Embedder, EmbedderInfo, FaceBatch, ModelError, OwnedBatch, Pixels, Queue};
use crate::{DeviceKind, Precision};
use facevault_base::digest::Digest;

/// Contents of memory that the device returns: starting it again without filling it gives wrong answers.
const SCRIBBLE: u8 = 0xAA;

/// A unit vector that encodes its face.
#[must_use]
pub fn encoded(face: &[u8], dimension: usize) -> Vec<f32> {
    let digest = Digest::of(face);
    let raw: Vec<f64> = (0..dimension).map(|i| f64::from(digest.bytes()[i % 32]) - 127.3 + i as f64 / 512.0).collect();
    let length = raw.iter().map(|value| value * value).sum::<f64>().sqrt();
    raw.into_iter().map(|value| (value / length) as f32).collect()
}

/// How a card was used.
#[derive(Default)]
pub struct MockLog {
    batches: AtomicUsize,
    most_at_once: AtomicUsize,
    largest: AtomicUsize,
    memory: AtomicUsize,
}

impl MockLog {
    /// Batches that were started.
    pub fn batches(&self) -> usize {
        self.batches.load(Ordering::SeqCst)
    }

    /// Most batches in flight at once.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// How often memory was requested.
    pub fn memory(&self) -> usize {
        self.memory.load(Ordering::SeqCst)
    }

    /// Faces of the largest batch.
    pub fn largest(&self) -> usize {
        self.largest.load(Ordering::SeqCst)
    }
}

/// One device.
pub struct MockCard {
    info: EmbedderInfo,
    dimension: usize,
    in_flight: usize,
    answer: fn(&[u8], usize) -> Vec<f32>,
    seed: u64,
    greedy: Option<usize>,
    fails_at: Option<usize>,
    on_start: Option<Box<dyn FnMut(usize) + Send>>,
    room: usize,
    seen: Arc<MockLog>,
}

impl MockCard {
    /// Rows of so many numbers, which encode the pixels they come from.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        let info = EmbedderInfo {
            name: "mock".into(),
            device: DeviceKind::Cuda,
            device_name: "mock card".into(),
            precision: Precision::F32,
        };
        Self {
            info,
            dimension,
            in_flight: 2,
            answer: encoded,
            seed: 0,
            greedy: None,
            fails_at: None,
            on_start: None,
            room: usize::MAX,
            seen: Arc::default(),
        }
    }

    /// Holds so many batches at once.
    #[must_use]
    pub fn in_flight(self, in_flight: usize) -> Self {
        Self { in_flight, ..self }
    }

    /// Says that it computes in this precision.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.info.precision = precision;
        self
    }

    /// Answers with another function of a face and the dimension.
    #[must_use]
    pub fn answering(self, answer: fn(&[u8], usize) -> Vec<f32>) -> Self {
        Self { answer, ..self }
    }

    /// Delays each batch by a time that depends on this number.
    #[must_use]
    pub fn slow(self, seed: u64) -> Self {
        Self { seed: seed + 1, ..self }
    }

    /// Works on a batch only when as many others as it may have are queued behind it, or all of `batches` were started. A
    /// caller that waits for it while a batch is ready deadlocks, which is an error after some seconds.
    #[must_use]
    pub fn greedy(self, batches: usize) -> Self {
        Self { greedy: Some(batches), ..self }
    }

    /// Fails with the batch of this number, counted from 0.
    #[must_use]
    pub fn failing_at(self, batch: usize) -> Self {
        Self { fails_at: Some(batch), ..self }
    }

    /// Calls this at each start with the number of batches started before.
    #[must_use]
    pub fn on_start(self, watch: impl FnMut(usize) + Send + 'static) -> Self {
        Self { on_start: Some(Box::new(watch)), ..self }
    }

    /// Has pinned memory for this many bytes at once.
    #[must_use]
    pub fn room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// The record of its use.
    #[must_use]
    pub fn seen(&self) -> Arc<MockLog> {
        Arc::clone(&self.seen)
    }
}

impl Embedder for MockCard {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        let dimension = self.dimension;
        batch.check(out, dimension)?;
        fill(self.answer, &batch, out, dimension);
        Ok(())
    }

    fn batch(&self) -> usize {
        8
    }

    fn queue(&mut self) -> Box<dyn Queue + '_> {
        let (start, started) = channel();
        let (finish, finished) = channel();
        let gate = Arc::new((Mutex::new(0), Condvar::new()));
        let done = Arc::new(AtomicUsize::new(0));
        let device = Device {
            answer: self.answer,
            dimension: self.dimension,
            seed: self.seed,
            ahead: self.greedy.map(|batches| (self.in_flight, batches)),
            fails_at: self.fails_at,
            gate: Arc::clone(&gate),
            done: Arc::clone(&done),
        };
        let thread = std::thread::spawn(move || device.run(&started, &finish));
        let (start, thread) = (Some(start), Some(thread));
        Box::new(MockQueue { card: self, start, finished, gate, done, thread, inside: 0, taken: 0 })
    }
}

fn fill(answer: fn(&[u8], usize) -> Vec<f32>, batch: &FaceBatch<'_>, out: &mut [f32], dimension: usize) {
    let faces = batch.pixels.chunks_exact(batch.side * batch.side * 3);
    faces.zip(out.chunks_exact_mut(dimension)).for_each(|(face, row)| row.copy_from_slice(&answer(face, dimension)));
}

type Finished = Result<(Pixels, Vec<f32>), ModelError>;

struct Device {
    answer: fn(&[u8], usize) -> Vec<f32>,
    dimension: usize,
    seed: u64,
    /// How many are in it before it works, and how many come at all.
    ahead: Option<(usize, usize)>,
    fails_at: Option<usize>,
    /// How many were started.
    gate: Arc<(Mutex<usize>, Condvar)>,
    /// How many are done.
    done: Arc<AtomicUsize>,
}

impl Device {
    fn run(&self, started: &Receiver<OwnedBatch>, finish: &Sender<Finished>) {
        for (number, mut batch) in started.iter().enumerate() {
            let answered = self.work(number, &batch).map(|rows| {
                batch.pixels.fill(SCRIBBLE);
                (batch.pixels, rows)
            });
            if finish.send(answered).is_err() {
                return;
            }
            self.done.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn work(&self, number: usize, batch: &OwnedBatch) -> Result<Vec<f32>, ModelError> {
        let failed = |reason: &str| ModelError::Device { device: "mock card".into(), reason: reason.into() };
        if let Some((in_flight, batches)) = self.ahead {
            let wanted = batches.min(number + in_flight);
            let (started, changed) = &*self.gate;
            let waited = changed
                .wait_timeout_while(started.lock().unwrap(), Duration::from_secs(10), |started| *started < wanted)
                .unwrap();
            if waited.1.timed_out() {
                return Err(failed("it waited for a batch that was ready"));
            }
        }
        if self.seed > 0 {
            let digest = Digest::of(format!("{} {number}", self.seed).as_bytes());
            std::thread::sleep(Duration::from_micros(u64::from(digest.bytes()[0]) * 4));
        }
        if self.fails_at == Some(number) {
            return Err(failed("it was told to"));
        }
        let mut rows = vec![0.0; batch.count * self.dimension];
        batch.faces().check(&rows, self.dimension)?;
        fill(self.answer, &batch.faces(), &mut rows, self.dimension);
        Ok(rows)
    }
}

struct MockQueue<'a> {
    card: &'a mut MockCard,
    start: Option<Sender<OwnedBatch>>,
    finished: Receiver<Finished>,
    gate: Arc<(Mutex<usize>, Condvar)>,
    done: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
    /// Batches that were started and not finished.
    inside: usize,
    /// Batches that were finished.
    taken: usize,
}

impl Queue for MockQueue<'_> {
    fn pixels(&mut self, bytes: usize) -> Result<Pixels, ModelError> {
        self.card.seen.memory.fetch_add(1, Ordering::SeqCst);
        if bytes > self.card.room {
            let (wanted, free) = (bytes as u64, self.card.room as u64);
            return Err(ModelError::OutOfMemory { device: "mock card".into(), wanted, free });
        }
        let mut pixels = Pixels::plain(bytes);
        pixels.fill(SCRIBBLE);
        Ok(pixels)
    }

    fn in_flight(&self) -> usize {
        self.card.in_flight
    }

    fn start(&mut self, batch: OwnedBatch) -> Result<(), ModelError> {
        let seen = &self.card.seen;
        if let Some(watch) = &mut self.card.on_start {
            watch(seen.batches());
        }
        self.inside += 1;
        assert!(self.inside <= self.card.in_flight, "{} batches in the device at once", self.inside);
        seen.batches.fetch_add(1, Ordering::SeqCst);
        seen.most_at_once.fetch_max(self.inside, Ordering::SeqCst);
        seen.largest.fetch_max(batch.count, Ordering::SeqCst);
        self.start.as_ref().unwrap().send(batch).unwrap();
        let (started, changed) = &*self.gate;
        *started.lock().unwrap() += 1;
        changed.notify_all();
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.done.load(Ordering::SeqCst) > self.taken
    }

    fn finish(&mut self, out: &mut [f32]) -> Result<Pixels, ModelError> {
        if self.inside == 0 {
            return Err(ModelError::Idle);
        }
        self.inside -= 1;
        self.taken += 1;
        let (pixels, rows) = self.finished.recv().unwrap()?;
        out.copy_from_slice(&rows);
        Ok(pixels)
    }
}

impl Drop for MockQueue<'_> {
    fn drop(&mut self) {
        drop(self.start.take());
        let _ = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            assert_eq!(self.inside, 0, "batches were left in the device");
        }
    }
}
