//! Wrong labels planted among 400 photographs, found by the demo's network. Skipped where the ORL faces are not at hand.

use std::fs;

use crate::orl::orl_faces;
use crate::support::workspace::Workspace;

#[test]
fn two_photographs_under_another_name_are_told_with_their_own() {
    let Some(faces) = orl_faces() else { return };
    let workspace = Workspace::empty();
    // Whose photograph, which, and the name it is filed under.
    let planted = [(1, 1, 2), (10, 5, 20)];
    for person in 1..=40 {
        for photo in 1..=10 {
            let wrong = planted.iter().find(|(of, number, _)| (*of, *number) == (person, photo));
            let name =
                wrong.map_or_else(|| format!("s{person}/{photo}.pgm"), |wrong| format!("s{}/planted.pgm", wrong.2));
            let target = workspace.path("faces").join(name);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(faces.join(format!("s{person}/{photo}.pgm")), target).unwrap();
        }
    }
    let config = "name: orl\nweights: {source: embedded, name: demo}\nmodel: {width: 0.25}\n\
                  preprocess: {profile: facevault-notebook, resize: {size: 80}}\nembed: {device: cpu}\n\
                  similarity: {replicates: 100}\ndataset: {source: folders, root: faces}\n";
    fs::write(workspace.path("config.yaml"), config).unwrap();
    workspace.run(0, &["experiment", "config.yaml"]);
    let audit = fs::read_to_string(workspace.only_run().join("label_audit.csv")).unwrap();
    let lines: Vec<Vec<&str>> = audit.lines().map(|line| line.split(',').collect()).collect();
    for (planted, own) in [("s2/planted.pgm", "s1"), ("s20/planted.pgm", "s10")] {
        let found = lines.iter().find(|line| line[1] == planted).unwrap_or_else(|| panic!("{planted}: {audit}"));
        assert_eq!((found[5], found[8]), (own, "another"), "{found:?}");
    }
    assert!(lines.len() < 40, "few of 400 faces are suspects, not most of them: {audit}");
}
