//! The driver's functions, by their names in `cuda.h`.

// Tested by: `work_on_a_card` in tests/facevault/cuda.rs
// Tested by: `what_goes_wrong_on_a_card` in tests/facevault/cuda.rs
// Tested by: `all_that_is_taken_is_given_back` in tests/facevault/cuda.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::{env, ptr};

use libloading::Library;

use super::error::{CudaError, Failure, OLDEST_CUDA};

/// Name of the driver's library.
const LIBRARY: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// Environment variable: folders to search for the library before the system's.
const FOLDERS: &str = "FACEVAULT_CUDA_LIBS";

/// A context, stream, event, module, function or graph.
pub(super) type Handle = *mut c_void;

/// Declares functions to look up by name, each with a method that turns its status into a `Result`.
macro_rules! api {
    ($(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
        /// The driver. Any thread may call its functions.
        #[allow(non_snake_case)]
        pub(super) struct Api {
            $($name: unsafe extern "system" fn($($type),*) -> u32,)*
            /// Keeps the functions loaded.
            _library: Library,
        }

        #[allow(non_snake_case)]
        impl Api {
            /// Finds all functions; the error is the name of one that is missing.
            fn find(library: Library) -> Result<Self, &'static str> {
                Ok(Self {
                    // SAFETY: the name has one meaning in a driver, and the type is that of `cuda.h`.
                    $($name: unsafe { *library.get(stringify!($name)).map_err(|_| stringify!($name))? },)*
                    _library: library,
                })
            }

            $(
                /// # Safety
                /// As `cuda.h` says for the function of this name.
                #[allow(clippy::too_many_arguments)]
                pub(super) unsafe fn $name(&self, $($argument: $type),*) -> Result<(), Failure> {
                    // SAFETY: the caller's.
                    match unsafe { (self.$name)($($argument),*) } {
                        0 => Ok(()),
                        code => Err(Failure { call: stringify!($name), code }),
                    }
                }
            )*
        }
    };
}

api! {
    fn cuInit(flags: c_uint);
    fn cuGetErrorName(code: u32, name: *mut *const c_char);
    fn cuGetErrorString(code: u32, text: *mut *const c_char);
    fn cuDriverGetVersion(version: *mut c_int);
    fn cuDeviceGetCount(count: *mut c_int);
    fn cuDeviceGet(device: *mut c_int, ordinal: c_int);
    fn cuDeviceGetName(name: *mut c_char, bytes: c_int, device: c_int);
    fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int);
    fn cuDeviceGetPCIBusId(id: *mut c_char, bytes: c_int, device: c_int);
    fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: c_int);
    fn cuDevicePrimaryCtxRelease_v2(device: c_int);
    fn cuCtxSetCurrent(context: Handle);
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
    fn cuMemAlloc_v2(address: *mut u64, bytes: usize);
    fn cuMemFree_v2(address: u64);
    fn cuMemHostAlloc(memory: *mut *mut c_void, bytes: usize, flags: c_uint);
    fn cuMemFreeHost(memory: *mut c_void);
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: Handle);
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: Handle);
    fn cuMemsetD8Async(to: u64, byte: u8, bytes: usize, stream: Handle);
    fn cuStreamCreate(stream: *mut Handle, flags: c_uint);
    fn cuStreamDestroy_v2(stream: Handle);
    fn cuStreamSynchronize(stream: Handle);
    fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: c_uint);
    fn cuStreamBeginCapture_v2(stream: Handle, mode: c_int);
    fn cuStreamEndCapture(stream: Handle, graph: *mut Handle);
    fn cuEventCreate(event: *mut Handle, flags: c_uint);
    fn cuEventDestroy_v2(event: Handle);
    fn cuEventRecord(event: Handle, stream: Handle);
    fn cuEventSynchronize(event: Handle);
    fn cuEventQuery(event: Handle);
    fn cuEventElapsedTime(milliseconds: *mut f32, start: Handle, end: Handle);
    fn cuModuleLoadDataEx(
        module: *mut Handle, image: *const c_void, options: c_uint, names: *mut c_int, values: *mut *mut c_void
    );
    fn cuModuleUnload(module: Handle);
    fn cuModuleGetFunction(function: *mut Handle, module: Handle, name: *const c_char);
    fn cuFuncSetAttribute(function: Handle, attribute: c_int, value: c_int);
    fn cuLaunchKernel(
        function: Handle, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared: c_uint, stream: Handle, arguments: *mut *mut c_void, extra: *mut *mut c_void
    );
    fn cuGraphInstantiateWithFlags(executable: *mut Handle, graph: Handle, flags: u64);
    fn cuGraphLaunch(executable: Handle, stream: Handle);
    fn cuGraphExecDestroy(executable: Handle);
    fn cuGraphDestroy(graph: Handle);
}

static API: OnceLock<Result<Api, CudaError>> = OnceLock::new();

impl Api {
    /// The driver; opened at the first call, which decides for the whole process.
    pub(super) fn get() -> Result<&'static Self, CudaError> {
        API.get_or_init(|| open(library()?)).as_ref().map_err(Clone::clone)
    }

    /// The driver, if it is open.
    pub(super) fn opened() -> Option<&'static Self> {
        API.get()?.as_ref().ok()
    }

    /// A failure in the driver's words; out of memory, with the memory of the current context.
    pub(super) fn explain(&self, failure: Failure) -> CudaError {
        let (mut name, mut text) = (ptr::null(), ptr::null());
        // SAFETY: the driver writes an address that lives as long as it does, or null.
        let (name, text) = unsafe {
            let _ = self.cuGetErrorName(failure.code, &raw mut name);
            let _ = self.cuGetErrorString(failure.code, &raw mut text);
            (string(name), string(text))
        };
        let name = name.unwrap_or_else(|| format!("error {}", failure.code));
        match CudaError::new(failure, name, text.unwrap_or_else(|| "the driver gives no description".into())) {
            CudaError::OutOfMemory { wanted, .. } => CudaError::OutOfMemory { wanted, room: self.memory().ok() },
            error => error,
        }
    }

    /// Free and total memory of the current context's GPU, bytes.
    pub(super) fn memory(&self) -> Result<(usize, usize), Failure> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: both are places for one number.
        unsafe { self.cuMemGetInfo_v2(&raw mut free, &raw mut total)? };
        Ok((free, total))
    }

    /// CUDA's version in the driver's form: 1000 × major + 10 × minor.
    pub(super) fn version(&self) -> Result<u32, Failure> {
        let mut version = 0;
        // SAFETY: a place for one number.
        unsafe { self.cuDriverGetVersion(&raw mut version)? };
        Ok(version.unsigned_abs())
    }
}

impl From<Failure> for CudaError {
    fn from(failure: Failure) -> Self {
        Api::opened().map_or_else(
            || Self::new(failure, format!("error {}", failure.code), "no driver is open".into()),
            |api| api.explain(failure),
        )
    }
}

/// # Safety
/// `text` is null or the address of a text with a zero behind it that nobody changes.
unsafe fn string(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().trim_end_matches('.').to_owned())
}

fn library() -> Result<Library, CudaError> {
    let folders = env::var_os(FOLDERS).unwrap_or_default();
    let own = env::split_paths(&folders).map(|folder| folder.join(LIBRARY)).find(|path| path.is_file());
    let path = own.unwrap_or_else(|| PathBuf::from(LIBRARY));
    // SAFETY: what NVIDIA's driver does when it is loaded is safe; another library of that name would be the user's wish.
    unsafe { Library::new(&path) }
        .map_err(|error| CudaError::NoDriver { reason: loader(&path.to_string_lossy(), &error) })
}

/// The system loader's message, with the file's name, which only Unix loaders include.
fn loader(path: &str, error: &libloading::Error) -> String {
    let source = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    if source.contains(path) { source } else { format!("{path}: {source}") }
}

fn open(library: Library) -> Result<Api, CudaError> {
    // The version first: an old driver lacks functions, and its age is the better reason to report.
    let version = version(&library);
    if let Some(error) = version.and_then(CudaError::old_driver) {
        return Err(error);
    }
    let api = Api::find(library)
        .map_err(|name| CudaError::OldDriver { found: format!("no `{name}`"), needed: OLDEST_CUDA })?;
    // SAFETY: may be called at any time.
    unsafe { api.cuInit(0) }.map_err(|failure| api.explain(failure))?;
    Ok(api)
}

/// The library's version, before it is known to have all functions.
fn version(library: &Library) -> Option<u32> {
    let mut version: c_int = 0;
    // SAFETY: the type is that of `cuda.h`, and the argument a place for one number.
    let code = unsafe {
        let ask = library.get::<unsafe extern "system" fn(*mut c_int) -> u32>("cuDriverGetVersion").ok()?;
        ask(&raw mut version)
    };
    (code == 0).then_some(version.unsigned_abs())
}
