//! The file of a network: the parameters of one that is known, checked for completeness, or a network of its own as ONNX.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::{ReadWeights, WeightsError, WeightsSource, load, read};
use crate::digest::{Digest, Hasher};
use crate::files::{self, FileError};
use crate::hub::Hub;
use crate::model::onnx::{self, Bytes, Found, Layout, Normalisation, Onnx, OnnxError};
use crate::model::weights::{Checkpoint, Origin, Tensors, Weights, recognise_onnx};
use crate::model::{self, ModelSpec, Network};
use crate::preprocess::Standardise;
use crate::progress::{Cancel, Progress};
use crate::text::quoted;

/// Loads what a network computes with, for faces of `side` × `side` pixels.
pub(crate) fn load_network(
    source: &WeightsSource,
    spec: &ModelSpec,
    side: u32,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Checkpoint<Weights>, WeightsError> {
    if let WeightsSource::Given { path, sha256 } = source {
        return given(path, *sha256, cancel);
    }
    if spec.network == Network::Onnx {
        let read = read(Hub::shared(), source, &recognise_onnx, progress, cancel)?;
        return graph(read, spec, side as usize, cancel);
    }
    let mut found = load(source, progress, cancel)?;
    found.weights = model::adopt(spec, found.weights);
    let needed = model::parameters(spec);
    if let Some(prefix) = model::weights::strip_prefix(&mut found.weights, &needed) {
        progress.say(&format!("the prefix `{prefix}` is taken off the keys of {}", found.origin.location));
    }
    model::weights::require(&found, &needed, model::unused_keys(spec))?;
    let Checkpoint { weights, digest, origin } = found;
    Ok(Checkpoint { weights: Weights::Tensors(weights), digest, origin })
}

/// A matrix of embeddings in place of weights: only its digest and its place are of interest.
fn given(path: &Path, sha256: Option<Digest>, cancel: &Cancel) -> Result<Checkpoint<Weights>, WeightsError> {
    let failed = |error| FileError::new("read", path)(error);
    let file = files::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let digest = Digest::of_reader(cancel.guard(file)).map_err(failed)?;
    if let Some(expected) = sha256.filter(|expected| *expected != digest) {
        return Err(WeightsError::WrongDigest { path: path.to_owned(), found: digest, expected });
    }
    let origin = Origin { source: "given".into(), location: path.display().to_string(), revision: None, bytes };
    Ok(Checkpoint { weights: Weights::Tensors(Tensors::default()), digest, origin })
}

/// The graph of an ONNX file. Its digest is that of its bytes followed by those of its external data, by name:
/// `cat model.onnx model.onnx.data | sha256sum`.
fn graph(
    mut read: ReadWeights,
    spec: &ModelSpec,
    side: usize,
    cancel: &Cancel,
) -> Result<Checkpoint<Weights>, WeightsError> {
    let bytes = Bytes::from(std::mem::take(&mut read.bytes).into_owned());
    let folder = read.local.as_ref().and_then(|(path, _)| path.parent());
    let parse = |bytes: Bytes, side| {
        let options = onnx::Options { side, output: spec.output.clone(), ..onnx::Options::default() };
        match folder {
            Some(folder) => onnx::parse_beside(bytes, folder, &options),
            None => onnx::parse(bytes, &options),
        }
    };
    let parsed = parse(bytes.clone(), Some(side));
    let (mut digest, mut origin) = (read.digest, read.origin.clone());
    if let (Ok(onnx), Some(folder)) = (&parsed, folder)
        && !onnx.found.files.is_empty()
    {
        (digest, origin.bytes) = with_external_data(&bytes, folder, &onnx.found.files, cancel)?;
    }
    // That the file is another one explains whatever is wrong with it.
    read.pinned(digest)?;
    let location = origin.location.clone();
    if let Some((tensor, index)) = parsed.as_ref().ok().and_then(not_a_number) {
        return Err(WeightsError::NotANumber { location, tensor, index });
    }
    match parsed {
        Ok(onnx) => Ok(Checkpoint { weights: Weights::Graph(Box::new(onnx)), digest, origin }),
        // Does it take faces of another size?
        Err(source @ OnnxError::Input(_)) => match parse(bytes, None) {
            Ok(Onnx { found: Found { height, width, .. }, .. }) => {
                Err(WeightsError::Side { location, height, width, side })
            }
            Err(_) => Err(WeightsError::Onnx { location, source: source.into() }),
        },
        Err(source) => Err(WeightsError::Onnx { location, source: source.into() }),
    }
}

/// The first tensor that has a NaN, and where. Infinities are not wrong: masks and bounds have them.
fn not_a_number(onnx: &Onnx) -> Option<(String, usize)> {
    onnx.graph.values.iter().find_map(|value| {
        let index = value.constant.as_ref()?.iter().position(|number| number.is_nan())?;
        Some((quoted(&value.name).into_owned(), index))
    })
}

/// Digest and size of a file together with the files beside it that it refers to.
fn with_external_data(
    bytes: &[u8],
    folder: &Path,
    names: &[String],
    cancel: &Cancel,
) -> Result<(Digest, u64), WeightsError> {
    let (mut hasher, mut size) = (Hasher::default(), bytes.len() as u64);
    hasher.update(bytes);
    for name in names {
        let path = folder.join(name);
        let copied = files::open(&path).and_then(|file| std::io::copy(&mut cancel.guard(file), &mut hasher));
        size += copied.map_err(FileError::new("read", &path))?;
    }
    Ok((hasher.finish(), size))
}

/// What was found in an ONNX file, as `check` and `fetch` show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct GraphFacts {
    input: String,
    layout: &'static str,
    side: [usize; 2],
    output: String,
    dimension: usize,
    opset: i64,
    producer: String,
    parameters: u64,
    format: &'static str,
    normalises_pixels: bool,
    normalises_embedding: bool,
    external_data: Vec<String>,
}

impl GraphFacts {
    pub fn new(found: &Found) -> Self {
        Self {
            input: found.input.clone(),
            layout: match found.layout {
                Layout::Planar => "planar",
                Layout::Interleaved => "interleaved",
            },
            side: [found.height, found.width],
            output: found.output.clone(),
            dimension: found.dimension,
            opset: found.opset,
            producer: found.producer.clone(),
            parameters: found.parameters,
            format: found.format,
            normalises_pixels: normalises_pixels(found),
            normalises_embedding: found.normalises_embedding,
            external_data: found.files.clone(),
        }
    }

    /// Of a network whose file is its graph.
    pub fn of(weights: &Weights) -> Option<Self> {
        match weights {
            Weights::Tensors(_) => None,
            Weights::Graph(onnx) => Some(Self::new(&onnx.found)),
        }
    }
}

impl fmt::Display for GraphFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            input, layout, side: [height, width], output, dimension, opset, producer, parameters, format, ..
        } = self;
        write!(f, "`{input}` {height}×{width} ({layout}) → `{output}`, {dimension} numbers; ")?;
        write!(f, "{parameters} parameters in {format}, operator set {opset}")?;
        if !producer.is_empty() {
            write!(f, " by {producer}")?;
        }
        if self.normalises_pixels {
            f.write_str("; standardises pixels itself")?;
        }
        if self.normalises_embedding {
            f.write_str("; normalises the embedding itself")?;
        }
        Ok(())
    }
}

fn normalises_pixels(found: &Found) -> bool {
    found.normalisation.as_ref().is_some_and(Normalisation::is_of_pixels)
}

/// Pixels as they are.
const RAW: Standardise = Standardise { mean: 0.0, scale: 1.0 };

/// Refuses a standardisation that the network does once more. Gives a caution where neither seems to standardise.
pub(crate) fn standardised_once(
    checkpoint: &Checkpoint<Weights>,
    standardise: Standardise,
) -> Result<Option<String>, WeightsError> {
    let Weights::Graph(onnx) = &checkpoint.weights else { return Ok(None) };
    let location = &checkpoint.origin.location;
    match (normalises_pixels(&onnx.found), standardise == RAW) {
        (true, false) => Err(WeightsError::StandardisedTwice { location: location.clone(), standardise }),
        (false, true) => Ok(Some(format!(
            "{location} gets pixels of 0 to 255 as they are, and does not begin by standardising them: if it was trained \
             on standardised pixels, set `preprocess.standardise`"
        ))),
        _ => Ok(None),
    }
}
