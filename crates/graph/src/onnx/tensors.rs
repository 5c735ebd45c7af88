//! Tensors of a file: numbers in any of ONNX' types, in the message or in a file beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use half::{bf16, f16};
use prost::Message as _;

use super::error::{Fault, quoted, wrong};
use super::limits::numbers;
use super::{Limits, proto, wire};

/// `TensorProto.DataType`.
pub(super) mod element {
    pub const FLOAT: i32 = 1;
    pub const UINT8: i32 = 2;
    pub const INT8: i32 = 3;
    pub const UINT16: i32 = 4;
    pub const INT16: i32 = 5;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const BOOL: i32 = 9;
    pub const FLOAT16: i32 = 10;
    pub const DOUBLE: i32 = 11;
    pub const UINT32: i32 = 12;
    pub const UINT64: i32 = 13;
    pub const BFLOAT16: i32 = 16;
}

use Numbers::{Real, Whole};

/// The numbers of a constant.
#[derive(Debug, Clone)]
pub(super) enum Numbers {
    /// All real types, and whole numbers of 8 bits, which are weights.
    Real(Arc<[f32]>),
    /// Larger whole numbers and truth values: shapes, indices, masks.
    Whole(Arc<[i64]>),
}

/// A constant of the file.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    pub name: String,
    pub shape: Vec<usize>,
    pub element: i32,
    pub numbers: Numbers,
}

/// Reads tensors, and what they have in files beside the ONNX file.
pub(super) struct Tensors<'a> {
    /// Where the ONNX file is; None if it came without one.
    pub folder: Option<&'a Path>,
    pub limits: &'a Limits,
    /// Names of the files beside it that were read.
    pub files: BTreeSet<String>,
    /// Bytes read from them.
    pub read: u64,
    /// Numbers and bytes of the tensors that were read, by type.
    pub weights: BTreeMap<i32, (u64, u64)>,
}

impl<'a> Tensors<'a> {
    pub fn new(folder: Option<&'a Path>, limits: &'a Limits) -> Self {
        Tensors { folder, limits, files: BTreeSet::new(), read: 0, weights: BTreeMap::new() }
    }

    /// Decodes a `TensorProto`.
    pub fn constant(&mut self, bytes: &Bytes) -> Result<Constant, Fault> {
        // Fields are of one number each, or of many in one: only entries of external data grow when they are decoded.
        let (_, entries) = wire::count(bytes, 13).ok_or_else(|| wrong!("it is cut off"))?;
        if entries > 64 {
            return Err(wrong!("it names external data {entries} times"));
        }
        let tensor = proto::Tensor::decode(bytes.clone()).map_err(|error| wrong!("{error}"))?;
        let shape = self.shape(&tensor.extents)?;
        let count = shape.iter().product();
        let numbers = match self.raw(&tensor)? {
            Some(raw) => of_bytes(&raw, tensor.element, count)?,
            None => of_fields(&tensor, count)?,
        };
        let (numbers_read, bytes_read) = self.weights.entry(tensor.element).or_default();
        *numbers_read += count as u64;
        *bytes_read += bits(tensor.element).unwrap_or(0) / 8 * count as u64;
        Ok(Constant { name: tensor.name, shape, element: tensor.element, numbers })
    }

    fn shape(&self, extents: &[i64]) -> Result<Vec<usize>, Fault> {
        if extents.len() > 32 {
            return Err(wrong!("it has {} axes", extents.len()));
        }
        let extents = extents.iter().map(|n| usize::try_from(*n).map_err(|_| wrong!("its shape is {extents:?}")));
        let shape: Vec<usize> = extents.collect::<Result<_, _>>()?;
        numbers(&shape, self.limits.tensor)?;
        Ok(shape)
    }

    /// The numbers of a tensor as bytes, here or in a file beside; `None` if it has them in fields of their type.
    pub fn raw(&mut self, tensor: &proto::Tensor) -> Result<Option<Bytes>, Fault> {
        if tensor.location != 1 {
            return Ok(tensor.raw.clone());
        }
        let count = self.shape(&tensor.extents)?.iter().product::<usize>();
        let entry = |key: &str| tensor.external.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let number = |key: &str| {
            let parse = |text: &String| text.parse::<u64>().map_err(|_| wrong!("its {key} is `{}`", quoted(text)));
            entry(key).map(parse).transpose()
        };
        let location = entry("location").ok_or_else(|| wrong!("it is in another file, and does not say in which"))?;
        let needed = bits(tensor.element).and_then(|bits| (count as u64).checked_mul(bits / 8));
        let needed = needed.ok_or_else(|| unknown(tensor.element))?;
        if number("length")?.is_some_and(|length| length != needed) {
            return Err(wrong!("its shape asks for {needed} bytes, and `{}` for others", quoted(location)));
        }
        self.read = self.read.saturating_add(needed);
        if self.read > self.limits.file {
            return Err(Fault::TooMuch {
                what: format!("{} bytes of external data", self.read),
                limit: self.limits.file,
            });
        }
        let path = self.beside(location)?;
        let failed = |error: std::io::Error| wrong!("`{}`: {error}", quoted(location));
        let mut file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let start = number("offset")?.unwrap_or(0);
        if !metadata.is_file() || start.checked_add(needed).is_none_or(|end| end > metadata.len()) {
            return Err(wrong!(
                "it needs {needed} bytes from byte {start} of `{}`, which has {}; download or export it again",
                quoted(location),
                metadata.len()
            ));
        }
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut data = vec![0; needed as usize];
        file.read_exact(&mut data).map_err(failed)?;
        self.files.insert(location.clone());
        Ok(Some(data.into()))
    }

    /// The path of external data, which must lie in the folder of the ONNX file.
    fn beside(&self, location: &str) -> Result<PathBuf, Fault> {
        let Some(folder) = self.folder else {
            return Err(wrong!(
                "it is in `{}`, and the ONNX file came alone; use a local copy with that file beside it, or save both in one \
                 file: `onnx.save(onnx.load(path), path)`",
                quoted(location)
            ));
        };
        let outside =
            || wrong!("its external data `{}` is not in the folder of the ONNX file; it is not read", quoted(location));
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || location.contains(['\\', '\0']) || !Path::new(location).components().all(inside) {
            return Err(outside());
        }
        let missing =
            |error| wrong!("its external data `{}`: {error}; put that file beside the ONNX file", quoted(location));
        let real = |path: &Path| path.canonicalize().map_err(missing);
        let path = real(&folder.join(location))?;
        if path.starts_with(real(folder)?) { Ok(path) } else { Err(outside()) }
    }
}

/// How many bits a number of a type has.
fn bits(element: i32) -> Option<u64> {
    Some(match element {
        element::UINT8 | element::INT8 | element::BOOL => 8,
        element::UINT16 | element::INT16 | element::FLOAT16 | element::BFLOAT16 => 16,
        element::FLOAT | element::INT32 | element::UINT32 => 32,
        element::DOUBLE | element::INT64 | element::UINT64 => 64,
        _ => return None,
    })
}

/// What a type is called.
pub(super) fn element_name(element: i32) -> &'static str {
    match element {
        element::FLOAT => "f32",
        element::UINT8 => "uint8",
        element::INT8 => "int8",
        element::UINT16 => "uint16",
        element::INT16 => "int16",
        element::INT32 => "int32",
        element::INT64 => "int64",
        element::BOOL => "bool",
        element::FLOAT16 => "f16",
        element::DOUBLE => "f64",
        element::UINT32 => "uint32",
        element::UINT64 => "uint64",
        element::BFLOAT16 => "bf16",
        _ => "another type",
    }
}

fn unknown(element: i32) -> Fault {
    wrong!("its numbers have type {element} of ONNX, which is not known")
}

fn each<const N: usize, T, F: Fn([u8; N]) -> T>(raw: &[u8], f: F) -> Arc<[T]> {
    raw.as_chunks().0.iter().map(|bytes| f(*bytes)).collect()
}

/// Little-endian numbers, as `raw_data` and external data have them.
fn of_bytes(raw: &[u8], element: i32, count: usize) -> Result<Numbers, Fault> {
    let needed = bits(element).ok_or_else(|| unknown(element))? / 8 * count as u64;
    if raw.len() as u64 != needed {
        return Err(wrong!("its shape asks for {needed} bytes, and it has {}", raw.len()));
    }
    Ok(match element {
        element::FLOAT => Real(each(raw, f32::from_le_bytes)),
        element::FLOAT16 => Real(each(raw, |b| f16::from_le_bytes(b).to_f32())),
        element::BFLOAT16 => Real(each(raw, |b| bf16::from_le_bytes(b).to_f32())),
        element::DOUBLE => Real(each(raw, |b| f64::from_le_bytes(b) as f32)),
        element::UINT8 => Real(each(raw, |b| f32::from(u8::from_le_bytes(b)))),
        element::INT8 => Real(each(raw, |b| f32::from(i8::from_le_bytes(b)))),
        element::UINT16 => Whole(each(raw, |b| u16::from_le_bytes(b).into())),
        element::INT16 => Whole(each(raw, |b| i16::from_le_bytes(b).into())),
        element::INT32 => Whole(each(raw, |b| i32::from_le_bytes(b).into())),
        element::UINT32 => Whole(each(raw, |b| u32::from_le_bytes(b).into())),
        element::INT64 => Whole(each(raw, i64::from_le_bytes)),
        element::UINT64 => Whole(each(raw, |b| u64::from_le_bytes(b) as i64)),
        element::BOOL => Whole(each(raw, |[b]| (b != 0).into())),
        _ => return Err(unknown(element)),
    })
}

/// Numbers in the fields that a type has.
fn of_fields(tensor: &proto::Tensor, count: usize) -> Result<Numbers, Fault> {
    let int32s = &tensor.int32s;
    let (numbers, found) = match tensor.element {
        element::FLOAT => (Real(tensor.floats.as_slice().into()), tensor.floats.len()),
        element::DOUBLE => (Real(tensor.doubles.iter().map(|x| *x as f32).collect()), tensor.doubles.len()),
        element::FLOAT16 => (Real(int32s.iter().map(|x| f16::from_bits(*x as u16).to_f32()).collect()), int32s.len()),
        element::BFLOAT16 => (Real(int32s.iter().map(|x| bf16::from_bits(*x as u16).to_f32()).collect()), int32s.len()),
        element::UINT8 => (Real(int32s.iter().map(|x| f32::from(*x as u8)).collect()), int32s.len()),
        element::INT8 => (Real(int32s.iter().map(|x| f32::from(*x as i8)).collect()), int32s.len()),
        element::UINT16 | element::INT16 | element::INT32 => {
            (Whole(int32s.iter().map(|x| i64::from(*x)).collect()), int32s.len())
        }
        element::BOOL => (Whole(int32s.iter().map(|x| i64::from(*x != 0)).collect()), int32s.len()),
        element::INT64 => (Whole(tensor.int64s.as_slice().into()), tensor.int64s.len()),
        element::UINT32 | element::UINT64 => {
            (Whole(tensor.uint64s.iter().map(|x| *x as i64).collect()), tensor.uint64s.len())
        }
        element => return Err(unknown(element)),
    };
    if found == count { Ok(numbers) } else { Err(wrong!("its shape asks for {count} numbers, and it has {found}")) }
}
