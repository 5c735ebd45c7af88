//! The library's functions, by their places in the struct `OrtApi` of `onnxruntime_c_api.h`. Places never change: versions
//! of the API only add functions at the end, and all of these are in version 5.

// Tested by: `the_library_gives_what_the_engine_gives` in tests/facevault/onnx_runtime.rs
// Tested by: `a_library_that_is_missing_or_another_is_refused` in tests/facevault/onnx_runtime.rs
// Not yet: run under AddressSanitizer or Miri, which cannot see into the library.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem;

use libloading::Library;

/// The version of the API that is asked for; libraries before 1.17 do not have it.
pub(crate) const VERSION: u32 = 17;

/// An environment, session, value, status or whatever else the library makes.
pub(crate) type Handle = *mut c_void;

/// `OrtApiBase`.
#[repr(C)]
struct Base {
    get_api: unsafe extern "system" fn(u32) -> *const *const c_void,
    version: unsafe extern "system" fn() -> *const c_char,
}

/// Declares functions by place: those that give a status, each with a method that turns it into a `Result`, and those that
/// release a handle.
macro_rules! api {
    (
        $($place:literal fn $name:ident($($argument:ident: $type:ty),*);)*
        release { $($free_place:literal fn $free:ident;)* }
    ) => {
        /// The library's functions. Any thread may call them.
        #[allow(non_snake_case)]
        pub(crate) struct Api {
            $($name: unsafe extern "system" fn($($type),*) -> Handle,)*
            $($free: unsafe extern "system" fn(Handle),)*
            error_message: unsafe extern "system" fn(Handle) -> *const c_char,
        }

        #[allow(non_snake_case)]
        impl Api {
            /// # Safety
            /// `table` is the `OrtApi` of version [`VERSION`], which lives as long as the process.
            unsafe fn of(table: *const *const c_void) -> Self {
                // SAFETY: the table is longer than each place, and the types are those of `onnxruntime_c_api.h`.
                unsafe {
                    Self {
                        $($name: mem::transmute::<*const c_void, unsafe extern "system" fn($($type),*) -> Handle>(
                            *table.add($place),
                        ),)*
                        $($free: mem::transmute::<*const c_void, unsafe extern "system" fn(Handle)>(
                            *table.add($free_place),
                        ),)*
                        error_message: mem::transmute::<*const c_void, unsafe extern "system" fn(Handle) -> *const c_char>(
                            *table.add(2),
                        ),
                    }
                }
            }

            $(
                /// The error is the library's message.
                ///
                /// # Safety
                /// As `onnxruntime_c_api.h` says for the function of this name.
                #[allow(clippy::too_many_arguments)]
                pub(crate) unsafe fn $name(&self, $($argument: $type),*) -> Result<(), String> {
                    // SAFETY: the caller's.
                    let status = unsafe { (self.$name)($($argument),*) };
                    if status.is_null() {
                        return Ok(());
                    }
                    // SAFETY: the status is not null, has a message that lives as long, and is given back once.
                    Err(unsafe {
                        let message = text((self.error_message)(status));
                        self.ReleaseStatus(status);
                        message
                    })
                }
            )*

            $(
                /// # Safety
                /// The handle is of this kind, and nobody uses it any more.
                pub(crate) unsafe fn $free(&self, handle: Handle) {
                    // SAFETY: the caller's.
                    unsafe { (self.$free)(handle) }
                }
            )*
        }
    };
}

api! {
    3 fn CreateEnv(level: c_int, name: *const c_char, environment: *mut Handle);
    6 fn DisableTelemetryEvents(environment: Handle);
    8 fn CreateSessionFromArray(
        environment: Handle, file: *const c_void, bytes: usize, options: Handle, session: *mut Handle
    );
    9 fn Run(
        session: Handle, options: Handle, input_names: *const *const c_char, inputs: *const Handle, input_count: usize,
        output_names: *const *const c_char, output_count: usize, outputs: *mut Handle
    );
    10 fn CreateSessionOptions(options: *mut Handle);
    13 fn SetSessionExecutionMode(options: Handle, mode: c_int);
    22 fn SetSessionLogSeverityLevel(options: Handle, level: c_int);
    23 fn SetSessionGraphOptimizationLevel(options: Handle, level: c_int);
    24 fn SetIntraOpNumThreads(options: Handle, threads: c_int);
    25 fn SetInterOpNumThreads(options: Handle, threads: c_int);
    49 fn CreateTensorWithDataAsOrtValue(
        memory: Handle, data: *mut c_void, bytes: usize, shape: *const i64, axes: usize, element: c_int, value: *mut Handle
    );
    50 fn IsTensor(value: Handle, is: *mut c_int);
    51 fn GetTensorMutableData(value: Handle, data: *mut *mut c_void);
    60 fn GetTensorElementType(shape: Handle, element: *mut c_int);
    61 fn GetDimensionsCount(shape: Handle, axes: *mut usize);
    62 fn GetDimensions(shape: Handle, extents: *mut i64, axes: usize);
    65 fn GetTensorTypeAndShape(value: Handle, shape: *mut Handle);
    69 fn CreateCpuMemoryInfo(allocator: c_int, kind: c_int, memory: *mut Handle);
    130 fn AddSessionConfigEntry(options: Handle, key: *const c_char, value: *const c_char);
    release {
        93 fn ReleaseStatus;
        94 fn ReleaseMemoryInfo;
        95 fn ReleaseSession;
        96 fn ReleaseValue;
        99 fn ReleaseTensorTypeAndShapeInfo;
        100 fn ReleaseSessionOptions;
    }
}

/// Why a library does not give its functions.
pub(crate) enum NoApi {
    /// It is not ONNX Runtime.
    Other,
    /// It is of this version, which is too old.
    Old(String),
}

impl Api {
    /// The functions of a library, and its version.
    pub(crate) fn of_library(library: &Library) -> Result<(Self, String), NoApi> {
        // SAFETY: the name has one meaning, and the type is that of `onnxruntime_c_api.h`.
        let base = unsafe {
            let get = library.get::<unsafe extern "system" fn() -> *const Base>(c"OrtGetApiBase");
            get.map_err(|_| NoApi::Other)?()
        };
        // SAFETY: the struct lives as long as the library, which is never closed; its version is a text that nobody changes.
        let (base, version) = unsafe {
            let base = base.as_ref().ok_or(NoApi::Other)?;
            (base, text((base.version)()))
        };
        // Asked for what it does not have, an old library writes to standard error.
        if older(&version) {
            return Err(NoApi::Old(version));
        }
        // SAFETY: may be called at any time; null is not taken for a table.
        unsafe {
            let table = (base.get_api)(VERSION);
            if table.is_null() { Err(NoApi::Old(version)) } else { Ok((Self::of(table), version)) }
        }
    }
}

/// Whether a version is 1.x with an x below that of [`VERSION`]: the API's version is the library's second number.
fn older(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(u32::MAX));
    match (numbers.next(), numbers.next()) {
        (Some(0), _) => true,
        (Some(1), Some(minor)) => minor < VERSION,
        _ => false,
    }
}

/// # Safety
/// `text` is null or the address of a text with a zero behind it that nobody changes.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::older;

    #[test]
    fn versions_before_1_17_are_old() {
        for (version, expected) in [
            ("0.5.0", true),
            ("1.9.0", true),
            ("1.16.3", true),
            ("1.17.0", false),
            ("1.32.0", false),
            ("2.0.0", false),
            ("1", false),
            ("next", false),
        ] {
            assert_eq!(older(version), expected, "{version}");
        }
    }
}
