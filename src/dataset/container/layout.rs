//! Detects from its columns whether a parquet file holds faces or pairs of faces.

use polars::prelude::{ArrowDataType, ArrowSchema, DataType, Field, Schema, UnknownKind};

use super::ContainerProblem;
use crate::dataset::columns::IDENTITIES;

/// Column names of pairs in the mirrors of the benchmarks: two pictures, and the label.
const PICTURES: [[&str; 2]; 4] = [["img_0", "img_1"], ["image1", "image2"], ["image_1", "image_2"], ["img1", "img2"]];
const LABELS: [&str; 6] = ["pair", "target", "label", "same", "is_same", "issame"];

const NAMES: [&str; 3] = ["face_id", "file_name", "filename"];
const PHOTOS: [&str; 2] = ["image_id", "photo_id"];

/// The columns of a file.
#[derive(Default)]
pub(super) struct ShardColumns {
    /// All columns. An unsupported one has a similar type, or an unknown one.
    schema: Schema,
    /// Names and types of unsupported columns, on which polars would fail or panic.
    unread: Vec<(String, String)>,
}

impl ShardColumns {
    pub fn of(schema: &ArrowSchema) -> Self {
        let mut columns = Self::default();
        for field in schema.iter_values() {
            let dtype = if is_read(&field.dtype) {
                Field::from(field).dtype
            } else {
                columns.unread.push((field.name.to_string(), type_name(&field.dtype)));
                stand_in(&field.dtype)
            };
            columns.schema.insert(field.name.clone(), dtype);
        }
        columns
    }

    /// The columns with plain values: texts, numbers, booleans.
    fn plain(&self) -> impl Iterator<Item = String> {
        let is_plain = |name: &str, dtype: &DataType| {
            (is_name(dtype) || dtype.is_float() || dtype.is_bool()) && self.unread(name).is_none()
        };
        self.schema.iter().filter(move |(name, dtype)| is_plain(name, dtype)).map(|(name, _)| name.to_string())
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.schema.len()
    }

    /// Whether all of these columns exist and are supported.
    pub fn has(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.schema.contains(name) && self.unread(name).is_none())
    }

    /// The columns that are not in `used`: "`taken` (timestamp), `sizes` (list)"; `None` if there are none.
    pub fn unused(&self, used: &[String]) -> Option<String> {
        let unused = self.schema.iter().filter(|(name, _)| !used.iter().any(|used| used == name.as_str()));
        let unused: Vec<_> = unused.map(|(name, dtype)| self.one(name, dtype)).collect();
        (!unused.is_empty()).then(|| unused.join(", "))
    }

    /// Names and types: "`image` (struct of bytes, path), `label` (i64)".
    pub fn described(&self) -> String {
        self.schema.iter().map(|(name, dtype)| self.one(name, dtype)).collect::<Vec<_>>().join(", ")
    }

    fn one(&self, name: &str, dtype: &DataType) -> String {
        let shown = name.escape_debug();
        match (self.unread(name), dtype) {
            (Some(dtype), _) => format!("`{shown}` ({dtype})"),
            (None, DataType::Struct(fields)) => {
                let fields: Vec<_> = fields.iter().map(|field| field.name().escape_debug().to_string()).collect();
                format!("`{shown}` (struct of {})", fields.join(", "))
            }
            (None, other) => format!("`{shown}` ({other})"),
        }
    }

    /// The type of an unsupported column.
    fn unread(&self, name: &str) -> Option<&str> {
        self.unread.iter().find(|(unread, _)| unread == name).map(|(_, dtype)| dtype.as_str())
    }

    /// Refuses an unsupported column.
    fn needed(&self, name: &str) -> Result<(), ContainerProblem> {
        match self.unread(name) {
            None => Ok(()),
            Some(dtype) => Err(ContainerProblem::Type { column: name.escape_debug().to_string(), dtype: dtype.into() }),
        }
    }
}

/// The columns of a parquet file with plain values.
pub(in crate::dataset) fn plain_columns(schema: &ArrowSchema) -> Vec<String> {
    ShardColumns::of(schema).plain().collect()
}

/// What a parquet file lacks to be one of pictures.
pub(in crate::dataset) fn lacks_pictures(schema: &ArrowSchema) -> Option<ContainerProblem> {
    find(&ShardColumns::of(schema)).err()
}

/// The meaning of the columns, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    Pairs { pictures: [String; 2], same: String },
    Faces { picture: String, identity: String, name: Option<String>, photo: Option<String> },
}

impl Layout {
    /// The other columns with plain values, which are kept with the faces.
    pub fn kept(&self, columns: &ShardColumns) -> Vec<String> {
        if matches!(self, Self::Pairs { .. }) {
            return Vec::new();
        }
        let read = self.columns();
        columns.plain().filter(|name| !read.contains(name)).collect()
    }

    /// The column of pictures; of two, the first.
    pub fn picture(&self) -> &str {
        match self {
            Self::Pairs { pictures: [picture, _], .. } | Self::Faces { picture, .. } => picture,
        }
    }

    /// The columns that are read.
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Pairs { pictures: [a, b], same } => vec![a.clone(), b.clone(), same.clone()],
            Self::Faces { picture, identity, name, photo } => {
                [Some(picture), Some(identity), name.as_ref(), photo.as_ref()].into_iter().flatten().cloned().collect()
            }
        }
    }
}

/// Finds the layout.
pub(super) fn find(columns: &ShardColumns) -> Result<Layout, ContainerProblem> {
    let schema = &columns.schema;
    let layout = by_name(schema);
    if let Some(layout) = layout {
        return layout.columns().iter().try_for_each(|name| columns.needed(name)).map(|()| layout);
    }
    // A column that would fit if its type were supported.
    let needed = PICTURES.iter().flatten().chain(&LABELS).chain(&IDENTITIES);
    needed.filter(|name| schema.contains(name)).try_for_each(|name| columns.needed(name))?;
    let pictures = schema.iter().filter(|(_, dtype)| is_picture(dtype)).count();
    let of_type = |names: &[&str], expected| {
        let column = names.iter().find(|name| schema.contains(name))?;
        let dtype = schema.get(column)?.to_string();
        Some(ContainerProblem::OtherType { column: (*column).to_owned(), dtype, expected })
    };
    let other = match pictures {
        1 => of_type(&IDENTITIES, "texts or whole numbers, which are identities"),
        2 => of_type(&LABELS, "whole numbers or booleans, which say whether both are one person"),
        _ => None,
    };
    if let Some(other) = other {
        return Err(other);
    }
    let quoted: Vec<_> = IDENTITIES.iter().map(|name| format!("`{name}`")).collect();
    Err(ContainerProblem::Columns { found: columns.described(), identities: quoted.join(", ") })
}

fn by_name(schema: &Schema) -> Option<Layout> {
    let has = |name: &str, fits: fn(&DataType) -> bool| schema.get(name).is_some_and(fits);
    let one_of = |names: &[&str], fits| names.iter().find(|name| has(name, fits)).map(|name| (*name).to_owned());
    let pictures = PICTURES.iter().find(|pair| pair.iter().all(|name| has(name, is_picture)));
    if let (Some(pictures), Some(same)) = (pictures, one_of(&LABELS, is_whole)) {
        return Some(Layout::Pairs { pictures: pictures.map(str::to_owned), same });
    }
    let mut pictures = schema.iter().filter(|(_, dtype)| is_picture(dtype));
    let (Some((picture, _)), None) = (pictures.next(), pictures.next()) else { return None };
    let identity = one_of(&IDENTITIES, is_name)?;
    let (name, photo) = (one_of(&NAMES, is_name), one_of(&PHOTOS, is_name));
    Some(Layout::Faces { picture: picture.to_string(), identity, name, photo })
}

/// Whether a type is supported.
fn is_read(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    match dtype {
        T::Dictionary(_, values, _) => is_text(values),
        T::Struct(fields) => fields.iter().all(|field| is_read(&field.dtype)),
        T::List(of) | T::LargeList(of) | T::FixedSizeList(of, _) => is_read(&of.dtype),
        T::Null | T::Boolean | T::Int32 | T::Int64 | T::UInt32 | T::UInt64 | T::Float32 | T::Float64 => true,
        other => is_text(other) || matches!(other, T::Binary | T::LargeBinary | T::BinaryView),
    }
}

fn is_text(dtype: &ArrowDataType) -> bool {
    matches!(dtype, ArrowDataType::Utf8 | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8View)
}

/// A similar type that stands in for an unsupported one when the layout is detected.
fn stand_in(dtype: &ArrowDataType) -> DataType {
    use ArrowDataType as T;
    match dtype {
        T::Int8 | T::Int16 | T::UInt8 | T::UInt16 | T::Int128 => DataType::Int32,
        T::Struct(fields) if fields.iter().any(|field| field.name == "bytes" && is_read(&field.dtype)) => {
            DataType::Binary
        }
        _ => DataType::Unknown(UnknownKind::Any),
    }
}

/// The name of an unsupported type.
fn type_name(dtype: &ArrowDataType) -> String {
    use ArrowDataType as T;
    match dtype {
        T::Timestamp(..) => "timestamp".into(),
        T::Date32 | T::Date64 => "date".into(),
        T::Time32(_) | T::Time64(_) => "time".into(),
        T::Duration(_) => "duration".into(),
        T::Interval(_) => "interval".into(),
        T::Decimal(..) | T::Decimal32(..) | T::Decimal64(..) | T::Decimal256(..) => "decimal".into(),
        T::Dictionary(..) => "dictionary".into(),
        T::List(_) | T::LargeList(_) | T::FixedSizeList(..) => "list".into(),
        T::FixedSizeBinary(_) => "fixed-size binary".into(),
        T::Map(..) => "map".into(),
        T::Union(_) => "union".into(),
        T::Struct(fields) => {
            let of = fields.iter().find(|field| !is_read(&field.dtype));
            format!("struct with a {}", of.map_or("field".into(), |field| type_name(&field.dtype)))
        }
        T::Extension(_) => "extension".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Encoded pictures: bytes, or a struct of bytes and a path as the library `datasets` writes it.
fn is_picture(dtype: &DataType) -> bool {
    match dtype {
        DataType::Binary => true,
        DataType::Struct(fields) => {
            fields.iter().any(|field| field.name() == "bytes" && *field.dtype() == DataType::Binary)
        }
        _ => false,
    }
}

fn is_whole(dtype: &DataType) -> bool {
    dtype.is_integer() || *dtype == DataType::Boolean
}

fn is_name(dtype: &DataType) -> bool {
    dtype.is_integer() || dtype.is_string() || dtype.is_categorical() || dtype.is_enum()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn picture() -> DataType {
        DataType::Struct(vec![
            Field::new("bytes".into(), DataType::Binary),
            Field::new("path".into(), DataType::String),
        ])
    }

    fn found(columns: &[(&str, DataType)]) -> Result<Layout, ContainerProblem> {
        let schema = columns.iter().map(|(name, dtype)| Field::new((*name).into(), dtype.clone())).collect();
        find(&ShardColumns { schema, unread: Vec::new() })
    }

    fn layout(columns: &[(&str, DataType)]) -> String {
        found(columns).map_or_else(|problem| problem.to_string(), |layout| layout.columns().join(" "))
    }

    #[test]
    fn the_layouts_of_the_mirrors_are_detected() {
        let pairs = [("pair", DataType::Int64), ("img_0", picture()), ("img_1", picture())];
        assert_eq!(layout(&pairs), "img_0 img_1 pair");
        let pairs = [("image1", DataType::Binary), ("image2", DataType::Binary), ("target", DataType::Boolean)];
        assert_eq!(layout(&pairs), "image1 image2 target");
        assert_eq!(layout(&[("image", picture()), ("label", DataType::Int64)]), "image label");
        let all = [
            ("label", DataType::Int64),
            ("file_name", DataType::String),
            ("jpg", DataType::Binary),
            ("identity", DataType::String),
            ("image_id", DataType::UInt32),
        ];
        assert_eq!(layout(&all), "jpg identity file_name image_id");
        // A `name` may be that of the file, which nobody shares.
        let both = [("image", picture()), ("name", DataType::String), ("label", DataType::Int64)];
        assert_eq!(layout(&both), "image label");
    }

    #[test]
    fn an_unknown_layout_lists_the_columns() {
        assert_snapshot!(layout(&[("image", picture()), ("score", DataType::Float64)]), @"its columns are `image` (struct of bytes, path), `score` (f64); expected pairs (pictures `img_0`, `img_1` and `pair`, or pictures `image1`, `image2` and `target`) or faces (one picture column and one of `identity_id`, `identity`, `label_name`, `person`, `person_id`, `subject`, `label`, `name`, `class`); a picture is a binary column or a struct with a binary `bytes`");
        assert_snapshot!(layout(&[("image", picture()), ("label", DataType::Float64)]), @"its column `label` has the type f64, expected texts or whole numbers, which are identities; convert it, and write the file again");
        assert_snapshot!(layout(&[("image1", picture()), ("image2", picture()), ("target", DataType::Float32)]), @"its column `target` has the type f32, expected whole numbers or booleans, which say whether both are one person; convert it, and write the file again");
        // Two pictures and an identity are not a pair; a path is not a picture.
        assert!(found(&[("a", picture()), ("b", picture()), ("label", DataType::Int64)]).is_err());
        assert!(found(&[("image", DataType::String), ("label", DataType::Int64)]).is_err());
        assert!(found(&[("image1", picture()), ("image2", picture()), ("target", DataType::Float32)]).is_err());
        assert!(found(&[]).is_err());
    }
}
