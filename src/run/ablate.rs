//! Runs an ablation. Every combination is an ordinary run, so existing runs are reused and shared work is done once.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Evaluated, RunContext, RunDirectory, RunError, SourceCache, command, inspect, template_scores};
use crate::ablation::{
    self, AblationResult, Accuracies, ComputedVariant, EmbeddingOrigin, Metric, Replicates, RunValues, Shared,
};
use crate::compare::{HeadlineMetric, MetricDirection, PairedPairs, searched_rate, speeds, template_rate};
use crate::config::{self, Loaded};
use crate::dataset::DatasetError;
use crate::embed::{EmbedError, EmbedOutcome};
use crate::evaluate::Evaluation;
use crate::hub::HubError;
use crate::metrics::{self, Metrics};
use crate::numbers::Quantity;
use crate::plan::{self, RunPlan};
use crate::provenance::{ConfigOrigin, Provenance};
use crate::text::counted;
use crate::weights::WeightsError;
use crate::{files, results, text};

impl RunContext<'_> {
    /// Computes every combination of a config's ablation and compares them. Combinations that are unavailable here
    /// (device, precision, weights) are reported with the reason; the rest still run. Fails with [`RunError::Config`]
    /// for a step that sets an unknown key, before anything is computed; [`RunError::Interrupted`] and errors that
    /// would affect every combination. Finished work is kept.
    pub fn ablate(
        &self,
        config_path: &Path,
        loaded: &Loaded,
        asked: &config::Ablation,
    ) -> Result<AblationResult, RunError> {
        let combinations = ablation::variants(asked.design, asked.steps.len());
        let configs = combinations.iter().map(|steps| loaded.with_steps(config_path, steps));
        let configs = configs.collect::<Result<Vec<_>, _>>()?;
        let mut sources = SourceCache::default();
        let mut computed: Vec<ComputedVariant> = Vec::new();
        for (number, config) in configs.into_iter().enumerate() {
            let name = ablation::name(asked, &combinations[number]);
            self.progress.say(&format!("[{}/{}] {name}", number + 1, combinations.len()));
            let variant = self.variant(&mut sources, config_path, config, &computed)?;
            if let Some(reason) = &variant.err {
                self.progress.say(&format!("{name} not measured: {reason}"));
            }
            computed.push(variant);
        }
        drop(sources);

        // Steps that change nothing share a run, which is evaluated once.
        let mut runs: Vec<RunDirectory> = Vec::new();
        let mut asked_of = BTreeMap::new();
        let place: Vec<Option<usize>> = computed
            .iter()
            .map(|variant| {
                let name = variant.run.clone().filter(|_| variant.err.is_none())?;
                Some(*asked_of.entry(name.clone()).or_insert_with(|| {
                    runs.push(RunDirectory::new(self.experiments.join(name)));
                    runs.len() - 1
                }))
            })
            .collect();
        let (metric, numbers, shared) = self.numbers(asked, &runs)?;
        let mut result = AblationResult::assemble(asked, metric, computed, numbers.as_deref(), &place);
        result.config.clone_from(&loaded.config.name);
        result.description.clone_from(&loaded.config.description);
        result.shared = shared;
        result.command = command(&ConfigOrigin {
            path: super::absolute(config_path),
            overrides: loaded.kept_overrides(),
            working_directory: std::env::current_dir().unwrap_or_default(),
        })
        .replacen("experiment", "ablate", 1);
        Ok(result)
    }

    /// Computes one combination, or reuses it from those before.
    fn variant(
        &self,
        sources: &mut SourceCache,
        config_path: &Path,
        loaded: Loaded,
        before: &[ComputedVariant],
    ) -> Result<ComputedVariant, RunError> {
        let failed = |error: RunError| {
            if affects_only_this_variant(&error) {
                Ok(ComputedVariant { err: Some(text::reason(&error)), ..ComputedVariant::default() })
            } else {
                Err(error)
            }
        };
        let prepared = match self.prepare_from(sources, config_path, loaded) {
            Ok(prepared) => prepared,
            Err(error) => return failed(error),
        };
        let (run, plan) = (prepared.directory.clone(), flat(&prepared.plan));
        if let Some(known) = before.iter().find(|known| known.run.as_ref() == Some(&run.name())) {
            return Ok(known.clone());
        }
        let resume = || "run the ablation again to continue from here".into();
        let reason = match self.embed(prepared) {
            Ok(EmbedOutcome::Interrupted(_)) => return Err(RunError::Interrupted { resume: resume() }),
            Ok(EmbedOutcome::Complete(_)) => match self.evaluate(&run, false)? {
                Evaluated::Metrics(_) => None,
                Evaluated::NotEvaluable { reason, .. } => Some(reason),
            },
            Err(error) => failed(error)?.err,
        };
        let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
        let timing = super::compare::timing(&run).ok();
        let Provenance { build, weights, dataset, .. } = &provenance;
        let device = provenance.embedding_sessions().last().map_or_else(String::new, |session| {
            format!("{}, {}, {}", session.machine.cpu, session.device, counted(session.threads, "thread"))
        });
        Ok(ComputedVariant {
            run: Some(run.name()),
            err: reason,
            plan,
            speed: timing.and_then(|timing| speeds(&[timing]).pop().flatten()),
            adopted_from: provenance.adopted_from.as_ref().map(|adopted| adopted.run.clone()),
            origin: Some(EmbeddingOrigin {
                program: format!("facevault {} {}", build.version, build.revision),
                device,
                weights: weights.sha256,
                weights_bytes: weights.origin.bytes,
                manifest: dataset.manifest,
            }),
        })
    }

    /// The metric of every run, on the faces and pairs they share.
    fn numbers(&self, asked: &config::Ablation, runs: &[RunDirectory]) -> Result<AblationValues, RunError> {
        if let Some(protocol) = asked.metric.strip_suffix(".accuracy") {
            return accuracies(protocol, asked, runs);
        }
        if asked.metric.contains('.') && !metrics::HEADLINES.contains(&&*asked.metric) {
            return decided(asked, runs);
        }
        let headline = HeadlineMetric::parse(&asked.metric, &[])?;
        let metric = Metric {
            key: headline.key(),
            name: headline.name(),
            better: headline.better(),
            quantity: headline.quantity(),
        };
        if runs.is_empty() {
            return Ok((metric, None, None));
        }
        let names: Vec<_> = runs.iter().map(RunDirectory::name).collect();
        let found = self.on_shared_pairs(runs, &names, |pairing, load| {
            let Some(measured) = pairing.measure_each(load, self.progress, self.cancel)? else { return Ok(None) };
            let common = pairing.common();
            let shared = Shared {
                faces: common.len() as u64,
                identities: pairing.identities(),
                left_out: common.left_out.all(),
                pairs: pairing.asked(&measured[0]),
            };
            Ok(Some((Replicates::of(headline, &measured), shared)))
        })?;
        match found {
            Ok((numbers, shared)) => Ok((metric, Some(Box::new(numbers)), Some(shared))),
            Err(reason) => {
                self.progress.say(&format!("cannot compare the variants: {reason}"));
                Ok((metric, None, None))
            }
        }
    }
}

/// The accuracies of a protocol in runs tested on the same list.
fn accuracies(protocol: &str, asked: &config::Ablation, runs: &[RunDirectory]) -> Result<AblationValues, RunError> {
    let metric = Metric {
        key: asked.metric.clone(),
        name: format!("accuracy of {protocol}"),
        better: MetricDirection::Higher,
        quantity: Quantity::Rate,
    };
    let mut found = Vec::new();
    let mut shared = None;
    // Pairs are identified by their index, so the list and the faces must be the same in all runs.
    let mut first = None;
    for run in runs {
        let Evaluation { metrics, tested, .. } = results::read(run.path())?;
        let lists = (files::read(&run.file(RunDirectory::PAIR_LISTS))?, metrics.faces.manifest);
        if *first.get_or_insert_with(|| lists.clone()) != lists {
            return Err(RunError::OtherPairs { run: run.name(), protocol: protocol.into() });
        }
        let result = metrics.protocols.into_iter().find(|result| result.protocol.name == protocol);
        let tested = tested.into_iter().find(|tested| tested.protocol == protocol);
        let (Some(result), Some(tested)) = (result, tested) else {
            return Err(RunError::NoProtocol { run: run.name(), protocol: protocol.into() });
        };
        shared.get_or_insert(Shared {
            faces: metrics.faces.embedded,
            identities: metrics.faces.identities,
            left_out: 0,
            pairs: PairedPairs { mode: "listed", genuine: result.pairs.genuine, impostor: result.pairs.impostor },
        });
        found.push((result.accuracy, tested.pairs));
    }
    Ok((metric, Some(Box::new(Accuracies { runs: found })), shared))
}

/// A rate of an identification or template protocol in runs of the same gallery or templates.
fn decided(asked: &config::Ablation, runs: &[RunDirectory]) -> Result<AblationValues, RunError> {
    let (protocol, quantity) = asked.metric.split_once('.').unwrap_or((&asked.metric, ""));
    let metric = Metric {
        key: asked.metric.clone(),
        name: format!("{} of {protocol}", in_words(quantity)),
        better: metrics::better(&asked.metric),
        quantity: Quantity::Rate,
    };
    if runs.is_empty() {
        return Ok((metric, None, None));
    }
    let evaluations = runs.iter().map(|run| results::read(run.path())).collect::<Result<Vec<_>, _>>()?;
    for (run, evaluation) in runs.iter().zip(&evaluations) {
        let Metrics { identification, templates, .. } = &evaluation.metrics;
        let named = identification.iter().map(|found| &found.protocol.name);
        if !named.chain(templates.iter().map(|found| &found.protocol.name)).any(|name| name == protocol) {
            return Err(RunError::NoProtocol { run: run.name(), protocol: protocol.into() });
        }
    }
    let all: Vec<_> = evaluations.iter().collect();
    let Metrics { faces, identification, templates, .. } = &evaluations[0].metrics;
    let (rate, pairs) = if let Some(found) = identification.iter().find(|found| found.protocol.name == protocol) {
        let ids = runs.iter().map(inspect::index).collect::<Result<Vec<_>, _>>()?;
        let counts = found.rates.counts;
        let searches = PairedPairs { mode: "searches", genuine: counts.mated, impostor: counts.non_mated };
        (searched_rate(protocol, quantity, &all, &ids), searches)
    } else {
        let scores = runs.iter().zip(&evaluations).map(|(run, found)| template_scores::read(run, &found.metrics));
        let scores = scores.collect::<Result<Vec<_>, _>>()?;
        let counts = templates.iter().find(|found| found.protocol.name == protocol).map(|found| found.counts);
        let (genuine, impostor) = counts.map_or((0, 0), |counts| (counts.genuine, counts.impostor));
        (template_rate(protocol, quantity, &all, &scores), PairedPairs { mode: "templates", genuine, impostor })
    };
    let Some(rate) = rate else {
        return Err(RunError::OtherTrials { metric: asked.metric.clone() });
    };
    let shared = Shared { faces: faces.embedded, identities: faces.identities, left_out: 0, pairs };
    Ok((metric, Some(Box::new(rate)), Some(shared)))
}

/// The last part of a metric's path: `rank1`, `tpir@fpir=1e-2`, `tar@fmr=1e-4`.
fn in_words(quantity: &str) -> String {
    match quantity.split_once('@').and_then(|(rate, at)| Some((rate, at.split_once('=')?))) {
        Some((rate, (of, value))) => format!("{} at {} {value}", rate.to_uppercase(), of.to_uppercase()),
        None => quantity.replacen("rank", "rank ", 1),
    }
}

/// The metric, the runs' values, and the faces and pairs behind them.
type AblationValues = (Metric, Option<Box<dyn RunValues>>, Option<Shared>);

fn flat(plan: &RunPlan) -> Vec<(String, String)> {
    plan::flatten(&serde_json::from_str(&plan.canonical_json()).unwrap_or_default())
}

/// Whether an error affects only one combination.
fn affects_only_this_variant(error: &RunError) -> bool {
    // An unwritable file, a full disk or a held lock would also stop the next combination.
    let hub =
        |error: &HubError| !matches!(error, HubError::Interrupted | HubError::DiskFull { .. } | HubError::File(_));
    match error {
        RunError::Model(_) | RunError::NoSample { .. } | RunError::Calibration { .. } => true,
        RunError::Weights(WeightsError::Hub(error)) | RunError::Dataset(DatasetError::Hub(error)) => hub(error),
        RunError::Weights(error) => !matches!(error, WeightsError::File(_)),
        RunError::Dataset(error) => !matches!(error, DatasetError::File(_) | DatasetError::Interrupted),
        RunError::Embed(error) => {
            matches!(error, EmbedError::Model(_) | EmbedError::Face { .. } | EmbedError::TooManyFailures { .. })
        }
        _ => false,
    }
}
