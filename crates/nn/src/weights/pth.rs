//! `PyTorch` checkpoints in both formats of `torch.save`: the zip archive (since 1.6), and the earlier sequence of pickles.
//! Sizes are compared with the actual bytes before anything is allocated.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read as _};
use std::rc::Rc;

use zip::ZipArchive;

use super::pickle::{self, Object, Unpickled, Value, View};
use super::storage::{Element, StorageType, widen};
use super::{FormatError, Tensor, Tensors};

/// First value of the old format.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// Version of the old format.
const PROTOCOL: i128 = 1001;
/// Maximum elements per byte of the file; it takes an absurd sharing of storages to exceed it.
const MAX_ELEMENTS_PER_BYTE: usize = 4;
/// Maximum depth of `{'state_dict': {'state_dict': …}}`.
const MAX_NESTING: usize = 4;
/// Keys under which training scripts store the network, the most common first.
const WRAPPERS: [&str; 13] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "backbone",
    "module",
    "weights",
    "params",
    "ema_state_dict",
    "model_ema",
    "ema",
    "params_ema",
];

/// Reads the zip archive.
pub(super) fn zip(bytes: &[u8], say: &dyn Fn(&str)) -> Result<Tensors, FormatError> {
    let broken = |error: &dyn std::fmt::Display| FormatError::Zip(error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let pickles: Vec<String> = archive
        .file_names()
        .filter_map(Result::ok)
        .filter(|name| name.rsplit('/').next() == Some("data.pkl"))
        .map(Into::into)
        .collect();
    let [pickle_name] = pickles.as_slice() else {
        return Err(FormatError::Zip(format!("it has {} entries named data.pkl, expected one", pickles.len())));
    };
    let prefix = pickle_name.trim_end_matches("data.pkl").to_owned();
    // Entries of an archive do not overlap, unless it is malicious.
    let mut budget = bytes.len() as u64;
    let mut read = |name: &str| -> Result<Vec<u8>, FormatError> {
        let entry = archive.by_name(name).map_err(|error| FormatError::Zip(format!("{name}: {error}")))?;
        let mut content = Vec::new();
        entry
            .take(budget + 1)
            .read_to_end(&mut content)
            .map_err(|error| FormatError::Zip(format!("{name}: {error}")))?;
        let rest = budget.checked_sub(content.len() as u64);
        budget = rest.ok_or_else(|| FormatError::Zip("its entries are larger than the archive".into()))?;
        Ok(content)
    };
    if let Ok(order) = read(&format!("{prefix}byteorder"))
        && order.trim_ascii() != b"little"
    {
        return Err(FormatError::Content("it was saved on a big-endian machine; convert it to .safetensors".into()));
    }
    let pickled = read(pickle_name)?;
    let made = pickle::load(&pickled)?;
    let mut by_storage: BTreeMap<Rc<str>, Vec<(String, Rc<View>)>> = BTreeMap::new();
    for (key, view) in state_dict(&made, say)? {
        by_storage.entry(view.storage.key.clone()).or_default().push((key, view));
    }
    let mut output = Output::new(bytes.len());
    for (storage, views) in by_storage {
        let content = read(&format!("{prefix}data/{storage}"))?;
        for (key, view) in views {
            output.add(key, &view, &content)?;
        }
    }
    Ok(output.tensors)
}

/// Reads the format before torch 1.6: five pickles (magic number, version, system, object, keys of storages), then for each
/// key a count of elements and their bytes.
pub(super) fn legacy(bytes: &[u8], say: &dyn Fn(&str)) -> Result<Tensors, FormatError> {
    let mut rest = bytes;
    let mut next = || -> Result<Unpickled<'_>, FormatError> {
        let made = pickle::load(rest)?;
        rest = &rest[made.length..];
        Ok(made)
    };
    if !matches!(next()?.root, Value::Int(MAGIC)) {
        return Err(FormatError::Content("it is a pickle, but not one of `torch.save`".into()));
    }
    if !matches!(next()?.root, Value::Int(PROTOCOL)) {
        return Err(FormatError::Content("it is not version 1001 of torch's old format".into()));
    }
    let system = next()?;
    let says_big = |(key, value): &(Value, Value)| {
        system.text(key) == Some("little_endian") && matches!(value, Value::Bool(false))
    };
    if let Value::Dict(dict) = system.root
        && system.heap.dicts[dict].iter().any(says_big)
    {
        return Err(FormatError::Content("it was saved on a big-endian machine; convert it to .safetensors".into()));
    }
    let made = next()?;
    let keys = next()?;
    let Value::List(list) = keys.root else {
        return Err(FormatError::Content("its list of storages is missing".into()));
    };
    let mut storages: HashMap<&str, &[u8]> = HashMap::new();
    for key in &keys.heap.lists[list] {
        let Some(key) = keys.text(key) else {
            return Err(FormatError::Content("the key of a storage is not a string".into()));
        };
        let Some(storage) = made.storages.get(key) else {
            return Err(FormatError::Content(format!("its storage {key} belongs to no tensor")));
        };
        let truncated = || FormatError::Truncated { what: format!("storage {key}") };
        let (count, after) = rest.split_first_chunk().ok_or_else(truncated)?;
        if i64::from_le_bytes(*count) as u64 != storage.length as u64 {
            return Err(FormatError::Content(format!("storage {key} has two different lengths")));
        }
        let length = storage.length.checked_mul(storage.kind.size).ok_or_else(truncated)?;
        let (content, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        storages.insert(key, content);
        rest = after;
    }
    let mut output = Output::new(bytes.len());
    for (key, view) in state_dict(&made, say)? {
        let Some(content) = storages.get(&*view.storage.key) else {
            return Err(FormatError::Content(format!("tensor {key} has no storage")));
        };
        output.add(key, &view, content)?;
    }
    Ok(output.tensors)
}

/// Keys and tensors of the `state_dict` that a checkpoint is or contains. `say` reports the choice if its key is another.
fn state_dict(made: &Unpickled<'_>, say: &dyn Fn(&str)) -> Result<Vec<(String, Rc<View>)>, FormatError> {
    let Value::Dict(mut dict) = made.root else {
        return Err(FormatError::Content(format!("it contains {}, not a `state_dict`", name_of(&made.root))));
    };
    for _ in 0..MAX_NESTING {
        let inner: Vec<(&str, usize)> = made.heap.dicts[dict]
            .iter()
            .filter_map(|(key, value)| match value {
                Value::Dict(inner) if holds_tensors(made, *inner, MAX_NESTING) => Some((made.text(key)?, *inner)),
                _ => None,
            })
            .collect();
        let named = WRAPPERS.iter().find_map(|name| inner.iter().find(|(key, _)| key == name));
        let has_tensors =
            made.heap.dicts[dict].iter().any(|(_, value)| matches!(value, Value::Object(Object::Tensor(_))));
        let (name, chosen) = match (named, inner.as_slice()) {
            (Some(named), _) => *named,
            (None, [only]) if !has_tensors => *only,
            (None, [_, ..]) if !has_tensors => {
                let names: Vec<_> = inner.iter().map(|(name, _)| format!("`{name}`")).collect();
                return Err(FormatError::Content(format!(
                    "it contains several dicts of tensors, {}; save only the `state_dict()` of the network",
                    names.join(", ")
                )));
            }
            _ => break,
        };
        let others: Vec<_> =
            inner.iter().filter(|(other, _)| *other != name).map(|(other, _)| format!("`{other}`")).collect();
        if !others.is_empty() {
            say(&format!("using `{name}` of the checkpoint's dicts of tensors, not {}", others.join(", ")));
        } else if name != WRAPPERS[0] {
            say(&format!("using the tensors in the checkpoint's entry `{name}`"));
        }
        dict = chosen;
    }
    let tensor = |(key, value): &(Value, Value)| match (made.text(key), value) {
        (Some(key), Value::Object(Object::Tensor(view))) => Ok((key.to_owned(), view.clone())),
        (Some(key), value) => Err(FormatError::Content(format!(
            "its entry `{key}` is {}, not a tensor; save only the `state_dict()`",
            name_of(value)
        ))),
        (None, _) => Err(FormatError::Content(format!("one of its keys is {}, not a string", name_of(key)))),
    };
    made.heap.dicts[dict].iter().map(tensor).collect()
}

/// Whether a dict holds tensors under string keys, itself or in such dicts: an optimizer's keys are numbers.
fn holds_tensors(made: &Unpickled<'_>, dict: usize, depth: usize) -> bool {
    made.heap.dicts[dict].iter().any(|(key, value)| match value {
        Value::Object(Object::Tensor(_)) => made.text(key).is_some(),
        Value::Dict(inner) => depth > 0 && made.text(key).is_some() && holds_tensors(made, *inner, depth - 1),
        _ => false,
    })
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Object(Object::Storage(_)) => "a storage",
        Value::Object(Object::Tensor(_)) => "a tensor",
        other => other.kind(),
    }
}

/// The tensors so far, and how many more elements are allowed.
struct Output {
    tensors: Tensors,
    budget: usize,
}

impl Output {
    fn new(file_length: usize) -> Self {
        Self { tensors: Tensors::new(), budget: file_length.saturating_mul(MAX_ELEMENTS_PER_BYTE) }
    }

    /// Copies a view out of its storage's bytes.
    fn add(&mut self, key: String, view: &View, content: &[u8]) -> Result<(), FormatError> {
        let wrong = |rule: &str| FormatError::Content(format!("tensor {key} {rule}"));
        let StorageType { name, size, element } = view.storage.kind;
        if view.storage.length.checked_mul(size) != Some(content.len()) {
            let what = format!("storage {}", view.storage.key);
            return Err(FormatError::Truncated { what });
        }
        let count = view.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        let count = count.filter(|&count| count <= view.storage.length);
        let count = count.ok_or_else(|| wrong("has more elements than its storage"))?;
        let last = view.shape.iter().zip(&view.stride).try_fold(view.offset, |last, (&side, &stride)| {
            last.checked_add(side.saturating_sub(1).checked_mul(stride)?)
        });
        if count > 0 && last.is_none_or(|last| last >= view.storage.length) {
            return Err(wrong("exceeds its storage"));
        }
        let data = match element.filter(|_| count > 0) {
            None => Vec::new(),
            Some(element) => {
                let rest = self.budget.checked_sub(count);
                self.budget = rest.ok_or_else(|| wrong("is one of too many that share a storage"))?;
                gather(view, element, size, content, count)
            }
        };
        self.tensors.insert(key, Tensor { shape: view.shape.clone(), data, dtype: name.to_owned() });
        Ok(())
    }
}

/// The elements of a view in C order. The view is inside the storage, and not empty.
fn gather(view: &View, element: Element, size: usize, content: &[u8], count: usize) -> Vec<f32> {
    let mut dense = 1;
    let contiguous = view.shape.iter().zip(&view.stride).rev().all(|(&side, &stride)| {
        let fits = side == 1 || stride == dense;
        dense *= side;
        fits
    });
    if contiguous {
        return widen(element, &content[view.offset * size..(view.offset + count) * size]).collect();
    }
    let mut index = vec![0; view.shape.len()];
    let mut at = view.offset;
    let mut data = Vec::with_capacity(count);
    loop {
        data.extend(widen(element, &content[at * size..(at + 1) * size]));
        // The next index, like an odometer.
        let Some(axis) = (0..index.len()).rev().find(|&axis| {
            if index[axis] + 1 < view.shape[axis] {
                return true;
            }
            at -= index[axis] * view.stride[axis];
            index[axis] = 0;
            false
        }) else {
            return data;
        };
        index[axis] += 1;
        at += view.stride[axis];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::pickle::Storage;

    /// Adds a view of a storage of 4 floats to an output with room for 8 elements.
    fn add(offset: usize, shape: &[usize], stride: &[usize], bytes: usize) -> Result<Tensors, String> {
        let kind = StorageType::of_storage("FloatStorage").unwrap();
        let storage = Rc::new(Storage { key: "0".into(), kind, length: 4 });
        let view = View { storage, offset, shape: shape.to_vec(), stride: stride.to_vec() };
        let mut output = Output::new(2);
        for key in ["a", "b", "c"] {
            output.add(key.into(), &view, &vec![0; bytes]).map_err(|error| error.to_string())?;
        }
        Ok(output.tensors)
    }

    /// Fault (weights): a tensor of a `.pth` that reaches beyond its storage → refused by its name
    #[test]
    fn a_view_stays_inside_its_storage() {
        assert_eq!(add(2, &[2], &[1], 16).unwrap()["c"].data, [0.0; 2]);
        let beyond = Err("tensor a exceeds its storage".to_owned());
        assert_eq!(add(3, &[2], &[1], 16), beyond);
        assert_eq!(add(0, &[2, 2], &[3, 1], 16), beyond);
        assert_eq!(add(usize::MAX, &[2], &[1], 16), beyond);
        assert_eq!(add(0, &[2], &[usize::MAX], 16), beyond);
    }

    /// Fault (weights): a tensor of a `.pth` with more elements than the file has bytes, or thousands that share one storage → refused by name
    #[test]
    fn claims_beyond_the_bytes_are_refused() {
        let larger = Err("tensor a has more elements than its storage".to_owned());
        assert_eq!(add(0, &[5], &[0], 16), larger);
        assert_eq!(add(0, &[usize::MAX, usize::MAX], &[0, 0], 16), larger);
        assert_eq!(
            add(0, &[2], &[1], 15),
            Err("it ends inside storage 0: it is truncated; download or copy it again".to_owned())
        );
        assert_eq!(add(0, &[4], &[1], 16), Err("tensor c is one of too many that share a storage".to_owned()));
    }
}
