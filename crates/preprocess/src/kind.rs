//! A file's kind by its first bytes: people rename `.heic` to `.jpg`, and downloads lose their extensions.

/// Bytes that [`PictureKind::of`] needs; with fewer, it may not recognise a kind.
pub const HEAD: usize = 64;

/// A kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    /// JPEG.
    Jpeg,
    /// PNG, animated or not.
    Png,
    /// WebP.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// PBM, PGM, PPM, PAM.
    Pnm,
    /// GIF.
    Gif,
    /// TIFF, classic or `BigTIFF`; also most cameras' raw files.
    Tiff,
    /// A kind that is recognised but not decoded: its name.
    Unsupported(&'static str),
}

impl PictureKind {
    /// The kind of the picture that begins with `head`; `None` for an unknown kind.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        const FIXED: [(&[u8], PictureKind); 18] = [
            (b"\xff\xd8\xff", PictureKind::Jpeg),
            (b"\x89PNG\r\n\x1a\n", PictureKind::Png),
            (b"GIF87a", PictureKind::Gif),
            (b"GIF89a", PictureKind::Gif),
            (b"II*\0", PictureKind::Tiff),
            (b"MM\0*", PictureKind::Tiff),
            (b"II+\0", PictureKind::Tiff),
            (b"MM\0+", PictureKind::Tiff),
            (b"\0\0\0\x0cjP  \r\n\x87\n", PictureKind::Unsupported("JPEG 2000")),
            (b"\xff\x4f\xff\x51", PictureKind::Unsupported("JPEG 2000")),
            (b"\0\0\0\x0cJXL \r\n\x87\n", PictureKind::Unsupported("JPEG XL")),
            (b"\xff\x0a", PictureKind::Unsupported("JPEG XL")),
            (b"8BPS\0", PictureKind::Unsupported("Photoshop's PSD")),
            (b"\x76\x2f\x31\x01", PictureKind::Unsupported("OpenEXR")),
            (b"#?RADIANCE", PictureKind::Unsupported("Radiance HDR")),
            (b"qoif", PictureKind::Unsupported("QOI")),
            (b"DDS ", PictureKind::Unsupported("DDS")),
            (b"II\xbc\x01", PictureKind::Unsupported("JPEG XR")),
        ];
        if let Some((_, kind)) = FIXED.iter().find(|(start, _)| head.starts_with(start)) {
            return Some(*kind);
        }
        match head {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => iso_media(head, brands).map(Self::Unsupported),
            // A text may begin with these letters too; the size of the next header decides.
            [b'B', b'M', rest @ ..] => {
                let size = rest.get(12..16).map(|size| u32::from_le_bytes([size[0], size[1], size[2], size[3]]));
                matches!(size, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)).then_some(Self::Bmp)
            }
            [b'P', b'1'..=b'6', space, next, ..]
                if space.is_ascii_whitespace()
                    && (next.is_ascii_digit() || next.is_ascii_whitespace() || *next == b'#') =>
            {
                Some(Self::Pnm)
            }
            [b'P', b'7', b'\n', ..] => Some(Self::Pnm),
            _ => None,
        }
    }
}

/// AVIF and HEIC are one container; the brands in its first box tell them apart. `None`: a video or something else.
fn iso_media(head: &[u8], brands: &[u8]) -> Option<&'static str> {
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let (brands, _) = brands[..brands.len().min(length.saturating_sub(8))].as_chunks::<4>();
    // The second is the version of the first.
    let brands = || brands.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, brand)| brand);
    let has = |names: &[&[u8; 4]]| brands().any(|brand| names.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        Some("AVIF")
    } else if has(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"]) {
        Some("HEIC")
    } else if has(&[b"mif1", b"msf1", b"mif2", b"miaf"]) {
        Some("HEIF")
    } else if has(&[b"crx "]) {
        Some("Canon's CR3")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_the_first_bytes() {
        for (head, kind) in [
            (&b"\xff\xd8\xff\xe0"[..], Some(PictureKind::Jpeg)),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Some(PictureKind::WebP)),
            (b"RIFF\x24\0\0\0AVI LIST", None),
            (b"P6\n80 80\n255\n", Some(PictureKind::Pnm)),
            (b"P1 # bits\n", Some(PictureKind::Pnm)),
            (b"P1 is the first person\n", None),
            (b"BMI,age\n22,40\n23,50\n24,60\n", None),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Some(PictureKind::Bmp)),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Some(PictureKind::Unsupported("HEIC"))),
            (b"\0\0\0\x18ftypheic", Some(PictureKind::Unsupported("HEIC"))),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", Some(PictureKind::Unsupported("AVIF"))),
            (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", Some(PictureKind::Unsupported("HEIF"))),
            (b"\0\0\0\x18ftypisom\0\0\0\0mp42avif", Some(PictureKind::Unsupported("AVIF"))),
            (b"\0\0\0\x14ftypisom\0\0\0\0mp42avif", None),
            (b"II*\0\x08\0\0\0", Some(PictureKind::Tiff)),
            (b"face_id,image_id\n", None),
            (b"", None),
        ] {
            assert_eq!(PictureKind::of(head), kind, "{:?}", head.escape_ascii().to_string());
        }
    }
}
