//! A pickle machine that can only build what a `state_dict` is made of. Pickle is a language whose programs may call any
//! Python function; this machine knows three functions and ten types, and refuses all others by name.
//!
//! Containers live on a heap and are named by index: a memo may name a dictionary that is filled later, and no nesting,
//! however deep, recurses. Work and memory are bounded by the length of the input.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::FormatError;
use super::pth::Kind;

/// The first byte of every pickle since protocol 2.
pub(super) const PROTO: u8 = 0x80;

/// Instructions at most: a checkpoint of 10,000 tensors has some 500,000.
const MAX_STEPS: usize = 8_000_000;

/// What a pickle can make.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float,
    Str(Rc<str>),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Global(Global),
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
}

/// The functions and types that a `state_dict` needs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

/// A flat array outside the pickle.
#[derive(Debug)]
pub(super) struct Storage {
    pub key: Rc<str>,
    pub kind: Kind,
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
    /// Elements between neighbours, one a dimension.
    pub stride: Vec<usize>,
}

/// What a pickle made.
pub(super) struct Unpickled {
    pub root: Value,
    /// Tuples and lists.
    pub lists: Vec<Vec<Value>>,
    /// Dictionaries.
    pub dicts: Vec<Vec<(Value, Value)>>,
    /// Every storage that was named.
    pub storages: BTreeMap<Rc<str>, Rc<Storage>>,
    /// Length of the pickle, bytes.
    pub length: usize,
}

/// Runs the pickle at the start of `bytes`.
pub(super) fn load(bytes: &[u8]) -> Result<Unpickled, FormatError> {
    Machine { bytes, ..Machine::default() }.run()
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    lists: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
    storages: BTreeMap<Rc<str>, Rc<Storage>>,
}

impl<'a> Machine<'a> {
    fn run(mut self) -> Result<Unpickled, FormatError> {
        for _ in 0..MAX_STEPS {
            let at = self.at;
            let opcode = self.byte()?;
            match opcode {
                PROTO => drop(self.byte()?),
                // FRAME: a hint for readers of streams.
                0x95 => drop(self.take(8)?),
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(&module, &name)?;
                }
                // INST: the old way to call a class.
                b'i' => {
                    let (module, name) = (self.line()?, self.line()?);
                    return Err(FormatError::Code { name: format!("{module}.{name}") });
                }
                // STACK_GLOBAL.
                0x93 => {
                    let (Value::Str(name), Value::Str(module)) = (self.pop()?, self.pop()?) else {
                        return self.wrong("a global's name is no text");
                    };
                    self.global(&module, &name)?;
                }
                b'q' => {
                    let index = u32::from(self.byte()?);
                    self.remember(index)?;
                }
                b'r' => {
                    let index = self.u32()?;
                    self.remember(index)?;
                }
                // MEMOIZE.
                0x94 => {
                    let index = self.memo.len() as u32;
                    self.remember(index)?;
                }
                b'h' => {
                    let index = u32::from(self.byte()?);
                    self.recall(index)?;
                }
                b'j' => {
                    let index = self.u32()?;
                    self.recall(index)?;
                }
                b'(' => self.marks.push(self.stack.len()),
                b't' => {
                    let items = self.since_mark()?;
                    self.tuple(items);
                }
                b')' => self.tuple(Vec::new()),
                0x85..=0x87 => {
                    let count = usize::from(opcode - 0x84);
                    let Some(from) = self.stack.len().checked_sub(count) else {
                        return self.wrong("the stack is empty");
                    };
                    let items = self.stack.split_off(from);
                    self.tuple(items);
                }
                b']' => {
                    self.lists.push(Vec::new());
                    self.stack.push(Value::List(self.lists.len() - 1));
                }
                b'}' => self.dict(),
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set_items(vec![key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set_items(items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.append(items)?;
                }
                b'Q' => self.persistent()?,
                b'R' => self.reduce()?,
                b'b' => {
                    // The attributes of a dictionary (torch keeps `_metadata` there) say nothing about tensors.
                    let (_, target) = (self.pop()?, self.stack.last());
                    if !matches!(target, Some(Value::Dict(_))) {
                        return self.wrong("only a dictionary may have attributes");
                    }
                }
                b'J' => {
                    let value = self.u32()? as i32;
                    self.stack.push(Value::Int(value.into()));
                }
                b'K' => {
                    let value = self.byte()?;
                    self.stack.push(Value::Int(value.into()));
                }
                b'M' => {
                    let bytes = self.take(2)?;
                    self.stack.push(Value::Int(u16::from_le_bytes([bytes[0], bytes[1]]).into()));
                }
                0x8a => {
                    let count = usize::from(self.byte()?);
                    let value = signed(self.take(count)?);
                    let Some(value) = value else { return self.wrong("an integer has more than 128 bits") };
                    self.stack.push(Value::Int(value));
                }
                b'X' | b'T' => {
                    let count = self.u32()? as usize;
                    self.text(count)?;
                }
                b'U' | 0x8c => {
                    let count = usize::from(self.byte()?);
                    self.text(count)?;
                }
                b'G' => {
                    self.take(8)?;
                    self.stack.push(Value::Float);
                }
                0x88 => self.stack.push(Value::Bool(true)),
                0x89 => self.stack.push(Value::Bool(false)),
                b'N' => self.stack.push(Value::None),
                b'.' => {
                    let root = self.pop()?;
                    let Self { lists, dicts, storages, at: length, .. } = self;
                    return Ok(Unpickled { root, lists, dicts, storages, length });
                }
                opcode => return Err(FormatError::Opcode { opcode, at }),
            }
        }
        self.wrong("it has more instructions than any checkpoint needs")
    }

    fn wrong<T>(&self, rule: &'static str) -> Result<T, FormatError> {
        Err(FormatError::Pickle { at: self.at, rule })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..count) else {
            return Err(FormatError::Truncated { what: "its pickle".into() });
        };
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, FormatError> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, FormatError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn line(&mut self) -> Result<String, FormatError> {
        let Some(length) = self.bytes[self.at..].iter().position(|&byte| byte == b'\n') else {
            return Err(FormatError::Truncated { what: "its pickle".into() });
        };
        let line = String::from_utf8_lossy(&self.take(length + 1)?[..length]).into_owned();
        Ok(line)
    }

    fn text(&mut self, count: usize) -> Result<(), FormatError> {
        let text = std::str::from_utf8(self.take(count)?).map(Rc::from);
        let Ok(text) = text else { return self.wrong("a text is not UTF-8") };
        self.stack.push(Value::Str(text));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, FormatError> {
        match self.stack.pop() {
            Some(value) => Ok(value),
            None => self.wrong("the stack is empty"),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, FormatError> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => self.wrong("there is no mark"),
        }
    }

    fn remember(&mut self, index: u32) -> Result<(), FormatError> {
        let Some(value) = self.stack.last() else { return self.wrong("the stack is empty") };
        self.memo.insert(index, value.clone());
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), FormatError> {
        let Some(value) = self.memo.get(&index) else { return self.wrong("the memo has no such entry") };
        self.stack.push(value.clone());
        Ok(())
    }

    fn tuple(&mut self, items: Vec<Value>) {
        self.lists.push(items);
        self.stack.push(Value::Tuple(self.lists.len() - 1));
    }

    fn dict(&mut self) {
        self.dicts.push(Vec::new());
        self.stack.push(Value::Dict(self.dicts.len() - 1));
    }

    fn set_items(&mut self, items: Vec<Value>) -> Result<(), FormatError> {
        let Some(Value::Dict(dict)) = self.stack.last() else { return self.wrong("items go into a dictionary") };
        if !items.len().is_multiple_of(2) {
            return self.wrong("a key has no value");
        }
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            self.dicts[*dict].push((key, value));
        }
        Ok(())
    }

    fn append(&mut self, mut items: Vec<Value>) -> Result<(), FormatError> {
        let Some(Value::List(list)) = self.stack.last() else { return self.wrong("elements go into a list") };
        self.lists[*list].append(&mut items);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), FormatError> {
        let global = match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", name) => Kind::of_storage(name).map(Global::Storage),
            _ => None,
        };
        let global = global.ok_or_else(|| FormatError::Code { name: format!("{module}.{name}") })?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    /// `('storage', type, key, location, elements)`, and a sixth `None` in the old form.
    fn persistent(&mut self) -> Result<(), FormatError> {
        let Value::Tuple(id) = self.pop()? else { return self.wrong("a storage is named by a tuple") };
        let (kind, key, length) = match self.lists[id].as_slice() {
            [Value::Str(tag), Value::Global(Global::Storage(kind)), Value::Str(key), _, Value::Int(length)]
            | [
                Value::Str(tag),
                Value::Global(Global::Storage(kind)),
                Value::Str(key),
                _,
                Value::Int(length),
                Value::None,
            ] if &**tag == "storage" => (*kind, key.clone(), usize::try_from(*length)),
            _ => return self.wrong("a storage is ('storage', type, key, location, elements)"),
        };
        let Ok(length) = length else { return self.wrong("a storage has a number of elements") };
        let storage = match self.storages.get(&key) {
            Some(known) if known.kind != kind || known.length != length => {
                return self.wrong("a storage is described in two ways");
            }
            Some(known) => known.clone(),
            None => Rc::new(Storage { key: key.clone(), kind, length }),
        };
        self.storages.insert(key, storage.clone());
        self.stack.push(Value::Storage(storage));
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), FormatError> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Global(function), Value::Tuple(arguments)) = (function, arguments) else {
            return self.wrong("a call has a function and a tuple");
        };
        match (function, self.lists[arguments].as_slice()) {
            (Global::OrderedDict, []) => self.dict(),
            (
                Global::RebuildTensor,
                [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(stride), _, _]
                | [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(stride), _, _, _],
            ) => {
                let (offset, storage) = (usize::try_from(*offset).ok(), storage.clone());
                let (shape, stride) = (self.sizes(*shape), self.sizes(*stride));
                let (Some(offset), Some(shape), Some(stride)) = (offset, shape, stride) else {
                    return self.wrong("offset, shape and stride are whole numbers ≥ 0");
                };
                if shape.len() != stride.len() {
                    return self.wrong("shape and stride have the same length");
                }
                self.stack.push(Value::Tensor(Rc::new(View { storage, offset, shape, stride })));
            }
            (Global::RebuildParameter, [Value::Tensor(tensor), _, _]) => {
                let tensor = tensor.clone();
                self.stack.push(Value::Tensor(tensor));
            }
            _ => return self.wrong("a call does not have the arguments that `torch.save` writes"),
        }
        Ok(())
    }

    fn sizes(&self, tuple: usize) -> Option<Vec<usize>> {
        let size = |value: &Value| match value {
            Value::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        };
        self.lists[tuple].iter().map(size).collect()
    }
}

/// A little-endian two's complement number.
fn signed(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pickle: &[u8]) -> String {
        load(pickle).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn code_is_refused_by_name() {
        insta::assert_snapshot!(error(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."), @"its pickle asks to run `os.system`, and only tensors and plain containers are accepted: running it could do anything; save the `state_dict()` alone, or convert the file to .safetensors where you trust it");
        insta::assert_snapshot!(error(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93."), @"its pickle asks to run `builtins.eval`, and only tensors and plain containers are accepted: running it could do anything; save the `state_dict()` alone, or convert the file to .safetensors where you trust it");
        insta::assert_snapshot!(error(b"(ios\nsystem\n."), @"its pickle asks to run `os.system`, and only tensors and plain containers are accepted: running it could do anything; save the `state_dict()` alone, or convert the file to .safetensors where you trust it");
        insta::assert_snapshot!(error(b"\x80\x02ctorch\nload\n."), @"its pickle asks to run `torch.load`, and only tensors and plain containers are accepted: running it could do anything; save the `state_dict()` alone, or convert the file to .safetensors where you trust it");
    }

    #[test]
    fn what_torch_does_not_write_is_refused() {
        insta::assert_snapshot!(error(b"\x80\x02]P."), @"its pickle has the instruction 0x50 at byte 3, which `torch.save` does not write for tensors");
        insta::assert_snapshot!(error(b"\x80\x02t."), @"its pickle is damaged at byte 3: there is no mark");
        insta::assert_snapshot!(error(b"\x80\x02X\xff\xff\xff\xffabc"), @"it ends within its pickle: it is truncated; download or copy it again");
        insta::assert_snapshot!(error(b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R."), @"its pickle is damaged at byte 31: a call does not have the arguments that `torch.save` writes");
    }

    #[test]
    fn a_mark_above_the_stack_is_no_panic() {
        // A mark at height 2; SETITEM then takes the element below it.
        insta::assert_snapshot!(error(b"}K\x01(K\x02st."), @"its pickle is damaged at byte 8: there is no mark");
    }

    #[test]
    fn the_memo_names_a_dictionary_that_is_filled_later() {
        let made = load(b"\x80\x02}q\0K\x01K\x02sh\0\x86.").unwrap();
        let Value::Tuple(pair) = made.root else { panic!("{:?}", made.root) };
        assert!(matches!(made.lists[pair][..], [Value::Dict(a), Value::Dict(b)] if a == b));
        assert_eq!(made.dicts[0].len(), 1);
    }

    #[test]
    fn depth_does_not_recurse() {
        let mut pickle = vec![PROTO, 2, b')'];
        pickle.extend(std::iter::repeat_n(0x85, 1_000_000));
        pickle.push(b'.');
        assert!(load(&pickle).is_ok());
    }

    #[test]
    fn long_integers() {
        assert_eq!(signed(&[]), Some(0));
        assert_eq!(signed(&[0xff]), Some(-1));
        assert_eq!(
            signed(&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]),
            Some(0x1950_a86a_20f9_469c_fc6c)
        );
        assert_eq!(signed(&[0; 17]), None);
    }
}
