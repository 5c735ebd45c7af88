//! `roles.parquet`: what the tables of identification protocols say about faces.

use std::path::Path;

use polars::prelude::Column;

use super::table_file::{TableFile, write};
use super::{DatasetError, Manifest};
use crate::identification::{Role, RoleEntry, RoleTable};
use crate::table::{Kind, Table, TableColumn};

pub(crate) const ROLES: Table = Table {
    file: "roles.parquet",
    about: "Which faces the tables of identification protocols make gallery or probe. One row per line of a table, protocol by \
            protocol, in each table's order; no file without such tables.",
    columns: &[&[
        TableColumn::new("protocol", Kind::Text, "The protocol's name in the config"),
        TableColumn::new("row", Kind::U32, "Row of the face in the manifest")
            .missing("where the dataset lacks the face"),
        TableColumn::new(
            "role",
            Kind::Words(&["gallery", "distractor", "probe", "ignore"]),
            "What the face is in the protocol",
        ),
        TableColumn::new("identity", Kind::Text, "Its identity in this protocol")
            .missing("where it is that of the face"),
    ]],
    others: None,
};

impl Manifest {
    /// Writes the tables atomically. Equal tables give equal bytes; without tables there is no file.
    pub(crate) fn write_roles(&self, path: &Path) -> Result<(), DatasetError> {
        if self.roles.is_empty() {
            return Ok(());
        }
        let all =
            || self.roles.iter().flat_map(|table| table.entries.iter().map(|entry| (table.protocol.as_str(), entry)));
        let columns = vec![
            Column::new("protocol".into(), all().map(|(protocol, _)| protocol).collect::<Vec<&str>>()),
            Column::new("row".into(), all().map(|(_, entry)| entry.row).collect::<Vec<Option<u32>>>()),
            Column::new("role".into(), all().map(|(_, entry)| entry.role.name()).collect::<Vec<&str>>()),
            Column::new("identity".into(), all().map(|(_, entry)| entry.identity.as_deref()).collect::<Vec<_>>()),
        ];
        write(path, &ROLES, columns)
    }

    /// Reads the tables; without a file there are none.
    pub(crate) fn read_roles(&mut self, path: &Path) -> Result<(), DatasetError> {
        let Some(file) = TableFile::read(path)? else { return Ok(()) };
        let (protocols, rows) = (file.texts("protocol")?, file.numbers("row")?);
        let (words, identities) = (file.texts("role")?, file.texts("identity")?);
        for line in 0..file.rows() {
            let row = rows.get(line);
            if let Some(face) = row.filter(|face| *face as usize >= self.len()) {
                return Err(
                    file.wrong(format!("row {line} refers to face {face}, but the manifest has {}", self.len()))
                );
            }
            let role = words.get(line).and_then(|word| Role::ALL.into_iter().find(|role| role.name() == word));
            let (Some(protocol), Some(role)) = (protocols.get(line), role) else {
                return Err(file.wrong(format!("row {line} has no protocol or no role")));
            };
            if self.roles.last().is_none_or(|table| table.protocol != protocol) {
                self.roles.push(RoleTable { protocol: protocol.into(), entries: Vec::new() });
            }
            let Some(table) = self.roles.last_mut() else { continue };
            table.entries.push(RoleEntry { row, role, identity: identities.get(line).map(str::to_owned) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Face;

    /// Fault (runs): a roles.parquet that names a row which the manifest does not have → refused with the row
    #[test]
    fn tables_survive_a_round_trip_and_unknown_rows_are_refused() {
        let face = |i: u32| Face::of_picture(format!("{i}.png"));
        let bare = Manifest { faces: (0..4).map(face).collect(), ..Manifest::default() };
        let entry = |row, role, identity: Option<&str>| RoleEntry { row, role, identity: identity.map(str::to_owned) };
        let entries = vec![
            entry(Some(3), Role::Gallery, Some("ann")),
            entry(None, Role::Gallery, Some("bob")),
            entry(Some(0), Role::Probe, None),
        ];
        let table = |protocol: &str, entries| RoleTable { protocol: protocol.into(), entries };
        let roles = vec![table("a", entries), table("b", vec![entry(Some(1), Role::Ignore, None)])];
        let manifest = Manifest { roles, ..bare.clone() };
        assert_ne!(manifest.digest(), bare.digest());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roles.parquet");
        bare.write_roles(&path).unwrap();
        assert!(!path.exists(), "no tables, no file");
        manifest.write_roles(&path).unwrap();
        let mut read = bare.clone();
        read.read_roles(&path).unwrap();
        assert_eq!((&read, read.digest()), (&manifest, manifest.digest()));
        let mut short = Manifest { faces: bare.faces[..3].to_vec(), ..bare };
        let error = short.read_roles(&path).unwrap_err().to_string();
        assert!(error.contains("row 0 refers to face 3, but the manifest has 3"), "{error}");
    }
}
