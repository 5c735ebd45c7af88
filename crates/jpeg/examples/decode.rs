//! Decodes JPEGs for other programs to compare: reads file names from standard input, one a line, and writes for each a line
//! `ok WIDTH HEIGHT NANOSECONDS` followed by width × height × 3 bytes, or a line `error REASON`. With `--time` no pixels
//! follow, and the time is that of the second decoding of two.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use facevault_jpeg::{Limits, decode};

fn main() -> io::Result<()> {
    let is_timed = std::env::args().any(|argument| argument == "--time");
    let limits = Limits { side: 65_535, pixels: 1 << 28, bytes: 1 << 30 };
    let mut out = io::BufWriter::new(io::stdout().lock());
    for path in io::stdin().lock().lines() {
        let bytes = std::fs::read(path?)?;
        if is_timed {
            let _ = decode(&bytes, &limits);
        }
        let started = Instant::now();
        let decoded = decode(&bytes, &limits);
        let nanoseconds = started.elapsed().as_nanos();
        match decoded {
            Ok(picture) => {
                writeln!(out, "ok {} {} {nanoseconds}", picture.width, picture.height)?;
                if !is_timed {
                    out.write_all(&picture.rgb)?;
                }
            }
            Err(error) => writeln!(out, "error {error}")?,
        }
        out.flush()?;
    }
    Ok(())
}
