//! An ONNX file on ONNX Runtime, as an [`Embedder`]: its output as unit vectors. A reference for the engine, and what runs
//! the graphs that the engine does not know.

use facevault_graph::onnx::{Layout, Outline};
use facevault_ort::{Input, Output, Runtime, Session};

use crate::weights::WholeFile;
use crate::{DeviceKind, Embedder, EmbedderInfo, Execution, FaceBatch, Library, ModelError, Network, Precision, host};

/// An ONNX file on the CPU.
pub(crate) struct OnnxRuntimeEmbedder {
    info: EmbedderInfo,
    session: Session,
    outline: Outline,
    dimension: usize,
    /// The standardised faces of a batch.
    faces: Vec<f32>,
}

impl OnnxRuntimeEmbedder {
    /// Gives a file to ONNX Runtime.
    ///
    /// # Errors
    /// [`ModelError::OnnxRuntime`] when there is none, or it refuses the file.
    pub fn new(file: &WholeFile, dimension: usize, options: &Execution) -> Result<Self, ModelError> {
        let info = Self::describe(options)?;
        let session = Session::new(&file.bytes, host::threads(options.threads))?;
        Ok(Self { info, session, outline: file.outline.clone(), dimension, faces: Vec::new() })
    }

    /// Its info with these options, without a file.
    ///
    /// # Errors
    /// [`ModelError::OnnxRuntime`] when there is none.
    pub fn describe(options: &Execution) -> Result<EmbedderInfo, ModelError> {
        let (version, threads) = (Runtime::get()?.version(), host::threads(options.threads));
        Ok(EmbedderInfo {
            name: format!("{} (onnxruntime {version})", Network::Onnx.facts().name),
            device: DeviceKind::Cpu,
            device_name: host::words(&format!("ONNX Runtime {version}"), threads),
            precision: Precision::F32,
        })
    }

    /// Embeds as many faces as go through at once.
    fn embed_some(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        let Outline { input, layout, element, output, .. } = &self.outline;
        // What is missing in a batch of a fixed size is black.
        let faces = self.outline.batch.unwrap_or(batch.count);
        let (pixels, values) = (batch.side * batch.side, batch.standardise.values());
        self.faces.clear();
        self.faces.resize(faces * pixels * 3, values[0]);
        for (face, bytes) in self.faces.chunks_exact_mut(pixels * 3).zip(batch.pixels.chunks_exact(pixels * 3)) {
            match layout {
                Layout::Planar => {
                    for (pixel, bytes) in bytes.as_chunks::<3>().0.iter().enumerate() {
                        for (channel, byte) in bytes.iter().enumerate() {
                            face[channel * pixels + pixel] = values[usize::from(*byte)];
                        }
                    }
                }
                Layout::Interleaved => {
                    face.iter_mut().zip(bytes).for_each(|(value, byte)| *value = values[usize::from(*byte)]);
                }
            }
        }
        let shape = match layout {
            Layout::Planar => [faces, 3, batch.side, batch.side],
            Layout::Interleaved => [faces, batch.side, batch.side, 3],
        };
        let made = self.session.run(Input { name: input, element: *element, shape: &shape }, &self.faces, output)?;
        let rows = rows(made, faces, self.dimension)?;
        out.copy_from_slice(&rows[..out.len()]);
        out.chunks_exact_mut(self.dimension).for_each(host::normalise);
        Ok(())
    }
}

/// The rows of an output.
fn rows(made: Output, faces: usize, dimension: usize) -> Result<Vec<f32>, ModelError> {
    // Of several faces, the first extent is theirs.
    let by_face = faces == 1 || made.shape.first() == Some(&faces);
    if by_face && made.numbers.len() == faces * dimension {
        return Ok(made.numbers);
    }
    Err(ModelError::NoEmbedding { shape: made.shape, faces, dimension })
}

impl Embedder for OnnxRuntimeEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    /// As other embedders, but that a row may differ in its last bits with the size of the batch: docs/onnx-runtime.md.
    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        batch.check(out, self.dimension)?;
        batch.check_side((self.outline.height, self.outline.width))?;
        let some = self.outline.batch.unwrap_or(batch.count).max(1);
        let bytes = batch.side * batch.side * 3;
        for (pixels, out) in batch.pixels.chunks(some * bytes).zip(out.chunks_mut(some * self.dimension)) {
            self.embed_some(FaceBatch { pixels, count: pixels.len() / bytes, ..batch }, out)?;
        }
        Ok(())
    }

    fn library(&self) -> Option<Library> {
        let runtime = Runtime::get().ok()?;
        let (version, file) = (runtime.version().to_owned(), runtime.file().map(Into::into));
        Some(Library { name: "onnxruntime", version, file })
    }
}

/// Numbers of an embedding of a file that only ONNX Runtime knows: what it gives for a black face.
///
/// # Errors
/// [`ModelError::OnnxRuntime`] when there is no library or it refuses the file, [`ModelError::NoEmbedding`].
pub fn dimension_by_running(file: &WholeFile) -> Result<usize, ModelError> {
    let Outline { input, layout, element, output, height, width, batch, .. } = &file.outline;
    let faces = batch.unwrap_or(1);
    let shape = match layout {
        Layout::Planar => [faces, 3, *height, *width],
        Layout::Interleaved => [faces, *height, *width, 3],
    };
    let black = vec![0.0; shape.iter().product()];
    let made =
        Session::new(&file.bytes, 1)?.run(Input { name: input, element: *element, shape: &shape }, &black, output)?;
    let dimension = made.numbers.len() / faces;
    // One extent is that of the embedding, and one that of the faces.
    let extents = made.shape.iter().filter(|extent| **extent != 1).count();
    if dimension < 2 || extents > 1 + usize::from(faces > 1) {
        return Err(ModelError::NoEmbedding { shape: made.shape, faces, dimension });
    }
    rows(made, faces, dimension).map(|_| dimension)
}
