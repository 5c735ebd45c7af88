//! A sample of faces in memory, for int8 calibration and for comparing two precisions.

use super::forward::{self, NetworkOutput};
use super::job::EmbedJob;
use super::pipeline::EmbedError;
use super::prepare::Batch;
use crate::digest::{Digest, Hasher};
use crate::model::weights::WeightsRef;
use crate::model::{self, BATCH, Calibration, Embedder, Execution, ModelError, ModelSpec};
use crate::progress::{Cancel, Progress, Silent};
use crate::sample;

/// The sample's faces as the network sees them: 256 × side² × 3 bytes, 20 MB at side 160.
pub struct EmbedSample<'a> {
    job: EmbedJob<'a>,
    batches: Vec<Batch>,
}

/// Embeddings of the sample.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SampleRows {
    /// Manifest rows, ascending.
    pub rows: Vec<usize>,
    /// A unit row for each.
    pub data: Vec<f32>,
}

impl SampleRows {
    /// The rows that both have, in the same order.
    pub fn shared(&self, other: &Self, dimension: usize) -> (Vec<usize>, [Vec<f32>; 2]) {
        let rows: Vec<usize> = self.rows.iter().copied().filter(|row| other.rows.binary_search(row).is_ok()).collect();
        let kept = |of: &Self| {
            let each = of.rows.iter().zip(of.data.chunks_exact(dimension));
            each.filter(|(row, _)| rows.binary_search(row).is_ok()).flat_map(|(_, data)| data).copied().collect()
        };
        let both = [kept(self), kept(other)];
        (rows, both)
    }
}

impl<'a> EmbedSample<'a> {
    /// Reads and preprocesses the faces of [`sample::rows`], leaving out those that fail. `None` if cancelled. Fails with
    /// [`EmbedError::Unread`] for faces that may be readable later: the sample would be another one then.
    pub fn read(job: EmbedJob<'a>, cancel: &Cancel) -> Result<Option<Self>, EmbedError> {
        let cut = job.cut(BATCH);
        let mut batches = Vec::new();
        let rows = sample::rows(job.faces.len());
        job.reader.will_read(&mut rows.iter().copied(), cancel);
        for rows in rows.chunks(cut.batch_rows) {
            if cancel.requested() {
                return Ok(None);
            }
            let batch = Batch::of(rows, &job, cut);
            if let Some(first) = batch.unread.first() {
                return Err(EmbedError::Unread { faces: batch.unread.len(), first: first.clone() });
            }
            if !batch.rows.is_empty() {
                batches.push(batch);
            }
        }
        Ok(Some(Self { job, batches }))
    }

    pub fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows.len()).sum()
    }

    /// Whether no face could be read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The int8 ranges over the faces and, if the preprocessing mirrors, their mirror images. `None` if cancelled.
    pub fn calibrate(
        &self,
        spec: &ModelSpec,
        options: &Execution,
        weights: WeightsRef<'_>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Option<Calibration>, ModelError> {
        let batches = self.batches.iter().map(|batch| forward::faces(batch, self.job.preprocess));
        progress.start("calibrating", "faces", Some(batches.clone().map(|batch| batch.count as u64).sum()), 0);
        let batches = batches.take_while(|_| !cancel.requested()).inspect(|batch| progress.advance(batch.count as u64));
        let calibration = model::calibrate(spec, options, weights, batches);
        progress.finish();
        Ok((!cancel.requested()).then_some(Calibration { faces: self.len(), ..calibration? }))
    }

    /// Embeds the faces as a run does, leaving out those without a valid output. `None` if cancelled.
    pub fn embed(
        &mut self,
        embedder: &mut dyn Embedder,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Option<SampleRows>, ModelError> {
        progress.start("comparing with f32", "faces", Some(self.len() as u64), 0);
        let embedded = self.forward(embedder, progress, cancel);
        progress.finish();
        embedded
    }

    /// Digest of the preprocessed faces and their embeddings. `None` if cancelled.
    pub fn fingerprint(&mut self, embedder: &mut dyn Embedder, cancel: &Cancel) -> Result<Option<Digest>, ModelError> {
        let mut hasher = Hasher::default();
        for batch in &self.batches {
            hasher.field(forward::faces(batch, self.job.preprocess).pixels);
        }
        let Some(found) = self.forward(embedder, &Silent, cancel)? else { return Ok(None) };
        let bytes: Vec<u8> = found.data.iter().flat_map(|value| value.to_le_bytes()).collect();
        hasher.field(&bytes);
        Ok(Some(hasher.finish()))
    }

    fn forward(
        &mut self,
        embedder: &mut dyn Embedder,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Option<SampleRows>, ModelError> {
        let answers = NetworkOutput::new(embedder, &self.job);
        let mut found = SampleRows::default();
        for batch in &mut self.batches {
            if cancel.requested() {
                return Ok(None);
            }
            batch.failures.clear();
            forward::embed(embedder, &answers, batch, &mut found.data)?;
            let failed = |row: &usize| batch.failures.iter().any(|failure| failure.row == *row);
            found.rows.extend(batch.rows.iter().copied().filter(|row| !failed(row)));
            progress.advance(batch.rows.len() as u64);
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_both_have_are_compared() {
        let left = SampleRows { rows: vec![1, 4, 6], data: vec![1.0, 1.5, 4.0, 4.5, 6.0, 6.5] };
        let right = SampleRows { rows: vec![4, 5, 6], data: vec![0.4, 0.45, 0.5, 0.55, 0.6, 0.65] };
        let (rows, both) = left.shared(&right, 2);
        assert_eq!(rows, [4, 6]);
        assert_eq!(both, [vec![4.0, 4.5, 6.0, 6.5], vec![0.4, 0.45, 0.6, 0.65]]);
    }
}
