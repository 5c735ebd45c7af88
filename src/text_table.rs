//! Tables of text for a terminal: every command draws its columns here.

use std::fmt;

/// Rows of cells, each column as wide as its widest cell and two spaces apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextTable {
    rows: Vec<Vec<String>>,
    numbers_right: bool,
    indent: usize,
}

impl TextTable {
    /// A table under a line of headings.
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        let mut table = Self::default();
        table.row(headings);
        table
    }

    /// Aligns every column but the first to the right.
    pub fn numbers_right(mut self) -> Self {
        self.numbers_right = true;
        self
    }

    /// Puts so many spaces before each line.
    pub fn indented(mut self, spaces: usize) -> Self {
        self.indent = spaces;
        self
    }

    /// Adds a row; it may have fewer cells than others.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// [`Self::row`] for several rows.
    pub fn rows<S: Into<String>>(mut self, rows: impl IntoIterator<Item = impl IntoIterator<Item = S>>) -> Self {
        rows.into_iter().for_each(|row| self.row(row));
        self
    }

    /// The lines, without trailing spaces.
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if self.numbers_right && column > 0 { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            let line = " ".repeat(self.indent) + &cells.collect::<Vec<_>>().join("  ");
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

impl fmt::Display for TextTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_counted_in_characters() {
        let rows = [["d′", "1.5", ""], ["accuracy", "99.25", "✗"]];
        let table = TextTable::new(["metric", "value"]).rows(rows);
        assert_eq!(table.to_string(), "metric    value\nd′        1.5\naccuracy  99.25  ✗");
        let numbers = table.numbers_right().indented(2);
        assert_eq!(numbers.lines(), ["  metric    value", "  d′          1.5", "  accuracy  99.25  ✗"]);
        assert_eq!(TextTable::default().to_string(), "");
    }
}
