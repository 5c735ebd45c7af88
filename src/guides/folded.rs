//! A page on a terminal: the cells of a wide table below each other, and no line of text wider than the terminal. What is
//! written elsewhere stays the Markdown that it is.

/// Fewer characters make no lines that can be read.
const NARROWEST: usize = 40;

/// Folds Markdown to lines of `width` characters, at least [`NARROWEST`]. Code, and a word that is longer, stay as they are.
pub(super) fn folded(markdown: &str, width: usize) -> String {
    let width = width.max(NARROWEST);
    let lines: Vec<&str> = markdown.lines().collect();
    let fits = |line: &&str| line.chars().count() <= width;
    let (mut folded, mut in_code, mut at) = (Vec::new(), false, 0);
    while let Some(line) = lines.get(at) {
        let table = if in_code { 0 } else { lines[at..].iter().take_while(|line| line.starts_with('|')).count() };
        let block = &lines[at..at + table.max(1)];
        at += block.len();
        in_code ^= line.trim_start().starts_with("```");
        match block {
            block if in_code || block.iter().all(fits) => folded.extend(block.iter().map(|line| (*line).to_owned())),
            [headings, _, rows @ ..] => rows.iter().for_each(|row| fold_row(&cells(headings), row, width, &mut folded)),
            _ => {
                let spaces = line.len() - line.trim_start().len();
                let hanging = spaces + if line.trim_start().starts_with("- ") { 2 } else { 0 };
                fold_text(line, [spaces, hanging], width, &mut folded);
            }
        }
    }
    folded.join("\n")
}

/// The first cell, and below it each other one that has a text, behind its heading.
fn fold_row(headings: &[String], row: &str, width: usize, folded: &mut Vec<String>) {
    for (place, cell) in cells(row).iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        let heading = headings.get(place).filter(|heading| place > 0 && !heading.is_empty());
        let text = heading.map_or_else(|| cell.clone(), |heading| format!("{heading}: {cell}"));
        for (part, text) in text.split("<br>").enumerate() {
            let first = if place == 0 { 0 } else { 2 };
            fold_text(text, [first + 2 * usize::from(part > 0), first + 2], width, folded);
        }
    }
}

/// A table's line without the bars; one after a backslash is a text's.
fn cells(line: &str) -> Vec<String> {
    let hidden = line.trim().replace("\\|", "\0");
    let inner = hidden.strip_prefix('|').unwrap_or(&hidden);
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    inner.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

/// Adds the words of a text, in lines that begin with so many spaces: the first, and the others.
fn fold_text(text: &str, spaces: [usize; 2], width: usize, folded: &mut Vec<String>) {
    let mut line = String::new();
    let mut before = spaces[0];
    for word in text.split_whitespace() {
        if !line.is_empty() && before + line.chars().count() + 1 + word.chars().count() > width {
            folded.push(" ".repeat(before) + &std::mem::take(&mut line));
            before = spaces[1];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    folded.push(" ".repeat(before) + &line);
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn a_table_that_is_too_wide_has_its_cells_below_each_other() {
        let page = "# Keys\n\n| key | meaning | default |\n|---|---|---|\n\
                    | `seed` | Of everything that is drawn at random.<br>`0`: the same. | `0` |\n\
                    | `a\\|b` | Short. |  |\n\nText of a paragraph that is longer than the line.\n\
                    - An item of a list that is longer than the line.\n\
                    ```sh\nfacevault experiment config.yaml --set seed=1 --set name=another\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |";
        assert_snapshot!(folded(page, 40), @"
        # Keys

        `seed`
          meaning: Of everything that is drawn
            at random.
            `0`: the same.
          default: `0`
        `a|b`
          meaning: Short.

        Text of a paragraph that is longer than
        the line.
        - An item of a list that is longer than
          the line.
        ```sh
        facevault experiment config.yaml --set seed=1 --set name=another
        ```

        | a | b |
        |---|---|
        | 1 | 2 |
        ");
        assert_eq!(folded(page, 400), page, "what fits stays");
        assert_eq!(folded(page, 0), folded(page, NARROWEST));
    }

    #[test]
    fn no_line_of_a_guide_is_wider_than_the_terminal_but_code_and_long_words() {
        for guide in super::super::GUIDES {
            let mut in_code = false;
            for line in folded(guide.text, 80).lines() {
                in_code ^= line.trim_start().starts_with("```");
                let is_a_word = line.split_whitespace().count() == 1;
                assert!(in_code || is_a_word || line.chars().count() <= 80, "{}: {line}", guide.name);
            }
        }
    }
}
