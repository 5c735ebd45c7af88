//! Scans: which components, bands and bits of them follow (T.81 B.2.3), and the decoding of their blocks (F.2, G.1; libjpeg's
//! `jdhuff.c`, `jdphuff.c`).

use std::rc::Rc;

use crate::JpegError;
use crate::frame::{Block, Frame, Process, ZIGZAG};
use crate::huffman::{Bits, Damage, HuffmanTable};
use crate::segments::Segments;

/// A component of a scan.
pub(crate) struct ScanPart {
    /// Its place in the frame.
    pub component: usize,
    /// Its Huffman tables; a scan needs one or both.
    pub dc: Option<Rc<HuffmanTable>>,
    pub ac: Option<Rc<HuffmanTable>>,
}

/// A scan header (SOS).
pub(crate) struct Scan {
    pub parts: Vec<ScanPart>,
    /// First and last coefficient of the band, in zigzag order.
    pub first: u8,
    pub last: u8,
    /// Position of the lowest bit coded before (0: none was) and now.
    pub high: u8,
    pub low: u8,
    /// MCUs between two restart markers; 0: there are none.
    pub restart_interval: usize,
}

/// A scan header (SOS), with table numbers in place of tables.
pub(crate) struct ScanHeader {
    /// Place in the frame, slot of the DC table, slot of the AC table.
    pub parts: Vec<(usize, u8, u8)>,
    pub first: u8,
    pub last: u8,
    pub high: u8,
    pub low: u8,
}

impl ScanHeader {
    /// Reads the body of a SOS segment, which starts at byte `at` of the file.
    pub fn read(frame: &Frame, body: &[u8], at: usize) -> Result<Self, JpegError> {
        const LENGTH: &str = "a scan header's length does not fit its number of components";
        let damaged = |what| JpegError::Damaged { at, what };
        let [count, rest @ ..] = body else { return Err(damaged(LENGTH)) };
        let count = usize::from(*count);
        if !(1..=4).contains(&count) || rest.len() != count * 2 + 3 {
            return Err(damaged(LENGTH));
        }
        let (specs, bands) = rest.split_at(count * 2);
        // libjpeg takes components in another order than the frame's in some cases, and components of equal names in the
        // frame's order; its rule is that the n-th of the scan hides the n-th of the frame.
        let mut parts: Vec<(usize, u8, u8)> = Vec::with_capacity(count);
        for (position, &[id, slots]) in specs.as_chunks::<2>().0.iter().enumerate() {
            let component = (frame.components.iter().enumerate())
                .position(|(index, component)| component.id == id && index >= position)
                .filter(|component| parts.iter().all(|(taken, ..)| taken != component))
                .ok_or_else(|| {
                    damaged("a scan header names a component that the frame header lacks, or names it twice")
                })?;
            parts.push((component, slots >> 4, slots & 15));
        }
        if count > 1 {
            let blocks: usize = (parts.iter())
                .map(|&(component, ..)| frame.components[component].h * frame.components[component].v)
                .sum();
            // T.81 B.2.3.
            if blocks > 10 {
                return Err(damaged("a scan's sampling factors are too large to interleave its components"));
            }
        }
        Ok(Self { parts, first: bands[0], last: bands[1], high: bands[2] >> 4, low: bands[2] & 15 })
    }

    /// Whether the band and the bits are such as progressive scans may have.
    pub fn is_progressive(&self) -> bool {
        let band = if self.first == 0 {
            self.last == 0
        } else {
            self.first <= self.last && self.last < 64 && self.parts.len() == 1
        };
        // More than 13 bits would shift coefficients out of 16 bits.
        band && (self.high == 0 || self.high == self.low + 1) && self.low <= 13
    }
}

/// Takes the blocks of a scan, MCU by MCU.
pub(crate) trait Sink {
    /// The block of a component at a column of its grid, for `decode` to fill; `decode` gives the block's extent. Of its `row`,
    /// the first number is the first of an MCU row, and the second counts from there.
    fn block(
        &mut self,
        component: usize,
        column: usize,
        row: [usize; 2],
        decode: impl FnOnce(&mut Block) -> Result<u8, Damage>,
    ) -> Result<(), Damage>;

    /// All MCUs of a row are there.
    fn row(&mut self, row: usize);
}

/// How the blocks of a scan are coded.
trait Coding {
    /// A restart interval begins.
    fn restart(&mut self);

    /// Decodes a block of the scan's `part`-th component; gives the zigzag index of its last coefficient that is not zero, or
    /// more.
    fn block(&mut self, bits: &mut Bits, part: usize, block: &mut Block) -> Result<u8, Damage>;

    /// Whether a restart interval may end here.
    fn is_complete(&self) -> bool {
        true
    }
}

impl Scan {
    /// Decodes the scan's data into `sink`.
    pub fn decode(&self, frame: &Frame, segments: &mut Segments, sink: &mut impl Sink) -> Result<(), JpegError> {
        const DC: Damage = "a scan uses a Huffman table for DC coefficients that is not defined";
        const AC: Damage = "a scan uses a Huffman table for AC coefficients that is not defined";
        let parts = &self.parts[..];
        let at = segments.position();
        let missing = |what| move || JpegError::Damaged { at, what };
        let dc = || parts.iter().map(|part| part.dc.as_deref()).collect::<Option<Vec<_>>>().ok_or_else(missing(DC));
        let ac = || parts.iter().map(|part| part.ac.as_deref()).collect::<Option<Vec<_>>>().ok_or_else(missing(AC));
        let low = u32::from(self.low);
        let band = usize::from(self.first)..=usize::from(self.last);
        match (frame.process, self.first, self.high) {
            (Process::Sequential, ..) => {
                let tables = dc()?.into_iter().zip(ac()?).collect();
                self.mcus(frame, segments, sink, SequentialScan { tables, last_dc: [0; 4] })
            }
            (_, 0, 0) => self.mcus(frame, segments, sink, FirstDc { tables: dc()?, last_dc: [0; 4], low }),
            (_, 0, _) => self.mcus(frame, segments, sink, NextDc { low }),
            (_, _, 0) => self.mcus(frame, segments, sink, Ac::<false> { table: ac()?[0], band, low, blank: 0 }),
            (..) => self.mcus(frame, segments, sink, Ac::<true> { table: ac()?[0], band, low, blank: 0 }),
        }
    }

    /// MCUs in a row and in a column (T.81 A.2).
    fn size(&self, frame: &Frame) -> (usize, usize) {
        match &self.parts[..] {
            [part] => {
                let component = &frame.components[part.component];
                (component.blocks_wide, component.blocks_high)
            }
            _ => (frame.mcus_wide, frame.mcus_high),
        }
    }

    /// Blocks that decoding looks at.
    pub fn blocks(&self, frame: &Frame) -> u64 {
        let (wide, high) = self.size(frame);
        let per_mcu: usize = match &self.parts[..] {
            [_] => 1,
            parts => {
                parts.iter().map(|part| frame.components[part.component].h * frame.components[part.component].v).sum()
            }
        };
        wide as u64 * high as u64 * per_mcu as u64
    }

    fn mcus(
        &self,
        frame: &Frame,
        segments: &mut Segments,
        sink: &mut impl Sink,
        mut coding: impl Coding,
    ) -> Result<(), JpegError> {
        let (wide, high) = self.size(frame);
        let interval = if self.restart_interval == 0 { wide * high } else { self.restart_interval };
        let parts: Vec<(usize, usize, usize)> = match &self.parts[..] {
            [part] => vec![(part.component, 1, 1)],
            parts => parts
                .iter()
                .map(|part| (part.component, frame.components[part.component].h, frame.components[part.component].v))
                .collect(),
        };
        // A component alone comes block by block, but is kept by MCU rows as well.
        let rows_together = match &self.parts[..] {
            [part] => frame.components[part.component].v,
            _ => 1,
        };
        let (mut column, mut row, mut y_alone) = (0, 0, 0);
        for restart in (0..8).cycle() {
            let mut segment = segments.next()?;
            let mut bits = Bits::new(segment.bytes());
            coding.restart();
            for _ in 0..interval {
                let mut mcu = || {
                    for (part, &(component, h, v)) in parts.iter().enumerate() {
                        let first = row * v - y_alone;
                        for y in y_alone..y_alone + v {
                            for x in column * h..(column + 1) * h {
                                sink.block(component, x, [first, y], |block| coding.block(&mut bits, part, block))?;
                            }
                        }
                    }
                    Ok(())
                };
                let outcome = mcu();
                // Beyond the end anything may be read.
                if bits.is_overrun() {
                    return Err(segment.too_short());
                }
                outcome.map_err(|what| segment.damaged(what))?;
                column += 1;
                if column == wide {
                    sink.row(row);
                    (column, row, y_alone) = (0, row + 1, (y_alone + 1) % rows_together);
                    if row == high {
                        break;
                    }
                }
            }
            if !bits.rest().is_empty() || !coding.is_complete() {
                return Err(segment.damaged("the compressed data continues after the last block"));
            }
            if row == high {
                // Nothing more need come, but then this must be the picture's true end.
                return if segment.is_ended() || bits.is_filled_up() { Ok(()) } else { Err(JpegError::CutShort) };
            }
            segment.restart(restart)?;
        }
        Ok(())
    }
}

/// Whole blocks (T.81 F.2).
struct SequentialScan<'t> {
    tables: Vec<(&'t HuffmanTable, &'t HuffmanTable)>,
    last_dc: [i32; 4],
}

impl Coding for SequentialScan<'_> {
    fn restart(&mut self) {
        self.last_dc = [0; 4];
    }

    #[inline(always)]
    fn block(&mut self, bits: &mut Bits, part: usize, block: &mut Block) -> Result<u8, Damage> {
        let (dc, ac) = self.tables[part];
        bits.block(dc, ac, &mut self.last_dc[part & 3], block)
    }
}

/// The upper bits of DC coefficients (T.81 G.1.2.1).
struct FirstDc<'t> {
    tables: Vec<&'t HuffmanTable>,
    last_dc: [i32; 4],
    low: u32,
}

impl Coding for FirstDc<'_> {
    fn restart(&mut self) {
        self.last_dc = [0; 4];
    }

    fn block(&mut self, bits: &mut Bits, part: usize, block: &mut Block) -> Result<u8, Damage> {
        let last_dc = &mut self.last_dc[part & 3];
        *last_dc = last_dc.wrapping_add(bits.dc_difference(self.tables[part])?);
        block[0] = (*last_dc << self.low) as i16;
        Ok(63)
    }
}

/// One more bit of DC coefficients.
struct NextDc {
    low: u32,
}

impl Coding for NextDc {
    fn restart(&mut self) {}

    fn block(&mut self, bits: &mut Bits, _: usize, block: &mut Block) -> Result<u8, Damage> {
        block[0] |= (bits.take(1) << self.low) as i16;
        Ok(63)
    }
}

/// A band of AC coefficients: their upper bits (T.81 G.1.2.2), or one more bit (G.1.2.3) if `REFINES`.
struct Ac<'t, const REFINES: bool> {
    table: &'t HuffmanTable,
    band: std::ops::RangeInclusive<usize>,
    low: u32,
    /// Blocks still to come whose band is empty, or without coefficients that become other than zero.
    blank: u32,
}

impl<const REFINES: bool> Coding for Ac<'_, REFINES> {
    fn restart(&mut self) {
        self.blank = 0;
    }

    fn block(&mut self, bits: &mut Bits, _: usize, block: &mut Block) -> Result<u8, Damage> {
        if !REFINES && self.blank > 0 {
            self.blank -= 1;
            return Ok(63);
        }
        // A copy stays in registers.
        let mut copy = *bits;
        let outcome = if REFINES { self.next_bits(&mut copy, block) } else { self.first_bits(&mut copy, block) };
        *bits = copy;
        outcome
    }

    fn is_complete(&self) -> bool {
        self.blank == 0
    }
}

impl<const REFINES: bool> Ac<'_, REFINES> {
    #[inline(always)]
    fn first_bits(&mut self, bits: &mut Bits, block: &mut Block) -> Result<u8, Damage> {
        let (mut next, last) = (*self.band.start(), *self.band.end());
        while next <= last {
            let symbol = bits.symbol(self.table)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    self.blank = (1 << run) - 1 + bits.take(run as u32);
                    break;
                }
                next += 16;
                if next > last + 1 {
                    return Err(Bits::TOO_LONG);
                }
                continue;
            }
            next += run;
            if next > last {
                return Err(Bits::TOO_LONG);
            }
            if size > 10 {
                return Err(Bits::TOO_WIDE);
            }
            block[usize::from(ZIGZAG[next & 63])] = (bits.value(size) << self.low) as i16;
            next += 1;
        }
        Ok(63)
    }

    /// Gives a coefficient that is not zero its next bit.
    #[inline(always)]
    fn refine(&self, bits: &mut Bits, coefficient: &mut i16) {
        // Without branches: these bits are as good as random. A bit that is there already stays.
        let new = bits.take(1) as i16 & !(*coefficient >> self.low);
        let sign = *coefficient >> 15;
        *coefficient = coefficient.wrapping_add(((new << self.low) ^ sign) - sign);
    }

    #[inline(always)]
    fn next_bits(&mut self, bits: &mut Bits, block: &mut Block) -> Result<u8, Damage> {
        let (mut next, last) = (*self.band.start(), *self.band.end());
        while self.blank == 0 && next <= last {
            let symbol = bits.symbol(self.table)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            let new = match (size, run) {
                (0, 15) => 0,
                (0, _) => {
                    // This block counts too; it is taken off below.
                    self.blank = (1 << run) + bits.take(run.into());
                    break;
                }
                (1, _) => (if bits.take(1) == 1 { 1 } else { -1 }) << self.low,
                _ => return Err("the compressed data adds more than one bit to a coefficient"),
            };
            // Skips `run` zeros; coefficients that are not zero get a bit on the way.
            loop {
                let Some(&place) = ZIGZAG[..=last].get(next) else {
                    if new == 0 && run == 0 {
                        break;
                    }
                    return Err(Bits::TOO_LONG);
                };
                let coefficient = &mut block[usize::from(place)];
                next += 1;
                if *coefficient != 0 {
                    self.refine(bits, coefficient);
                } else if run == 0 {
                    *coefficient = new;
                    break;
                } else {
                    run -= 1;
                }
            }
        }
        if self.blank > 0 {
            for &place in &ZIGZAG[next..=last] {
                let coefficient = &mut block[usize::from(place)];
                if *coefficient != 0 {
                    self.refine(bits, coefficient);
                }
            }
            self.blank -= 1;
        }
        Ok(63)
    }
}
