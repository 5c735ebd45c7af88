//! `roles.parquet`: what the tables of identification protocols say about faces.

use std::io::Cursor;
use std::path::Path;

use polars::prelude::*;

use super::{DatasetError, Manifest};
use crate::files;
use crate::identification::{Role, RoleEntry, RoleTable};
use crate::parquet;
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
        let failed = |source| DatasetError::Parquet { action: "write", path: path.into(), source };
        let all =
            || self.roles.iter().flat_map(|table| table.entries.iter().map(|entry| (table.protocol.as_str(), entry)));
        let columns = vec![
            Column::new("protocol".into(), all().map(|(protocol, _)| protocol).collect::<Vec<&str>>()),
            Column::new("row".into(), all().map(|(_, entry)| entry.row).collect::<Vec<Option<u32>>>()),
            Column::new("role".into(), all().map(|(_, entry)| entry.role.name()).collect::<Vec<&str>>()),
            Column::new("identity".into(), all().map(|(_, entry)| entry.identity.as_deref()).collect::<Vec<_>>()),
        ];
        ROLES.check(&columns);
        let mut table = DataFrame::new_infer_height(columns).map_err(failed)?;
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut table).map_err(failed)?;
        Ok(files::commit_bytes(path, &bytes)?)
    }

    /// Reads the tables; without a file there are none.
    pub(crate) fn read_roles(&mut self, path: &Path) -> Result<(), DatasetError> {
        if !path.exists() {
            return Ok(());
        }
        let failed = |source| DatasetError::Parquet { action: "read", path: path.into(), source };
        let wrong = |rule: String| DatasetError::Manifest { path: path.into(), rule };
        let bytes = files::read(path)?;
        let frame = parquet::reader(|| Ok(Cursor::new(&bytes[..])))
            .and_then(|reader| parquet::guarded(|| reader.set_rechunk(true).finish()))
            .map_err(failed)?;
        let column = |name: &str| frame.column(name).map_err(|_| wrong(format!("it has no column `{name}`")));
        let other = |name: &'static str| move |_| wrong(format!("its column `{name}` has the wrong type"));
        let protocols = column("protocol")?.str().map_err(other("protocol"))?;
        let rows = column("row")?.u32().map_err(other("row"))?;
        let words = column("role")?.str().map_err(other("role"))?;
        let identities = column("identity")?.str().map_err(other("identity"))?;
        for line in 0..frame.height() {
            let row = rows.get(line);
            if let Some(face) = row.filter(|face| *face as usize >= self.len()) {
                return Err(wrong(format!("row {line} refers to face {face}, but the manifest has {}", self.len())));
            }
            let role = words.get(line).and_then(|word| Role::ALL.into_iter().find(|role| role.name() == word));
            let (Some(protocol), Some(role)) = (protocols.get(line), role) else {
                return Err(wrong(format!("row {line} has no protocol or no role")));
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
