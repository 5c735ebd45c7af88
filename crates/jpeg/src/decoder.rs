//! From markers to a picture: which segment does what, and when the picture is whole (T.81 B.2, E.2).

use std::rc::Rc;

use crate::JpegError;
use crate::colour::Colours;
use crate::frame::{Block, Frame, Part, Process, ZIGZAG};
use crate::huffman::{Damage, HuffmanTable};
use crate::kernels::Instructions;
use crate::rows::RowWriter;
use crate::scan::{Scan, ScanHeader, ScanPart, Sink};
use crate::segments::{EOI, RST0, SOI, Segments};

/// Limits on a picture's size and memory. The defaults admit every photograph and reject headers that claim absurd sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels per side.
    pub side: u32,
    /// Most pixels in all. Three bytes are allocated for each.
    pub pixels: u64,
    /// Most bytes that are allocated in addition to the pixels. A JPEG that has several scans takes two per sample.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // As many pixels as Pillow opens before it calls the picture a decompression bomb; as RGB they are 512 MiB.
        Self { side: 20_000, pixels: 178_956_970, bytes: 512 << 20 }
    }
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedPicture {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Width × height × 3 bytes, row by row: red, green, blue.
    pub rgb: Vec<u8>,
    /// The EXIF segments (APP1) before the first scan, joined and without their names: a TIFF structure.
    pub exif: Option<Vec<u8>>,
    /// The last XMP segment (APP1) before the first scan, without its name: XML.
    pub xmp: Option<Vec<u8>>,
}

/// What is known of a picture before its pixels are decoded.
#[derive(Debug, Clone, Copy)]
pub struct Announced<'a> {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// As in [`DecodedPicture`].
    pub exif: Option<&'a [u8]>,
    /// As in [`DecodedPicture`].
    pub xmp: Option<&'a [u8]>,
}

/// Decodes a JPEG to RGB as stored; the caller applies the EXIF orientation.
///
/// # Errors
///
/// See [`JpegError`]. The limits are checked before anything is allocated.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<DecodedPicture, JpegError> {
    decode_when(bytes, limits, &mut |_, _| true)
}

/// [`decode`] that asks before it allocates anything for pixels, once, with the bytes that they take, and those of their
/// coefficients.
///
/// # Errors
///
/// [`JpegError::NotAllowed`] when `may_take` refuses; else those of [`decode`].
pub fn decode_when(
    bytes: &[u8],
    limits: &Limits,
    may_take: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<DecodedPicture, JpegError> {
    decode_part(bytes, limits, may_take, &|_| None)
}

/// [`decode_when`] of a part of the picture: `part` gives the rectangle whose pixels are needed, `None` where all are. The
/// rest of the picture is checked and stays black.
///
/// # Errors
///
/// Those of [`decode_when`].
pub fn decode_part(
    bytes: &[u8],
    limits: &Limits,
    may_take: &mut dyn FnMut(u64, u64) -> bool,
    part: &dyn Fn(&Announced<'_>) -> Option<Part>,
) -> Result<DecodedPicture, JpegError> {
    decode_with(bytes, limits, Instructions::best(), may_take, part)
}

pub(crate) fn decode_with(
    bytes: &[u8],
    limits: &Limits,
    kernels: Instructions,
    may_take: &mut dyn FnMut(u64, u64) -> bool,
    part: &dyn Fn(&Announced<'_>) -> Option<Part>,
) -> Result<DecodedPicture, JpegError> {
    let mut segments = Segments::new(bytes);
    segments.start()?;
    let mut tables = DecodingTables::default();
    let frame = loop {
        match segments.marker()? {
            SOI => return Err(damaged(&segments, "it has a second start marker")),
            EOI => return Err(damaged(&segments, "it ends before its picture starts")),
            SOS => return Err(damaged(&segments, "a scan comes before the frame header")),
            code => {
                if let Some(process) = process(code)? {
                    let (body, at) = segments.body()?;
                    break Frame::read(process, body, at)?;
                }
                tables.read(code, &mut segments)?;
            }
        }
    };
    let (width, height) = (frame.width as u32, frame.height as u32);
    if width.max(height) > limits.side || u64::from(width) * u64::from(height) > limits.pixels {
        return Err(JpegError::TooLarge { width, height });
    }
    let mut scans = Scans::new(&frame, limits, kernels, may_take, part);
    loop {
        let marker = if tables.is_settled { segments.marker_at_once() } else { segments.marker() };
        let marker = match marker {
            // A sequential picture ends with its last block, whatever may be missing behind.
            Err(JpegError::CutShort) if frame.process == Process::Sequential && scans.are_complete() => break,
            marker => marker?,
        };
        match marker {
            SOI => return Err(damaged(&segments, "it has a second start marker")),
            EOI => break,
            SOS => scans.scan(&mut segments, &mut tables)?,
            code if process(code)?.is_some() => return Err(damaged(&segments, "it has two frame headers")),
            code => tables.read(code, &mut segments)?,
        }
    }
    let rgb = scans.finish()?;
    Ok(DecodedPicture { width, height, rgb, exif: tables.exif, xmp: tables.xmp })
}

const SOS: u8 = 0xda;

fn damaged(segments: &Segments, what: Damage) -> JpegError {
    JpegError::Damaged { at: segments.position(), what }
}

/// What a frame header's marker announces, if it is one.
fn process(code: u8) -> Result<Option<Process>, JpegError> {
    let unsupported = |what| Err(JpegError::Unsupported { what });
    match code {
        0xc0 | 0xc1 => Ok(Some(Process::Sequential)),
        0xc2 => Ok(Some(Process::Progressive)),
        0xc3 | 0xcb => unsupported("it is coded without loss"),
        0xc9 | 0xca => unsupported("it is coded arithmetically"),
        0xc5..=0xc7 | 0xcd..=0xcf | 0xde | 0xdf => unsupported("it is coded hierarchically"),
        0xc8 => unsupported("it is coded by an extension of the standard"),
        _ => Ok(None),
    }
}

type TableSlot = Option<Result<Rc<HuffmanTable>, Damage>>;

/// The definitions of all segments other than frame and scans.
#[derive(Default)]
struct DecodingTables {
    /// In rows.
    quantisers: [Option<Block>; 4],
    dc: [TableSlot; 4],
    ac: [TableSlot; 4],
    restart_interval: usize,
    has_jfif: bool,
    adobe_transform: Option<u8>,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    /// A scan was read: colours and metadata are settled.
    is_settled: bool,
}

impl DecodingTables {
    /// Reads the segment of a marker, if it has one.
    fn read(&mut self, code: u8, segments: &mut Segments) -> Result<(), JpegError> {
        // Left over from the end of a scan.
        if (RST0..RST0 + 8).contains(&code) {
            return Ok(());
        }
        if !matches!(code, 0xc4 | 0xcc | 0xdb..=0xdd | 0xe0..=0xef | 0xfe) {
            return Err(damaged(segments, "it holds a marker that no picture has"));
        }
        let (body, at) = segments.body()?;
        let outcome = match code {
            0xc4 => self.huffman(body),
            0xdb => self.quantisers(body),
            0xdd => match *body {
                [high, low] => {
                    self.restart_interval = u16::from_be_bytes([high, low]).into();
                    Ok(())
                }
                _ => Err("the segment of the restart interval is not four bytes long"),
            },
            0xe0..=0xef if !self.is_settled => self.application(code, body),
            _ => Ok(()),
        };
        outcome.map_err(|what| JpegError::Damaged { at, what })
    }

    /// DHT (T.81 B.2.4.2).
    fn huffman(&mut self, mut body: &[u8]) -> Result<(), Damage> {
        const LENGTH: Damage = "the length of a segment of Huffman tables does not fit its tables";
        while !body.is_empty() {
            let Some((&[slot, ref counts @ ..], rest)) = body.split_first_chunk::<17>() else { return Err(LENGTH) };
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            if count > 256 {
                return Err("a Huffman table has more than 256 codes");
            }
            let (symbols, rest) = rest.split_at_checked(count).ok_or(LENGTH)?;
            let is_dc = slot & 0x10 == 0;
            let slots = if is_dc { &mut self.dc } else { &mut self.ac };
            let place = slots
                .get_mut(usize::from(if is_dc { slot } else { slot - 0x10 }))
                .ok_or("a Huffman table's number is not 0 to 3")?;
            // What is wrong with a table matters only once it is used.
            *place = Some(HuffmanTable::new(counts, symbols, is_dc).map(Rc::new));
            body = rest;
        }
        Ok(())
    }

    /// DQT (T.81 B.2.4.1).
    fn quantisers(&mut self, mut body: &[u8]) -> Result<(), Damage> {
        const LENGTH: Damage = "the length of a segment of quantisation tables does not fit its tables";
        while let [slot, rest @ ..] = body {
            let is_wide = slot >> 4 != 0;
            let (values, rest) = rest.split_at_checked(if is_wide { 128 } else { 64 }).ok_or(LENGTH)?;
            let place =
                self.quantisers.get_mut(usize::from(slot & 15)).ok_or("a quantisation table's number is not 0 to 3")?;
            let table = place.insert([0; 64]);
            for (k, &to) in ZIGZAG.iter().enumerate() {
                let value =
                    if is_wide { u16::from_be_bytes([values[2 * k], values[2 * k + 1]]) } else { values[k].into() };
                table[usize::from(to)] = value as i16;
            }
            body = rest;
        }
        Ok(())
    }

    /// `APPn`: JFIF and Adobe (which settle the colours), EXIF and XMP.
    fn application(&mut self, code: u8, body: &[u8]) -> Result<(), Damage> {
        // Pillow refuses a picture whose version numbers are cut off.
        const VERSION: Damage = "a JFIF or Adobe segment ends before its version";
        match code {
            0xe0 if body.starts_with(b"JFIF") => {
                self.has_jfif |= body.len() >= 14 && body[4] == 0;
                if body.len() < 7 { Err(VERSION) } else { Ok(()) }
            }
            0xe1 => {
                if let Some(exif) = body.strip_prefix(b"Exif\0\0") {
                    self.exif.get_or_insert_default().extend_from_slice(exif);
                } else if let Some(xmp) = body.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    self.xmp = Some(xmp.to_vec());
                }
                Ok(())
            }
            0xee if body.starts_with(b"Adobe") => {
                if body.len() >= 12 {
                    self.adobe_transform = Some(body[11]);
                }
                if body.len() < 7 { Err(VERSION) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// The table of a slot that a scan uses; `None` if there is none.
    fn table(slots: &[TableSlot; 4], slot: u8) -> Result<Option<Rc<HuffmanTable>>, Damage> {
        slots.get(usize::from(slot)).cloned().flatten().transpose()
    }

    /// Fills the slots that a Motion JPEG leaves empty.
    fn add_standard(&mut self) {
        for (slots, is_dc) in [(&mut self.dc, true), (&mut self.ac, false)] {
            for (number, slot) in slots.iter_mut().enumerate() {
                if slot.is_none() {
                    *slot = HuffmanTable::standard(number, is_dc).map(|table| Ok(Rc::new(table)));
                }
            }
        }
    }
}

/// Collects the scans of a picture.
struct Scans<'f> {
    frame: &'f Frame,
    kernels: Instructions,
    limits: Limits,
    colours: Colours,
    /// Each component's table, from its first scan on.
    quantisers: Vec<Option<Block>>,
    /// The lowest bit known of each component's coefficients, in zigzag order; −1: nothing.
    precision: Vec<[i8; 64]>,
    state: State,
    /// Blocks that further scans may look at.
    budget: u64,
    /// Whether so many bytes may be taken, for pixels and in addition.
    may_take: &'f mut dyn FnMut(u64, u64) -> bool,
    /// Which part is needed, before the first scan.
    part_of: &'f dyn Fn(&Announced<'_>) -> Option<Part>,
    /// And from then on.
    part: Part,
}

enum State {
    Empty,
    /// All coefficients of each component.
    Coefficients(Vec<Vec<Block>>),
    /// The pixels of a picture that had one scan.
    Pixels(Vec<u8>),
}

impl<'f> Scans<'f> {
    fn new(
        frame: &'f Frame,
        limits: &Limits,
        kernels: Instructions,
        may_take: &'f mut dyn FnMut(u64, u64) -> bool,
        part_of: &'f dyn Fn(&Announced<'_>) -> Option<Part>,
    ) -> Self {
        let count = frame.components.len();
        let blocks: u64 = (0..count).map(|component| frame.blocks(component) as u64).sum();
        Self {
            frame,
            kernels,
            limits: *limits,
            colours: Colours::Grey,
            quantisers: vec![None; count],
            precision: vec![[-1; 64]; count],
            state: State::Empty,
            // Seconds at most; encoders use a dozen scans, and small pictures may have thousands.
            budget: 64 * blocks + (1 << 24),
            may_take,
            part_of,
            part: Part { columns: 0..frame.width, rows: 0..frame.height },
        }
    }

    /// Whether every coefficient of every component is known to its last bit.
    fn are_complete(&self) -> bool {
        self.precision.as_flattened().iter().all(|&bit| bit == 0)
    }

    fn scan(&mut self, segments: &mut Segments, tables: &mut DecodingTables) -> Result<(), JpegError> {
        let (body, at) = segments.body()?;
        let damaged = |what| JpegError::Damaged { at, what };
        let header = ScanHeader::read(self.frame, body, at)?;
        if !tables.is_settled {
            tables.is_settled = true;
            let ids: Vec<u8> = self.frame.components.iter().map(|component| component.id).collect();
            self.colours = Colours::guess(&ids, tables.has_jfif, tables.adobe_transform);
            if self.frame.process == Process::Sequential {
                tables.add_standard();
            }
            let (width, height) = (self.frame.width as u32, self.frame.height as u32);
            let announced = Announced { width, height, exif: tables.exif.as_deref(), xmp: tables.xmp.as_deref() };
            if let Some(part) = (self.part_of)(&announced) {
                self.part = part;
            }
        }
        self.note(&header).map_err(damaged)?;
        for &(component, ..) in &header.parts {
            let slot = &tables.quantisers.get(usize::from(self.frame.components[component].table)).copied().flatten();
            let latched = &mut self.quantisers[component];
            *latched = latched.or(*slot);
            if latched.is_none() {
                return Err(damaged("a component uses a quantisation table that is not defined"));
            }
        }
        let is_sequential = self.frame.process == Process::Sequential;
        let (needs_dc, needs_ac) =
            (is_sequential || header.first == 0 && header.high == 0, is_sequential || header.first > 0);
        let part = |&(component, dc, ac): &(usize, u8, u8)| {
            Ok(ScanPart {
                component,
                dc: if needs_dc { DecodingTables::table(&tables.dc, dc)? } else { None },
                ac: if needs_ac { DecodingTables::table(&tables.ac, ac)? } else { None },
            })
        };
        let scan = Scan {
            parts: header.parts.iter().map(part).collect::<Result<_, Damage>>().map_err(damaged)?,
            first: header.first,
            last: header.last,
            high: header.high,
            low: header.low,
            restart_interval: tables.restart_interval,
        };
        self.budget = self.budget.checked_sub(scan.blocks(self.frame)).ok_or(JpegError::TooManyScans)?;

        if is_sequential && scan.parts.len() == self.frame.components.len() {
            self.take(0)?;
            let mut stream = StreamingSink::new(self.frame, self.rows());
            scan.decode(self.frame, segments, &mut stream)?;
            self.state = State::Pixels(stream.rows.into_rgb());
            return Ok(());
        }
        if let State::Empty = self.state {
            let blocks = || (0..self.frame.components.len()).map(|component| self.frame.blocks(component));
            let needed = blocks().sum::<usize>() as u64 * size_of::<Block>() as u64;
            if needed > self.limits.bytes {
                return Err(JpegError::TooMuchMemory { needed, limit: self.limits.bytes });
            }
            self.take(needed)?;
            self.state = State::Coefficients(blocks().map(|count| vec![[0; 64]; count]).collect());
        }
        match &mut self.state {
            State::Coefficients(blocks) => scan.decode(self.frame, segments, &mut Store { frame: self.frame, blocks }),
            _ => Err(damaged("it continues after its last scan")),
        }
    }

    /// Asks for the pixels and so many bytes more.
    fn take(&mut self, more: u64) -> Result<(), JpegError> {
        let pixels = (self.frame.width * self.frame.height * 3) as u64;
        if (self.may_take)(pixels, more) { Ok(()) } else { Err(JpegError::NotAllowed) }
    }

    /// Checks that a scan continues where the last ended, and records what it adds. libjpeg only warns if it does not.
    fn note(&mut self, header: &ScanHeader) -> Result<(), Damage> {
        const ORDER: Damage = "a scan does not continue where the scans before it ended: one is missing";
        if self.frame.process == Process::Progressive && !header.is_progressive() {
            return Err("a scan header has a band or bits that progressive scans cannot have");
        }
        for &(component, ..) in &header.parts {
            let known = &mut self.precision[component];
            if self.frame.process == Process::Sequential {
                if known[0] == 0 {
                    return Err("a component comes in two scans");
                }
                *known = [0; 64];
                continue;
            }
            if header.first > 0 && known[0] < 0 {
                return Err(ORDER);
            }
            for bit in &mut known[usize::from(header.first)..=usize::from(header.last)] {
                if (*bit).max(0) as u8 != header.high {
                    return Err(ORDER);
                }
                *bit = header.low as i8;
            }
        }
        Ok(())
    }

    fn tables(&self) -> Vec<Block> {
        self.quantisers.iter().map(|table| table.unwrap_or([0; 64])).collect()
    }

    fn rows(&self) -> RowWriter<'f> {
        RowWriter::new(self.frame, &self.tables(), self.colours, self.kernels, &self.part)
    }

    /// The picture, once its end was found.
    fn finish(self) -> Result<Vec<u8>, JpegError> {
        match self.state {
            State::Coefficients(ref blocks) if self.are_complete() => Ok(self.render(blocks)),
            State::Pixels(pixels) => Ok(pixels),
            _ => Err(JpegError::ScansMissing),
        }
    }

    fn render(&self, blocks: &[Vec<Block>]) -> Vec<u8> {
        let frame = self.frame;
        let mut rows = self.rows();
        let extents = vec![63; frame.mcus_wide * frame.h_max];
        for mcu_row in 0..frame.mcus_high {
            if !rows.needs(mcu_row) {
                continue;
            }
            for (index, component) in frame.components.iter().enumerate() {
                for y in 0..component.v.min(component.blocks_high - mcu_row * component.v) {
                    let first = (mcu_row * component.v + y) * component.block_stride;
                    let row = &blocks[index][first..][..component.blocks_wide];
                    rows.blocks(index, y, row, &extents[..row.len()]);
                }
            }
            rows.finish(mcu_row);
        }
        rows.into_rgb()
    }
}

/// Keeps the coefficients of a scan.
struct Store<'s> {
    frame: &'s Frame,
    blocks: &'s mut [Vec<Block>],
}

impl Sink for Store<'_> {
    fn block(
        &mut self,
        component: usize,
        column: usize,
        [first, y]: [usize; 2],
        decode: impl FnOnce(&mut Block) -> Result<u8, Damage>,
    ) -> Result<(), Damage> {
        let stride = self.frame.components[component].block_stride;
        decode(&mut self.blocks[component][(first + y) * stride + column]).map(drop)
    }

    fn row(&mut self, _: usize) {}
}

/// Turns the blocks of a picture's only scan into pixels as they arrive.
struct StreamingSink<'f> {
    frame: &'f Frame,
    rows: RowWriter<'f>,
    /// Each component's blocks of the current MCU row, and their extents.
    grids: Vec<(Vec<Block>, Vec<u8>)>,
}

impl<'f> StreamingSink<'f> {
    fn new(frame: &'f Frame, rows: RowWriter<'f>) -> Self {
        let grid = |count| (vec![[0; 64]; count], vec![0; count]);
        let grids = frame.components.iter().map(|component| grid(component.block_stride * component.v)).collect();
        Self { frame, rows, grids }
    }
}

impl Sink for StreamingSink<'_> {
    #[inline(always)]
    fn block(
        &mut self,
        component: usize,
        column: usize,
        [_, y]: [usize; 2],
        decode: impl FnOnce(&mut Block) -> Result<u8, Damage>,
    ) -> Result<(), Damage> {
        let index = y * self.frame.components[component].block_stride + column;
        let (blocks, extents) = &mut self.grids[component];
        extents[index] = decode(&mut blocks[index])?;
        Ok(())
    }

    fn row(&mut self, row: usize) {
        // The rows of a single component are those of its blocks, not of MCUs.
        let mcu_row = match &self.frame.components[..] {
            [only] if row + 1 == only.blocks_high || row % only.v + 1 == only.v => row / only.v,
            [_] => return,
            _ => row,
        };
        for (index, component) in self.frame.components.iter().enumerate() {
            let (blocks, extents) = &mut self.grids[index];
            if self.rows.needs(mcu_row) {
                let stride = component.block_stride;
                let rows = blocks.chunks_exact(stride).zip(extents.chunks_exact(stride));
                for (y, (blocks, extents)) in rows.enumerate() {
                    let wide = component.blocks_wide;
                    self.rows.blocks(index, y, &blocks[..wide], &extents[..wide]);
                }
            }
            blocks.fill([0; 64]);
        }
        if self.rows.needs(mcu_row) {
            self.rows.finish(mcu_row);
        }
    }
}
