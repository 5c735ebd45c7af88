//! The tags of a TIFF file's first directory; an EXIF block is such a file without pictures. Read as Pillow's
//! `ImageFileDirectory_v2` does: what comes before damage counts, the last of two equal tags wins.

use std::collections::HashMap;

/// Tags by number.
#[derive(Debug)]
pub(super) struct Directory<'a> {
    little: bool,
    tags: HashMap<u16, DirectoryEntry<'a>>,
    /// Whether some of it lies behind the end of the file.
    cut: bool,
}

#[derive(Debug, Clone, Copy)]
struct DirectoryEntry<'a> {
    kind: u16,
    data: &'a [u8],
}

impl<'a> Directory<'a> {
    /// The first directory of `file`; `None` when it does not begin as a TIFF file.
    pub fn read(file: &'a [u8]) -> Option<Self> {
        let (little, big) = match file.get(..4)? {
            b"II*\0" | b"II\0*" => (true, false),
            b"MM\0*" | b"MM*\0" => (false, false),
            b"II+\0" => (true, true),
            b"MM\0+" => (false, true),
            _ => return None,
        };
        let number = |at: usize, width: usize| {
            let bytes = file.get(at..at.checked_add(width)?)?;
            usize::try_from(unsigned(bytes, little)).ok()
        };
        // BigTIFF has 64-bit offsets and counts.
        let (word, count, entry) = if big { (8, 8, 20) } else { (4, 2, 12) };
        let mut directory = Self { little, tags: HashMap::new(), cut: true };
        let Some(start) = number(if big { 8 } else { 4 }, word) else { return Some(directory) };
        let mut at = start.saturating_add(count);
        let Some(entries) = number(start, count) else { return Some(directory) };
        for _ in 0..entries {
            let (Some(tag), Some(kind), Some(values)) = (number(at, 2), number(at + 2, 2), number(at + 4, word)) else {
                return Some(directory);
            };
            let place = at + 4 + word;
            at += entry;
            let Some(size) = values.checked_mul(width(kind as u16)) else { break };
            let from = if size > word { number(place, word) } else { Some(place) };
            let Some(data) = from.and_then(|from| file.get(from..from.checked_add(size)?)) else {
                return Some(directory);
            };
            if !data.is_empty() {
                directory.tags.insert(tag as u16, DirectoryEntry { kind: kind as u16, data });
            }
        }
        directory.cut = false;
        Some(directory)
    }

    /// Whether a part of it, or of its values, lies behind the end of the file.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// All values of a tag as whole numbers; `None` when it is not there or not made of whole numbers.
    pub fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let DirectoryEntry { kind, data } = self.tags.get(&tag)?;
        matches!(kind, 1 | 3 | 4 | 13 | 16)
            .then(|| data.chunks_exact(width(*kind)).map(|value| unsigned(value, self.little)).collect())
    }

    /// The first value of a tag.
    pub fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag)?.first().copied()
    }

    /// The bytes of a tag's values.
    pub fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.tags.get(&tag).map(|entry| entry.data)
    }

    /// The first value of a tag of any numeric type. Bytes are no number: Pillow has them as text.
    pub fn value(&self, tag: u16) -> Option<f64> {
        let DirectoryEntry { kind, data } = self.tags.get(&tag)?;
        let part = |from: usize, width: usize| Some(unsigned(data.get(from..from + width)?, self.little));
        Some(match kind {
            3 => part(0, 2)? as f64,
            4 | 13 => part(0, 4)? as f64,
            16 => part(0, 8)? as f64,
            6 => f64::from(part(0, 1)? as i8),
            8 => f64::from(part(0, 2)? as i16),
            9 => f64::from(part(0, 4)? as i32),
            11 => f64::from(f32::from_bits(part(0, 4)? as u32)),
            12 => f64::from_bits(part(0, 8)?),
            5 => part(0, 4)? as f64 / part(4, 4)? as f64,
            10 => f64::from(part(0, 4)? as i32) / f64::from(part(4, 4)? as i32),
            _ => return None,
        })
    }

    /// Whether the file is little-endian.
    pub fn little(&self) -> bool {
        self.little
    }
}

/// Bytes of one value of a type; 0 for types that are not read.
fn width(kind: u16) -> usize {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 => 8,
        _ => 0,
    }
}

fn unsigned(bytes: &[u8], little: bool) -> u64 {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file of one directory, every value in place.
    pub fn file(little: bool, entries: &[(u16, u16, u32, [u8; 4])]) -> Vec<u8> {
        let short = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let long = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut file = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        file.extend(long(8));
        file.extend(short(entries.len() as u16));
        for (tag, kind, count, value) in entries {
            file.extend([short(*tag), short(*kind)].concat());
            file.extend(long(*count));
            file.extend(value);
        }
        file
    }

    #[test]
    fn tags_are_read_in_both_byte_orders() {
        for (little, short, long) in [(true, [6, 0, 0, 0], [7, 0, 0, 0]), (false, [0, 6, 0, 0], [0, 0, 0, 7])] {
            let file = file(little, &[(274, 3, 1, short), (256, 4, 1, long), (258, 9, 1, [0xff; 4])]);
            let directory = Directory::read(&file).unwrap();
            assert_eq!((directory.number(274), directory.number(256)), (Some(6), Some(7)));
            assert_eq!(
                (directory.value(274), directory.value(256), directory.value(258)),
                (Some(6.0), Some(7.0), Some(-1.0))
            );
            assert_eq!(directory.numbers(258), None, "signed");
        }
    }

    #[test]
    fn what_stands_before_damage_counts() {
        let whole = file(true, &[(274, 3, 1, [6, 0, 0, 0]), (700, 1, 99, [200, 0, 0, 0]), (256, 4, 1, [1, 0, 0, 0])]);
        let directory = Directory::read(&whole).unwrap();
        assert_eq!((directory.number(274), directory.number(256)), (Some(6), None));
        assert_eq!(Directory::read(&whole[..26]).unwrap().number(274), Some(6));
        assert!(Directory::read(b"MZ").is_none());
    }

    proptest! {
        #[test]
        fn random_bytes_do_not_panic(tail in proptest::collection::vec(any::<u8>(), 0..200), big in any::<bool>()) {
            let file = [if big { &b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"[..] } else { b"MM\0*\0\0\0\x08" }, &tail].concat();
            let directory = Directory::read(&file).unwrap();
            for tag in directory.tags.keys() {
                let _ = (directory.numbers(*tag), directory.value(*tag));
            }
        }
    }
}
