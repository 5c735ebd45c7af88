//! Precisions below f32: the int8 ranges, computed once per run, and the agreement of the embeddings with f32.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RunDirectory, RunError, arithmetic};
use crate::agreement::{self, PrecisionAgreement};
use crate::config::ExperimentConfig;
use crate::digest::Digest;
use crate::embed::{self, EmbedJob, EmbedSample};
use crate::evaluate::{EvaluateError, Labelled};
use crate::model::weights::WeightsRef;
use crate::model::{self, Calibration, DeviceKind, Embedder, Execution, Precision};
use crate::progress::{Cancel, Progress};
use crate::provenance::{Provenance, RunArithmetic};
use crate::{files, sample};

/// The ranges of an int8 run's layers: `calibration.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StoredCalibration {
    /// How the faces were chosen that the ranges come from, in words.
    sample: String,
    #[serde(flatten)]
    calibration: Calibration,
}

/// A network and its arithmetic.
pub(super) struct OpenNetwork {
    pub embedder: Box<dyn Embedder>,
    pub arithmetic: RunArithmetic,
}

/// Opens the network of a run, and computes the calibration and agreement of a lower precision unless they are stored.
pub(super) struct NetworkOpener<'a> {
    pub run: &'a RunDirectory,
    pub config: &'a ExperimentConfig,
    pub weights: WeightsRef<'a>,
    pub job: EmbedJob<'a>,
    /// The device in the plan, with `auto` resolved.
    pub device: DeviceKind,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
    /// A network that is already open, with its ranges.
    pub opened: RefCell<Option<(Option<Calibration>, OpenNetwork)>>,
}

impl NetworkOpener<'_> {
    /// Opens the network. `begun` is the arithmetic of the existing chunks, if any. `None` if cancelled. Fails with
    /// [`RunError::OtherArithmetic`] if the network differs from the one that started the run, and those of opening it.
    pub fn open(&self, begun: Option<&RunArithmetic>) -> Result<Option<OpenNetwork>, RunError> {
        let options = &self.config.embed;
        if options.precision == Precision::F32 {
            return self.admitted(None, begun);
        }
        // Ranges that no chunk depends on yet are measured again: nothing says that the file is as it was written.
        let kept = begun.is_some() && self.run.has(RunDirectory::CALIBRATION);
        let calibrated = options.precision != Precision::Int8 || kept;
        if !calibrated && begun.is_some() {
            let path = self.run.file(RunDirectory::CALIBRATION);
            let what = if path.exists() { "not a regular file" } else { "missing" };
            let rule = format!("{what}, but existing chunks depend on it");
            return Err(RunError::Calibration { path: self.run.file(RunDirectory::CALIBRATION), rule });
        }
        let agreed = self.run.has(RunDirectory::AGREEMENT);
        let mut read = None;
        if !calibrated || !agreed {
            let Some(sample) = EmbedSample::read(self.job, self.cancel)? else { return Ok(None) };
            if sample.is_empty() {
                return Err(RunError::NoSample { rule: sample::RULE, precision: options.precision.name() });
            }
            read = Some(sample);
        }
        if let (false, Some(sample)) = (calibrated, &read) {
            let made =
                sample.calibrate(&self.config.model, &options.execution(), self.weights, self.progress, self.cancel)?;
            let Some(calibration) = made else { return Ok(None) };
            let stored = StoredCalibration { sample: sample::RULE.into(), calibration };
            let path = self.run.file(RunDirectory::CALIBRATION);
            if path.is_dir() {
                let rule = "a folder is in its place; remove it".into();
                return Err(RunError::Calibration { path, rule });
            }
            self.run.write_json(RunDirectory::CALIBRATION, &stored)?;
        }
        // Read back even if just written, so that every session uses the same numbers.
        let calibration = match options.precision {
            Precision::Int8 => Some(calibration(self.run)?),
            Precision::F32 | Precision::Tf32 | Precision::Bf16x3 | Precision::F16 | Precision::Bf16 => None,
        };
        let Some(mut network) = self.admitted(calibration.as_ref(), begun)? else { return Ok(None) };
        if let (false, Some(mut sample)) = (agreed, read) {
            let Some(found) = self.agreement(&mut sample, network.embedder.as_mut())? else { return Ok(None) };
            self.run.write_json(RunDirectory::AGREEMENT, &found)?;
        }
        Ok(Some(network))
    }

    /// The network with these ranges, checked against the arithmetic that started the run.
    fn admitted(
        &self,
        calibration: Option<&Calibration>,
        begun: Option<&RunArithmetic>,
    ) -> Result<Option<OpenNetwork>, RunError> {
        let Some(network) = self.network(calibration)? else { return Ok(None) };
        match begun {
            Some(begun) if begun.fingerprint != network.arithmetic.fingerprint => Err(RunError::OtherArithmetic {
                run: self.run.name(),
                path: self.run.path().to_owned(),
                begun: Box::new(begun.clone()),
                here: Box::new(network.arithmetic),
            }),
            _ => Ok(Some(network)),
        }
    }

    /// The network with these ranges, unchecked. `None` if cancelled.
    fn network(&self, calibration: Option<&Calibration>) -> Result<Option<OpenNetwork>, RunError> {
        if let Some((known, network)) = self.opened.take()
            && known.as_ref() == calibration
        {
            return Ok(Some(network));
        }
        let mut embedder = self.embedder(&self.config.embed.execution(), calibration)?;
        let found = arithmetic::fingerprint(self.config, embedder.as_mut(), self.cancel)?;
        let network = |found| OpenNetwork { arithmetic: RunArithmetic::here(found, embedder.as_ref()), embedder };
        Ok(found.map(network))
    }

    /// This machine's arithmetic with the ranges of another run, if it has any. `None` if cancelled.
    pub fn arithmetic_with_ranges_of(&self, run: &RunDirectory) -> Result<Option<RunArithmetic>, RunError> {
        let calibration = match self.config.embed.precision {
            Precision::Int8 => Some(calibration(run)?),
            Precision::F32 | Precision::Tf32 | Precision::Bf16x3 | Precision::F16 | Precision::Bf16 => None,
        };
        let network = self.network(calibration.as_ref())?;
        let found = network.as_ref().map(|network| network.arithmetic.clone());
        // The adopting run continues with this network.
        self.opened.replace(network.map(|network| (calibration, network)));
        Ok(found)
    }

    fn embedder(&self, options: &Execution, calibration: Option<&Calibration>) -> Result<Box<dyn Embedder>, RunError> {
        let options = Execution { device: self.device.into(), ..*options };
        let side = self.config.preprocess.resize.size as usize;
        let say = |line: &str| self.progress.say(line);
        Ok(model::open(&self.config.model, side, &options, self.weights, calibration, &say)?)
    }

    fn agreement(
        &self,
        sample: &mut EmbedSample<'_>,
        lower: &mut dyn Embedder,
    ) -> Result<Option<PrecisionAgreement>, RunError> {
        let Self { config, progress, cancel, .. } = *self;
        let options = Execution { precision: Precision::F32, ..config.embed.execution() };
        let mut reference = self.embedder(&options, None)?;
        let dimension = embed::output_dimension(lower.dimension(), config.preprocess.mirror);
        let Some(in_f32) = sample.embed(reference.as_mut(), progress, cancel)? else { return Ok(None) };
        let Some(in_lower) = sample.embed(lower, progress, cancel)? else { return Ok(None) };
        let (rows, [in_f32, in_lower]) = in_f32.shared(&in_lower, dimension);
        let faces: Vec<_> = rows.iter().map(|&row| Labelled::from(&self.job.faces()[row])).collect();
        let found = agreement::compare(
            lower.info(),
            sample::RULE,
            &faces,
            [&in_f32, &in_lower],
            &config.similarity,
            config.seed,
            cancel,
        );
        match found {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) => Err(RunError::NoSample { rule: sample::RULE, precision: config.embed.precision.name() }),
            Err(EvaluateError::Interrupted) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The ranges of an int8 run. Fails with [`RunError::Calibration`] when they cannot be used, [`RunError::File`],
/// [`RunError::Json`].
pub(super) fn calibration(run: &RunDirectory) -> Result<Calibration, RunError> {
    let StoredCalibration { calibration, .. } = run.json(RunDirectory::CALIBRATION)?;
    check(&run.file(RunDirectory::CALIBRATION), &calibration)?;
    Ok(calibration)
}

fn check(path: &Path, Calibration { faces, ranges, spans }: &Calibration) -> Result<(), RunError> {
    let rule = if *faces == 0 {
        "`faces` is 0".into()
    } else if ranges.is_empty() && spans.is_empty() {
        "`ranges` and `spans` are empty".into()
    } else if let Some((value, [least, most])) = spans
        .iter()
        .find(|(_, [least, most])| !(least.is_finite() && most.is_finite() && *least <= 0.0 && *most >= 0.0))
    {
        format!("the span of `{value}` is {least} to {most}, expected finite numbers on both sides of 0")
    } else if let Some((layer, range)) = ranges.iter().find(|(_, range)| !range.is_finite() || **range < 0.0) {
        format!("the range of `{layer}` is {range}, expected a finite number of at least 0")
    } else {
        return Ok(());
    };
    Err(RunError::Calibration { path: path.to_owned(), rule })
}

/// What opening a network measures, if the run has it.
const MEASURED: [&str; 2] = [RunDirectory::CALIBRATION, RunDirectory::AGREEMENT];

/// Digests of what opening the run's network has measured.
pub fn measured(run: &RunDirectory) -> Result<BTreeMap<String, Digest>, RunError> {
    let there = MEASURED.into_iter().filter(|name| run.has(name));
    there.map(|name| Ok((name.to_owned(), Digest::of(&files::read(&run.file(name))?)))).collect()
}

/// Refuses a run with chunks whose measurements are not those that were recorded before the first. Fails with
/// [`RunError::Calibration`] and [`RunError::Agreement`].
pub fn refuse_changed(run: &RunDirectory, provenance: &Provenance) -> Result<(), RunError> {
    let found = measured(run)?;
    for (name, recorded) in &provenance.measured {
        let path = run.file(name);
        let rule = match found.get(name) {
            Some(digest) if digest == recorded => continue,
            Some(_) => "it has changed since it was measured",
            // The agreement is measured again.
            None if name == RunDirectory::AGREEMENT => continue,
            None => "missing, but existing chunks depend on it",
        };
        return Err(if name == RunDirectory::AGREEMENT {
            RunError::Agreement { path, rule, argument: run.argument() }
        } else {
            RunError::Calibration { path, rule: rule.into() }
        });
    }
    Ok(())
}

/// Whether a run has all that opening its network measures.
pub fn is_complete(run: &RunDirectory, precision: Precision) -> bool {
    match precision {
        Precision::F32 => true,
        Precision::Int8 => run.has(RunDirectory::CALIBRATION) && run.has(RunDirectory::AGREEMENT),
        Precision::Tf32 | Precision::Bf16x3 | Precision::F16 | Precision::Bf16 => run.has(RunDirectory::AGREEMENT),
    }
}

/// Agreement of a run's embeddings with f32; `None` for a run in f32.
pub fn agreement(run: &RunDirectory) -> Result<Option<PrecisionAgreement>, RunError> {
    if run.has(RunDirectory::AGREEMENT) { run.json(RunDirectory::AGREEMENT).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (runs): `calibration.json` has ranges that are no numbers, negative or missing → refused with the layer
    #[test]
    fn ranges_that_cannot_be_used_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(folder.path().into());
        let read = |text: &str| {
            std::fs::write(run.file(RunDirectory::CALIBRATION), text).unwrap();
            calibration(&run).map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), "RUN"))
        };
        let good = read(r#"{"sample": "some", "faces": 3, "ranges": {"conv2d_1a": 1.5}}"#).unwrap();
        assert_eq!((good.faces, good.ranges["conv2d_1a"]), (3, 1.5));
        let refused: Vec<_> = [
            r#"{"sample": "some", "faces": 0, "ranges": {"conv2d_1a": 1.5}}"#,
            r#"{"sample": "some", "faces": 3, "ranges": {}}"#,
            r#"{"sample": "some", "faces": 3, "ranges": {"conv2d_1a": 1e39}}"#,
            r#"{"sample": "some", "faces": 3, "ranges": {"conv2d_1a": -1}}"#,
            r#"{"sample": "some", "faces": 3}"#,
        ]
        .into_iter()
        .map(|text| read(text).unwrap_err())
        .collect();
        insta::assert_snapshot!(refused.join("\n"), @r"
        RUN/calibration.json: `faces` is 0; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start over
        RUN/calibration.json: `ranges` and `spans` are empty; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start over
        RUN/calibration.json: the range of `conv2d_1a` is inf, expected a finite number of at least 0; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start over
        RUN/calibration.json: the range of `conv2d_1a` is -1, expected a finite number of at least 0; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start over
        RUN/calibration.json is not in the format of this facevault version: missing field `ranges` at line 1 column 30
        ");
    }
}
