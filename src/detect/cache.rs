//! What a detector found, by the photo's content: sealed JSON files in one folder for each detector. A run of the
//! detector adds files and never changes one, so an interruption loses at most what was not yet added, and two processes
//! do not disturb each other. A damaged file only costs the time to detect again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use facevault_detect::Detection;
use serde::{Deserialize, Serialize};

use crate::dataset::{forget, sealed_json};
use crate::digest::{Digest, Hasher};
use crate::files::{self, FileError};
use crate::preprocess::BoundingBox;

/// All faces that a detector found in one photo, most of the detector's own order kept.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoFaces {
    /// Width and height of the photo as it was detected, pixels.
    pub size: [u32; 2],
    /// The faces, in the detector's order.
    pub faces: Vec<Detection>,
}

/// A face as stored: box, probability, and the five landmarks.
#[derive(Serialize, Deserialize)]
struct StoredFace([f32; 4], f32, [[f32; 2]; 5]);

/// A photo as stored.
#[derive(Serialize, Deserialize)]
struct StoredPhoto {
    size: [u32; 2],
    faces: Vec<StoredFace>,
}

impl From<&PhotoFaces> for StoredPhoto {
    fn from(photo: &PhotoFaces) -> Self {
        let stored = |face: &Detection| {
            let BoundingBox { x1, y1, x2, y2 } = face.bbox;
            StoredFace([x1, y1, x2, y2], face.probability, face.landmarks)
        };
        Self { size: photo.size, faces: photo.faces.iter().map(stored).collect() }
    }
}

impl From<StoredPhoto> for PhotoFaces {
    fn from(photo: StoredPhoto) -> Self {
        let face = |StoredFace([x1, y1, x2, y2], probability, landmarks)| Detection {
            bbox: BoundingBox { x1, y1, x2, y2 },
            probability,
            landmarks,
        };
        Self { size: photo.size, faces: photo.faces.into_iter().map(face).collect() }
    }
}

/// The findings of one detector.
pub(super) struct DetectionCache {
    folder: PathBuf,
}

impl DetectionCache {
    /// The findings of the detector with this digest, below a folder that caches.
    pub fn open(cache: &Path, detector: Digest) -> Result<Self, FileError> {
        let folder = files::create_dir_inside(cache, &format!("detections/{}", detector.short(16)))?;
        files::sweep(&folder);
        Ok(Self { folder })
    }

    /// What is known about the photos with these contents. Damaged files are skipped.
    pub fn read(&self, wanted: &HashSet<Digest>) -> HashMap<Digest, PhotoFaces> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let paths = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
        let parts = paths.filter_map(|path| sealed_json::read::<BTreeMap<Digest, StoredPhoto>>(&path));
        let photos = parts.flatten().filter(|(content, _)| wanted.contains(content));
        photos.map(|(content, photo)| (content, photo.into())).collect()
    }

    /// Adds findings. The file is named by the photos in it, so equal findings are one file.
    pub fn add(&self, found: &BTreeMap<Digest, &PhotoFaces>) -> Result<(), FileError> {
        if found.is_empty() {
            return Ok(());
        }
        let photos: BTreeMap<Digest, StoredPhoto> =
            found.iter().map(|(content, photo)| (*content, (*photo).into())).collect();
        write(&self.folder, &photos)
    }
}

/// The files of every detector in a cache that hold what was found in photos of these contents; takes it out if `act`.
pub(crate) fn forget_detected(cache: &Path, contents: &BTreeSet<Digest>, act: bool) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    for folder in forget::entries_inside(&cache.join("detections"))? {
        for path in forget::entries_inside(&folder)? {
            let kept = match sealed_json::read::<BTreeMap<Digest, StoredPhoto>>(&path) {
                Some(photos) if photos.keys().all(|content| !contents.contains(content)) => continue,
                Some(mut photos) => {
                    photos.retain(|content, _| !contents.contains(content));
                    photos
                }
                // Whatever is in it, it only saves time.
                None => BTreeMap::new(),
            };
            if act {
                // The others first, so that an interruption loses none of them.
                if !kept.is_empty() {
                    write(&folder, &kept)?;
                }
                files::remove_all(&path)?;
                files::sync_dir(&folder)?;
            }
            found.push(path);
        }
    }
    Ok(found)
}

/// Writes findings to a file that is named by the photos in it.
fn write(folder: &Path, photos: &BTreeMap<Digest, StoredPhoto>) -> Result<(), FileError> {
    let mut name = Hasher::default();
    for content in photos.keys() {
        name.field(content.bytes());
    }
    sealed_json::write(&folder.join(format!("{}.json", name.finish().short(16))), photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(probability: f32) -> PhotoFaces {
        let bbox = BoundingBox { x1: 0.1, y1: -2.5, x2: 33.333_332, y2: 1e-7 };
        let landmarks = [[1.5, 2.0], [f32::MIN_POSITIVE, 4.0], [0.3, -0.0], [1.0 / 3.0, 8.0], [9.0, 10.0]];
        PhotoFaces { size: [250, 251], faces: vec![Detection { bbox, probability, landmarks }] }
    }

    #[test]
    fn findings_survive_to_the_last_bit_and_only_those_asked_for_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DetectionCache::open(folder.path(), Digest::of(b"mtcnn")).unwrap();
        let [a, b, c] = [b"a", b"b", b"c"].map(|content| Digest::of(content));
        cache.add(&[(a, &photo(0.999_999_9)), (b, &PhotoFaces { size: [1, 2], faces: Vec::new() })].into()).unwrap();
        cache.add(&[(c, &photo(0.7))].into()).unwrap();
        let found = cache.read(&HashSet::from([a, b]));
        assert_eq!(found.len(), 2);
        assert_eq!(found[&a], photo(0.999_999_9));
        assert_eq!(found[&b].faces, []);
        let other = DetectionCache::open(folder.path(), Digest::of(b"another")).unwrap();
        assert!(other.read(&HashSet::from([a])).is_empty());
    }

    #[test]
    fn any_damaged_byte_of_a_file_empties_that_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DetectionCache::open(folder.path(), Digest::of(b"mtcnn")).unwrap();
        let [a, b] = [b"a", b"b"].map(|content| Digest::of(content));
        cache.add(&[(a, &photo(0.9))].into()).unwrap();
        let path = fs::read_dir(&cache.folder).unwrap().next().unwrap().unwrap().path();
        cache.add(&[(b, &photo(0.8))].into()).unwrap();
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let found = cache.read(&HashSet::from([a, b]));
            assert_eq!(found.into_keys().collect::<Vec<_>>(), [b], "byte {at}");
        }
    }
}
