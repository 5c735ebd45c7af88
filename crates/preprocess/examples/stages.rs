//! Times what a face costs before the network sees it, for other programs to compare: reads lines `FILTER X1 Y1 X2 Y2 PATH`
//! from standard input (FILTER as in a config; the box of a face of the photo), and writes for each a line
//! `ok READ DIGEST DECODE RENDER MEASURE DECODE-FACE` followed by 160 × 160 × 3 bytes, or a line `error REASON`. The times are
//! nanoseconds, each the shortest of five; the last is that of decoding only what the face needs.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use facevault_base::digest::Digest;
use facevault_preprocess::{
    BoundingBox, Limits, PictureMemory, Preprocess, PreprocessError, RenderBuffers, Resize, decode, profile, quality,
    render,
};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let facenet = profile("facenet-pytorch").expect("it is a profile");
    let side = facenet.resize.size as usize;
    let memory = PictureMemory::default();
    let (mut buffers, mut luma, mut face) = (RenderBuffers::default(), Vec::new(), vec![0; side * side * 3]);
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.splitn(6, ' ');
        let filter = words.next().unwrap_or_default();
        let filter = serde_json::from_value(filter.into()).map_err(io::Error::other)?;
        let [x1, y1, x2, y2] =
            std::array::from_fn(|_| words.next().and_then(|word| word.parse().ok()).expect("four numbers"));
        let bbox = BoundingBox { x1, y1, x2, y2 };
        let preprocess = Preprocess { resize: Resize { filter, ..facenet.resize }, ..facenet.clone() };
        let path = words.next().expect("a path");

        let [mut read, mut digest, mut decoding, mut rendering, mut measuring, mut decoding_face] = [u128::MAX; 6];
        let mut once = || -> Result<(), PreprocessError> {
            let encoded = timed(&mut read, || std::fs::read(path)).unwrap_or_default();
            timed(&mut digest, || Digest::of(&encoded));
            let limits = Limits::default();
            timed(&mut decoding, || decode(&encoded, &limits))?;
            let picture =
                timed(&mut decoding_face, || memory.decode_face(&encoded, &limits, Some(&bbox), None, &preprocess))?;
            let source =
                timed(&mut rendering, || render(&picture, Some(&bbox), None, &preprocess, &mut buffers, &mut face))?;
            timed(&mut measuring, || quality::measure(&face, side, preprocess.channels, source, &mut luma));
            Ok(())
        };
        match (0..5).try_for_each(|_| once()) {
            Ok(()) => {
                writeln!(out, "ok {read} {digest} {decoding} {rendering} {measuring} {decoding_face}")?;
                out.write_all(&face)?;
            }
            Err(error) => writeln!(out, "error {error}")?,
        }
        out.flush()?;
    }
    Ok(())
}

/// What `work` gives; `shortest` becomes its time if that is shorter.
fn timed<T>(shortest: &mut u128, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = std::hint::black_box(work());
    *shortest = started.elapsed().as_nanos().min(*shortest);
    done
}
