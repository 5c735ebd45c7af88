//! Networks that turn standardised faces into unit vectors. [`Embedder`] speaks plain slices: no type of an inference
//! library crosses it, and no network knows a path.

mod batch_size;
mod candle;
pub mod capacity;
mod cards;
pub mod clip;
pub mod cpu;
pub mod device;
pub mod dinov2;
mod folding;
pub mod gpu;
pub mod inception_resnet_v1;
pub mod iresnet;
#[cfg(any(test, feature = "testing"))]
pub mod mock;
mod networks;
mod options;
mod program;
mod queue;
pub mod weights;

use std::collections::BTreeMap;

pub use batch_size::BatchSize;
pub use candle::CandleEmbedder;
pub use cards::Cards;
pub use facevault_cuda::{DeviceKind, DeviceRequest};
pub use facevault_kernels::{Kernels, Precision};
pub use networks::{Facts, UNIT_RANGE};
pub use options::{Execution, ModelSpec, Network};
pub use queue::{OwnedBatch, Pixels, Queue, Sequential};
use serde::{Deserialize, Serialize};

use crate::weights::{Parameter, Tensors};
use facevault_cuda::Card;
use facevault_preprocess::Standardise;

/// Faces in one forward pass where the device has no better number.
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
}

/// What an [`Embedder`] is.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderInfo {
    /// Architecture and implementation, e.g. `inception-resnet-v1 (candle)`; part of the run's identity.
    pub name: String,
    /// Numbers in one embedding.
    pub dimension: usize,
    /// Where it runs.
    pub device: DeviceKind,
    /// The device in words, e.g. `CPU (avx2+fma, 2 threads)` or `NVIDIA H200`.
    pub device_name: String,
    /// Arithmetic.
    pub precision: Precision,
}

/// A network on a device.
pub trait Embedder: Send {
    /// What it is.
    fn info(&self) -> &EmbedderInfo;

    /// Embeds a batch: `out` gets `count × dimension` numbers, each row of unit L2 length. A row depends on its own
    /// face only: the same face alone, or anywhere in any batch, gives the same bytes on the CPU.
    ///
    /// # Errors
    /// [`ModelError`] when the batch has the wrong shape or the device fails.
    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError>;

    /// Faces in one forward pass that suit the device: what `embed.batch_size: auto` stands for.
    fn batch(&self) -> usize {
        BATCH
    }

    /// Faces that there is memory for at once, where that is known; more are embedded in pieces.
    fn fits(&self) -> Option<usize> {
        None
    }

    /// The same, batch after batch: what one after the other would give, without waiting for one before the next is
    /// started. Whoever starts a batch finishes it, before the queue is dropped.
    fn queue(&mut self) -> Box<dyn Queue + '_> {
        Box::new(Sequential::new(self))
    }

    /// Embeds a batch and tells where the time went: parts of the network in order, nothing where that is not known. One
    /// thread does all of it, so that the parts add up.
    ///
    /// # Errors
    /// As [`Self::embed`].
    fn stages(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<Vec<StageTime>, ModelError> {
        self.embed(batch, out)?;
        Ok(Vec::new())
    }
}

/// What a part of the network took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Which part, e.g. `Block17`.
    pub name: String,
    /// Time for the batch, s.
    pub seconds: f64,
    /// Floating-point operations that the part is worth for the batch, however it is computed.
    pub flop: f64,
}

impl StageTime {
    /// Adds this to the entry of its name, or behind all others where there is none.
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

/// The range of each layer's output, for 8-bit activations: the largest value over some faces.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Calibration {
    /// Faces that were seen.
    pub faces: usize,
    /// Largest value by layer.
    pub ranges: BTreeMap<String, f32>,
}

/// Every parameter that a network's checkpoint must hold.
#[must_use]
pub fn parameters(spec: &ModelSpec) -> Vec<Parameter> {
    match spec.network {
        Network::InceptionResnetV1 => inception_resnet_v1::parameters(spec.width),
        Network::Dinov2Vits14 => dinov2::parameters(),
        Network::ClipVitB32 => clip::parameters(),
        Network::Iresnet50 | Network::Iresnet100 => iresnet::parameters(spec.network),
    }
}

/// Keys of a network's published checkpoints that are known and not needed; `*` stands for anything.
#[must_use]
pub fn unused_keys(spec: &ModelSpec) -> &'static [&'static str] {
    match spec.network {
        Network::InceptionResnetV1 => inception_resnet_v1::UNUSED_KEYS,
        Network::Dinov2Vits14 => dinov2::UNUSED_KEYS,
        Network::ClipVitB32 => clip::UNUSED_KEYS,
        Network::Iresnet50 | Network::Iresnet100 => iresnet::UNUSED_KEYS,
    }
}

/// Tensors of a network's other published layouts under the keys of [`parameters`]; others stay what they are.
#[must_use]
pub fn adopt(spec: &ModelSpec, tensors: Tensors) -> Tensors {
    match spec.network {
        Network::Dinov2Vits14 => dinov2::adopt(tensors),
        _ => tensors,
    }
}

/// What [`open`] would give, and why it would not: without weights, so that a run has its name before its network is
/// there. `say` gets a line when `auto` has to fall back.
///
/// # Errors
/// [`ModelError::NoCuda`], [`ModelError::NoKernels`], [`ModelError::Precision`] and [`ModelError::OnlyCandle`], as [`open`].
pub fn describe(spec: &ModelSpec, options: &Execution, say: &dyn Fn(&str)) -> Result<EmbedderInfo, ModelError> {
    match way(spec.network, options, say)? {
        Way::Cpu => cpu::CpuEmbedder::describe(cpu::CpuOptions::new(options)),
        Way::Card(card) => gpu::CardEmbedder::describe(&card, options.precision),
        Way::Candle(chosen) => Ok(CandleEmbedder::describe(spec.network, chosen.kind, chosen.name)),
    }
}

/// Which implementation runs, and where.
enum Way {
    /// The fused plan on the CPU.
    Cpu,
    /// The fused plan on a card.
    Card(Card),
    /// The candle graph.
    Candle(device::Chosen),
}

fn way(network: Network, options: &Execution, say: &dyn Fn(&str)) -> Result<Way, ModelError> {
    let fused = network.facts().fused;
    if !fused {
        only_candle(network, options)?;
    }
    if !fused || options.kernels == Kernels::Candle {
        let chosen = device::candle(options.device, &needs_candle(network, options), say)?;
        if options.precision != Precision::F32 {
            let device = format!("{} with candle", chosen.name);
            return Err(ModelError::Precision { precision: options.precision, device, able: &[Precision::F32] });
        }
        return Ok(Way::Candle(chosen));
    }
    // What only the CPU can do leaves `auto` no choice.
    let refusal = [
        (options.kernels != Kernels::Auto).then(|| format!("`kernels: {}` is the CPU's", options.kernels.name())),
        (options.precision == Precision::Int8).then(|| "int8 is the CPU's".into()),
    ];
    match (options.device, refusal.into_iter().flatten().next()) {
        (DeviceRequest::Auto, Some(reason)) => {
            say(&format!("device auto: running on the CPU ({reason})"));
            Ok(Way::Cpu)
        }
        (DeviceRequest::Cuda, Some(_)) if options.kernels != Kernels::Auto => {
            Err(ModelError::NotOnCard { kernels: options.kernels.name() })
        }
        (request, _) => Ok(device::card(request, say)?.map_or(Way::Cpu, Way::Card)),
    }
}

/// Whether the options are such that candle can do them: its kernels, f32.
fn only_candle(network: Network, options: &Execution) -> Result<(), ModelError> {
    let refused = |option, value| Err(ModelError::OnlyCandle { network: network.facts().name, option, value });
    if !matches!(options.kernels, Kernels::Auto | Kernels::Candle) {
        return refused("kernels", options.kernels.name());
    }
    if options.precision != Precision::F32 {
        return refused("precision", options.precision.name());
    }
    Ok(())
}

/// What makes candle run the network, for an error that names it.
fn needs_candle(network: Network, options: &Execution) -> String {
    let Facts { name, fused, .. } = network.facts();
    if fused && options.kernels == Kernels::Candle { "`kernels: candle`".into() } else { format!("`{name}`") }
}

/// Puts a network on the device that `options` asks for, ready for faces of `side` × `side` pixels; other sizes need to be
/// made ready for. `say` gets a line when `auto` had to fall back, or memory is short.
///
/// `tensors` must hold [`parameters`]; `weights::require` checks that with one error for all that is wrong.
///
/// # Errors
/// [`ModelError::NoCuda`], [`ModelError::NoKernels`], [`ModelError::NotOnCard`], [`ModelError::Precision`] and [`ModelError::OnlyCandle`] when what was
/// asked for cannot be had here, [`ModelError::NoCalibration`] when int8 comes without `calibration`, [`ModelError::Device`] when the device fails.
pub fn open(
    spec: &ModelSpec,
    side: usize,
    options: &Execution,
    tensors: &Tensors,
    calibration: Option<&Calibration>,
    say: &dyn Fn(&str),
) -> Result<Box<dyn Embedder>, ModelError> {
    match way(spec.network, options, say)? {
        Way::Cpu => {
            Ok(Box::new(cpu::CpuEmbedder::new(tensors, spec.width, cpu::CpuOptions::new(options), calibration)?))
        }
        Way::Card(card) => {
            let others = card.twins().map_err(|error| ModelError::NoCuda { reason: error.reason() })?;
            let open = |card, say: &dyn Fn(&str)| {
                gpu::CardEmbedder::new(&card, tensors, (spec.width, side), options, say)
                    .map(|embedder| Box::new(embedder) as Box<dyn Embedder>)
            };
            let first = open(card, say)?;
            let others = others.into_iter().map(|card| open(card, &|_| ())).collect::<Result<_, _>>()?;
            Ok(Box::new(Cards::new(first, others)?))
        }
        Way::Candle(chosen) => {
            Ok(Box::new(CandleEmbedder::new(spec, tensors, chosen.device, chosen.name, options.threads)?))
        }
    }
}

/// The ranges that int8 needs, over some faces: they go through the network in f32, on the CPU.
///
/// # Errors
/// As [`open`]; [`ModelError::Shape`].
pub fn calibrate<'a>(
    spec: &ModelSpec,
    options: &Execution,
    tensors: &Tensors,
    batches: impl IntoIterator<Item = FaceBatch<'a>>,
) -> Result<Calibration, ModelError> {
    let Facts { name, fused, .. } = spec.network.facts();
    if !fused {
        let value = Precision::Int8.name();
        return Err(ModelError::OnlyCandle { network: name, option: "precision", value });
    }
    let options = Execution { device: DeviceRequest::Cpu, precision: Precision::F32, ..*options };
    let mut embedder = cpu::CpuEmbedder::new(tensors, spec.width, cpu::CpuOptions::new(&options), None)?;
    let mut calibration = Calibration::default();
    for batch in batches {
        embedder.calibrate(batch, &mut calibration)?;
    }
    Ok(calibration)
}

/// Names in words: `f32`, `bf16` and `int8`.
fn listed(precisions: &[Precision]) -> String {
    let names: Vec<_> = precisions.iter().map(|precision| format!("`{}`", precision.name())).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nothing".into(),
    }
}

/// Which options a precision can be had with.
fn home(precision: Precision) -> &'static str {
    match precision {
        Precision::Tf32 | Precision::F16 => "`device: cuda`",
        Precision::Int8 => "`device: cpu` with `kernels: auto`",
        Precision::F32 | Precision::Bf16 => "`kernels: auto`",
    }
}

/// Why a network could not be built or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The batch or the output slice has the wrong length.
    #[error("the {what} holds {got} values, {expected} were expected")]
    Shape {
        /// Which slice.
        what: &'static str,
        /// Its length.
        got: usize,
        /// The length it should have.
        expected: usize,
    },
    /// CUDA was asked for and cannot be had.
    #[error("device `cuda` is not available: {reason}; use `device: cpu`, or `auto` to fall back by itself")]
    NoCuda {
        /// Why, in words.
        reason: String,
    },
    /// The kernels that were asked for are not for this CPU.
    #[error(
        "`embed.kernels: {kernels}` cannot run on this CPU ({cpu}); use `auto` to take the fastest that it can run"
    )]
    NoKernels {
        /// Which kernels.
        kernels: &'static str,
        /// What the CPU has.
        cpu: String,
    },
    /// Kernels of the CPU were asked for on a card.
    #[error("`embed.kernels: {kernels}` is for the CPU; with `device: cuda` use `auto`, or `candle` for its graph")]
    NotOnCard {
        /// Which kernels.
        kernels: &'static str,
    },
    /// The precision that was asked for is not to be had there.
    #[error(
        "`embed.precision: {}` is not available on {device}, which computes in {}; {} is for {}, and `f32` runs everywhere",
        precision.name(),
        listed(able),
        precision.name(),
        home(*precision)
    )]
    Precision {
        /// Which precision.
        precision: Precision,
        /// Where, in words.
        device: String,
        /// What is to be had there.
        able: &'static [Precision],
    },
    /// The network has no fused plan, and an option asks for what only that can do.
    #[error(
        "`embed.{option}: {value}` is not available with `model.network: {network}`, which runs with candle in f32; use \
         `kernels: auto` and `precision: f32`"
    )]
    OnlyCandle {
        /// Which network.
        network: &'static str,
        /// Which option of `embed`.
        option: &'static str,
        /// What it was set to.
        value: &'static str,
    },
    /// The device has not the memory.
    #[error(
        "out of memory on {device}: {} MiB were wanted, {} MiB are free; a smaller `embed.batch_size` needs less",
        wanted >> 20,
        free >> 20
    )]
    OutOfMemory {
        /// Which device.
        device: String,
        /// How much was asked for, bytes.
        wanted: u64,
        /// How much there was, bytes.
        free: u64,
    },
    /// A batch that is to be measured as one has to be cut.
    #[error("a batch of {faces} faces does not fit into the memory of {device}: {fits} do")]
    TooLarge {
        /// Which device.
        device: String,
        /// Faces of the batch.
        faces: usize,
        /// Faces that fit.
        fits: usize,
    },
    /// Cards that are to be used as one differ.
    #[error(
        "the cards are not alike ({first}, {other}), and a face's embedding would depend on the card; use one of them"
    )]
    UnlikeCards {
        /// One of them, in words.
        first: String,
        /// Another one.
        other: String,
    },
    /// A batch was waited for, and none was started.
    #[error("no batch is on its way through the network")]
    Idle,
    /// int8 without the ranges of its activations.
    #[error("int8 needs the range of each layer's output; calibrate on a sample of the faces first")]
    NoCalibration,
    /// The device failed.
    #[error("the {device} failed: {reason}")]
    Device {
        /// Which device.
        device: String,
        /// What it said.
        reason: String,
    },
}
