//! insightface's `.bin`: `pickle.dump((list of encoded pictures, list of bools))`. Pickle is a language whose programs may
//! call any Python function; this machine can build lists, tuples, bools and byte strings, and refuses all else by name.
//!
//! Pictures are not read but noted as ranges of the file, so that memory does not grow with them. Work and memory are
//! bounded by the number of instructions.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek};

use super::ContainerProblem as Problem;

/// Instructions at most: one picture has four.
const MAX_STEPS: usize = 8_000_000;

/// A module's or function's name is shorter.
const LONGEST_NAME: usize = 128;

/// Byte strings and texts up to here are looked into: names of encodings and types, numpy's bools.
const SHORT: usize = 16;

/// What the file may be.
pub(super) const EXPECTED: &str = "a Python pickle of protocol 2 to 5 (insightface's .bin)";

/// A file of pairs: picture 2i and picture 2i+1 are pair i.
#[derive(Debug)]
pub(super) struct Pairs {
    /// Where a picture should be and something else is: what.
    pub pictures: Vec<Result<Blob, String>>,
    pub same: Vec<bool>,
}

/// A byte string in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blob {
    pub at: u64,
    pub length: u64,
    /// Python 3 writes bytes into protocol 2 as UTF-8 of a Latin-1 text.
    pub latin1: bool,
    start: [u8; SHORT],
}

impl Blob {
    /// The bytes of a short one that are as they stand in the file.
    fn short(&self) -> &[u8] {
        self.start.get(..self.length as usize).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy)]
enum Value {
    None,
    Bool(bool),
    Int(i64),
    Bytes(Blob),
    Text(Blob),
    /// Index on the heap: a memo may name a list that is filled later.
    List(usize),
    Tuple(usize),
    Global(Global),
    /// numpy's type of bools.
    BoolType,
}

/// The functions that byte strings and bools come from in the wild.
#[derive(Debug, Clone, Copy)]
enum Global {
    /// `_codecs.encode`, by which Python 3 writes bytes into protocol 2.
    Encode,
    /// `bytes` and `bytearray`.
    Bytes,
    /// `numpy.dtype`.
    Dtype,
    /// `numpy.core.multiarray.scalar`.
    Scalar,
}

/// A file that knows where it is.
pub(super) struct Input<R> {
    reader: BufReader<R>,
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Input<R> {
    /// From the start of a file.
    pub fn new(mut file: R) -> io::Result<Self> {
        let length = file.seek(io::SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Self { reader: BufReader::with_capacity(64 * 1024, file), at: 0, length })
    }

    /// Bytes of a picture.
    pub fn picture(&mut self, blob: &Blob) -> io::Result<Vec<u8>> {
        self.reader.seek_relative(blob.at as i64 - self.at as i64)?;
        self.at = blob.at;
        let mut bytes = vec![0; blob.length as usize];
        self.reader.read_exact(&mut bytes)?;
        self.at += blob.length;
        if !blob.latin1 {
            return Ok(bytes);
        }
        let narrow = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>();
        let bytes = std::str::from_utf8(&bytes).ok().and_then(narrow);
        bytes.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a picture is no Latin-1 text"))
    }

    fn truncated(&self) -> Problem {
        Problem::Truncated { length: self.length, what: "its pickle" }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|_| self.truncated())?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Problem> {
        Ok(self.bytes::<1>()?[0])
    }

    /// Steps over a byte string.
    fn blob(&mut self, length: u64) -> Result<Blob, Problem> {
        if length > self.length.saturating_sub(self.at) {
            return Err(self.truncated());
        }
        let mut blob = Blob { at: self.at, length, latin1: false, start: [0; SHORT] };
        if length <= SHORT as u64 {
            self.reader.read_exact(&mut blob.start[..length as usize]).map_err(|_| self.truncated())?;
        } else {
            self.reader.seek_relative(length as i64).map_err(|_| self.truncated())?;
        }
        self.at += length;
        Ok(blob)
    }

    fn line(&mut self) -> Result<String, Problem> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line.escape_ascii().to_string()),
                byte if line.len() < LONGEST_NAME => line.push(byte),
                _ => return Err(Problem::Pickle { at: self.at, rule: "a name without end" }),
            }
        }
    }
}

/// Finds the pairs.
pub(super) fn read<R: Read + Seek>(input: &mut Input<R>) -> Result<Pairs, Problem> {
    let mut head = Vec::new();
    let read = input.reader.by_ref().take(24).read_to_end(&mut head);
    let back = input.reader.seek_relative(-(head.len() as i64));
    if read.is_err() || back.is_err() {
        return Err(input.truncated());
    }
    if !matches!(head[..], [0x80, 2..=5, ..]) {
        let found = match head[..] {
            [0x80, protocol, ..] => format!("a pickle of protocol {protocol}"),
            _ => crate::files::looks_like(&head),
        };
        return Err(Problem::OtherFormat { found, expected: EXPECTED });
    }
    Machine { input, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), lists: Vec::new() }.run()
}

struct Machine<'a, R> {
    input: &'a mut Input<R>,
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    /// Lists and tuples.
    lists: Vec<Vec<Value>>,
}

impl<R: Read + Seek> Machine<'_, R> {
    fn run(mut self) -> Result<Pairs, Problem> {
        for _ in 0..MAX_STEPS {
            let at = self.input.at;
            let opcode = self.input.byte()?;
            if opcode == b'.' {
                if self.input.at != self.input.length {
                    return self.wrong("the file goes on after its end");
                }
                let root = self.pop()?;
                return self.pairs(root);
            }
            self.step(opcode, at)?;
        }
        self.wrong("it has more instructions than any list of pairs needs")
    }

    fn step(&mut self, opcode: u8, at: u64) -> Result<(), Problem> {
        match opcode {
            // PROTO.
            0x80 => drop(self.input.byte()?),
            // FRAME: a hint for readers of streams.
            0x95 => drop(self.input.bytes::<8>()?),
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.global(&module, &name, at)?;
            }
            // STACK_GLOBAL.
            0x93 => {
                let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
                    return self.wrong("a global's name is no text");
                };
                let [module, name] = [module, name].map(|blob| self.text(&blob));
                self.global(&module?, &name?, at)?;
            }
            b'q' => {
                let index = u32::from(self.input.byte()?);
                self.remember(index)?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.input.bytes()?);
                self.remember(index)?;
            }
            // MEMOIZE.
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let index = u32::from(self.input.byte()?);
                self.recall(index)?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.input.bytes()?);
                self.recall(index)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let items = self.since_mark()?;
                self.tuple(items);
            }
            b')' => self.tuple(Vec::new()),
            0x85..=0x87 => {
                let Some(from) = self.stack.len().checked_sub(usize::from(opcode - 0x84)) else {
                    return self.wrong("the stack is empty");
                };
                let items = self.stack.split_off(from);
                self.tuple(items);
            }
            b']' => {
                self.lists.push(Vec::new());
                self.stack.push(Value::List(self.lists.len() - 1));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'R' => self.reduce()?,
            b'b' => {
                // What numpy adds to a type (byte order, alignment) says nothing about bools.
                let (_, target) = (self.pop()?, self.stack.last());
                if !matches!(target, Some(Value::BoolType)) {
                    return self.wrong("only numpy's type of bools may have a state");
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
            b'J' => {
                let value = i32::from_le_bytes(self.input.bytes()?);
                self.stack.push(Value::Int(value.into()));
            }
            b'K' => {
                let value = self.input.byte()?;
                self.stack.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.input.bytes()?);
                self.stack.push(Value::Int(value.into()));
            }
            // LONG1: Python 2's `long`.
            0x8a => {
                let length = self.input.byte()?;
                let blob = self.input.blob(length.into())?;
                match *blob.short() {
                    [] if length == 0 => self.stack.push(Value::Int(0)),
                    [byte @ 0..=127] => self.stack.push(Value::Int(byte.into())),
                    _ => return self.wrong("an integer is neither 0 nor 1"),
                }
            }
            // (SHORT_)BINUNICODE(8).
            0x8c | b'X' | 0x8d => {
                let blob = self.counted(opcode)?;
                self.stack.push(Value::Text(blob));
            }
            // (SHORT_)BINSTRING of Python 2, (SHORT_)BINBYTES(8), BYTEARRAY8.
            b'U' | b'T' | b'C' | b'B' | 0x8e | 0x96 => {
                let blob = self.counted(opcode)?;
                self.stack.push(Value::Bytes(blob));
            }
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'N' => self.stack.push(Value::None),
            opcode => return Err(Problem::Opcode { opcode, at }),
        }
        Ok(())
    }

    /// A string after its length, which has 1, 4 or 8 bytes.
    fn counted(&mut self, opcode: u8) -> Result<Blob, Problem> {
        let length = match opcode {
            0x8c | b'U' | b'C' => self.input.byte()?.into(),
            b'X' | b'T' | b'B' => u32::from_le_bytes(self.input.bytes()?).into(),
            _ => u64::from_le_bytes(self.input.bytes()?),
        };
        self.input.blob(length)
    }

    fn wrong<T>(&self, rule: &'static str) -> Result<T, Problem> {
        Err(Problem::Pickle { at: self.input.at, rule })
    }

    fn pop(&mut self) -> Result<Value, Problem> {
        match self.stack.pop() {
            Some(value) => Ok(value),
            None => self.wrong("the stack is empty"),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, Problem> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => self.wrong("there is no mark"),
        }
    }

    fn remember(&mut self, index: u32) -> Result<(), Problem> {
        let Some(value) = self.stack.last() else { return self.wrong("the stack is empty") };
        self.memo.insert(index, *value);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), Problem> {
        let Some(value) = self.memo.get(&index) else { return self.wrong("the memo has no such entry") };
        self.stack.push(*value);
        Ok(())
    }

    fn tuple(&mut self, items: Vec<Value>) {
        self.lists.push(items);
        self.stack.push(Value::Tuple(self.lists.len() - 1));
    }

    fn append(&mut self, mut items: Vec<Value>) -> Result<(), Problem> {
        let Some(Value::List(list)) = self.stack.last() else { return self.wrong("elements go into a list") };
        self.lists[*list].append(&mut items);
        Ok(())
    }

    /// A name that stands on the stack: read again, for it may be longer than what is kept.
    fn text(&mut self, blob: &Blob) -> Result<String, Problem> {
        if blob.length > LONGEST_NAME as u64 {
            return self.wrong("a name without end");
        }
        let here = self.input.at;
        let text = self.input.picture(blob);
        let back = self.input.reader.seek_relative(here as i64 - self.input.at as i64);
        self.input.at = here;
        match (text, back) {
            (Ok(text), Ok(())) => Ok(text.escape_ascii().to_string()),
            _ => Err(self.input.truncated()),
        }
    }

    fn global(&mut self, module: &str, name: &str, at: u64) -> Result<(), Problem> {
        let global = match (module, name) {
            ("_codecs", "encode") => Global::Encode,
            ("__builtin__" | "builtins", "bytes" | "bytearray") => Global::Bytes,
            ("numpy", "dtype") => Global::Dtype,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::Scalar,
            _ => return Err(Problem::Code { name: format!("{module}.{name}"), at }),
        };
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), Problem> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Global(function), Value::Tuple(arguments)) = (function, arguments) else {
            return self.wrong("a call has a function and a tuple");
        };
        let value = match (function, self.lists[arguments].as_slice()) {
            (Global::Encode | Global::Bytes, [Value::Text(text), Value::Text(encoding)])
                if matches!(encoding.short(), b"latin1" | b"latin-1") =>
            {
                Value::Bytes(Blob { latin1: true, ..*text })
            }
            (Global::Bytes, [bytes @ Value::Bytes(_)]) => *bytes,
            (Global::Bytes, []) => Value::Bytes(Blob { at: 0, length: 0, latin1: false, start: [0; SHORT] }),
            (Global::Dtype, [Value::Text(name) | Value::Bytes(name), _, _])
                if matches!(name.short(), b"b1" | b"?" | b"bool") =>
            {
                Value::BoolType
            }
            (Global::Scalar, [Value::BoolType, Value::Bytes(bytes)]) if matches!(bytes.short(), [0 | 1]) => {
                Value::Bool(bytes.short() == [1])
            }
            _ => return self.wrong("a call does not have the arguments that byte strings and bools need"),
        };
        self.stack.push(value);
        Ok(())
    }

    /// The whole, if it is what it should be.
    fn pairs(&self, root: Value) -> Result<Pairs, Problem> {
        let items = |value: &Value| match value {
            Value::List(index) | Value::Tuple(index) => Some(self.lists[*index].as_slice()),
            _ => None,
        };
        let no_pairs = |found: String| Problem::NoPairs { found };
        let both = match items(&root) {
            Some([pictures, same]) => items(pictures).zip(items(same)),
            _ => None,
        };
        let Some((pictures, same)) = both else { return Err(no_pairs(self.describe(&root))) };
        if pictures.len() != 2 * same.len() || same.is_empty() {
            return Err(no_pairs(format!("{} pictures and {} bools", pictures.len(), same.len())));
        }
        let pictures = pictures.iter().enumerate().map(|(i, value)| match value {
            Value::Bytes(blob) if blob.length <= crate::dataset::LARGEST_PICTURE => Ok(*blob),
            Value::Bytes(blob) => Err(format!("picture {i} has {} bytes", blob.length)),
            other => Err(format!("picture {i} is {}", self.describe(other))),
        });
        let pictures: Vec<_> = pictures.collect();
        if let (true, Some(Err(first))) = (pictures.iter().all(Result::is_err), pictures.first()) {
            return Err(no_pairs(format!("lists where {first}")));
        }
        let same = same.iter().enumerate().map(|(i, value)| match value {
            Value::Bool(same) => Ok(*same),
            Value::Int(value @ (0 | 1)) => Ok(*value == 1),
            other => Err(no_pairs(format!("lists where bool {i} is {}", self.describe(other)))),
        });
        Ok(Pairs { pictures, same: same.collect::<Result<_, _>>()? })
    }

    fn describe(&self, value: &Value) -> String {
        let many = |index: &usize, kind| match self.lists[*index].len() {
            1 => format!("a {kind} of 1 element"),
            n => format!("a {kind} of {n} elements"),
        };
        match value {
            Value::None => "None".into(),
            Value::Bool(_) => "a bool".into(),
            Value::Int(value) => format!("the number {value}"),
            Value::Bytes(_) => "a byte string".into(),
            Value::Text(_) => "a text".into(),
            Value::List(index) => many(index, "list"),
            Value::Tuple(index) => many(index, "tuple"),
            Value::Global(_) | Value::BoolType => "a type".into(),
        }
    }
}
