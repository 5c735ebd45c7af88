//! `searches.parquet`: what the search for each probe of each identification protocol found, so that two runs can be
//! compared probe by probe; and `identification.csv`, the curves.

use std::path::Path;

use serde::Serialize;

use super::ResultsError;
use super::people::write_csv;
use super::table::{ParquetTable, column, f32s, strings, u32s, write_table};
use crate::evaluate::SearchedProtocol;
use crate::identification::curves::{OpenSetPoint, RankPoint};
use crate::identification::{IdentificationResult, Mate, OtherPerson, Search, SearchedProbe};
use crate::table::{Kind, Table, TableColumn};

pub(crate) const SEARCHES: Table = Table {
    file: "searches.parquet",
    about: "What the search for each probe of each identification protocol found. One row per probe, protocol by protocol; \
            only with identification protocols.",
    columns: &[&[
        TableColumn::new("protocol", Kind::Text, "The protocol's name in the config"),
        TableColumn::new("row", Kind::U32, "Row of the probe in the matrix, from 0"),
        TableColumn::new(
            "person",
            Kind::U32,
            "Number of the probe's person: what intervals resample. Within the protocol alone",
        ),
        TableColumn::new("mate_cosine", Kind::F32, "Score of the probe's person in the gallery")
            .unit("cosine")
            .missing("where they are not in the gallery"),
        TableColumn::new("rank", Kind::U32, "1 plus the number of other people with at least that score")
            .missing("where the probe's person is not in the gallery"),
        TableColumn::new("other_person", Kind::U32, "Number of the person with the highest score of all others")
            .missing("where the gallery holds nobody else"),
        TableColumn::new("other_cosine", Kind::F32, "Their score")
            .unit("cosine")
            .missing("where the gallery holds nobody else"),
    ]],
    others: None,
};

pub(crate) const CURVES: Table = Table {
    file: "identification.csv",
    about: "The curves of the identification protocols. One row per point, protocol by protocol: first the cumulative match \
            characteristic by rank, then TPIR over FPIR from the strictest threshold on; only with identification protocols.",
    columns: &[&[
        TableColumn::new("protocol", Kind::Text, "The protocol's name in the config"),
        TableColumn::new(
            "curve",
            Kind::Words(&["cmc", "tpir"]),
            "`cmc`: share of mated searches by rank. `tpir`: TPIR over FPIR",
        ),
        TableColumn::new("rank", Kind::U32, "The rank").missing("in `tpir`"),
        TableColumn::new("fpir", Kind::F64, "False positive identification rate").unit("share").missing("in `cmc`"),
        TableColumn::new("threshold", Kind::F32, "A person is returned whose score is at least this")
            .unit("cosine")
            .missing("in `cmc`"),
        TableColumn::new("rate", Kind::F64, "Share of the mated searches that succeed").unit("share"),
        TableColumn::new("lower", Kind::F64, "Lower end of its interval")
            .unit("share")
            .missing("where there is no interval"),
        TableColumn::new("upper", Kind::F64, "Upper end of its interval")
            .unit("share")
            .missing("where there is no interval"),
    ]],
    others: None,
};

/// Writes the searches of all protocols and their curves. Without protocols there are no files.
pub(super) fn write(
    run: &Path,
    results: &[IdentificationResult],
    searched: &[SearchedProtocol],
) -> Result<(), ResultsError> {
    if searched.is_empty() {
        return Ok(());
    }
    let all = || searched.iter().flat_map(|of| of.probes.iter().map(|probe| (of.protocol.as_str(), probe)));
    let mate = |probe: &SearchedProbe| probe.search.mate;
    let other = |probe: &SearchedProbe| probe.search.other;
    let number = |of: &dyn Fn(&SearchedProbe) -> u32| all().map(|(_, probe)| of(probe)).collect::<Vec<u32>>();
    let maybe = |of: &dyn Fn(&SearchedProbe) -> Option<u32>| all().map(|(_, probe)| of(probe)).collect::<Vec<_>>();
    let cosine = |of: &dyn Fn(&SearchedProbe) -> Option<f32>| all().map(|(_, probe)| of(probe)).collect::<Vec<_>>();
    let columns = vec![
        column("protocol", all().map(|(name, _)| name).collect::<Vec<&str>>()),
        column("row", number(&|probe| probe.row)),
        column("person", number(&|probe| probe.search.person)),
        column("mate_cosine", cosine(&|probe| Some(mate(probe)?.cosine))),
        column("rank", maybe(&|probe| Some(mate(probe)?.rank))),
        column("other_person", maybe(&|probe| Some(other(probe)?.person))),
        column("other_cosine", cosine(&|probe| Some(other(probe)?.cosine))),
    ];
    write_table(run, &SEARCHES, columns)?;
    write_csv(run, &CURVES, results.iter().zip(searched).flat_map(|(result, of)| points(result, of)))
}

/// A line of `identification.csv`.
#[derive(Serialize)]
struct CurveLine {
    protocol: String,
    curve: &'static str,
    rank: Option<u32>,
    fpir: Option<f64>,
    threshold: Option<f32>,
    rate: f64,
    lower: Option<f64>,
    upper: Option<f64>,
}

fn points(result: &IdentificationResult, of: &SearchedProtocol) -> Vec<CurveLine> {
    let (cmc, open_set) = result.curves(&of.probes);
    let cmc = cmc.into_iter().map(|RankPoint { rank, rate }| CurveLine {
        protocol: of.protocol.clone(),
        curve: "cmc",
        rank: Some(rank),
        fpir: None,
        threshold: None,
        rate: rate.point,
        lower: rate.lower,
        upper: rate.upper,
    });
    let open_set = open_set.into_iter().map(|OpenSetPoint { threshold, fpir, tpir }| CurveLine {
        protocol: of.protocol.clone(),
        curve: "tpir",
        rank: None,
        fpir: Some(fpir),
        threshold: Some(threshold),
        rate: tpir.point,
        lower: tpir.lower,
        upper: tpir.upper,
    });
    cmc.chain(open_set).collect()
}

/// Reads the searches back; a missing file means no protocols.
///
/// # Errors
/// [`ResultsError::File`], [`ResultsError::Damaged`].
pub fn read(run: &Path) -> Result<Vec<SearchedProtocol>, ResultsError> {
    let path = run.join(SEARCHES.file);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let table = ParquetTable::read(&path)?;
    let names = table.full("protocol", strings)?;
    let (rows, people) = (table.full("row", u32s)?, table.full("person", u32s)?);
    let (mates, ranks) = (table.column("mate_cosine", f32s)?, table.column("rank", u32s)?);
    let (others, cosines) = (table.column("other_person", u32s)?, table.column("other_cosine", f32s)?);
    let mut searched: Vec<SearchedProtocol> = Vec::new();
    for (i, name) in names.into_iter().enumerate() {
        if searched.last().is_none_or(|last| last.protocol != name) {
            searched.push(SearchedProtocol { protocol: name, probes: Vec::new() });
        }
        let search = Search {
            person: people[i],
            mate: mates[i].zip(ranks[i]).map(|(cosine, rank)| Mate { cosine, rank }),
            other: others[i].zip(cosines[i]).map(|(person, cosine)| OtherPerson { person, cosine }),
        };
        searched
            .iter_mut()
            .last()
            .into_iter()
            .for_each(|last| last.probes.push(SearchedProbe { row: rows[i], search }));
    }
    Ok(searched)
}
