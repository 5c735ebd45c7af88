//! Checks everything that must hold for a finished run, recomputed from its files.

use schemars::JsonSchema;
use serde::Serialize;

use super::inspect::{self, EmbeddedFaces};
use super::precision::{agreement, calibration};
use super::seal::{self, Depth, Difference};
use super::{RunContext, RunDirectory, RunError, forget, mend, not_embedded, not_yet, renamed};
use crate::embed::{self, EmbeddingMatrix, MatrixReader};
use crate::files;
use crate::model::Precision;
use crate::npy::parts::{MatrixPart, PartIndex};
use crate::plan::RunPlan;
use crate::provenance::Provenance;
use crate::results;
use crate::text;

/// First version of the embedding code that records fingerprints.
const FIRST_FINGERPRINTED: u32 = 3;

/// The rule that `sha256sum -c` checks, too.
const SEAL_RULE: &str = "every file has the digest it was sealed with";

/// The rule whose note compares this machine.
const ARITHMETIC_RULE: &str = "every chunk was computed by the run's arithmetic";

/// How far from length 1 a row may be.
const NORM_TOLERANCE: f64 = 1e-3;

/// One rule, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What must hold.
    pub rule: &'static str,
    /// Violations; empty if the rule holds.
    pub broken: Vec<String>,
    /// Additional information that does not break the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What checking a run found.
#[derive(Debug)]
pub struct Verified {
    pub checks: Vec<Check>,
    /// What mends the run, if a rule is broken.
    pub remedy: Option<String>,
}

impl RunContext<'_> {
    /// Checks every digest and invariant of a finished run. Unreadable files count as violations, not as errors. Fails
    /// with [`RunError::NotYet`] for a run that is not finished.
    pub fn verify(&self, run: &RunDirectory) -> Result<Verified, RunError> {
        forget::refuse_unfinished(run)?;
        if !run.has(RunDirectory::SEALED) {
            let embedded = run.has(RunDirectory::METADATA);
            return Err(if embedded { not_yet(run, "sealed", "evaluate") } else { not_embedded(run) });
        }
        let check = |rule, found: Result<Vec<String>, RunError>| Check {
            rule,
            broken: found.unwrap_or_else(|error| vec![text::reason(&error)]),
            note: None,
        };
        let differences = match seal::check(run, Depth::Every, self.watch()) {
            Err(error) if error.interrupted() => return Err(error),
            found => found.map(Option::unwrap_or_default),
        };
        let differs = |name: &str| {
            let known = differences.as_ref().map(|all| all.iter().any(|difference| difference.name == name));
            known.unwrap_or(true)
        };
        let mut checks = vec![
            check(
                SEAL_RULE,
                match &differences {
                    Ok(all) => Ok(all.iter().map(Difference::to_string).collect()),
                    Err(error) => Ok(vec![text::reason(&error)]),
                },
            ),
            check("the directory is named after the plan in it", name(run)),
            check(
                "the manifest is the one that the plan names, or what was left of it when faces were removed",
                manifest(run),
            ),
            check("every chunk is there, has its digest, and is of the manifest's faces", chunks(run)),
            check(ARITHMETIC_RULE, arithmetic(run)),
            check("the matrix equals the chunks in order", matrix_is_chunks(run)),
            check("the exported tables equal the chunks and the manifest", tables_differ(run, differs)),
            check("every row has unit length", norms(run)),
            check("index, metadata and failures follow the manifest's order, each face in exactly one", order(run)),
            check("a precision below f32 comes with its agreement with f32 and, for int8, its ranges", precision(run)),
            check("the metrics can be read, and each identity has one centroid of unit length", numbers(run)),
        ];
        if let Some(check) = checks.iter_mut().find(|check| check.rule == ARITHMETIC_RULE) {
            let here = self.compare_arithmetic_here(run);
            check.note =
                Some(here.unwrap_or_else(|error| format!("cannot tell what this machine would compute: {error}")));
        }
        let remedy = match differences {
            _ if checks.iter().all(|check| check.broken.is_empty()) => None,
            Ok(differences) if !differences.is_empty() => Some(mend::remedy(run, &differences)),
            // Its plan is as it was sealed. Whatever else is broken can be mended under its own name only.
            Ok(_) if let Ok(Some(own)) = renamed::own_name(run) => {
                Some(format!("{} was renamed or copied: {}", run.name(), renamed::rename_back(run, &own)))
            }
            Err(RunError::Seal { .. }) | Ok(_) => Some(mend::remedy_of_files(run)),
            Err(_) => None,
        };
        Ok(Verified { checks, remedy })
    }
}

/// The exports of a run that differ from its chunks, one line each.
pub(super) fn differs_from_chunks(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let mut lines = matrix_is_chunks(run)?;
    lines.extend(tables_differ(run, |_| false)?);
    Ok(lines)
}

/// All but the matrix.
fn tables_differ(run: &RunDirectory, skip: impl Fn(&str) -> bool) -> Result<Vec<String>, RunError> {
    let EmbeddedFaces { manifest, rows, .. } = EmbeddedFaces::open(run)?;
    let mut lines = embed::tables_differ(run.path(), &manifest.faces, skip)?;
    let rows: Vec<u32> = rows.into_iter().map(|row| row as u32).collect();
    let mut expected = Vec::new();
    manifest.metadata_csv(&rows, &mut expected)?;
    if files::read(&run.file(RunDirectory::METADATA))? != expected {
        lines.push(format!("{} differs from the manifest", RunDirectory::METADATA));
    }
    Ok(lines)
}

fn name(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let line = |own| format!("{}, but the plan's digest gives {own}", run.name());
    Ok(renamed::own_name(run)?.map(line).into_iter().collect())
}

fn manifest(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let plan: RunPlan = run.json(RunDirectory::PLAN)?;
    let found = EmbeddedFaces::open(run)?.manifest.digest();
    let removals = forget::removals(run);
    let (by, expected) = match removals.last() {
        Some(removal) => ("the last removal of faces", removal.manifest),
        None => ("the plan", plan.manifest_digest()),
    };
    Ok(if expected == found {
        vec![]
    } else {
        vec![format!("{} has {}…, {by} {}…", RunDirectory::MANIFEST, found.short(12), expected.short(12))]
    })
}

fn precision(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let plan: RunPlan = run.json(RunDirectory::PLAN)?;
    let mut broken = Vec::new();
    if plan.precision() == Precision::Int8 {
        broken.extend(calibration(run).err().map(|error| text::reason(&error)));
    }
    let found = agreement(run)?.map_or(Precision::F32, |agreement| agreement.precision);
    if found != plan.precision() {
        let name = RunDirectory::AGREEMENT;
        broken.push(format!("the run is in {}, its {name} says {}", plan.precision().name(), found.name()));
    }
    Ok(broken)
}

/// Opening a store would remove damaged chunks, so this looks at the files directly.
fn chunks(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let mut lines = embed::damaged_chunks(run.path())?;
    if lines.is_empty() {
        lines = embed::chunks_of_other_faces(run.path(), &EmbeddedFaces::open(run)?.manifest.faces)?;
    }
    Ok(lines)
}

fn arithmetic(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let plan: RunPlan = run.json(RunDirectory::PLAN)?;
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    match provenance.arithmetic {
        Some(arithmetic) => Ok(embed::chunks_of_other_arithmetic(run.path(), arithmetic.fingerprint)?),
        None if plan.code() >= FIRST_FINGERPRINTED => Ok(vec![format!("{} records none", RunDirectory::PROVENANCE)]),
        None => Ok(vec![]),
    }
}

fn matrix_is_chunks(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let mut broken: Vec<String> = embed::differs_from_chunks(run.path(), &run.matrix())?.into_iter().collect();
    if run.has(RunDirectory::EMBEDDINGS_INDEX) {
        let index = PartIndex::read(&run.matrix())?;
        let sealed = seal::recorded(run)?.unwrap_or_default();
        let other = |part: &&MatrixPart| sealed.get(&part.file).is_some_and(|sealed| *sealed != part.sha256);
        let line =
            |part: &MatrixPart| format!("{} is not the part that {} names", part.file, RunDirectory::EMBEDDINGS_INDEX);
        broken.extend(index.parts.iter().filter(other).map(line));
    }
    Ok(broken)
}

fn norms(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let mut reader = MatrixReader::open(&run.matrix())?;
    let mut row = vec![0f32; reader.dimension()];
    let mut broken = Vec::new();
    for i in 0..reader.rows() {
        reader.read(&mut row)?;
        let norm = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        if !is_unit(norm) {
            broken.push(format!("row {i} has length {norm}"));
        }
    }
    Ok(broken)
}

/// False for NaN too.
fn is_unit(norm: f64) -> bool {
    (norm - 1.0).abs() <= NORM_TOLERANCE
}

fn order(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let faces = EmbeddedFaces::open(run)?;
    faces.check_rows(run, MatrixReader::open(&run.matrix())?.rows())?;
    let mut broken = Vec::new();
    let mut same = |name: &str, expected: &mut dyn Iterator<Item = &str>| -> Result<(), RunError> {
        let found = inspect::column(&run.file(name), "face_id")?;
        if !found.iter().map(String::as_str).eq(expected) {
            broken.push(format!("{name} does not hold the faces it should, in the manifest's order"));
        }
        Ok(())
    };
    same(RunDirectory::METADATA, &mut faces.iter().map(|face| face.face_id.as_str()))?;
    same(RunDirectory::FAILURES, &mut faces.failures.iter().map(|failure| failure.face_id.as_str()))?;
    Ok(broken)
}

fn numbers(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    if !run.has(RunDirectory::METRICS) {
        return Ok(vec![]);
    }
    let evaluation = results::read(run.path())?;
    let centroids = EmbeddingMatrix::open(&run.file("identity_centroids.npy"))?;
    let identities = inspect::column(&run.file("identity_ids.csv"), "identity_id")?;
    let mut broken = Vec::new();
    let listed = evaluation.identities.iter().map(|identity| &identity.identity_id);
    if !identities.iter().eq(listed) || centroids.rows != identities.len() {
        broken.push("identity_ids.csv, identity_centroids.npy and identities.parquet disagree".into());
    }
    if !identities.is_sorted() {
        broken.push("identity_ids.csv is not sorted".into());
    }
    for row in 0..centroids.rows {
        let norm = centroids.row(row).iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        if !is_unit(norm) {
            broken.push(format!("centroid {row} has length {norm}"));
        }
    }
    Ok(broken)
}
