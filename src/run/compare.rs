//! Loads what a comparison needs, one matrix at a time, and leaves out the runs that cannot be compared.

use std::cell::Cell;
use std::path::PathBuf;

use super::inspect::{self, EmbeddedFaces};
use super::{RunContext, RunDirectory, RunError, refuse_not_embedded, stored_config, summary, template_scores};
use crate::compare::{
    self, CompareError, HeadlineMetric, LeftOutRun, Matrix, Paired, PairedProtocol, PairedSearch, Pairing,
    RunComparison, RunSummary, Setting, SharedFaces, TemplateRates, Timing, speeds,
};
use crate::config::ExperimentConfig;
use crate::embed::{self, MatrixReader};
use crate::evaluate::{EvaluateError, Labelled};
use crate::files::FileError;
use crate::provenance::Provenance;
use crate::text;
use crate::text::counted;

/// An evaluated run.
struct Candidate {
    run: RunDirectory,
    summary: RunSummary,
    timing: Timing,
    /// Canonical.
    path: PathBuf,
}

/// Why a run of a comparison cannot be compared with those before it: its index, and the reason.
struct Unfit(usize, String);

impl RunContext<'_> {
    /// Compares runs: what differs, then their metrics on the faces they share, ranked by `by`. The first run is the
    /// reference, and its similarity options and seed choose the pairs; `same_pictures` leaves out faces from another
    /// picture or box. A run that cannot be compared is left out with its reason. Fails with [`RunError::Compare`] for one
    /// directory twice and where fewer than two runs are left, and with [`RunError::Interrupted`].
    pub fn compare(
        &self,
        runs: &[RunDirectory],
        by: HeadlineMetric,
        same_pictures: bool,
    ) -> Result<RunComparison, RunError> {
        let (mut candidates, mut left_out) = (Vec::new(), Vec::new());
        for (run, (label, path)) in runs.iter().zip(labelled(runs)?) {
            match candidate(run, &label, path) {
                Ok(candidate) => candidates.push(candidate),
                Err(error) => left_out.push(LeftOutRun { run: label, reason: text::reason(&error) }),
            }
        }
        let paired = loop {
            if candidates.len() < 2 {
                return Err(CompareError::TooFewLeft { left_out }.into());
            }
            match self.pair(&candidates, by, same_pictures)? {
                Ok(paired) => break paired,
                Err(Unfit(place, reason)) => {
                    left_out.push(LeftOutRun { run: candidates.remove(place).summary.run_id, reason });
                }
            }
        };
        let timings: Vec<_> = candidates.iter().map(|candidate| candidate.timing.clone()).collect();
        let directories = candidates.iter().map(|candidate| candidate.path.clone()).collect();
        let compared = compare::compare(candidates.into_iter().map(|candidate| candidate.summary).collect())?;
        let compared = RunComparison { left_out, directories, ..compared.with_paired(paired, speeds(&timings)) };
        for line in compared.left_out_lines() {
            self.progress.warn(&line);
        }
        Ok(compared)
    }

    /// Measures the candidates on the faces they share, unless one of them cannot be.
    fn pair(
        &self,
        candidates: &[Candidate],
        by: HeadlineMetric,
        same_pictures: bool,
    ) -> Result<Result<Paired, Unfit>, RunError> {
        let first = match First::open(&candidates[0].run) {
            Ok(first) => first,
            Err(error) => return Ok(Err(Unfit(0, text::reason(&error)))),
        };
        let labelled = first.labelled();
        let mut common = SharedFaces::first(labelled.len()).same_pictures(same_pictures);
        for (place, candidate) in candidates.iter().enumerate().skip(1) {
            let added = add(&mut common, &labelled, &candidate.run).map_err(|error| text::reason(&error));
            if let Err(reason) = added.and_then(|()| first.on(&common, |_| ())) {
                return Ok(Err(Unfit(place, reason)));
            }
        }
        let names: Vec<_> = candidates.iter().map(|candidate| candidate.summary.run_id.as_str()).collect();
        let summaries: Vec<_> = candidates.iter().map(|candidate| &candidate.summary).collect();
        let damaged = Cell::new(None);
        let load = |place: usize| {
            let loaded = self.load(&candidates[place].run, names[place], place, &common);
            loaded.inspect_err(|_| damaged.set(Some(place)))
        };
        let measured = first.on(&common, |pairing| pairing.measure(&summaries, by, load, self.progress, self.cancel));
        match (measured, damaged.get()) {
            (Err(reason), _) => Ok(Err(Unfit(candidates.len() - 1, reason))),
            (Ok(Err(error)), Some(place)) => Ok(Err(Unfit(place, text::reason(&error)))),
            (Ok(measured), _) => {
                let mut paired = measured?.ok_or_else(interrupted)?;
                let ids =
                    candidates.iter().map(|candidate| inspect::index(&candidate.run)).collect::<Result<Vec<_>, _>>()?;
                paired.protocols = PairedProtocol::all(&summaries, &ids);
                let evaluations: Vec<_> = summaries.iter().map(|summary| &summary.evaluation).collect();
                let scores = candidates.iter().zip(&evaluations);
                let scores = scores.map(|(candidate, found)| template_scores::read(&candidate.run, &found.metrics));
                let scores = scores.collect::<Result<Vec<_>, _>>()?;
                paired.searches = PairedSearch::all(&evaluations, &ids);
                paired.templates = TemplateRates::all(&evaluations, &scores);
                Ok(Ok(paired))
            }
        }
    }

    /// Finds the pairs of faces that all runs share and calls `act` with a loader of each run's rows. `Ok(Err)` is the
    /// reason why there are none; `act` returns `None` if cancelled.
    pub(super) fn on_shared_pairs<T>(
        &self,
        runs: &[RunDirectory],
        names: &[String],
        act: impl FnOnce(&Pairing<'_>, &dyn Fn(usize) -> Result<Matrix, RunError>) -> Result<Option<T>, RunError>,
    ) -> Result<Result<T, String>, RunError> {
        let first = First::open(&runs[0])?;
        let labelled = first.labelled();
        let mut common = SharedFaces::first(labelled.len());
        runs[1..].iter().try_for_each(|run| add(&mut common, &labelled, run))?;
        let load = |place: usize| self.load(&runs[place], &names[place], place, &common);
        match first.on(&common, |pairing| act(pairing, &load)) {
            Ok(found) => found?.map(Ok).ok_or_else(interrupted),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// The shared faces' rows of one run.
    fn load(&self, run: &RunDirectory, name: &str, place: usize, common: &SharedFaces) -> Result<Matrix, RunError> {
        self.progress.say(&format!("[{}] {name}: {}", place + 1, counted(common.len(), "face")));
        matrix(run, &common.rows[place], common.embedded[place] as usize)
    }
}

/// The run whose faces, options and seed choose the pairs.
struct First {
    config: ExperimentConfig,
    faces: EmbeddedFaces,
    row_of: Vec<Option<u32>>,
}

impl First {
    fn open(run: &RunDirectory) -> Result<Self, RunError> {
        let (config, faces) = (stored_config(run)?, embedded(run)?);
        let row_of = faces.row_of();
        Ok(Self { config, faces, row_of })
    }

    fn labelled(&self) -> Vec<Labelled<'_>> {
        self.faces.iter().map(Labelled::from).collect()
    }

    /// Calls `act` with the pairs among the shared faces. Fails with the reason why there are none.
    fn on<T>(&self, common: &SharedFaces, act: impl FnOnce(&Pairing<'_>) -> T) -> Result<T, String> {
        let (labelled, identities) = (self.labelled(), self.faces.identities());
        let benchmarks = self.faces.benchmarks(&self.config, &self.row_of, &identities, &[], &[]);
        let (options, seed) = (&self.config.similarity, self.config.seed);
        let by_list = benchmarks.list_in_place_of_names(&labelled);
        let pairing = match &by_list {
            Some(list) => Pairing::of_list(&list.label(&labelled), &list.pairs, common, options, seed),
            None => Pairing::new(&labelled, common, options, seed),
        };
        Ok(act(&pairing?))
    }
}

/// Keeps the faces that another run has as well. One other manifest is held at a time: a large run's is as large as its
/// matrix.
fn add(common: &mut SharedFaces, first: &[Labelled<'_>], run: &RunDirectory) -> Result<(), RunError> {
    let faces = embedded(run)?;
    common.intersect(first, &faces.iter().map(Labelled::from).collect::<Vec<_>>());
    Ok(())
}

/// A label and the canonical path of each run. Fails with [`CompareError::Twice`] for one directory twice.
fn labelled(runs: &[RunDirectory]) -> Result<Vec<(String, PathBuf)>, RunError> {
    let canonical = |run: &RunDirectory| {
        let path = run.path();
        path.canonicalize().map_err(FileError::new("find", path))
    };
    let paths = runs.iter().map(canonical).collect::<Result<Vec<_>, _>>()?;
    if let Some(twice) = (1..paths.len()).find(|&place| paths[..place].contains(&paths[place])) {
        return Err(CompareError::Twice { run_id: runs[twice].name() }.into());
    }
    Ok(compare::labels(&paths).into_iter().zip(paths).collect())
}

/// What a comparison needs of a run before its faces. Fails where it is not evaluated or damaged.
fn candidate(run: &RunDirectory, label: &str, path: PathBuf) -> Result<Candidate, RunError> {
    let summary = RunSummary { run_id: label.into(), ..summary(run)? };
    Ok(Candidate { run: run.clone(), summary, timing: timing(run)?, path })
}

fn interrupted() -> RunError {
    RunError::Interrupted { resume: "comparisons keep no partial results; run it again".into() }
}

/// The embedded faces of a run, checked against its index.
fn embedded(run: &RunDirectory) -> Result<EmbeddedFaces, RunError> {
    refuse_not_embedded(run)?;
    let faces = EmbeddedFaces::open(run)?;
    let rows = MatrixReader::open(&run.matrix())?.rows();
    faces.check_rows(run, rows)?;
    Ok(faces)
}

/// Some rows of a run's matrix of `faces` rows, in the order given, without loading the whole matrix.
fn matrix(run: &RunDirectory, rows: &[u32], faces: usize) -> Result<Matrix, RunError> {
    let mut reader = MatrixReader::open(&run.matrix())?;
    let dimension = reader.dimension();
    let mut place = vec![None; faces];
    rows.iter().enumerate().for_each(|(to, &from)| place[from as usize] = Some(to));
    let mut data = vec![0.0; rows.len() * dimension];
    let mut row = vec![0.0; dimension];
    for (number, place) in place.into_iter().enumerate() {
        reader.read(&mut row)?;
        if row.iter().any(|value| !value.is_finite()) {
            let rule = format!("row {number} of {} holds a value that is not finite", run.name());
            return Err(EvaluateError::Matrix { rule }.into());
        }
        if let Some(to) = place {
            data[to * dimension..(to + 1) * dimension].copy_from_slice(&row);
        }
    }
    Ok(Matrix { data, dimension })
}

/// How fast a run was embedded, and on what.
pub(super) fn timing(run: &RunDirectory) -> Result<Timing, RunError> {
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    let records = embed::read_records(run.path())?;
    let chunks = records.iter().map(|record| (record.computed() as u64, record.timings.wall_us as f64 / 1e6)).collect();
    let settings = provenance.embedding_sessions().map(|session| {
        let machine = &session.machine;
        // CPU device names include kernels and threads, which are the run's own choice or compared separately.
        let device = if session.device.starts_with("CPU") { "CPU" } else { &session.device };
        Setting {
            machine: format!("{} ({}, {})", machine.cpu, counted(machine.cores, "core"), machine.instruction_sets),
            device: device.into(),
            threads: session.threads,
            profile: provenance.build.profile.clone(),
        }
    });
    Ok(Timing { chunks, settings: settings.collect() })
}
