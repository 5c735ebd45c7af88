//! A parquet file that contains its own digest. polars trusts the sizes in a file, so a damaged one can request terabytes
//! and abort the process; these files are checked before polars reads them. The digest is in the file's key-value
//! metadata, which other readers ignore, and counts as zeros itself.

use polars::prelude::KeyValueMetadata;

use crate::digest::Digest;

const KEY: &str = "facevault.sha256";

/// Characters of a digest.
const WIDTH: usize = 64;

/// Metadata with room for the digest.
pub(super) fn placeholder() -> KeyValueMetadata {
    KeyValueMetadata::from_static(vec![(KEY.into(), "0".repeat(WIDTH))])
}

/// Replaces the placeholder by the digest; `false` if there is none.
pub(super) fn seal(file: &mut [u8]) -> bool {
    let digest = Digest::of(file).to_string();
    place(file).map(|place| file[place..place + WIDTH].copy_from_slice(digest.as_bytes())).is_some()
}

/// Whether the file is unchanged since it was sealed. Replaces the digest by zeros.
pub(super) fn is_whole(file: &mut [u8]) -> bool {
    let Some(place) = place(file) else { return false };
    let field = &mut file[place..place + WIDTH];
    let recorded = std::str::from_utf8(field).ok().and_then(|text| text.parse::<Digest>().ok());
    field.fill(b'0');
    recorded == Some(Digest::of(file))
}

/// Offset of the digest: after its key, thrift's header of a string field and the string's length.
fn place(file: &[u8]) -> Option<usize> {
    let needle = [KEY.as_bytes(), &[0x18, WIDTH as u8]].concat();
    let at = file.windows(needle.len()).rposition(|window| window == needle)? + needle.len();
    (at + WIDTH <= file.len()).then_some(at)
}
