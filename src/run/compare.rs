//! Loads what a comparison needs, one matrix at a time.

use super::inspect::EmbeddedFaces;
use super::{RunContext, RunDirectory, RunError, not_yet, stored_config, summary};
use crate::compare::{self, HeadlineMetric, Matrix, Pairing, RunComparison, Setting, SharedFaces, Timing, speeds};
use crate::embed::{self, MatrixReader};
use crate::evaluate::{EvaluateError, Labelled};
use crate::provenance::Provenance;

impl RunContext<'_> {
    /// Compares runs: what differs, then their metrics on the faces they share, ranked by `by`. The first run is the
    /// reference, and its similarity options and seed choose the pairs. Fails with [`RunError::Compare`] for fewer than
    /// two runs or one twice, [`RunError::NotYet`] for one that is not evaluated, [`RunError::Interrupted`], and those
    /// of reading a damaged run.
    pub fn compare(&self, runs: &[RunDirectory], by: HeadlineMetric) -> Result<RunComparison, RunError> {
        let summaries = runs.iter().map(summary).collect::<Result<Vec<_>, _>>()?;
        let mut comparison = compare::compare(summaries)?;
        let timings = runs.iter().map(timing).collect::<Result<Vec<_>, _>>()?;
        comparison.speed = speeds(&timings);
        self.pair(runs, by, &mut comparison)?;
        Ok(comparison)
    }

    fn pair(&self, runs: &[RunDirectory], by: HeadlineMetric, comparison: &mut RunComparison) -> Result<(), RunError> {
        let names: Vec<_> = comparison.summaries.iter().map(|run| run.run_id.clone()).collect();
        let found = self.on_shared_pairs(runs, &names, |pairing, load| {
            pairing.measure(&comparison.summaries, by, load, self.progress, self.cancel)
        })?;
        match found {
            Ok(paired) => comparison.paired = Some(paired),
            Err(reason) => comparison.not_paired = Some(reason),
        }
        Ok(())
    }

    /// Finds the pairs of faces that all runs share and calls `act` with a loader of each run's rows. `Ok(Err)` is the
    /// reason why there are none; `act` returns `None` if cancelled.
    pub(super) fn on_shared_pairs<T>(
        &self,
        runs: &[RunDirectory],
        names: &[String],
        act: impl FnOnce(&Pairing<'_>, &dyn Fn(usize) -> Result<Matrix, RunError>) -> Result<Option<T>, RunError>,
    ) -> Result<Result<T, String>, RunError> {
        let config = stored_config(&runs[0])?;
        let first = embedded(&runs[0])?;
        let labelled: Vec<_> = first.iter().map(Labelled::from).collect();
        let mut common = SharedFaces::first(labelled.len());
        for run in &runs[1..] {
            // One other manifest at a time: a large run's is as large as its matrix.
            let faces = embedded(run)?;
            common.intersect(&labelled, &faces.iter().map(Labelled::from).collect::<Vec<_>>());
        }
        let (row_of, identities) = (first.row_of(), first.identities());
        let benchmarks = first.benchmarks(&config, &row_of, &identities);
        let by_list = benchmarks.list_in_place_of_names(&labelled);
        let options = &config.similarity;
        let pairing = match &by_list {
            Some(list) => Pairing::of_list(&list.label(&labelled), &list.pairs, &common, options, config.seed),
            None => Pairing::new(&labelled, &common, options, config.seed),
        };
        let pairing = match pairing {
            Ok(pairing) => pairing,
            Err(reason) => return Ok(Err(reason)),
        };
        let load = |run: usize| {
            self.progress.say(&format!("[{}] {}: {} faces", run + 1, names[run], common.len()));
            matrix(&runs[run], &common.rows[run], common.embedded[run] as usize)
        };
        let resume = "comparisons keep no partial results; run it again".into();
        act(&pairing, &load)?.map(Ok).ok_or(RunError::Interrupted { resume })
    }
}

/// The embedded faces of a run, checked against its index.
fn embedded(run: &RunDirectory) -> Result<EmbeddedFaces, RunError> {
    if !run.has(RunDirectory::METADATA) {
        return Err(not_yet(run, "embedded", "embed"));
    }
    let faces = EmbeddedFaces::open(run)?;
    let rows = MatrixReader::open(&run.file(RunDirectory::EMBEDDINGS))?.rows();
    faces.check_rows(run, rows)?;
    Ok(faces)
}

/// Some rows of a run's matrix of `faces` rows, in the order given, without loading the whole matrix.
fn matrix(run: &RunDirectory, rows: &[u32], faces: usize) -> Result<Matrix, RunError> {
    let mut reader = MatrixReader::open(&run.file(RunDirectory::EMBEDDINGS))?;
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
    let chunks = records.iter().map(|record| (record.embedded as u64, record.timings.wall_us as f64 / 1e6)).collect();
    let settings = provenance.embedding_sessions().map(|session| {
        let machine = &session.machine;
        // CPU device names include kernels and threads, which are the run's own choice or compared separately.
        let device = if session.device.starts_with("CPU") { "CPU" } else { &session.device };
        Setting {
            machine: format!("{} ({} cores, {})", machine.cpu, machine.cores, machine.instruction_sets),
            device: device.into(),
            threads: session.threads,
            profile: provenance.build.profile.clone(),
        }
    });
    Ok(Timing { chunks, settings: settings.collect() })
}
