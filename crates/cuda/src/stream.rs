//! A queue of work on a GPU, and events in it.

// Tested by: `work_on_a_card` in tests/facevault/cuda.rs
// Tested by: `what_goes_wrong_on_a_card` in tests/facevault/cuda.rs
// Tested by: `all_that_is_taken_is_given_back` in tests/facevault/cuda.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use super::api::Handle;
use super::context::CardContext;
use super::error::{Failure, code};
use super::{CudaError, DeviceMemory, Kernel};

/// `CU_STREAM_NON_BLOCKING`: waits for no other stream, not even for the default one.
const NON_BLOCKING: u32 = 1;

/// `CU_EVENT_BLOCKING_SYNC`: a waiting thread sleeps, which leaves the cores to decoding.
const BLOCKING_SYNC: u32 = 1;

/// A queue of work on a GPU, which runs it in order while the caller continues.
#[derive(Debug)]
pub struct Stream {
    pub(super) context: Arc<CardContext>,
    pub(super) handle: Handle,
}

// SAFETY: a stream belongs to no thread.
unsafe impl Send for Stream {}
// SAFETY: as above; the driver locks what it must.
unsafe impl Sync for Stream {}

impl Stream {
    pub(super) fn new(context: &Arc<CardContext>) -> Result<Self, CudaError> {
        let mut handle = ptr::null_mut();
        // SAFETY: a place for one handle.
        unsafe { context.enter()?.cuStreamCreate(&raw mut handle, NON_BLOCKING)? };
        Ok(Self { context: context.clone(), handle })
    }

    /// Queues a kernel: `grid` blocks of `block` threads, each block with `shared` bytes of dynamic shared memory.
    ///
    /// # Errors
    /// [`CudaError::Kernel`] where `A` is not of the argument's size, [`CudaError::Driver`] where a number is too large for
    /// the GPU. A later call reports what goes wrong in the kernel.
    ///
    /// # Safety
    /// The kernel takes one argument by value with the layout of `A` (`#[repr(C)]`). The memory at its addresses is large
    /// enough, is not accessed in a conflicting way, and lives until the work is done; inside [`Graph::capture`](crate::Graph::capture), until the
    /// graph is dropped and its last launch is done.
    pub unsafe fn launch<A: Copy>(
        &self,
        kernel: &Kernel,
        grid: [u32; 3],
        block: u32,
        shared: u32,
        args: &A,
    ) -> Result<(), CudaError> {
        kernel.takes(size_of::<A>())?;
        let mut arguments = [ptr::from_ref(args).cast_mut().cast::<c_void>()];
        let [x, y, z] = grid;
        let (stream, arguments) = (self.handle, arguments.as_mut_ptr());
        let api = self.context.enter()?;
        // SAFETY: the caller's for the argument and what it names; the driver copies it before it returns.
        unsafe {
            api.cuLaunchKernel(kernel.handle, x, y, z, block, 1, 1, shared, stream, arguments, ptr::null_mut())?;
        }
        Ok(())
    }

    /// Queues a copy to the GPU. The source should be pinned, otherwise the call itself copies it. Panics if it does not fit.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    ///
    /// # Safety
    /// Until the work is done, `from` lives and does not change, and `to` lives and is not accessed otherwise; inside
    /// [`Graph::capture`](crate::Graph::capture), until the graph is dropped and its last launch is done.
    pub unsafe fn upload(&self, from: &[u8], to: &DeviceMemory, offset: usize) -> Result<(), CudaError> {
        let (address, bytes) = (to.at(offset, from.len()), from.len());
        if bytes == 0 {
            return Ok(());
        }
        let api = self.context.enter()?;
        // SAFETY: both ends are of that length; the caller's for the rest.
        unsafe { api.cuMemcpyHtoDAsync_v2(address, from.as_ptr().cast(), bytes, self.handle) }.map_err(Into::into)
    }

    /// Copies to the GPU after the queued work, and waits. Panics if it does not fit.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn upload_now(&self, from: &[u8], to: &DeviceMemory, offset: usize) -> Result<(), CudaError> {
        // SAFETY: `from` and `to` are borrowed until the copy is done.
        let queued = unsafe { self.upload(from, to, offset) };
        self.synchronize().and(queued)
    }

    /// Queues a copy from the GPU, to memory that should be pinned. Panics if `from` is shorter.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    ///
    /// # Safety
    /// Until the work is done, `from` lives and does not change, and `to` lives and is not accessed otherwise; inside
    /// [`Graph::capture`](crate::Graph::capture), until the graph is dropped and its last launch is done.
    pub unsafe fn download(&self, from: &DeviceMemory, offset: usize, to: &mut [u8]) -> Result<(), CudaError> {
        let (address, bytes) = (from.at(offset, to.len()), to.len());
        if bytes == 0 {
            return Ok(());
        }
        let api = self.context.enter()?;
        // SAFETY: both ends are of that length; the caller's for the rest.
        unsafe { api.cuMemcpyDtoHAsync_v2(to.as_mut_ptr().cast(), address, bytes, self.handle) }.map_err(Into::into)
    }

    /// Copies from the GPU after the queued work, and waits. Panics if `from` is shorter.
    ///
    /// # Errors
    /// [`CudaError::Driver`]; also for errors of earlier kernels.
    pub fn download_now(&self, from: &DeviceMemory, offset: usize, to: &mut [u8]) -> Result<(), CudaError> {
        // SAFETY: `from` and `to` are borrowed until the copy is done.
        let queued = unsafe { self.download(from, offset, to) };
        self.synchronize().and(queued)
    }

    /// Queues setting every byte of `memory`.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    ///
    /// # Safety
    /// Until the work is done, `memory` lives and is not accessed otherwise; inside
    /// [`Graph::capture`](crate::Graph::capture), until the graph is dropped and its last launch is done.
    pub unsafe fn fill(&self, memory: &DeviceMemory, byte: u8) -> Result<(), CudaError> {
        if memory.is_empty() {
            return Ok(());
        }
        let api = self.context.enter()?;
        // SAFETY: the memory is of that length; the caller's for the rest.
        unsafe { api.cuMemsetD8Async(memory.address(), byte, memory.len(), self.handle) }.map_err(Into::into)
    }

    /// An event after the work queued so far.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn record(&self) -> Result<Event, CudaError> {
        let mut handle = ptr::null_mut();
        let api = self.context.enter()?;
        // SAFETY: a place for one handle.
        unsafe { api.cuEventCreate(&raw mut handle, BLOCKING_SYNC)? };
        let event = Event { context: self.context.clone(), handle };
        // SAFETY: both were made in this context and live.
        unsafe { api.cuEventRecord(event.handle, self.handle)? };
        Ok(event)
    }

    /// Makes work queued from now on wait for an event of another stream; the caller does not wait.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn wait(&self, event: &Event) -> Result<(), CudaError> {
        // SAFETY: both live; an event of another card is allowed.
        unsafe { self.context.enter()?.cuStreamWaitEvent(self.handle, event.handle, 0) }.map_err(Into::into)
    }

    /// Waits until all queued work is done.
    ///
    /// # Errors
    /// [`CudaError::Driver`]; also for errors of the work.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        // SAFETY: the stream lives.
        unsafe { self.context.enter()?.cuStreamSynchronize(self.handle) }.map_err(Into::into)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Ok(api) = self.context.enter() {
            // SAFETY: created once by `new`; what is queued is still done.
            let _ = unsafe { api.cuStreamDestroy_v2(self.handle) };
        }
    }
}

/// A point in a stream, passed when all work before it is done.
#[derive(Debug)]
pub struct Event {
    context: Arc<CardContext>,
    handle: Handle,
}

// SAFETY: an event belongs to no thread.
unsafe impl Send for Event {}
// SAFETY: as above; the driver locks what it must.
unsafe impl Sync for Event {}

impl Event {
    /// Sleeps until it is passed.
    ///
    /// # Errors
    /// [`CudaError::Driver`]; also for errors of the work before it.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        // SAFETY: the event lives.
        unsafe { self.context.enter()?.cuEventSynchronize(self.handle) }.map_err(Into::into)
    }

    /// Whether it is passed.
    ///
    /// # Errors
    /// [`CudaError::Driver`]; also for errors of the work before it.
    pub fn done(&self) -> Result<bool, CudaError> {
        // SAFETY: the event lives.
        match unsafe { self.context.enter()?.cuEventQuery(self.handle) } {
            Ok(()) => Ok(true),
            Err(Failure { code: code::NOT_READY, .. }) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Time between two passed events of one GPU, ms.
    ///
    /// # Errors
    /// [`CudaError::Driver`], also if one is not passed.
    pub fn milliseconds_since(&self, earlier: &Event) -> Result<f32, CudaError> {
        let mut milliseconds = 0.0;
        let api = self.context.enter()?;
        // SAFETY: a place for one number; both events live.
        unsafe { api.cuEventElapsedTime(&raw mut milliseconds, earlier.handle, self.handle)? };
        Ok(milliseconds)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if let Ok(api) = self.context.enter() {
            // SAFETY: created once by `record`; the driver keeps it until it is passed.
            let _ = unsafe { api.cuEventDestroy_v2(self.handle) };
        }
    }
}
