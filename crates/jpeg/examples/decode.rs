//! Decodes JPEGs to pixels that other programs can compare: reads file names from standard input, one a line, and writes for
//! each a line `ok WIDTH HEIGHT` followed by width × height × 3 bytes, or a line `error REASON`.

use std::io::{self, BufRead, Write};

use facevault_jpeg::{Limits, decode};

fn main() -> io::Result<()> {
    let limits = Limits { side: 65_535, pixels: 1 << 28, bytes: 1 << 30 };
    let mut out = io::BufWriter::new(io::stdout().lock());
    for path in io::stdin().lock().lines() {
        match decode(&std::fs::read(path?)?, &limits) {
            Ok(picture) => {
                writeln!(out, "ok {} {}", picture.width, picture.height)?;
                out.write_all(&picture.rgb)?;
            }
            Err(error) => writeln!(out, "error {error}")?,
        }
        out.flush()?;
    }
    Ok(())
}
