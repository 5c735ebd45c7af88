//! Aligns faces for other programs to compare: reads lines `SIDE X Y X Y X Y X Y X Y PATH` from standard input, and writes
//! for each a line `ok NANOSECONDS` followed by SIDE × SIDE × 3 bytes, or a line `error REASON`. The time is that of the
//! alignment alone.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use facevault_preprocess::{
    Crop, Landmarks, Limits, Preprocess, PreprocessError, RenderBuffers, Resize, decode, profile, render,
};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let insightface = profile("insightface").expect("it is a profile");
    let mut buffers = RenderBuffers::default();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.splitn(12, ' ');
        let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a side and ten numbers");
        let side: f32 = number();
        let landmarks = Landmarks::from_numbers(std::array::from_fn(|_| number()));
        let resize = Resize { size: side as u32, ..insightface.resize };
        let preprocess = Preprocess { crop: Crop::Align, resize, ..insightface.clone() };
        let encoded = std::fs::read(words.next().expect("a path"))?;
        let mut face = vec![0; side as usize * side as usize * 3];
        let aligned = decode(&encoded, &Limits::default()).and_then(|picture| {
            let started = Instant::now();
            render(&picture, None, Some(&landmarks), &preprocess, &mut buffers, &mut face)?;
            Ok::<_, PreprocessError>(started.elapsed().as_nanos())
        });
        match aligned {
            Ok(nanoseconds) => {
                writeln!(out, "ok {nanoseconds}")?;
                out.write_all(&face)?;
            }
            Err(error) => writeln!(out, "error {error}")?,
        }
        out.flush()?;
    }
    Ok(())
}
