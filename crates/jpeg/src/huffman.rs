//! Huffman tables (T.81 C, F.2.2.3; libjpeg's `jdhuff.c`, `jstdhuff.c`) and the bits of a segment.

use crate::frame::{Block, ZIGZAG};

/// Why a block could not be decoded.
pub(crate) type Damage = &'static str;

const NO_CODE: Damage = "the compressed data holds a code that its Huffman table lacks";
const TOO_LONG: Damage = "the compressed data continues beyond a block's last coefficient";
const TOO_WIDE: Damage = "the compressed data holds a coefficient that 8-bit samples cannot have";

/// [`ZIGZAG`], with room for the longest run beyond its end.
const PLACES: [u8; 128] = {
    let mut places = [63; 128];
    places.split_at_mut(64).0.copy_from_slice(&ZIGZAG);
    places
};

/// Bits looked up at once.
const WIDE: u32 = 10;

/// A Huffman table prepared for decoding.
#[derive(Clone)]
pub(crate) struct HuffmanTable {
    /// Largest code of each length, left-aligned in 16 bits, plus one; index 0 is unused.
    ends: [u32; 17],
    /// What a code of each length must be moved by to index `symbols`.
    offsets: [i32; 17],
    symbols: Vec<u8>,
    /// By the next [`WIDE`] bits: see [`TableEntry`].
    lookup: Box<[TableEntry; 1 << WIDE]>,
}

/// The meaning of the next bits: the symbol and, if they hold all of it, the coefficient.
///
/// | bits | |
/// |---|---|
/// | 0–5 | bits of the code, with those of the coefficient if it is here; 0: the code is longer than the look-up |
/// | 6 | the coefficient is here |
/// | 8–15 | symbol: zero run × 16 + bits of the coefficient |
/// | 16–31 | coefficient |
#[derive(Clone, Copy, Default)]
struct TableEntry(u32);

impl TableEntry {
    const WHOLE: u32 = 1 << 6;

    fn bits(self) -> u32 {
        self.0 & 63
    }

    fn is_whole(self) -> bool {
        self.0 & Self::WHOLE != 0
    }

    fn symbol(self) -> u8 {
        (self.0 >> 8) as u8
    }

    fn value(self) -> i32 {
        self.0 as i32 >> 16
    }
}

/// A coefficient's value from its `size` bits (T.81 figure F.12).
fn extend(bits: u32, size: u32) -> i32 {
    // Half of the values, those that start with a 0 bit, are negative.
    let negative = (bits >> (size - 1)) ^ 1;
    bits as i32 - (negative as i32 * ((1 << size) - 1))
}

impl HuffmanTable {
    /// From the number of codes of each length and the symbols in order of their codes.
    pub fn new(counts: &[u8; 16], symbols: &[u8], is_dc: bool) -> Result<Self, Damage> {
        const WRONG: Damage = "a Huffman table is not a prefix code";
        if is_dc && symbols.iter().any(|&symbol| symbol > 15) {
            return Err("a Huffman table for DC coefficients holds a symbol over 15");
        }
        let (mut ends, mut offsets) = ([0; 17], [0; 17]);
        let mut lookup = vec![TableEntry::default(); 1 << WIDE];
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                let symbol = *symbols.get(index).ok_or(WRONG)?;
                if length <= WIDE {
                    let first = (code as usize) << (WIDE - length);
                    let free = WIDE - length;
                    let entries = lookup.get_mut(first..first + (1 << free)).ok_or(WRONG)?;
                    fill(entries, symbol, length, free, is_dc);
                }
                index += 1;
                code += 1;
            }
            // No code is all ones (T.81 C.2).
            if count > 0 && code >= 1 << length {
                return Err(WRONG);
            }
            ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        let lookup = lookup.into_boxed_slice().try_into().map_err(|_| WRONG)?;
        Ok(Self { ends, offsets, symbols: symbols.to_vec(), lookup })
    }

    /// The symbol and length of a code that is longer than the look-up, from 16 bits.
    #[cold]
    fn long_symbol(&self, code: u32) -> Result<(u8, u32), Damage> {
        for length in WIDE + 1..=16 {
            if code < self.ends[length as usize] {
                let index = (code >> (16 - length)) as i32 + self.offsets[length as usize];
                return self.symbols.get(index as usize).map(|&symbol| (symbol, length)).ok_or(NO_CODE);
            }
        }
        Err(NO_CODE)
    }

    /// The tables that a Motion JPEG leaves out (T.81 K.3): DC and AC of luminance, DC and AC of chrominance.
    pub fn standard(slot: usize, is_dc: bool) -> Option<Self> {
        let (counts, symbols): (&[u8; 16], &[u8]) = match (slot, is_dc) {
            (0, true) => (&[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC_SYMBOLS),
            (1, true) => (&[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC_SYMBOLS),
            (0, false) => (&[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], &LUMA_AC_SYMBOLS),
            (1, false) => (&[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119], &CHROMA_AC_SYMBOLS),
            _ => return None,
        };
        Self::new(counts, symbols, is_dc).ok()
    }
}

/// Writes all look-up entries that start with a code of `length` bits; `free` bits follow it there.
fn fill(entries: &mut [TableEntry], symbol: u8, length: u32, free: u32, is_dc: bool) {
    let size = u32::from(symbol & 15);
    let plain = u32::from(symbol) << 8 | length;
    if size > free || (size == 0 && !is_dc) {
        // A run's end or sixteen zeros (no value), or a value that reaches beyond the look-up.
        entries.fill(TableEntry(plain));
        return;
    }
    for (value, group) in (0..).zip(entries.chunks_exact_mut(1 << (free - size))) {
        let value = if size == 0 { 0 } else { extend(value, size) };
        group.fill(TableEntry((value as u32) << 16 | (plain + size) | TableEntry::WHOLE));
    }
}

/// The last bytes of a segment, filled up with zeros.
#[cold]
fn last_word(bytes: &[u8], next: usize) -> u64 {
    let mut word = [0; 8];
    let rest = bytes.get(next..).unwrap_or_default();
    word[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(word)
}

/// The bits of one segment, between two markers, without stuffing.
#[derive(Clone, Copy)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to load.
    next: usize,
    /// Loaded bits, the next one at the top.
    loaded: u64,
    /// How many of them count.
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, loaded: 0, count: 0 }
    }

    /// Makes at least 56 bits ready; beyond the end they are zeros.
    #[inline(always)]
    fn refill(&mut self) {
        let word = match self.bytes.get(self.next..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_be_bytes(*word),
            None => last_word(self.bytes, self.next),
        };
        self.loaded |= word >> self.count;
        self.next += (63 - self.count as usize) >> 3;
        self.count |= 0x38;
    }

    /// Makes at least 32 bits ready: a code and its value.
    #[inline(always)]
    fn ensure(&mut self) {
        if self.count < 32 {
            self.refill();
        }
    }

    #[inline(always)]
    fn peek(&self, bits: u32) -> u32 {
        (self.loaded >> (64 - bits)) as u32
    }

    #[inline(always)]
    fn skip(&mut self, bits: u32) {
        self.loaded <<= bits;
        self.count -= bits;
    }

    /// Takes up to 16 bits.
    #[inline(always)]
    pub fn take(&mut self, bits: u32) -> u32 {
        self.ensure();
        self.taken(bits)
    }

    /// Takes up to 16 bits that are ready.
    #[inline(always)]
    fn taken(&mut self, bits: u32) -> u32 {
        // Two shifts, so that no bits at all are zero too.
        let value = (self.loaded >> 1 >> (63 - bits)) as u32;
        self.skip(bits);
        value
    }

    /// The symbol of the next code, with the value's bits still ready.
    #[inline(always)]
    pub fn symbol(&mut self, table: &HuffmanTable) -> Result<u8, Damage> {
        self.ensure();
        let entry = table.lookup[self.peek(WIDE) as usize];
        if entry.bits() == 0 {
            return self.long_symbol(table);
        }
        let size = if entry.is_whole() { u32::from(entry.symbol() & 15) } else { 0 };
        self.skip(entry.bits() - size);
        Ok(entry.symbol())
    }

    /// The symbol of a code that is longer than the look-up.
    #[inline(always)]
    fn long_symbol(&mut self, table: &HuffmanTable) -> Result<u8, Damage> {
        let (symbol, length) = table.long_symbol(self.peek(16))?;
        self.skip(length);
        Ok(symbol)
    }

    /// The value of `size` bits, at most 16.
    #[inline(always)]
    pub fn value(&mut self, size: u32) -> i32 {
        if size == 0 { 0 } else { extend(self.taken(size), size) }
    }

    /// The difference of a DC coefficient from the last (T.81 F.2.2.1).
    #[inline(always)]
    pub fn dc_difference(&mut self, table: &HuffmanTable) -> Result<i32, Damage> {
        self.ensure();
        let entry = table.lookup[self.peek(WIDE) as usize];
        if entry.is_whole() {
            self.skip(entry.bits());
            return Ok(entry.value());
        }
        let size = self.symbol(table)?;
        // T.81 table F.1 ends at 11 for 8-bit samples.
        if size > 11 { Err(TOO_WIDE) } else { Ok(self.value(size.into())) }
    }

    /// Decodes a block of a sequential scan, which must be zeros, and gives the zigzag index of its last coefficient
    /// that is not zero (T.81 F.2.2).
    // Not inlined, and on a copy: so the bits stay in registers.
    #[inline(never)]
    pub fn block(
        &mut self,
        dc: &HuffmanTable,
        ac: &HuffmanTable,
        last_dc: &mut i32,
        block: &mut Block,
    ) -> Result<u8, Damage> {
        let mut bits = *self;
        let extent = bits.coefficients(dc, ac, last_dc, block);
        *self = bits;
        extent
    }

    #[inline(always)]
    fn coefficients(
        &mut self,
        dc: &HuffmanTable,
        ac: &HuffmanTable,
        last_dc: &mut i32,
        block: &mut Block,
    ) -> Result<u8, Damage> {
        *last_dc = last_dc.wrapping_add(self.dc_difference(dc)?);
        block[0] = *last_dc as i16;
        let (mut next, mut last) = (1, 0);
        'block: while next < 64 {
            // Enough for two codes with their values. Not when it is due: a branch that is now and then mispredicted costs
            // more.
            self.refill();
            for _ in 0..2 {
                let entry = ac.lookup[self.peek(WIDE) as usize];
                self.skip(entry.bits());
                let value = if entry.is_whole() {
                    next += usize::from(entry.symbol() >> 4);
                    entry.value()
                } else {
                    let symbol = if entry.bits() == 0 { self.long_symbol(ac)? } else { entry.symbol() };
                    let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
                    if size == 0 {
                        if run != 15 {
                            break 'block;
                        }
                        next += 16;
                        if next > 64 {
                            return Err(TOO_LONG);
                        }
                        continue 'block;
                    }
                    next += run;
                    // T.81 table F.2 ends at 10 for 8-bit samples.
                    if size > 10 {
                        return Err(TOO_WIDE);
                    }
                    self.value(size)
                };
                block[usize::from(PLACES[next & 127] & 63)] = value as i16;
                last = next;
                next += 1;
                if next > 63 {
                    break 'block;
                }
            }
        }
        if last > 63 { Err(TOO_LONG) } else { Ok(last as u8) }
    }

    /// Whether more bits were taken than there are.
    pub fn is_overrun(&self) -> bool {
        self.next * 8 - self.count as usize > self.bytes.len() * 8
    }

    /// Whole bytes that are left over. Encoders fill the last byte up with ones (some with zeros), so there should be none;
    /// one such byte more is let pass. Data of a file whose end was filled with zeros look like many.
    pub fn rest(&self) -> &[u8] {
        let taken = (self.next * 8 - self.count as usize).div_ceil(8);
        match self.bytes.get(taken..).unwrap_or_default() {
            [0 | 255] => &[],
            rest => rest,
        }
    }

    /// Whether the last byte is filled up with ones, as encoders do (T.81 F.1.2.3), and zeros at a damaged file's end are not.
    pub fn is_filled_up(&mut self) -> bool {
        self.refill();
        let left = (self.bytes.len() * 8 + self.count as usize).saturating_sub(self.next * 8);
        (self.loaded | u64::MAX.checked_shr(left as u32).unwrap_or(0)) == u64::MAX
    }

    /// [`TOO_LONG`], for the progressive scans.
    pub const TOO_LONG: Damage = TOO_LONG;
    /// [`TOO_WIDE`], for the progressive scans.
    pub const TOO_WIDE: Damage = TOO_WIDE;
}

const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const LUMA_AC_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14,
    0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09,
    0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65,
    0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
    0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,
    0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca,
    0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea,
    0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

#[rustfmt::skip]
const CHROMA_AC_SYMBOLS: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32,
    0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16,
    0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39,
    0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64,
    0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86,
    0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8,
    0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9,
    0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];
