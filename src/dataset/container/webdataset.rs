//! The source `webdataset`: tar archives in which the files of one name are a sample, such as `000.jpg` and `000.cls`. Faces
//! are read at their place in the archive.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use super::tarball::{self, Member};
use super::{ContainerProblem, Place};
use crate::dataset::braces;
use crate::dataset::left_out::{LeftOut, LeftOutReason};
use crate::dataset::listing::{self, NameKind};
use crate::dataset::scan::{self, OpenContext};
use crate::dataset::{
    DatasetError, DatasetSource, Face, Fault, FaultIn, LONGEST_NAME, Manifest, Part, PixelSource, objects, tables,
};
use crate::files::{self, FileError};
use crate::text;

/// Most bytes of a member that says who a sample shows.
const LARGEST_MEMBER: u64 = 1 << 20;

/// Endings of members with the identity, in the order in which they are looked for.
const IDENTITIES: [&str; 3] = ["cls", "json", "txt"];

/// Fields of a JSON member with the identity, likewise.
const FIELDS: [&str; 9] =
    ["identity_id", "identity", "label_name", "person", "person_id", "subject", "name", "label", "class"];

/// Members of a sample that messages name.
const NAMED: usize = 10;

/// Finds the samples, then reads their pictures.
pub(in crate::dataset) fn open(source: &DatasetSource, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let mut manifest = list(source, context)?;
    scan::fill_folder(&mut manifest, context)?;
    Ok(manifest)
}

/// The faces, without reading the pictures.
pub(in crate::dataset) fn list(source: &DatasetSource, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let DatasetSource::Webdataset { shards, picture, identity, field, tables } = source else {
        return Ok(Manifest::default());
    };
    let shards = files_of(shards)?;
    // Where they are named, and where they are read.
    let named_in = common_folder(&shards);
    let copies = shards.iter().map(|path| objects::here(path, context)).collect::<Result<Vec<_>, _>>()?;
    let root = common_folder(&copies);
    let files = tables::Files::find(tables, &named_in)?;
    let chosen = Chosen { picture: picture.as_deref(), identity: identity.as_deref(), field: field.as_deref() };
    let mut samples = Samples {
        chosen,
        members: Who::Unknown,
        faces: Vec::new(),
        shard_of: HashMap::new(),
        current: None,
        left_out: LeftOut::default(),
        first: None,
    };
    for (shard, path) in shards.iter().zip(&copies) {
        let failed = |error| FileError::new("read", path)(error);
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("not a regular file")).into());
        }
        let place = Place { name: shard.display().to_string(), path: path.clone(), bytes: metadata.len() };
        let shard = Shard { name: below(&named_in, shard)?, path: below(&root, path)?, place: &place };
        tarball::members(&place, context.cancel, |mut member| samples.add(&mut member, &shard))?;
        samples.finish(&shard);
    }
    if !samples.faces.iter().any(|face| face.fault.is_none()) {
        return Err(samples.none(&shards));
    }
    let Samples { faces, left_out, .. } = samples;
    if faces.iter().all(|face| face.identity_id.is_none()) {
        context.progress.say(
            "no sample says who it shows, so only lists of pairs can be compared; `dataset.identity` names the ending of the \
             members that do",
        );
    }
    let mut manifest = Manifest { faces, root, left_out, ..Manifest::default() };
    tables::attach(&mut manifest, &files, context)?;
    Ok(manifest)
}

/// The shards that a config names: a file, a folder, or a pattern.
pub(in crate::dataset) fn files_of(shards: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    if objects::is_remote(shards) {
        if !shards.to_string_lossy().contains('{') {
            let is_file = objects::look(shards)?.is_some();
            return if is_file { Ok(vec![shards.to_owned()]) } else { super::locate::files_in(shards, ".tar") };
        }
    } else if shards.is_dir() {
        return super::locate::files_in(shards, ".tar");
    } else if shards.exists() {
        return Ok(vec![shards.to_owned()]);
    }
    let expanded = braces::expand(&shards.to_string_lossy()).map_err(|rule| DatasetError::Container {
        name: shards.display().to_string(),
        problem: Box::new(ContainerProblem::Pattern { rule }),
    })?;
    Ok(expanded.into_iter().map(PathBuf::from).collect())
}

/// The deepest folder that holds all files.
fn common_folder(paths: &[PathBuf]) -> PathBuf {
    let mut folder = paths.first().and_then(|path| path.parent()).unwrap_or(Path::new("")).to_owned();
    while !paths.iter().all(|path| path.starts_with(&folder)) && folder.pop() {}
    folder
}

/// A path from the root, as manifests have it.
fn below(root: &Path, path: &Path) -> Result<String, DatasetError> {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| DatasetError::Name { path: path.to_string_lossy().into_owned(), rule: "is not UTF-8" })
}

/// What the config says of a sample's members.
struct Chosen<'a> {
    /// Ending of the picture.
    picture: Option<&'a str>,
    /// Ending of the member with the identity.
    identity: Option<&'a str>,
    /// Its field, if it is JSON.
    field: Option<&'a str>,
}

/// Which member says who a sample shows.
#[derive(Clone)]
enum Who {
    /// No sample has been seen.
    Unknown,
    /// None.
    Nobody,
    /// The member with this ending, in this field if it is JSON.
    Member { ending: String, field: Option<String> },
}

/// One archive.
struct Shard<'a> {
    /// Its path from the folder of all, as the config names them.
    name: String,
    /// Its path from the root.
    path: String,
    place: &'a Place,
}

/// A sample whose members are being read.
#[derive(Default)]
struct Sample {
    key: String,
    /// The endings of its members.
    endings: Vec<String>,
    /// Ending, first byte and size of its picture.
    picture: Option<(String, u64, u64)>,
    /// Members that may say who it shows, by their endings; the error is why one cannot be used.
    texts: Vec<(String, Result<Vec<u8>, String>)>,
}

struct Samples<'a> {
    chosen: Chosen<'a>,
    /// Decided by the first sample, where the config leaves it open.
    members: Who,
    faces: Vec<Face>,
    /// The shard of each sample.
    shard_of: HashMap<String, String>,
    current: Option<Sample>,
    left_out: LeftOut,
    /// The first sample's key and members.
    first: Option<(String, Vec<String>)>,
}

/// The key and the ending of a member: its name is divided at the first dot.
fn divided(path: &str) -> Result<(&str, String), LeftOutReason> {
    let path = path.trim_start_matches("./");
    let start = path.rfind('/').map_or(0, |at| at + 1);
    let file = &path[start..];
    if path.split('/').any(|part| part.starts_with('.')) {
        return Err(LeftOutReason::Hidden);
    }
    let dot = file.find('.').ok_or(LeftOutReason::NoPicture)?;
    Ok((&path[..start + dot], file[dot + 1..].to_lowercase()))
}

impl Samples<'_> {
    fn add(&mut self, member: &mut Member<'_>, shard: &Shard<'_>) -> Result<(), DatasetError> {
        let (key, ending) = match divided(member.path) {
            Ok(divided) => divided,
            Err(reason) => {
                self.left_out.add(reason);
                return Ok(());
            }
        };
        if self.current.as_ref().is_none_or(|sample| sample.key != key) {
            self.finish(shard);
            self.begin(key, shard)?;
        }
        let is_picture = self.is_picture(&ending);
        let may_tell = self.may_tell(&ending);
        let Some(sample) = &mut self.current else { return Ok(()) };
        let wrong = |rule: String| problem(shard, key, rule);
        if sample.endings.contains(&ending) {
            return Err(wrong(format!("has two members `.{ending}`")));
        }
        sample.endings.push(ending.clone());
        if is_picture {
            if let Some((other, ..)) = &sample.picture {
                return Err(wrong(format!(
                    "has two pictures, `.{other}` and `.{ending}`; name the one to read with `dataset.picture: {other}`"
                )));
            }
            if member.offset.saturating_add(member.size) > shard.place.bytes {
                return Err(cut(shard));
            }
            sample.picture = Some((ending, member.offset, member.size));
        } else if may_tell {
            let content = if member.size > LARGEST_MEMBER {
                Err(format!("has a `.{ending}` of {} bytes, at most {LARGEST_MEMBER} are read", member.size))
            } else {
                let mut content = Vec::new();
                member.content.read_to_end(&mut content).map_err(|error| tarball::unreadable(error, shard.place))?;
                if content.len() as u64 != member.size {
                    return Err(cut(shard));
                }
                Ok(content)
            };
            sample.texts.push((ending, content));
        }
        Ok(())
    }

    fn begin(&mut self, key: &str, shard: &Shard<'_>) -> Result<(), DatasetError> {
        if key.len() > LONGEST_NAME {
            let key = text::quoted_to(key, 40).into_owned();
            return Err(problem(shard, &key, format!("has a name of more than {LONGEST_NAME} bytes")));
        }
        match self.shard_of.insert(key.to_owned(), shard.name.clone()) {
            Some(first) if first == shard.name => Err(problem(
                shard,
                key,
                "occurs twice: its members are not side by side, or two samples have this name".into(),
            )),
            Some(first) => Err(problem(
                shard,
                key,
                format!("is in `{first}`, too; samples are called by their names, which must be unique"),
            )),
            None => {
                self.current = Some(Sample { key: key.to_owned(), ..Sample::default() });
                Ok(())
            }
        }
    }

    fn is_picture(&self, ending: &str) -> bool {
        match self.chosen.picture {
            Some(chosen) => chosen.eq_ignore_ascii_case(ending),
            None => !ending.contains('.') && listing::named(&format!("x.{ending}")) == NameKind::Picture,
        }
    }

    /// Whether a member's content may be needed.
    fn may_tell(&self, ending: &str) -> bool {
        match (&self.members, self.chosen.identity) {
            (Who::Nobody, _) => false,
            (Who::Member { ending: known, .. }, _) => known == ending,
            (Who::Unknown, Some(chosen)) => chosen.eq_ignore_ascii_case(ending),
            (Who::Unknown, None) => IDENTITIES.contains(&ending),
        }
    }

    /// Turns the current sample into a face.
    fn finish(&mut self, shard: &Shard<'_>) {
        let Some(sample) = self.current.take() else { return };
        if matches!(self.members, Who::Unknown) {
            self.members = self.chosen.who(&sample);
        }
        let fault = |rule: String| Fault {
            part: FaultIn::Face,
            reason: format!("{}: sample `{}` {rule}", shard.name, text::quoted(&sample.key)),
        };
        let who = match &self.members {
            Who::Unknown | Who::Nobody => Ok(None),
            Who::Member { ending, field } => identity(&sample, ending, field.as_deref()),
        };
        let (identity_id, mut wrong) = match who {
            Ok(who) => (who, None),
            Err(rule) => (None, Some(fault(rule))),
        };
        let (offset, size) = if let Some((_, offset, size)) = sample.picture {
            (offset, size)
        } else {
            wrong = Some(fault(format!("has no picture; its members are {}", members(&sample.endings))));
            (0, 0)
        };
        let pixels = PixelSource::Part(Part { path: shard.path.clone(), offset, size, modified: 0, pixels: None });
        self.faces.push(Face { identity_id, pixels, fault: wrong, ..Face::of_picture(sample.key.clone()) });
        self.first.get_or_insert((sample.key, sample.endings));
    }

    /// The error of shards without a usable sample.
    fn none(self, shards: &[PathBuf]) -> DatasetError {
        let name = shards.first().map_or_else(String::new, |path| path.display().to_string());
        let named = match self.chosen.picture {
            Some(ending) => format!("`.{ending}`"),
            None => "`.jpg`, `.jpeg`, `.png`, `.webp` and other endings of pictures".into(),
        };
        let without = |face: &Face| matches!(&face.pixels, PixelSource::Part(part) if part.size == 0);
        let problem = match self.first {
            Some((first, endings)) if self.faces.iter().all(without) => ContainerProblem::NoSamples {
                samples: self.faces.len(),
                expected: named,
                first,
                members: members(&endings),
            },
            Some(_) => {
                let first = self.faces.into_iter().find_map(|face| face.fault);
                ContainerProblem::NoRow(first.map_or_else(String::new, |fault| fault.reason))
            }
            None if self.left_out.is_empty() => ContainerProblem::NoMembers,
            None => ContainerProblem::OnlyOthers { left_out: self.left_out },
        };
        DatasetError::Container { name, problem: Box::new(problem) }
    }
}

impl Chosen<'_> {
    /// Which member says who a sample shows, if this is the first one.
    fn who(&self, sample: &Sample) -> Who {
        let field = |content: &Result<Vec<u8>, String>| {
            let object: serde_json::Value = serde_json::from_slice(content.as_ref().ok()?).ok()?;
            FIELDS.iter().find(|field| object.get(field).is_some()).map(|field| (*field).to_owned())
        };
        if let Some(ending) = self.identity {
            let ending = ending.to_lowercase();
            let of_sample =
                || sample.texts.iter().find(|(known, _)| *known == ending).and_then(|(_, content)| field(content));
            let field = if ending == "json" {
                self.field.map(str::to_owned).or_else(of_sample).or(Some(FIELDS[0].into()))
            } else {
                None
            };
            return Who::Member { ending, field };
        }
        for ending in IDENTITIES {
            let Some((_, content)) = sample.texts.iter().find(|(known, _)| known == ending) else { continue };
            let field = if ending == "json" { self.field.map(str::to_owned).or_else(|| field(content)) } else { None };
            if ending != "json" || field.is_some() {
                return Who::Member { ending: ending.into(), field };
            }
        }
        Who::Nobody
    }
}

/// Who a sample shows; the error is the rule that its member breaks.
fn identity(sample: &Sample, ending: &str, field: Option<&str>) -> Result<Option<String>, String> {
    let Some((_, content)) = sample.texts.iter().find(|(known, _)| known == ending) else {
        return Err(format!("has no member `.{ending}`, which says who it shows"));
    };
    let content = content.as_ref().map_err(Clone::clone)?;
    let Ok(content) = str::from_utf8(content) else { return Err(format!("has a `.{ending}` that is not UTF-8")) };
    let name = match field {
        None => content.trim().to_owned(),
        Some(field) => match serde_json::from_str::<serde_json::Value>(content) {
            Err(error) => return Err(format!("has a `.{ending}` that is no JSON ({error})")),
            Ok(object) => match object.get(field) {
                None | Some(serde_json::Value::Null) => String::new(),
                Some(serde_json::Value::String(name)) => name.trim().to_owned(),
                Some(serde_json::Value::Number(number)) => number.to_string(),
                Some(_) => return Err(format!("has a `.{ending}` whose `{field}` is neither a text nor a number")),
            },
        },
    };
    if name.len() > LONGEST_NAME {
        return Err(format!("has an identity of {} bytes, and at most {LONGEST_NAME} are accepted", name.len()));
    }
    if name.contains(char::is_control) {
        return Err("has an identity with a line break or another control character".into());
    }
    Ok((!name.is_empty()).then_some(name))
}

/// The members of a sample for a message.
fn members(endings: &[String]) -> String {
    let named: Vec<String> =
        endings.iter().take(NAMED).map(|ending| format!("`.{}`", text::quoted_to(ending, 40))).collect();
    let more = endings.len().saturating_sub(NAMED);
    named.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

fn problem(shard: &Shard<'_>, key: &str, rule: String) -> DatasetError {
    shard.place.problem(ContainerProblem::Sample { sample: text::quoted(key).into_owned(), rule })
}

fn cut(shard: &Shard<'_>) -> DatasetError {
    shard.place.problem(ContainerProblem::Truncated { length: shard.place.bytes, what: "an entry" })
}

/// Whether an archive looks like samples rather than like pictures in folders: a member beside a picture has its name.
pub(in crate::dataset) fn has_samples(path: &Path, context: &OpenContext<'_>) -> Result<bool, DatasetError> {
    /// Members that are looked at.
    const LOOKED_AT: usize = 200;
    let bytes = files::open(path).and_then(|file| file.metadata()).map_err(FileError::new("read", path))?.len();
    let place = Place { name: path.display().to_string(), path: path.to_owned(), bytes };
    let (mut seen, mut previous, mut found) = (0, String::new(), false);
    let walked = tarball::members(&place, context.cancel, |member| {
        seen += 1;
        if let Ok((key, _)) = divided(member.path) {
            found |= key == mem::replace(&mut previous, key.to_owned());
        }
        // What was seen is enough.
        if found || seen > LOOKED_AT { Err(DatasetError::Interrupted) } else { Ok(()) }
    });
    match walked {
        Err(DatasetError::Interrupted) | Ok(()) => Ok(found),
        Err(error) => Err(error),
    }
}
