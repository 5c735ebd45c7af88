//! Text for people. Standard error is for those who watch: what cannot be written there is dropped, and the work goes on.
//! Standard output is the result: a reader who has left wants no more of it, and anything else that keeps it from being
//! written is an error.

use std::io::{self, ErrorKind, Write};

/// Writes a line to standard error, if that can be written to.
pub fn say(line: &str) {
    // One write, so that lines of several processes do not mix; what fails here must not fail the work.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Writes a result and a newline to standard output.
///
/// # Errors
/// Whatever keeps it from being written, but for a reader that has closed its end: `facevault runs | head` is no error.
pub fn print(text: &str) -> io::Result<()> {
    unless_closed(write_to(&mut io::stdout().lock(), text))
}

fn write_to(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(format!("{}\n", text.trim_end()).as_bytes())?;
    // A full disk may show as late as here.
    out.flush()
}

fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything and fails when it is flushed.
    struct Buffered(ErrorKind);

    impl Write for Buffered {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is() {
        let written = |kind| unless_closed(write_to(&mut Buffered(kind), "text")).map_err(|error| error.kind());
        assert_eq!(written(ErrorKind::BrokenPipe), Ok(()));
        assert_eq!(written(ErrorKind::StorageFull), Err(ErrorKind::StorageFull));
        let mut text = Vec::new();
        write_to(&mut text, "a\nb\n\n").unwrap();
        assert_eq!(text, b"a\nb\n");
    }
}
