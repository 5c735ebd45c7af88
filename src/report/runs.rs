//! The page of all runs: a table to be sorted, and what differs between them.

use std::fmt::Write as _;

use super::ReportError;
use super::binning::{Bin, rebin};
use super::figures::outline;
use super::page::{DataTable, HeadlineNumber, Page, Section, TableCell};
use super::words::{GENUINE_AND_IMPOSTOR, count, counted, or_dash};
use crate::estimate::Estimate;
use crate::numbers::Quantity;
use crate::run::{RunRow, RunState};
use crate::similarity::Histograms;

/// The content of the page.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunsIndex {
    /// The folder of runs, as the command line has it.
    pub folder: String,
    /// How they are sorted, in words.
    pub order: String,
    pub runs: Vec<IndexedRun>,
    /// The keys of the plan in which they differ: values, and the number of runs that have each, the most frequent first.
    pub differing: Vec<(String, Vec<(String, usize)>)>,
    /// Pages about several runs: kind, name and relative address.
    pub pages: Vec<[String; 3]>,
    /// `compare` of two of the runs; `None` if fewer can be compared.
    pub compare: Option<String>,
}

/// One run of the page.
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexedRun {
    pub row: RunRow,
    /// As `compare` takes it.
    pub argument: String,
    /// Relative address of its report, if it is there.
    pub report: Option<String>,
    /// Relative address of its directory.
    pub directory: String,
    pub auc: Option<Estimate>,
    /// Faces per second.
    pub speed: Option<f64>,
    /// A drawing of its pairs ([`thumbnail`]).
    pub thumbnail: Option<String>,
}

/// Values shown of a key in which runs differ.
const VALUES: usize = 6;

pub(super) fn page(index: &RunsIndex) -> Page {
    let of_state = |state: RunState| index.runs.iter().filter(|run| run.row.state == state).count();
    let [complete, damaged] = [RunState::Complete, RunState::Damaged].map(of_state);
    let unfinished = index.runs.len() - complete - damaged;
    let number = |label: &str, n: usize| HeadlineNumber::new(label, count(n as u64), String::new());
    let mut tiles = vec![number("Runs", index.runs.len()), number("Complete", complete)];
    tiles.extend((unfinished > 0).then(|| number("Unfinished", unfinished)));
    tiles.extend((damaged > 0).then(|| number("Damaged", damaged)));
    Page {
        kind: "FaceVault runs",
        title: format!("Runs in {}", index.folder),
        facts: vec![("Sorted by", index.order.clone())],
        tiles,
        sections: vec![runs(index), compare(index), differing(index), pages(index)],
        footer: vec!["Written by facevault runs --html; it shows the runs as they were then.".into()],
        ..Page::default()
    }
}

fn runs(index: &RunsIndex) -> Section {
    let columns = [
        "run",
        "cosines",
        "worked on (UTC)",
        "dataset",
        "#faces",
        "network",
        "#EER",
        "#TAR at FMR 1e-3",
        "#AUC",
        "#accuracy",
        "#faces/s",
        "differs in",
    ];
    let cells: Vec<_> = index.runs.iter().map(cells).collect();
    // Few runs have a protocol, or another run of their config.
    let shown: Vec<usize> =
        (0..columns.len()).filter(|&column| cells.iter().any(|row| !row[column].key.is_empty())).collect();
    let mut table = DataTable::new("Runs", &shown.iter().map(|&column| columns[column]).collect::<Vec<_>>());
    for (run, cells) in index.runs.iter().zip(cells) {
        let row = &run.row;
        let bad = row.damage.is_some() || row.expectations_met == Some(false);
        table.marked(bad, shown.iter().map(|&column| cells[column].clone()));
        if !row.headline.is_empty() {
            table.about(run.argument.clone());
        }
    }
    let drawn = index.runs.iter().any(|run| run.thumbnail.is_some());
    let reading = "The drawings show the shares of genuine (solid) and impostor pairs (dashed) by cosine, from −1 on the \
                   left to 1 on the right.";
    Section::new("runs", "Runs")
        .texts(index.runs.is_empty().then(|| "No run fits.".to_owned()))
        .texts(drawn.then(|| format!("{GENUINE_AND_IMPOSTOR} {reading}")))
        .with(table.stacked().sortable())
}

fn cells(run: &IndexedRun) -> Vec<TableCell> {
    let row = &run.row;
    let text = |text: &Option<String>| TableCell::from(or_dash(text.clone())).keyed(text.clone());
    let noted = |cell: TableCell, note: String| TableCell { note, ..cell };
    let joined = |parts: [&Option<String>; 2]| parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
    let rate = |place: usize| {
        let rate = row.headline.get(place).map(|rate| &rate.estimate);
        // A bound is a value as well: the end that it is known by.
        let key = rate.and_then(|rate| if rate.bound { rate.upper.or(rate.lower) } else { Some(rate.point) });
        TableCell::estimate(Quantity::Rate, rate).keyed(key.filter(|key| key.is_finite()))
    };
    let name = TableCell {
        link: run.report.clone(),
        beside: Some(("folder", run.directory.clone())),
        ..TableCell::from(row.run.as_str()).keyed(Some(&row.run))
    };
    let expectations = row.expectations_met.map(|met| if met { "expectations met" } else { "expectations NOT MET" });
    let state = match &row.damage {
        Some(reason) => format!("{}: {reason}", row.state_in_words()),
        None => [Some(&*row.state_in_words()), expectations].into_iter().flatten().collect::<Vec<_>>().join(", "),
    };
    let when = row.worked_on_utc.as_ref().map(|at| at.chars().take(16).collect::<String>());
    let faces = match &row.damage {
        Some(_) => or_dash(None),
        None => count(row.embedded),
    };
    let missing = row.faces.saturating_sub(row.embedded);
    let without = if missing > 0 { format!("{} without an embedding", count(missing)) } else { String::new() };
    let protocol = row.headline.get(2).and_then(|rate| rate.metric.rsplit_once('.')).map(|(protocol, _)| protocol);
    let accuracy = rate(2);
    let interval =
        [protocol, Some(&accuracy.note)].into_iter().flatten().collect::<Vec<_>>().join(" ").trim().to_owned();
    let differs: Vec<_> = row.differs.iter().map(|(key, value)| format!("{key}={}", shortened(value))).collect();
    let drawing = TableCell { drawing: run.thumbnail.clone(), ..TableCell::default() };
    vec![
        name,
        drawing.keyed(run.thumbnail.as_ref().and(row.headline.first()).map(|eer| eer.estimate.point)),
        noted(text(&when), state),
        noted(text(&row.dataset), joined([&row.profile, &row.crop])),
        noted(TableCell::from(faces).keyed(row.damage.is_none().then_some(row.embedded)), without),
        noted(text(&row.network), row.precision.clone().unwrap_or_default()),
        rate(0),
        rate(1),
        TableCell::estimate(Quantity::Cosine, run.auc.as_ref()).keyed(run.auc.as_ref().map(|auc| auc.point)),
        noted(accuracy, interval),
        TableCell::from(or_dash(run.speed.map(|speed| format!("{speed:.1}")))).keyed(run.speed),
        TableCell::from(differs.join(", ")).keyed((!differs.is_empty()).then(|| differs.join(", "))),
    ]
}

/// A value of a key: digests are told apart by their beginning.
fn shortened(value: &str) -> String {
    const LONGEST: usize = 24;
    let short: String = value.chars().take(LONGEST).collect();
    if short.len() < value.len() { short + "…" } else { short }
}

fn compare(index: &RunsIndex) -> Section {
    let Some(command) = &index.compare else { return Section::new("compare", "Compare runs") };
    Section::new("compare", "Compare runs")
        .text("Says what differs between runs, by how much, and whether it could be chance, on the faces they share. The first is the reference. Tick runs in the table, or put other names here.")
        .command(command)
}

fn differing(index: &RunsIndex) -> Section {
    let mut table =
        DataTable::new("Keys of the plans that are not the same in all runs", &["key", "#values", "runs with each"]);
    for (key, values) in &index.differing {
        let shown = values.iter().take(VALUES).map(|(value, runs)| format!("{} ({runs})", shortened(value)));
        let more = values.len().saturating_sub(VALUES);
        let more = (more > 0).then(|| format!("{more} more"));
        let all = shown.chain(more).collect::<Vec<_>>().join(", ");
        table.row([key.clone(), count(values.len() as u64), all]);
    }
    let section = Section::new("differences", "What differs");
    match index.differing.len() as u64 {
        0 if index.runs.len() < 2 => section,
        0 => section.text("The plans of these runs are the same but for their names."),
        n => section
            .text(format!(
                "{} not the same in all these runs.",
                counted(n, "key of the plan is", "keys of the plan are")
            ))
            .with(table.stacked().folded()),
    }
}

fn pages(index: &RunsIndex) -> Section {
    let mut table = DataTable::new("Pages about several runs", &["page", "kind"]);
    for [kind, name, address] in &index.pages {
        table.row([TableCell { link: Some(address.clone()), ..TableCell::from(name.as_str()) }, kind.as_str().into()]);
    }
    Section::new("pages", "Comparisons and measurements").with(table.stacked())
}

/// Bins of a thumbnail at most.
const BINS: usize = 64;
/// Sides of a thumbnail in user units.
const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 32.0;

/// A small drawing of a run's pairs by cosine; `None` without any. Every one has the same axis, so that runs can be compared
/// by eye.
pub(crate) fn thumbnail(histograms: &Histograms) -> Option<String> {
    let bins = rebin(histograms, BINS);
    let lines =
        [("impostor", outline(&bins, |bin: &Bin| bin.impostor)), ("genuine", outline(&bins, |bin| bin.genuine))];
    let highest = lines.iter().flat_map(|(_, line)| line).map(|point| point.1).fold(0.0, f64::max);
    if highest <= 0.0 {
        return None;
    }
    let mut svg = format!(
        "<svg class=\"thumbnail\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"genuine and impostor pairs by cosine\">"
    );
    for (class, line) in lines {
        let points = line.iter().map(|(x, y)| {
            let (x, y) = ((x + 1.0) / 2.0 * WIDTH, (HEIGHT - 1.0) - y / highest * (HEIGHT - 2.0));
            format!("{x:.1},{y:.1}")
        });
        let points: Vec<_> = points.collect();
        let _ = write!(svg, "<polyline class=\"line {class}\" points=\"{}\"/>", points.join(" "));
    }
    Some(svg + "</svg>")
}

/// Renders the page.
pub(crate) fn render(index: &RunsIndex) -> Result<String, ReportError> {
    page(index).html()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headline::HeadlineRate;

    fn run(name: &str) -> IndexedRun {
        let eer = HeadlineRate { metric: "eer".into(), name: "equal error rate".into(), estimate: Estimate::default() };
        IndexedRun {
            row: RunRow { run: name.into(), headline: vec![eer], state: RunState::Complete, ..RunRow::default() },
            argument: name.into(),
            ..IndexedRun::default()
        }
    }

    /// Fault (texts): a folder of runs, a run, its dataset and its values are named like markup → the page of runs shows them as
    /// text
    #[test]
    fn names_cannot_become_markup() {
        let mut index = RunsIndex { folder: "<b>".into(), compare: Some("<b>".into()), ..RunsIndex::default() };
        index.runs = vec![run("<b>'\"-1"), IndexedRun { directory: "\"><b>".into(), ..run("b") }];
        index.runs[1].row.damage = Some("<b>".into());
        index.runs[0].row.dataset = Some("<b>".into());
        index.runs[0].row.differs.insert("<b>".into(), "<b>".into());
        index.differing = vec![("<b>".into(), vec![("<b>".into(), 1)])];
        index.pages = vec![["comparison".into(), "<b>".into(), "\"><b>".into()]];
        let page = render(&index).unwrap();
        assert!(!page.contains("<b>") && page.contains("data-run=\"&lt;b&gt;&#x27;&quot;-1\""), "{page}");
        assert_eq!(page, render(&index).unwrap());
        assert!(page.contains("script-src &#x27;sha256-"), "{page}");
    }

    #[test]
    fn a_list_of_no_runs_is_a_page() {
        let page = render(&RunsIndex { folder: "experiments".into(), ..RunsIndex::default() }).unwrap();
        assert!(page.contains("No run fits.") && page.contains("script-src &#x27;none&#x27;"), "{page}");
    }

    #[test]
    fn a_drawing_has_both_kinds_on_the_axis_of_all_cosines() {
        let mut histograms = Histograms { genuine: vec![0; 100], impostor: vec![0; 100] };
        assert_eq!(thumbnail(&histograms), None);
        histograms.impostor[50] = 30;
        histograms.genuine[99] = 10;
        let svg = thumbnail(&histograms).unwrap();
        let points = |class: &str| {
            let (_, rest) = svg.split_once(&format!("{class}\" points=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        assert!(points("impostor").starts_with("60.0,31.0 60.0,1.0"), "{svg}");
        assert!(points("genuine").ends_with("120.0,1.0 120.0,31.0"), "{svg}");
    }
}
