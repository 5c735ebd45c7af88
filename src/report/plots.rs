//! Charts as inline SVG. The only file that knows plotters.
//!
//! A chart carries no colour: plotters draws each role in a stand-in colour, which then becomes a CSS class, so that the
//! page's style decides colours, dashes and what they are in the dark and on paper.

use std::fmt::Write as _;
use std::sync::OnceLock;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::ReportError;
use super::axis::Axis;

/// What a shape stands for; decides its class in the style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Text and axis lines.
    Ink,
    /// The mesh behind the data.
    Grid,
    /// Same identity.
    Genuine,
    /// Different identities.
    Impostor,
    /// The quantity that a figure is about, where there is only one.
    Value,
    /// A reference: a threshold, a limit.
    Reference,
    /// What deserves a look.
    Alarm,
    /// A change for the better.
    Better,
    /// A change for the worse.
    Worse,
    /// One of several runs.
    Run(u8),
}

const COLOURS: u8 = 6;
const DASHES: u8 = 5;

impl Role {
    /// Classes in the style sheet. Runs differ in colour and in dash, with periods that have no common factor.
    pub fn class(self) -> String {
        match self {
            Self::Ink => "ink".into(),
            Self::Grid => "grid".into(),
            Self::Genuine => "genuine".into(),
            Self::Impostor => "impostor".into(),
            Self::Value => "value".into(),
            Self::Reference => "reference".into(),
            Self::Alarm => "alarm".into(),
            Self::Better => "better".into(),
            Self::Worse => "worse".into(),
            Self::Run(i) => format!("run{} dash{}", i % COLOURS, i % DASHES),
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Ink => 0,
            Self::Grid => 1,
            Self::Genuine => 2,
            Self::Impostor => 3,
            Self::Value => 4,
            Self::Reference => 5,
            Self::Alarm => 6,
            Self::Better => 7,
            Self::Worse => 8,
            Self::Run(i) => 16 + i % (COLOURS * DASHES),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        use Role::{Alarm, Better, Genuine, Grid, Impostor, Ink, Reference, Run, Value, Worse};
        [Ink, Grid, Genuine, Impostor, Value, Reference, Alarm, Better, Worse]
            .into_iter()
            .chain((0..COLOURS * DASHES).map(Run))
    }

    /// The stand-in colour, which no style sheet uses.
    fn stand_in(self) -> RGBColor {
        RGBColor(self.number(), 1, 2)
    }
}

/// How single points look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A small disc.
    Dot,
    /// A ring.
    Ring,
    /// A cross.
    Cross,
}

/// One thing drawn in a chart, in data coordinates.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Layer {
    /// A line through points.
    Line(Role, Vec<(f64, f64)>),
    /// The area between a line and the lower end of the y axis.
    Area(Role, Vec<(f64, f64)>),
    /// The area between two lines: x, lower, upper.
    Band(Role, Vec<(f64, f64, f64)>),
    /// Single points.
    Marks(Role, Mark, Vec<(f64, f64)>),
    /// A vertical line over the whole height.
    Vertical(Role, f64),
    /// Words to the right of a point, on its line.
    Words((f64, f64), String),
    /// A stripe over the whole height, with a label at its top where that fits, shaded or not.
    Stripe(f64, f64, String, bool),
}

/// A chart: two axes and what is drawn between them, first layer undermost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    pub x: Axis,
    pub y: Axis,
    pub layers: Vec<Layer>,
}

/// Charts side by side in rows, each under its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Panels {
    pub columns: usize,
    pub charts: Vec<(String, Chart)>,
}

/// A chart of rows that are named inside it, one below the other: as high as it has rows, without labels beside it. The y
/// axis counts rows from below.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    pub rows: usize,
    pub chart: Chart,
}

/// What a figure shows.
pub(super) trait Drawing {
    fn draw(&self, area: &Area<'_>) -> Result<(), String>;

    /// Side lengths in user units.
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    /// An SVG element that fills its container; `label` is what a screen reader says.
    fn svg(&self, label: &str) -> Result<String, ReportError> {
        let (svg, ()) = drawn(self.size(), label, |area| self.draw(area))?;
        Ok(styled(&svg, self.size(), label, ""))
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

#[expect(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
fn words(error: DrawingAreaErrorKind<std::io::Error>) -> String {
    error.to_string()
}

/// What `draw` draws, as plotters writes it, and what it returns.
fn drawn<T>(
    size: (u32, u32),
    label: &str,
    draw: impl FnOnce(&Area<'_>) -> Result<T, String>,
) -> Result<(String, T), ReportError> {
    font()?;
    let mut svg = String::new();
    let whole = |svg: &mut String| {
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        let found = draw(&area)?;
        area.present().map_err(words)?;
        Ok(found)
    };
    let found = whole(&mut svg).map_err(|message| ReportError::Plot { figure: label.into(), message })?;
    Ok((svg, found))
}

/// Space around a chart, in user units.
struct Frame<'a> {
    name: Option<&'a str>,
    text: i32,
    margin: i32,
    margin_right: i32,
    below: i32,
    left: i32,
}

const WHOLE: Frame<'_> = Frame { name: None, text: TEXT, margin: 14, margin_right: 36, below: 74, left: 150 };

/// What a script moves through a chart, and where it stands before: data coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pointer {
    /// A vertical line over the whole height.
    Line(f64),
    /// A ring around a point.
    Ring(f64, f64),
}

/// Side lengths in user units; the page scales it.
const SIZE: (u32, u32) = (1120, 620);
/// The same for charts that stand side by side.
const SMALL: (u32, u32) = (760, 500);
const FONT: &str = "sans-serif";
const TEXT: i32 = 24;

impl Drawing for Chart {
    fn draw(&self, area: &Area<'_>) -> Result<(), String> {
        self.draw_in(area, &WHOLE).map(|_| ())
    }
}

/// Height of one row of [`Rows`], user units.
const ROW: u32 = 84;

impl Drawing for Rows {
    fn draw(&self, area: &Area<'_>) -> Result<(), String> {
        self.chart.draw_in(area, &Frame { left: 24, ..WHOLE }).map(|_| ())
    }

    fn size(&self) -> (u32, u32) {
        let around = (WHOLE.below + 2 * WHOLE.margin) as u32;
        (SIZE.0, around + ROW * self.rows.max(1) as u32)
    }
}

impl Drawing for Panels {
    fn draw(&self, area: &Area<'_>) -> Result<(), String> {
        let columns = self.columns.max(1);
        let parts = area.split_evenly((self.charts.len().div_ceil(columns).max(1), columns));
        self.charts.iter().zip(parts).try_for_each(|((name, chart), part)| {
            let frame = Frame { name: Some(name), text: 20, margin: 8, margin_right: 16, below: 34, left: 16 };
            chart.draw_in(&part, &frame).map(|_| ())
        })
    }
}

impl Chart {
    /// A small chart with a pointer that a script can move: the element of class `pointer` stands at the user units of
    /// its translation, and `data-x` and `data-y` hold what maps values there: [`Axis::ends`] and the user units of both.
    pub fn explorable_svg(&self, label: &str, pointer: Pointer) -> Result<String, ReportError> {
        let (svg, Plot { left, right, top, bottom }) = drawn(SMALL, label, |area| self.draw_in(area, &WHOLE))?;
        let mapping = |axis: &Axis, from: i32, to: i32| {
            let (kind, lower, upper) = axis.ends();
            format!("{kind} {lower} {upper} {from} {to}")
        };
        let (across, up) = (mapping(&self.x, left, right), mapping(&self.y, bottom, top));
        let x = |value| f64::from(left) + f64::from(right - left) * self.x.at(value);
        let y = |value| f64::from(bottom) - f64::from(bottom - top) * self.y.at(value);
        let (x, y, shape) = match pointer {
            Pointer::Line(at) => {
                (x(at), f64::from(top), format!("<path stroke-width=\"5\" d=\"M0 0V{}\"", bottom - top))
            }
            Pointer::Ring(at, height) => (x(at), y(height), "<circle stroke-width=\"5\" r=\"12\"".to_owned()),
        };
        let class = Role::Alarm.class();
        let shape =
            format!("<g class=\"pointer\" transform=\"translate({x:.1} {y:.1})\">{shape} class=\"line {class}\"/></g>");
        let svg = styled(&svg, SMALL, label, &format!(" data-x=\"{across}\" data-y=\"{up}\""));
        Ok(svg.replace("</svg>", &format!("{shape}\n</svg>")))
    }

    /// Returns where in the area the data lie.
    fn draw_in(&self, area: &Area<'_>, frame: &Frame<'_>) -> Result<Plot, String> {
        let ink = Role::Ink.stand_in();
        let text = frame.text;
        let mut builder = ChartBuilder::on(area);
        if let Some(name) = frame.name {
            builder.caption(name, (FONT, text, &ink));
        }
        let mut chart = builder
            .margin(frame.margin)
            .margin_right(frame.margin_right)
            .x_label_area_size(frame.below)
            .y_label_area_size(frame.left)
            .build_cartesian_2d(Coordinate(&self.x), Coordinate(&self.y))
            .map_err(words)?;
        chart
            .configure_mesh()
            .bold_line_style(Role::Grid.stand_in())
            .light_line_style(TRANSPARENT)
            .axis_style(ink.stroke_width(2))
            .label_style((FONT, text, &ink))
            .axis_desc_style((FONT, text, &ink))
            .x_desc(&self.x.title)
            .y_desc(&self.y.title)
            .draw()
            .map_err(words)?;
        for layer in &self.layers {
            self.draw_layer(&mut chart, layer).map_err(words)?;
        }
        let at = |corner: f64| chart.plotting_area().map_coordinate(&(corner, corner));
        let ((left, bottom), (right, top)) = (at(0.0), at(1.0));
        Ok(Plot { left, right, top, bottom })
    }

    fn draw_layer<'a, DB, X, Y>(
        &self,
        chart: &mut ChartContext<'a, DB, Cartesian2d<X, Y>>,
        layer: &Layer,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>>
    where
        DB: DrawingBackend + 'a,
        X: Ranged<ValueType = f64>,
        Y: Ranged<ValueType = f64>,
    {
        let at = |(x, y): (f64, f64)| (self.x.at(x), self.y.at(y));
        let finite = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        let area = chart.plotting_area();
        match layer {
            Layer::Line(role, points) => {
                let points: Vec<_> = points.iter().copied().filter(finite).map(at).collect();
                if points.len() > 1 {
                    area.draw(&PathElement::new(points, role.stand_in().stroke_width(4)))?;
                }
            }
            Layer::Area(role, points) => {
                let mut outline: Vec<_> = points.iter().copied().filter(finite).map(at).collect();
                if let (Some(&first), Some(&last)) = (outline.first(), outline.last()) {
                    outline.extend([(last.0, 0.0), (first.0, 0.0)]);
                    area.draw(&Polygon::new(outline, role.stand_in().mix(0.15)))?;
                }
            }
            Layer::Band(role, points) => {
                let points = || points.iter().filter(|(x, lower, upper)| (x + lower + upper).is_finite());
                let mut outline: Vec<_> = points().map(|(x, _, upper)| at((*x, *upper))).collect();
                outline.extend(points().rev().map(|(x, lower, _)| at((*x, *lower))));
                if outline.len() > 2 {
                    area.draw(&Polygon::new(outline, role.stand_in().mix(0.2)))?;
                }
            }
            Layer::Marks(role, mark, points) => {
                let colour = role.stand_in();
                for point in points.iter().copied().filter(finite).map(at) {
                    match mark {
                        Mark::Dot => area.draw(&Circle::new(point, 6, colour.mix(0.7).filled()))?,
                        Mark::Ring => area.draw(&Circle::new(point, 10, colour.stroke_width(4)))?,
                        Mark::Cross => area.draw(&plotters::element::Cross::new(point, 10, colour.stroke_width(4)))?,
                    }
                }
            }
            Layer::Vertical(role, x) => {
                if x.is_finite() {
                    let x = self.x.at(*x);
                    area.draw(&PathElement::new([(x, 0.0), (x, 1.0)], role.stand_in().stroke_width(3)))?;
                }
            }
            Layer::Words(point, text) => {
                if finite(point) {
                    let (x, y) = area.map_coordinate(&at(*point));
                    let origin = area.get_base_pixel();
                    let ink = Role::Ink.stand_in();
                    let style = TextStyle::from((FONT, TEXT)).color(&ink).pos(Pos::new(HPos::Left, VPos::Center));
                    area.strip_coord_spec().draw(&Text::new(
                        text.as_str(),
                        (x - origin.0 + 16, y - origin.1),
                        style,
                    ))?;
                }
            }
            Layer::Stripe(from, to, text, shaded) => {
                let (from, to) = (self.x.at(*from), self.x.at(*to));
                if *shaded {
                    area.draw(&Rectangle::new(
                        [(from, 0.0), (to, 1.0)],
                        Role::Reference.stand_in().mix(0.15).filled(),
                    ))?;
                }
                let ink = Role::Ink.stand_in();
                let style = TextStyle::from((FONT, TEXT)).color(&ink);
                // A label wider than its stripe would run into the next one.
                let (width, _) = area.estimate_text_size(text, &style).unwrap_or((u32::MAX, 0));
                if f64::from(width) + 12.0 < (to - from) * f64::from(area.dim_in_pixel().0) {
                    let (x, y) = area.map_coordinate(&(from, 1.0));
                    let origin = area.get_base_pixel();
                    area.strip_coord_spec().draw(&Text::new(
                        text.as_str(),
                        (x - origin.0 + 6, y - origin.1 + 6),
                        style,
                    ))?;
                }
            }
        }
        Ok(())
    }
}

/// Where the data lie in a chart, in user units from its upper left corner.
struct Plot {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

/// An axis as plotters sees it: positions from 0 to 1, ticks where the axis has them.
struct Coordinate<'a>(&'a Axis);

impl Ranged for Coordinate<'_> {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, (start, end): (i32, i32)) -> i32 {
        start + (f64::from(end - start) * position).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.0.ticks.iter().map(|(position, _)| *position).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..1.0
    }
}

impl ValueFormatter<f64> for Coordinate<'_> {
    fn format_ext(&self, position: &f64) -> String {
        let tick = self.0.ticks.iter().find(|(tick, _)| tick == position);
        tick.map_or_else(String::new, |(_, label)| label.clone())
    }
}

/// Makes the font known to plotters, which otherwise cannot measure a label.
fn font() -> Result<(), ReportError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let bytes = include_bytes!("../../assets/report/DejaVuSans-subset.ttf");
    let registered = *REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, bytes).is_ok());
    if registered { Ok(()) } else { Err(ReportError::Font) }
}

/// Stand-in colours → classes; fixed size → fills its container; no name space, which HTML does not need.
fn styled(svg: &str, size: (u32, u32), label: &str, attributes: &str) -> String {
    let body = svg.split_once(">\n").map_or(svg, |(_, body)| body);
    let mut out = format!(
        r#"<svg viewBox="0 0 {} {}" role="img" aria-label="{}"{attributes}>{}"#,
        size.0,
        size.1,
        minijinja::HtmlEscape(label),
        '\n'
    );
    // One pass over the attributes: `stroke="#050102"` becomes `class="line value"`.
    let classes: Vec<(String, String)> = Role::all()
        .map(|role| {
            let RGBColor(r, g, b) = role.stand_in();
            (format!("\"#{r:02X}{g:02X}{b:02X}\""), role.class())
        })
        .collect();
    let mut rest = body;
    while let Some(at) = rest.find("=\"#") {
        let (before, value) = (&rest[..at], rest.get(at + 1..at + 10).unwrap_or_default());
        let class = classes.iter().find(|(colour, _)| colour == value).map(|(_, class)| class);
        let named = [("stroke", "line"), ("fill", "fill")]
            .into_iter()
            .find_map(|(attribute, kind)| Some((before.strip_suffix(attribute)?, kind)));
        if let (Some(class), Some((before, kind))) = (class, named) {
            let _ = write!(out, "{before}class=\"{kind} {class}\"");
            rest = &rest[at + 10..];
        } else {
            out += &rest[..at + 3];
            rest = &rest[at + 3..];
        }
    }
    out += rest;
    // What the style sheet says anyway, thousands of times.
    let needless = [" opacity=\"1\"", " stroke=\"none\" stroke-width=\"1\"", &format!(" font-family=\"{FONT}\"")];
    needless.iter().fold(out, |out, attribute| out.replace(attribute, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(layers: Vec<Layer>) -> Chart {
        Chart { x: Axis::linear("cosine", -1.0, 1.0), y: Axis::rate("share", 1e-4), layers }
    }

    #[test]
    fn every_colour_becomes_a_class() {
        let points = vec![(0.0, 0.01), (0.5, 0.1), (0.7, 0.1)];
        let layers = Role::all().flat_map(|role| {
            [
                Layer::Line(role, points.clone()),
                Layer::Area(role, points.clone()),
                Layer::Marks(role, Mark::Ring, points.clone()),
            ]
        });
        let svg = chart(layers.collect()).svg("a < b").unwrap();
        assert!(!svg.contains('#') && !svg.contains("http"), "{svg}");
        assert!(svg.contains("aria-label=\"a &lt; b\"") && svg.contains("class=\"line run5 dash4\""), "{svg}");
    }

    #[test]
    fn a_pointer_stands_where_a_script_would_put_it() {
        let chart = Chart { x: Axis::linear("cosine", -1.0, 3.0), y: Axis::rate("rate", 1e-4), layers: vec![] };
        let svg = chart.explorable_svg("x", Pointer::Ring(0.0, 1e-3)).unwrap();
        let attribute = |name: &str| svg.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        let place = |name: &str, kind: &str, ends: [f64; 2], value: f64| {
            let (found, numbers) = attribute(name).split_once(' ').unwrap();
            let [lower, upper, from, to] =
                numbers.split(' ').map(|n| n.parse::<f64>().unwrap()).collect::<Vec<_>>()[..]
            else {
                panic!("{numbers}")
            };
            assert_eq!((found, [lower, upper]), (kind, ends));
            from + (to - from) * (value - lower) / (upper - lower)
        };
        let (x, y) = (place("data-x", "linear", [-1.0, 3.0], 0.0), place("data-y", "log", [-4.0, 0.0], -3.0));
        assert!(svg.contains(&format!("transform=\"translate({x:.1} {y:.1})\"")), "{x} {y} {svg}");
        assert!(y > f64::from(SMALL.1) / 2.0, "small rates lie below");
        let line = chart.explorable_svg("x", Pointer::Line(3.0)).unwrap();
        assert_eq!((line.matches("<path").count(), line.matches("class=\"line alarm\"").count()), (1, 1));
    }

    #[test]
    fn roles_have_distinct_stand_ins_and_classes() {
        let mut numbers: Vec<_> = Role::all().map(Role::number).collect();
        let mut classes: Vec<_> = Role::all().map(Role::class).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        classes.sort();
        classes.dedup();
        assert_eq!((numbers.len(), classes.len()), (count, count));
    }

    #[test]
    fn points_that_are_no_numbers_are_left_out() {
        let nothing = vec![(f64::NAN, 1.0), (0.0, f64::INFINITY)];
        let bare = chart(vec![]).svg("x").unwrap();
        let drawn = chart(vec![
            Layer::Line(Role::Value, nothing.clone()),
            Layer::Area(Role::Value, nothing.clone()),
            Layer::Marks(Role::Value, Mark::Dot, nothing),
            Layer::Band(Role::Value, vec![(0.0, f64::NAN, 1.0)]),
            Layer::Vertical(Role::Value, f64::NAN),
            Layer::Words((f64::NAN, 0.0), "nowhere".into()),
        ]);
        assert_eq!(drawn.svg("x").unwrap(), bare);
    }
}
