//! The one shape of every page, as plain data, and the template that renders it to HTML.
//!
//! The report, comparison, ablation and throughput pages each build a [`Page`]: facts, a verdict, headline numbers,
//! findings in words, and a list of [`Section`]s that hold paragraphs and [`Exhibit`]s. A section without content is not
//! rendered.

use std::collections::BTreeMap;

use minijinja::{Environment, context};
use serde::Serialize;

use super::plots::{Drawing, Mark, Style};
use super::words::value_and_interval;
use super::{ReportError, base64, markup};
use crate::digest::Digest;
use crate::estimate::Estimate;
use crate::numbers::Quantity;

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Page {
    pub kind: &'static str,
    pub title: String,
    pub description: String,
    /// What the page is about, as names and values.
    pub facts: Vec<(&'static str, String)>,
    pub cautions: Vec<String>,
    /// Not rendered if its text is empty.
    pub verdict: Banner,
    pub tiles: Vec<HeadlineNumber>,
    pub findings: Vec<Finding>,
    pub sections: Vec<Section>,
    pub footer: Vec<String>,
}

/// The one-line result at the top of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Banner {
    /// `good`, `bad` or `neutral`.
    pub tone: &'static str,
    /// Carries the tone without colour.
    pub sign: &'static str,
    pub text: String,
}

impl Banner {
    pub fn good(text: impl Into<String>) -> Self {
        Self { tone: "good", sign: "✓", text: text.into() }
    }

    pub fn bad(text: impl Into<String>) -> Self {
        Self { tone: "bad", sign: "✗", text: text.into() }
    }

    pub fn neutral(text: impl Into<String>) -> Self {
        Self { tone: "neutral", sign: "○", text: text.into() }
    }
}

/// What the numbers say, in a sentence or two, with a link to the section that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Its topic, which is the link.
    pub lead: &'static str,
    pub text: String,
    /// Id of a section of the page.
    pub section: &'static str,
    /// Whether somebody should act on it.
    pub act: bool,
}

/// A number shown large at the top of a page.
#[derive(Debug, Clone, Serialize)]
pub(super) struct HeadlineNumber {
    label: String,
    value: String,
    note: String,
}

impl HeadlineNumber {
    pub fn new(label: impl Into<String>, value: String, note: String) -> Self {
        Self { label: label.into(), value, note }
    }

    /// An estimate with its interval as the note.
    pub fn estimate(label: impl Into<String>, quantity: Quantity, estimate: &Estimate) -> Self {
        let [value, interval] = value_and_interval(quantity, estimate);
        Self::new(label, value, interval)
    }
}

/// A heading and everything below it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Section {
    id: &'static str,
    title: &'static str,
    text: Vec<String>,
    exhibits: Vec<Exhibit>,
    /// The interactive threshold explorer; at most one per page.
    pub explorer: Option<serde_json::Value>,
    command: Option<String>,
    /// Collapsed but for its paragraphs; the summary is the label.
    folded: Option<&'static str>,
}

impl Section {
    pub fn new(id: &'static str, title: &'static str) -> Self {
        Self { id, title, ..Self::default() }
    }

    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text.push(text.into());
        self
    }

    pub fn texts(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.text.extend(texts);
        self
    }

    /// Adds a table, a figure or a collapsed text; a table without rows adds nothing.
    pub fn with(mut self, exhibit: impl Into<Exhibit>) -> Self {
        let exhibit = exhibit.into();
        let text = exhibit.table.head.is_empty() && !exhibit.table.note.is_empty();
        if exhibit.figure.is_some() || !exhibit.table.rows.is_empty() || text {
            self.exhibits.push(exhibit);
        }
        self
    }

    pub fn with_all<E: Into<Exhibit>>(self, exhibits: impl IntoIterator<Item = E>) -> Self {
        exhibits.into_iter().fold(self, Self::with)
    }

    /// `explorer` is the data of its template.
    pub fn explorer(self, explorer: &impl Serialize) -> Self {
        Self { explorer: serde_json::to_value(explorer).ok(), ..self }
    }

    pub fn command(self, command: &str) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// The same section with everything but its paragraphs collapsed under `label`.
    pub fn folded(self, label: &'static str) -> Self {
        Self { folded: Some(label), ..self }
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.exhibits.is_empty() && self.explorer.is_none() && self.command.is_none()
    }
}

/// A table, or a figure with the table of its numbers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Exhibit {
    figure: Option<Figure>,
    table: DataTable,
    /// Where it stands: `half` beside another, `whole`, or `fold` if it is collapsed.
    place: &'static str,
    /// A figure collapsed until the reader opens it.
    folded: bool,
}

impl From<DataTable> for Exhibit {
    fn from(table: DataTable) -> Self {
        Self { figure: None, table, place: WHOLE, folded: false }
    }
}

/// A chart with its legend and caption.
#[derive(Debug, Clone, Serialize)]
struct Figure {
    title: String,
    /// One drawing, or several small ones with their names.
    drawings: Vec<(String, String)>,
    legend: Vec<Legend>,
    reading: String,
    limits: String,
}

/// One entry of a legend.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Legend {
    class: String,
    /// `line`, `band`, `hatch`, `dot`, `ring` or `cross`.
    shape: &'static str,
    text: String,
}

impl Legend {
    fn new(style: Style, shape: &'static str, text: impl Into<String>) -> Self {
        Self { class: style.class(), shape, text: text.into() }
    }

    pub fn line(style: Style, text: impl Into<String>) -> Self {
        Self::new(style, "line", text)
    }

    pub fn band(style: Style, text: impl Into<String>) -> Self {
        Self::new(style, "band", text)
    }

    pub fn hatch(style: Style, text: impl Into<String>) -> Self {
        Self::new(style, "hatch", text)
    }

    pub fn mark(style: Style, mark: Mark, text: impl Into<String>) -> Self {
        let shape = match mark {
            Mark::Dot => "dot",
            Mark::Ring => "ring",
            Mark::Cross => "cross",
        };
        Self::new(style, shape, text)
    }
}

/// A table; the first cell of each row is its header.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(super) struct DataTable {
    pub caption: String,
    head: Vec<TableColumn>,
    pub rows: Vec<TableRow>,
    pub note: String,
    /// Collapsed until the reader opens it.
    folded: bool,
    /// Half the page is wide enough for it.
    narrow: bool,
    /// Rows shown, if not all; the others are collapsed until the reader opens them.
    first: Option<usize>,
    /// On a narrow screen, each cell is on a line of its own, behind its column's name.
    stacked: bool,
    /// A script sorts and filters its rows.
    sortable: bool,
}

#[derive(Debug, Clone, Serialize)]
struct TableColumn {
    text: String,
    /// `number` or `text`.
    class: &'static str,
}

/// A row; its class marks bad rows.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct TableRow {
    class: &'static str,
    cells: Vec<TableCell>,
    /// The run that it is about, if it can be compared: as `compare` takes it.
    run: Option<String>,
}

/// A cell: text, a muted second line, and a picture as a data URL.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct TableCell {
    pub text: String,
    pub note: String,
    pub picture: Option<String>,
    /// The text is struck out: it is shown but does not count.
    pub struck: bool,
    /// A small SVG element before the text.
    pub drawing: Option<String>,
    /// A relative address that the text leads to.
    pub link: Option<String>,
    /// A second link, its text and its address.
    pub beside: Option<(&'static str, String)>,
    /// What a sortable table is sorted by: a number without spaces and signs, or a text; empty without a value.
    pub key: String,
}

impl TableCell {
    pub fn with_note(text: impl Into<String>, note: impl Into<String>) -> Self {
        Self { text: text.into(), note: note.into(), ..Self::default() }
    }

    /// An estimate with its interval as the note; a dash for `None`.
    pub fn estimate<'a>(quantity: Quantity, estimate: impl Into<Option<&'a Estimate>>) -> Self {
        let [value, interval] = value_and_interval(quantity, estimate);
        Self::with_note(value, interval)
    }

    /// A face with its picture, if there is one and it fits the budget.
    pub fn face(row: u32, id: &str, pictures: &BTreeMap<u32, Vec<u8>>, budget: &mut usize) -> Self {
        let picture = pictures.get(&row).and_then(|png| {
            *budget = budget.checked_sub(png.len())?;
            Some(format!("data:image/png;base64,{}", base64::encode(png)))
        });
        Self { picture, ..id.into() }
    }

    /// A struck-out value. The note gives the reason in words because screen readers do not announce the stroke.
    pub fn struck(text: String, reason: &str) -> Self {
        Self { text, note: format!("struck out: {reason}"), struck: true, ..Self::default() }
    }

    /// The same cell, sorted by this; without a value, last.
    pub fn keyed(self, key: Option<impl ToString>) -> Self {
        Self { key: key.map(|key| key.to_string()).unwrap_or_default(), ..self }
    }
}

impl<T: Into<String>> From<T> for TableCell {
    fn from(text: T) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

impl DataTable {
    /// An empty table. A `#` before a column's name marks a column of numbers.
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        let mut table = Self { caption: caption.into(), ..Self::default() };
        for column in columns {
            table.column(column);
        }
        table
    }

    /// The same table, collapsed until the reader opens it.
    pub fn folded(self) -> Self {
        Self { folded: true, ..self }
    }

    /// The same table, which may stand beside a figure or another narrow table.
    pub fn narrow(self) -> Self {
        Self { narrow: true, ..self }
    }

    /// The same table with all rows but the first `rows` collapsed until the reader opens them.
    pub fn first(self, rows: usize) -> Self {
        // A fold of one or two rows would hide less than its own label takes.
        let first = (self.rows.len() > rows + 2).then_some(rows);
        Self { first, ..self }
    }

    /// The same table for a narrow screen: too wide to scroll.
    pub fn stacked(self) -> Self {
        Self { stacked: true, ..self }
    }

    /// The same table with a note below it.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// Adds a column, as [`Self::new`] does.
    pub fn column(&mut self, name: &str) {
        self.head.push(match name.strip_prefix('#') {
            Some(name) => TableColumn { text: name.into(), class: "number" },
            None => TableColumn { text: name.into(), class: "text" },
        });
    }

    pub fn row<C: Into<TableCell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.marked(false, cells);
    }

    /// Adds a row, marked as bad where `bad`.
    pub fn marked<C: Into<TableCell>>(&mut self, bad: bool, cells: impl IntoIterator<Item = C>) {
        let class = if bad { "bad" } else { "" };
        self.rows.push(TableRow { class, cells: cells.into_iter().map(Into::into).collect(), run: None });
    }

    /// The last row is about a run that can be compared, by this argument of `compare`.
    pub fn about(&mut self, run: String) {
        if let Some(row) = self.rows.last_mut() {
            row.run = Some(run);
        }
    }

    /// The same table, whose rows a script sorts and filters.
    pub fn sortable(self) -> Self {
        Self { sortable: true, ..self }
    }
}

impl Exhibit {
    /// Draws a figure with its caption (how to read it, its limits) and the table of its numbers. Screen readers announce
    /// the title and how to read it.
    pub fn figure(
        title: &str,
        drawing: &impl Drawing,
        legend: Vec<Legend>,
        [reading, limits]: [&str; 2],
        numbers: DataTable,
    ) -> Result<Self, ReportError> {
        let figure = Figure {
            title: title.into(),
            drawings: vec![(String::new(), drawing.svg(&format!("{title}. {reading}"))?)],
            legend,
            reading: reading.into(),
            limits: limits.into(),
        };
        Ok(Self { figure: Some(figure), table: numbers.folded(), place: WHOLE, folded: false })
    }
}

impl Exhibit {
    /// A text collapsed under its title.
    pub fn aside(title: &str, text: impl Into<String>) -> Self {
        DataTable::new(title, &[]).note(text).folded().into()
    }

    /// A figure of several small drawings, each under its name.
    pub fn small_multiples(
        title: &str,
        drawings: &[(String, impl Drawing)],
        legend: Vec<Legend>,
        [reading, limits]: [&str; 2],
        numbers: DataTable,
    ) -> Result<Self, ReportError> {
        let drawings =
            drawings.iter().map(|(name, drawing)| Ok((name.clone(), drawing.svg(&format!("{title}. {name}"))?)));
        let drawings = drawings.collect::<Result<_, ReportError>>()?;
        let figure = Figure { title: title.into(), drawings, legend, reading: reading.into(), limits: limits.into() };
        Ok(Self { figure: Some(figure), table: numbers.folded(), place: WHOLE, folded: false })
    }

    /// The same exhibit, collapsed until the reader opens it.
    pub fn folded(self) -> Self {
        match self.figure {
            Some(_) => Self { folded: true, ..self },
            None => Self { table: self.table.folded(), ..self },
        }
    }

    fn is_folded(&self) -> bool {
        self.folded || (self.figure.is_none() && self.table.folded)
    }

    /// Whether half the page is wide enough for it.
    fn is_narrow(&self) -> bool {
        match &self.figure {
            Some(figure) => figure.drawings.len() == 1,
            None => self.table.narrow,
        }
    }
}

const HALF: &str = "half";
const WHOLE: &str = "whole";
const FOLD: &str = "fold";

/// Puts what is collapsed last, and narrow neighbours side by side, two at a time.
fn place(exhibits: &mut [Exhibit]) {
    exhibits.sort_by_key(Exhibit::is_folded);
    let mut at = 0;
    while at < exhibits.len() {
        let beside = |exhibit: &Exhibit| exhibit.is_narrow() && !exhibit.is_folded();
        let pair = exhibits.get(at..at + 2).is_some_and(|pair| pair.iter().all(beside));
        if pair {
            exhibits[at..at + 2].iter_mut().for_each(|exhibit| exhibit.place = HALF);
        } else if exhibits[at].is_folded() {
            exhibits[at].place = FOLD;
        }
        at += if pair { 2 } else { 1 };
    }
}

const STYLE: &str = include_str!("../../assets/report/style.css");
pub(super) const SCRIPT: &str = include_str!("../../assets/report/explorer.js");
const TABLES: &str = include_str!("../../assets/report/tables.js");

impl Page {
    /// Renders the page as one HTML file that loads nothing else.
    pub fn html(mut self) -> Result<String, ReportError> {
        self.sections.retain(|section| !section.is_empty());
        self.sections.iter_mut().for_each(|section| place(&mut section.exhibits));
        let mut environment = Environment::new();
        markup::register(&mut environment);
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        // The `.html` suffix turns escaping on.
        environment.add_template("page.html", include_str!("../../assets/report/page.html"))?;
        environment.add_template("explorer.html", include_str!("../../assets/report/explorer.html"))?;
        let explorer = self.sections.iter().find_map(|section| section.explorer.as_ref());
        let exhibits = self.sections.iter().flat_map(|section| &section.exhibits);
        let tables = exhibits.into_iter().any(|exhibit| exhibit.table.sortable).then_some(TABLES);
        let policy = policy(explorer.map(|_| SCRIPT).into_iter().chain(tables));
        let explorer = explorer
            .map(|explorer| {
                let explorer = minijinja::value::Serde(explorer);
                environment.get_template("explorer.html")?.render(context! { explorer, script => SCRIPT })
            })
            .transpose()?;
        let page = minijinja::value::Serde(&self);
        Ok(environment
            .get_template("page.html")?
            .render(context! { page, explorer, tables, policy, style => STYLE })?)
    }
}

impl Page {
    /// The drawings of all figures, each with its title and as a file that stands alone.
    pub fn drawings(self) -> Vec<(String, String)> {
        let figures =
            self.sections.into_iter().flat_map(|section| section.exhibits).filter_map(|exhibit| exhibit.figure);
        let named = |figure: Figure| {
            let of_figure = move |(name, svg): (String, String)| {
                let title = if name.is_empty() { figure.title.clone() } else { format!("{}: {name}", figure.title) };
                let alone = svg.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
                (title, alone.replacen(">\n", &format!(">\n<style>{STYLE}</style>\n"), 1))
            };
            figure.drawings.into_iter().map(of_figure)
        };
        figures.flat_map(named).collect()
    }
}

/// The Content-Security-Policy: only this page's own style and script, identified by their digests, and pictures embedded
/// in the page. Markup that slipped through escaping could neither run nor load anything.
fn policy(scripts: impl Iterator<Item = &'static str>) -> String {
    let source = |text: &str| format!("'sha256-{}'", base64::encode(Digest::of(text.as_bytes()).bytes()));
    let scripts: Vec<_> = scripts.map(source).collect();
    let script = if scripts.is_empty() { "'none'".to_owned() } else { scripts.join(" ") };
    let style = source(STYLE);
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'"
    )
}
