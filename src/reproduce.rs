//! The reproduction record: a Markdown table of results by config, written between two markers of a document. Pure.
//!
//! Every figure comes with the digests of its run. Configs that could not run are marked as such, unless the document
//! already holds the result of an earlier run.

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::ExperimentConfig;
use crate::digest::Digest;
use crate::metrics::{self, Metrics};
use crate::numbers::Quantity;
use crate::protocol::Protocol;
use crate::published::{self, PublishedAgreement, PublishedResult};
use crate::templates::TemplateProtocol;

/// Marks the start of the table, on its own line.
pub(crate) const BEGIN: &str = "<!-- reproduce: begin -->";
/// Marks the end of the table, on its own line.
pub(crate) const END: &str = "<!-- reproduce: end -->";

/// Cell text of rows without a measurement.
const NOT_MEASURED: &str = "not measured by this project";

/// One figure of one config.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ReproducedRow {
    /// The config's path, as given.
    pub config: String,
    /// Its path as in `expect:`.
    pub metric: String,
    /// The published value; empty if there is none.
    pub published: String,
    /// The command that makes it.
    pub command: String,
    /// The measured value; `None` if the config could not run.
    pub measured: Option<ReproducedValue>,
}

/// A measured value with its run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ReproducedValue {
    /// With its interval, as in the table.
    pub value: String,
    /// Agreement with the published value; empty if there is none.
    pub verdict: String,
    /// The run's name, which contains a digest of everything that can change a number.
    pub run: String,
    /// Of the manifest and the weights, as in the table.
    pub digests: String,
}

/// A config as it was run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReproducedConfig<'a> {
    /// Its path, as given.
    pub path: &'a str,
    pub config: &'a ExperimentConfig,
    /// `--set` arguments, in order.
    pub overrides: &'a [String],
    /// The command that runs it.
    pub command: &'a str,
}

/// What identifies a finished run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunIdentity<'a> {
    pub run: &'a str,
    pub dataset: Digest,
    pub weights: Digest,
}

/// The document cannot take a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no place for the table: the document needs the line `{BEGIN}` and, below it, `{END}`, each exactly once")]
pub(crate) struct MissingMarkers;

/// The rows of a config: one per published value, or without any the accuracy of its first protocol or its equal error
/// rate; of a finished run, whose metrics are `found`, also accuracy, VAL and EER of every protocol, and TAR and EER of those
/// of templates.
pub(crate) fn rows(of: &ReproducedConfig<'_>, found: Option<(&Metrics, RunIdentity<'_>)>) -> Vec<ReproducedRow> {
    let &ReproducedConfig { path, config, overrides, command } = of;
    let published = |row: &PublishedResult| {
        let kind = Quantity::of_metric(&row.metric);
        let spread = row.plus_minus.map_or(String::new(), |spread| format!(" ± {}", kind.value(spread)));
        let differs =
            if row.differs.is_empty() { String::new() } else { format!("; differs: {}", row.differs.join(", ")) };
        format!("{}{spread} ({}{differs})", kind.value(row.published), row.source)
    };
    // Without a run there are no metrics, but the published values are known.
    let mut wanted: Vec<(String, String, Option<PublishedResult>)> = match found {
        _ if config.published.is_empty() => {
            let accuracy = config.protocols.first().map(|first| format!("{}.accuracy", first.name));
            let of_templates = || config.templates.first().map(|first| format!("{}.tar@fmr=1e-4", first.name));
            let search = || config.identification.first().and_then(|first| metrics::identification_paths(first).next());
            let metric = accuracy.or_else(of_templates).or_else(search).unwrap_or_else(|| "eer".into());
            vec![(metric, String::new(), None)]
        }
        Some((metrics, _)) => {
            let all = published::compare(metrics, &config.published, overrides);
            all.into_iter().map(|row| (row.metric.clone(), published(&row), Some(row))).collect()
        }
        None => {
            let unknown = |row: &crate::config::Published| PublishedResult {
                metric: row.metric.clone(),
                published: row.value,
                plus_minus: row.plus_minus,
                source: row.source.clone(),
                differs: row.differs.clone(),
                here: None,
                over_folds: None,
                standing: PublishedAgreement::NotMeasured,
            };
            config.published.iter().map(unknown).map(|row| (row.metric.clone(), published(&row), None)).collect()
        }
    };
    if let Some((metrics, _)) = found {
        let of =
            |protocol: &Protocol| ["accuracy", "val", "eer"].map(|quantity| format!("{}.{quantity}", protocol.name));
        let of_templates = |protocol: &TemplateProtocol| {
            ["eer", "tar@fmr=1e-4", "tar@fmr=1e-5"].map(|quantity| format!("{}.{quantity}", protocol.name))
        };
        let templates = config.templates.iter().flat_map(of_templates);
        let searches = config.identification.iter().flat_map(metrics::identification_paths);
        let searches = searches.filter(|metric| !metric.contains(".fnir@"));
        let all = config.protocols.iter().flat_map(of).chain(templates).chain(searches);
        for metric in all.filter(|metric| metrics.estimate(metric).is_some()) {
            if wanted.iter().all(|(known, _, _)| *known != metric) {
                wanted.push((metric, String::new(), None));
            }
        }
    }
    wanted
        .into_iter()
        .map(|(metric, published, result)| ReproducedRow {
            measured: found.and_then(|(metrics, identity)| {
                let (estimate, kind) = (metrics.estimate(&metric)?, Quantity::of_metric(&metric));
                let folds = result.as_ref().and_then(|row| row.over_folds);
                let spread = folds.map_or(String::new(), |spread| format!(" ± {} over folds", kind.value(spread)));
                let interval = kind.interval(estimate);
                Some(ReproducedValue {
                    value: format!("{}{spread} {interval}", kind.point(estimate)).trim_end().to_owned(),
                    verdict: result.as_ref().map_or(String::new(), |row| row.standing.words().into()),
                    run: identity.run.into(),
                    digests: format!("data `{}`, weights `{}`", identity.dataset.short(12), identity.weights.short(12)),
                })
            }),
            config: path.into(),
            metric,
            published,
            command: command.into(),
        })
        .collect()
}

/// The document with the rows in its table, and the rows that were kept: a config that could not run keeps its rows from
/// an earlier run. So do configs that are not among `rows`.
pub(crate) fn splice<'a>(
    document: &str,
    rows: &'a [ReproducedRow],
) -> Result<(String, Vec<&'a ReproducedRow>), MissingMarkers> {
    let once = |marker: &str| {
        let mut lines = document.match_indices(marker).filter(|(at, _)| {
            let starts = *at == 0 || document.as_bytes()[at - 1] == b'\n';
            starts && document[at + marker.len()..].chars().next().is_none_or(|c| c == '\n' || c == '\r')
        });
        match (lines.next(), lines.next()) {
            (Some((at, _)), None) => Ok(at),
            _ => Err(MissingMarkers),
        }
    };
    let (begin, end) = (once(BEGIN)?, once(END)?);
    if end < begin {
        return Err(MissingMarkers);
    }
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    for line in document[begin..end].lines().filter(|line| line.starts_with("| `")) {
        let config = line.split(" | ").next().unwrap_or_default();
        match blocks.last_mut().filter(|(last, _)| last == config) {
            Some((_, lines)) => lines.push(line.to_owned()),
            None => blocks.push((config.to_owned(), vec![line.to_owned()])),
        }
    }
    let mut kept = Vec::new();
    for of_config in rows.chunk_by(|a, b| a.config == b.config) {
        let config = format!("| {}", cell(&format!("`{}`", of_config[0].config)));
        let old = blocks.iter().position(|(known, _)| *known == config);
        let before = old.map(|at| std::mem::take(&mut blocks[at].1)).unwrap_or_default();
        let mut lines: Vec<String> = Vec::new();
        if of_config.iter().all(|row| row.measured.is_none()) {
            lines.extend(before.into_iter().filter(|line| !line.contains(NOT_MEASURED)));
        }
        for row in of_config {
            let key = format!("{config} | {} | ", cell(&row.metric));
            if lines.iter().any(|line| line.starts_with(&key)) {
                kept.push(row);
            } else {
                lines.push(key + &line(row, lines.is_empty()));
            }
        }
        match old {
            Some(at) => blocks[at].1 = lines,
            None => blocks.push((config, lines)),
        }
    }
    let head = "| config | metric | measured | published | verdict | run | digests | command |\n|---|---|---|---|---|---|---|---|\n";
    let table = blocks.iter().flat_map(|(_, lines)| lines).fold(head.to_owned(), |table, line| table + line + "\n");
    let written = format!("{BEGIN}\n\n{table}\n");
    // As the document's own lines end.
    let ends_with_return = document[begin + BEGIN.len()..].starts_with("\r\n");
    let written = if ends_with_return { written.replace('\n', "\r\n") } else { written };
    let document = format!("{}{written}{}", &document[..begin], &document[end..]);
    Ok((document, kept))
}

/// Cell text where a config's first row says it already.
const AS_ABOVE: &str = "as above";

/// The cells after config and metric. Only a config's first row tells run, digests and command.
fn line(row: &ReproducedRow, first: bool) -> String {
    let published = if row.published.is_empty() { "–".into() } else { cell(&row.published) };
    let command = if first { cell(&format!("`{}`", row.command)) } else { AS_ABOVE.into() };
    let cells = match &row.measured {
        None => [NOT_MEASURED.into(), published, "–".into(), "–".into(), "–".into(), command],
        Some(ReproducedValue { value, verdict, run, digests }) => {
            let verdict = if verdict.is_empty() { "–".into() } else { cell(verdict) };
            let [run, digests] =
                if first { [format!("`{run}`"), digests.clone()] } else { [AS_ABOVE; 2].map(Into::into) };
            [cell(value), published, verdict, run, digests, command]
        }
    };
    format!("{} |", cells.join(" | "))
}

/// Escapes text for a table cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::report::sample;

    const CONFIG: &str = "
name: small
dataset: {source: synthetic, identities: 3, samples: 2}
weights: {source: embedded, name: demo}
published:
  - {metric: eer, value: 0.5, plus_minus: 0.001, source: 'A | B', differs: [no detector]}
  - {metric: auc, value: 0.2, source: C}
";

    fn config(text: &str) -> ExperimentConfig {
        let here = std::path::Path::new("/");
        crate::config::load_stored(text.as_bytes(), &here.join("c.yaml"), &[], here).unwrap().config
    }

    fn rows_of(
        path: &str,
        config: &ExperimentConfig,
        found: Option<(&Metrics, RunIdentity<'_>)>,
    ) -> Vec<ReproducedRow> {
        rows(
            &ReproducedConfig { path, config, overrides: &[], command: &format!("facevault experiment {path}") },
            found,
        )
    }

    fn identity() -> RunIdentity<'static> {
        RunIdentity { run: "small-0123456789ab", dataset: Digest::of(b"data"), weights: Digest::of(b"weights") }
    }

    fn document() -> String {
        format!("before\n\n{BEGIN}\nold\n{END}\nafter\n")
    }

    #[test]
    fn what_was_not_run_says_so_and_what_was_has_its_digests() {
        let mut metrics = sample::report().evaluation.metrics;
        metrics.eer.point = 0.25;
        (metrics.eer.lower, metrics.eer.upper, metrics.eer.bound) = (Some(0.2), Some(0.3), false);
        let config = config(CONFIG);
        let none = rows_of("configs/small.yaml", &config, None);
        let (empty, kept) = splice(&document(), &none).unwrap();
        assert!(kept.is_empty());
        assert_snapshot!(empty, @r"
before

<!-- reproduce: begin -->

| config | metric | measured | published | verdict | run | digests | command |
|---|---|---|---|---|---|---|---|
| `configs/small.yaml` | eer | not measured by this project | 50.00% ± 0.10% (A \| B; differs: no detector) | – | – | – | `facevault experiment configs/small.yaml` |
| `configs/small.yaml` | auc | not measured by this project | 0.2000 (C) | – | – | – | as above |

<!-- reproduce: end -->
after
");
        let all = rows_of("configs/small.yaml", &config, Some((&metrics, identity())));
        let (full, kept) = splice(&empty, &all[..1]).unwrap();
        assert!(kept.is_empty());
        assert_snapshot!(full, @r"
before

<!-- reproduce: begin -->

| config | metric | measured | published | verdict | run | digests | command |
|---|---|---|---|---|---|---|---|
| `configs/small.yaml` | eer | 25.00% [20.00%, 30.00%] | 50.00% ± 0.10% (A \| B; differs: no detector) | below | `small-0123456789ab` | data `3a6eb0790f39`, weights `9a129038d9a0` | `facevault experiment configs/small.yaml` |

<!-- reproduce: end -->
after
");
        // Results of an earlier run stay; configs that never ran are still marked as not measured.
        let (again, kept) = splice(&full, &none).unwrap();
        assert_eq!(kept, [&none[0]]);
        assert_eq!(again.matches("small-0123456789ab").count(), 1);
        assert_eq!(again.matches(NOT_MEASURED).count(), 1);
        assert_eq!(splice(&again, &none).unwrap().0, again);
        // And so do the rows of configs that were not asked for.
        let other = rows_of("configs/other.yaml", &config, None);
        let (both, _) = splice(&again, &other).unwrap();
        assert_eq!(both.matches("| `configs/small.yaml` |").count(), 2);
        assert_eq!(both.matches("| `configs/other.yaml` |").count(), 2);
    }

    #[test]
    fn a_config_without_published_values_has_its_protocol_s_accuracy_or_its_error_rate() {
        let text = CONFIG.split("published").next().unwrap();
        for (more, metric) in [("", "eer"), ("protocols: [{name: a}, {name: b}]\n", "a.accuracy")] {
            let rows = rows_of("c.yaml", &config(&format!("{text}{more}")), None);
            let told: Vec<_> = rows.iter().map(|row| (row.metric.as_str(), row.published.as_str())).collect();
            assert_eq!(told, [(metric, "")]);
        }
    }

    /// Fault (tables): a document whose lines end with CR LF gets a table → the table's lines end as the others do, and rows of
    /// an earlier run are found again
    #[test]
    fn a_document_with_other_line_ends_keeps_them() {
        let config = config(CONFIG);
        let none = rows_of("configs/small.yaml", &config, None);
        let plain = splice(&document(), &none).unwrap().0;
        let (written, _) = splice(&document().replace('\n', "\r\n"), &none).unwrap();
        assert_eq!(written, plain.replace('\n', "\r\n"));
        assert_eq!(splice(&written, &none).unwrap().0, written);
    }

    #[test]
    fn a_document_without_a_place_is_refused() {
        for document in [
            "",
            BEGIN,
            &format!("{END}\n{BEGIN}\n"),
            &format!("{BEGIN}\n{BEGIN}\n{END}\n"),
            &format!("x {BEGIN}\n{END}"),
        ] {
            assert_eq!(splice(document, &[]), Err(MissingMarkers), "{document}");
        }
        assert_snapshot!(MissingMarkers, @"no place for the table: the document needs the line `<!-- reproduce: begin -->` and, below it, `<!-- reproduce: end -->`, each exactly once");
    }
}
