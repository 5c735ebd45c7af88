//! The source `ijb`: IJB-B or IJB-C as insightface's `ijb_11.py` reads it.
//!
//! ```text
//! <root>/loose_crop/1.jpg …                  the pictures, one face each
//! <root>/meta/ijbc_name_5pts_score.txt       1.jpg x1 y1 … x5 y5 score
//! <root>/meta/ijbc_face_tid_mid.txt          1.jpg <template> <media>
//! <root>/meta/ijbc_template_pair_label.txt   <template> <template> <1 or 0>
//! <root>/meta/ijbc_1N_gallery_G1.csv …       TEMPLATE_ID,SUBJECT_ID,…      (IJB-B: S1, S2)
//! <root>/meta/ijbc_1N_probe_mixed.csv        TEMPLATE_ID,SUBJECT_ID,…
//! ```
//!
//! The tables of 1:N are optional. They name the subjects of all templates; without them, templates that the list of pairs
//! calls one person are one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Component, Path, PathBuf};

use super::csv_lines::{CsvError, CsvLines};
use super::scan::{self, OpenContext};
use super::text_lines::TextLines;
use super::{CsvProblem, DatasetError, Face, Fault, FaultIn, IjbSet, LONGEST_NAME, Manifest, PixelSource, SourceTable};
use crate::files;
use crate::preprocess::Landmarks;
use crate::templates::{MOST_TEMPLATES, TemplatePair, TemplateSet, implied_subjects};

/// Folder of the pictures.
const PICTURES: &str = "loose_crop";

/// Folder of the tables.
const META: &str = "meta";

/// The source's own columns.
pub(super) const TEMPLATE: &str = "template_id";
pub(super) const MEDIA: &str = "media_id";

/// Reads the tables, then the pictures.
pub(super) fn open(root: &Path, set: IjbSet, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let mut manifest = list(root, set, context)?;
    scan::fill_folder(&mut manifest, context)?;
    Ok(manifest)
}

/// The faces and the templates, without reading the pictures.
pub(super) fn list(root: &Path, set: IjbSet, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let meta = root.join(META);
    if !meta.is_dir() || !root.join(PICTURES).is_dir() {
        return Err(DatasetError::NoRoot { path: root.into(), holds: "contains `loose_crop` and `meta`" });
    }
    let tables = Tables { meta, set, context };
    let listed = tables.faces()?;
    let mut templates = TemplateSet {
        names: sorted(listed.iter().map(|face| face.template)),
        media_of: listed.iter().map(|face| face.media).collect(),
        ..TemplateSet::default()
    };
    // Before the list of millions, which names templates.
    let number: HashMap<u32, u32> = templates.names.iter().copied().zip(0..).collect();
    templates.template_of = listed.iter().map(|face| number[&face.template]).collect();
    let mut faces: Vec<Face> = listed.iter().map(ListedFace::face).collect();
    tables.detections(&mut faces)?;
    templates.pairs = tables.pairs(&number)?;
    let subjects = tables.searches(&number, &mut templates)?;
    identify(&mut faces, &mut templates, &subjects, context);
    let mut table = SourceTable::with_headers(vec![TEMPLATE.into(), MEDIA.into()]);
    for face in &listed {
        for (column, value) in table.columns.iter_mut().zip([face.template, face.media]) {
            column.push(&value.to_string());
        }
    }
    Ok(Manifest { faces, root: root.into(), table, templates: Some(templates), ..Manifest::default() })
}

/// A line of `*_face_tid_mid.txt`.
struct ListedFace {
    name: String,
    template: u32,
    media: u32,
}

impl ListedFace {
    /// Without landmarks, which another table has. Frames of a video are of one photo, and never compared.
    fn face(&self) -> Face {
        let path = format!("{PICTURES}/{}", self.name);
        let reason = "no line of the landmarks' table names it".into();
        Face {
            face_id: self.name.clone(),
            image_id: self.media.to_string(),
            pixels: PixelSource::File { path: path.clone(), size: 0, modified: 0 },
            fault: Some(Fault { part: FaultIn::Landmarks, reason }),
            ..Face::of_picture(path)
        }
    }
}

/// The tables of a set.
struct Tables<'a> {
    meta: PathBuf,
    set: IjbSet,
    context: &'a OpenContext<'a>,
}

impl Tables<'_> {
    fn path(&self, end: &str) -> PathBuf {
        self.meta.join(format!("{}_{end}", self.set.name()))
    }

    /// Reads a table line by line, each of which has as many values as `expected` says.
    fn lines<const N: usize>(
        &self,
        path: &Path,
        expected: &'static str,
        mut line: impl FnMut([&str; N], u64) -> Result<(), CsvProblem>,
    ) -> Result<(), DatasetError> {
        let mut lines = TextLines::open(path)?;
        while let Some((number, text)) = lines.next()? {
            if number.is_multiple_of(1 << 16) && self.context.cancel.requested() {
                return Err(DatasetError::Interrupted);
            }
            let (mut values, mut found) = ([""; N], 0);
            for value in text.split([' ', '\t', ',']).filter(|value| !value.is_empty()) {
                if let Some(place) = values.get_mut(found) {
                    *place = value;
                }
                found += 1;
            }
            let read = if found == N { line(values, number) } else { Err(CsvProblem::PairLine { found, expected }) };
            read.map_err(|problem| DatasetError::Csv { path: path.into(), line: number, problem: Box::new(problem) })?;
        }
        Ok(())
    }

    fn faces(&self) -> Result<Vec<ListedFace>, DatasetError> {
        let path = self.path("face_tid_mid.txt");
        let (mut faces, mut lines) = (Vec::new(), HashMap::new());
        self.lines(&path, "3: a picture, its template and its media", |[name, template, media], line| {
            match lines.entry(picture(name)?.to_owned()) {
                Entry::Occupied(first) => {
                    let first = *first.get();
                    return Err(CsvProblem::Duplicate { column: "picture".into(), face_id: name.into(), first });
                }
                Entry::Vacant(place) => drop(place.insert(line)),
            }
            let (template, media) = (number("the template", template)?, number("the media", media)?);
            faces.push(ListedFace { name: name.into(), template, media });
            Ok(())
        })?;
        if faces.is_empty() {
            return Err(DatasetError::Csv { path, line: 1, problem: Box::new(CsvProblem::NoRows) });
        }
        Ok(faces)
    }

    /// Gives the faces their landmarks and scores.
    fn detections(&self, faces: &mut [Face]) -> Result<(), DatasetError> {
        let rows: HashMap<String, usize> = faces.iter().map(|face| face.face_id.clone()).zip(0..).collect();
        let mut elsewhere = 0_u64;
        let expected = "12: a picture, five points (x1 y1 … x5 y5) and a score";
        self.lines(&self.path("name_5pts_score.txt"), expected, |[name, values @ ..]: [&str; 12], line| {
            let Some(&row) = rows.get(name) else {
                elsewhere += 1;
                return Ok(());
            };
            let face = &mut faces[row];
            if face.landmarks.is_some() {
                return Err(CsvProblem::Repeated { value: name.into() });
            }
            let mut numbers = [0.0; 11];
            let mut fault = None;
            for (place, (number, value)) in numbers.iter_mut().zip(values).enumerate() {
                match finite(place, value) {
                    Ok(found) => *number = found,
                    Err(problem) => fault = fault.or(Some(problem)),
                }
            }
            let [points @ .., score] = numbers;
            face.fault =
                fault.map(|problem| Fault { part: FaultIn::Landmarks, reason: format!("line {line}: {problem}") });
            if face.fault.is_none() {
                (face.landmarks, face.detector_score) = (Some(Landmarks::from_numbers(points)), Some(score));
            }
            Ok(())
        })?;
        if elsewhere > 0 {
            let table = format!("{}_face_tid_mid.txt", self.set.name());
            self.context.progress.say(&match elsewhere {
                1 => format!("1 picture with landmarks is left out: {table} lacks it"),
                n => format!("{n} pictures with landmarks are left out: {table} lacks them"),
            });
        }
        Ok(())
    }

    /// The listed pairs; `number` is the index of each template.
    fn pairs(&self, number_of: &HashMap<u32, u32>) -> Result<Vec<TemplatePair>, DatasetError> {
        let path = self.path("template_pair_label.txt");
        let mut pairs = Vec::new();
        self.lines(&path, "3: two templates and 1 or 0", |[a, b, label], _| {
            let index = |value: &str| {
                let template = number("the template", value)?;
                number_of.get(&template).copied().ok_or(CsvProblem::UnknownTemplate { template })
            };
            let (first, second) = (index(a)?, index(b)?);
            if first == second {
                return Err(CsvProblem::FaceWithItself { value: a.into() });
            }
            let same = match label {
                "1" => true,
                "0" => false,
                _ => {
                    return Err(CsvProblem::Value {
                        column: "the label".into(),
                        value: label.into(),
                        expected: "1 for templates of one person, or 0",
                    });
                }
            };
            pairs.push(TemplatePair::new(first, second, same));
            Ok(())
        })?;
        let kinds = [true, false].map(|same| pairs.iter().any(|pair| pair.same() == same));
        if kinds != [true; 2] {
            let problem = CsvProblem::OneKindOfPairs { genuine: kinds[0] };
            return Err(DatasetError::Csv { path, line: 1, problem: Box::new(problem) });
        }
        Ok(pairs)
    }

    /// Galleries and probes of 1:N, and the subject of each template that their tables name.
    fn searches(
        &self,
        number_of: &HashMap<u32, u32>,
        templates: &mut TemplateSet,
    ) -> Result<Vec<Option<u32>>, DatasetError> {
        let mut subjects = vec![None; templates.names.len()];
        let mut unknown = 0_u64;
        let mut read = |path: &Path| -> Result<Option<Vec<u32>>, DatasetError> {
            if !path.is_file() {
                return Ok(None);
            }
            let bytes = files::read(path)?;
            let found = searched(&bytes).map_err(|error| error.at(path, &bytes))?;
            let mut kept = Vec::with_capacity(found.len());
            for (line, template, subject) in found {
                let Some(&index) = number_of.get(&template) else {
                    unknown += 1;
                    continue;
                };
                if let Some(other) = subjects[index as usize].replace(subject).filter(|other| *other != subject) {
                    let problem = Box::new(CsvProblem::TwoSubjects { template, subjects: [other, subject] });
                    return Err(DatasetError::Csv { path: path.into(), line, problem });
                }
                kept.push(index);
            }
            Ok(Some(sorted(kept)))
        };
        for names in self.set.galleries() {
            templates.galleries.extend(read(&self.path(names))?.filter(|gallery| !gallery.is_empty()));
        }
        if let Some(probes) = read(&self.path("1N_probe_mixed.csv"))? {
            templates.probes = probes;
        }
        if unknown > 0 {
            let line = match unknown {
                1 => "1 line of the 1:N tables is left out: its template has no face".to_owned(),
                n => format!("{n} lines of the 1:N tables are left out: their templates have no face"),
            };
            self.context.progress.say(&line);
        }
        Ok(subjects)
    }
}

/// Template and subject of each line of a table of 1:N, with the line. A template has a line for each face.
fn searched(bytes: &[u8]) -> Result<Vec<(u64, u32, u32)>, CsvError> {
    let mut lines = CsvLines::open(bytes)?;
    let at = lines.offset;
    let column = |wanted: &str| {
        let found = lines.headers.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| CsvError {
            offset: at,
            problem: CsvProblem::MissingColumn {
                names: format!("`{wanted}`"),
                near: None,
                found: lines.headers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                reason: Some("a table of 1:N names templates and their subjects"),
            },
        })
    };
    let columns = [column("TEMPLATE_ID")?, column("SUBJECT_ID")?];
    let mut found = Vec::new();
    while lines.advance()? {
        let offset = lines.offset;
        let row = lines.row();
        let fail = |problem| CsvError { offset, problem };
        let value = |at: usize| row.needed(columns[at]).and_then(|value| number(&row.column(columns[at]), value));
        let (template, subject) = (value(0).map_err(fail)?, value(1).map_err(fail)?);
        found.push((lines.line, template, subject));
    }
    Ok(found)
}

/// Gives templates and faces their subjects.
fn identify(faces: &mut [Face], templates: &mut TemplateSet, named: &[Option<u32>], context: &OpenContext<'_>) {
    templates.named_subjects = named.iter().all(Option::is_some);
    let names: Vec<String> = if templates.named_subjects {
        let subjects = sorted(named.iter().flatten().copied());
        let number: HashMap<u32, u32> = subjects.iter().copied().zip(0..).collect();
        templates.subject_of = named.iter().flatten().map(|subject| number[subject]).collect();
        subjects.iter().map(u32::to_string).collect()
    } else {
        templates.subject_of = implied_subjects(named, &templates.pairs);
        context.progress.say(
            "the 1:N tables do not name the subject of every template: templates that they or the list of pairs call one \
             person are taken for one subject, all others for different ones",
        );
        // Each after its first template.
        let mut names: Vec<String> = Vec::new();
        for (template, &subject) in templates.names.iter().zip(&templates.subject_of) {
            if subject as usize == names.len() {
                names.push(format!("template-{template}"));
            }
        }
        names
    };
    for (face, &template) in faces.iter_mut().zip(&templates.template_of) {
        face.identity_id = Some(names[templates.subject_of[template as usize] as usize].clone());
    }
}

/// The name of a picture, which must be in its folder.
fn picture(name: &str) -> Result<&str, CsvProblem> {
    let mut parts = Path::new(name).components();
    // All of the name: `1.jpg/` and `1.jpg/.` have the same component.
    let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(only)), None) if only == name);
    if plain && name.len() <= LONGEST_NAME && !name.contains(char::is_control) {
        return Ok(name);
    }
    let expected = "the name of a file in `loose_crop`, such as 1.jpg";
    Err(CsvProblem::Value { column: "the picture".into(), value: name.into(), expected })
}

/// The number of a template, a media or a subject.
fn number(column: &str, value: &str) -> Result<u32, CsvProblem> {
    value.parse().ok().filter(|number| (*number as usize) < MOST_TEMPLATES).ok_or_else(|| CsvProblem::Value {
        column: column.into(),
        value: value.into(),
        expected: "a number from 0 to 2147483647",
    })
}

/// One of the ten coordinates, or the score behind them.
fn finite(place: usize, value: &str) -> Result<f32, CsvProblem> {
    value.parse().ok().filter(|number: &f32| number.is_finite()).ok_or_else(|| CsvProblem::Value {
        column: match place {
            10 => "the score".into(),
            _ => format!("{}{}", ["x", "y"][place % 2], place / 2 + 1),
        },
        value: value.into(),
        expected: "a finite number such as 12 or 12.5",
    })
}

fn sorted(numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut numbers: Vec<u32> = numbers.into_iter().collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
