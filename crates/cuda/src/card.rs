//! A GPU and the objects made on it.

// Tested by: `work_on_a_card` in tests/facevault/cuda.rs
// Tested by: `what_goes_wrong_on_a_card` in tests/facevault/cuda.rs
// Tested by: `all_that_is_taken_is_given_back` in tests/facevault/cuda.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;

use super::api::Api;
use super::context::{CardContext, CardProperties};
use super::error::OLDEST_CARD;
use super::{CudaError, DeviceMemory, Module, Pinned, Stream};

/// A GPU that can run the kernels. A clone is the same GPU.
#[derive(Debug, Clone)]
pub struct Card {
    context: Arc<CardContext>,
}

impl Card {
    /// Number of GPUs that the driver shows, ≥ 1.
    ///
    /// # Errors
    /// [`CudaError::NoDriver`], [`CudaError::OldDriver`], [`CudaError::NoDevice`], [`CudaError::Mismatch`].
    pub fn count() -> Result<usize, CudaError> {
        let mut count = 0;
        // SAFETY: a place for one number.
        unsafe { Api::get()?.cuDeviceGetCount(&raw mut count)? };
        if count > 0 { Ok(count.unsigned_abs() as usize) } else { Err(CudaError::NoDevice) }
    }

    /// Opens a GPU, counted from 0 in the driver's order.
    ///
    /// # Errors
    /// As [`Self::count`]; [`CudaError::NoSuchCard`], [`CudaError::OldCard`], [`CudaError::OutOfMemory`].
    pub fn open(ordinal: usize) -> Result<Self, CudaError> {
        let count = Self::count()?;
        if ordinal >= count {
            return Err(CudaError::NoSuchCard { ordinal, count });
        }
        let api = Api::get()?;
        let (mut device, mut handle) = (0, ptr::null_mut());
        // SAFETY: a place for one number; the ordinal was checked.
        unsafe { api.cuDeviceGet(&raw mut device, ordinal as c_int)? };
        let facts = CardProperties::read(api, device)?;
        if facts.compute < OLDEST_CARD {
            return Err(CudaError::OldCard { name: facts.name, found: facts.compute });
        }
        // SAFETY: a place for one handle; `CardContext` gives it back.
        unsafe { api.cuDevicePrimaryCtxRetain(&raw mut handle, device)? };
        Ok(Self { context: Arc::new(CardContext { api, handle, device, facts }) })
    }

    /// Opens the first GPU that is new enough; an error is that of GPU 0.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn first() -> Result<Self, CudaError> {
        let first = Self::open(0);
        (1..Self::count()?).fold(first, |found, ordinal| found.or_else(|error| Self::open(ordinal).map_err(|_| error)))
    }

    /// The other GPUs of this machine that compute the same bits: those with the same name and compute capability.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn twins(&self) -> Result<Vec<Self>, CudaError> {
        let mut twins = Vec::new();
        for ordinal in 0..Self::count()? {
            let mut device = 0;
            // SAFETY: a place for one number; the ordinal is below the count.
            unsafe { self.context.api.cuDeviceGet(&raw mut device, ordinal as c_int)? };
            let facts = CardProperties::read(self.context.api, device)?;
            let alike = facts.name == self.name() && facts.compute == self.compute();
            if alike && device != self.context.device {
                twins.push(Self::open(ordinal)?);
            }
        }
        Ok(twins)
    }

    /// E.g. `NVIDIA H200`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.context.facts.name
    }

    /// Compute capability, major and minor.
    #[must_use]
    pub fn compute(&self) -> (u32, u32) {
        self.context.facts.compute
    }

    /// Number of multiprocessors.
    #[must_use]
    pub fn multiprocessors(&self) -> u32 {
        self.context.facts.multiprocessors
    }

    /// Bytes of shared memory that a block may use if its kernel requests them with [`Kernel::shared`](super::Kernel::shared).
    #[must_use]
    pub fn shared_per_block(&self) -> u32 {
        self.context.facts.shared_per_block
    }

    /// The CUDA version that the driver supports, major and minor.
    #[must_use]
    pub fn driver(&self) -> (u32, u32) {
        self.context.facts.driver
    }

    /// Its PCI bus id, e.g. `0000:3B:00.0`, by which NVML identifies it.
    #[must_use]
    pub fn pci_bus_id(&self) -> &str {
        &self.context.facts.pci_bus_id
    }

    /// Free and total memory, bytes.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn memory(&self) -> Result<(usize, usize), CudaError> {
        Ok(self.context.enter()?.memory()?)
    }

    /// A new queue of work, independent of all others.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`], [`CudaError::Driver`].
    pub fn stream(&self) -> Result<Stream, CudaError> {
        Stream::new(&self.context)
    }

    /// Uninitialised memory on the GPU, at a multiple of 256 bytes.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`], [`CudaError::Driver`].
    pub fn allocate(&self, bytes: usize) -> Result<DeviceMemory, CudaError> {
        DeviceMemory::new(&self.context, bytes)
    }

    /// Zeroed host memory that every GPU can read and write directly.
    ///
    /// # Errors
    /// [`CudaError::NoPinned`], [`CudaError::Driver`].
    pub fn pinned(&self, bytes: usize) -> Result<Pinned, CudaError> {
        Pinned::new(&self.context, bytes)
    }

    /// Compiles kernels for the GPU; the driver caches the result on disk.
    ///
    /// # Errors
    /// [`CudaError::Kernel`], [`CudaError::OutOfMemory`], [`CudaError::Driver`].
    pub fn module(&self, ptx: &str) -> Result<Module, CudaError> {
        Module::new(&self.context, ptx)
    }
}
