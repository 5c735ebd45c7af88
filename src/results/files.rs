//! The files of an evaluation. `metrics.json` is written last and removed first: while it exists, the others are
//! complete and belong to it.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use super::table::{ParquetTable, column, f32s, f64s, strings, u32s, u64s, write_json, write_table};
use super::{ResultsError, people, searched, tested};
use crate::breakdown::{self, Breakdown};
use crate::evaluate::Evaluation;
use crate::files::{self, FileError, commit, commit_bytes};
use crate::metrics::{Metrics, ReadMetricsError};
use crate::npy::{self, EmbeddingMatrix, NpyError};
use crate::people::Centroids;
use crate::similarity::{HardPair, Histograms, IdentitySpread, PairKind};
use crate::table::{Kind, Table, TableColumn};
use crate::verification::Curve;
use crate::verification::tally::{BINS, edge};
use polars::prelude::*;

const METRICS: &str = "metrics.json";
const CENTROIDS: &str = "identity_centroids.npy";
const BREAKDOWN: &str = "breakdown.json";
const IDENTITY_PICKLE: &str = "identity_ids.pkl";

/// Writes all files of the evaluation into a run directory: the same evaluation gives the same bytes.
pub(crate) fn write(evaluation: &Evaluation, run: &Path) -> Result<(), ResultsError> {
    let metrics = run.join(METRICS);
    match fs::remove_file(&metrics) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(FileError::new("remove", metrics)(error).into());
        }
        _ => files::sync_dir(run)?,
    }
    write_table(run, &HISTOGRAMS, histogram_columns(&evaluation.histograms))?;
    write_table(run, &CURVES, curve_columns(&evaluation.curve))?;
    write_table(run, &PAIRS, pair_columns(&evaluation.hardest))?;
    write_table(run, &IDENTITIES, identity_columns(&evaluation.identities))?;
    write_centroids(&evaluation.centroids, &run.join(CENTROIDS))?;
    let ids: Vec<&str> = evaluation.identities.iter().map(|identity| identity.identity_id.as_str()).collect();
    write_csv(run, &IDENTITY_IDS, &ids)?;
    commit_bytes(&run.join(IDENTITY_PICKLE), &pickled(&ids))?;
    people::write(&evaluation.people, run)?;
    tested::write(run, &evaluation.tested)?;
    searched::write(run, &evaluation.metrics.identification, &evaluation.searched)?;
    write_json(&run.join(BREAKDOWN), &evaluation.breakdown)?;
    write_json(&metrics, &evaluation.metrics)
}

/// Reads what [`write`] wrote.
pub(crate) fn read(run: &Path) -> Result<Evaluation, ResultsError> {
    let path = run.join(METRICS);
    let metrics = Metrics::from_json(&files::read(&path)?).map_err(|error| match error {
        ReadMetricsError::Schema { found, expected } => ResultsError::Schema { path, found, expected },
        ReadMetricsError::Form(reason) => ResultsError::Damaged { path, reason },
    })?;
    Ok(Evaluation {
        metrics,
        histograms: read_histograms(run)?,
        curve: ParquetTable::read(&run.join(CURVES.file))?.curve()?,
        hardest: ParquetTable::read(&run.join(PAIRS.file))?.pairs()?,
        identities: ParquetTable::read(&run.join(IDENTITIES.file))?.identities()?,
        centroids: read_centroids(&run.join(CENTROIDS))?,
        people: people::read(run)?,
        breakdown: read_breakdown(run.join(BREAKDOWN))?,
        tested: tested::read(run)?,
        searched: searched::read(run)?,
    })
}

/// The histograms of an evaluation alone.
pub(crate) fn read_histograms(run: &Path) -> Result<Histograms, ResultsError> {
    ParquetTable::read(&run.join(HISTOGRAMS.file))?.histograms()
}

pub(crate) const HISTOGRAMS: Table = Table {
    file: "histograms.parquet",
    about: "Histograms of the compared pairs' cosines. One row per bin that holds a pair, in ascending order; the bins are \
            65,536 of equal width from −1 to 1.",
    columns: &[&[
        TableColumn::new("bin", Kind::U32, "Number of the bin, from 0"),
        TableColumn::new("lower", Kind::F64, "Lower edge of the bin").unit("cosine"),
        TableColumn::new("genuine", Kind::U64, "Genuine pairs in the bin").unit("pairs"),
        TableColumn::new("impostor", Kind::U64, "Impostor pairs in the bin").unit("pairs"),
    ]],
    others: None,
};

/// Only occupied bins.
fn histogram_columns(histograms: &Histograms) -> Vec<Column> {
    let (genuine, impostor) = (&histograms.genuine, &histograms.impostor);
    let occupied: Vec<usize> = (0..genuine.len()).filter(|&bin| genuine[bin] + impostor[bin] > 0).collect();
    let counts = |counts: &[u64]| occupied.iter().map(|&bin| counts[bin]).collect::<Vec<u64>>();
    let lower = |&bin: &usize| edge(bin, genuine.len());
    vec![
        column("bin", occupied.iter().map(|&bin| bin as u32).collect::<Vec<u32>>()),
        column("lower", occupied.iter().map(lower).collect::<Vec<f64>>()),
        column("genuine", counts(genuine)),
        column("impostor", counts(impostor)),
    ]
}

pub(crate) const CURVES: Table = Table {
    file: "curves.parquet",
    about: "Error rates by threshold. One row per threshold, from the strictest to the laxest; at most about 600, evenly \
            spaced by the logarithm of each rate.",
    columns: &[&[
        TableColumn::new("threshold", Kind::F64, "A pair matches if its cosine is at least this").unit("cosine"),
        TableColumn::new("fmr", Kind::F64, "False match rate: share of the impostor pairs that match").unit("share"),
        TableColumn::new("fnmr", Kind::F64, "False non-match rate: share of the genuine pairs that do not match")
            .unit("share"),
        TableColumn::new("fnmr_lower", Kind::F64, "Lower end of the FNMR's interval").unit("share"),
        TableColumn::new("fnmr_upper", Kind::F64, "Upper end of the FNMR's interval").unit("share"),
    ]],
    others: None,
};

fn curve_columns(curve: &Curve) -> Vec<Column> {
    vec![
        column("threshold", curve.threshold.as_slice()),
        column("fmr", curve.fmr.as_slice()),
        column("fnmr", curve.fnmr.as_slice()),
        column("fnmr_lower", curve.fnmr_lower.as_slice()),
        column("fnmr_upper", curve.fnmr_upper.as_slice()),
    ]
}

pub(crate) const PAIRS: Table = Table {
    file: "pairs.parquet",
    about: "The hardest pairs: genuine pairs of the lowest cosine, impostor pairs of the highest. One row per pair, each \
            kind from the hardest on; `similarity.hardest` of each.",
    columns: &[&[
        TableColumn::new("kind", Kind::Words(&["genuine", "impostor"]), "Whether both faces have one identity"),
        TableColumn::new("rank", Kind::U32, "Place within its kind; 1 is the hardest"),
        TableColumn::new("row_a", Kind::U32, "Row of the first face in the matrix, from 0"),
        TableColumn::new("row_b", Kind::U32, "Row of the second face, above `row_a`"),
        TableColumn::new("face_a", Kind::Text, "`face_id` of the first face"),
        TableColumn::new("face_b", Kind::Text, "`face_id` of the second face"),
        TableColumn::new("identity_a", Kind::Text, "Identity of the first face; empty where it has none"),
        TableColumn::new("identity_b", Kind::Text, "Identity of the second face; empty where it has none"),
        TableColumn::new("cosine", Kind::F32, "Cosine of the two embeddings").unit("cosine"),
    ]],
    others: None,
};

fn pair_columns(pairs: &[HardPair]) -> Vec<Column> {
    let text = |of: fn(&HardPair) -> &str| pairs.iter().map(of).collect::<Vec<&str>>();
    let number = |of: fn(&HardPair) -> u32| pairs.iter().map(of).collect::<Vec<u32>>();
    vec![
        column("kind", text(|pair| kind_name(pair.kind))),
        column("rank", number(|pair| pair.rank)),
        column("row_a", number(|pair| pair.row_a)),
        column("row_b", number(|pair| pair.row_b)),
        column("face_a", text(|pair| &pair.face_a)),
        column("face_b", text(|pair| &pair.face_b)),
        column("identity_a", text(|pair| &pair.identity_a)),
        column("identity_b", text(|pair| &pair.identity_b)),
        column("cosine", pairs.iter().map(|pair| pair.cosine).collect::<Vec<f32>>()),
    ]
}

fn kind_name(kind: PairKind) -> &'static str {
    match kind {
        PairKind::Genuine => "genuine",
        PairKind::Impostor => "impostor",
    }
}

pub(crate) const IDENTITIES: Table = Table {
    file: "identities.parquet",
    about: "How close each identity's faces are to each other and to others. One row per identity with an embedded face, \
            sorted as strings.",
    columns: &[&[
        TableColumn::new("identity_id", Kind::Text, "The identity"),
        TableColumn::new("faces", Kind::U64, "Its embedded faces").unit("faces"),
        TableColumn::new("genuine_mean", Kind::F64, "Mean cosine of its compared genuine pairs")
            .unit("cosine")
            .missing("without such a pair"),
        TableColumn::new("genuine_min", Kind::F32, "Lowest cosine of its compared genuine pairs")
            .unit("cosine")
            .missing("without such a pair"),
        TableColumn::new(
            "impostor_max",
            Kind::F32,
            "Highest cosine to a face of another identity, of the compared pairs",
        )
        .unit("cosine")
        .missing("without such a pair"),
        TableColumn::new("nearest_identity", Kind::Text, "The identity of that face").missing("without such a pair"),
    ]],
    others: None,
};

pub(crate) const IDENTITY_IDS: Table = Table {
    file: "identity_ids.csv",
    about: "The identities, in the order of the rows of `identity_centroids.npy`: sorted as strings. `identity_ids.pkl` is \
            the same list as a Python pickle.",
    columns: &[&[TableColumn::new("identity_id", Kind::Text, "The identity")]],
    others: None,
};

fn identity_columns(identities: &[IdentitySpread]) -> Vec<Column> {
    let ids: Vec<&str> = identities.iter().map(|identity| identity.identity_id.as_str()).collect();
    let nearest: Vec<Option<&str>> = identities.iter().map(|identity| identity.nearest_identity.as_deref()).collect();
    vec![
        column("identity_id", ids),
        column("faces", identities.iter().map(|identity| identity.faces).collect::<Vec<u64>>()),
        column("genuine_mean", identities.iter().map(|identity| identity.genuine_mean).collect::<Vec<_>>()),
        column("genuine_min", identities.iter().map(|identity| identity.genuine_min).collect::<Vec<_>>()),
        column("impostor_max", identities.iter().map(|identity| identity.impostor_max).collect::<Vec<_>>()),
        column("nearest_identity", nearest),
    ]
}

fn read_breakdown(path: PathBuf) -> Result<Option<Breakdown>, ResultsError> {
    if !path.exists() {
        // Runs of before there was a breakdown have none.
        return Err(ResultsError::Damaged { path, reason: "it is not there".into() });
    }
    let found: Result<Option<Breakdown>, _> = serde_json::from_slice(&files::read(&path)?);
    match found {
        Ok(Some(Breakdown { schema, .. })) if schema != breakdown::SCHEMA => {
            Err(ResultsError::Schema { path, found: schema.into(), expected: breakdown::SCHEMA })
        }
        Ok(found) => Ok(found),
        Err(error) => Err(ResultsError::Damaged { path, reason: error.to_string() }),
    }
}

fn write_csv(run: &Path, table: &Table, ids: &[&str]) -> Result<(), ResultsError> {
    let path = &run.join(table.file);
    commit(path, |out| {
        let mut writer = csv::Writer::from_writer(out);
        let failed = |error: csv::Error| FileError::new("write", path)(error.into());
        writer.write_record(table.header()).map_err(failed)?;
        for id in ids {
            writer.write_record([id]).map_err(failed)?;
        }
        writer.flush().map_err(FileError::new("write", path))?;
        Ok(())
    })
}

/// A list of `str` in Python's `pickle` format (protocol 2): `PROTO 2`, `EMPTY_LIST`, `MARK`, a `BINUNICODE` each,
/// `APPENDS`, `STOP`.
fn pickled(ids: &[&str]) -> Vec<u8> {
    let mut bytes = b"\x80\x02](".to_vec();
    for id in ids {
        bytes.push(b'X');
        bytes.extend((id.len() as u32).to_le_bytes());
        bytes.extend(id.as_bytes());
    }
    bytes.extend(b"e.");
    bytes
}

fn write_centroids(centroids: &Centroids, path: &Path) -> Result<(), ResultsError> {
    let fill = |out: &mut BufWriter<&File>| npy::write(out, &centroids.data, centroids.dimension);
    Ok(commit(path, |out| fill(out).map_err(FileError::new("write", path)))?)
}

fn read_centroids(path: &Path) -> Result<Centroids, ResultsError> {
    match EmbeddingMatrix::open(path) {
        Ok(EmbeddingMatrix { data, dimension, .. }) => Ok(Centroids { data, dimension }),
        Err(NpyError::File(error)) => Err(error.into()),
        Err(NpyError::Format { path, rule } | NpyError::Pictures { path, rule }) => {
            Err(ResultsError::Damaged { path, reason: rule })
        }
    }
}

impl ParquetTable<'_> {
    fn histograms(&self) -> Result<Histograms, ResultsError> {
        let bins = self.full("bin", u32s)?;
        let mut histograms = Histograms { genuine: vec![0; BINS], impostor: vec![0; BINS] };
        for (name, counts) in [("genuine", &mut histograms.genuine), ("impostor", &mut histograms.impostor)] {
            for (&bin, count) in bins.iter().zip(self.full(name, u64s)?) {
                let slot = counts.get_mut(bin as usize);
                *slot.ok_or_else(|| self.damaged(format!("bin {bin} of {BINS}")))? = count;
            }
        }
        Ok(histograms)
    }

    fn curve(&self) -> Result<Curve, ResultsError> {
        Ok(Curve {
            threshold: self.full("threshold", f64s)?,
            fmr: self.full("fmr", f64s)?,
            fnmr: self.full("fnmr", f64s)?,
            fnmr_lower: self.full("fnmr_lower", f64s)?,
            fnmr_upper: self.full("fnmr_upper", f64s)?,
        })
    }

    fn pairs(&self) -> Result<Vec<HardPair>, ResultsError> {
        let kinds = self.full("kind", strings)?;
        let (ranks, rows_a, rows_b) = (self.full("rank", u32s)?, self.full("row_a", u32s)?, self.full("row_b", u32s)?);
        let (faces_a, faces_b) = (self.full("face_a", strings)?, self.full("face_b", strings)?);
        let (identities_a, identities_b) = (self.full("identity_a", strings)?, self.full("identity_b", strings)?);
        let cosines = self.full("cosine", f32s)?;
        // All columns of a table have the same length.
        let one = |(i, kind): (usize, String)| {
            let known = [PairKind::Genuine, PairKind::Impostor].into_iter().find(|&known| kind_name(known) == kind);
            Ok(HardPair {
                kind: known.ok_or_else(|| self.damaged(format!("`{kind}` is not a kind of pair")))?,
                rank: ranks[i],
                row_a: rows_a[i],
                row_b: rows_b[i],
                face_a: faces_a[i].clone(),
                face_b: faces_b[i].clone(),
                identity_a: identities_a[i].clone(),
                identity_b: identities_b[i].clone(),
                cosine: cosines[i],
            })
        };
        kinds.into_iter().enumerate().map(one).collect()
    }

    fn identities(&self) -> Result<Vec<IdentitySpread>, ResultsError> {
        let ids = self.full("identity_id", strings)?;
        let faces = self.full("faces", u64s)?;
        let (means, lowest) = (self.column("genuine_mean", f64s)?, self.column("genuine_min", f32s)?);
        let (highest, nearest) = (self.column("impostor_max", f32s)?, self.column("nearest_identity", strings)?);
        let one = |(i, identity_id): (usize, String)| IdentitySpread {
            identity_id,
            faces: faces[i],
            genuine_mean: means[i],
            genuine_min: lowest[i],
            impostor_max: highest[i],
            nearest_identity: nearest[i].clone(),
        };
        Ok(ids.into_iter().enumerate().map(one).collect())
    }
}
