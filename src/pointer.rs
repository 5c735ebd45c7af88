//! What a version control system leaves in a file's place until the file itself is fetched.

/// A file of a few lines that names the content it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointerFile {
    /// Who wrote it.
    pub system: &'static str,
    /// The command that fetches the content.
    pub command: &'static str,
}

impl PointerFile {
    /// The pointer that these bytes are; `None` where they are something else. The first 1,024 of a longer file will do.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        // Both systems keep their pointers shorter: what is longer only begins like one.
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
