//! Who is in the gallery and who is a probe, and a whole protocol.

use insta::assert_snapshot;

use super::*;
use crate::similarity::kernel::Rows;
use facevault_base::progress::Cancel;

fn protocol(roles: Roles) -> IdentificationProtocol {
    IdentificationProtocol {
        name: "search".into(),
        roles,
        distractors: Vec::new(),
        gallery_rule: GalleryRule::Max,
        candidates: 1,
        ranks: vec![1, 2],
        fpir: vec![0.5, 0.01],
        max_left_out: 0.05,
    }
}

fn first(faces: u32, unknown_share: f64) -> IdentificationProtocol {
    protocol(Roles::First { faces, unknown_share })
}

fn folders(gallery: &[&str], probes: &[&str]) -> IdentificationProtocol {
    let names = |folders: &[&str]| folders.iter().map(ToString::to_string).collect();
    protocol(Roles::Folders { gallery: names(gallery), probes: names(probes) })
}

/// Faces by path; the folder before the last part is the identity, `-` is none.
fn faces(paths: &'static [&'static str]) -> Vec<RoleFace<'static>> {
    let identity = |path: &'static str| path.rsplit('/').nth(1).filter(|identity| *identity != "-");
    paths.iter().map(|path| RoleFace { face_id: path, identity: identity(path), content: None }).collect()
}

/// Rows of the gallery and of the probes, each with its person.
fn found(protocol: &IdentificationProtocol, faces: &[RoleFace<'_>]) -> [Vec<(u32, u32)>; 2] {
    let Enrolment { gallery, probes, .. } = enrol(protocol, faces, &[], 7).unwrap();
    [gallery, probes].map(|of| of.into_iter().map(|face| (face.row.unwrap(), face.person)).collect())
}

fn refused(protocol: &IdentificationProtocol, faces: &[RoleFace<'_>]) -> String {
    enrol(protocol, faces, &[], 7).unwrap_err().to_string()
}

#[test]
fn the_first_faces_of_each_identity_are_its_gallery() {
    static FACES: [&str; 8] = ["ann/1", "ann/2", "bob/1", "ann/3", "cy/1", "cy/2", "bob/2", "-/9"];
    let faces = faces(&FACES);
    let [gallery, probes] = found(&first(1, 0.0), &faces);
    assert_eq!(gallery, [(0, 0), (2, 1), (4, 2)]);
    assert_eq!(probes, [(1, 0), (3, 0), (5, 2), (6, 1)], "a face of nobody known is neither");
    let [gallery, probes] = found(&first(2, 0.0), &faces);
    assert_eq!((gallery.len(), probes), (6, vec![(3, 0)]));
    assert_snapshot!(refused(&first(3, 0.0), &faces), @"there is no probe: no identity has more than 3 faces, which `gallery: {first: 3}` all takes; lower it");
    assert_snapshot!(refused(&first(1, 1.0), &faces), @"the gallery is empty: `unknown_share: 1` makes every identity unknown; lower it");
    assert_snapshot!(refused(&first(1, 0.0), &self::faces(&["-/1", "-/2"])), @"the gallery is empty: no face of the dataset has an identity, which `gallery: {first: …}` needs; give the protocol a table with identities (`roles`)");
}

#[test]
fn a_share_of_the_identities_chosen_by_the_seed_is_unknown() {
    let names: Vec<String> = (0..200).map(|i| format!("{:02}", i / 4)).collect();
    let faces: Vec<RoleFace<'_>> =
        names.iter().map(|name| RoleFace { face_id: name, identity: Some(name), content: None }).collect();
    let unknown = |faces: &[RoleFace<'_>], seed| {
        let Enrolment { gallery, probes, .. } = enrol(&first(1, 0.3), faces, &[], seed).unwrap();
        assert_eq!(gallery.len() + probes.len(), faces.len());
        let known: Vec<u32> = gallery.iter().map(|face| face.person).collect();
        let name = |face: &Enrolled| names[face.row.unwrap() as usize].clone();
        let mut unknown: Vec<String> = probes.iter().filter(|face| !known.contains(&face.person)).map(name).collect();
        assert!(unknown.len().is_multiple_of(4), "all faces of somebody unknown are probes");
        unknown.dedup();
        unknown
    };
    let of_seed = unknown(&faces, 1);
    assert_eq!(of_seed.len(), 15, "30% of 50 identities");
    assert_eq!(unknown(&faces, 1), of_seed);
    assert_ne!(unknown(&faces, 2), of_seed);
    // Without one person, the others are chosen as before, but for one that takes a place.
    let fewer = unknown(&faces[..196], 1);
    assert!(of_seed.iter().filter(|name| fewer.contains(name)).count() >= 14, "{fewer:?} {of_seed:?}");
}

#[test]
fn distractors_fill_the_gallery_and_are_nobodys() {
    static FACES: [&str; 7] = ["ann/1", "ann/2", "far/bob/1", "bob/1", "bob/2", "far/-/2", "far/bob/3"];
    let faces = faces(&FACES);
    let with = |roles: IdentificationProtocol| IdentificationProtocol { distractors: vec!["far".into()], ..roles };
    // Each is a person of its own, although two of them are called bob.
    let expected = [vec![(0, 0), (2, 1), (3, 2), (5, 3), (6, 4)], vec![(1, 0), (4, 2)]];
    assert_eq!(found(&with(first(1, 0.0)), &faces), expected);
    let Enrolment { distractors, .. } = enrol(&with(first(1, 0.0)), &faces, &[], 7).unwrap();
    assert_eq!(distractors, 3);
    // Whoever is a distractor is not drawn to be unknown.
    let Enrolment { gallery, .. } = enrol(&with(first(1, 0.5)), &faces, &[], 7).unwrap();
    assert_eq!(gallery.len(), 4);
    let [gallery, probes] = found(&with(folders(&["ann"], &[])), &faces);
    assert_eq!((gallery.len(), probes), (5, vec![(3, 2), (4, 2)]));

    let entry = |row, role| RoleEntry { row: Some(row), role, identity: Some("somebody".into()) };
    let entries =
        vec![entry(0, Role::Gallery), entry(1, Role::Probe), entry(2, Role::Distractor), entry(6, Role::Distractor)];
    let table = RoleTable { protocol: "search".into(), entries };
    let Enrolment { gallery, probes, .. } =
        enrol(&protocol(Roles::Table { path: "roles.csv".into() }), &faces, &[table], 7).unwrap();
    let people = |of: Vec<Enrolled>| of.into_iter().map(|face| face.person).collect::<Vec<_>>();
    assert_eq!((people(gallery), people(probes)), (vec![0, 1, 2], vec![0]));
}

#[test]
fn a_picture_of_the_gallery_is_no_probe_of_its_person() {
    static FACES: [&str; 5] = ["ann/1", "ann/2", "ann/3", "bob/1", "bob/2"];
    let picture =
        |text: &str, left: u32| Some((facevault_base::digest::Digest::of(text.as_bytes()), Some([left, 0, 9, 9])));
    let pictures = [picture("a", 1), picture("a", 1), picture("a", 2), picture("b", 1), picture("a", 1)];
    let faces: Vec<RoleFace<'_>> =
        faces(&FACES).into_iter().zip(pictures).map(|(face, content)| RoleFace { content, ..face }).collect();
    let found = enrol(&first(1, 0.0), &faces, &[], 0).unwrap();
    let rows: Vec<u32> = found.probes.iter().map(|probe| probe.row.unwrap()).collect();
    // Another box is another face, and a picture under another name is a search that names the wrong person.
    assert_eq!((rows, found.repeated), (vec![2, 4], 1));
}

#[test]
fn folders_say_what_their_faces_are() {
    static FACES: [&str; 7] = ["g/ann/1", "g/bob/1", "p/ann/2", "p/-/1", "p/-/2", "more/-/3", "gx/ann/3"];
    let faces = faces(&FACES);
    let [gallery, probes] = found(&folders(&["g", "more"], &["p"]), &faces);
    assert_eq!(gallery, [(0, 0), (1, 1), (5, 4)], "distractors have no identity");
    assert_eq!(probes, [(2, 0), (3, 2), (4, 3)]);
    let [_, probes] = found(&folders(&["g"], &[]), &faces);
    assert_eq!(probes.len(), 5, "all others");
    assert_snapshot!(refused(&folders(&["gallery"], &[]), &faces), @"the gallery is empty: the dataset has no face in `gallery`; its folders begin with `g`, `gx`, `more`, `p`. For a root that holds folders of identity folders, list these in `dataset.parts`");
    assert_snapshot!(refused(&folders(&["g"], &["probe"]), &faces), @"there is no probe: the dataset has no face in `probe`; correct `probes.folders`");
    assert_snapshot!(refused(&folders(&["g", "p", "more", "gx"], &[]), &faces), @"there is no probe: all faces are in the folders of the gallery; name fewer");
}

#[test]
fn a_table_says_what_its_faces_are_and_may_know_other_identities() {
    static FACES: [&str; 4] = ["ann/1", "ann/2", "-/3", "-/4"];
    let faces = faces(&FACES);
    let entry = |row, role, identity: Option<&str>| RoleEntry { row, role, identity: identity.map(str::to_owned) };
    let table = |entries| [RoleTable { protocol: "search".into(), entries }];
    let by_table = protocol(Roles::Table { path: std::path::PathBuf::new() });
    let tables = table(vec![
        entry(Some(0), Role::Gallery, None),
        entry(None, Role::Gallery, Some("bob")),
        entry(Some(1), Role::Probe, Some("bob")),
        entry(Some(2), Role::Probe, Some("ann")),
        entry(Some(3), Role::Ignore, None),
    ]);
    let Enrolment { gallery, probes, .. } = enrol(&by_table, &faces, &tables, 0).unwrap();
    assert_eq!(gallery, [Enrolled { row: Some(0), person: 0 }, Enrolled { row: None, person: 1 }]);
    assert_eq!(probes, [Enrolled { row: Some(1), person: 1 }, Enrolled { row: Some(2), person: 0 }]);
    let none = |role| enrol(&by_table, &faces, &table(vec![entry(Some(0), role, None)]), 0).unwrap_err().to_string();
    assert_snapshot!(none(Role::Probe), @"the gallery is empty: no line of the table has the role `gallery`; correct the column `role`");
    assert_snapshot!(none(Role::Gallery), @"there is no probe: no line of the table has the role `probe`; correct the column `role`");
}

#[test]
fn whoever_has_no_gallery_face_left_is_not_taken_for_a_stranger() {
    // Two gallery faces of person 0, one of 1 and of 2; the only one of 1 and a probe have no embedding.
    let enrolled = |of: &[(u32, u32)]| of.iter().map(|&(row, person)| Enrolled { row: Some(row), person }).collect();
    let enrolment = Enrolment {
        gallery: enrolled(&[(0, 0), (1, 0), (2, 1), (3, 2)]),
        probes: enrolled(&[(4, 0), (5, 1), (6, 2), (7, 2), (8, 9)]),
        distractors: 0,
        repeated: 0,
    };
    let (x, y) = ([1.0, 0.0], [0.0, 1.0]);
    let data: Vec<f32> = [x, x, y, y, y, y, [0.6, 0.8]].concat();
    let row_of = [Some(0), Some(1), None, Some(2), Some(3), Some(4), None, Some(5), Some(6)];
    let rows = Rows { data: &data, dimension: 2 };
    let (result, probes) = run(&first(1, 0.0), &enrolment, rows, &row_of, 0.95, &Cancel::default()).unwrap();
    assert_eq!(result.left_out, LeftOutSearches { gallery: 1, probes: 1, not_enrolled: 1, repeated: 0 });
    assert_eq!((result.templates, result.probes()), (3, 5));
    let counts = result.rates.counts;
    assert_eq!((counts.gallery, counts.mated, counts.non_mated), (2, 2, 1));
    let found: Vec<_> = probes.iter().map(|probe| (probe.row, probe.search.mate.map(|mate| mate.rank))).collect();
    assert_eq!(found, [(3, Some(2)), (5, Some(1)), (6, None)]);
    assert_eq!(result.estimate("rank1").unwrap().point, 0.5);
    for (quantity, reason) in [
        ("rank2", "the gallery holds 2 people: every search reaches that rank"),
        ("tpir@fpir=5e-1", "1 non-mated search is too few for an FPIR of 5e-1: it takes 2"),
        ("fnir@fpir=1e-2", "1 non-mated search is too few for an FPIR of 1e-2: it takes 100"),
        ("rank3", "protocol `search` does not report this quantity"),
    ] {
        assert_eq!(result.estimate(quantity), None, "{quantity}");
        assert_eq!(result.lacks(quantity), reason);
    }
}
