//! The library, once it is open. It is never closed: its threads may outlive whoever used it.

// Tested by: `the_library_gives_what_the_engine_gives` in tests/facevault/onnx_runtime.rs
// Tested by: `a_library_that_is_missing_or_another_is_refused` in tests/facevault/onnx_runtime.rs
// Not yet: run under AddressSanitizer or Miri, which cannot see into the library.

use std::error::Error;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use facevault_base::text;
use libloading::Library;

use crate::api::{Api, Handle, NoApi};
use crate::error::OrtError;
use crate::find::{self, LIBRARY, Place};

/// Only what ends the process is written to standard error: every other error is a status.
pub(crate) const FATAL: i32 = 4;

/// ONNX Runtime.
pub struct Runtime {
    pub(crate) api: Api,
    pub(crate) environment: Handle,
    version: String,
    file: Option<PathBuf>,
    /// Keeps the functions loaded.
    _library: ManuallyDrop<Library>,
}

// SAFETY: the environment belongs to no thread, and the library's functions may be called on any.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

static RUNTIME: OnceLock<Result<Runtime, OrtError>> = OnceLock::new();

impl Runtime {
    /// The library; opened at the first call.
    ///
    /// # Errors
    /// If there is none that works.
    pub fn get() -> Result<&'static Self, OrtError> {
        RUNTIME.get_or_init(|| open(&find::place())).as_ref().map_err(Clone::clone)
    }

    /// What the library says its version is, e.g. `1.32.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The library's file; `None` if the system's loader found it.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The library's message as an error.
    pub(crate) fn failed(&self, what: &'static str) -> impl Fn(String) -> OrtError {
        move |message| OrtError::Failed {
            version: self.version.clone(),
            what,
            message: text::quoted_to(message.trim(), 1000).into_owned(),
        }
    }
}

fn open(place: &Place) -> Result<Runtime, OrtError> {
    let (path, remedy) = match place {
        Place::Named(path) => (path.as_path(), "set `ORT_DYLIB_PATH` to `libonnxruntime.so`, or unset it"),
        Place::Python(path) => {
            (path.as_path(), "install `onnxruntime` again, or set `ORT_DYLIB_PATH` to a library that works")
        }
        Place::System => (Path::new(LIBRARY), ""),
    };
    // SAFETY: what ONNX Runtime does when it is loaded is safe; another library at that place would be the user's wish.
    let library = unsafe { Library::new(path) }.map_err(|error| {
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        match place {
            Place::System => OrtError::Missing { reason },
            Place::Named(path) | Place::Python(path) => OrtError::Unloadable { path: path.clone(), reason, remedy },
        }
    })?;
    // Another library may have registered functions that run when the process ends.
    let library = ManuallyDrop::new(library);
    let name = || path.display().to_string();
    let (api, version) = Api::of_library(&library).map_err(|none| match none {
        NoApi::Other => OrtError::NotOnnxRuntime { library: name() },
        NoApi::Old(version) => OrtError::TooOld { library: name(), version: text::quoted(&version).into_owned() },
    })?;
    // It becomes part of names.
    let version = text::quoted_to(&version, 40).into_owned();
    let file = (*place != Place::System).then(|| path.to_owned());
    let mut runtime = Runtime { api, environment: ptr::null_mut(), version, file, _library: library };
    let mut environment = ptr::null_mut();
    // SAFETY: a text that ends with a zero, and a place for one handle, which the next call gets.
    let created = unsafe {
        let created = runtime.api.CreateEnv(FATAL, c"facevault".as_ptr(), &raw mut environment);
        created.and_then(|()| runtime.api.DisableTelemetryEvents(environment))
    };
    created.map_err(runtime.failed("start"))?;
    runtime.environment = environment;
    Ok(runtime)
}
