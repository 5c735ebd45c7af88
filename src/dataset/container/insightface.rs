//! The source `insightface-bin`: `pickle.dump((list of encoded pictures, list of bools))`. Picture 2i and picture 2i+1 are
//! pair i. The pictures are read one by one: memory does not grow with them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Read, Seek};

use super::unpacked::{self, Distinct, Index, PartialFolder};
use super::{ContainerProblem, Located, Task, say_pairs};
use crate::dataset::scan::OpenContext;
use crate::dataset::{DatasetError, LARGEST_PICTURE, Manifest};
use crate::files::{self, FileError};
use crate::pickle::{self, Heap, Input, Objects, PROTO, PickleError, Span};
use crate::text;

/// Reads a file of pairs.
pub(super) fn open(file: &Located, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let manifest = unpacked::open("insightface-bin", std::slice::from_ref(file), context, unpack, |_| Ok(None))?;
    say_pairs(&manifest, context);
    Ok(manifest)
}

fn unpack(folder: &mut PartialFolder<'_>) -> Result<Index, DatasetError> {
    let (file, path) = (folder.container, &folder.container.path);
    let head = file.head()?;
    if !matches!(head[..], [PROTO, 2..=5, ..]) {
        let found = match head[..] {
            [PROTO, protocol, ..] => format!("a pickle of protocol {protocol}"),
            _ => files::looks_like(&head),
        };
        let expected = "a Python pickle of protocol 2 to 5 (insightface's .bin)";
        return Err(file.problem(ContainerProblem::OtherFormat { found, expected }));
    }
    let failed = |error| FileError::new("read", path)(error);
    let mut input = Input::new(file.open()?).map_err(failed)?;
    let pairs = read(&mut input).map_err(|problem| file.problem(problem))?;
    let task = Task::start(folder.context, "unpacking", path, "pictures", pairs.pictures.len() as u64);
    let mut faces = Distinct::default();
    let mut rows = Vec::with_capacity(pairs.pictures.len());
    // A picture that the list names again is not read again: a small file may name a large one a million times.
    let mut known = HashMap::new();
    for (number, picture) in pairs.pictures.iter().enumerate() {
        rows.push(match picture {
            Ok(picture) => match known.entry((picture.span.at, picture.latin1)) {
                Entry::Occupied(row) => *row.get(),
                Entry::Vacant(place) => {
                    let bytes = picture.read(&mut input).map_err(|error| file.problem(error.into()))?;
                    *place.insert(faces.row(number, &bytes, folder)?)
                }
            },
            Err(fault) => faces.absent(number, fault.clone()),
        });
        task.advance(1);
    }
    let pairs = rows.chunks_exact(2).zip(&pairs.same).map(|(pair, &same)| (pair[0], pair[1], same)).collect();
    Ok(faces.with(pairs))
}

/// The content of a file.
#[derive(Debug)]
pub(super) struct PicklePairs {
    /// The pictures; for what is not a picture, what it is.
    pub pictures: Vec<Result<Picture, String>>,
    /// Whether each pair is genuine.
    pub same: Vec<bool>,
}

/// An encoded picture in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture {
    span: Span,
    /// Its bytes are written as the UTF-8 of a Latin-1 text.
    pub latin1: bool,
}

impl Picture {
    /// Its bytes.
    pub fn read<R: Read + Seek>(&self, input: &mut Input<R>) -> Result<Vec<u8>, PickleError> {
        let bytes = input.read(&self.span)?;
        if !self.latin1 {
            return Ok(bytes);
        }
        let narrow = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>();
        let bytes = std::str::from_utf8(&bytes).ok().and_then(narrow);
        bytes.ok_or(PickleError::Damaged { at: self.span.at, rule: "a byte string is not Latin-1 text" })
    }
}

type Value = pickle::Value<Global, Object>;

/// The functions that byte strings and bools come from in the wild.
#[derive(Debug, Clone, Copy)]
enum Global {
    /// `_codecs.encode`, `bytes` and `bytearray`.
    Bytes,
    /// `numpy.dtype`.
    Dtype,
    /// `numpy.core.multiarray.scalar`.
    Scalar,
}

#[derive(Debug, Clone, Copy)]
enum Object {
    /// Bytes as Python 3 writes them into protocol 2: the UTF-8 of a Latin-1 text.
    Latin1(Span),
    /// numpy's type of bools.
    BoolType,
}

struct Builtins;

impl Objects for Builtins {
    type Global = Global;
    type Object = Object;

    fn global(&self, module: &str, name: &str) -> Option<Global> {
        match (module, name) {
            ("_codecs", "encode") | ("__builtin__" | "builtins", "bytes" | "bytearray") => Some(Global::Bytes),
            ("numpy", "dtype") => Some(Global::Dtype),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Some(Global::Scalar),
            _ => None,
        }
    }

    fn call(
        &mut self,
        function: &Global,
        arguments: usize,
        heap: &mut Heap<Global, Object>,
    ) -> Result<Value, &'static str> {
        use pickle::Value::{Bool, Bytes, Object as Made, Text};
        match (function, heap.lists[arguments].as_slice()) {
            (Global::Bytes, [Text(text), Text(encoding)]) if matches!(encoding.short(), b"latin1" | b"latin-1") => {
                Ok(Made(Object::Latin1(*text)))
            }
            (Global::Bytes, [bytes @ (Bytes(_) | Made(Object::Latin1(_)))]) => Ok(bytes.clone()),
            (Global::Bytes, []) => Ok(Bytes(Span::default())),
            (Global::Dtype, [Text(name) | Bytes(name), _, _]) if matches!(name.short(), b"b1" | b"?" | b"bool") => {
                Ok(Made(Object::BoolType))
            }
            (Global::Scalar, [Made(Object::BoolType), Bytes(bytes) | Made(Object::Latin1(bytes))])
                if matches!(bytes.short(), [0 | 1]) =>
            {
                Ok(Bool(bytes.short() == [1]))
            }
            _ => Err("a call makes neither a byte string nor a bool"),
        }
    }
}

/// Finds the pairs.
pub(super) fn read<R: Read + Seek>(input: &mut Input<R>) -> Result<PicklePairs, ContainerProblem> {
    let (root, heap) = pickle::load(input, &mut Builtins)?;
    if !input.is_at_end() {
        return Err(PickleError::Damaged { at: input.at(), rule: "the file continues after its end" }.into());
    }
    let items = |value: &Value| match value {
        Value::List(index) | Value::Tuple(index) => Some(heap.lists[*index].as_slice()),
        _ => None,
    };
    let no_pairs = |found: String| ContainerProblem::NoPairs { found };
    let both = match items(&root) {
        Some([pictures, same]) => items(pictures).zip(items(same)),
        _ => None,
    };
    let Some((pictures, same)) = both else { return Err(no_pairs(root.kind().into())) };
    if pictures.len() != 2 * same.len() || same.is_empty() {
        return Err(no_pairs(format!(
            "{} and {}",
            text::counted(pictures.len(), "picture"),
            text::counted(same.len(), "bool")
        )));
    }
    let picture = |(i, value): (usize, &Value)| {
        let (span, latin1) = match value {
            Value::Bytes(span) => (*span, false),
            Value::Object(Object::Latin1(span)) => (*span, true),
            other => return Err(format!("picture {i} is {}", other.kind())),
        };
        if span.length > LARGEST_PICTURE {
            return Err(format!("picture {i} has {} bytes", span.length));
        }
        Ok(Picture { span, latin1 })
    };
    let pictures: Vec<_> = pictures.iter().enumerate().map(picture).collect();
    if let (true, Some(Err(first))) = (pictures.iter().all(Result::is_err), pictures.first()) {
        return Err(no_pairs(format!("lists where {first}")));
    }
    let same = same.iter().enumerate().map(|(i, value)| match value {
        Value::Bool(same) => Ok(*same),
        Value::Int(value @ (0 | 1)) => Ok(*value == 1),
        Value::Int(value) => Err(no_pairs(format!("lists where bool {i} is the number {value}"))),
        other => Err(no_pairs(format!("lists where bool {i} is {}", other.kind()))),
    });
    Ok(PicklePairs { pictures, same: same.collect::<Result<_, _>>()? })
}
