//! Writes to the terminal. Standard error carries progress: a line that cannot be written is dropped, and the work
//! continues. Standard output carries the result: a closed pipe ends it quietly, and any other failure is an error.

use std::io::{self, ErrorKind, Write};

/// Writes a line to standard error, if possible.
pub fn say(line: &str) {
    // One write, so that lines of several processes do not mix. A failure here must not stop the work.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Width of lines on standard output that is not a terminal.
const WIDTH_ELSEWHERE: usize = 120;

/// Characters in a line of standard output.
#[must_use]
pub fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH_ELSEWHERE, |(terminal_size::Width(width), _)| width.into())
}

/// Writes a result and a newline to standard output.
///
/// # Errors
/// Any failure to write except a closed pipe: `facevault runs | head` succeeds.
pub fn print(text: &str) -> io::Result<()> {
    unless_closed(write_to(&mut io::stdout().lock(), text))
}

fn write_to(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(format!("{}\n", text.trim_end()).as_bytes())?;
    // A full disk may only show here.
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
