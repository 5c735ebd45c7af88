//! A network that is ready to run on the CPU.

// Tested by: `the_library_gives_what_the_engine_gives` in tests/facevault/onnx_runtime.rs
// Tested by: `what_the_library_refuses_is_an_error` in tests/facevault/onnx_runtime.rs
// Not yet: run under AddressSanitizer or Miri, which cannot see into the library.

use std::ffi::{CStr, CString, c_int, c_void};
use std::{ptr, slice};

use half::{bf16, f16};

use crate::api::{Api, Handle};
use crate::error::OrtError;
use crate::runtime::{FATAL, Runtime};

/// Types of numbers, as `TensorProto.DataType` counts them.
pub mod element {
    /// 32-bit floats.
    pub const F32: i32 = 1;
    /// Bytes.
    pub const U8: i32 = 2;
    /// 16-bit floats.
    pub const F16: i32 = 10;
    /// 64-bit floats.
    pub const F64: i32 = 11;
    /// bfloat16.
    pub const BF16: i32 = 16;
}

/// What a network reads.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// Its type, of [`element`].
    pub element: i32,
    /// Its extents.
    pub shape: &'a [usize],
}

/// What a network gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its extents.
    pub shape: Vec<usize>,
    /// Its numbers, whatever their type in the file.
    pub numbers: Vec<f32>,
}

/// A network that is ready to run.
pub struct Session {
    runtime: &'static Runtime,
    session: Handle,
}

// SAFETY: a session belongs to no thread, and runs one batch at a time here.
unsafe impl Send for Session {}

/// Gives a handle back when it is dropped.
struct Owned {
    runtime: &'static Runtime,
    handle: Handle,
    release: unsafe fn(&Api, Handle),
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: `release` is of the handle's kind; nobody else has it.
            unsafe { (self.release)(&self.runtime.api, self.handle) }
        }
    }
}

impl Session {
    /// Reads an ONNX file, whose numbers are all inside it, and prepares it for `threads` threads.
    ///
    /// # Errors
    /// If there is no library, or it refuses the file.
    pub fn new(file: &[u8], threads: usize) -> Result<Self, OrtError> {
        let runtime = Runtime::get()?;
        let api = &runtime.api;
        let mut options = Owned { runtime, handle: ptr::null_mut(), release: Api::ReleaseSessionOptions };
        let mut session = ptr::null_mut();
        // Threads that wait sleep: the cores are not theirs alone.
        let entries = [
            (c"session.intra_op.allow_spinning", c"0"),
            (c"session.inter_op.allow_spinning", c"0"),
            // The first bytes of a file could else make it another format.
            (c"session.load_model_format", c"ONNX"),
        ];
        // SAFETY: places for one handle each, texts that end with a zero, and options that live; `file` is only read, and
        // not kept, since no option says so.
        unsafe {
            api.CreateSessionOptions(&raw mut options.handle)
                .and_then(|()| api.SetSessionExecutionMode(options.handle, 0))
                .and_then(|()| api.SetSessionLogSeverityLevel(options.handle, FATAL))
                .and_then(|()| api.SetSessionGraphOptimizationLevel(options.handle, 99))
                .and_then(|()| api.SetIntraOpNumThreads(options.handle, threads.max(1) as c_int))
                .and_then(|()| api.SetInterOpNumThreads(options.handle, 1))
                .and_then(|()| {
                    let add = |(key, value): &(&CStr, &CStr)| {
                        api.AddSessionConfigEntry(options.handle, key.as_ptr(), value.as_ptr())
                    };
                    entries.iter().try_for_each(add)
                })
                .and_then(|()| {
                    let bytes = file.as_ptr().cast::<c_void>();
                    api.CreateSessionFromArray(runtime.environment, bytes, file.len(), options.handle, &raw mut session)
                })
        }
        .map_err(runtime.failed("read the file"))?;
        Ok(Self { runtime, session })
    }

    /// Runs the network on numbers in C order.
    ///
    /// # Errors
    /// If the library fails, or gives something else than numbers.
    pub fn run(&mut self, input: Input<'_>, numbers: &[f32], output: &str) -> Result<Output, OrtError> {
        self.output(input, numbers, output).map_err(self.runtime.failed("run the network"))
    }

    fn output(&mut self, input: Input<'_>, numbers: &[f32], output: &str) -> Result<Output, String> {
        let count = input.shape.iter().product::<usize>();
        if count != numbers.len() {
            return Err(format!("the input has {} numbers, and its shape {:?}", numbers.len(), input.shape));
        }
        let name = |name: &str| CString::new(name).map_err(|_| "a name in the file has a zero in it".to_owned());
        let (input_name, output_name) = (name(input.name)?, name(output)?);
        let shape: Vec<i64> = input.shape.iter().map(|extent| *extent as i64).collect();
        let encoded = Encoded::new(numbers, input.element)?;
        let (data, bytes) = encoded.bytes();
        let (runtime, api) = (self.runtime, &self.runtime.api);
        let owned = |release| Owned { runtime, handle: ptr::null_mut(), release };
        let mut memory = owned(Api::ReleaseMemoryInfo);
        let mut given = owned(Api::ReleaseValue);
        let mut made = owned(Api::ReleaseValue);
        // SAFETY: places for one handle each; the value borrows `encoded`, which outlives it, which the library
        // only reads, and which is as long as shape and type ask for (the library checks that, too); one name and one handle on each side.
        unsafe {
            api.CreateCpuMemoryInfo(0, 0, &raw mut memory.handle)?;
            api.CreateTensorWithDataAsOrtValue(
                memory.handle,
                data.cast_mut(),
                bytes,
                shape.as_ptr(),
                shape.len(),
                input.element,
                &raw mut given.handle,
            )?;
            let (inputs, outputs) = ([input_name.as_ptr()], [output_name.as_ptr()]);
            let given = [given.handle];
            let run = api.Run(
                self.session,
                ptr::null_mut(),
                inputs.as_ptr(),
                given.as_ptr(),
                1,
                outputs.as_ptr(),
                1,
                &raw mut made.handle,
            );
            run?;
        }
        drop(given);
        self.numbers(&made)
    }

    /// Copies a value's numbers.
    fn numbers(&self, value: &Owned) -> Result<Output, String> {
        let (runtime, api) = (self.runtime, &self.runtime.api);
        let mut described = Owned { runtime, handle: ptr::null_mut(), release: Api::ReleaseTensorTypeAndShapeInfo };
        let (mut is_tensor, mut element, mut axes, mut data) = (0, 0, 0, ptr::null_mut());
        // SAFETY: a value of the library's, and places for one number or handle each.
        unsafe {
            api.IsTensor(value.handle, &raw mut is_tensor)?;
            if is_tensor == 0 {
                return Err("the output is no tensor".into());
            }
            api.GetTensorTypeAndShape(value.handle, &raw mut described.handle)?;
            api.GetTensorElementType(described.handle, &raw mut element)?;
            api.GetDimensionsCount(described.handle, &raw mut axes)?;
        }
        let size = match element {
            element::F32 => 4,
            element::F16 | element::BF16 => 2,
            element::F64 => 8,
            _ => return Err(format!("the output's numbers have type {element} of ONNX, which no embedding has")),
        };
        let mut extents = vec![0i64; axes];
        // SAFETY: a place for as many extents as there are axes, and one for an address.
        unsafe {
            api.GetDimensions(described.handle, extents.as_mut_ptr(), axes)?;
            api.GetTensorMutableData(value.handle, &raw mut data)?;
        }
        let shape: Vec<usize> = extents.iter().map(|extent| usize::try_from(*extent).unwrap_or(0)).collect();
        let bytes = shape.iter().try_fold(size, |bytes: usize, extent| bytes.checked_mul(*extent));
        let bytes = bytes.filter(|bytes| isize::try_from(*bytes).is_ok());
        let (Some(bytes), false) = (bytes, data.is_null()) else {
            return Ok(Output { shape, numbers: Vec::new() });
        };
        // SAFETY: a tensor's data lies in one piece in this machine's memory, of its shape and type, as long as the value.
        let raw = unsafe { slice::from_raw_parts(data.cast::<u8>(), bytes) };
        Ok(Output { shape, numbers: decoded(raw, element) })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: made once by `new`; nothing runs.
        unsafe { self.runtime.api.ReleaseSession(self.session) }
    }
}

/// Numbers as the library takes them, aligned for their type.
enum Encoded<'a> {
    F32(&'a [f32]),
    Bytes(Vec<u8>),
    Halves(Vec<u16>),
    F64(Vec<f64>),
}

impl<'a> Encoded<'a> {
    fn new(numbers: &'a [f32], element: i32) -> Result<Self, String> {
        let each = numbers.iter().copied();
        Ok(match element {
            element::F32 => Self::F32(numbers),
            element::U8 => Self::Bytes(each.map(|number| number.round_ties_even() as u8).collect()),
            element::F16 => Self::Halves(each.map(|number| f16::from_f32(number).to_bits()).collect()),
            element::BF16 => Self::Halves(each.map(|number| bf16::from_f32(number).to_bits()).collect()),
            element::F64 => Self::F64(each.map(f64::from).collect()),
            _ => return Err(format!("the input's numbers have type {element} of ONNX, which no face has")),
        })
    }

    /// Where they are, and how many bytes.
    fn bytes(&self) -> (*const c_void, usize) {
        match self {
            Self::F32(numbers) => (numbers.as_ptr().cast(), size_of_val(*numbers)),
            Self::Bytes(numbers) => (numbers.as_ptr().cast(), numbers.len()),
            Self::Halves(numbers) => (numbers.as_ptr().cast(), size_of_val(&numbers[..])),
            Self::F64(numbers) => (numbers.as_ptr().cast(), size_of_val(&numbers[..])),
        }
    }
}

/// Numbers as the library gives them, of one of the types that [`Session::numbers`] knows.
fn decoded(bytes: &[u8], element: i32) -> Vec<f32> {
    fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|bytes| f(*bytes)).collect()
    }
    match element {
        element::F16 => each(bytes, |bytes| f16::from_ne_bytes(bytes).to_f32()),
        element::BF16 => each(bytes, |bytes| bf16::from_ne_bytes(bytes).to_f32()),
        element::F64 => each(bytes, |bytes| f64::from_ne_bytes(bytes) as f32),
        _ => each(bytes, f32::from_ne_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_type_go_there_and_back() {
        let numbers = [0.0, 1.0, 127.0, 255.0];
        for (element, size) in [(element::F32, 4), (element::F16, 2), (element::BF16, 2), (element::F64, 8)] {
            let encoded = Encoded::new(&numbers, element).unwrap();
            assert_eq!(encoded.bytes().1, numbers.len() * size, "{element}");
            let bytes: Vec<u8> = match encoded {
                Encoded::F32(numbers) => numbers.iter().flat_map(|number| number.to_ne_bytes()).collect(),
                Encoded::Bytes(numbers) => numbers,
                Encoded::Halves(numbers) => numbers.iter().flat_map(|number| number.to_ne_bytes()).collect(),
                Encoded::F64(numbers) => numbers.iter().flat_map(|number| number.to_ne_bytes()).collect(),
            };
            assert_eq!(decoded(&bytes, element), numbers, "{element}");
        }
        let Encoded::Bytes(bytes) = Encoded::new(&[0.2, 254.6, 255.0, 300.0], element::U8).unwrap() else {
            unreachable!()
        };
        assert_eq!(bytes, [0, 255, 255, 255]);
        assert!(Encoded::new(&numbers, 7).is_err());
    }
}
