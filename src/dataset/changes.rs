//! How a dataset differs from an earlier manifest of it.

use std::collections::HashMap;

use super::{Face, Manifest};
use crate::text;

impl Manifest {
    /// Describes how `now` differs: the number of faces, and the first of them; `None` if nothing does.
    pub(crate) fn changes(&self, now: &Self) -> Option<String> {
        let (old, new) = (self.by_id(), now.by_id());
        let pairs = self.faces.iter().filter_map(|face| Some((face, *new.get(face.face_id.as_str())?)));
        let pairs: Vec<(&Face, &Face)> = pairs.collect();
        let differing = |differs: fn(&Face, &Face) -> bool| {
            pairs.iter().filter(|(was, is)| differs(was, is)).map(|(face, _)| face.face_id.as_str()).collect()
        };
        let not_in = |of: &'_ Self, others: &HashMap<&str, &Face>| -> Vec<String> {
            let ids = of.faces.iter().map(|face| &face.face_id);
            ids.filter(|id| !others.contains_key(id.as_str())).cloned().collect()
        };
        let (gone, added) = (not_in(self, &new), not_in(now, &old));
        let counted = |ids: Vec<&str>, one: &str, many: &str| match ids[..] {
            [] => None,
            [only] => Some(format!("1 of {} {one} (`{only}`)", text::counted(self.len(), "face"))),
            [first, ..] => Some(format!("{} of {} faces {many} (the first is `{first}`)", ids.len(), self.len())),
        };
        let mut found: Vec<String> = [
            counted(
                differing(|was, is| was.content != is.content),
                "has a different picture",
                "have different pictures",
            ),
            counted(differing(|was, is| was.bbox != is.bbox), "has a different box", "have different boxes"),
            counted(
                differing(|was, is| was.landmarks != is.landmarks),
                "has different landmarks",
                "have different landmarks",
            ),
            counted(
                differing(|was, is| was.identity_id != is.identity_id),
                "has a different identity",
                "have different identities",
            ),
            counted(
                differing(|was, is| was.image_id != is.image_id),
                "is from a different photo",
                "are from different photos",
            ),
            counted(gone.iter().map(String::as_str).collect(), "is missing", "are missing"),
        ]
        .into_iter()
        .flatten()
        .collect();
        match &added[..] {
            [] => {}
            [only] => found.push(format!("1 face is new (`{only}`)")),
            [first, ..] => found.push(format!("{} faces are new (the first is `{first}`)", added.len())),
        }
        let same_order = self.faces.iter().map(|face| &face.face_id).eq(now.faces.iter().map(|face| &face.face_id));
        if found.is_empty() && !same_order {
            found.push("the faces are in a different order".into());
        }
        if self.lists != now.lists {
            found.push("the pair lists differ".into());
        }
        if self.roles != now.roles {
            found.push("the tables of roles differ".into());
        }
        (!found.is_empty()).then(|| found.join(", "))
    }

    fn by_id(&self) -> HashMap<&str, &Face> {
        self.faces.iter().map(|face| (face.face_id.as_str(), face)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::preprocess::BoundingBox;

    fn manifest(ids: &[&str]) -> Manifest {
        let face = |id: &&str| Face { content: Some(Digest::of(id.as_bytes())), ..Face::of_picture(*id) };
        Manifest { faces: ids.iter().map(face).collect(), ..Manifest::default() }
    }

    #[test]
    fn changes_are_counted_and_the_first_of_each_kind_is_named() {
        let was = manifest(&["a", "b", "c", "d"]);
        assert_eq!(was.changes(&was), None);
        let mut now = manifest(&["a", "c", "d", "e", "f"]);
        now.faces[1].content = None;
        now.faces[2].content = Some(Digest::of(b"other"));
        now.faces[2].bbox = Some(BoundingBox { x1: 0.0, y1: 0.0, x2: 1.0, y2: 1.0 });
        insta::assert_snapshot!(was.changes(&now).unwrap(), @"2 of 4 faces have different pictures (the first is `c`), 1 of 4 faces has a different box (`d`), 1 of 4 faces is missing (`b`), 2 faces are new (the first is `e`)");
        insta::assert_snapshot!(was.changes(&manifest(&["b", "a", "c", "d"])).unwrap(), @"the faces are in a different order");
        now.faces[0].identity_id = Some("x".into());
        assert!(now.changes(&now).is_none());
    }
}
