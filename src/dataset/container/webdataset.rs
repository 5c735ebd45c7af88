//! The source `webdataset`: tar archives in which the files of one name are a sample, such as `000.jpg` and `000.cls`. Faces
//! are read at their place in the archive.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use super::tarball::{self, Member};
use super::{ContainerProblem, Place, is_known, python_json};
use crate::dataset::braces;
use crate::dataset::columns::IDENTITIES as FIELDS;
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

/// Samples that are looked through for one that says who it shows.
const LOOKED_THROUGH: usize = 1000;

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
        early: Vec::new(),
        gave_up: false,
        unread: None,
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
    samples.settle();
    if !samples.faces.iter().any(|face| face.fault.is_none()) {
        return Err(samples.none(&shards));
    }
    let Samples { faces, left_out, gave_up, unread, .. } = samples;
    if faces.iter().all(|face| face.identity_id.is_none()) {
        let none = if gave_up { format!("none of the first {LOOKED_THROUGH} samples") } else { "no sample".into() };
        let unread = unread.map_or_else(String::new, |(count, first)| {
            format!(" ({} cannot be read; the first {first})", text::counted(count, "member"))
        });
        context.progress.say(&format!(
            "{none} says who it shows{unread}, so only lists of pairs can be compared; `dataset.identity` names the ending of the \
             members that do"
        ));
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
    /// No sample has told.
    Unknown,
    /// None, as far as was looked.
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

/// What each member of a sample says: its ending, and who it shows or the rule that it breaks.
type Says = Vec<(String, Result<Option<String>, String>)>;

struct Samples<'a> {
    chosen: Chosen<'a>,
    /// Decided by the first sample that tells, where the config leaves it open.
    members: Who,
    /// What the samples before that one say: of the first faces, as many as there are.
    early: Vec<Says>,
    /// Whether so many samples tell nothing that no further one is asked.
    gave_up: bool,
    /// How many members of the samples that tell nothing break a rule, and which the first breaks.
    unread: Option<(usize, String)>,
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
                if content.starts_with("\u{feff}".as_bytes()) {
                    content.drain(..3);
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
            if matches!(self.members, Who::Unknown) {
                self.early.push(says(&sample));
                self.gave_up = self.early.len() == LOOKED_THROUGH;
            } else {
                self.settle();
            }
        }
        let fault = |rule: String| fault(&shard.name, &sample.key, &rule);
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
        if self.gave_up {
            self.settle();
        }
    }

    /// Judges the samples before the one that tells by the same rule; without one, by what the config or a caption says.
    fn settle(&mut self) {
        let early = mem::take(&mut self.early);
        if matches!(self.members, Who::Unknown) {
            self.members = self.chosen.without_telling(&early);
            let broken = || early.iter().flatten().filter_map(|(_, said)| said.as_ref().err());
            self.unread = broken().next().map(|first| (broken().count(), first.clone()));
        }
        let Who::Member { ending, .. } = &self.members else { return };
        for (face, says) in self.faces.iter_mut().zip(early) {
            let said = says.into_iter().find_map(|(known, said)| (known == *ending).then_some(said));
            match said.unwrap_or_else(|| Err(no_member(ending))) {
                Ok(who) => face.identity_id = who,
                Err(rule) => {
                    let shard = self.shard_of.get(&face.face_id).map_or("", String::as_str);
                    face.fault.get_or_insert_with(|| fault(shard, &face.face_id, &rule));
                }
            }
        }
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
    /// Which member says who a sample shows, if this one tells. A JSON member that does not tell leaves it open: it may be the
    /// only damaged one, and the text beside it a caption.
    fn who(&self, sample: &Sample) -> Who {
        let field = |content: &Result<Vec<u8>, String>| {
            let object = python_json::read(str::from_utf8(content.as_ref().ok()?).ok()?).ok()?;
            FIELDS.iter().find(|field| object.get(field).is_some()).map(|field| (*field).to_owned())
        };
        if let Some(ending) = self.identity {
            let ending = ending.to_lowercase();
            let of_sample =
                || sample.texts.iter().find(|(known, _)| *known == ending).and_then(|(_, content)| field(content));
            let field = if ending == "json" {
                let Some(field) = self.field.map(str::to_owned).or_else(of_sample) else { return Who::Unknown };
                Some(field)
            } else {
                None
            };
            return Who::Member { ending, field };
        }
        for ending in IDENTITIES {
            let Some((_, content)) = sample.texts.iter().find(|(known, _)| known == ending) else { continue };
            let field = if ending == "json" { self.field.map(str::to_owned).or_else(|| field(content)) } else { None };
            if ending == "json" && field.is_none() {
                return Who::Unknown;
            }
            return Who::Member { ending: ending.into(), field };
        }
        Who::Unknown
    }

    /// Which member says it if no sample tells.
    fn without_telling(&self, early: &[Says]) -> Who {
        let text = IDENTITIES[2];
        if self.identity.is_some() {
            Who::Member { ending: "json".into(), field: Some(FIELDS[0].into()) }
        } else if early.iter().flatten().any(|(ending, _)| ending == text) {
            Who::Member { ending: text.into(), field: None }
        } else {
            Who::Nobody
        }
    }
}

/// What each member of a sample that does not tell says. Its JSON has none of the fields, so any of them shows what is wrong
/// with it.
fn says(sample: &Sample) -> Says {
    let said = |ending: &String| identity(sample, ending, (ending == "json").then_some(FIELDS[0]));
    sample.texts.iter().map(|(ending, _)| (ending.clone(), said(ending))).collect()
}

fn fault(shard: &str, key: &str, rule: &str) -> Fault {
    Fault { part: FaultIn::Face, reason: format!("{shard}: sample `{}` {rule}", text::quoted(key)) }
}

fn no_member(ending: &str) -> String {
    format!("has no member `.{ending}`, which says who it shows")
}

/// Who a sample shows; the error is the rule that its member breaks.
fn identity(sample: &Sample, ending: &str, field: Option<&str>) -> Result<Option<String>, String> {
    let Some((_, content)) = sample.texts.iter().find(|(known, _)| known == ending) else {
        return Err(no_member(ending));
    };
    let content = content.as_ref().map_err(Clone::clone)?;
    let Ok(content) = str::from_utf8(content) else { return Err(format!("has a `.{ending}` that is not UTF-8")) };
    let name = match field {
        None => content.trim().to_owned(),
        Some(field) => match python_json::read(content) {
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
    Ok(is_known(&name).then_some(name))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Tables;
    use crate::progress::{Cancel, KeptLines};

    /// The identities and faults of samples with these texts, by their endings, and what is said.
    fn listed(samples: &[&[(&str, &str)]], identity: Option<&str>) -> (Vec<String>, String) {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: String, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content).unwrap();
        };
        for (at, texts) in samples.iter().enumerate() {
            add(format!("{at}.jpg"), b"picture");
            texts.iter().for_each(|(ending, text)| add(format!("{at}.{ending}"), text.as_bytes()));
        }
        let folder = tempfile::tempdir().unwrap();
        let shards = folder.path().join("x.tar");
        std::fs::write(&shards, tar.into_inner().unwrap()).unwrap();
        let (picture, identity, field) = (None, identity.map(str::to_owned), None);
        let source = DatasetSource::Webdataset { shards, picture, identity, field, tables: Tables::default() };
        let lines = KeptLines::default();
        let manifest =
            list(&source, &OpenContext { cache: None, progress: &lines, cancel: &Cancel::default() }).unwrap();
        let told = manifest.faces.into_iter().map(|Face { identity_id, fault, .. }| match fault {
            Some(fault) => fault.reason,
            None => identity_id.unwrap_or_else(|| "nobody".into()),
        });
        (told.collect(), lines.into_lines().join("\n"))
    }

    fn told(samples: &[&[(&str, &str)]]) -> String {
        let (told, said) = listed(samples, None);
        assert_eq!(said, "");
        told.join(" | ")
    }

    const ADA: &[(&str, &str)] = &[("json", r#"{"label": "Ada"}"#)];

    /// Fault (archives): the first sample's JSON is damaged, has no name or begins with a byte order mark → that sample fails or
    /// shows nobody; the others are known by theirs
    #[test]
    fn the_first_sample_that_tells_decides() {
        assert_eq!(
            told(&[&[("json", "{oops")], &[], ADA]),
            "x.tar: sample `0` has a `.json` that is no JSON (key must be a string at line 1 column 2) | x.tar: sample `1` has no member `.json`, which says who it shows | Ada"
        );
        assert_eq!(told(&[&[("json", r#"{"caption": 1}"#)], ADA]), "nobody | Ada");
        assert_eq!(told(&[&[("json", "\u{feff}{\"label\": \"Bea\"}")], ADA]), "Bea | Ada");
        assert_eq!(
            told(&[ADA, &[("cls", "1")]]),
            "Ada | x.tar: sample `1` has no member `.json`, which says who it shows"
        );
        assert_eq!(
            told(&[&[], &[("cls", "\u{feff}7")]]),
            "x.tar: sample `0` has no member `.cls`, which says who it shows | 7"
        );
        // The text beside a JSON that does not tell is a caption, unless no JSON tells.
        let captioned: &[_] = &[("json", r#"{"url": ""}"#), ("txt", "a face")];
        assert_eq!(told(&[captioned, &[("json", "{oops"), ("txt", "b")], ADA]).rsplit_once(" | ").unwrap().1, "Ada");
        assert_eq!(told(&[captioned, &[("json", "{oops"), ("txt", "b")]]), "a face | b");
        assert_eq!(listed(&[&[("json", r#"{"url": ""}"#)], ADA], Some("json")).0, ["nobody", "Ada"]);
    }

    /// Fault (archives): whole numbers of more than 64 bits, `NaN` or `Infinity` in a sample's JSON, as Python writes them → read:
    /// two people never become one, and no face fails for what the config does not use
    #[test]
    fn json_is_read_as_python_writes_it() {
        let big = |last: u8| format!(r#"{{"person_id": 1234567890123456789012{last}, "age": NaN}}"#);
        let (first, second) = (big(3), big(4));
        assert_eq!(
            told(&[&[("json", &first)], &[("json", &second)], &[("json", r#"{"person_id": NaN, "x": [-Infinity]}"#)]]),
            "12345678901234567890123 | 12345678901234567890124 | nobody"
        );
        // `label` before `name`, which may be that of the file; and -1 is nobody, as in parquet.
        assert_eq!(told(&[&[("json", r#"{"name": "1.jpg", "label": 7}"#)]]), "7");
        assert_eq!(told(&[&[("cls", "-1")], &[("cls", "0")]]), "nobody | 0");
    }

    #[test]
    fn what_is_said_of_samples_that_do_not_tell_is_true() {
        let silent: &[(&str, &str)] = &[("json", "{oops")];
        let rest = "so only lists of pairs can be compared; `dataset.identity` names the ending of the members that do";
        let broken =
            "cannot be read; the first has a `.json` that is no JSON (key must be a string at line 1 column 2))";
        let (nobody, said) = listed(&[silent, silent], None);
        let expected = format!("no sample says who it shows (2 members {broken}, {rest}");
        assert_eq!((nobody, said), (vec!["nobody".to_owned(); 2], expected));
        assert_eq!(listed(&[&[], &[("json", "{}")]], None).1, format!("no sample says who it shows, {rest}"));
        let mut many = vec![silent; LOOKED_THROUGH];
        many.push(ADA);
        let (nobody, said) = listed(&many, None);
        assert_eq!(said, format!("none of the first 1000 samples says who it shows (1000 members {broken}, {rest}"));
        assert!(nobody.iter().all(|told| told == "nobody"));
        let (known, said) = listed(&many[1..], None);
        assert_eq!((known.last().unwrap().as_str(), said.as_str()), ("Ada", ""));
        // What the config names is judged, whether or not a sample tells.
        let source = listed(&[silent, &[("json", "{}")]], Some("json"));
        assert!(source.0[0].contains("no JSON") && source.0[1] == "nobody", "{source:?}");
    }
}
