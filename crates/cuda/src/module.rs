//! Compiled kernels.

// Tested by: `work_on_a_card` in tests/facevault/cuda.rs
// Tested by: `what_goes_wrong_on_a_card` in tests/facevault/cuda.rs
// Tested by: `all_that_is_taken_is_given_back` in tests/facevault/cuda.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use super::CudaError;
use super::api::Handle;
use super::context::CardContext;

/// `CU_FUNC_ATTRIBUTE_…` of `cuda.h`.
mod attribute {
    pub const MAX_DYNAMIC_SHARED_SIZE_BYTES: i32 = 8;
}

/// `CU_JIT_…` of `cuda.h`.
mod option {
    pub const ERROR_LOG_BUFFER: i32 = 5;
    pub const ERROR_LOG_BUFFER_SIZE_BYTES: i32 = 6;
}

/// Kernels compiled for a GPU. A clone is the same module.
#[derive(Debug, Clone)]
pub struct Module {
    loaded: Arc<LoadedModule>,
}

#[derive(Debug)]
struct LoadedModule {
    context: Arc<CardContext>,
    handle: Handle,
    /// As [`arguments`] finds them.
    arguments: HashMap<String, usize>,
}

// SAFETY: a module belongs to no thread.
unsafe impl Send for LoadedModule {}
// SAFETY: as above; the driver locks what it must.
unsafe impl Sync for LoadedModule {}

impl Module {
    pub(super) fn new(context: &Arc<CardContext>, ptx: &str) -> Result<Self, CudaError> {
        let refused = |log: &str| CudaError::Kernel { name: "CUDA_ERROR_INVALID_PTX".into(), log: log.into() };
        let image = CString::new(ptx).map_err(|_| refused("it contains a zero byte"))?;
        let mut log = vec![0_u8; 16 * 1024];
        let mut names = [option::ERROR_LOG_BUFFER, option::ERROR_LOG_BUFFER_SIZE_BYTES];
        // The driver takes this number in place of a pointer.
        let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), ptr::without_provenance_mut(log.len() - 1)];
        let mut handle = ptr::null_mut();
        let api = context.enter()?;
        // SAFETY: the image ends in a zero; there are as many names and values as it says; the log is as long as its value.
        let loaded = unsafe {
            api.cuModuleLoadDataEx(
                &raw mut handle,
                image.as_ptr().cast(),
                names.len() as u32,
                names.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        loaded.map_err(|failure| match CudaError::from(failure) {
            CudaError::Kernel { name, log: description } => {
                let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
                let written = String::from_utf8_lossy(&log[..end]).trim().to_owned();
                CudaError::Kernel { name, log: if written.is_empty() { description } else { written } }
            }
            other => other,
        })?;
        Ok(Self { loaded: Arc::new(LoadedModule { context: context.clone(), handle, arguments: arguments(ptx) }) })
    }

    /// The kernel of that name.
    ///
    /// # Errors
    /// [`CudaError::Driver`] where there is none.
    pub fn kernel(&self, name: &str) -> Result<Kernel, CudaError> {
        let c_name = CString::new(name).unwrap_or_default();
        let mut handle = ptr::null_mut();
        let api = self.loaded.context.enter()?;
        // SAFETY: a place for one handle, a module that lives, a name that ends in a zero.
        unsafe { api.cuModuleGetFunction(&raw mut handle, self.loaded.handle, c_name.as_ptr())? };
        Ok(Kernel { module: self.loaded.clone(), handle, name: name.into() })
    }
}

impl Drop for LoadedModule {
    fn drop(&mut self) {
        if let Ok(api) = self.context.enter() {
            // SAFETY: loaded once by `Module::new`; the kernels hold it.
            let _ = unsafe { api.cuModuleUnload(self.handle) };
        }
    }
}

/// A function that a GPU runs. A clone is the same function.
#[derive(Debug, Clone)]
pub struct Kernel {
    module: Arc<LoadedModule>,
    pub(super) handle: Handle,
    name: Arc<str>,
}

// SAFETY: a function belongs to no thread.
unsafe impl Send for Kernel {}
// SAFETY: as above.
unsafe impl Sync for Kernel {}

impl Kernel {
    /// Allows its blocks up to `bytes` of dynamic shared memory; required above 48 KiB.
    ///
    /// # Errors
    /// [`CudaError::Driver`] if the GPU has less.
    pub fn shared(&self, bytes: u32) -> Result<(), CudaError> {
        let api = self.module.context.enter()?;
        let attribute = attribute::MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: a function whose module lives.
        unsafe { api.cuFuncSetAttribute(self.handle, attribute, bytes as c_int) }.map_err(Into::into)
    }

    /// Its name in the module.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks that it takes one struct of `bytes` bytes, if its PTX says.
    pub(super) fn takes(&self, bytes: usize) -> Result<(), CudaError> {
        match self.module.arguments.get(&*self.name) {
            Some(&expected) if expected != bytes => Err(CudaError::Kernel {
                name: self.name.to_string(),
                log: format!("it takes {expected} bytes of arguments, got {bytes}"),
            }),
            _ => Ok(()),
        }
    }
}

/// The size in bytes of each kernel's argument, where that is one struct by value:
/// `.entry NAME ( .param .align 8 .b8 NAME_param_0[48] )`.
fn arguments(ptx: &str) -> HashMap<String, usize> {
    let entries = ptx.split(".entry").skip(1);
    let sizes = entries.filter_map(|entry| {
        let (name, rest) = entry.split_once('(')?;
        let (parameters, _) = rest.split_once(')')?;
        let (_, size) = parameters.split_once('[')?;
        let size = size.split_once(']')?.0.trim().parse().ok()?;
        (parameters.matches(".param").count() == 1).then(|| (name.trim().to_owned(), size))
    });
    sizes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_arguments_is_read_from_the_ptx() {
        let ptx = ".version 8.1\n.visible .entry first(\n\t.param .align 8 .b8 first_param_0[48]\n)\n{\n ld [%r1]; ret;\n}\n\
                   .entry scalar ( .param .u64 scalar_param_0 ) { ret; }\n.entry none() { st.global [%r2]; ret; }\n\
                   .visible .entry two(\n.param .align 4 .b8 two_param_0[12],\n.param .u32 two_param_1\n) .maxntid 256 { ret; }\n\
                   .visible .entry last(.param .align 4 .b8 last_param_0[4]) .maxntid 128, 1, 1 { ret; }";
        let found = arguments(ptx);
        assert_eq!(found, HashMap::from([("first".into(), 48), ("last".into(), 4)]));
    }
}
