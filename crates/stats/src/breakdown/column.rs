//! What is known of the faces, column by column, and how a column divides them.

use std::collections::BTreeMap;

/// Up to this many distinct texts (or numbers) make a slice each.
pub(super) const MOST_CATEGORIES: usize = 12;

/// A column of a table with one row a face, in the order of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceColumn<'a> {
    /// As it is shown.
    pub name: String,
    /// One a face; a face may have none.
    pub values: Values<'a>,
    /// Which values promise a good picture, for a measure of quality.
    pub better: Option<GoodValues>,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values<'a> {
    /// Measured or recorded numbers. Those that are not finite count as missing.
    Numbers(Vec<Option<f64>>),
    /// What a table of the user's says. Empty texts count as missing.
    Texts(Vec<Option<&'a str>>),
}

/// Which values of a measure indicate a good picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GoodValues {
    /// High ones.
    Higher,
    /// Those near this one.
    Near(f64),
}

impl GoodValues {
    /// The higher, the better.
    pub(super) fn score(self, value: f64) -> f64 {
        match self {
            Self::Higher => value,
            Self::Near(middle) => -(value - middle).abs(),
        }
    }
}

/// How a column divides the faces.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnGroups {
    /// Name, and least and greatest value where values are numbers; at least two, in order.
    pub names: Vec<(String, Option<[f64; 2]>)>,
    /// Which of them each of the asked rows is in, in the order asked.
    pub of: Vec<Option<usize>>,
}

impl<'a> FaceColumn<'a> {
    /// A column of numbers.
    #[must_use]
    pub fn numbers(name: &str, values: Vec<Option<f64>>) -> Self {
        Self { name: name.into(), values: Values::Numbers(values), better: None }
    }

    /// A column of texts.
    #[must_use]
    pub fn texts(name: &str, values: Vec<Option<&'a str>>) -> Self {
        Self { name: name.into(), values: Values::Texts(values), better: None }
    }

    /// The same column as a measure of quality.
    #[must_use]
    pub fn judged(self, better: GoodValues) -> Self {
        Self { better: Some(better), ..self }
    }

    /// The value of a row as a number.
    pub(super) fn number(&self, row: u32) -> Option<f64> {
        match &self.values {
            Values::Numbers(values) => values.get(row as usize).copied().flatten(),
            Values::Texts(_) => self.text(row)?.parse().ok(),
        }
        .filter(|value| value.is_finite())
    }

    fn text(&self, row: u32) -> Option<&str> {
        match &self.values {
            Values::Numbers(_) => None,
            Values::Texts(values) => values.get(row as usize).copied().flatten().map(str::trim),
        }
        .filter(|text| !text.is_empty())
    }

    /// Divides rows: few different texts are categories, numbers are cut into quarters of the rows; equal numbers stay
    /// together. The error says why there are no groups.
    pub(super) fn groups(&self, rows: &[u32]) -> Result<ColumnGroups, String> {
        let texts: Vec<Option<&str>> = rows.iter().map(|&row| self.text(row)).collect();
        let numbers: Vec<Option<f64>> = rows.iter().map(|&row| self.number(row)).collect();
        let mut different: BTreeMap<&str, usize> = texts.iter().flatten().map(|text| (*text, 0)).collect();
        if numbers.iter().all(Option::is_none) && different.is_empty() {
            return Err("no face has a value".into());
        }
        let groups = if (1..=MOST_CATEGORIES).contains(&different.len()) {
            let mut names: Vec<&str> = different.keys().copied().collect();
            let number = |text: &&str| text.parse::<f64>().ok().filter(|value| value.is_finite());
            if names.iter().all(|name| number(name).is_some()) {
                names.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal));
            }
            names.iter().enumerate().for_each(|(i, name)| {
                different.insert(name, i);
            });
            let of = texts.iter().map(|text| different.get((*text)?).copied()).collect();
            ColumnGroups { names: names.into_iter().map(|name| (name.to_owned(), None)).collect(), of }
        } else if texts.iter().zip(&numbers).any(|(text, number)| text.is_some() && number.is_none()) {
            return Err(format!("{} different texts are neither few nor numbers", different.len()));
        } else {
            quarters(&numbers)
        };
        if groups.names.len() < 2 {
            return Err("all faces have one value".into());
        }
        Ok(groups)
    }
}

fn quarters(numbers: &[Option<f64>]) -> ColumnGroups {
    let mut sorted: Vec<f64> = numbers.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let mut edges = [1, 2, 3].map(|quarter| sorted.get(sorted.len() * quarter / 4).copied());
    if edges[2] == sorted.first().copied() {
        // Most faces have the lowest number: those that differ from it are a slice.
        edges[2] = sorted.iter().copied().find(|value| edges[2].is_some_and(|least| *value > least));
    }
    let bin = |value: f64| edges.iter().flatten().filter(|edge| value >= **edge).count();
    let mut ranges: [Option<[f64; 2]>; 4] = [None; 4];
    for &value in &sorted {
        let range = &mut ranges[bin(value)];
        *range = Some([range.map_or(value, |[least, _]| least), value]);
    }
    // Many equal numbers leave quarters empty.
    let place = |quarter: usize| ranges[..quarter].iter().flatten().count();
    ColumnGroups {
        names: ranges.iter().flatten().map(|range| (name(*range), Some(*range))).collect(),
        of: numbers.iter().map(|number| number.map(|value| place(bin(value)))).collect(),
    }
}

fn name([least, greatest]: [f64; 2]) -> String {
    match [least, greatest].map(plain) {
        [a, b] if a == b => a,
        [a, b] => format!("{a} to {b}"),
    }
}

/// Four significant digits, or all of a whole number.
fn plain(value: f64) -> String {
    let magnitude = value.abs().max(f64::MIN_POSITIVE).log10().floor();
    let text = format!("{value:.*}", (3.0 - magnitude).clamp(0.0, 9.0) as usize);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('-', "−")
}
