//! The bytes of a chunk's sidecar: JSON with a digest of itself, so that a changed digit is noticed before any table is
//! made from it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::record::ChunkRecord;
use crate::digest::Digest;

/// What stands before the digest. No text of a record contains it, because quotes inside texts are escaped.
const KEY: &str = "\"sidecar_sha256\": \"";

/// Characters of a digest.
const WIDTH: usize = 64;

/// Writes a record, with the digest that belongs to it.
pub(super) fn write(record: &ChunkRecord) -> serde_json::Result<Vec<u8>> {
    // Any digest makes room for the right one.
    let record = ChunkRecord { sidecar_sha256: Some(record.sha256), ..record.clone() };
    let mut text = Vec::new();
    record.serialize(&mut Serializer::with_formatter(&mut text, SidecarFormatter::default()))?;
    text.push(b'\n');
    if let Some(digest) = own_digest(&mut text)
        && let Some(place) = place(&text)
    {
        text[place..place + WIDTH].copy_from_slice(digest.to_string().as_bytes());
    }
    Ok(text)
}

/// Reads a record. Fails with the problem, also where the bytes do not match their digest. Chunks that predate the digest
/// are read without.
pub(super) fn read(mut text: Vec<u8>) -> Result<ChunkRecord, String> {
    let record: ChunkRecord =
        serde_json::from_slice(&text).map_err(|error| format!("its sidecar cannot be read: {error}"))?;
    if record.sidecar_sha256.is_some() && record.sidecar_sha256 != own_digest(&mut text) {
        return Err("its sidecar does not match its own digest".into());
    }
    Ok(record)
}

/// Digest of a sidecar whose own digest counts as zeros, and is replaced by them.
fn own_digest(text: &mut [u8]) -> Option<Digest> {
    let place = place(text)?;
    text[place..place + WIDTH].fill(b'0');
    Some(Digest::of(text))
}

/// Offset of the digest.
fn place(text: &[u8]) -> Option<usize> {
    let place = text.windows(KEY.len()).rposition(|window| window == KEY.as_bytes())? + KEY.len();
    (place + WIDTH <= text.len()).then_some(place)
}

/// Puts each key on a line and each array on a single line, because arrays hold thousands of numbers.
#[derive(Default)]
struct SidecarFormatter(PrettyFormatter<'static>);

impl Formatter for SidecarFormatter {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}
