//! Pointer files, which a version control system leaves in place of a file until the file is fetched.

/// A pointer file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointerFile {
    /// The system that wrote it.
    pub system: &'static str,
    /// The command that fetches the content.
    pub command: &'static str,
}

impl PointerFile {
    /// Parses a pointer; `None` for other content. Needs only the first 1,024 bytes of a file.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        // Pointers of both systems are shorter; a longer file only starts like one.
        if bytes.len() >= 1024 {
            return None;
        }
        let begins = |starts: &[&str]| starts.iter().any(|start| bytes.starts_with(start.as_bytes()));
        if begins(&["version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/"]) {
            Some(Self { system: "Git LFS", command: "git lfs pull" })
        } else if begins(&["/annex/objects/"]) {
            Some(Self { system: "git-annex", command: "git annex get" })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_told_from_files_that_speak_of_them() {
        let system = |bytes: &[u8]| PointerFile::of(bytes).map(|pointer| pointer.system);
        let lfs = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n", "a".repeat(64));
        assert_eq!(system(lfs.as_bytes()), Some("Git LFS"));
        assert_eq!(system(b"/annex/objects/SHA256E-s3--aa.jpg\n"), Some("git-annex"));
        let longer = lfs + &" ".repeat(1024);
        for other in [&b"version,https://git-lfs.github.com/spec/v1\n"[..], b"version 1\n", b"", longer.as_bytes()] {
            assert_eq!(system(other), None);
        }
    }
}
