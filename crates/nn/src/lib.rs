//! Face networks: reads a checkpoint and turns 8-bit faces into unit vectors, on the CPU with `facevault-kernels`, on a GPU
//! with `facevault-cuda`, or anywhere candle runs. [`Embedder`] takes and gives plain slices: no type of an inference
//! library crosses it, and a row depends on its own face only.
//!
//! ```text
//! open, describe ─┬─ cpu      the fused plan on the CPU
//!                 ├─ gpu      the fused plan on a GPU; `cards` makes several one
//!                 ├─ candle   the reference graph of every network that is known
//!                 ├─ engine   any network that is a graph, by name or of an ONNX file, on facevault-engine
//!                 └─ onnx_runtime  an ONNX file, on ONNX Runtime
//! host                what those on the CPU share
//! networks            each network as data: its facts, its layers and the parameters it needs
//! program, folding    what both fused plans are compiled from
//! ```

mod batch_norm;
mod batch_size;
mod candle;
mod capacity;
mod cards;
pub mod cpu;
pub mod device;
mod engine;
mod folding;
mod gpu;
mod host;
#[cfg(any(test, feature = "testing"))]
pub mod mock;
mod networks;
mod onnx_runtime;
mod options;
mod program;
mod queue;
pub mod weights;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use batch_norm::BATCH_NORM;
pub use batch_size::BatchSize;
pub use cards::CardGroup;
use facevault_base::text::counted;
pub use facevault_cuda::{DeviceKind, DeviceRequest};
use facevault_engine::EngineError;
pub use facevault_graph::onnx;
pub use facevault_kernels::{Kernels, Precision};
use facevault_ort::OrtError;
pub use host::precisions_of_this_cpu;
pub use networks::{
    Facts, ModelSpec, Network, RunsOn, UNIT_RANGE, adopt, inception_resnet_v1, parameters, unused_keys,
};
pub use onnx_runtime::dimension_by_running;
pub use options::Execution;
pub use queue::{OwnedBatch, Pixels, Queue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::candle::CandleEmbedder;
use crate::engine::GraphEmbedder;
use crate::onnx_runtime::OnnxRuntimeEmbedder;
use crate::queue::SequentialQueue;
use crate::weights::{OnnxFile, WeightsRef};
use facevault_cuda::Card;
use facevault_preprocess::Standardise;

/// Default number of faces per forward pass.
pub const BATCH: usize = 32;

/// A batch of faces, resized and still 8-bit: the network's first step standardises, so that a device can be sent a
/// quarter of the bytes and a CPU plan can fold it into its first layer.
#[derive(Debug, Clone, Copy)]
pub struct FaceBatch<'a> {
    /// `count × side × side × 3` bytes: row-major, channels interleaved in the network's order.
    pub pixels: &'a [u8],
    /// Number of faces, ≥ 1.
    pub count: usize,
    /// Height and width of each face, pixels.
    pub side: usize,
    /// 8-bit value → network input.
    pub standardise: Standardise,
}

impl FaceBatch<'_> {
    /// Checks the lengths of both slices against the batch's own numbers.
    ///
    /// # Errors
    /// [`ModelError::Shape`].
    pub fn check(&self, out: &[f32], dimension: usize) -> Result<(), ModelError> {
        let lengths = [
            ("batch", self.pixels.len(), self.count * self.side * self.side * 3),
            ("output", out.len(), self.count * dimension),
        ];
        for (what, got, expected) in lengths {
            if got != expected {
                return Err(ModelError::Shape { what, got, expected });
            }
        }
        Ok(())
    }

    /// Refuses faces of another height and width than a network takes.
    ///
    /// # Errors
    /// [`ModelError::Shape`].
    pub(crate) fn check_side(&self, (height, width): (usize, usize)) -> Result<(), ModelError> {
        if (height, width) == (self.side, self.side) {
            return Ok(());
        }
        Err(ModelError::Shape { what: "face", got: self.side * self.side, expected: height * width })
    }
}

/// Which network an [`Embedder`] runs, where, and in which arithmetic.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderInfo {
    /// Architecture and implementation, e.g. `inception-resnet-v1 (candle)`; part of the run's identity.
    pub name: String,
    /// Where it runs.
    pub device: DeviceKind,
    /// The device in words, e.g. `CPU (avx2+fma, 2 threads)` or `NVIDIA H200`.
    pub device_name: String,
    /// Arithmetic.
    pub precision: Precision,
}

/// A library that computes and is not a part of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// What it is called.
    pub name: &'static str,
    /// What it says its version is.
    pub version: String,
    /// Its file; `None` if the system's loader found it.
    pub file: Option<PathBuf>,
}

/// A network on a device.
pub trait Embedder: Send {
    /// Which network runs where.
    fn info(&self) -> &EmbedderInfo;

    /// Numbers in one embedding.
    fn dimension(&self) -> usize;

    /// Embeds a batch: `out` gets `count × dimension` numbers, each row of unit L2 length. A row depends on its own
    /// face only: the same face alone, or anywhere in any batch, gives the same bytes on the CPU.
    ///
    /// # Errors
    /// [`ModelError`] when the batch has the wrong shape or the device fails.
    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError>;

    /// The batch size that suits the device; `embed.batch_size: auto` resolves to it.
    fn batch(&self) -> usize {
        BATCH
    }

    /// Faces that fit into the device's memory at once, if known; larger batches are embedded in pieces.
    fn fits(&self) -> Option<usize> {
        None
    }

    /// A queue of batches: gives the rows of [`Self::embed`], and lets the caller start a batch before it waits for the
    /// last. Finish every batch that you start before you drop the queue.
    fn queue(&mut self) -> Box<dyn Queue + '_> {
        Box::new(SequentialQueue::new(self))
    }

    /// Operations a second that products reach on all of the network's threads without reading memory, as measured now; `None`
    /// where only a data sheet says.
    fn peak(&self) -> Option<f64> {
        None
    }

    /// The library that computes, if it is not a part of this program.
    fn library(&self) -> Option<Library> {
        None
    }

    /// Embeds a batch and reports the time of each part of the network, in order; empty where it cannot be measured. Runs on
    /// one thread, so that the parts add up.
    ///
    /// # Errors
    /// As [`Self::embed`].
    fn stages(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<Vec<StageTime>, ModelError> {
        self.embed(batch, out)?;
        Ok(Vec::new())
    }
}

/// The time that a part of the network took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Which part, e.g. `Block17`.
    pub name: String,
    /// Time for the batch, s.
    pub seconds: f64,
    /// Floating-point operations of the part for the batch, by definition, however it is computed.
    pub flop: f64,
}

impl StageTime {
    /// Adds this to the entry of its name, or appends it.
    pub fn add_to(self, sums: &mut Vec<Self>) {
        match sums.iter_mut().find(|sum| sum.name == self.name) {
            Some(sum) => {
                sum.seconds += self.seconds;
                sum.flop += self.flop;
            }
            None => sums.push(self),
        }
    }
}

/// The range of each layer's output over some faces, for 8-bit activations.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// Faces measured.
    pub faces: usize,
    /// Largest value by layer, of a fused plan; the smallest is 0.
    pub ranges: BTreeMap<String, f32>,
    /// Smallest and largest value by name, of a network on the engine for graphs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spans: BTreeMap<String, [f32; 2]>,
}

/// What [`open`] would give, or why it would fail, without weights: a run needs the name before it has a checkpoint. `say`
/// gets a line when `auto` falls back.
///
/// # Errors
/// [`ModelError::NoCuda`], [`ModelError::NoKernels`], [`ModelError::Precision`], [`ModelError::OnlyEngine`],
/// [`ModelError::OnlyOnnxFiles`] and [`ModelError::OnnxRuntime`], as [`open`].
pub fn describe(spec: &ModelSpec, options: &Execution, say: &dyn Fn(&str)) -> Result<EmbedderInfo, ModelError> {
    match backend(spec.network, options, say)? {
        Backend::Cpu => cpu::CpuEmbedder::describe(cpu::CpuOptions::new(options)),
        Backend::Card(card) => gpu::CardEmbedder::describe(&card, options.precision),
        Backend::Candle(chosen) => Ok(CandleEmbedder::describe(spec.network, chosen.kind, chosen.name)),
        Backend::Engine => GraphEmbedder::describe(spec.network, options),
        Backend::OnnxRuntime => OnnxRuntimeEmbedder::describe(options),
    }
}

/// The implementation that runs, and where.
enum Backend {
    /// The fused plan on the CPU.
    Cpu,
    /// The fused plan on a card.
    Card(Card),
    /// The candle graph.
    Candle(device::Chosen),
    /// The engine for graphs.
    Engine,
    /// ONNX Runtime.
    OnnxRuntime,
}

fn backend(network: Network, options: &Execution, say: &dyn Fn(&str)) -> Result<Backend, ModelError> {
    if options.kernels == Kernels::OnnxRuntime {
        return only_onnx_runtime(network, options, say).map(|()| Backend::OnnxRuntime);
    }
    let plan = match network.facts().runs_on {
        RunsOn::Engine => return only_engine(network, options, say).map(|()| Backend::Engine),
        RunsOn::EngineAndCandle if !candle_runs(options)? => {
            engine_precision(network, options)?;
            return Ok(Backend::Engine);
        }
        RunsOn::EngineAndCandle => false,
        RunsOn::FusedPlans => true,
    };
    if !plan || options.kernels == Kernels::Candle {
        let chosen = device::candle(options.device, &needs_candle(network, options), say)?;
        if options.precision != Precision::F32 {
            let device = format!("{} with candle", chosen.name);
            return Err(ModelError::Precision { precision: options.precision, device, able: vec![Precision::F32] });
        }
        return Ok(Backend::Candle(chosen));
    }
    let cpu_only = if options.kernels != Kernels::Auto {
        Some(format!("`kernels: {}` is only supported on the CPU", options.kernels.name()))
    } else if [Precision::Bf16x3, Precision::Int8].contains(&options.precision) {
        Some(format!("{} is only supported on the CPU", options.precision.name()))
    } else {
        None
    };
    match (options.device, cpu_only) {
        (DeviceRequest::Auto, Some(reason)) => {
            say(&format!("device auto: running on the CPU ({reason})"));
            Ok(Backend::Cpu)
        }
        (DeviceRequest::Cuda, Some(_)) if options.kernels != Kernels::Auto => {
            Err(ModelError::NotOnCard { kernels: options.kernels.name() })
        }
        (request, _) => Ok(device::card(request, say)?.map_or(Backend::Cpu, Backend::Card)),
    }
}

/// Whether candle computes a network that the engine has too: where it is asked for, and on a GPU.
fn candle_runs(options: &Execution) -> Result<bool, ModelError> {
    let on_card = match options.device {
        _ if options.kernels == Kernels::Candle => return Ok(true),
        DeviceRequest::Cpu => false,
        DeviceRequest::Cuda => true,
        DeviceRequest::Auto => {
            let plain = options.kernels == Kernels::Auto && options.precision == Precision::F32;
            plain && device::candle(DeviceRequest::Auto, "", &|_| ())?.kind == DeviceKind::Cuda
        }
    };
    if on_card && options.kernels != Kernels::Auto {
        return Err(ModelError::NotOnCard { kernels: options.kernels.name() });
    }
    Ok(on_card)
}

/// Rejects a precision that the engine does not compute in.
fn engine_precision(network: Network, options: &Execution) -> Result<(), ModelError> {
    match options.precision {
        Precision::F32 | Precision::Bf16x3 | Precision::Bf16 | Precision::Int8 => Ok(()),
        other => Err(ModelError::OnlyEngine {
            network: network.facts().name,
            option: "precision",
            value: other.name(),
            remedy: "precision: f32",
        }),
    }
}

/// Rejects options that the engine for graphs does not support, and says where `auto` leads.
fn only_engine(network: Network, options: &Execution, say: &dyn Fn(&str)) -> Result<(), ModelError> {
    let refused =
        |option, value, remedy| Err(ModelError::OnlyEngine { network: network.facts().name, option, value, remedy });
    if options.kernels == Kernels::Candle {
        return refused("kernels", "candle", "kernels: auto");
    }
    engine_precision(network, options)?;
    match options.device {
        DeviceRequest::Cuda => return refused("device", "cuda", "device: cpu"),
        DeviceRequest::Auto => {
            say(&format!("device auto: running on the CPU (`{}` is only supported on the CPU)", network.facts().name));
        }
        DeviceRequest::Cpu => {}
    }
    Ok(())
}

/// Rejects options that are not ONNX Runtime's, and says where `auto` leads.
fn only_onnx_runtime(network: Network, options: &Execution, say: &dyn Fn(&str)) -> Result<(), ModelError> {
    let refused = |option, value, remedy| Err(ModelError::OnlyOnnxFiles { option, value, remedy });
    if network != Network::Onnx {
        return refused("model.network", network.facts().name, "embed.kernels: auto");
    }
    if options.precision != Precision::F32 {
        return refused("embed.precision", options.precision.name(), "precision: f32");
    }
    match options.device {
        DeviceRequest::Cuda => return refused("embed.device", "cuda", "device: cpu"),
        DeviceRequest::Auto => {
            say("device auto: running on the CPU (`kernels: onnxruntime` is only supported on the CPU)");
        }
        DeviceRequest::Cpu => {}
    }
    Ok(())
}

/// The setting that makes candle run the network, for an error that names it.
fn needs_candle(network: Network, options: &Execution) -> String {
    let Facts { name, runs_on, .. } = network.facts();
    if runs_on == RunsOn::FusedPlans && options.kernels == Kernels::Candle {
        "`kernels: candle`".into()
    } else {
        format!("`{name}`")
    }
}

/// Puts a network on the device that `options` asks for, prepared for faces of `side` × `side` pixels; the first batch of
/// another size prepares it again. `say` gets a line when `auto` falls back or memory is short.
///
/// Tensors must hold [`parameters`]; `weights::require` checks that, with one error for everything that is wrong.
///
/// # Errors
/// [`ModelError::NoCuda`], [`ModelError::NoKernels`], [`ModelError::NotOnCard`], [`ModelError::Precision`],
/// [`ModelError::OnlyEngine`], [`ModelError::OnlyOnnxFiles`], [`ModelError::OnlyOnnxRuntime`], [`ModelError::OnnxRuntime`] when
/// this machine or the network cannot do what `options` asks for, [`ModelError::NoCalibration`] for int8 without `calibration`, [`ModelError::Graph`] for a graph with an operation
/// that has no kernel, [`ModelError::NoGraph`] for tensors where a graph belongs, [`ModelError::Device`] when the device
/// fails.
pub fn open<'a>(
    spec: &ModelSpec,
    side: usize,
    options: &Execution,
    weights: impl Into<WeightsRef<'a>>,
    calibration: Option<&Calibration>,
    say: &dyn Fn(&str),
) -> Result<Box<dyn Embedder>, ModelError> {
    let backend = backend(spec.network, options, say)?;
    let tensors = match weights.into() {
        WeightsRef::Onnx(OnnxFile { graph, whole, dimension }) => {
            return match (backend, graph, whole) {
                (Backend::OnnxRuntime, _, Some(whole)) => {
                    Ok(Box::new(OnnxRuntimeEmbedder::new(whole, *dimension, options)?))
                }
                (Backend::Engine, Some(onnx), _) => {
                    Ok(Box::new(GraphEmbedder::new(spec.network, &onnx.graph, options, calibration)?))
                }
                _ => Err(ModelError::OnlyOnnxRuntime),
            };
        }
        WeightsRef::Tensors(tensors) => tensors,
    };
    match backend {
        Backend::Cpu => {
            Ok(Box::new(cpu::CpuEmbedder::new(tensors, spec.width, cpu::CpuOptions::new(options), calibration)?))
        }
        Backend::Card(card) => {
            let others = card.twins().map_err(|error| ModelError::NoCuda { reason: error.reason() })?;
            let open = |card, say: &dyn Fn(&str)| {
                gpu::CardEmbedder::new(&card, tensors, (spec.width, side), options, say)
                    .map(|embedder| Box::new(embedder) as Box<dyn Embedder>)
            };
            let first = open(card, say)?;
            let others = others.into_iter().map(|card| open(card, &|_| ())).collect::<Result<_, _>>()?;
            Ok(Box::new(CardGroup::new(first, others)?))
        }
        Backend::Candle(chosen) => {
            Ok(Box::new(CandleEmbedder::new(spec, tensors, chosen.device, chosen.name, options.threads)?))
        }
        Backend::Engine if spec.network == Network::Onnx => Err(ModelError::NoGraph),
        Backend::OnnxRuntime => Err(ModelError::NoGraph),
        Backend::Engine if spec.network == Network::Given => Err(ModelError::Given),
        Backend::Engine => {
            let graph = networks::graph(spec.network, tensors);
            Ok(Box::new(GraphEmbedder::new(spec.network, &graph, options, calibration)?))
        }
    }
}

/// Measures the ranges that int8 needs: runs the faces through the network in f32 on the CPU.
///
/// # Errors
/// As [`open`]; [`ModelError::Shape`]; [`ModelError::NothingInWholes`] for a network that has no use for ranges.
pub fn calibrate<'a>(
    spec: &ModelSpec,
    options: &Execution,
    weights: impl Into<WeightsRef<'a>>,
    batches: impl IntoIterator<Item = FaceBatch<'a>>,
) -> Result<Calibration, ModelError> {
    let options = Execution { device: DeviceRequest::Cpu, precision: Precision::F32, ..*options };
    let (mut calibration, mut batches) = (Calibration::default(), batches.into_iter());
    let mut embedder = match weights.into() {
        WeightsRef::Tensors(tensors) if spec.network.facts().runs_on == RunsOn::FusedPlans => {
            let mut embedder = cpu::CpuEmbedder::new(tensors, spec.width, cpu::CpuOptions::new(&options), None)?;
            batches.try_for_each(|batch| embedder.calibrate(batch, &mut calibration))?;
            return Ok(calibration);
        }
        WeightsRef::Tensors(_) if spec.network == Network::Onnx => return Err(ModelError::NoGraph),
        WeightsRef::Tensors(tensors) => GraphEmbedder::observing(&networks::graph(spec.network, tensors), &options)?,
        WeightsRef::Onnx(file) => {
            GraphEmbedder::observing(&file.graph.as_ref().ok_or(ModelError::OnlyOnnxRuntime)?.graph, &options)?
        }
    };
    batches.try_for_each(|batch| embedder.calibrate(batch, &mut calibration))?;
    if calibration.faces > 0 && calibration.spans.is_empty() {
        return Err(ModelError::NothingInWholes);
    }
    Ok(calibration)
}

/// Numbers in one embedding of a network with these weights.
#[must_use]
pub fn dimension<'a>(spec: &ModelSpec, weights: impl Into<WeightsRef<'a>>) -> usize {
    match (weights.into(), spec.network.facts().dimension) {
        (WeightsRef::Onnx(file), _) => file.dimension,
        (WeightsRef::Tensors(_), dimension) => dimension.unwrap_or_default(),
    }
}

/// Numbers that a network with these weights computes with; 0 for an ONNX file that only ONNX Runtime knows.
#[must_use]
pub fn parameter_count<'a>(spec: &ModelSpec, weights: impl Into<WeightsRef<'a>>) -> u64 {
    match weights.into() {
        WeightsRef::Onnx(file) => file.graph.as_ref().map_or(0, |onnx| onnx.found.parameters),
        WeightsRef::Tensors(_) => {
            parameters(spec).iter().map(|parameter| parameter.shape.iter().product::<usize>() as u64).sum()
        }
    }
}

/// Their names as a list: `f32`, `bf16` and `int8`.
fn listed(precisions: &[Precision]) -> String {
    let names: Vec<_> = precisions.iter().map(|precision| format!("`{}`", precision.name())).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nothing".into(),
    }
}

/// The options that a precision is available with.
fn available_with(precision: Precision) -> &'static str {
    match precision {
        Precision::Tf32 | Precision::F16 => "`device: cuda`",
        Precision::Int8 => "`device: cpu` with `kernels: auto`",
        Precision::Bf16x3 => "a CPU with AMX (`kernels: amx` replicates it in AVX-512, slowly)",
        Precision::F32 | Precision::Bf16 => "`kernels: auto`",
    }
}

/// Why a network could not be built or run.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum ModelError {
    /// The batch or the output slice has the wrong length.
    #[error("the {what} holds {got} values, expected {expected}")]
    Shape { what: &'static str, got: usize, expected: usize },
    /// `device: cuda` without a GPU that works.
    #[error("device `cuda` is not available: {reason}; use `device: cpu`, or `auto` to fall back to the CPU")]
    NoCuda { reason: String },
    /// This CPU lacks the instructions of the configured kernels.
    #[error("`embed.kernels: {kernels}` cannot run on this CPU ({cpu}); use `auto` for the fastest it can run")]
    NoKernels { kernels: &'static str, cpu: String },
    /// CPU kernels together with `device: cuda`.
    #[error("`embed.kernels: {kernels}` is only supported on the CPU; with `device: cuda`, use `auto` or `candle`")]
    NotOnCard { kernels: &'static str },
    /// The device does not compute in the configured precision.
    #[error(
        "`embed.precision: {}` is not available on {device}, which computes in {}; {} needs {}, and `f32` runs everywhere",
        precision.name(),
        listed(able),
        precision.name(),
        available_with(*precision)
    )]
    Precision { precision: Precision, device: String, able: Vec<Precision> },
    /// An option that the engine for graphs does not support.
    #[error(
        "`embed.{option}: {value}` is not available with `model.network: {network}`, which runs on the CPU in f32, \
         bf16x3, bf16 and int8; use `{remedy}`"
    )]
    OnlyEngine { network: &'static str, option: &'static str, value: &'static str, remedy: &'static str },
    /// An option that ONNX Runtime does not support here.
    #[error(
        "`{option}: {value}` is not available with `embed.kernels: onnxruntime`, which runs ONNX files on the CPU in f32; use \
         `{remedy}`"
    )]
    OnlyOnnxFiles { option: &'static str, value: &'static str, remedy: &'static str },
    /// An ONNX file that the engine cannot run.
    #[error("only `embed.kernels: onnxruntime` runs this ONNX file: it uses what facevault does not know")]
    OnlyOnnxRuntime,
    /// ONNX Runtime is missing, or fails.
    #[error(transparent)]
    OnnxRuntime(#[from] OrtError),
    /// An ONNX file whose output is not one row for each face.
    #[error(
        "the output of the ONNX file has shape {shape:?} for {faces} faces, which is no embedding of {dimension} numbers for \
         each; say with `model.output` which value is"
    )]
    NoEmbedding { shape: Vec<usize>, faces: usize, dimension: usize },
    /// A graph that cannot be compiled.
    #[error("the ONNX file cannot be run: {error}; `embed.kernels: onnxruntime` runs it with ONNX Runtime")]
    Graph { error: EngineError },
    /// A checkpoint's tensors for a network that its file describes.
    #[error("`model.network: onnx` needs an ONNX file; a checkpoint's tensors are not a network")]
    NoGraph,
    /// A network is asked for where there is none.
    #[error("the embeddings are given: no network computes them")]
    Given,
    /// Too little memory on the device.
    #[error(
        "out of memory on {device}: {} MiB needed, {} MiB free; use a smaller `embed.batch_size`",
        wanted >> 20,
        free >> 20
    )]
    OutOfMemory { device: String, wanted: u64, free: u64 },
    /// A batch that must go through in one piece does not fit.
    #[error("a batch of {} does not fit into the memory of {device}, which holds {fits}", counted(*faces, "face"))]
    TooLarge { device: String, faces: usize, fits: usize },
    /// GPUs that would run as one compute differently.
    #[error(
        "the GPUs differ ({first}, {other}), and an embedding would depend on which one computes it; use only one of them"
    )]
    UnlikeCards { first: String, other: String },
    /// Waited for a batch before starting one.
    #[error("no batch was started")]
    Idle,
    /// int8 for a network that would run in f32 all the same.
    #[error(
        "`embed.precision: int8`: no product of this network can be computed in int8, which takes inputs in fours; use \
         `precision: f32` or `bf16`"
    )]
    NothingInWholes,
    /// int8 with the ranges of something else.
    #[error("int8: the ranges lack that of `{value}`; they are another network's, or were changed: calibrate again")]
    NoRange { value: String },
    /// int8 with a range of something else.
    #[error(
        "int8: there is a range of `{value}`, which this network does not have; the ranges are another network's, or were changed: calibrate again"
    )]
    StrayRange { value: String },
    /// int8 without calibrated activation ranges.
    #[error("int8 needs the range of each layer's output; calibrate on a sample of the faces first")]
    NoCalibration,
    /// The device failed.
    #[error("the {device} failed: {reason}")]
    Device { device: String, reason: String },
}
