//! The file of a network: the parameters of one that is known, checked for completeness, or a network of its own as ONNX.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ReadWeights, WeightsError, WeightsSource, load, read};
use crate::digest::{Digest, Hasher};
use crate::files::{self, FileError};
use crate::hub::Hub;
use crate::model::onnx::{self, Bytes, Found, Layout, Normalisation, Onnx, OnnxError, Outline};
use crate::model::weights::{Checkpoint, OnnxFile, Origin, Tensors, Weights, WholeFile, recognise_onnx};
use crate::model::{self, ModelSpec, Network};
use crate::npy::parts;
use crate::preprocess::Standardise;
use crate::progress::{Cancel, Progress};
use crate::text::quoted;

/// Loads what a network computes with, for faces of `side` × `side` pixels, and for ONNX Runtime if `whole`.
pub(crate) fn load_network(
    source: &WeightsSource,
    spec: &ModelSpec,
    side: u32,
    whole: bool,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Checkpoint<Weights>, WeightsError> {
    if let WeightsSource::Given { path, sha256 } = source {
        return given(path, *sha256, cancel);
    }
    if spec.network == Network::Onnx {
        let read = read(Hub::shared(), source, &recognise_onnx, progress, cancel)?;
        return onnx_file(read, spec, side as usize, whole, cancel);
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
    let mut bytes = file.metadata().map_err(failed)?.len();
    let digest = Digest::of_reader(cancel.guard(file)).map_err(failed)?;
    if let Some(expected) = sha256.filter(|expected| *expected != digest) {
        return Err(WeightsError::WrongDigest {
            path: path.to_owned(),
            found: digest,
            expected,
            key: "dataset.sha256",
        });
    }
    if parts::is_index(path) {
        // The digest of the index stands for those of its parts.
        for part in parts::PartIndex::read(path)?.parts {
            let file = parts::beside(path, &part.file);
            let failed = |error| FileError::new("read", &file)(error);
            let reader = files::open(&file).map_err(failed)?;
            bytes += reader.metadata().map_err(failed)?.len();
            let found = Digest::of_reader(cancel.guard(reader)).map_err(failed)?;
            if found != part.sha256 {
                let (index, expected) = (path.to_owned(), part.sha256);
                return Err(WeightsError::WrongPart { path: file, index, found, expected });
            }
        }
    }
    let origin = Origin { source: "given".into(), location: path.display().to_string(), revision: None, bytes };
    Ok(Checkpoint { weights: Weights::Tensors(Tensors::default()), digest, origin })
}

/// An ONNX file. Its digest is that of its bytes followed by those of its external data, by name:
/// `cat model.onnx model.onnx.data | sha256sum`.
fn onnx_file(
    mut read: ReadWeights,
    spec: &ModelSpec,
    side: usize,
    whole: bool,
    cancel: &Cancel,
) -> Result<Checkpoint<Weights>, WeightsError> {
    let bytes = Bytes::from(std::mem::take(&mut read.bytes).into_owned());
    let folder = read.local.as_ref().and_then(|(path, _)| path.parent());
    let options = |side| onnx::Options { side, output: spec.output.clone(), ..onnx::Options::default() };
    let parsed = match folder {
        Some(folder) => onnx::parse_beside(bytes.clone(), folder, &options(Some(side))),
        None => onnx::parse(bytes.clone(), &options(Some(side))),
    };
    let whole = whole.then(|| {
        let (whole, files) = onnx::whole(bytes.clone(), folder, &onnx::Limits::default())?;
        Ok((WholeFile { bytes: whole, outline: onnx::outline(bytes.clone(), &options(Some(side)))? }, files))
    });
    let (mut digest, mut origin) = (read.digest, read.origin.clone());
    let files = match (&whole, &parsed) {
        (Some(Ok((_, files))), _) => &files[..],
        (_, Ok(onnx)) => &onnx.found.files,
        _ => &[],
    };
    if let (false, Some(folder)) = (files.is_empty(), folder) {
        (digest, origin.bytes) = with_external_data(&bytes, folder, files, cancel)?;
    }
    // That the file is another one explains whatever is wrong with it.
    read.pinned(digest)?;
    let location = origin.location.clone();
    if let Some((tensor, index)) = parsed.as_ref().ok().and_then(not_a_number) {
        return Err(WeightsError::NotANumber { location, tensor, index });
    }
    let wrong = |source| match source {
        // Does it take faces of another size?
        source @ OnnxError::Input(_) => match onnx::outline(bytes.clone(), &options(None)) {
            Ok(Outline { height, width, .. }) if [height, width] != [side; 2] => {
                WeightsError::Side { location: location.clone(), height, width, side }
            }
            _ => WeightsError::Onnx { location: location.clone(), source: source.into() },
        },
        source => WeightsError::Onnx { location: location.clone(), source: source.into() },
    };
    let whole = whole.transpose().map_err(wrong)?.map(|(whole, _)| whole);
    let graph = match parsed {
        // ONNX Runtime may know more.
        Err(error) if whole.is_some() && error.is_unknown() => None,
        parsed => Some(parsed.map_err(wrong)?),
    };
    let dimension = match (&graph, &whole) {
        (Some(onnx), _) => onnx.found.dimension,
        (None, Some(whole)) => model::dimension_by_running(whole)
            .map_err(|source| WeightsError::OnnxRuntime { location: location.clone(), source: source.into() })?,
        (None, None) => unreachable!("what is not known is an error unless ONNX Runtime is to run it"),
    };
    if dimension == 1 {
        return Err(WeightsError::OneNumber { location });
    }
    Ok(Checkpoint { weights: Weights::Onnx(Box::new(OnnxFile { graph, whole, dimension })), digest, origin })
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

/// What was found in an ONNX file, as `check` and `fetch` show it. Of a file that only ONNX Runtime knows, what it says of its
/// input and output.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct GraphFacts {
    /// Name of its input.
    input: String,
    /// `planar` or `interleaved` channels.
    layout: &'static str,
    /// Height and width of its input, pixels.
    side: [usize; 2],
    /// Name of its output.
    output: String,
    /// Numbers of an embedding.
    dimension: usize,
    /// Version of the operator set.
    opset: i64,
    /// What wrote the file; empty if it does not say.
    producer: String,
    #[serde(flatten)]
    graph: Option<Inside>,
}

/// What was found between input and output.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Inside {
    /// Numbers that were trained.
    parameters: u64,
    /// How they are stored.
    format: &'static str,
    /// Whether it begins by standardising pixels.
    normalises_pixels: bool,
    /// Whether it ends by normalising the embedding.
    normalises_embedding: bool,
    /// Files beside it that hold some of the parameters.
    external_data: Vec<String>,
}

impl GraphFacts {
    /// Of a network whose file is its graph.
    pub fn of(weights: &Weights) -> Option<Self> {
        let Weights::Onnx(file) = weights else { return None };
        let (graph, whole) = (file.graph.as_ref(), file.whole.as_ref());
        let outside = whole.map(|whole| Self::outside(&whole.outline, file.dimension));
        graph.map(|onnx| Self::new(&onnx.found)).or(outside)
    }

    fn new(found: &Found) -> Self {
        let Found { input, layout, height, width, output, opset, producer, .. } = found.clone();
        let outline = Outline { input, layout, height, width, element: 0, batch: None, output, opset, producer };
        let graph = Some(Inside {
            parameters: found.parameters,
            format: found.format,
            normalises_pixels: normalises_pixels(found),
            normalises_embedding: found.normalises_embedding,
            external_data: found.files.clone(),
        });
        Self { graph, ..Self::outside(&outline, found.dimension) }
    }

    fn outside(outline: &Outline, dimension: usize) -> Self {
        Self {
            input: outline.input.clone(),
            layout: match outline.layout {
                Layout::Planar => "planar",
                Layout::Interleaved => "interleaved",
            },
            side: [outline.height, outline.width],
            output: outline.output.clone(),
            dimension,
            opset: outline.opset,
            producer: outline.producer.clone(),
            graph: None,
        }
    }
}

impl fmt::Display for GraphFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, layout, side: [height, width], output, dimension, opset, producer, graph } = self;
        write!(f, "`{input}` {height}×{width} ({layout}) → `{output}`, {dimension} numbers; ")?;
        if let Some(Inside { parameters, format, .. }) = graph {
            write!(f, "{parameters} parameters in {format}, ")?;
        }
        write!(f, "operator set {opset}")?;
        if !producer.is_empty() {
            write!(f, " by {producer}")?;
        }
        match graph {
            None => f.write_str("; only ONNX Runtime knows all of it"),
            Some(Inside { normalises_pixels, normalises_embedding, .. }) => {
                f.write_str(if *normalises_pixels { "; standardises pixels itself" } else { "" })?;
                f.write_str(if *normalises_embedding { "; normalises the embedding itself" } else { "" })
            }
        }
    }
}

fn normalises_pixels(found: &Found) -> bool {
    found.normalisation.as_ref().is_some_and(Normalisation::is_of_pixels)
}

/// `TensorProto.DataType` of bytes.
const BYTE: i32 = 2;

/// Pixels as they are.
const RAW: Standardise = Standardise { mean: 0.0, scale: 1.0 };

/// Refuses a standardisation that the network does once more. Gives a caution where neither seems to standardise.
pub(crate) fn standardised_once(
    checkpoint: &Checkpoint<Weights>,
    standardise: Standardise,
) -> Result<Option<String>, WeightsError> {
    let Weights::Onnx(file) = &checkpoint.weights else { return Ok(None) };
    let location = &checkpoint.origin.location;
    let of_graph = file.graph.as_ref().is_some_and(|onnx| onnx.found.takes_bytes);
    let takes_bytes = of_graph || file.whole.as_ref().is_some_and(|whole| whole.outline.element == BYTE);
    if takes_bytes && standardise != RAW {
        return Err(WeightsError::TakesBytes { location: location.clone(), standardise });
    }
    let Some(onnx) = &file.graph else { return Ok(None) };
    match (normalises_pixels(&onnx.found), standardise == RAW) {
        (true, false) => Err(WeightsError::StandardisedTwice { location: location.clone(), standardise }),
        (false, true) if !takes_bytes => Ok(Some(format!(
            "{location} gets pixels of 0 to 255 as they are, and does not begin by standardising them: if it was trained \
             on standardised pixels, set `preprocess.standardise`"
        ))),
        _ => Ok(None),
    }
}
