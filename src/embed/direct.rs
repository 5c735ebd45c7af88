//! Embeds without a run: faces in memory, or the faces of some rows, to rows in memory. The same bytes as in a run.

use std::borrow::Cow;

use super::forward::{self, NetworkOutput};
use super::job::{EmbedJob, passes};
use super::prepare::Batch;
use super::{FailedFace, output_dimension};
use crate::model::{Embedder, FaceBatch, ModelError};
use crate::preprocess::{self, ChannelOrder, Mirror, Preprocess};
use crate::progress::Cancel;
use crate::quality::Quality;

/// A face whose output is not a unit vector.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "face {face}: the network's output has length {length}, not 1; the weights are damaged, or not those of this network"
)]
pub struct NotUnit {
    face: usize,
    length: f64,
}

/// Faces in memory → a unit row each. `pixels` are RGB, `side × side × 3` bytes a face; a batch goes to the network as it
/// lies there, unless the preprocessing mirrors faces or turns channels. `None` if cancelled.
pub fn embed_pixels(
    embedder: &mut dyn Embedder,
    preprocess: &Preprocess,
    pixels: &[u8],
    cancel: &Cancel,
) -> Result<Option<Result<Vec<f32>, NotUnit>>, ModelError> {
    let side = preprocess.resize.size as usize;
    let (face, passes) = (side * side * 3, passes(preprocess.mirror));
    let (outputs, width) = (embedder.dimension(), output_dimension(embedder.dimension(), preprocess.mirror));
    let batch = (embedder.batch() / passes).max(1);
    let as_it_lies = passes == 1 && preprocess.channels == ChannelOrder::Rgb;
    let mut rows = Vec::with_capacity(pixels.len() / face * width);
    for faces in pixels.chunks(batch * face) {
        if cancel.requested() {
            return Ok(None);
        }
        let turned = if as_it_lies { Cow::Borrowed(faces) } else { Cow::Owned(turned(faces, preprocess)) };
        let pixels = &*turned;
        let (count, first) = (pixels.len() / face, rows.len());
        rows.resize(first + count * outputs, 0.0);
        let batch = FaceBatch { pixels, count, side, standardise: preprocess.standardise };
        embedder.embed(batch, &mut rows[first..])?;
        forward::combine(&mut rows, first, outputs, preprocess.mirror);
        let wrong = |(i, row)| forward::not_unit(row).map(|length| NotUnit { face: first / width + i, length });
        if let Some(wrong) = rows[first..].chunks_exact(width).enumerate().find_map(wrong) {
            return Ok(Some(Err(wrong)));
        }
    }
    Ok(Some(Ok(rows)))
}

/// RGB faces as the network takes them: in its order of channels, each followed by its mirror image if that contributes.
pub fn turned(faces: &[u8], preprocess: &Preprocess) -> Vec<u8> {
    let side = preprocess.resize.size as usize;
    let mut out = Vec::with_capacity(faces.len() * passes(preprocess.mirror));
    for face in faces.chunks_exact(side * side * 3) {
        let first = out.len();
        out.extend_from_slice(face);
        if preprocess.channels == ChannelOrder::Bgr {
            out[first..].chunks_exact_mut(3).for_each(<[u8]>::reverse);
        }
        if preprocess.mirror != Mirror::None {
            let mirrored = out.len();
            out.extend_from_within(first..);
            preprocess::mirror(&mut out[mirrored..], side);
        }
    }
    out
}

/// What became of some rows.
#[derive(Debug, Default)]
pub struct DirectRows {
    /// The rows that have an embedding, ascending.
    pub rows: Vec<usize>,
    /// A unit row for each.
    pub data: Vec<f32>,
    /// The quality of each.
    pub quality: Vec<Quality>,
    /// The others, ascending.
    pub failures: Vec<FailedFace>,
}

/// Reads and embeds all faces of a job, a batch at a time. `None` if cancelled.
pub fn embed_rows(
    job: &EmbedJob<'_>,
    embedder: &mut dyn Embedder,
    cancel: &Cancel,
) -> Result<Option<DirectRows>, ModelError> {
    let cut = job.cut(embedder.batch());
    let answers = NetworkOutput::new(embedder, job);
    let mut found = DirectRows::default();
    let all: Vec<usize> = (0..job.faces.len()).collect();
    for rows in all.chunks(cut.batch_rows) {
        if cancel.requested() {
            return Ok(None);
        }
        let mut batch = Batch::of(rows, job, cut);
        if !batch.rows.is_empty() {
            forward::embed(embedder, &answers, &mut batch, &mut found.data)?;
        }
        let Batch { rows: read, quality, mut failures, unread, .. } = batch;
        failures.extend(unread);
        failures.sort_by_key(|failure| failure.row);
        found.rows.extend(read.into_iter().filter(|row| !failures.iter().any(|failure| failure.row == *row)));
        found.quality.extend(quality);
        found.failures.extend(failures);
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mock::{MockCard, encoded};
    use crate::preprocess::profile;

    /// A profile for faces of 2 × 2 pixels, and 70 such faces.
    fn small(name: &str) -> (Preprocess, Vec<u8>) {
        let mut preprocess = profile(name).unwrap();
        preprocess.resize.size = 2;
        (preprocess, (0..70 * 12_u32).map(|i| (i * 7 % 251) as u8).collect())
    }

    #[test]
    fn faces_reach_the_network_as_a_run_would_give_them() {
        let embed = |name: &str| {
            let (preprocess, pixels) = small(name);
            embed_pixels(&mut MockCard::new(4), &preprocess, &pixels, &Cancel::default()).unwrap().unwrap().unwrap()
        };
        let (_, pixels) = small("facenet-pytorch");
        let plain: Vec<f32> = pixels.chunks(12).flat_map(|face| encoded(face, 4)).collect();
        assert_eq!(embed("facenet-pytorch"), plain);
        let blue_first = |face: &[u8]| face.chunks(3).flat_map(|rgb| [rgb[2], rgb[1], rgb[0]]).collect::<Vec<u8>>();
        let turned: Vec<f32> = pixels.chunks(12).flat_map(|face| encoded(&blue_first(face), 4)).collect();
        assert_eq!(embed("adaface"), turned);
        // Face and mirror image side by side, at a length of 1 together.
        let both = embed("facenet-tf");
        assert_eq!(both.len(), 2 * plain.len());
        let mirrored = [&pixels[3..6], &pixels[0..3], &pixels[9..12], &pixels[6..9]].concat();
        let expected = [encoded(&pixels[..12], 4), encoded(&mirrored, 4)].concat();
        both[..8].iter().zip(expected).for_each(|(a, b)| assert!((a * 2_f32.sqrt() - b).abs() < 1e-6));
    }

    #[test]
    fn a_request_to_stop_ends_it() {
        let (preprocess, pixels) = small("facenet-pytorch");
        let cancel = Cancel::default();
        cancel.request();
        assert_eq!(embed_pixels(&mut MockCard::new(4), &preprocess, &pixels, &cancel).unwrap(), None);
    }

    /// Fault (weights): a network that answers NaN for a face in memory → refused with the face's place
    #[test]
    fn an_output_that_is_no_unit_vector_names_its_face() {
        let (preprocess, pixels) = small("facenet-pytorch");
        let answer = |face: &[u8], n: usize| if face[0] == 97 { vec![f32::NAN; n] } else { encoded(face, n) };
        let wrong = pixels.chunks(12).position(|face| face[0] == 97).unwrap();
        let mut card = MockCard::new(4).answering(answer);
        let error = embed_pixels(&mut card, &preprocess, &pixels, &Cancel::default()).unwrap().unwrap().unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("face {wrong}: the network's output has length NaN, not 1")),
            "{error}"
        );
    }
}
