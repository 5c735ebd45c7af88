//! Reads a delimited table line by line, detects its separator and keeps track of line numbers for messages.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use csv::StringRecord;

use super::columns::BoxColumns;
use super::{CsvProblem, DatasetError, LONGEST_NAME, other_kind};
use crate::preprocess::{BoundingBox, Landmarks};
use crate::text;

/// Bytes of any value of a table. Whole columns are kept, also those that are not read.
const LONGEST_VALUE: usize = 1 << 20;

fn too_long(column: &str, value: &str, most: usize) -> CsvProblem {
    CsvProblem::TooLong {
        column: text::quoted(column).into_owned(),
        value: text::quoted_to(value, 40).into_owned(),
        most,
    }
}

/// A value as an error keeps it; it is shown shorter still.
fn shortened(value: &str) -> String {
    value[..value.floor_char_boundary(LONGEST_NAME)].to_owned()
}

/// Most columns of a table; one with an embedding in each row has about a thousand.
pub(super) const MOST_COLUMNS: usize = 10_000;

/// A table that is being read.
pub(super) struct CsvLines<'a> {
    body: &'a [u8],
    /// Bytes of a byte order mark before `body`.
    mark: usize,
    reader: csv::Reader<Cursor<Cow<'a, [u8]>>>,
    pub headers: Vec<String>,
    record: StringRecord,
    /// Number of values of the current line as written.
    found: usize,
    /// Values that short lines left out so far.
    left_out: usize,
    /// Byte where the current line begins; the header's at first.
    pub offset: usize,
    /// Number of the current line, from 1.
    pub line: u64,
}

impl<'a> CsvLines<'a> {
    /// Reads the header.
    pub fn open(bytes: &'a [u8]) -> Result<Self, CsvError> {
        let text = utf8(bytes)?;
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        if body.trim().is_empty() {
            return Err(CsvError { offset: 0, problem: CsvProblem::EmptyFile });
        }
        let separator = delimiter(body);
        let reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(Cursor::new(quotes_first(body.as_bytes(), separator)));
        let mark = text.len() - body.len();
        let (headers, record) = (Vec::new(), StringRecord::new());
        let mut lines =
            Self { body: body.as_bytes(), mark, reader, headers, record, found: 0, left_out: 0, offset: 0, line: 1 };
        lines.read();
        let found = lines.record.len();
        if found > MOST_COLUMNS {
            return Err(CsvError { offset: lines.offset, problem: CsvProblem::TooManyColumns { found } });
        }
        if let Some((at, name)) = lines.record.iter().enumerate().find(|(_, name)| name.len() > LONGEST_NAME) {
            let problem = too_long(&format!("column {}", at + 1), name, LONGEST_NAME);
            return Err(CsvError { offset: lines.offset, problem });
        }
        // Trailing separators, as Excel writes them.
        let named = (0..found).rfind(|column| !lines.record[*column].is_empty()).map_or(found, |last| last + 1);
        lines.headers = lines.record.iter().take(named).map(str::to_owned).collect();
        Ok(lines)
    }

    /// Advances to the next line; `false` at the end. Trailing separators are ignored. A line with too few or too many
    /// values concerns its own face ([`CsvRow::whole`]), unless it spans several lines of text: then a stray quote has
    /// swallowed others, which is an error.
    pub fn advance(&mut self) -> Result<bool, CsvError> {
        let there = self.read();
        if self.record.iter().skip(self.headers.len()).all(str::is_empty) {
            self.record.truncate(self.headers.len());
        }
        self.found = self.record.len();
        if there && self.record.iter().any(|value| value.contains('\n')) {
            self.row().whole().map_err(|problem| CsvError { offset: self.offset, problem })?;
        }
        let long = self.record.iter().enumerate().find(|(_, value)| value.len() > LONGEST_VALUE);
        if let Some((column, value)) = long {
            let name = self.headers.get(column).map_or("a value without a column", String::as_str);
            return Err(CsvError { offset: self.offset, problem: too_long(name, value, LONGEST_VALUE) });
        }
        // Each is filled up with empty values: millions of short lines below a long header would fill memory.
        self.left_out += self.headers.len().saturating_sub(self.found);
        if there && self.left_out > self.body.len().max(MOST_COLUMNS * 100) {
            let (found, expected) = (self.found, self.headers.len());
            return Err(CsvError { offset: self.offset, problem: CsvProblem::Ragged { found, expected } });
        }
        self.record.truncate(self.headers.len());
        while self.record.len() < self.headers.len() {
            self.record.push_field("");
        }
        Ok(there)
    }

    /// The current line.
    pub fn row(&self) -> CsvRow<'_> {
        CsvRow { headers: &self.headers, record: &self.record, found: self.found }
    }

    fn read(&mut self) -> bool {
        // `csv` cannot fail on UTF-8 text in memory with a flexible reader.
        let there = self.reader.read_record(&mut self.record).unwrap_or(false);
        // `a, b` is common, and white space around an id or path is never significant.
        self.record.trim();
        // Line breaks that the reader skipped before the record belong to the lines above.
        let at = self.record.position().map_or(0, |position| position.byte() as usize);
        let breaks = self.body[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let before = self.offset.saturating_sub(self.mark);
        self.line += line_at(&self.body[before..at + breaks], usize::MAX) - 1;
        self.offset = self.mark + at + breaks;
        there
    }
}

/// The bytes as text.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, CsvError> {
    if let Some(problem) = other_kind::of(bytes) {
        return Err(CsvError { offset: 0, problem });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let column = offset - bytes[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |i| i + 1) + 1;
        CsvError { offset, problem: CsvProblem::NotUtf8 { column } }
    })
}

/// A broken rule and the byte where its line begins.
pub(super) struct CsvError {
    pub offset: usize,
    pub problem: CsvProblem,
}

impl CsvError {
    /// Adds the table's path and the line.
    pub fn at(self, path: &Path, bytes: &[u8]) -> DatasetError {
        let (path, line) = (path.into(), line_at(bytes, self.offset));
        DatasetError::Csv { path, line, problem: Box::new(self.problem) }
    }
}

/// 1 + line breaks before a byte.
pub(super) fn line_at(bytes: &[u8], offset: usize) -> u64 {
    bytes[..offset.min(bytes.len())].split(|byte| *byte == b'\n').count() as u64
}

/// One line below the header.
pub(super) struct CsvRow<'a> {
    pub headers: &'a [String],
    /// As many values as the header; missing ones are empty.
    pub record: &'a StringRecord,
    /// Number of values as written.
    found: usize,
}

impl<'a> CsvRow<'a> {
    pub fn column(&self, column: usize) -> String {
        self.headers[column].trim().to_owned()
    }

    /// Requires as many values as the header has: otherwise it is unknown which one is missing.
    pub fn whole(&self) -> Result<(), CsvProblem> {
        let (found, expected) = (self.found, self.headers.len());
        if found == expected { Ok(()) } else { Err(CsvProblem::Ragged { found, expected }) }
    }

    /// A value of at most [`LONGEST_NAME`] bytes without control characters.
    pub fn text(&self, column: usize) -> Result<&'a str, CsvProblem> {
        let value = &self.record[column];
        if value.len() > LONGEST_NAME {
            return Err(too_long(&self.headers[column], value, LONGEST_NAME));
        }
        if value.contains(char::is_control) {
            return Err(CsvProblem::Control { column: self.headers[column].clone() });
        }
        Ok(value)
    }

    pub fn needed(&self, column: usize) -> Result<&'a str, CsvProblem> {
        let value = self.text(column)?;
        if value.is_empty() {
            return Err(CsvProblem::Empty { column: self.headers[column].clone() });
        }
        Ok(value)
    }

    pub fn number(&self, column: usize) -> Result<Option<f64>, CsvProblem> {
        let value = &self.record[column];
        if value.is_empty() {
            return Ok(None);
        }
        // It is kept as f32 and has to be finite there too.
        let number = value.parse::<f64>().ok().filter(|number| (*number as f32).is_finite());
        number.map(Some).ok_or_else(|| self.expected(column, "a finite number such as 12 or 12.5"))
    }

    /// The error for a value of another form.
    pub fn expected(&self, column: usize, expected: &'static str) -> CsvProblem {
        CsvProblem::Value { column: self.column(column), value: shortened(&self.record[column]), expected }
    }

    /// The box, which must not be empty.
    pub fn full_bbox(&self, columns: BoxColumns) -> Result<BoundingBox, CsvProblem> {
        let (BoxColumns::Corners([first, ..]) | BoxColumns::Size([first, ..])) = columns;
        self.bbox(columns)?.ok_or_else(|| CsvProblem::Empty { column: self.column(first) })
    }

    /// The box; `None` if all four values are empty.
    pub fn bbox(&self, columns: BoxColumns) -> Result<Option<BoundingBox>, CsvProblem> {
        let (BoxColumns::Corners(indices) | BoxColumns::Size(indices)) = columns;
        let mut numbers = [None; 4];
        for (number, index) in numbers.iter_mut().zip(indices) {
            *number = self.number(index)?;
        }
        if numbers.iter().all(Option::is_none) {
            return Ok(None);
        }
        if let Some(i) = numbers.iter().position(Option::is_none) {
            return Err(CsvProblem::Empty { column: self.headers[indices[i]].clone() });
        }
        let [x, y, a, b] = numbers.map(Option::unwrap_or_default);
        let (x2, y2, names): (_, _, &[_; 4]) = match columns {
            BoxColumns::Corners(_) => (a, b, &["x1", "y1", "x2", "y2"]),
            BoxColumns::Size(_) => (x + a, y + b, &["x", "y", "x + w", "y + h"]),
        };
        let [x1, y1, x2, y2] = [x, y, x2, y2].map(|edge| edge as f32);
        if !(x2 > x1 && y2 > y1 && x2.is_finite() && y2.is_finite()) {
            return Err(CsvProblem::NoArea { x1, y1, x2, y2, names });
        }
        Ok(Some(BoundingBox { x1, y1, x2, y2 }))
    }

    /// The landmarks; `None` if all ten values are empty.
    pub fn landmarks(&self, columns: [usize; 10]) -> Result<Option<Landmarks>, CsvProblem> {
        let mut numbers = [None; 10];
        for (number, column) in numbers.iter_mut().zip(columns) {
            *number = self.number(column)?;
        }
        match numbers.iter().position(Option::is_none) {
            None => Ok(Some(Landmarks::from_numbers(numbers.map(|number| number.unwrap_or_default() as f32)))),
            Some(_) if numbers.iter().all(Option::is_none) => Ok(None),
            Some(empty) => Err(CsvProblem::Empty { column: self.column(columns[empty]) }),
        }
    }
}

/// Moves spaces before a quoted value behind it: `csv` takes a quote after a space literally and would split `a, "b, c"`
/// into three values. Line numbers stay the same.
fn quotes_first(text: &[u8], separator: u8) -> Cow<'_, [u8]> {
    let mut changed = Cow::Borrowed(text);
    let (mut at, mut starts) = (0, true);
    while at < text.len() {
        let spaces = if starts { text[at..].iter().take_while(|byte| **byte == b' ').count() } else { 0 };
        let quote = at + spaces;
        if starts && text.get(quote) == Some(&b'"') {
            // A doubled quote closes and reopens the value.
            let mut end = quote;
            while text.get(end) == Some(&b'"') {
                end =
                    text[end + 1..].iter().position(|byte| *byte == b'"').map_or(text.len(), |more| end + 1 + more + 1);
            }
            if spaces > 0 {
                changed.to_mut()[at..end].rotate_left(spaces);
            }
            (at, starts) = (end, false);
        } else {
            starts = matches!(text[at], b'\n' | b'\r') || text[at] == separator;
            at += 1;
        }
    }
    changed
}

/// The separator that splits the header into the most columns; a comma by default.
fn delimiter(text: &str) -> u8 {
    let columns = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut header = StringRecord::new();
        reader.read_record(&mut header).map_or(0, |_| header.len())
    };
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| columns(*delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(table: &str) -> Vec<(u64, Vec<String>)> {
        let Ok(mut lines) = CsvLines::open(table.as_bytes()) else { panic!("{table}") };
        let mut found = vec![(lines.line, lines.headers.clone())];
        while lines.advance().is_ok_and(|there| there) {
            found.push((lines.line, lines.row().record.iter().map(str::to_owned).collect()));
        }
        found
    }

    #[test]
    fn quoted_values_may_have_spaces_around_them() {
        let row = |line, values: [&str; 3]| (line, values.map(str::to_owned).to_vec());
        let table = "\"a\" ,  \"b\", c\r\n\r\n 1, \"Doe, \"\"Jane\"\"\" ,3\n\"x\ny\",  \"\",\n2 \" in,1,1,,\n";
        let expected = [
            row(1, ["a", "b", "c"]),
            row(3, ["1", "Doe, \"Jane\"", "3"]),
            row(4, ["x\ny", "", ""]),
            row(6, ["2 \" in", "1", "1"]),
        ];
        assert_eq!(lines(table), expected);
    }

    #[test]
    fn separators_at_the_end_of_the_header_are_no_columns() {
        let row = |line, values: [&str; 2]| (line, values.map(str::to_owned).to_vec());
        assert_eq!(lines("a,b, ,\n1,2,,\n3,4\n"), [row(1, ["a", "b"]), row(2, ["1", "2"]), row(3, ["3", "4"])]);
        assert_eq!(lines("a,b,\n1,2,\n"), [row(1, ["a", "b"]), row(2, ["1", "2"])]);
        let Ok(mut there) = CsvLines::open(b"a,b,\n1,2,3\n") else { panic!() };
        assert!(there.advance().is_ok_and(|there| there));
        assert_eq!(there.row().whole(), Err(CsvProblem::Ragged { found: 3, expected: 2 }));
    }

    /// Fault (tables): a CSV with a million columns → refused by their number, in time that grows with the file
    /// Fault (tables): a million lines of one value below 10,000 columns → refused at a line; memory stays that of the file
    #[test]
    fn columns_are_counted_and_short_lines_are_not_filled_up_for_ever() {
        let header = |columns: usize| (0..columns).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
        let Err(CsvError { problem, .. }) = CsvLines::open(header(1_000_000).as_bytes()) else { panic!() };
        insta::assert_snapshot!(problem, @"the header has 1000000 columns, at most 10000 are read; leave out the columns that are not needed");
        let table = header(10_000) + &"\nx".repeat(1_000_000);
        let Ok(mut lines) = CsvLines::open(table.as_bytes()) else { panic!() };
        let problem = loop {
            match lines.advance() {
                Ok(there) => assert!(there),
                Err(error) => break error.problem,
            }
        };
        assert_eq!(problem, CsvProblem::Ragged { found: 1, expected: 10_000 });
        assert!(lines.line < 1000, "{}", lines.line);
    }

    proptest! {
        #[test]
        fn only_spaces_before_quotes_move(text in "[ab,; \"\n\r]{0,40}") {
            let moved = quotes_first(text.as_bytes(), b',');
            prop_assert_eq!(moved.len(), text.len());
            if !text.contains(" \"") {
                prop_assert_eq!(&moved[..], text.as_bytes());
            }
        }
    }
}
