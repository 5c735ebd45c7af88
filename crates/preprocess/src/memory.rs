//! The memory that pictures take while they are decoded, by all threads together. A few hundred bytes of picture may
//! announce gigabytes of pixels, and as many threads as there are cores would take them at once.
//!
//! A picture takes its share once, before anything is allocated for its pixels, and holds it until the picture is dropped.
//! Its encoded bytes have a share of their own: whoever waits for memory for pixels holds none that another one's pixels
//! need, so that no two wait for each other.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use facevault_base::progress::Cancel;
use image::RgbImage;

use super::limits::PartOf;
use super::{Limits, PreprocessError, align, crop, decode};
use crate::{BoundingBox, Crop, Landmarks, Preprocess};

/// Pictures that take less are not counted: crops of faces, and photographs of a megapixel.
const SMALL_PIXELS: u64 = 16 << 20;

/// Encoded pictures that take less are not counted.
const SMALL_ENCODED: u64 = 1 << 20;

/// How often to look for a request to stop while waiting.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// Memory for pictures. What takes more than all of it goes alone.
#[derive(Debug)]
pub struct PictureMemory {
    /// An eighth of it.
    encoded: Pool,
    /// The rest.
    pixels: Pool,
    cancel: Cancel,
}

impl PictureMemory {
    /// Bytes where nobody says otherwise: 2 GiB.
    pub const DEFAULT: u64 = 2 << 30;

    /// Memory of so many bytes; waiting for it ends when `cancel` is requested.
    #[must_use]
    pub fn new(bytes: u64, cancel: &Cancel) -> Self {
        Self { encoded: Pool::new(bytes / 8), pixels: Pool::new(bytes - bytes / 8), cancel: cancel.clone() }
    }

    /// Waits for the memory of an encoded picture.
    ///
    /// # Errors
    /// [`PreprocessError::Interrupted`].
    pub fn encoded(&self, bytes: u64) -> Result<Option<Taken<'_>>, PreprocessError> {
        if bytes < SMALL_ENCODED { Ok(None) } else { self.encoded.take(bytes, &self.cancel).map(Some) }
    }

    /// [`decode`] that waits for the memory it takes.
    ///
    /// # Errors
    /// Those of [`decode`], and [`PreprocessError::Interrupted`].
    pub fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<HeldPicture<'_>, PreprocessError> {
        self.decode_part(bytes, limits, &|_, _| None)
    }

    /// [`Self::decode`] of a picture of which only a face is needed: what [`crate::render`] does not look at, given the same
    /// box, landmarks and preprocessing, may be black. All of it is checked.
    ///
    /// # Errors
    /// Those of [`Self::decode`].
    pub fn decode_face(
        &self,
        bytes: &[u8],
        limits: &Limits,
        bbox: Option<&BoundingBox>,
        landmarks: Option<&Landmarks>,
        preprocess: &Preprocess,
    ) -> Result<HeldPicture<'_>, PreprocessError> {
        let size = preprocess.resize.size as usize;
        self.decode_part(bytes, limits, &|width, height| match preprocess.crop {
            Crop::Align => align::region(landmarks?, size, width, height),
            crop => crop::region(bbox, crop, size, width, height).ok(),
        })
    }

    fn decode_part(&self, bytes: &[u8], limits: &Limits, part: PartOf<'_>) -> Result<HeldPicture<'_>, PreprocessError> {
        let mut held = None;
        let mut take = |bytes| {
            if bytes >= SMALL_PIXELS && held.is_none() {
                held = Some(self.pixels.take(bytes, &self.cancel)?);
            }
            Ok(())
        };
        let picture = decode::decode_when(bytes, limits, &mut take, part)?;
        Ok(HeldPicture { picture, _held: held })
    }
}

impl Default for PictureMemory {
    fn default() -> Self {
        Self::new(Self::DEFAULT, &Cancel::default())
    }
}

/// A decoded picture, which gives its memory back when it is dropped.
#[derive(Debug)]
pub struct HeldPicture<'a> {
    picture: RgbImage,
    _held: Option<Taken<'a>>,
}

impl From<RgbImage> for HeldPicture<'_> {
    /// One that was drawn and took no memory of others.
    fn from(picture: RgbImage) -> Self {
        Self { picture, _held: None }
    }
}

impl Deref for HeldPicture<'_> {
    type Target = RgbImage;

    fn deref(&self) -> &RgbImage {
        &self.picture
    }
}

/// Bytes that are lent in the order in which they were asked for.
#[derive(Debug)]
struct Pool {
    size: u64,
    state: Mutex<PoolState>,
    changed: Condvar,
}

#[derive(Debug)]
struct PoolState {
    free: u64,
    /// Who waits, first come, first served: a large picture is not passed by small ones for ever.
    waiting: VecDeque<u64>,
    next: u64,
}

impl Pool {
    fn new(size: u64) -> Self {
        let state = Mutex::new(PoolState { free: size, waiting: VecDeque::new(), next: 0 });
        Self { size, state, changed: Condvar::new() }
    }

    fn take(&self, bytes: u64, cancel: &Cancel) -> Result<Taken<'_>, PreprocessError> {
        // More than there is: alone, with all of it.
        let bytes = bytes.min(self.size);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = state.next;
        state.next += 1;
        state.waiting.push_back(ticket);
        loop {
            if cancel.requested() {
                state.waiting.retain(|waiting| *waiting != ticket);
                self.changed.notify_all();
                return Err(PreprocessError::Interrupted);
            }
            if state.waiting.front() == Some(&ticket) && state.free >= bytes {
                state.free -= bytes;
                state.waiting.pop_front();
                self.changed.notify_all();
                return Ok(Taken { pool: self, bytes });
            }
            let waited = self.changed.wait_timeout(state, CANCEL_POLL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Bytes of a pool, given back when dropped.
#[derive(Debug)]
pub struct Taken<'a> {
    pool: &'a Pool,
    bytes: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.pool.state.lock().unwrap_or_else(PoisonError::into_inner).free += self.bytes;
        self.pool.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use proptest::prelude::*;

    use super::*;
    use crate::{RenderBuffers, profile, render};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_face_is_the_same_from_a_picture_of_which_only_it_is_decoded(
            corners in prop::array::uniform4(-30.0..130.0_f32), points in prop::array::uniform10(-20.0..120.0_f32),
            size in 8..40_u32
        ) {
            let bbox = BoundingBox { x1: corners[0], y1: corners[1], x2: corners[2], y2: corners[3] };
            let landmarks = Landmarks::from_numbers(points);
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/preprocess/decode");
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let encoded = std::fs::read(&path).unwrap();
                let (memory, limits) = (PictureMemory::default(), Limits::default());
                let Ok(picture) = memory.decode(&encoded, &limits) else { continue };
                for name in ["facenet-pytorch", "facenet-tf", "insightface", "facevault-api"] {
                    let mut preprocess = profile(name).unwrap();
                    preprocess.resize.size = size;
                    let face = |picture: &RgbImage| {
                        let mut out = vec![0; (size * size * 3) as usize];
                        let mut buffers = RenderBuffers::default();
                        let (bbox, landmarks) = (Some(&bbox), Some(&landmarks));
                        let source = render(picture, bbox, landmarks, &preprocess, &mut buffers, &mut out);
                        source.map(|source| (source, out)).map_err(|error| error.to_string())
                    };
                    let part = memory.decode_face(&encoded, &limits, Some(&bbox), Some(&landmarks), &preprocess);
                    prop_assert_eq!(face(&part.unwrap()), face(&picture), "{} {}", name, path.display());
                }
            }
        }
    }

    /// Fault (pictures): six threads, each with a picture that needs most of the memory → one after the other; none waits
    /// for ever
    #[test]
    fn no_more_is_lent_than_there_is_and_everybody_gets_a_turn() {
        let (pool, cancel) = (Pool::new(100), Cancel::default());
        let (lent, most) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..6 {
                let (pool, cancel, lent, most) = (&pool, &cancel, &lent, &most);
                scope.spawn(move || {
                    for turn in 0..50 {
                        // Small ones, large ones, and ones that are larger than all.
                        let taken = pool.take([3, 60, 1000][(thread + turn) % 3], cancel).unwrap();
                        let now = lent.fetch_add(taken.bytes, Ordering::SeqCst) + taken.bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        lent.fetch_sub(taken.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 100);
        assert_eq!(pool.state.into_inner().unwrap().free, 100);
    }

    /// Fault (processes): Ctrl-C while a picture waits for memory → the wait ends at once, and others go on
    #[test]
    fn waiting_ends_with_the_request() {
        let (pool, cancel) = (Pool::new(100), Cancel::default());
        let first = pool.take(100, &cancel).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| pool.take(50, &cancel).map(drop));
            thread::sleep(Duration::from_millis(5));
            cancel.request();
            assert!(matches!(waits.join().unwrap(), Err(PreprocessError::Interrupted)));
        });
        drop(first);
        assert!(pool.take(100, &Cancel::default()).is_ok());
    }
}
