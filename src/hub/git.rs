//! How git names content: SHA-1 over a header and the bytes (FIPS 180-4). Small files on the Hub are git's own, and their
//! entity tag is this name: the only way to notice that a byte of them is wrong. It tells damage, not forgery.

use std::fmt::Write as _;
use std::io::{self, Read};

/// The id of a git blob with these bytes, 40 hexadecimal characters. `length` is how many `bytes` will give.
///
/// # Errors
/// What `bytes` gives.
pub(super) fn blob_id(length: u64, mut bytes: impl Read) -> io::Result<String> {
    let mut sha = Sha1::default();
    sha.update(format!("blob {length}\0").as_bytes());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(sha.finish()),
            Ok(n) => sha.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether an entity tag can be such an id.
pub(super) fn is_id(etag: &str) -> bool {
    etag.len() == 40 && etag.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

struct Sha1 {
    state: [u32; 5],
    block: [u8; 64],
    length: u64,
}

impl Default for Sha1 {
    fn default() -> Self {
        let state = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
        Self { state, block: [0; 64], length: 0 }
    }
}

impl Sha1 {
    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.block[(self.length % 64) as usize] = byte;
            self.length += 1;
            if self.length.is_multiple_of(64) {
                self.compress();
            }
        }
    }

    fn compress(&mut self) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(self.block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for i in 16..80 {
            words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = self.state;
        for (i, word) in words.into_iter().enumerate() {
            let (mixed, constant) = match i / 20 {
                0 => ((b & c) | (!b & d), 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6_u32),
            };
            let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(word);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (state, value) in self.state.iter_mut().zip([a, b, c, d, e]) {
            *state = state.wrapping_add(value);
        }
    }

    fn finish(mut self) -> String {
        let bits = (self.length * 8).to_be_bytes();
        self.update(&[0x80]);
        while self.length % 64 != 56 {
            self.update(&[0]);
        }
        self.update(&bits);
        self.state.iter().fold(String::with_capacity(40), |mut text, word| {
            let _ = write!(text, "{word:08x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git_hash_object() {
        let id = |bytes: &[u8]| blob_id(bytes.len() as u64, bytes).unwrap();
        assert_eq!(id(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(id(b"hello world\n"), "3b18e512dba79e4c8300dd08aeb37f8e728b8dad");
        // `head -c N /dev/zero | git hash-object --stdin`: lengths around the end of a block.
        for (length, expected) in ZEROS {
            assert_eq!(id(&vec![0; length]), expected, "{length}");
        }
    }

    const ZEROS: [(usize, &str); 4] = [
        (47, "f3ac27a142178d6dd895e6ea84a46c6466daad10"),
        (48, "2a560968cf1f21e1b2d29af08f907797bf3b9038"),
        (56, "15ee40eb50938ee1368ad9db1f91fcefbca6b5f9"),
        (200_000, "bf5aa3c5d5cacc765dc99d06c4a699bc44f045a9"),
    ];
}
