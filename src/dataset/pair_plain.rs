//! Pair lists without a header: two faces and a label (`a b 1`, `1 a b`), or LFW's lines without the counts above them,
//! separated by tabs, commas, semicolons or spaces. Unlike in a table with a header, the words `same` and `different` are
//! not labels here: they may as well be the name of a column.

use super::CsvProblem;
use super::csv_lines::CsvError;
use super::pair_table::LABEL;
use super::pair_text::{self, fields};
use super::pairs_builder::PairsBuilder;

/// Lines that are inspected to detect the form of a list.
const LOOKED_AT: usize = 100;

/// The form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `name n1 n2`, `name1 n1 name2 n2`.
    Lfw,
    /// `a b 1`.
    AnswerLast,
    /// `1 a b`.
    AnswerFirst,
}

impl Form {
    /// The most frequent form, if more than half of the lines have it.
    pub fn of(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u32>().is_ok();
        let fits = |form: Self, fields: &[&str]| match (form, fields) {
            (Self::Lfw, [name, first, second]) => !number(name) && number(first) && number(second),
            (Self::Lfw, [name, first, other, second]) => {
                !number(name) && number(first) && !number(other) && number(second)
            }
            (Self::AnswerLast, [.., last]) => fields.len() == 3 && answer(last).is_some(),
            (Self::AnswerFirst, [first, ..]) => fields.len() == 3 && answer(first).is_some(),
            _ => false,
        };
        let lines: Vec<Vec<&str>> = pair_text::lines(text).take(LOOKED_AT).map(|(_, line)| fields(line)).collect();
        let count = |form: &Self| lines.iter().filter(|fields| fits(*form, fields)).count();
        // The last one wins a tie: LFW's lines may look like the others, but not the other way round.
        let form = [Self::AnswerFirst, Self::AnswerLast, Self::Lfw].into_iter().max_by_key(count)?;
        let header = lines.first().is_some_and(|first| form.is_header(first));
        (2 * count(&form) > lines.len() && !header).then_some(form)
    }

    /// Whether a first line has a word in place of the label.
    fn is_header(self, fields: &[&str]) -> bool {
        match (self, fields) {
            (Self::AnswerLast, [_, _, place]) | (Self::AnswerFirst, [place, _, _]) => {
                answer(place).is_none() && place.parse::<f64>().is_err()
            }
            _ => false,
        }
    }
}

/// The label: whether a pair is genuine.
fn answer(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "-1" | "false" => Some(false),
        _ => None,
    }
}

/// Adds the pairs, which have no folds.
pub(super) fn parse(text: &str, form: Form, pairs: &mut PairsBuilder<'_>) -> Result<(), CsvError> {
    for (at, line) in pair_text::lines(text) {
        let (first, second, same) = match (form, &fields(line)[..]) {
            (Form::Lfw, _) => {
                pair_text::add(at, line, None, pairs)?;
                continue;
            }
            (Form::AnswerLast, [first, second, same]) | (Form::AnswerFirst, [same, first, second]) => {
                (*first, *second, *same)
            }
            (_, fields) => {
                let problem = CsvProblem::PairLine { found: fields.len(), expected: "two faces and 1 or 0" };
                return Err(CsvError { offset: at, problem });
            }
        };
        let Some(same) = answer(same) else {
            let problem = CsvProblem::Value { column: "the label".into(), value: same.into(), expected: LABEL };
            return Err(CsvError { offset: at, problem });
        };
        let names = pairs.names;
        let face = |name: &str| (name.to_owned(), names.find("face", name));
        pairs.add(at, [face(first), face(second)], same, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_detected_from_the_lines() {
        for (text, form) in [
            ("x/1.png x/2.png 1\nx/1.png y/2.png 0\n", Some(Form::AnswerLast)),
            ("x/1.png\tx/2.png\tTrue\t\n", Some(Form::AnswerLast)),
            ("a,b,1\nb,c,-1\n", Some(Form::AnswerLast)),
            ("1 x/1.png x/2.png\n0 x/1.png y/2.png\n", Some(Form::AnswerFirst)),
            ("12 13 1\n12 14 0\n", Some(Form::AnswerLast)),
            ("1 12 13\n0 12 14\n", Some(Form::AnswerFirst)),
            ("Ann\t1\t1\nAnn 1 Bob 2", Some(Form::Lfw)),
            ("Ann 2 1\nBob 1 0\nAnn 1 Bob 2\n", Some(Form::Lfw)),
            ("some text\nof two lines", None),
            ("who,what,why\n", None),
            ("face_a,face_b,different\na,b,1\nb,c,0\nb,d,1\n", None),
            ("same face_a face_b\n1 a b\n0 b c\n1 b d\n", None),
            ("a b same\nb c different\n", None),
            ("a b 2\nb c 1\nb d 0\n", Some(Form::AnswerLast)),
            ("", None),
        ] {
            assert_eq!(Form::of(text), form, "{text}");
        }
    }
}
