//! A table that says which faces are the gallery of an identification protocol and which are probes.

use std::collections::HashMap;
use std::path::Path;

use super::boxes::FACE;
use super::csv_lines::{CsvError, CsvLines, line_at};
use super::face_names::FaceNames;
use super::{CsvProblem, DatasetError, Manifest, columns, objects};
use crate::identification::{Role, RoleEntry, RoleTable};

/// Columns with the role.
const ROLE: [&str; 2] = ["role", "set"];
/// Columns with the identity, if the table has one.
const IDENTITY: [&str; 6] = ["identity", "identity_id", "subject_id", "subject", "person", "label"];

/// Reads the roles of a protocol: a column that names the face (`face_id`, `path`, `file_name`, …), one with its `role`
/// (`gallery`, `probe` or `ignore`), and perhaps one with its `identity`, which takes precedence over the dataset's. A face
/// without a line is ignored.
///
/// # Errors
/// [`DatasetError::File`], or [`DatasetError::Csv`] with the line: an unknown role, a face named twice, no line at all whose
/// face is in the manifest, or a gallery face that is not and whose identity the table does not give either: its probes
/// would be taken for those of somebody unknown.
pub fn read_roles(protocol: &str, file: &Path, manifest: &Manifest) -> Result<RoleTable, DatasetError> {
    let bytes = objects::read(file)?;
    let entries = read(&bytes, manifest).map_err(|error| error.at(file, &bytes))?;
    Ok(RoleTable { protocol: protocol.into(), entries })
}

fn read(bytes: &[u8], manifest: &Manifest) -> Result<Vec<RoleEntry>, CsvError> {
    let names = FaceNames::of(&manifest.faces);
    let mut lines = CsvLines::open(bytes)?;
    let head = lines.offset;
    let fail = |problem| CsvError { offset: head, problem };
    let headers = columns::lower_case(&lines.headers).map_err(fail)?;
    let index = |names: &[&str]| names.iter().find_map(|name| headers.iter().position(|header| header == name));
    let needed =
        |found: Option<usize>, names, reason| found.ok_or_else(|| fail(columns::missing(&headers, names, reason)));
    let face = needed(index(&FACE), "`face_id`, `path` or `file_name`", "it names the face")?;
    let role_column = needed(index(&ROLE), "`role`", "it says `gallery`, `distractor`, `probe` or `ignore`")?;
    let identity = index(&IDENTITY);
    let (mut entries, mut seen, mut unknown) = (Vec::new(), HashMap::new(), None);
    while lines.advance()? {
        let (offset, row) = (lines.offset, lines.row());
        let fail = |problem| CsvError { offset, problem };
        row.whole().map_err(fail)?;
        let value = row.needed(face).map_err(fail)?;
        let word = row.needed(role_column).map_err(fail)?.to_lowercase();
        let role = Role::ALL.into_iter().find(|role| role.name() == word);
        let role =
            role.ok_or_else(|| fail(row.expected(role_column, "`gallery`, `distractor`, `probe` or `ignore`")))?;
        let identity = identity.map(|column| row.text(column)).transpose().map_err(fail)?;
        let identity = identity.filter(|identity| !identity.is_empty()).map(str::to_owned);
        let found = match names.find(&row.column(face), value) {
            Ok(found) => Some(found),
            Err(problem @ CsvProblem::UnknownFace { .. }) => {
                if role == Role::Gallery && identity.is_none() {
                    return Err(fail(problem));
                }
                unknown.get_or_insert(fail(problem));
                None
            }
            Err(problem) => return Err(fail(problem)),
        };
        if let Some(first) = found.and_then(|found| seen.insert(found, offset)) {
            let (column, first) = (row.column(face), line_at(bytes, first));
            return Err(fail(CsvProblem::Duplicate { column, face_id: value.into(), first }));
        }
        entries.push(RoleEntry { row: found, role, identity });
    }
    match unknown {
        Some(error) if seen.is_empty() => Err(error),
        _ if entries.is_empty() => Err(fail(CsvProblem::NoRows)),
        _ => Ok(entries),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::dataset::Face;

    fn manifest() -> Manifest {
        let face = |(who, number): (&str, u32)| Face {
            identity_id: Some(who.into()),
            ..Face::of_picture(format!("{who}/{number}.jpg"))
        };
        Manifest { faces: [("ann", 1), ("ann", 2), ("bob", 1), ("bob", 2)].map(face).into(), ..Manifest::default() }
    }

    fn entries(text: &str) -> Vec<(Option<u32>, &'static str, Option<String>)> {
        let found = read(text.as_bytes(), &manifest()).unwrap_or_else(|error| panic!("{}", error.problem));
        found.into_iter().map(|entry| (entry.row, entry.role.name(), entry.identity)).collect()
    }

    fn message(text: &str) -> String {
        let CsvError { offset, problem } = read(text.as_bytes(), &manifest()).unwrap_err();
        format!("line {}: {problem}", line_at(text.as_bytes(), offset))
    }

    #[test]
    fn roles_are_read_by_id_and_by_path_in_any_order_of_columns() {
        let expected = [(Some(1), "gallery", None), (Some(2), "probe", None), (Some(0), "ignore", None)];
        assert_eq!(entries("face_id,role\nann/2.jpg,gallery\nbob/1.jpg,Probe\nann/1.jpg,ignore\n"), expected);
        assert_eq!(entries("role;path\ngallery;copy/ann/2.png\nprobe;bob/1\n"), expected[..2]);
        let named = entries("path,role,identity\nann/1.jpg,gallery,\nbob/9.jpg,gallery,bob\nbob/2.jpg,probe,cy\n");
        let expected = [
            (Some(0), "gallery", None),
            (None, "gallery", Some("bob".to_owned())),
            (Some(3), "probe", Some("cy".to_owned())),
        ];
        assert_eq!(named, expected);
    }

    /// Fault (tables): a table of roles with an unknown role, a face named twice or one that the dataset lacks → refused with the line
    #[test]
    fn a_wrong_table_is_refused_with_its_line() {
        assert_snapshot!(message("face_id,role\nann/1.jpg,galery\n"), @"line 2: `role` is `galery`, expected `gallery`, `distractor`, `probe` or `ignore`");
        assert_snapshot!(message("face_id,role\nann/1.jpg,gallery\nann/1.jpg,probe\n"), @"line 3: duplicate face_id `ann/1.jpg`, first used on line 2; ids must be unique");
        assert_snapshot!(message("face_id\nann/1.jpg\n"), @"line 1: missing column `role`; the columns are `face_id` (it says `gallery`, `distractor`, `probe` or `ignore`)");
        assert_snapshot!(message("person,role\nann,gallery\n"), @"line 1: missing column `face_id`, `path` or `file_name`; the columns are `person`, `role` (it names the face)");
        assert_snapshot!(message("face_id,role\n"), @"line 1: the table has a header but no rows");
        assert_snapshot!(message("face_id,role\nann/1.jpg,probe\nbob/7.jpg,gallery\n"), @"line 3: `face_id` is `bob/7.jpg`, but no face of the dataset has this face_id, path or file name (with or without extension); correct the table, or set `dataset` to the folder that contains it");
        assert_snapshot!(message("face_id,role\neve/1.jpg,probe\neve/7.jpg,probe\n"), @"line 2: `face_id` is `eve/1.jpg`, but no face of the dataset has this face_id, path or file name (with or without extension); correct the table, or set `dataset` to the folder that contains it");
    }
}
