//! The tables of a run. Each is declared once, beside the code that writes it: its header, the JSON Schema of its rows
//! (`schemas/tables.schema.json`) and its part of `docs/files.md` come from the declaration.

use polars::prelude::{Column, DataType, PolarsError};
use serde_json::{Value as Json, json};

/// A Parquet or CSV file.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name in the run directory.
    pub file: &'static str,
    /// What a row is, in which order, and when there is no file.
    pub about: &'static str,
    /// In groups, which tables may share.
    pub columns: &'static [&'static [TableColumn]],
    /// Which columns may follow; `None` if no others do.
    pub others: Option<&'static str>,
}

/// A column of a table.
#[derive(Debug)]
pub(crate) struct TableColumn {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Option<&'static str>,
    pub meaning: &'static str,
    /// When a value is missing: null in Parquet, empty in CSV. `None` if none ever is.
    pub missing: Option<&'static str>,
    /// When there is such a column. `None` if there always is.
    pub only: Option<&'static str>,
}

/// The values of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Bool,
    /// 0 or 1, in CSV.
    Flag,
    U32,
    U64,
    I64,
    F32,
    F64,
    Text,
    /// One of these texts.
    Words(&'static [&'static str]),
    /// As many numbers as the network has outputs.
    Embedding,
}

impl TableColumn {
    /// A column that is always there, without missing values.
    pub const fn new(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self { name, kind, unit: None, meaning, missing: None, only: None }
    }

    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    pub const fn missing(self, when: &'static str) -> Self {
        Self { missing: Some(when), ..self }
    }

    pub const fn only(self, when: &'static str) -> Self {
        Self { only: Some(when), ..self }
    }

    /// Meaning and exceptions, in sentences.
    pub fn description(&self) -> String {
        let missing = self.missing.map(|when| format!(" Missing {when}."));
        let only = self.only.map(|when| format!(" The column is there only {when}."));
        format!("{}.{}{}", self.meaning, missing.unwrap_or_default(), only.unwrap_or_default())
    }

    fn schema(&self) -> Json {
        let mut schema = self.kind.schema();
        if self.missing.is_some() {
            schema["type"] = json!([schema["type"], "null"]);
            if let Some(words) = schema.get_mut("enum").and_then(Json::as_array_mut) {
                words.push(Json::Null);
            }
        }
        schema["description"] = self.description().into();
        if let Some(unit) = self.unit {
            schema["x-unit"] = unit.into();
        }
        schema
    }
}

impl Kind {
    /// As documents call it.
    pub fn name(self) -> String {
        match self {
            Self::Bool => "boolean".into(),
            Self::Flag => "`0` or `1`".into(),
            Self::U32 => "u32".into(),
            Self::U64 => "u64".into(),
            Self::I64 => "i64".into(),
            Self::F32 => "f32".into(),
            Self::F64 => "f64".into(),
            Self::Text => "text".into(),
            Self::Words(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Embedding => "array of f32".into(),
        }
    }

    fn schema(self) -> Json {
        match self {
            Self::Bool => json!({"type": "boolean"}),
            Self::Flag => json!({"type": "integer", "enum": [0, 1]}),
            Self::U32 => json!({"type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX}),
            Self::U64 => json!({"type": "integer", "format": "uint64", "minimum": 0}),
            Self::I64 => json!({"type": "integer", "format": "int64"}),
            Self::F32 => json!({"type": "number", "format": "float"}),
            Self::F64 => json!({"type": "number", "format": "double"}),
            Self::Text => json!({"type": "string"}),
            Self::Words(words) => json!({"type": "string", "enum": words}),
            Self::Embedding => json!({"type": "array", "items": {"type": "number", "format": "float"}}),
        }
    }

    /// Whether a Parquet column of this type holds it.
    fn is(self, found: &DataType) -> bool {
        match self {
            Self::Bool => *found == DataType::Boolean,
            Self::Flag => false,
            Self::U32 => *found == DataType::UInt32,
            Self::U64 => *found == DataType::UInt64,
            Self::I64 => *found == DataType::Int64,
            Self::F32 => *found == DataType::Float32,
            Self::F64 => *found == DataType::Float64,
            Self::Text | Self::Words(_) => *found == DataType::String,
            Self::Embedding => matches!(found, DataType::Array(of, _) if **of == DataType::Float32),
        }
    }
}

impl Table {
    /// All columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &'static TableColumn> + Clone {
        self.columns.iter().copied().flatten()
    }

    /// Their names.
    pub fn header(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.columns().map(|column| column.name)
    }

    /// Panics in debug builds, and so in tests, when Parquet columns are not the declared ones: a column without a
    /// description, of another type, or in another place.
    pub fn check(&self, written: &[Column]) {
        if cfg!(debug_assertions) {
            let mut written = written.iter().map(|column| (column.name().as_str(), column.dtype(), column.has_nulls()));
            let mut next = written.next();
            for declared in self.columns() {
                match next {
                    Some((name, kind, nulls)) if name == declared.name => {
                        assert!(declared.kind.is(kind), "{}: `{name}` is {kind}", self.file);
                        assert!(!nulls || declared.missing.is_some(), "{}: `{name}` has missing values", self.file);
                        next = written.next();
                    }
                    _ => assert!(declared.only.is_some(), "{}: no `{}`, but {next:?}", self.file, declared.name),
                }
            }
            assert!(next.is_none() || self.others.is_some(), "{}: {next:?} is not declared", self.file);
        }
    }

    /// The JSON Schema of a row as an object.
    pub fn schema(&self) -> Json {
        let properties = self.columns().map(|column| (column.name.to_owned(), column.schema())).collect();
        let required = self.columns().filter(|column| column.only.is_none());
        let required: Vec<&str> = required.map(|column| column.name).collect();
        let mut schema = json!({"description": self.about, "type": "object", "properties": Json::Object(properties)});
        schema["required"] = json!(required);
        if let Some(others) = self.others {
            schema["additionalProperties"] = json!({"description": others, "type": ["string", "null"]});
        }
        schema
    }
}

/// Why a table could not be written: what the system says of the disk, without what polars says around it.
pub fn unwritten(error: &PolarsError) -> String {
    let text = error.to_string();
    let (_, of_system) = text.split_once("underlying IO error: ").unwrap_or(("", &text));
    of_system.to_owned()
}

#[cfg(test)]
mod tests {
    use polars::prelude::{DataFrame, ParquetWriter};

    use super::*;

    const TABLE: Table = Table {
        file: "t.parquet",
        about: "One row per test.",
        columns: &[&[
            TableColumn::new("id", Kind::Text, "Which"),
            TableColumn::new("cosine", Kind::F32, "How alike").unit("cosine").missing("without a pair"),
            TableColumn::new("x", Kind::U32, "Where").unit("pixels").only("if it is known"),
        ]],
        others: None,
    };

    fn written(cosine: Option<f32>, last: Option<Column>) -> Vec<Column> {
        let id = Column::new("id".into(), ["a"]);
        [id, Column::new("cosine".into(), [cosine])].into_iter().chain(last).collect()
    }

    #[test]
    fn what_is_declared_may_be_written() {
        TABLE.check(&written(Some(0.5), Some(Column::new("x".into(), [1_u32]))));
        TABLE.check(&written(None, None));
    }

    #[test]
    #[should_panic(expected = "is not declared")]
    fn a_column_without_a_description_is_refused() {
        TABLE.check(&written(None, Some(Column::new("y".into(), [1_u32]))));
    }

    #[test]
    #[should_panic(expected = "`x` is i64")]
    fn another_type_is_refused() {
        TABLE.check(&written(None, Some(Column::new("x".into(), [1_i64]))));
    }

    #[test]
    #[should_panic(expected = "no `cosine`")]
    fn a_missing_column_is_refused() {
        TABLE.check(&written(None, None)[..1]);
    }

    #[test]
    #[should_panic(expected = "`id` has missing values")]
    fn missing_values_must_be_declared() {
        TABLE.check(&[Column::new("id".into(), [None::<&str>]), Column::new("cosine".into(), [0.5_f32])]);
    }

    #[test]
    fn a_row_is_an_object() {
        insta::assert_snapshot!(TABLE.schema(), @r#"{"description":"One row per test.","type":"object","properties":{"id":{"type":"string","description":"Which."},"cosine":{"type":["number","null"],"format":"float","description":"How alike. Missing without a pair.","x-unit":"cosine"},"x":{"type":"integer","format":"uint32","minimum":0,"maximum":4294967295,"description":"Where. The column is there only if it is known.","x-unit":"pixels"}},"required":["id","cosine"]}"#);
    }

    /// Fault (disk): the disk is full while a table is written → the error is the system's, without words of parquet
    #[test]
    fn a_full_disk_is_said_in_the_systems_words() {
        struct Full;
        impl std::io::Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut frame = DataFrame::new_infer_height(written(None, None)).unwrap();
        let error = ParquetWriter::new(Full).finish(&mut frame).unwrap_err();
        assert_eq!(unwritten(&error), "no storage space");
        assert_eq!(unwritten(&PolarsError::ComputeError("no column".into())), "no column");
    }
}
