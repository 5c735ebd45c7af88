//! What the columns of a parquet file mean: faces, or pairs of faces.

use polars::prelude::{DataType, Schema};

use super::ContainerProblem;

/// Two pictures and whether they are one person, as the mirrors of the benchmarks call them.
const PICTURES: [[&str; 2]; 4] = [["img_0", "img_1"], ["image1", "image2"], ["image_1", "image_2"], ["img1", "img2"]];
const LABELS: [&str; 6] = ["pair", "target", "label", "same", "is_same", "issame"];

/// Who a face is; names before numbers: an id should be readable.
const IDENTITIES: [&str; 9] =
    ["identity_id", "identity", "label_name", "person", "person_id", "subject", "name", "label", "class"];
const NAMES: [&str; 3] = ["face_id", "file_name", "filename"];
const PHOTOS: [&str; 2] = ["image_id", "photo_id"];

/// What the columns mean, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    Pairs { pictures: [String; 2], same: String },
    Faces { picture: String, identity: String, name: Option<String>, photo: Option<String> },
}

impl Layout {
    /// The columns that say something of a face and that are not read for anything else: they stay with it.
    pub fn kept(&self, schema: &Schema) -> Vec<String> {
        if matches!(self, Self::Pairs { .. }) {
            return Vec::new();
        }
        let read = self.columns();
        let plain = |dtype: &DataType| is_name(dtype) || dtype.is_float() || dtype.is_bool() || dtype.is_temporal();
        let kept = schema.iter().filter(|(name, dtype)| plain(dtype) && !read.contains(&name.to_string()));
        kept.map(|(name, _)| name.to_string()).collect()
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
pub(super) fn find(schema: &Schema) -> Result<Layout, ContainerProblem> {
    let has = |name: &str, fits: fn(&DataType) -> bool| schema.get(name).is_some_and(fits);
    let one_of = |names: &[&str], fits| names.iter().find(|name| has(name, fits)).map(|name| (*name).to_owned());
    let pictures = PICTURES.iter().find(|pair| pair.iter().all(|name| has(name, is_picture)));
    if let (Some(pictures), Some(same)) = (pictures, one_of(&LABELS, is_whole)) {
        return Ok(Layout::Pairs { pictures: pictures.map(str::to_owned), same });
    }
    let mut pictures = schema.iter().filter(|(_, dtype)| is_picture(dtype));
    if let (Some((picture, _)), None, Some(identity)) = (pictures.next(), pictures.next(), one_of(&IDENTITIES, is_name))
    {
        let (name, photo) = (one_of(&NAMES, is_name), one_of(&PHOTOS, is_name));
        return Ok(Layout::Faces { picture: picture.to_string(), identity, name, photo });
    }
    let quoted: Vec<_> = IDENTITIES.iter().map(|name| format!("`{name}`")).collect();
    Err(ContainerProblem::Columns { found: described(schema), identities: quoted.join(", ") })
}

/// Names and types: "`image` (struct of bytes, path), `label` (i64)".
pub(super) fn described(schema: &Schema) -> String {
    let one = |name: &str, dtype: &DataType| {
        let name = name.escape_debug();
        match dtype {
            DataType::Struct(fields) => {
                let fields: Vec<_> = fields.iter().map(|field| field.name().escape_debug().to_string()).collect();
                format!("`{name}` (struct of {})", fields.join(", "))
            }
            other => format!("`{name}` ({other})"),
        }
    };
    schema.iter().map(|(name, dtype)| one(name, dtype)).collect::<Vec<_>>().join(", ")
}

/// Encoded pictures: bytes, or as the library `datasets` writes them: bytes and a path.
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
    use polars::prelude::Field;

    use super::*;

    fn picture() -> DataType {
        DataType::Struct(vec![
            Field::new("bytes".into(), DataType::Binary),
            Field::new("path".into(), DataType::String),
        ])
    }

    fn found(columns: &[(&str, DataType)]) -> Result<Layout, ContainerProblem> {
        find(&columns.iter().map(|(name, dtype)| Field::new((*name).into(), dtype.clone())).collect())
    }

    fn layout(columns: &[(&str, DataType)]) -> String {
        found(columns).map_or_else(|problem| problem.to_string(), |layout| layout.columns().join(" "))
    }

    #[test]
    fn the_layouts_of_the_mirrors() {
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
    }

    #[test]
    fn what_is_none_of_them_is_listed() {
        assert_snapshot!(layout(&[("image", picture()), ("score", DataType::Float64)]), @"it has the columns `image` (struct of bytes, path), `score` (f64); looked for pairs (pictures `img_0`, `img_1` and `pair`, or pictures `image1`, `image2` and `target`) and for faces (one picture column and one of `identity_id`, `identity`, `label_name`, `person`, `person_id`, `subject`, `name`, `label`, `class`); a picture is a binary column or a struct with a binary `bytes`");
        // Two pictures and an identity say nothing about pairs; a path is no picture.
        assert!(found(&[("a", picture()), ("b", picture()), ("label", DataType::Int64)]).is_err());
        assert!(found(&[("image", DataType::String), ("label", DataType::Int64)]).is_err());
        assert!(found(&[("image1", picture()), ("image2", picture()), ("target", DataType::Float32)]).is_err());
        assert!(found(&[]).is_err());
    }
}
