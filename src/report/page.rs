//! What a page is made of, and the template that makes it HTML. Reports and comparisons are pages.

use minijinja::{Environment, context};
use serde::Serialize;

use super::ReportError;
use super::base64;
use super::explorer::Explorer;
use super::plots::{Drawing, Mark, Role};
use crate::digest::Digest;

/// A whole page.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Page {
    /// What kind of page: "Report of one run".
    pub kind: String,
    pub title: String,
    pub description: String,
    /// What a reader must know before any number.
    pub cautions: Vec<String>,
    pub verdict: Verdict,
    pub tiles: Vec<Tile>,
    pub sections: Vec<Section>,
    pub footer: Vec<String>,
}

/// The line that a reader who reads one line reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// `good`, `bad` or `neutral`.
    pub tone: &'static str,
    /// Says the tone without colour.
    pub sign: &'static str,
    pub text: String,
}

/// A headline number.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Tile {
    pub label: String,
    pub value: String,
    pub note: String,
}

/// A heading and what stands below it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Section {
    pub id: &'static str,
    pub title: String,
    pub text: Vec<String>,
    pub blocks: Vec<Block>,
    /// What a reader may move; at most one on a page.
    pub explorer: Option<Explorer>,
    /// A line to type.
    pub command: Option<String>,
}

/// A table, or a figure with the table of its numbers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Block {
    figure: Option<Figure>,
    table: Table,
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Self { figure: None, table }
    }
}

/// A chart with all that is needed to read it.
#[derive(Debug, Clone, Serialize)]
struct Figure {
    title: String,
    svg: String,
    legend: Vec<Legend>,
    /// How to read it.
    reading: String,
    /// What it does not show.
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
    pub fn line(role: Role, text: impl Into<String>) -> Self {
        Self { class: role.class(), shape: "line", text: text.into() }
    }

    pub fn band(role: Role, text: impl Into<String>) -> Self {
        Self { class: role.class(), shape: "band", text: text.into() }
    }

    pub fn hatch(role: Role, text: impl Into<String>) -> Self {
        Self { class: role.class(), shape: "hatch", text: text.into() }
    }

    pub fn mark(role: Role, mark: Mark, text: impl Into<String>) -> Self {
        let shape = match mark {
            Mark::Dot => "dot",
            Mark::Ring => "ring",
            Mark::Cross => "cross",
        };
        Self { class: role.class(), shape, text: text.into() }
    }
}

/// A table; the first cell of each row is its header.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Table {
    pub caption: String,
    pub head: Vec<Column>,
    pub rows: Vec<Row>,
    pub note: String,
    /// Shown only when asked for.
    pub folded: bool,
}

/// A column's header.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Column {
    text: String,
    /// `number` or `text`.
    class: &'static str,
}

/// A row; its class tells good rows from bad ones.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Row {
    pub class: &'static str,
    pub cells: Vec<Cell>,
}

/// A cell: text, a quiet second line, and a picture as a data address.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Cell {
    pub text: String,
    pub note: String,
    pub picture: Option<String>,
    /// Whether the text stands there without counting.
    pub struck: bool,
}

impl Cell {
    /// A value that does not count, and why: in words too, because a stroke is not read out.
    pub fn struck(text: String, because: &str) -> Self {
        Self { text, note: format!("struck out: {because}"), picture: None, struck: true }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

impl Table {
    /// An empty table. A column whose name starts with `#` holds numbers.
    pub fn new(caption: &str, columns: &[&str]) -> Self {
        let head = columns
            .iter()
            .map(|name| match name.strip_prefix('#') {
                Some(name) => Column { text: name.into(), class: "number" },
                None => Column { text: (*name).into(), class: "text" },
            })
            .collect();
        Self { caption: caption.into(), head, ..Self::default() }
    }

    /// The same table, shown only when asked for.
    pub fn folded(self) -> Self {
        Self { folded: true, ..self }
    }

    /// Adds a column; a number when `numeric`.
    pub fn column(&mut self, text: &str, numeric: bool) {
        self.head.push(Column { text: text.into(), class: if numeric { "number" } else { "text" } });
    }

    /// Adds a row.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.classed("", cells);
    }

    /// Adds a row with a class.
    pub fn classed<C: Into<Cell>>(&mut self, class: &'static str, cells: impl IntoIterator<Item = C>) {
        self.rows.push(Row { class, cells: cells.into_iter().map(Into::into).collect() });
    }
}

impl Block {
    /// Draws a figure; its title and how to read it are what a screen reader says of it.
    pub fn figure(
        title: &str,
        drawing: &impl Drawing,
        legend: Vec<Legend>,
        [reading, limits]: [&str; 2],
        numbers: Table,
    ) -> Result<Self, ReportError> {
        let figure = Figure {
            title: title.into(),
            svg: drawing.svg(&format!("{title}. {reading}"))?,
            legend,
            reading: reading.into(),
            limits: limits.into(),
        };
        Ok(Self { figure: Some(figure), table: numbers.folded() })
    }
}

const STYLE: &str = include_str!("../../assets/report/style.css");
pub(super) const SCRIPT: &str = include_str!("../../assets/report/explorer.js");

impl Page {
    /// The page as one HTML file that asks for nothing else.
    pub fn html(&self) -> Result<String, ReportError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        // The `.html` in their names switches escaping on.
        environment.add_template("page.html", include_str!("../../assets/report/page.html"))?;
        environment.add_template("explorer.html", include_str!("../../assets/report/explorer.html"))?;
        let explorer = self.sections.iter().find_map(|section| section.explorer.as_ref());
        let policy = policy(explorer.is_some());
        let explorer = explorer
            .map(|explorer| {
                let explorer = minijinja::value::Serde(explorer);
                environment.get_template("explorer.html")?.render(context! { explorer, script => SCRIPT })
            })
            .transpose()?;
        let page = minijinja::value::Serde(self);
        Ok(environment.get_template("page.html")?.render(context! { page, explorer, policy, style => STYLE })?)
    }
}

/// The Content-Security-Policy: nothing but this page's own style and script, told by their digests, and pictures that
/// are part of the page. Markup that slipped through escaping could neither run nor reach out.
fn policy(scripted: bool) -> String {
    let source = |text: &str| format!("'sha256-{}'", base64::encode(Digest::of(text.as_bytes()).bytes()));
    let script = if scripted { source(SCRIPT) } else { "'none'".to_owned() };
    let style = source(STYLE);
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'"
    )
}
