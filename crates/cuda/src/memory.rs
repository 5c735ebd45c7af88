//! Memory on a GPU, and host memory that a GPU can access.

// Tested by: `work_on_a_card` in tests/facevault/cuda.rs
// Tested by: `what_goes_wrong_on_a_card` in tests/facevault/cuda.rs
// Tested by: `all_that_is_taken_is_given_back` in tests/facevault/cuda.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use super::CudaError;
use super::context::CardContext;
use super::error::code;

/// `CU_MEMHOSTALLOC_PORTABLE`: pinned for every GPU, not only for the one it is allocated through.
const PORTABLE: u32 = 1;

/// Memory on a GPU.
#[derive(Debug)]
pub struct DeviceMemory {
    context: Arc<CardContext>,
    address: u64,
    len: usize,
}

impl DeviceMemory {
    pub(super) fn new(context: &Arc<CardContext>, len: usize) -> Result<Self, CudaError> {
        let mut address = 0;
        // SAFETY: a place for one address. The driver refuses an empty piece, which needs no special case elsewhere.
        unsafe { context.enter()?.cuMemAlloc_v2(&raw mut address, len.max(1)) }
            .map_err(|failure| CudaError::from(failure).wanting(len))?;
        Ok(Self { context: context.clone(), address, len })
    }

    /// Its start, for kernels of its GPU.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether its length is zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of `bytes` bytes at `offset`; panics unless they are inside.
    pub(super) fn at(&self, offset: usize, bytes: usize) -> u64 {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.len);
        assert!(inside, "bytes {offset} + {bytes} of a device memory of {} bytes", self.len);
        self.address + offset as u64
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        if let Ok(api) = self.context.enter() {
            // SAFETY: allocated once by `new`; the driver waits for work that uses it.
            let _ = unsafe { api.cuMemFree_v2(self.address) };
        }
    }
}

/// Host memory that is never paged out, so that a GPU copies from and to it directly.
#[derive(Debug)]
pub struct Pinned {
    context: Arc<CardContext>,
    memory: NonNull<u8>,
    len: usize,
}

// SAFETY: it owns its bytes, as a `Box<[u8]>` does.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    pub(super) fn new(context: &Arc<CardContext>, len: usize) -> Result<Self, CudaError> {
        let mut memory = ptr::null_mut();
        // SAFETY: a place for one address.
        unsafe { context.enter()?.cuMemHostAlloc(&raw mut memory, len.max(1), PORTABLE) }.map_err(|failure| {
            if failure.code == code::OUT_OF_MEMORY { CudaError::NoPinned { wanted: len } } else { failure.into() }
        })?;
        let memory = NonNull::new(memory.cast::<u8>()).ok_or(CudaError::NoPinned { wanted: len })?;
        // SAFETY: `len` bytes were allocated there.
        unsafe { memory.write_bytes(0, len) };
        Ok(Self { context: context.clone(), memory, len })
    }

    /// The bytes as native-endian numbers; a remainder of one to three bytes is left out.
    #[must_use]
    pub fn floats(&self) -> &[f32] {
        // SAFETY: the memory begins at a page, any four bytes are an f32, and `self` is borrowed for as long.
        unsafe { slice::from_raw_parts(self.memory.cast().as_ptr(), self.len / size_of::<f32>()) }
    }
}

impl Deref for Pinned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` initialised bytes that `self` owns.
        unsafe { slice::from_raw_parts(self.memory.as_ptr(), self.len) }
    }
}

impl DerefMut for Pinned {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as `deref`, and borrowed by nobody else.
        unsafe { slice::from_raw_parts_mut(self.memory.as_ptr(), self.len) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Ok(api) = self.context.enter() {
            // SAFETY: allocated once by `new`; whoever started a copy with it must have waited for it.
            let _ = unsafe { api.cuMemFreeHost(self.memory.as_ptr().cast()) };
        }
    }
}
