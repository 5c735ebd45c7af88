//! Writes to the terminal. Standard error carries progress: a line that cannot be written is dropped, and the work
//! continues. Standard output carries the result: a closed pipe ends it quietly, and any other failure is an error.
//!
//! Whatever a text quotes, it cannot drive the terminal: control characters are written as escapes. On standard error, of
//! a text beyond [`text::MESSAGE`] bytes the middle is left out.

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::text;

/// Writes a line to standard error, if possible.
pub fn say(line: &str) {
    // One write, so that lines of several processes do not mix. A failure here must not stop the work.
    let _ = io::stderr().lock().write_all(format!("{}\n", text::message(line)).as_bytes());
}

/// Whether somebody sits at a terminal and can answer.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error and reads the answer from standard input, without the spaces around it; `None` at its end.
#[must_use]
pub fn ask(question: &str) -> Option<String> {
    let _ = io::stderr().lock().write_all(format!("\n{}\n> ", text::message(question)).as_bytes());
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim().to_owned())
}

/// Writes a text of the command line's parser to standard error, as `styled` if that is a terminal.
pub fn say_styled(plain: &str, styled: &str) {
    if io::stderr().is_terminal() && only_colours(styled) {
        let _ = io::stderr().lock().write_all(styled.as_bytes());
    } else {
        say(plain.trim_end());
    }
}

/// Writes a text of the command line's parser to standard output, as `styled` if that is a terminal.
///
/// # Errors
/// Those of [`print()`].
pub fn print_styled(plain: &str, styled: &str) -> io::Result<()> {
    if io::stdout().is_terminal() && only_colours(styled) {
        unless_closed(write_raw(&mut io::stdout().lock(), styled))
    } else {
        print(plain)
    }
}

/// Whether a text drives the terminal by nothing but colours: what it quotes may have sequences of its own.
fn only_colours(styled: &str) -> bool {
    let mut pieces = styled.split("\x1b[");
    let first = pieces.next().unwrap_or_default();
    let after_colour = |piece: &str| {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        rest.strip_prefix('m').is_some_and(|rest| text::whole(rest) == rest)
    };
    text::whole(first) == first && pieces.all(after_colour)
}

/// Width of lines on standard output that is not a terminal.
const WIDTH_ELSEWHERE: usize = 120;

/// Characters in a line of standard output.
#[must_use]
pub fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH_ELSEWHERE, |(terminal_size::Width(width), _)| width.into())
}

/// Characters in a line of the terminal that standard output is; `None` elsewhere, where programs read line by line.
#[must_use]
pub fn columns() -> Option<usize> {
    io::stdout().is_terminal().then(width)
}

/// Writes a result and a newline to standard output.
///
/// # Errors
/// Any failure to write except a closed pipe: `facevault runs | head` succeeds.
pub fn print(text: &str) -> io::Result<()> {
    unless_closed(write_to(&mut io::stdout().lock(), text))
}

/// [`print()`] of one line of many: whether anybody still reads.
///
/// # Errors
/// Any failure to write except a closed pipe.
pub fn print_line(line: &str) -> io::Result<bool> {
    match write_to(&mut io::stdout().lock(), line) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}

fn write_to(out: &mut impl Write, text: &str) -> io::Result<()> {
    write_raw(out, &text::whole(text))
}

fn write_raw(out: &mut impl Write, text: &str) -> io::Result<()> {
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

    /// Fault (texts): a result that quotes terminal escapes → written as escapes, and JSON stays the same JSON
    #[test]
    fn a_result_cannot_drive_the_terminal() {
        let mut out = Vec::new();
        write_to(&mut out, "{\n\t\"a\": \"\u{9b}31m\u{202e}\x1b[2J\"}").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "{\n\t\"a\": \"\\u009b31m\\u202e\\u001b[2J\"}\n");
        assert!(only_colours("\x1b[1m\x1b[38;5;9merror:\x1b[0m é\n\tb"));
        for quoted in ["\x1b[2J", "\x1b]0;t\x07", "\r", "\u{9b}31m", "\x1b[1mx\x1b"] {
            assert!(
                !only_colours(&format!("\x1b[1merror:\x1b[0m '{quoted}'")),
                "{quoted:?} would pass with our colours"
            );
        }
    }
}
