//! Reads Python pickles without running them. A pickle is a program that may call any Python function; this interpreter
//! builds plain values only, and of functions and classes just those that its caller's [`Objects`] know. Everything else
//! is an error that names it.
//!
//! Strings stay in the input and are noted by their position, so that a gigabyte of pictures costs a few bytes per
//! picture. Containers live on a heap and are named by index: the memo may name a list that is filled later, and no
//! nesting, however deep, recurses. Work and memory are bounded by the number of instructions.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek};

/// The first byte of every pickle since protocol 2.
pub const PROTO: u8 = 0x80;

/// Maximum number of instructions: a checkpoint of 10,000 tensors has some 500,000, a picture of a benchmark four.
const MAX_STEPS: usize = 8_000_000;

/// Maximum length of a module's or function's name.
const LONGEST_NAME: usize = 256;

/// Bytes at the start of a string that are kept in memory: names of encodings and types, numpy's bools.
const SHORT: usize = 8;

/// What a pickle builds; `G` and `O` are the functions and objects of its [`Objects`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value<G, O> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A floating point number; nobody asks which.
    Float,
    /// A `str`, UTF-8 unless damaged.
    Text(Span),
    /// `bytes`, a `bytearray` or Python 2's `str`.
    Bytes(Span),
    /// A list: its index in [`Heap::lists`].
    List(usize),
    /// A tuple: its index in [`Heap::lists`].
    Tuple(usize),
    /// A dict: its index in [`Heap::dicts`].
    Dict(usize),
    /// A function or class.
    Global(G),
    /// The result of a call.
    Object(O),
}

impl<G, O> Value<G, O> {
    /// What it is, for messages: "a list".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) | Self::Float => "a number",
            Self::Text(_) => "a string",
            Self::Bytes(_) => "a byte string",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dict(_) => "a dict",
            Self::Global(_) => "a type",
            Self::Object(_) => "an object",
        }
    }
}

/// A string in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Its first byte.
    pub at: u64,
    /// Its length in bytes.
    pub length: u64,
    start: [u8; SHORT],
}

impl Span {
    /// The bytes of a string of at most eight; nothing for a longer one.
    #[must_use]
    pub fn short(&self) -> &[u8] {
        self.start.get(..self.length as usize).unwrap_or_default()
    }
}

/// Keys and values of a dict, in the order in which they were set.
pub type Items<G, O> = Vec<(Value<G, O>, Value<G, O>)>;

/// Containers by index.
#[derive(Debug)]
pub struct Heap<G, O> {
    /// Lists and tuples.
    pub lists: Vec<Vec<Value<G, O>>>,
    /// Dicts.
    pub dicts: Vec<Items<G, O>>,
}

impl<G, O> Heap<G, O> {
    /// A new, empty dict.
    pub fn dict(&mut self) -> Value<G, O> {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }
}

/// The functions and objects that one kind of pickle is made of.
pub trait Objects {
    /// A function or class.
    type Global: Clone;
    /// What a call or a persistent id makes.
    type Object: Clone;

    /// The function or class of this name; `None` refuses the pickle.
    fn global(&self, module: &str, name: &str) -> Option<Self::Global>;

    /// What a call makes; `arguments` is the index of a tuple.
    ///
    /// # Errors
    /// The rule that the arguments break.
    fn call(
        &mut self,
        function: &Self::Global,
        arguments: usize,
        heap: &mut Heap<Self::Global, Self::Object>,
    ) -> Result<Value<Self::Global, Self::Object>, &'static str>;

    /// What a reference to data outside the pickle stands for.
    ///
    /// # Errors
    /// The rule that the reference breaks.
    fn persistent(
        &mut self,
        _id: &Value<Self::Global, Self::Object>,
        _heap: &Heap<Self::Global, Self::Object>,
    ) -> Result<Self::Object, &'static str> {
        Err("it refers to data outside the pickle")
    }
}

/// Why a pickle is refused. The message begins after the file's name.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum PickleError {
    /// A function or class that its [`Objects`] do not know.
    #[error("its pickle refers to `{name}` at byte {at}, and loading that could run any code")]
    Global { name: String, at: u64 },
    /// An instruction that is not interpreted.
    #[error("its pickle has the unsupported instruction 0x{opcode:02x} at byte {at}")]
    Opcode { opcode: u8, at: u64 },
    /// It ends too early.
    #[error("it ends inside its pickle: it is truncated; download or copy it again")]
    Truncated,
    /// It contradicts itself.
    #[error("its pickle is damaged at byte {at}: {rule}")]
    Damaged { at: u64, rule: &'static str },
    /// It cannot be read.
    #[error("its pickle cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for PickleError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Truncated } else { Self::Io(error) }
    }
}

/// A file that knows its length and the current position.
pub struct Input<R> {
    reader: BufReader<R>,
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Input<R> {
    /// Starts at the beginning of a file.
    ///
    /// # Errors
    /// Those of seeking.
    pub fn new(mut file: R) -> io::Result<Self> {
        let length = file.seek(io::SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Self { reader: BufReader::with_capacity(64 * 1024, file), at: 0, length })
    }

    /// The current position.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether that is the end of the file.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at == self.length
    }

    /// The bytes of a string; the position is behind them then.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&mut self, span: &Span) -> io::Result<Vec<u8>> {
        self.seek(span.at)?;
        let mut bytes = vec![0; span.length as usize];
        self.reader.read_exact(&mut bytes)?;
        self.at += span.length;
        Ok(bytes)
    }

    fn seek(&mut self, to: u64) -> io::Result<()> {
        self.reader.seek_relative(to as i64 - self.at as i64)?;
        self.at = to;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, PickleError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Skips a string.
    fn span(&mut self, length: u64) -> Result<Span, PickleError> {
        if length > self.length.saturating_sub(self.at) {
            return Err(PickleError::Truncated);
        }
        let mut span = Span { at: self.at, length, start: [0; SHORT] };
        if length <= SHORT as u64 {
            self.reader.read_exact(&mut span.start[..length as usize])?;
            self.at += length;
        } else {
            self.seek(self.at + length)?;
        }
        Ok(span)
    }

    fn line(&mut self) -> Result<String, PickleError> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line.escape_ascii().to_string()),
                byte if line.len() < LONGEST_NAME => line.push(byte),
                _ => return Err(PickleError::Damaged { at: self.at, rule: "a name has more than 256 bytes" }),
            }
        }
    }
}

type ValueOf<T> = Value<<T as Objects>::Global, <T as Objects>::Object>;
type HeapOf<T> = Heap<<T as Objects>::Global, <T as Objects>::Object>;

/// Interprets the pickle at the position of `input`, which is behind it then.
///
/// # Errors
/// [`PickleError`].
pub fn load<R: Read + Seek, T: Objects>(
    input: &mut Input<R>,
    objects: &mut T,
) -> Result<(ValueOf<T>, HeapOf<T>), PickleError> {
    let heap = Heap { lists: Vec::new(), dicts: Vec::new() };
    let mut machine = Machine { input, objects, heap, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    for _ in 0..MAX_STEPS {
        let at = machine.input.at;
        match machine.input.byte()? {
            b'.' => {
                let root = machine.pop()?;
                return Ok((root, machine.heap));
            }
            opcode => machine.step(opcode, at)?,
        }
    }
    machine.wrong("it has more than 8,000,000 instructions")
}

struct Machine<'a, R, T: Objects> {
    input: &'a mut Input<R>,
    objects: &'a mut T,
    heap: HeapOf<T>,
    stack: Vec<ValueOf<T>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, ValueOf<T>>,
}

impl<R: Read + Seek, T: Objects> Machine<'_, R, T> {
    fn step(&mut self, opcode: u8, at: u64) -> Result<(), PickleError> {
        match opcode {
            PROTO => drop(self.input.byte()?),
            // FRAME: a hint for readers of streams.
            0x95 => drop(self.input.array::<8>()?),
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.global(&module, &name, at)?;
            }
            // INST: protocol 0's way to call a class.
            b'i' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                return Err(PickleError::Global { name: format!("{module}.{name}"), at });
            }
            // STACK_GLOBAL.
            0x93 => {
                let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
                    return self.wrong("the name of a global is not a string");
                };
                let (module, name) = (self.name(&module)?, self.name(&name)?);
                self.global(&module, &name, at)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE.
            b'q' | b'r' | 0x94 => {
                let index = match opcode {
                    b'q' => self.input.byte()?.into(),
                    b'r' => self.input.u32()?,
                    _ => self.memo.len() as u32,
                };
                let Some(value) = self.stack.last() else { return self.wrong("the stack is empty") };
                self.memo.insert(index, value.clone());
            }
            b'h' | b'j' => {
                let index = if opcode == b'h' { self.input.byte()?.into() } else { self.input.u32()? };
                let Some(value) = self.memo.get(&index) else { return self.wrong("the memo has no such entry") };
                self.stack.push(value.clone());
            }
            b'(' => self.marks.push(self.stack.len()),
            b')' | b't' | 0x85..=0x87 => {
                let items = self.operands(opcode)?;
                self.heap.lists.push(items);
                self.stack.push(Value::Tuple(self.heap.lists.len() - 1));
            }
            b']' => {
                self.heap.lists.push(Vec::new());
                self.stack.push(Value::List(self.heap.lists.len() - 1));
            }
            b'}' => {
                let dict = self.heap.dict();
                self.stack.push(dict);
            }
            b'a' | b'e' => {
                let mut items = self.operands(opcode)?;
                let Some(&Value::List(list)) = self.stack.last() else {
                    return self.wrong("something is appended to what is not a list");
                };
                self.heap.lists[list].append(&mut items);
            }
            b's' | b'u' => {
                let mut items = self.operands(opcode)?.into_iter();
                let Some(&Value::Dict(dict)) = self.stack.last() else {
                    return self.wrong("an item is set in what is not a dict");
                };
                while let Some(key) = items.next() {
                    let Some(value) = items.next() else { return self.wrong("a key has no value") };
                    self.heap.dicts[dict].push((key, value));
                }
            }
            b'Q' => {
                let id = self.pop()?;
                match self.objects.persistent(&id, &self.heap) {
                    Ok(object) => self.stack.push(Value::Object(object)),
                    Err(rule) => return self.wrong(rule),
                }
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let (Value::Global(function), Value::Tuple(arguments)) = (function, arguments) else {
                    return self.wrong("a call lacks its function or its tuple of arguments");
                };
                match self.objects.call(&function, arguments, &mut self.heap) {
                    Ok(value) => self.stack.push(value),
                    Err(rule) => return self.wrong(rule),
                }
            }
            // BUILD. The state of an object (torch's `_metadata`, the byte order of a numpy type) is not looked at.
            b'b' => {
                let (_, target) = (self.pop()?, self.stack.last());
                if !matches!(target, Some(Value::Dict(_) | Value::Object(_))) {
                    return self.wrong("something other than a dict or an object is given a state");
                }
            }
            b'I' => {
                let value = match self.input.line()?.as_str() {
                    "00" => Value::Bool(false),
                    "01" => Value::Bool(true),
                    text => match text.parse() {
                        Ok(value) => Value::Int(value),
                        Err(_) => return self.wrong("an integer has no digits"),
                    },
                };
                self.stack.push(value);
            }
            b'J' | b'K' | b'M' => {
                let value = match opcode {
                    b'J' => i32::from_le_bytes(self.input.array()?).into(),
                    b'K' => self.input.byte()?.into(),
                    _ => u16::from_le_bytes(self.input.array()?).into(),
                };
                self.stack.push(Value::Int(value));
            }
            // LONG1.
            0x8a => {
                let length = self.input.byte()?.into();
                let span = self.input.span(length)?;
                let Some(value) = signed(&self.bytes(&span)?) else {
                    return self.wrong("an integer has more than 128 bits");
                };
                self.stack.push(Value::Int(value));
            }
            b'G' => {
                self.input.array::<8>()?;
                self.stack.push(Value::Float);
            }
            // (SHORT_)BINUNICODE(8).
            0x8c | b'X' | 0x8d => {
                let span = self.counted(opcode)?;
                self.stack.push(Value::Text(span));
            }
            // (SHORT_)BINSTRING of Python 2, (SHORT_)BINBYTES(8), BYTEARRAY8.
            b'U' | b'T' | b'C' | b'B' | 0x8e | 0x96 => {
                let span = self.counted(opcode)?;
                self.stack.push(Value::Bytes(span));
            }
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'N' => self.stack.push(Value::None),
            opcode => return Err(PickleError::Opcode { opcode, at }),
        }
        Ok(())
    }

    /// A string after its length, which has 1, 4 or 8 bytes.
    fn counted(&mut self, opcode: u8) -> Result<Span, PickleError> {
        let length = match opcode {
            0x8c | b'U' | b'C' => self.input.byte()?.into(),
            b'X' | b'T' | b'B' => self.input.u32()?.into(),
            _ => u64::from_le_bytes(self.input.array()?),
        };
        self.input.span(length)
    }

    fn wrong<V>(&self, rule: &'static str) -> Result<V, PickleError> {
        Err(PickleError::Damaged { at: self.input.at, rule })
    }

    fn pop(&mut self) -> Result<ValueOf<T>, PickleError> {
        match self.stack.pop() {
            Some(value) => Ok(value),
            None => self.wrong("the stack is empty"),
        }
    }

    /// The operands of an instruction: a fixed number, or all above the mark.
    fn operands(&mut self, opcode: u8) -> Result<Vec<ValueOf<T>>, PickleError> {
        let height = self.stack.len();
        let from = match opcode {
            b')' => Some(height),
            b'a' | 0x85 => height.checked_sub(1),
            b's' | 0x86 => height.checked_sub(2),
            0x87 => height.checked_sub(3),
            _ => self.marks.pop().filter(|mark| *mark <= height),
        };
        match from {
            Some(from) => Ok(self.stack.split_off(from)),
            None => self.wrong("the stack lacks values or a mark"),
        }
    }

    fn global(&mut self, module: &str, name: &str, at: u64) -> Result<(), PickleError> {
        let global = self.objects.global(module, name);
        let global = global.ok_or_else(|| PickleError::Global { name: format!("{module}.{name}"), at })?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    /// The name in a string on the stack.
    fn name(&mut self, span: &Span) -> Result<String, PickleError> {
        if span.length > LONGEST_NAME as u64 {
            return self.wrong("a name has more than 256 bytes");
        }
        Ok(self.bytes(span)?.escape_ascii().to_string())
    }

    /// The bytes of a string further up; the position stays.
    fn bytes(&mut self, span: &Span) -> Result<Vec<u8>, PickleError> {
        let here = self.input.at;
        let bytes = self.input.read(span)?;
        self.input.seek(here)?;
        Ok(bytes)
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
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// Knows `m.f`, which gives its only argument back.
    struct Echo;

    impl Objects for Echo {
        type Global = ();
        type Object = ();

        fn global(&self, module: &str, name: &str) -> Option<()> {
            ((module, name) == ("m", "f")).then_some(())
        }

        fn call(&mut self, (): &(), arguments: usize, heap: &mut Heap<(), ()>) -> Result<Value<(), ()>, &'static str> {
            let [only] = &heap.lists[arguments][..] else { return Err("`f` takes one argument") };
            Ok(only.clone())
        }
    }

    #[expect(clippy::type_complexity, reason = "the test names no type of its own")]
    fn loaded(pickle: &[u8]) -> Result<(Value<(), ()>, Heap<(), ()>), PickleError> {
        load(&mut Input::new(Cursor::new(pickle)).unwrap(), &mut Echo)
    }

    fn error(pickle: &[u8]) -> String {
        loaded(pickle).map(|_| ()).unwrap_err().to_string()
    }

    /// Fault (weights): a pickle with an unknown function or instruction → refused by name and byte
    #[test]
    fn functions_and_instructions_that_are_not_known_are_refused_by_name() {
        insta::assert_snapshot!(error(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."), @"its pickle refers to `os.system` at byte 2, and loading that could run any code");
        insta::assert_snapshot!(error(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93."), @"its pickle refers to `builtins.eval` at byte 18, and loading that could run any code");
        insta::assert_snapshot!(error(b"(im\nf\n."), @"its pickle refers to `m.f` at byte 1, and loading that could run any code");
        insta::assert_snapshot!(error(b"\x80\x02]P."), @"its pickle has the unsupported instruction 0x50 at byte 3");
        insta::assert_snapshot!(error(b"\x80\x02K\x01Q."), @"its pickle is damaged at byte 5: it refers to data outside the pickle");
    }

    /// Fault (weights): a pickle that contradicts itself → refused as damaged, with the byte
    #[test]
    fn contradictions_are_damage() {
        insta::assert_snapshot!(error(b"\x80\x02t."), @"its pickle is damaged at byte 3: the stack lacks values or a mark");
        // A mark at height 2; SETITEM then takes the element below it.
        insta::assert_snapshot!(error(b"}K\x01(K\x02st."), @"its pickle is damaged at byte 8: the stack lacks values or a mark");
        insta::assert_snapshot!(error(b"\x80\x02X\xff\xff\xff\xffabc"), @"it ends inside its pickle: it is truncated; download or copy it again");
        insta::assert_snapshot!(error(b"\x80\x02cm\nf\n)R."), @"its pickle is damaged at byte 9: `f` takes one argument");
        insta::assert_snapshot!(error(b"]K\x01K\x02s."), @"its pickle is damaged at byte 6: an item is set in what is not a dict");
    }

    #[test]
    fn a_known_function_is_called_under_both_spellings() {
        for pickle in [&b"\x80\x02cm\nf\nK\x07\x85R."[..], b"\x80\x04\x8c\x01m\x8c\x01f\x93K\x07\x85R."] {
            assert_eq!(loaded(pickle).unwrap().0, Value::Int(7));
        }
    }

    #[test]
    fn the_memo_names_a_dict_that_is_filled_later() {
        let (root, heap) = loaded(b"\x80\x02}q\0K\x01K\x02sh\0\x86.").unwrap();
        let Value::Tuple(pair) = root else { panic!("{root:?}") };
        assert_eq!(heap.lists[pair], [Value::Dict(0), Value::Dict(0)]);
        assert_eq!(heap.dicts[0], [(Value::Int(1), Value::Int(2))]);
    }

    /// Fault (weights): a pickle nested a million deep → read without recursion
    #[test]
    fn depth_does_not_recurse() {
        let mut pickle = vec![PROTO, 2, b')'];
        pickle.extend(std::iter::repeat_n(0x85, 1_000_000));
        pickle.push(b'.');
        assert!(loaded(&pickle).is_ok());
    }

    /// Fault (weights): a pickle with an endless name of a function → refused after 256 bytes
    #[test]
    fn a_name_has_an_end() {
        let endless = [b"\x80\x02c", &[b'a'; 1000][..]].concat();
        insta::assert_snapshot!(error(&endless), @"its pickle is damaged at byte 260: a name has more than 256 bytes");
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
        assert_eq!(loaded(b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01.").unwrap().0, Value::Int(1 << 64));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_instructions_end_without_a_panic(
            program in prop::collection::vec(
                prop::sample::select(
                    b"\x80\x95cim\n\x93qr\x94hj(t)\x85\x86\x87]}suaeQRbIJKM\x8aG\x8cX\x8dUTCB\x8e\x96\x88\x89N.\x00\x01f".to_vec(),
                ),
                0..60,
            ),
        ) {
            let _ = loaded(&program);
        }
    }
}
