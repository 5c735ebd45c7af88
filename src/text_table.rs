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

impl TextTable {
    /// Whether it is at most `width` characters wide.
    pub fn fits(&self, width: usize) -> bool {
        self.lines().iter().all(|line| line.chars().count() <= width)
    }

    /// The table if it is at most `width` characters wide. Otherwise, under the headings of the first `titles` cells, its
    /// rows below each other: those cells, then each other cell on a line of its own, behind its heading.
    pub fn fitted(&self, width: usize, titles: usize) -> Vec<String> {
        let Some((headings, rows)) = self.rows.split_first().filter(|_| !self.fits(width)) else { return self.lines() };
        let below = |row: &Vec<String>| {
            let (title, cells) = row.split_at(titles.min(row.len()));
            let cells = headings.iter().skip(titles).zip(cells).filter(|(_, cell)| !cell.is_empty());
            let cells = Self::default().rows(cells.map(|(heading, cell)| [heading, cell].map(Clone::clone)));
            [vec![title.join("  ")], cells.indented(2).lines()].concat()
        };
        let title = headings[..titles.min(headings.len())].join("  ");
        std::iter::once(title).chain(rows.iter().flat_map(below)).collect()
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

    #[test]
    fn a_table_that_is_too_wide_has_its_cells_below_each_other() {
        let table = TextTable::new(["key", "[1]", "[2]"]).rows([["seed", "1", "2"], ["name", "one", ""]]);
        assert_eq!(table.fitted(14, 1), table.lines());
        assert_eq!(table.fitted(13, 1), ["key", "seed", "  [1]  1", "  [2]  2", "name", "  [1]  one"]);
        assert_eq!(table.fitted(1, 2), ["key  [1]", "seed  1", "  [2]  2", "name  one"]);
        assert!(TextTable::default().fitted(1, 1).is_empty());
    }
}
