//! Renders results and writes the pages to the reports folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::ablation::AblationResult;
use crate::compare::{RunComparison, RunSummary};
use crate::config::ExperimentConfig;
use crate::dataset;
use crate::digest::Digest;
use crate::embed::{self, FaceReader};
use crate::error::Error;
use crate::evaluate::Evaluation;
use crate::model::Network;
use crate::people::Suspect;
use crate::plan;
use crate::provenance::{self, Provenance, Removal};
use crate::report::{self, ChunkTiming, FailureRow, IndexedRun, Report, RunsIndex};
use crate::run::{self, EmbeddedFaces, ListedRun, RunDirectory, RunError};
use crate::text::counted;
use crate::throughput::Throughput;
use crate::{files, published, results};

/// Longest page name: many file systems allow 255 bytes.
const LONGEST: usize = 200;

/// Renders the report of an evaluated run.
///
/// # Errors
/// [`RunError::NotYet`] before the evaluation.
pub(crate) fn experiment(reports: &Path, run: &RunDirectory) -> Result<PathBuf, Error> {
    let report = report_of(run, true)?;
    let html = report::render(&report)?;
    let folder = run.path().canonicalize().unwrap_or_else(|_| run.path().to_owned());
    write(reports, &named(reports, run.name(), &[folder]), &html)
}

/// The page of [`experiment`] as text; with `pictures` of faces only if they are asked for and its config does, too.
pub(crate) fn html(run: &RunDirectory, pictures: bool) -> Result<String, Error> {
    Ok(report::render(&report_of(run, pictures)?)?)
}

/// The drawings of its figures, title and SVG each. No face is in them.
pub(crate) fn drawings(run: &RunDirectory) -> Result<Vec<(String, String)>, Error> {
    Ok(report::drawings(&report_of(run, false)?)?)
}

/// What the report of an evaluated run shows; `pictures` of faces only if its config asks for them.
fn report_of(run: &RunDirectory, pictured: bool) -> Result<Report, Error> {
    let RunSummary { run_id, plan, provenance: readable, evaluation } = run::summary(run)?;
    let config = run::stored(run)?.1.config;
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    let records = embed::read_records(run.path()).map_err(RunError::from)?;
    let timeline = records
        .iter()
        // What was only taken from other runs took no time.
        .filter(|record| record.reused.is_empty() || record.computed() > 0)
        .map(|record| ChunkTiming {
            chunk: record.chunk as u32,
            faces: record.computed() as u64,
            seconds: record.timings.wall_us as f64 / 1e6,
            session: record.timings.session - 1,
        })
        .collect();
    let failures = records
        .into_iter()
        .flat_map(|record| record.failures)
        .map(|failure| FailureRow {
            row: failure.row as u64,
            face_id: failure.face_id,
            kind: failure.kind.name().into(),
            message: failure.message,
        })
        .collect();
    let (mut exemplars, mut shown) = (BTreeMap::new(), BTreeMap::new());
    if config.report.pictures && pictured {
        let faces = EmbeddedFaces::open(run)?;
        let identities =
            first_suspects(&evaluation).flat_map(|one| [one.labelled_as.as_str(), one.looks_like.as_str()]);
        exemplars = run::exemplars(run, &faces, &evaluation, &identities.collect())?;
        shown = pictures(&config, &faces, &evaluation, &exemplars);
    }
    Ok(Report {
        facts: facts(&run_id, &plan, &provenance, &evaluation),
        run_id,
        description: described(&config.description, &provenance.config.overrides),
        command: provenance.removals.is_empty().then(|| run::command(&provenance.config)),
        removals: provenance.removals.iter().map(removal).collect(),
        reused: provenance.reused.iter().map(|reused| (reused.run.clone(), reused.rows)).collect(),
        plan,
        provenance: readable,
        published: published::compare(&evaluation.metrics, &config.published, &provenance.config.overrides),
        evaluation,
        timeline: if provenance.removals.is_empty() { timeline } else { Vec::new() },
        failures,
        left_out: provenance.dataset.left_out.to_string(),
        agreement: run::agreement(run)?,
        pictures: shown,
        exemplars,
        unpinned: provenance.unpinned(),
        cautions: provenance.dataset.cautions,
    })
}

/// A removal as a sentence.
fn removal(removal: &Removal) -> String {
    let faces = match removal.faces {
        1 => "1 face was".into(),
        n => format!("{n} faces were"),
    };
    format!("{faces} removed from this run on {}.", provenance::utc(removal.at))
}

/// The config's description, and which of the parts it may speak of are no longer the config's.
fn described(description: &str, overrides: &[String]) -> String {
    let parts = published::overridden(overrides);
    match (description, parts.is_empty()) {
        ("", _) | (_, true) => description.into(),
        _ => format!("With another {} than the config, which says: {description}", parts.join(" and ")),
    }
}

/// What was run on what, in the words of the plan.
fn facts(
    run_id: &str,
    plan: &[(String, String)],
    provenance: &Provenance,
    evaluation: &Evaluation,
) -> Vec<(&'static str, String)> {
    let value = |key: &str| plan::value(plan, key);
    let faces = &evaluation.metrics.faces;
    let dataset = dataset::short_name(&provenance.dataset.source);
    let crop = match (value("preprocess.crop.mode"), value("preprocess.crop.margin"), value("preprocess.crop.unit")) {
        (Some("box"), Some(margin), Some(unit)) => format!("box + {margin} {}", unit.replace('-', " ")),
        (mode, ..) => mode.unwrap_or_default().to_owned(),
    };
    let detector = provenance.dataset.detection.as_ref().map(|detection| format!(", {}", detection.detector));
    let profile = value("preprocess.profile").map(|profile| format!(", profile {profile}"));
    let weights = &provenance.weights;
    let place = weights.origin.location.rsplit(['/', '\\']).next().unwrap_or_default();
    let session = provenance.embedding_sessions().last().or_else(|| provenance.sessions_behind().last());
    let date = session.map(|session| provenance::utc(session.ended.unwrap_or(session.started)));
    let device = session.map(|session| {
        let cpu = if session.device.starts_with("CPU") { format!(", {}", session.machine.cpu) } else { String::new() };
        session.device.clone() + &cpu
    });
    let mut facts = vec![
        ("Run", run_id.to_owned()),
        ("Dataset", {
            let (of, who) = (counted(faces.manifest, "face"), counted(faces.identities, "identity"));
            format!("{dataset}: {of} of {who}")
        }),
        ("Network", value("model.network").unwrap_or_default().to_owned()),
        ("Weights", format!("{place}, sha256 {}", weights.sha256.short(12))),
        ("Crop", crop + &detector.unwrap_or_default() + &profile.unwrap_or_default()),
        ("Precision", value("model.precision").unwrap_or_default().to_owned()),
    ];
    if value("model.network") == Some(Network::Given.facts().name) {
        // Nothing was cropped or computed.
        facts.retain(|(name, _)| !["Weights", "Crop", "Precision"].contains(name));
        facts.push(("Matrix", format!("{place}, sha256 {}", weights.sha256.short(12))));
        facts.extend(date.map(|date| ("Taken", date)));
    } else {
        facts.extend(device.map(|device| ("Device", device)));
        facts.extend(date.map(|date| ("Embedded", date)));
    }
    let removed: u64 = provenance.removals.iter().map(|removal| removal.faces).sum();
    let faces = counted(removed, "face");
    facts.extend(provenance.removals.last().map(|last| ("Removed", format!("{faces}, {}", provenance::utc(last.at)))));
    facts
}

/// Faces of the hardest pairs, of the first suspects and of `exemplars`, as PNGs, as the network saw them. Faces that can no
/// longer be read are missing.
fn pictures(
    config: &ExperimentConfig,
    faces: &EmbeddedFaces,
    evaluation: &Evaluation,
    exemplars: &BTreeMap<String, u32>,
) -> BTreeMap<u32, Vec<u8>> {
    let reader = FaceReader::new(&faces.manifest, &config.preprocess, &config.dataset);
    let pairs = evaluation.hardest.iter().flat_map(|pair| [pair.row_a, pair.row_b]);
    let suspects = first_suspects(evaluation).map(|suspect| suspect.row);
    let rows: BTreeSet<u32> = pairs.chain(suspects).chain(exemplars.values().copied()).collect();
    rows.into_iter().filter_map(|row| Some((row, reader.png(*faces.rows.get(row as usize)?)?))).collect()
}

fn first_suspects(evaluation: &Evaluation) -> impl Iterator<Item = &Suspect> {
    evaluation.people.audit.suspects.iter().take(report::SUSPECTS)
}

/// The page of a comparison: `compare-A-vs-B.html`; of runs whose names do not fit, the first one's name and a digest of
/// all.
pub(crate) fn comparison(reports: &Path, comparison: &RunComparison) -> Result<PathBuf, Error> {
    let names = comparison.directories.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy());
    let (first, names) = (names.clone().next().unwrap_or_default(), names.collect::<Vec<_>>().join("-vs-"));
    let name = if names.len() <= LONGEST {
        format!("compare-{names}")
    } else {
        let first: String = first.chars().take(LONGEST / 4).collect();
        let others = comparison.runs.len() - 1;
        format!("compare-{first}-vs-{others}-others-{}", Digest::of(names.as_bytes()).short(12))
    };
    write(reports, &named(reports, name, &comparison.directories), &report::render_comparison(comparison)?)
}

/// The name of a page about runs. Those in the folder of the reports or in `experiments` beside it have names of their own.
/// Others may share a name with them, as the runs of two releases do: a short digest of their paths keeps the pages apart.
fn named(reports: &Path, name: String, directories: &[PathBuf]) -> String {
    let reports = std::path::absolute(reports).unwrap_or_else(|_| reports.to_owned());
    let homes = [Some(reports.clone()), reports.parent().map(|parent| parent.join("experiments"))];
    let homes: Vec<PathBuf> = homes.into_iter().flatten().filter_map(|home| home.canonicalize().ok()).collect();
    if homes.iter().any(|home| directories.iter().all(|path| path.parent() == Some(home))) {
        return name;
    }
    let paths: Vec<_> = directories.iter().map(|path| path.to_string_lossy()).collect();
    format!("{name}-{}", Digest::of(paths.join("\n").as_bytes()).short(8))
}

/// The page of an ablation.
pub(crate) fn ablation(reports: &Path, ablated: &AblationResult) -> Result<PathBuf, Error> {
    write(reports, &ablated.page_name(), &report::render_ablation(ablated)?)
}

/// The page of a throughput measurement.
pub(crate) fn throughput(reports: &Path, measured: &Throughput) -> Result<PathBuf, Error> {
    // Measurements of one config stay side by side: no two are the same.
    let at: String = provenance::utc(measured.measured_at).chars().filter(char::is_ascii_digit).collect();
    let (day, time) = at.split_at(8);
    let name = format!("throughput-{}-{day}-{time}", measured.config);
    write(reports, &name, &report::render_throughput(measured)?)
}

/// The page of a list of runs, at `path` or as `index.html` in the folder of reports.
pub(crate) fn runs(
    experiments: &Path,
    reports: &Path,
    path: Option<&Path>,
    runs: &[ListedRun],
    order: &str,
) -> Result<PathBuf, Error> {
    let path = path.map_or_else(|| reports.join("index.html"), Path::to_owned);
    if !may_be_page(&path)? {
        let shown = path.display();
        return Err(Error::Usage(format!("{shown} is there and no page; name another file with --html=PATH")));
    }
    let home = path.parent().unwrap_or(Path::new(""));
    let indexed = |listed: &ListedRun| {
        let run = &listed.directory;
        let folder = run.path().canonicalize().unwrap_or_else(|_| run.path().to_owned());
        let report = reports.join(named(reports, run.name(), &[folder]) + ".html");
        // A drawing is left out where its table cannot be read: the run's own commands say why.
        let histograms = listed.facts.metrics.as_ref().and_then(|_| results::read_histograms(run.path()).ok());
        IndexedRun {
            row: listed.row.clone(),
            argument: run.argument(),
            report: report.is_file().then(|| address(home, &report)),
            directory: address(home, run.path()) + "/",
            auc: listed.facts.metrics.as_ref().map(|metrics| metrics.auc.clone()),
            speed: listed.speed(),
            thumbnail: histograms.and_then(|histograms| report::thumbnail(&histograms)),
        }
    };
    // One after another: polars reads tables on a pool of its own, and a thread that waits for it takes up the next run.
    let found: Vec<IndexedRun> = runs.iter().map(indexed).collect();
    let compared: Vec<_> = found.iter().filter(|run| !run.row.headline.is_empty()).take(2).collect();
    let compare = (compared.len() == 2).then(|| {
        let names = compared.iter().map(|run| run.argument.as_str()).collect::<Vec<_>>().join(" ");
        format!("facevault compare {names}")
    });
    let html = report::render_runs(&RunsIndex {
        folder: experiments.display().to_string(),
        order: order.into(),
        differing: run::differing(runs),
        pages: pages_of_several(reports, home)?,
        compare,
        runs: found,
    })?;
    files::commit_below(&path, html.as_bytes(), "--html")?;
    Ok(path)
}

/// Whether there is a page at a path, or nothing: no other file is replaced.
fn may_be_page(path: &Path) -> Result<bool, files::FileError> {
    const START: &[u8] = b"<!doctype html>";
    if !files::is_file(path)? {
        return Ok(true);
    }
    let head = files::head(path)?;
    Ok(head.is_empty() || head.get(..START.len()).is_some_and(|head| head.eq_ignore_ascii_case(START)))
}

/// The pages about several runs in a folder: kind, name and address from `home`, by name.
fn pages_of_several(reports: &Path, home: &Path) -> Result<Vec<[String; 3]>, Error> {
    let kinds = [("compare-", "comparison"), ("ablation-", "ablation"), ("throughput-", "throughput")];
    let mut found = Vec::new();
    for entry in files::list_if_there(reports)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = kinds.iter().find(|(begin, _)| name.starts_with(begin));
        if let (Some((begin, kind)), Some(stem)) = (kind, name.strip_suffix(".html")) {
            let shown = stem.trim_start_matches(begin).replace("-vs-", " vs ");
            found.push([(*kind).to_owned(), shown, address(home, &entry.path())]);
        }
    }
    found.sort();
    Ok(found)
}

/// The address of a file or folder relative to a folder, for a link.
fn address(home: &Path, to: &Path) -> String {
    let whole = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
    };
    let (home, to) = (whole(home), whole(to));
    let shared = home.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = home.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared).map(|part| escaped(part.as_os_str().as_encoded_bytes()));
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// An absolute path as the path of an address.
pub(crate) fn escaped_path(path: &Path) -> String {
    let parts = path.components().filter(|part| matches!(part, std::path::Component::Normal(_)));
    parts.flat_map(|part| ["/".to_owned(), escaped(part.as_os_str().as_encoded_bytes())]).collect()
}

/// A part of a path as a part of an address.
fn escaped(part: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    part.iter().map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn write(reports: &Path, name: &str, html: &str) -> Result<PathBuf, Error> {
    let path = reports.join(format!("{name}.html"));
    files::commit_below(&path, html.as_bytes(), "--reports")?;
    Ok(path)
}
