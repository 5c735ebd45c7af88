//! Pictures in an object store that are asked for before they are needed: a request takes as long as a face takes to embed.

use std::io::Cursor;
use std::sync::Arc;

use super::{Face, LARGEST_PICTURE, Manifest, PixelSource, ReadError, objects, unchanged};
use crate::files::FileError;
use crate::objects::{Ahead, ObjectError, Wanted};
use crate::preprocess;
use crate::progress::Cancel;

/// Bytes at the beginning of a picture that usually tell its size.
const HEADER: u64 = 1 << 16;

/// Reads the pictures of some rows, in order.
pub(crate) struct ReadAhead<'a> {
    manifest: &'a Manifest,
    /// Ascending.
    rows: Arc<[u32]>,
    ahead: Ahead<'a>,
}

impl<'a> ReadAhead<'a> {
    /// The pictures of these rows, ascending; `None` if they are on this machine.
    pub fn new(
        manifest: &'a Manifest,
        rows: impl Iterator<Item = usize>,
        cancel: &Cancel,
    ) -> Option<Result<Self, FileError>> {
        objects::is_remote(&manifest.root).then(|| {
            let rows: Arc<[u32]> = rows.filter_map(|row| u32::try_from(row).ok()).collect();
            let wanted = {
                let rows = Arc::clone(&rows);
                move |index: usize| wanted(&manifest.faces[*rows.get(index)? as usize])
            };
            let ahead = Ahead::of(objects::folder(&manifest.root)?, wanted, LARGEST_PICTURE).until(cancel);
            Ok(Self { manifest, rows, ahead })
        })
    }

    /// As [`super::bytes`]; `None` for any other row.
    pub fn bytes(&self, row: usize) -> Option<Result<Vec<u8>, ReadError>> {
        let index = self.rows.binary_search(&u32::try_from(row).ok()?).ok()?;
        Some(unchanged(self.manifest, row, self.ahead.take(index)))
    }
}

fn wanted(face: &Face) -> Option<Wanted> {
    match &face.pixels {
        PixelSource::File { path, size, .. } => Some(Wanted { name: path.clone(), range: None, size: *size }),
        _ => None,
    }
}

/// [`Manifest::shorter_sides`] in an object store; what cannot be read is left out.
pub(super) fn shorter_sides(manifest: &Manifest, most: usize) -> Vec<u32> {
    let Ok(folder) = objects::folder(&manifest.root) else { return Vec::new() };
    let heads = manifest.some(most).filter_map(wanted).filter(|wanted| wanted.size > 0).map(|wanted| {
        let size = wanted.size.min(HEADER);
        Wanted { range: Some(0..size), size, ..wanted }
    });
    let heads: Vec<_> = heads.collect();
    let (count, ahead) = (heads.len(), Ahead::new(folder, heads, HEADER));
    let side = |head: Result<Vec<u8>, ObjectError>| preprocess::size(Cursor::new(head.ok()?))?.into_iter().min();
    (0..count).filter_map(|index| side(ahead.take(index))).collect()
}
