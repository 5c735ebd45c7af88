//! A network as a graph on the engine, of an ONNX file or by name, as an [`Embedder`]: its output as unit vectors.

use facevault_graph::Graph;

use crate::{
    Calibration, DeviceKind, Embedder, EmbedderInfo, Execution, FaceBatch, ModelError, Network, StageTime, host,
};
use facevault_engine::{Engine, EngineError};
use facevault_kernels::sets::Set;

/// A graph on the CPU.
pub(crate) struct GraphEmbedder {
    info: EmbedderInfo,
    engine: Engine,
}

impl GraphEmbedder {
    /// Compiles a graph; int8 needs a calibration.
    ///
    /// # Errors
    /// [`ModelError::NoKernels`] where this CPU lacks the kernels, [`ModelError::NoCalibration`], [`ModelError::Graph`] for
    /// what has none, [`ModelError::Device`] when threads cannot be started.
    pub fn new(
        network: Network,
        graph: &Graph,
        options: &Execution,
        calibration: Option<&Calibration>,
    ) -> Result<Self, ModelError> {
        let (set, info) = Self::chosen(network, options)?;
        let threads = host::threads(options.threads);
        let engine = if set.weights.integer() {
            let spans = &calibration.ok_or(ModelError::NoCalibration)?.spans;
            let stray = spans.keys().find(|name| !graph.values.iter().any(|value| value.name == **name));
            if let Some(value) = stray {
                return Err(ModelError::StrayRange { value: value.clone() });
            }
            Engine::in_wholes(graph, set, spans, threads)
        } else {
            Engine::new(graph, set, threads)
        };
        Ok(Self { info, engine: engine.map_err(reason)? })
    }

    /// Compiles a graph for [`Calibrator::calibrate`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn observing(graph: &Graph, options: &Execution) -> Result<Calibrator, ModelError> {
        let set = host::choose(options.kernels, options.precision)?;
        Ok(Calibrator { engine: Engine::observing(graph, set, 1).map_err(reason)? })
    }

    /// Its info with these options, without a file.
    ///
    /// # Errors
    /// [`ModelError::NoKernels`] where this CPU lacks the kernels.
    pub fn describe(network: Network, options: &Execution) -> Result<EmbedderInfo, ModelError> {
        Ok(Self::chosen(network, options)?.1)
    }

    fn chosen(network: Network, options: &Execution) -> Result<(&'static Set, EmbedderInfo), ModelError> {
        let set = host::choose(options.kernels, options.precision)?;
        let info = EmbedderInfo {
            name: format!("{} (engine{})", network.facts().name, set.arithmetic()),
            device: DeviceKind::Cpu,
            device_name: host::name(set, host::threads(options.threads)),
            precision: options.precision,
        };
        Ok((set, info))
    }
}

/// A graph on the CPU whose ranges are measured.
pub(crate) struct Calibrator {
    engine: Engine,
}

impl Calibrator {
    /// Widens the spans to those of a batch.
    ///
    /// # Errors
    /// [`ModelError::Shape`].
    pub fn calibrate(&mut self, batch: FaceBatch<'_>, into: &mut Calibration) -> Result<(), ModelError> {
        let dimension = self.engine.dimension();
        check(&self.engine, &batch, &vec![0.0; batch.count * dimension])?;
        self.engine.widen(batch.pixels, &batch.standardise.values(), &mut into.spans);
        into.faces += batch.count;
        Ok(())
    }
}

fn reason(error: EngineError) -> ModelError {
    match error {
        EngineError::Threads { reason } => ModelError::Device { device: "CPU".into(), reason },
        EngineError::NoRange { value } => ModelError::NoRange { value },
        error => ModelError::Graph { error },
    }
}

/// Refuses a batch of faces of another size.
fn check(engine: &Engine, batch: &FaceBatch<'_>, out: &[f32]) -> Result<(), ModelError> {
    batch.check(out, engine.dimension())?;
    batch.check_side(engine.side())
}

impl Embedder for GraphEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn dimension(&self) -> usize {
        self.engine.dimension()
    }

    fn peak(&self) -> Option<f64> {
        Some(host::peak(self.engine.set(), self.engine.pool()))
    }

    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        check(&self.engine, &batch, out)?;
        self.engine.run(batch.pixels, batch.count, &batch.standardise.values(), out);
        out.chunks_exact_mut(self.engine.dimension()).for_each(host::normalise);
        Ok(())
    }

    fn stages(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<Vec<StageTime>, ModelError> {
        self.embed(batch, out)?;
        let values = batch.standardise.values();
        let face = batch.side * batch.side * 3;
        let mut stages = Vec::new();
        for pixels in batch.pixels.chunks(self.engine.group() * face) {
            let faces = (pixels.len() / face) as f64;
            for layer in self.engine.layers(pixels, &values) {
                StageTime { name: layer.kind.into(), seconds: layer.seconds, flop: layer.flop * faces }
                    .add_to(&mut stages);
            }
        }
        Ok(stages)
    }
}
