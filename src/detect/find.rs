//! Runs a detector over the photos of a manifest, several photos at a time. Memory is that of one photo on each core.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use facevault_detect::DetectBuffers;
use rayon::BroadcastContext;
use rayon::prelude::*;

use super::cache::{DetectionCache, PhotoFaces};
use super::{DetectError, LoadedDetector};
use crate::dataset::{self, FaultIn, Manifest, Part, PixelSource, ReadAhead};
use crate::digest::Digest;
use crate::preprocess::{Limits, PictureMemory};
use crate::progress::{Cancel, Progress};
use crate::text;

/// How often findings are written to the cache: what an interruption can cost.
const COMMIT_EVERY: Duration = Duration::from_secs(10);

/// What was found in each photo, by its content, or why nothing could be looked for. The reason is part of the manifest,
/// so it names no path.
pub type Findings = HashMap<Digest, Result<PhotoFaces, String>>;

thread_local! {
    /// Buffers of the detector, one set per worker thread.
    static BUFFERS: RefCell<DetectBuffers> = RefCell::default();
}

/// The faces in every photo of `photos`, from the cache where they are known. `threads` bounds the work; `None` takes all
/// cores. Photos take no more than `memory` while they are decoded.
///
/// # Errors
/// [`DetectError::Interrupted`]; what was found is kept.
pub fn find(
    photos: &Manifest,
    detector: &LoadedDetector,
    cache: &Path,
    threads: Option<usize>,
    memory: &PictureMemory,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Findings, DetectError> {
    let cache = DetectionCache::open(cache, detector.plan.findings());
    let cache = cache.inspect_err(|error| progress.say(&format!("{error}; detections are not kept"))).ok();
    let rows = photos_to_read(photos);
    let wanted: HashSet<Digest> = rows.iter().map(|(content, _)| *content).collect();
    let known = cache.as_ref().map(|cache| cache.read(&wanted)).unwrap_or_default();
    let mut found: Findings = known.into_iter().map(|(content, photo)| (content, Ok(photo))).collect();
    let missing: Vec<_> = rows.into_iter().filter(|(content, _)| !found.contains_key(content)).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    progress.start("detecting", "photos", Some(wanted.len() as u64), found.len() as u64);
    let collector = Collector { cache: cache.as_ref(), progress, state: Mutex::default() };
    let ahead = ReadAhead::new(photos, missing.iter().map(|(_, row)| *row), cancel).and_then(Result::ok);
    let next = AtomicUsize::new(0);
    // In order, which is that in which photos arrive from elsewhere.
    let work = |_: BroadcastContext<'_>| {
        while let Some(&(content, row)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            if cancel.requested() {
                return;
            }
            let looked = look_at(photos, ahead.as_ref(), row, detector, memory);
            // What was not looked at because of a request to stop is no finding.
            if looked.is_ok() || !cancel.requested() {
                collector.add(content, looked);
            }
            progress.advance(1);
        }
    };
    match rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build() {
        Ok(pool) => pool.broadcast(work),
        // Without threads of its own it runs on the shared ones.
        Err(_) => rayon::broadcast(work),
    };
    progress.finish();
    found.extend(collector.finish());
    if cancel.requested() { Err(DetectError::Interrupted) } else { Ok(found) }
}

/// The faces in each photo of a manifest, in its order, or why one cannot be looked at; nothing is kept. `None` if
/// cancelled.
pub fn find_once(
    photos: &Manifest,
    detector: &LoadedDetector,
    memory: &PictureMemory,
    cancel: &Cancel,
) -> Option<Vec<Result<PhotoFaces, String>>> {
    let look = |row| {
        let bytes = dataset::bytes(photos, row).map_err(|error| error.to_string())?;
        look_in(&bytes, detector, memory)
    };
    (0..photos.len()).into_par_iter().map(|row| (!cancel.requested()).then(|| look(row))).collect()
}

/// The distinct contents, and a row that has each, in row order.
fn photos_to_read(photos: &Manifest) -> Vec<(Digest, usize)> {
    let mut seen = HashSet::new();
    let usable = photos.faces.iter().enumerate().filter(|(_, face)| {
        let failed = face.fault.as_ref().is_some_and(|fault| fault.part == FaultIn::Face);
        !failed && matches!(face.pixels, PixelSource::File { .. } | PixelSource::Part(_))
    });
    usable.filter_map(|(row, face)| Some((face.content?, row))).filter(|(content, _)| seen.insert(*content)).collect()
}

/// The faces in the photo of a row, or why it cannot be looked at.
fn look_at(
    photos: &Manifest,
    ahead: Option<&ReadAhead<'_>>,
    row: usize,
    detector: &LoadedDetector,
    memory: &PictureMemory,
) -> Result<PhotoFaces, String> {
    let size = match &photos.faces[row].pixels {
        PixelSource::File { size, .. } | PixelSource::Part(Part { size, .. }) => *size,
        PixelSource::Given { .. } | PixelSource::Synthetic { .. } => 0,
    };
    let _encoded = memory.encoded(size).map_err(|error| error.to_string())?;
    let bytes = ahead.and_then(|ahead| ahead.bytes(row)).unwrap_or_else(|| dataset::bytes(photos, row));
    let bytes = bytes.map_err(|_| "the photo could not be read again to find faces".to_owned())?;
    look_in(&bytes, detector, memory)
}

/// The faces in a photo, or why it cannot be looked at.
fn look_in(bytes: &[u8], detector: &LoadedDetector, memory: &PictureMemory) -> Result<PhotoFaces, String> {
    // A panic is a bug, but must not cost the other photos' faces.
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let photo = memory.decode(bytes, &Limits::default()).map_err(|error| text::reason(&error))?;
        let faces = BUFFERS.with_borrow_mut(|buffers| detector.network.detect(&photo, buffers));
        Ok(PhotoFaces { size: [photo.width(), photo.height()], faces })
    }));
    looked.unwrap_or_else(|_| Err("the detector failed on this photo, which is a bug; please report it".into()))
}

/// Gathers findings from all threads and writes them to the cache now and then.
struct Collector<'a> {
    cache: Option<&'a DetectionCache>,
    progress: &'a dyn Progress,
    state: Mutex<CollectorState>,
}

#[derive(Default)]
struct CollectorState {
    found: Findings,
    /// Those that are not in the cache yet.
    news: Vec<Digest>,
    last: Option<Instant>,
}

impl Collector<'_> {
    fn add(&self, content: Digest, looked: Result<PhotoFaces, String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A failure is tried again by the next start.
        if looked.is_ok() {
            state.news.push(content);
        }
        state.found.insert(content, looked);
        if state.last.get_or_insert_with(Instant::now).elapsed() >= COMMIT_EVERY {
            self.commit(&mut state);
        }
    }

    fn commit(&self, state: &mut CollectorState) {
        let photo = |content: &Digest| Some((*content, state.found.get(content)?.as_ref().ok()?));
        let news = || state.news.iter().filter_map(photo).collect();
        if let Some(Err(error)) = self.cache.map(|cache| cache.add(&news())) {
            self.progress.say(&format!("{error}; these photos will be detected again by the next start"));
        }
        state.news.clear();
        state.last = Some(Instant::now());
    }

    fn finish(self) -> Findings {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.commit(&mut state);
        std::mem::take(&mut state.found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::dataset::DatasetSource;
    use crate::detect::Detect;
    use crate::progress::Silent;

    /// Cancels after the first photo, and keeps what every start says: how many photos there are, and how many were
    /// known.
    #[derive(Default)]
    struct Stopper {
        cancel: Cancel,
        starts: Mutex<Vec<(Option<u64>, u64)>>,
    }

    impl Progress for Stopper {
        fn start(&self, _: &str, _: &'static str, total: Option<u64>, resumed: u64) {
            self.starts.lock().unwrap().push((total, resumed));
        }
        fn advance(&self, _: u64) {
            self.cancel.request();
        }
        fn say(&self, line: &str) {
            panic!("{line}");
        }
    }

    /// Four photos, two of them equal, and a file that is none.
    fn photos(root: PathBuf) -> Manifest {
        for (name, shade) in [("Ann/1", 10), ("Ann/2", 90), ("Ben/1", 90), ("Ben/2", 200)] {
            let path = root.join(name).with_extension("png");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_pixel(40, 30, Rgb([shade; 3])).save(path).unwrap();
        }
        fs::write(root.join("Ben/3.png"), "no picture").unwrap();
        let source = DatasetSource::Folders { root, parts: Vec::new(), tables: dataset::Tables::default() };
        dataset::open(&source, None, &Silent, &Cancel::default()).unwrap()
    }

    #[test]
    fn each_content_is_detected_once_and_an_interruption_keeps_what_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let photos = photos(folder.path().join("photos"));
        let detector = LoadedDetector::load(&Detect::default(), &Silent, &Cancel::default()).unwrap();
        let cache = folder.path().join("cache");
        let find = |stopper: &Stopper, cancel: &Cancel| {
            find(&photos, &detector, &cache, Some(1), &PictureMemory::default(), stopper, cancel)
        };

        let first = Stopper::default();
        assert!(matches!(find(&first, &first.cancel), Err(DetectError::Interrupted)));
        assert_eq!(first.starts.into_inner().unwrap(), [(Some(4), 0)], "four contents in five files");
        let second = Stopper::default();
        let found = find(&second, &Cancel::default()).unwrap();
        assert_eq!(second.starts.into_inner().unwrap(), [(Some(4), 1)], "one was kept");
        let looked: Vec<_> = found.values().filter_map(|photo| photo.as_ref().ok()).collect();
        assert_eq!((found.len(), looked.len()), (4, 3), "the file that is no picture is a failure");
        assert!(looked.iter().all(|photo| photo.size == [40, 30] && photo.faces.is_empty()));
        // Only what cannot be decoded is tried again.
        let third = Stopper::default();
        assert_eq!(find(&third, &Cancel::default()).unwrap(), found);
        assert_eq!(third.starts.into_inner().unwrap(), [(Some(4), 3)]);
    }
}
