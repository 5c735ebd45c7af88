//! The source `files`: pictures anywhere below a folder, found by a pattern of their paths, by a list, or by a table.

use std::collections::HashMap;
use std::path::Path;

use super::columns::TableKind;
use super::csv_lines::{CsvError, utf8};
use super::left_out::LeftOut;
use super::listing::{Tree, Walk};
use super::paths::{PathRules, is_url};
use super::pattern::Pattern;
use super::phase1::{FaceTableParser, INSIDE};
use super::scan::{self, OpenContext};
use super::{
    CsvProblem, DatasetError, DatasetSource, Face, LONGEST_NAME, Manifest, SourceTable, folders, objects, tables,
};

/// Finds the pictures, then reads them.
pub(super) fn open(source: &DatasetSource, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let DatasetSource::Files { root, .. } = source else { return Ok(Manifest::default()) };
    let tree = Tree::open(root, context)?;
    let mut manifest = faces_in(&tree, source, context)?;
    scan::fill_tree(&mut manifest, &tree, context)?;
    Ok(manifest)
}

/// The faces, without reading the pictures.
pub(super) fn list(source: &DatasetSource, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let DatasetSource::Files { root, .. } = source else { return Ok(Manifest::default()) };
    faces_in(&Tree::open(root, context)?, source, context)
}

fn faces_in(tree: &Tree, source: &DatasetSource, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let DatasetSource::Files { root, pattern, list, table, file, identity, tables } = source else {
        return Ok(Manifest::default());
    };
    if !tree.is_folder("") {
        return Err(DatasetError::NoRoot { path: root.into(), holds: "contains all pictures" });
    }
    let files = tables::Files::find(tables, root)?;
    let mut left_out = LeftOut::default();
    let (faces, table) = if let Some(table) = table {
        of_table(table, root, file.as_deref(), identity.as_deref())?
    } else {
        // Validated with the config.
        let pattern = pattern.as_deref().and_then(|pattern| Some((pattern, Pattern::read(pattern).ok()?)));
        if let Some(list) = list {
            let (paths, lines) = of_list(list, root)?;
            by_pattern(paths, pattern.as_ref(), |at| format!("{}, line {}:", list.display(), lines[at]))?
        } else {
            let paths = below(tree, &files, &mut left_out, context)?;
            by_pattern(paths, pattern.as_ref(), |_| format!("in {}:", root.display()))?
        }
    };
    if faces.is_empty() {
        let place = list.as_ref().unwrap_or(root).display().to_string();
        return Err(DatasetError::NoFiles { place, left_out });
    }
    let mut manifest = Manifest { faces, root: root.into(), table, left_out, ..Manifest::default() };
    tables::attach(&mut manifest, &files, context)?;
    Ok(manifest)
}

/// Every picture below a folder, in byte order.
fn below(
    tree: &Tree,
    files: &tables::Files,
    left_out: &mut LeftOut,
    context: &OpenContext<'_>,
) -> Result<Vec<String>, DatasetError> {
    let is_table = |name: &str| {
        let path = tree.root().join(name);
        [&files.pairs, &files.boxes].into_iter().flatten().any(|table| *table == path)
    };
    let mut paths = Vec::new();
    Walk::new(tree, [], &is_table, context).pictures("", left_out, &mut |path, _| paths.push(path))?;
    paths.sort_unstable();
    Ok(paths)
}

/// The paths of a list, one a line, in its order, and the lines.
fn of_list(list: &Path, root: &Path) -> Result<(Vec<String>, Vec<u64>), DatasetError> {
    let bytes = objects::read(list)?;
    let text = utf8(&bytes).map_err(|error: CsvError| error.at(list, &bytes))?;
    let rules = PathRules::new(root, &[]);
    let (mut paths, mut lines, mut line_of) = (Vec::new(), Vec::new(), HashMap::new());
    for (line, text) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let fail = |problem| DatasetError::Csv { path: list.into(), line, problem: Box::new(problem) };
        let column = || "path".to_owned();
        let path = rules.relative(text).filter(|path| !path.is_empty() && path.len() <= LONGEST_NAME);
        let Some(path) = path else {
            let value = crate::text::quoted_to(text, LONGEST_NAME).into_owned();
            return Err(fail(CsvProblem::Value { column: column(), value, expected: INSIDE }));
        };
        if let Some(first) = line_of.insert(path.clone(), line) {
            return Err(fail(CsvProblem::Duplicate { column: column(), face_id: path, first }));
        }
        paths.push(path);
        lines.push(line);
    }
    if paths.is_empty() {
        return Err(DatasetError::Csv { path: list.into(), line: 1, problem: Box::new(CsvProblem::EmptyList) });
    }
    if paths.iter().all(|path| is_url(path)) {
        let value = text
            .trim_start_matches('\u{feff}')
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or_default()
            .to_owned();
        let problem = CsvProblem::Url { column: "path".into(), value };
        return Err(DatasetError::Csv { path: list.into(), line: lines[0], problem: Box::new(problem) });
    }
    Ok((paths, lines))
}

/// The faces of these paths, whose parts the pattern names. Without one, nobody is known. `place` says where a path is from.
fn by_pattern(
    paths: Vec<String>,
    pattern: Option<&(&str, Pattern)>,
    place: impl Fn(usize) -> String,
) -> Result<(Vec<Face>, SourceTable), DatasetError> {
    let Some((text, pattern)) = pattern else {
        let faces = paths.into_iter().map(folders::named).collect::<Result<_, _>>()?;
        return Ok((faces, SourceTable::default()));
    };
    let unfit: Vec<_> = paths.iter().enumerate().filter(|(_, path)| pattern.values(path).is_none()).collect();
    if let Some((at, first)) = unfit.first() {
        return Err(DatasetError::NoMatch {
            place: place(*at),
            path: (*first).clone(),
            pattern: (*text).to_owned(),
            words: pattern.words().to_owned(),
            unfit: unfit.len(),
            of: paths.len(),
        });
    }
    let columns: Vec<_> = pattern.names().iter().map(|name| !["identity", "photo"].contains(&name.as_str())).collect();
    let headers = pattern.names().iter().zip(&columns).filter(|(_, kept)| **kept).map(|(name, _)| name.clone());
    let mut table = SourceTable::with_headers(headers.collect());
    let mut faces = Vec::with_capacity(paths.len());
    for path in &paths {
        let values = pattern.values(path).unwrap_or_default();
        let of = |wanted: &str| pattern.names().iter().position(|name| name == wanted).map(|at| values[at].to_owned());
        let face = folders::named(path.clone())?;
        let image_id = of("photo").unwrap_or_else(|| face.image_id.clone());
        faces.push(Face { identity_id: of("identity"), image_id, ..face });
        let kept = values.iter().zip(&columns).filter(|(_, kept)| **kept).map(|(value, _)| value);
        table.columns.iter_mut().zip(kept).for_each(|(column, value)| column.push(value));
    }
    Ok((faces, table))
}

/// The faces of a table, whose columns the config may name.
fn of_table(
    table: &Path,
    root: &Path,
    file: Option<&str>,
    identity: Option<&str>,
) -> Result<(Vec<Face>, SourceTable), DatasetError> {
    let bytes = objects::read(table)?;
    let kind = TableKind::Pictures;
    let parser = FaceTableParser { rules: PathRules::new(root, &[]), kind, columns: [file, identity] };
    let read = parser.parse(&bytes).map_err(|error| error.at(table, &bytes))?;
    Ok((read.faces, read.source))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::progress::{Cancel, Silent};

    fn open(files: &[&str], keys: impl Fn(&Path) -> String) -> Result<Manifest, String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let (path, content) = file.split_once(": ").unwrap_or((file, "x"));
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let text = format!(r#"{{"source": "files", "root": {:?}{}}}"#, folder.path(), keys(folder.path()));
        let source: DatasetSource = serde_json::from_str(&text).unwrap();
        let context = OpenContext { cache: None, progress: &Silent, cancel: &Cancel::default() };
        list(&source, &context).map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), "ROOT"))
    }

    fn faces(manifest: &Manifest) -> Vec<String> {
        let own = |row| manifest.table.columns.iter().map(move |column| column.get(row).unwrap().to_owned());
        let line = |(row, face): (usize, &Face)| {
            let own: Vec<String> = own(row).collect();
            format!("{} {} {}", face.face_id, face.identity_id.as_deref().unwrap_or("–"), own.join(" "))
        };
        manifest.faces.iter().enumerate().map(line).collect()
    }

    #[test]
    fn nested_and_flat_folders_are_read_by_a_pattern() {
        let files = ["b/s1/2.jpg", "b/s0/1.jpg", "a/s1/1.jpg", "a/readme.txt", ".hidden/1.jpg"];
        let found = open(&files, |_| r#", "pattern": "{identity}/{session}/*.jpg""#.into()).unwrap();
        assert_eq!(faces(&found), ["a/s1/1.jpg a s1", "b/s0/1.jpg b s0", "b/s1/2.jpg b s1"]);
        assert_eq!(found.left_out.to_string(), "1 file that is not a picture by name or content, 1 hidden entry");
        let flat = open(&["Ada_B_2.jpg", "Bo_1.jpg"], |_| r#", "pattern": "{identity}_{photo}.jpg""#.into()).unwrap();
        assert_eq!(faces(&flat), ["Ada_B_2.jpg Ada_B ", "Bo_1.jpg Bo "]);
        assert_eq!(flat.faces[0].image_id, "2");
    }

    /// Fault (config): a picture's path does not fit `dataset.pattern` → refused with the path, what the pattern asks for,
    /// and how many do not fit
    #[test]
    fn a_path_that_does_not_fit_is_named() {
        let error = open(&["Ada_1.jpg", "x.jpg", "y.jpg"], |_| r#", "pattern": "{identity}_{n}.jpg""#.into());
        insta::assert_snapshot!(error.unwrap_err(), @"in ROOT: `x.jpg` does not fit `dataset.pattern` `{identity}_{n}.jpg`: <identity>, `_`, <n>, `.jpg`; 2 of 3 pictures do not fit; correct the pattern (`*` is any text of a name, `**/` any folders), or name the pictures that fit in `dataset.list`");
    }

    /// Fault (tables): a list of files is empty, names one twice, one outside the root, or one that does not fit the pattern → refused
    /// with the line
    #[test]
    fn a_list_says_which_pictures_and_in_which_order() {
        let listed = |list: &str, more: &str| {
            let more = more.to_owned();
            open(&["b/1.jpg", "a/1.jpg", "a/2.jpg", &format!("list.txt: {list}")], move |root| {
                format!(r#", "list": {:?}{more}"#, root.join("list.txt"))
            })
        };
        let found = listed("\u{feff}b/1.jpg\r\n\n ./a/2.jpg \n", r#", "pattern": "{identity}/*""#).unwrap();
        assert_eq!(faces(&found), ["b/1.jpg b ", "a/2.jpg a "]);
        assert_eq!(faces(&listed("a/1.jpg", "").unwrap()), ["a/1.jpg – "]);
        insta::assert_snapshot!(listed("a/1.jpg\na/../a/1.jpg\n", "").unwrap_err(), @"ROOT/list.txt, line 2: duplicate path `a/1.jpg`, first used on line 1; ids must be unique");
        insta::assert_snapshot!(listed("a/1.jpg\n../x.jpg\n", "").unwrap_err(), @"ROOT/list.txt, line 2: `path` is `../x.jpg`, expected a path inside `dataset.root`");
        insta::assert_snapshot!(listed("\n", "").unwrap_err(), @"ROOT/list.txt, line 1: the list is empty; it needs the path of a picture in each line, or leave `dataset.list` out");
        let unfit = listed("a/1.jpg\n\nb/1.jpg\n", r#", "pattern": "a/{identity}.jpg""#).unwrap_err();
        insta::assert_snapshot!(unfit, @"ROOT/list.txt, line 3: `b/1.jpg` does not fit `dataset.pattern` `a/{identity}.jpg`: `a/`, <identity>, `.jpg`; correct the pattern (`*` is any text of a name, `**/` any folders), or name the pictures that fit in `dataset.list`");
    }

    #[test]
    fn columns_of_a_table_are_named_by_the_config() {
        let table = "id,celeb_id,file_name,pic,age\n1,c2,no,a/1.jpg,30\n2,c1,no,b/1.jpg,31\n";
        let read = |keys: &str| {
            let keys = keys.to_owned();
            open(&["a/1.jpg", "b/1.jpg", &format!("t.csv: {table}")], move |root| {
                format!(r#", "table": {:?}{keys}"#, root.join("t.csv"))
            })
        };
        let found = read(r#", "file": "pic", "identity": "celeb_id""#).unwrap();
        assert_eq!(faces(&found), ["a/1.jpg c2 1 c2 no a/1.jpg 30", "b/1.jpg c1 2 c1 no b/1.jpg 31"]);
        insta::assert_snapshot!(read(r#", "file": "pic", "identity": "celeb""#).unwrap_err(), @"ROOT/t.csv, line 1: missing column `celeb`; the columns are `id`, `celeb_id`, `file_name`, `pic`, `age` (`dataset.identity` names it)");
    }
}
