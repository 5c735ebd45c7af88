//! A map of extents, one behind another.
//!
//! The address space for all of them is reserved first; then each file's pages take their place in it. So every extent
//! but the first begins at a page of its file, and every extent but the last fills its last page.

// Tested by: `extents_of_several_files_are_one_slice` in crates/map/src/mapping.rs
// Not yet: run under Miri, which maps no files.

use std::ffi::c_void;
use std::ops::Deref;
use std::ptr::null_mut;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use rustix::param::page_size;

use super::Extent;

/// Bytes of a number.
const F32: usize = size_of::<f32>();

/// Numbers of files, read-only. They stay mapped when the files are closed, renamed or removed.
#[derive(Debug)]
pub struct Mapping {
    start: *mut c_void,
    /// Bytes that are mapped.
    bytes: usize,
    /// Bytes before the first number.
    lead: usize,
    count: usize,
}

// SAFETY: it owns its pages, as a `Box<[f32]>` does, and nobody writes to them through it.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

/// Where an extent goes.
struct Place {
    /// Bytes from the start of the map.
    at: usize,
    /// Byte of the file, at a page.
    from: u64,
    bytes: usize,
}

impl Mapping {
    /// Maps extents one behind another. `None` if there are no numbers, if a file is shorter than its extent, if pages do
    /// not fit together, or if the system refuses: then they have to be read.
    #[must_use]
    pub fn new(extents: &[Extent<'_>]) -> Option<Self> {
        let (lead, places) = places(extents, page_size() as u64)?;
        let bytes = places.last().map(|place| place.at + place.bytes)?;
        let whole = extents.iter().zip(&places).all(|(extent, place)| {
            extent.file.metadata().is_ok_and(|found| found.len() >= place.from + place.bytes as u64)
        });
        if !whole {
            return None;
        }
        let count = (bytes - lead) / F32;
        // Nothing of it can be read or written, so it takes no memory.
        let (nothing, reserved) = (ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: the system chooses an address where nothing is.
        let start = unsafe { mmap_anonymous(null_mut(), bytes, nothing, reserved) }.ok()?;
        let mapping = Self { start, bytes, lead, count };
        for (extent, place) in extents.iter().zip(&places) {
            let flags = MapFlags::PRIVATE | MapFlags::FIXED;
            let to = start.wrapping_byte_add(place.at);
            // SAFETY: `to` is a page inside what was reserved above, for as many bytes, and nothing else is there.
            unsafe { mmap(to, place.bytes, ProtFlags::READ, flags, extent.file, place.from) }.ok()?;
        }
        Some(mapping)
    }
}

/// Bytes before the first number, and where each extent goes with pages of this size; `None` where they do not fit together.
fn places(extents: &[Extent<'_>], page: u64) -> Option<(usize, Vec<Place>)> {
    let lead = extents.first()?.first % page;
    if !lead.is_multiple_of(F32 as u64) || extents.iter().any(|extent| extent.count == 0) {
        return None;
    }
    let mut end = lead;
    let places = extents.iter().enumerate().map(|(number, extent)| {
        let bytes = (extent.count as u64).checked_mul(F32 as u64)?;
        let (at, before) = if number == 0 { (0, lead) } else { (end, 0) };
        if !at.is_multiple_of(page) || !(extent.first - before).is_multiple_of(page) {
            return None;
        }
        end = end.checked_add(bytes)?;
        let bytes = usize::try_from(bytes + before).ok().filter(|bytes| isize::try_from(*bytes).is_ok())?;
        Some(Place { at: usize::try_from(at).ok()?, from: extent.first - before, bytes })
    });
    let places = places.collect::<Option<Vec<_>>>()?;
    isize::try_from(end).ok()?;
    Some((lead as usize, places))
}

impl Deref for Mapping {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let first = self.start.wrapping_byte_add(self.lead).cast::<f32>();
        // SAFETY: so many numbers lie in the pages that `new` mapped, which stay until `drop`; `lead` is a multiple of four,
        // and any four bytes are an f32. That nobody writes into the files meanwhile is up to whoever maps them.
        unsafe { std::slice::from_raw_parts(first, self.count) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped once by `new`; no slice of it is left. An error would leave it mapped, which harms nobody.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    /// A file of `first` bytes and then these numbers.
    fn file(first: u64, numbers: &[f32]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![0xa5; first as usize]).unwrap();
        for number in numbers {
            file.write_all(&number.to_le_bytes()).unwrap();
        }
        file
    }

    fn numbers(from: usize, count: usize) -> Vec<f32> {
        (from..from + count).map(|number| number as f32).collect()
    }

    #[test]
    fn extents_of_several_files_are_one_slice() {
        let page = page_size();
        let each = page / F32;
        let (a, b) = (file(page as u64, &numbers(0, 2 * each)), file(page as u64, &numbers(2 * each, each)));
        let last = file(2 * page as u64, &numbers(3 * each, 5));
        let extent = |file, first: usize, count| Extent { file, first: first as u64, count };
        let extents = [extent(&a, page, 2 * each), extent(&b, page, each), extent(&last, 2 * page, 5)];
        let mapping = Mapping::new(&extents).unwrap();
        drop((a, b, last));
        assert_eq!(&mapping[..], numbers(0, 3 * each + 5));
        let other = std::thread::spawn(move || mapping[each + 1]).join().unwrap();
        assert_eq!(other, (each + 1) as f32);
    }

    #[test]
    fn one_extent_may_begin_anywhere_at_a_number() {
        let page = page_size();
        let one = file(3 * page as u64 + 128, &numbers(0, page));
        for (skipped, count) in [(0, page), (1, 7), (page / F32 + 3, page / 2)] {
            let first = (3 * page + 128 + skipped * F32) as u64;
            let mapping = Mapping::new(&[Extent { file: &one, first, count }]).unwrap();
            assert_eq!(&mapping[..], numbers(skipped, count));
        }
    }

    #[test]
    fn what_does_not_fit_together_or_is_not_there_is_not_mapped() {
        let page = page_size();
        let each = page / F32;
        let (a, b) = (file(page as u64, &numbers(0, each)), file(page as u64 + 64, &numbers(0, each)));
        let extent = |file, first: usize, count| Extent { file, first: first as u64, count };
        let fits = extent(&a, page, each);
        for (extents, why) in [
            (vec![], "nothing"),
            (vec![extent(&a, page, 0)], "no numbers"),
            (vec![extent(&a, page + 2, 1)], "not at a number"),
            (vec![extent(&a, page, each - 1), fits], "the first does not fill its page"),
            (vec![fits, extent(&b, page + 64, each)], "the second does not begin at a page"),
            (vec![extent(&a, page, each + 1)], "the file is too short"),
            (vec![fits, extent(&a, page, each + 1)], "the second is too short"),
            (vec![extent(&a, page, usize::MAX / 2)], "more than there is"),
        ] {
            assert!(Mapping::new(&extents).is_none(), "{why}");
        }
        assert!(Mapping::new(&[fits, fits]).is_some());
    }
}
