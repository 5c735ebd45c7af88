//! Which faces of a manifest are the gallery, which are probes, and whose they are.

use std::collections::{BTreeMap, BTreeSet};

use facevault_base::digest::{Digest, Hasher};
use facevault_base::text::counted;

use super::{IdentificationProtocol, Roles};

/// What a face is in an identification protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It represents its person.
    Gallery,
    /// It only fills the gallery: it is nobody's.
    Distractor,
    /// It is searched for.
    Probe,
    /// Neither.
    Ignore,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gallery, Self::Distractor, Self::Probe, Self::Ignore];

    /// As tables spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gallery => "gallery",
            Self::Distractor => "distractor",
            Self::Probe => "probe",
            Self::Ignore => "ignore",
        }
    }
}

/// The roles that a protocol's table gives to faces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleTable {
    /// The protocol's name.
    pub protocol: String,
    /// One a face, in the order of the table.
    pub entries: Vec<RoleEntry>,
}

/// A line of such a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEntry {
    /// Manifest row of the face; `None`: the dataset does not have it.
    pub row: Option<u32>,
    /// Its role.
    pub role: Role,
    /// Its identity, if the table says so; otherwise that of the face.
    pub identity: Option<String>,
}

/// A face of the manifest.
#[derive(Debug, Clone, Copy)]
pub struct RoleFace<'a> {
    /// Its id, which is its path in a dataset of folders.
    pub face_id: &'a str,
    /// Its identity, if known.
    pub identity: Option<&'a str>,
    /// Its picture, if it could be read: two faces of one content and box have the same embedding.
    pub content: Option<(Digest, Option<[u32; 4]>)>,
}

/// A face with a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolled {
    /// Manifest row; `None`: the dataset does not have it.
    pub row: Option<u32>,
    /// Number of its person; a face whose person is not known has one of its own.
    pub person: u32,
}

/// Gallery and probes of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enrolment {
    /// The gallery, in the order of the manifest or of the table.
    pub gallery: Vec<Enrolled>,
    /// How many of it are distractors.
    pub distractors: u64,
    /// The probes.
    pub probes: Vec<Enrolled>,
    /// Probes that are left out because their picture is in the gallery, of their own person: a search could not miss it.
    pub repeated: u64,
}

/// Why faces have no roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum RolesError {
    #[error("the gallery is empty: {reason}")]
    NoGallery { reason: String },
    #[error("there is no probe: {reason}")]
    NoProbe { reason: String },
}

/// Gives the faces of a manifest their roles. A pure function: the same faces, table and seed give the same roles.
///
/// # Errors
/// [`RolesError`] if the gallery is empty, or no face is a probe.
pub fn enrol(
    protocol: &IdentificationProtocol,
    faces: &[RoleFace<'_>],
    tables: &[RoleTable],
    seed: u64,
) -> Result<Enrolment, RolesError> {
    let mut people = People::default();
    let mut found = Enrolment::default();
    let mut add = |row: Option<u32>, role: Role, identity: Option<&str>| {
        let enrolled = |person| Enrolled { row, person };
        match role {
            Role::Gallery => found.gallery.push(enrolled(people.number(identity))),
            Role::Distractor => {
                found.gallery.push(enrolled(people.number(None)));
                found.distractors += 1;
            }
            Role::Probe => found.probes.push(enrolled(people.number(identity))),
            Role::Ignore => {}
        }
    };
    let is_in = |face: &RoleFace<'_>, folders: &[String]| folders.iter().any(|folder| inside(face.face_id, folder));
    match &protocol.roles {
        &Roles::First { faces: first, unknown_share } => {
            let searched = faces.iter().filter(|face| !is_in(face, &protocol.distractors));
            let unknown = chosen(searched, unknown_share, seed);
            let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
            for (row, face) in (0..).zip(faces) {
                if is_in(face, &protocol.distractors) {
                    add(Some(row), Role::Distractor, None);
                    continue;
                }
                // Who is not known may be anybody of the gallery.
                let Some(identity) = face.identity else { continue };
                let before = seen.entry(identity).or_default();
                let role = if *before < first && !unknown.contains(identity) { Role::Gallery } else { Role::Probe };
                *before += 1;
                add(Some(row), role, Some(identity));
            }
        }
        Roles::Folders { gallery, probes } => {
            for (row, face) in (0..).zip(faces) {
                let role = match () {
                    () if is_in(face, &protocol.distractors) => Role::Distractor,
                    () if is_in(face, gallery) => Role::Gallery,
                    () if probes.is_empty() || is_in(face, probes) => Role::Probe,
                    () => Role::Ignore,
                };
                add(Some(row), role, face.identity);
            }
        }
        Roles::Table { .. } => {
            let table = tables.iter().find(|table| table.protocol == protocol.name);
            for RoleEntry { row, role, identity } in table.iter().flat_map(|table| &table.entries) {
                let of_face = row.and_then(|row| faces.get(row as usize)?.identity);
                add(*row, *role, identity.as_deref().or(of_face));
            }
        }
    }
    let content = |face: &Enrolled| Some((face.person, faces.get(face.row? as usize)?.content?));
    let pictures: BTreeSet<_> = found.gallery.iter().filter_map(content).collect();
    let before = found.probes.len();
    found.probes.retain(|probe| content(probe).is_none_or(|picture| !pictures.contains(&picture)));
    found.repeated = (before - found.probes.len()) as u64;
    if found.gallery.is_empty() {
        return Err(RolesError::NoGallery { reason: no_gallery(protocol, faces) });
    }
    if found.probes.is_empty() {
        return Err(RolesError::NoProbe { reason: no_probe(protocol) });
    }
    Ok(found)
}

/// Numbers of people: the same identity has the same one.
#[derive(Default)]
struct People {
    known: BTreeMap<String, u32>,
    next: u32,
}

impl People {
    fn number(&mut self, identity: Option<&str>) -> u32 {
        if let Some(number) = identity.and_then(|identity| self.known.get(identity)) {
            return *number;
        }
        let number = self.next;
        self.next += 1;
        if let Some(identity) = identity {
            self.known.insert(identity.to_owned(), number);
        }
        number
    }
}

/// The identities that have no gallery. By digests of seed and identity: without some faces, the choice among the others
/// changes as little as possible.
fn chosen<'a, 'f>(faces: impl Iterator<Item = &'f RoleFace<'a>>, share: f64, seed: u64) -> BTreeSet<&'a str>
where
    'a: 'f,
{
    let identities: BTreeSet<&str> = faces.filter_map(|face| face.identity).collect();
    let count = (share * identities.len() as f64).round() as usize;
    let digest = |identity: &str| -> Digest {
        let mut hasher = Hasher::default();
        hasher.field(&seed.to_le_bytes());
        hasher.field(identity.as_bytes());
        hasher.finish()
    };
    let mut keyed: Vec<(Digest, &str)> = identities.into_iter().map(|identity| (digest(identity), identity)).collect();
    keyed.sort_by(|a, b| a.0.bytes().cmp(b.0.bytes()));
    keyed.into_iter().take(count).map(|(_, identity)| identity).collect()
}

/// Whether a path leads into a folder.
fn inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn no_gallery(protocol: &IdentificationProtocol, faces: &[RoleFace<'_>]) -> String {
    match &protocol.roles {
        Roles::First { .. } if faces.iter().all(|face| face.identity.is_none()) => {
            "no face of the dataset has an identity, which `gallery: {first: …}` needs; give the protocol a table with \
             identities (`roles`)"
                .into()
        }
        Roles::First { unknown_share, .. } => {
            format!("`unknown_share: {unknown_share}` makes every identity unknown; lower it")
        }
        Roles::Folders { gallery, .. } => {
            let folders: BTreeSet<&str> =
                faces.iter().filter_map(|face| Some(face.face_id.split_once('/')?.0)).collect();
            let some: Vec<String> = folders.iter().take(5).map(|folder| format!("`{folder}`")).collect();
            let there = if some.is_empty() {
                "it has no folders".into()
            } else {
                format!("its folders begin with {}", some.join(", "))
            };
            format!(
                "the dataset has no face in {}; {there}. For a root that holds folders of identity folders, list these in \
                 `dataset.parts`",
                quoted(gallery)
            )
        }
        Roles::Table { .. } => "no line of the table has the role `gallery`; correct the column `role`".into(),
    }
}

fn no_probe(protocol: &IdentificationProtocol) -> String {
    match &protocol.roles {
        Roles::First { faces, .. } => {
            format!(
                "no identity has more than {}, which `gallery: {{first: {faces}}}` all takes; lower it",
                counted(*faces, "face")
            )
        }
        Roles::Folders { probes, .. } if probes.is_empty() => {
            "all faces are in the folders of the gallery; name fewer".into()
        }
        Roles::Folders { probes, .. } => {
            format!("the dataset has no face in {}; correct `probes.folders`", quoted(probes))
        }
        Roles::Table { .. } => "no line of the table has the role `probe`; correct the column `role`".into(),
    }
}

fn quoted(folders: &[String]) -> String {
    folders.iter().map(|folder| format!("`{folder}`")).collect::<Vec<_>>().join(", ")
}
