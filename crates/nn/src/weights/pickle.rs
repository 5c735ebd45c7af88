//! What a `state_dict` is made of: three functions, ten types, and storages outside the pickle.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::rc::Rc;

use super::FormatError;
use super::storage::StorageType;
use facevault_base::pickle::{self, Heap, Input, Objects};

pub(super) use facevault_base::pickle::PROTO;

pub(super) type Value = pickle::Value<Global, Object>;

/// The functions and types that a `state_dict` needs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(StorageType),
}

/// What they make.
#[derive(Debug, Clone)]
pub(super) enum Object {
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
}

/// A flat array outside the pickle.
#[derive(Debug)]
pub(super) struct Storage {
    pub key: Rc<str>,
    pub kind: StorageType,
    /// Elements.
    pub length: usize,
}

/// A tensor: a view into a storage.
#[derive(Debug)]
pub(super) struct View {
    pub storage: Rc<Storage>,
    /// Elements before the first.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Elements between neighbours, one per dimension.
    pub stride: Vec<usize>,
}

/// A loaded pickle.
pub(super) struct Unpickled<'a> {
    bytes: &'a [u8],
    pub root: Value,
    pub heap: Heap<Global, Object>,
    /// All storages that it refers to.
    pub storages: BTreeMap<Rc<str>, Rc<Storage>>,
    /// Length of the pickle, bytes.
    pub length: usize,
}

impl<'a> Unpickled<'a> {
    /// The text of a string.
    pub fn text(&self, value: &Value) -> Option<&'a str> {
        text(self.bytes, value)
    }
}

/// Loads the pickle at the start of `bytes`.
pub(super) fn load(bytes: &[u8]) -> Result<Unpickled<'_>, FormatError> {
    let mut input = Input::new(Cursor::new(bytes)).map_err(pickle::PickleError::from)?;
    let mut torch = Torch { bytes, storages: BTreeMap::new() };
    let (root, heap) = pickle::load(&mut input, &mut torch)?;
    Ok(Unpickled { bytes, root, heap, storages: torch.storages, length: input.at() as usize })
}

fn text<'a>(bytes: &'a [u8], value: &Value) -> Option<&'a str> {
    let (Value::Text(span) | Value::Bytes(span)) = value else { return None };
    std::str::from_utf8(bytes.get(span.at as usize..)?.get(..span.length as usize)?).ok()
}

struct Torch<'a> {
    bytes: &'a [u8],
    storages: BTreeMap<Rc<str>, Rc<Storage>>,
}

impl Objects for Torch<'_> {
    type Global = Global;
    type Object = Object;

    fn global(&self, module: &str, name: &str) -> Option<Global> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", name) => StorageType::of_storage(name).map(Global::Storage),
            _ => None,
        }
    }

    /// `('storage', type, key, location, elements)`, and a sixth `None` in the old form.
    fn persistent(&mut self, id: &Value, heap: &Heap<Global, Object>) -> Result<Object, &'static str> {
        const FORM: &str = "a storage is not named by ('storage', type, key, location, elements)";
        let &Value::Tuple(id) = id else { return Err(FORM) };
        let ([tag, Value::Global(Global::Storage(kind)), key, _, Value::Int(length)]
        | [tag, Value::Global(Global::Storage(kind)), key, _, Value::Int(length), Value::None]) =
            heap.lists[id].as_slice()
        else {
            return Err(FORM);
        };
        let (Some("storage"), Some(key)) = (text(self.bytes, tag), text(self.bytes, key)) else { return Err(FORM) };
        let length = usize::try_from(*length).map_err(|_| "a storage has no valid number of elements")?;
        let storage = match self.storages.get(key) {
            Some(known) if known.kind != *kind || known.length != length => {
                return Err("a storage is described in two ways");
            }
            Some(known) => known.clone(),
            None => Rc::new(Storage { key: key.into(), kind: *kind, length }),
        };
        self.storages.insert(storage.key.clone(), storage.clone());
        Ok(Object::Storage(storage))
    }

    fn call(
        &mut self,
        function: &Global,
        arguments: usize,
        heap: &mut Heap<Global, Object>,
    ) -> Result<Value, &'static str> {
        match (function, heap.lists[arguments].as_slice()) {
            (Global::OrderedDict, []) => Ok(heap.dict()),
            (
                Global::RebuildTensor,
                [
                    Value::Object(Object::Storage(storage)),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(stride),
                    _,
                    _,
                ]
                | [
                    Value::Object(Object::Storage(storage)),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(stride),
                    _,
                    _,
                    _,
                ],
            ) => {
                let (offset, storage) = (usize::try_from(*offset).ok(), storage.clone());
                let (shape, stride) = (sizes(&heap.lists[*shape]), sizes(&heap.lists[*stride]));
                let (Some(offset), Some(shape), Some(stride)) = (offset, shape, stride) else {
                    return Err("offset, shape or stride of a tensor are not integers ≥ 0");
                };
                if shape.len() != stride.len() {
                    return Err("shape and stride of a tensor differ in length");
                }
                Ok(Value::Object(Object::Tensor(Rc::new(View { storage, offset, shape, stride }))))
            }
            (Global::RebuildParameter, [tensor @ Value::Object(Object::Tensor(_)), _, _]) => Ok(tensor.clone()),
            _ => Err("a call does not have the arguments that `torch.save` writes"),
        }
    }
}

fn sizes(values: &[Value]) -> Option<Vec<usize>> {
    let size = |value: &Value| match value {
        Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    };
    values.iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pickle: &[u8]) -> String {
        load(pickle).map(|_| ()).unwrap_err().to_string()
    }

    /// Fault (weights): a `.pth` whose pickle calls a function → refused by the function's name; nothing is run
    #[test]
    fn what_torch_does_not_write_is_refused() {
        insta::assert_snapshot!(error(b"\x80\x02ctorch\nload\n."), @"its pickle refers to `torch.load` at byte 2, and loading that could run any code; save only the `state_dict()`, or convert the file to .safetensors on a machine where you trust it");
        insta::assert_snapshot!(error(b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R."), @"its pickle is damaged at byte 31: a call does not have the arguments that `torch.save` writes");
        insta::assert_snapshot!(error(b"\x80\x02X\x01\0\0\0a\x85Q."), @"its pickle is damaged at byte 10: a storage is not named by ('storage', type, key, location, elements)");
    }
}
