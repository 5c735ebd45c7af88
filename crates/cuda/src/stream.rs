//! A queue of work on a card, and marks in it.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use super::api::{Failure, Handle};
use super::card::CardContext;
use super::error::code;
use super::{CudaError, DeviceMemory, Graph, Kernel};

/// `CU_STREAM_NON_BLOCKING`: waits for no other stream, not even for the default one.
const NON_BLOCKING: u32 = 1;

/// `CU_EVENT_BLOCKING_SYNC`: who waits sleeps, so that the cores stay free for decoding.
const BLOCKING_SYNC: u32 = 1;

/// A queue of work on a card: what is put in is done in order, while the caller goes on.
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
    /// the card. What goes wrong in the kernel is told by a later call.
    ///
    /// # Safety
    /// The kernel takes one argument by value, and `A` is laid out as it (`#[repr(C)]`). The memory that its addresses
    /// name is large enough, is used by nobody else in a way that clashes, and stays until the work is done; inside
    /// [`Self::capture`], until the graph is dropped and its last launch is done.
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

    /// Queues a copy to the card, from memory that is best pinned: it is copied at once otherwise. Panics where it does
    /// not fit.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    ///
    /// # Safety
    /// `from` stays and does not change, and `to` stays and is used by nobody else, until the work is done; inside
    /// [`Self::capture`], until the graph is dropped and its last launch is done.
    pub unsafe fn upload(&self, from: &[u8], to: &DeviceMemory, offset: usize) -> Result<(), CudaError> {
        let (address, bytes) = (to.at(offset, from.len()), from.len());
        if bytes == 0 {
            return Ok(());
        }
        let api = self.context.enter()?;
        // SAFETY: both ends are of that length; the caller's for the rest.
        unsafe { api.cuMemcpyHtoDAsync_v2(address, from.as_ptr().cast(), bytes, self.handle) }.map_err(Into::into)
    }

    /// Copies to the card, behind what is queued, and waits. Panics where it does not fit.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn upload_now(&self, from: &[u8], to: &DeviceMemory, offset: usize) -> Result<(), CudaError> {
        // SAFETY: `from` and `to` are borrowed until the copy is done.
        let queued = unsafe { self.upload(from, to, offset) };
        self.synchronize().and(queued)
    }

    /// Queues a copy from the card, to memory that is best pinned. Panics where there is less.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    ///
    /// # Safety
    /// `from` stays and does not change, and `to` stays and is used by nobody else, until the work is done; inside
    /// [`Self::capture`], until the graph is dropped and its last launch is done.
    pub unsafe fn download(&self, from: &DeviceMemory, offset: usize, to: &mut [u8]) -> Result<(), CudaError> {
        let (address, bytes) = (from.at(offset, to.len()), to.len());
        if bytes == 0 {
            return Ok(());
        }
        let api = self.context.enter()?;
        // SAFETY: both ends are of that length; the caller's for the rest.
        unsafe { api.cuMemcpyDtoHAsync_v2(to.as_mut_ptr().cast(), address, bytes, self.handle) }.map_err(Into::into)
    }

    /// Copies from the card, behind what is queued, and waits. Panics where there is less.
    ///
    /// # Errors
    /// [`CudaError::Driver`]; also what went wrong in the kernels before.
    pub fn download_now(&self, from: &DeviceMemory, offset: usize, to: &mut [u8]) -> Result<(), CudaError> {
        // SAFETY: `from` and `to` are borrowed until the copy is done.
        let queued = unsafe { self.download(from, offset, to) };
        self.synchronize().and(queued)
    }

    /// Queues setting every byte of `memory`, which has to outlive the graph where this is captured.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn fill(&self, memory: &DeviceMemory, byte: u8) -> Result<(), CudaError> {
        if memory.is_empty() {
            return Ok(());
        }
        let api = self.context.enter()?;
        // SAFETY: the memory is of that length, and to free it waits for the work.
        unsafe { api.cuMemsetD8Async(memory.address(), byte, memory.len(), self.handle) }.map_err(Into::into)
    }

    /// A mark behind what is queued so far.
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

    /// Lets what is queued from now on wait for a mark in another stream; the caller does not wait.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn wait(&self, event: &Event) -> Result<(), CudaError> {
        // SAFETY: both live; an event of another card is allowed.
        unsafe { self.context.enter()?.cuStreamWaitEvent(self.handle, event.handle, 0) }.map_err(Into::into)
    }

    /// Waits until all that is queued is done.
    ///
    /// # Errors
    /// [`CudaError::Driver`]; also what went wrong in the work.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        // SAFETY: the stream lives.
        unsafe { self.context.enter()?.cuStreamSynchronize(self.handle) }.map_err(Into::into)
    }

    /// Collects what `work` queues here, instead of doing it, so that it can be done again and again with one call.
    ///
    /// # Errors
    /// Those of `work`; [`CudaError::Driver`], also where `work` waited for the card.
    pub fn capture(&self, work: impl FnOnce() -> Result<(), CudaError>) -> Result<Graph, CudaError> {
        Graph::capture(self, work)
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

/// A mark in a stream, passed when all before it is done.
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
    /// Waits until it is passed, asleep.
    ///
    /// # Errors
    /// [`CudaError::Driver`]; also what went wrong in the work before it.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        // SAFETY: the event lives.
        unsafe { self.context.enter()?.cuEventSynchronize(self.handle) }.map_err(Into::into)
    }

    /// Whether it is passed.
    ///
    /// # Errors
    /// [`CudaError::Driver`]; also what went wrong in the work before it.
    pub fn done(&self) -> Result<bool, CudaError> {
        // SAFETY: the event lives.
        match unsafe { self.context.enter()?.cuEventQuery(self.handle) } {
            Ok(()) => Ok(true),
            Err(Failure { code: code::NOT_READY, .. }) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Time on the card between two marks of it, both passed, ms.
    ///
    /// # Errors
    /// [`CudaError::Driver`], also where one is not passed.
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
