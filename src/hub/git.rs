//! git's name for content: SHA-1 over a header and the bytes. It is the entity tag of small files on the Hub, which have no
//! sha256, and the only way to detect damage to them. It does not protect against forgery.

use std::fmt::Write as _;
use std::io::{self, Read};

use sha1::{Digest, Sha1};

/// The id of a git blob, 40 hexadecimal characters. `length` is the number of `bytes`.
///
/// # Errors
/// Those of reading `bytes`.
pub(super) fn blob_id(length: u64, mut bytes: impl Read) -> io::Result<String> {
    let mut sha = Sha1::new();
    sha.update(format!("blob {length}\0"));
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => {
                return Ok(sha.finalize().iter().fold(String::with_capacity(40), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                }));
            }
            Ok(n) => sha.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether an entity tag may be such an id.
pub(super) fn is_id(etag: &str) -> bool {
    etag.len() == 40 && etag.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
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
