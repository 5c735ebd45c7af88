//! The source `synthetic`: rows of procedural faces. The digest of a row covers the numbers that determine its pixels and
//! the generator's version.

use super::synthetic::GENERATOR_VERSION;
use super::{DatasetError, Face, Manifest, PixelSource};
use crate::digest::{Digest, Hasher};

/// Rows for all samples of all identities, identity by identity.
pub(super) fn open(seed: u64, identities: u32, samples: u32, size: u32) -> Result<Manifest, DatasetError> {
    let rows = u64::from(identities) * u64::from(samples);
    if rows > u64::from(u32::MAX) {
        return Err(DatasetError::TooMany(rows));
    }
    let faces = (0..identities).flat_map(|identity| (0..samples).map(move |sample| face(seed, identity, sample, size)));
    Ok(Manifest { faces: faces.collect(), ..Manifest::default() })
}

fn face(seed: u64, identity: u32, sample: u32, size: u32) -> Face {
    let face_id = format!("s{seed}-i{identity:04}-{sample:03}");
    Face {
        identity_id: Some(format!("s{seed}-i{identity:04}")),
        pixels: PixelSource::Synthetic { identity, sample },
        content: Some(content(seed, identity, sample, size)),
        ..Face::of_picture(face_id)
    }
}

fn content(seed: u64, identity: u32, sample: u32, size: u32) -> Digest {
    let mut hasher = Hasher::default();
    hasher.field(b"synthetic");
    hasher.field(&GENERATOR_VERSION.to_le_bytes());
    hasher.field(&seed.to_le_bytes());
    for number in [identity, sample, size] {
        hasher.field(&number.to_le_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_readable_unique_and_in_order() {
        let manifest = open(7, 2, 3, 96).unwrap();
        let ids: Vec<_> = manifest.faces.iter().map(|face| face.face_id.as_str()).collect();
        let expected = ["s7-i0000-000", "s7-i0000-001", "s7-i0000-002", "s7-i0001-000", "s7-i0001-001", "s7-i0001-002"];
        assert_eq!(ids, expected);
        assert_eq!(manifest.identities(), ["s7-i0000", "s7-i0001"]);
        assert!(matches!(open(1, u32::MAX, 2, 96), Err(DatasetError::TooMany(8_589_934_590))));
    }

    #[test]
    fn every_number_changes_the_content() {
        let contents: HashSet<_> =
            [content(1, 2, 3, 4), content(0, 2, 3, 4), content(1, 0, 3, 4), content(1, 2, 0, 4), content(1, 2, 3, 0)]
                .into();
        assert_eq!(contents.len(), 5);
    }
}
