//! Which way up a picture is, as Pillow's `ImageOps.exif_transpose` reads it: tag 274 of its EXIF block
//! in either byte order and of any numeric type, else `tiff:Orientation` of its XMP packet.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;

use super::ifd::Directory;

/// The tag's number.
const TAG: u16 = 274;

/// No EXIF block is larger; a packed one that claims more is damaged.
const LARGEST: u64 = 1 << 24;

/// A picture's EXIF and XMP metadata.
#[derive(Debug, Default)]
pub(super) struct Metadata<'a> {
    /// The EXIF block, with or without `Exif\0\0` in front.
    pub exif: Option<Cow<'a, [u8]>>,
    /// The XMP packet.
    pub xmp: Option<Cow<'a, [u8]>>,
}

impl<'a> Metadata<'a> {
    /// The orientation; none if the blocks are damaged.
    pub fn orientation(&self) -> Orientation {
        first_said(self.exif.as_deref().and_then(of_exif), self.xmp.as_deref())
    }

    /// Of a PNG file: `eXIf`, else the profile that `ImageMagick` writes as text; XMP as international text.
    pub fn of_png(file: &'a [u8]) -> Self {
        let (mut found, mut profile, mut at) = (Self::default(), None, 8);
        while let Some(&[a, b, c, d, k0, k1, k2, k3]) = file.get(at..at + 8) {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let Some(chunk) = file.get(at + 8..).and_then(|rest| rest.get(..length)) else { break };
            match &[k0, k1, k2, k3] {
                b"eXIf" => found.exif = Some(chunk.into()),
                b"tEXt" | b"zTXt" | b"iTXt" => match text(k0, chunk) {
                    Some((b"XML:com.adobe.xmp", value)) if k0 == b'i' => found.xmp = Some(value),
                    Some((b"Raw profile type exif", value)) => profile = unhex(&value),
                    _ => {}
                },
                _ => {}
            }
            at += 12 + length;
        }
        found.exif = found.exif.or(profile.map(Cow::Owned));
        found
    }

    /// Of a WebP file: the first chunk of each kind, of those that lie in the file. `image` takes memory for what a chunk
    /// claims before it looks.
    pub fn of_webp(file: &'a [u8]) -> Self {
        let mut found = Self::default();
        let Some(&[r0, r1, r2, r3]) = file.get(4..8) else { return found };
        let riff = 8 + u32::from_le_bytes([r0, r1, r2, r3]) as usize;
        let file = &file[..riff.min(file.len())];
        // Only the extended format has metadata.
        if file.get(12..16) != Some(b"VP8X") {
            return found;
        }
        let mut at = 12;
        while let Some(&[k0, k1, k2, k3, a, b, c, d]) = file.get(at..at + 8) {
            let length = u32::from_le_bytes([a, b, c, d]) as usize;
            let Some(chunk) = file.get(at + 8..).and_then(|rest| rest.get(..length)) else { break };
            match &[k0, k1, k2, k3] {
                b"EXIF" => found.exif = found.exif.or(Some(chunk.into())),
                b"XMP " => found.xmp = found.xmp.or(Some(chunk.into())),
                _ => {}
            }
            at += 8 + length.next_multiple_of(2);
        }
        found
    }
}

/// Keyword and value of a PNG's text chunk, by its first letter: `tEXt`, `zTXt` or `iTXt`.
fn text(kind: u8, chunk: &[u8]) -> Option<(&[u8], Cow<'_, [u8]>)> {
    let split = |bytes: &'_ [u8]| -> Option<usize> { bytes.iter().position(|byte| *byte == 0) };
    let (keyword, rest) = chunk.split_at(split(chunk)?);
    let rest = &rest[1..];
    let (packed, value) = match kind {
        b't' => (false, rest),
        b'z' => (true, rest.get(1..)?),
        _ => {
            // Compression flag and method, then the language and the translated keyword.
            let after = rest.get(2..)?;
            let after = &after[split(after)? + 1..];
            (rest[0] != 0, &after[split(after)? + 1..])
        }
    };
    if !packed {
        return Some((keyword, value.into()));
    }
    let mut unpacked = Vec::new();
    ZlibDecoder::new(value).take(LARGEST).read_to_end(&mut unpacked).ok()?;
    Some((keyword, unpacked.into()))
}

/// `\nexif\n  <length>\n<hex in lines>` → bytes.
fn unhex(profile: &[u8]) -> Option<Vec<u8>> {
    let hex = profile.split(|byte| *byte == b'\n').skip(3).flatten().filter(|byte| !byte.is_ascii_whitespace());
    let digits = hex.map(|byte| (*byte as char).to_digit(16)).collect::<Option<Vec<_>>>()?;
    (digits.len() % 2 == 0).then(|| digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

/// Tag 274 of an EXIF block; `None` when it has none.
fn of_exif(mut block: &[u8]) -> Option<u8> {
    while let Some(rest) = block.strip_prefix(b"Exif\0\0") {
        block = rest;
    }
    of_directory(&Directory::read(block)?)
}

/// Tag 274 of a directory. An invalid value still counts: XMP is not consulted then.
fn of_directory(directory: &Directory<'_>) -> Option<u8> {
    directory.bytes(TAG)?;
    let value = directory.value(TAG).filter(|value| value.fract() == 0.0 && (1.0..=8.0).contains(value));
    Some(value.map_or(1, |value| value as u8))
}

/// The digit in `tiff:Orientation="6"` or `<tiff:Orientation>6<`.
fn of_xmp(packet: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"tiff:Orientation";
    packet.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).find_map(|(at, _)| {
        let rest = &packet[at + NAME.len()..];
        let rest = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        rest.first().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0')
    })
}

/// The orientation of a TIFF file's own picture.
pub(super) fn of_tiff(directory: &Directory<'_>) -> Orientation {
    first_said(of_directory(directory), directory.bytes(700))
}

/// What EXIF says, else what XMP does.
fn first_said(exif: Option<u8>, xmp: Option<&[u8]>) -> Orientation {
    exif.or_else(|| xmp.and_then(of_xmp)).and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

#[cfg(test)]
mod tests {
    use super::super::ifd::tests::file;
    use super::*;

    /// What Pillow 12.3 makes of tag 274 with the value 6 in each type.
    #[test]
    fn the_tag_is_read_in_every_numeric_type() {
        for (kind, value, expected) in [
            (3, [0, 6, 0, 0], Some(6)),
            (4, [0, 0, 0, 6], Some(6)),
            (6, [6, 0, 0, 0], Some(6)),
            (8, [0, 6, 0, 0], Some(6)),
            (9, [0, 0, 0, 6], Some(6)),
            (11, [0x40, 0xc0, 0, 0], Some(6)),
            (13, [0, 0, 0, 6], Some(6)),
            // Bytes and text are no number, and the tag is there.
            (1, [6, 0, 0, 0], Some(1)),
            (2, [b'6', 0, 0, 0], Some(1)),
            (7, [6, 0, 0, 0], Some(1)),
            (3, [0, 9, 0, 0], Some(1)),
            (99, [0, 6, 0, 0], None),
        ] {
            let block = [&b"Exif\0\0Exif\0\0"[..], &file(false, &[(274, kind, 1, value)])].concat();
            assert_eq!(of_exif(&block), expected, "type {kind}");
        }
    }

    /// Fault (pictures): a WebP of 60 bytes whose EXIF chunk claims 400 MB → no memory is taken for it, and the picture stands as it is stored
    #[test]
    fn the_metadata_of_a_webp_is_what_lies_in_the_file() {
        let chunk = |kind: &[u8], claimed: u32, data: &[u8]| [kind, &claimed.to_le_bytes(), data].concat();
        let whole = |chunks: &[Vec<u8>]| {
            let chunks = chunks.concat();
            [b"RIFF", &(4 + chunks.len() as u32).to_le_bytes()[..], b"WEBP", &chunks].concat()
        };
        let extended = chunk(b"VP8X", 10, &[0; 10]);
        let exif = file(true, &[(274, 3, 1, [6, 0, 0, 0])]);
        let odd = chunk(b"ICCP", 1, &[0, 0]);
        let good = whole(&[extended.clone(), odd, chunk(b"EXIF", exif.len() as u32, &exif), chunk(b"XMP ", 1, b"x")]);
        let found = Metadata::of_webp(&good);
        assert_eq!((found.exif.as_deref(), found.xmp.as_deref()), (Some(&exif[..]), Some(&b"x"[..])));
        assert_eq!(found.orientation(), Orientation::Rotate90);
        let claims = whole(&[extended, chunk(b"EXIF", 400_000_000, &exif)]);
        assert!(Metadata::of_webp(&claims).exif.is_none());
        assert!(Metadata::of_webp(&whole(&[chunk(b"EXIF", exif.len() as u32, &exif)])).exif.is_none(), "not extended");
        for cut in 0..good.len() {
            Metadata::of_webp(&good[..cut]);
        }
    }

    #[test]
    fn several_values_mean_the_first() {
        assert_eq!(of_exif(&file(true, &[(274, 3, 2, [8, 0, 3, 0])])), Some(8));
    }

    #[test]
    fn xmp_is_asked_where_exif_is_silent() {
        let xmp = |text: &str| Some(Cow::Owned(text.as_bytes().to_vec()));
        let metadata = Metadata { exif: None, xmp: xmp("x tiff:Orientation=x <a tiff:Orientation=\"6\"/>") };
        assert_eq!(metadata.orientation(), Orientation::Rotate90);
        let metadata = Metadata { exif: None, xmp: xmp("<tiff:Orientation>8</tiff:Orientation>") };
        assert_eq!(metadata.orientation(), Orientation::Rotate270);
        let exif = Some(Cow::Owned(file(true, &[(274, 3, 1, [1, 0, 0, 0])])));
        assert_eq!(Metadata { exif, ..metadata }.orientation(), Orientation::NoTransforms);
    }

    #[test]
    fn a_profile_of_imagemagick_is_read() {
        let block = file(true, &[(274, 3, 1, [6, 0, 0, 0])]);
        let hex = block.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let profile = format!("\nexif\n      26\n{}\n{}\n", &hex[..20], &hex[20..]);
        assert_eq!(of_exif(&unhex(profile.as_bytes()).unwrap()), Some(6));
    }
}
