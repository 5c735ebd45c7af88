//! Charts as inline SVG. The only file that knows plotters.
//!
//! Charts carry no colour: plotters draws each [`Style`] in a placeholder colour, which is then replaced by a CSS class, so
//! that the page's style sheet decides colours and dashes for light, dark and print.

use std::fmt::Write as _;
use std::sync::OnceLock;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::ReportError;
use super::axis::ChartAxis;

/// What a shape represents; decides its class in the style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Ink,
    Grid,
    Genuine,
    Impostor,
    /// The quantity of a figure with only one.
    Value,
    /// A reference: a threshold, a limit.
    Reference,
    Alarm,
    Better,
    Worse,
    Series(u8),
}

/// The styles other than series, with their classes in the style sheet.
const NAMED: [(Style, &str); 9] = [
    (Style::Ink, "ink"),
    (Style::Grid, "grid"),
    (Style::Genuine, "genuine"),
    (Style::Impostor, "impostor"),
    (Style::Value, "value"),
    (Style::Reference, "reference"),
    (Style::Alarm, "alarm"),
    (Style::Better, "better"),
    (Style::Worse, "worse"),
];
const COLOURS: u8 = 6;
const DASHES: u8 = 5;
/// Series that differ in colour or dash.
const SERIES: u8 = COLOURS * DASHES;

impl Style {
    /// The style of the n-th series; repeats after [`SERIES`].
    pub fn nth(n: usize) -> Self {
        Self::Series((n % usize::from(SERIES)) as u8)
    }

    /// Classes in the style sheet. Series differ in colour and in dash, with periods that have no common factor.
    pub fn class(self) -> String {
        match self {
            Self::Series(i) => format!("series{} dash{}", i % COLOURS, i % DASHES),
            named => NAMED.iter().find(|(style, _)| *style == named).map_or("", |(_, class)| class).into(),
        }
    }

    fn number(self) -> u8 {
        Self::all().position(|style| style == self).unwrap_or_default() as u8
    }

    fn all() -> impl Iterator<Item = Self> {
        NAMED.into_iter().map(|(style, _)| style).chain((0..SERIES).map(Self::Series))
    }

    /// The placeholder colour, which no style sheet uses.
    fn placeholder(self) -> RGBColor {
        RGBColor(self.number(), 1, 2)
    }
}

/// The look of single points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Dot,
    Ring,
    Cross,
}

/// One element of a chart, in data coordinates.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ChartLayer {
    Line(Style, Vec<(f64, f64)>),
    /// The area between a line and the lower end of the y axis.
    Area(Style, Vec<(f64, f64)>),
    /// The area between two lines: x, lower, upper.
    Band(Style, Vec<(f64, f64, f64)>),
    Marks(Style, Mark, Vec<(f64, f64)>),
    Vertical(Style, f64),
    /// Text to the right of a point, vertically centred on it.
    Label((f64, f64), String),
    /// A stripe over the whole height, with a label at its top where it fits, shaded or not.
    Stripe(f64, f64, String, bool),
}

/// Two axes and the layers between them, the first at the bottom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    pub x: ChartAxis,
    pub y: ChartAxis,
    pub layers: Vec<ChartLayer>,
}

/// A chart for a row of several, without axis titles.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SmallChart(pub Chart);

/// A chart of rows with labels inside the chart; its height grows with the number of rows. The y axis counts rows from the
/// bottom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RowChart {
    pub rows: usize,
    pub chart: Chart,
}

/// A chart whose y axis names rows, so that its height grows with their number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NamedRows {
    pub rows: usize,
    pub chart: Chart,
}

/// A drawing that renders to SVG.
pub(super) trait Drawing {
    fn draw(&self, area: &Area<'_>) -> Result<(), String>;

    /// Side lengths in user units.
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    /// An SVG element that fills its container; screen readers announce `label`.
    fn svg(&self, label: &str) -> Result<String, ReportError> {
        let (svg, ()) = drawn(self.size(), label, |area| self.draw(area))?;
        Ok(styled(&svg, self.size(), label, self.attributes()))
    }

    /// Attributes of the SVG element.
    fn attributes(&self) -> &'static str {
        ""
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn message(error: DrawingAreaErrorKind<std::io::Error>) -> String {
    error.to_string()
}

/// The SVG as plotters writes it, and the result of `draw`.
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
        area.present().map_err(message)?;
        Ok(found)
    };
    let found = whole(&mut svg).map_err(|message| ReportError::Plot { figure: label.into(), message })?;
    Ok((svg, found))
}

/// Space around a chart, in user units.
#[derive(Clone, Copy)]
struct Frame {
    text: i32,
    margin: i32,
    margin_right: i32,
    below: i32,
    left: i32,
}

const WHOLE: Frame = Frame { text: TEXT, margin: 14, margin_right: 36, below: 74, left: 150 };

/// The threshold marker that the explorer's script moves through a chart, with its initial data coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ExplorerCursor {
    Line(f64),
    Ring(f64, f64),
}

/// Side lengths in user units; the page scales charts. Text stays readable at half this width, on a phone.
const SIZE: (u32, u32) = (760, 500);
const FONT: &str = "sans-serif";
const TEXT: i32 = 24;

impl Drawing for Chart {
    fn draw(&self, area: &Area<'_>) -> Result<(), String> {
        self.draw_in(area, &WHOLE).map(|_| ())
    }
}

/// Height of one row of [`RowChart`], user units.
const ROW: u32 = 84;
/// Width of a [`RowChart`], whose rows hold text.
const ROW_WIDTH: u32 = 1120;

impl Drawing for RowChart {
    fn draw(&self, area: &Area<'_>) -> Result<(), String> {
        self.chart.draw_in(area, &Frame { left: 24, ..WHOLE }).map(|_| ())
    }

    fn size(&self) -> (u32, u32) {
        let around = (WHOLE.below + 2 * WHOLE.margin) as u32;
        (ROW_WIDTH, around + ROW * self.rows.max(1) as u32)
    }

    fn attributes(&self) -> &'static str {
        " class=\"rows\""
    }
}

/// Height of one row of [`NamedRows`], user units.
const NAMED_ROW: u32 = 32;
/// Characters of the longest name that does not take the chart's room.
const NAME: usize = 24;

impl Drawing for NamedRows {
    fn draw(&self, area: &Area<'_>) -> Result<(), String> {
        let mut chart = self.chart.clone();
        for (_, name) in &mut chart.y.ticks {
            if name.chars().count() > NAME {
                *name = name.chars().take(NAME - 1).chain(['…']).collect();
            }
        }
        let widest = chart.y.ticks.iter().filter_map(|(_, name)| {
            area.estimate_text_size(name, &TextStyle::from((FONT, TEXT))).ok().map(|(width, _)| width as i32)
        });
        let left = widest.max().unwrap_or(0) + 20;
        chart.draw_in(area, &Frame { left, ..WHOLE }).map(|_| ())
    }

    fn size(&self) -> (u32, u32) {
        let around = (WHOLE.below + 2 * WHOLE.margin) as u32;
        (SIZE.0, around + NAMED_ROW * self.rows.max(4) as u32)
    }
}

impl Drawing for SmallChart {
    fn draw(&self, area: &Area<'_>) -> Result<(), String> {
        let frame = Frame { text: 20, margin: 8, margin_right: 16, below: 34, left: 16 };
        self.0.draw_in(area, &frame).map(|_| ())
    }

    fn size(&self) -> (u32, u32) {
        (300, 210)
    }
}

impl Chart {
    /// A small chart with a cursor for a script to move: the translation of the element of class `cursor` is its position
    /// in user units, and `data-x` and `data-y` hold the mapping from values: [`ChartAxis::ends`] and the user units of both
    /// ends.
    pub fn explorable_svg(&self, label: &str, cursor: ExplorerCursor) -> Result<String, ReportError> {
        let (svg, PlottingArea { left, right, top, bottom }) = drawn(SIZE, label, |area| self.draw_in(area, &WHOLE))?;
        let mapping = |axis: &ChartAxis, from: i32, to: i32| {
            let (kind, lower, upper) = axis.ends();
            format!("{kind} {lower} {upper} {from} {to}")
        };
        let (across, up) = (mapping(&self.x, left, right), mapping(&self.y, bottom, top));
        let x = |value| f64::from(left) + f64::from(right - left) * self.x.at(value);
        let y = |value| f64::from(bottom) - f64::from(bottom - top) * self.y.at(value);
        let (x, y, shape) = match cursor {
            ExplorerCursor::Line(at) => {
                (x(at), f64::from(top), format!("<path stroke-width=\"5\" d=\"M0 0V{}\"", bottom - top))
            }
            ExplorerCursor::Ring(at, height) => (x(at), y(height), "<circle stroke-width=\"5\" r=\"12\"".to_owned()),
        };
        let class = Style::Alarm.class();
        let shape =
            format!("<g class=\"cursor\" transform=\"translate({x:.1} {y:.1})\">{shape} class=\"line {class}\"/></g>");
        let svg = styled(&svg, SIZE, label, &format!(" data-x=\"{across}\" data-y=\"{up}\""));
        Ok(svg.replace("</svg>", &format!("{shape}\n</svg>")))
    }

    /// Draws the chart and returns the position of its plotting area.
    fn draw_in(&self, area: &Area<'_>, frame: &Frame) -> Result<PlottingArea, String> {
        let ink = Style::Ink.placeholder();
        let text = frame.text;
        let room = area.dim_in_pixel().0 as i32 - frame.left - frame.margin - frame.margin_right;
        let x = self.x.fitting(f64::from(room), |label| {
            let width = area.estimate_text_size(label, &TextStyle::from((FONT, text))).map_or(0, |(width, _)| width);
            f64::from(width) + f64::from(text)
        });
        let mut chart = ChartBuilder::on(area)
            .margin(frame.margin)
            .margin_right(frame.margin_right)
            .x_label_area_size(frame.below)
            .y_label_area_size(frame.left)
            .build_cartesian_2d(Coordinate(&x), Coordinate(&self.y))
            .map_err(message)?;
        chart
            .configure_mesh()
            .bold_line_style(Style::Grid.placeholder())
            .light_line_style(TRANSPARENT)
            .axis_style(ink.stroke_width(2))
            .label_style((FONT, text, &ink))
            .axis_desc_style((FONT, text, &ink))
            .x_desc(&self.x.title)
            .y_desc(&self.y.title)
            .draw()
            .map_err(message)?;
        for layer in &self.layers {
            self.draw_layer(&mut chart, layer).map_err(message)?;
        }
        let at = |corner: f64| chart.plotting_area().map_coordinate(&(corner, corner));
        let ((left, bottom), (right, top)) = (at(0.0), at(1.0));
        Ok(PlottingArea { left, right, top, bottom })
    }

    fn draw_layer<'a, DB, X, Y>(
        &self,
        chart: &mut ChartContext<'a, DB, Cartesian2d<X, Y>>,
        layer: &ChartLayer,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>>
    where
        DB: DrawingBackend + 'a,
        X: Ranged<ValueType = f64>,
        Y: Ranged<ValueType = f64>,
    {
        let at = |(x, y): (f64, f64)| (self.x.at(x), self.y.at(y));
        let finite = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        let area = chart.plotting_area();
        let colour = Style::Ink.placeholder();
        let ink = TextStyle::from((FONT, TEXT)).color(&colour);
        // Text at an offset in user units from a position.
        let write = |position: (f64, f64), (right, down): (i32, i32), text: &str, style: TextStyle<'_>| {
            let ((x, y), origin) = (area.map_coordinate(&position), area.get_base_pixel());
            area.strip_coord_spec().draw(&Text::new(text, (x - origin.0 + right, y - origin.1 + down), style))
        };
        match layer {
            ChartLayer::Line(style, points) => {
                let points: Vec<_> = points.iter().copied().filter(finite).map(at).collect();
                if points.len() > 1 {
                    area.draw(&PathElement::new(points, style.placeholder().stroke_width(4)))?;
                }
            }
            ChartLayer::Area(style, points) => {
                let mut outline: Vec<_> = points.iter().copied().filter(finite).map(at).collect();
                if let (Some(&first), Some(&last)) = (outline.first(), outline.last()) {
                    outline.extend([(last.0, 0.0), (first.0, 0.0)]);
                    area.draw(&Polygon::new(outline, style.placeholder().mix(0.15)))?;
                }
            }
            ChartLayer::Band(style, points) => {
                let points = || points.iter().filter(|(x, lower, upper)| (x + lower + upper).is_finite());
                let mut outline: Vec<_> = points().map(|(x, _, upper)| at((*x, *upper))).collect();
                outline.extend(points().rev().map(|(x, lower, _)| at((*x, *lower))));
                if outline.len() > 2 {
                    area.draw(&Polygon::new(outline, style.placeholder().mix(0.2)))?;
                }
            }
            ChartLayer::Marks(style, mark, points) => {
                let colour = style.placeholder();
                for point in points.iter().copied().filter(finite).map(at) {
                    match mark {
                        Mark::Dot => area.draw(&Circle::new(point, 6, colour.mix(0.7).filled()))?,
                        Mark::Ring => area.draw(&Circle::new(point, 10, colour.stroke_width(4)))?,
                        Mark::Cross => area.draw(&plotters::element::Cross::new(point, 10, colour.stroke_width(4)))?,
                    }
                }
            }
            ChartLayer::Vertical(style, x) => {
                if x.is_finite() {
                    let x = self.x.at(*x);
                    area.draw(&PathElement::new([(x, 0.0), (x, 1.0)], style.placeholder().stroke_width(3)))?;
                }
            }
            ChartLayer::Label(point, text) => {
                if finite(point) {
                    write(at(*point), (16, 0), text, ink.pos(Pos::new(HPos::Left, VPos::Center)))?;
                }
            }
            ChartLayer::Stripe(from, to, text, shaded) => {
                let [left, right] = [*from, *to].map(|x| self.x.at(x));
                if *shaded {
                    let fill = Style::Reference.placeholder().mix(0.15).filled();
                    area.draw(&Rectangle::new([(left, 0.0), (right, 1.0)], fill))?;
                }
                // A label wider than its stripe would overlap the next one.
                let (width, _) = area.estimate_text_size(text, &ink).unwrap_or((u32::MAX, 0));
                if f64::from(width) + 12.0 < (right - left) * f64::from(area.dim_in_pixel().0) {
                    write((left, 1.0), (6, 6), text, ink)?;
                }
            }
        }
        Ok(())
    }
}

/// The area between a chart's axes, in user units from the chart's upper left corner.
struct PlottingArea {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

/// Presents an axis to plotters: positions from 0 to 1, with the axis' own ticks.
struct Coordinate<'a>(&'a ChartAxis);

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

/// Registers the font with plotters, which needs it to measure labels.
fn font() -> Result<(), ReportError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let bytes = include_bytes!("../../assets/report/DejaVuSans-subset.ttf");
    let registered = *REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, bytes).is_ok());
    if registered { Ok(()) } else { Err(ReportError::Font) }
}

/// Replaces placeholder colours by classes and the fixed size by a view box, and drops the namespace, which HTML does not
/// need.
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
    let classes: Vec<(String, String)> = Style::all()
        .map(|style| {
            let RGBColor(r, g, b) = style.placeholder();
            (format!("\"#{r:02X}{g:02X}{b:02X}\""), style.class())
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
    // Attributes that the style sheet already sets; they occur thousands of times.
    let needless = [" opacity=\"1\"", " stroke=\"none\" stroke-width=\"1\"", &format!(" font-family=\"{FONT}\"")];
    needless.iter().fold(out, |out, attribute| out.replace(attribute, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(layers: Vec<ChartLayer>) -> Chart {
        Chart { x: ChartAxis::linear("cosine", -1.0, 1.0), y: ChartAxis::rate("share", 1e-4), layers }
    }

    #[test]
    fn every_colour_becomes_a_class() {
        let points = vec![(0.0, 0.01), (0.5, 0.1), (0.7, 0.1)];
        let layers = Style::all().flat_map(|style| {
            [
                ChartLayer::Line(style, points.clone()),
                ChartLayer::Area(style, points.clone()),
                ChartLayer::Marks(style, Mark::Ring, points.clone()),
            ]
        });
        let svg = chart(layers.collect()).svg("a < b").unwrap();
        assert!(!svg.contains('#') && !svg.contains("http"), "{svg}");
        assert!(svg.contains("aria-label=\"a &lt; b\"") && svg.contains("class=\"line series5 dash4\""), "{svg}");
    }

    #[test]
    fn a_cursor_is_where_a_script_would_put_it() {
        let chart =
            Chart { x: ChartAxis::linear("cosine", -1.0, 3.0), y: ChartAxis::rate("rate", 1e-4), layers: vec![] };
        let svg = chart.explorable_svg("x", ExplorerCursor::Ring(0.0, 1e-3)).unwrap();
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
        assert!(y > f64::from(SIZE.1) / 2.0, "small rates lie below");
        let line = chart.explorable_svg("x", ExplorerCursor::Line(3.0)).unwrap();
        assert_eq!((line.matches("<path").count(), line.matches("class=\"line alarm\"").count()), (1, 1));
    }

    #[test]
    fn styles_have_distinct_placeholders_and_classes() {
        let mut numbers: Vec<_> = Style::all().map(Style::number).collect();
        let mut classes: Vec<_> = Style::all().map(Style::class).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        classes.sort();
        classes.dedup();
        assert_eq!((numbers.len(), classes.len()), (count, count));
    }

    #[test]
    fn points_that_are_not_finite_are_left_out() {
        let nothing = vec![(f64::NAN, 1.0), (0.0, f64::INFINITY)];
        let bare = chart(vec![]).svg("x").unwrap();
        let drawn = chart(vec![
            ChartLayer::Line(Style::Value, nothing.clone()),
            ChartLayer::Area(Style::Value, nothing.clone()),
            ChartLayer::Marks(Style::Value, Mark::Dot, nothing),
            ChartLayer::Band(Style::Value, vec![(0.0, f64::NAN, 1.0)]),
            ChartLayer::Vertical(Style::Value, f64::NAN),
            ChartLayer::Label((f64::NAN, 0.0), "nowhere".into()),
        ]);
        assert_eq!(drawn.svg("x").unwrap(), bare);
    }
}
