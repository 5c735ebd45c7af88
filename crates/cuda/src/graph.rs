//! Work that is queued once and run many times.

// Tested by: `work_on_a_card` in tests/facevault/cuda.rs
// Tested by: `what_goes_wrong_on_a_card` in tests/facevault/cuda.rs
// Tested by: `all_that_is_taken_is_given_back` in tests/facevault/cuda.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::ptr;
use std::sync::Arc;

use super::api::Handle;
use super::context::CardContext;
use super::{CudaError, Stream};

/// `CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`: other threads may allocate meanwhile.
const THREAD_LOCAL: i32 = 1;

/// Work recorded by [`Graph::capture`].
#[derive(Debug)]
pub struct Graph {
    context: Arc<CardContext>,
    executable: Handle,
}

// SAFETY: an executable graph belongs to no thread; two may not use it at once, so it is not `Sync`.
unsafe impl Send for Graph {}

impl Graph {
    /// Records what `work` queues on `stream` instead of running it, so that one call can queue it again.
    ///
    /// # Errors
    /// Those of `work`; [`CudaError::Driver`], also if `work` waits for the GPU.
    pub fn capture(stream: &Stream, work: impl FnOnce() -> Result<(), CudaError>) -> Result<Self, CudaError> {
        let capture = Capture::begin(stream)?;
        work()?;
        capture.end()?.instantiate()
    }

    /// Queues all of it.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`], [`CudaError::Driver`].
    pub fn launch(&self, stream: &Stream) -> Result<(), CudaError> {
        // SAFETY: graph and stream live; whoever captured the work guarantees the memory in it.
        unsafe { self.context.enter()?.cuGraphLaunch(self.executable, stream.handle) }.map_err(Into::into)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Ok(api) = self.context.enter() {
            // SAFETY: made once by `instantiate`; what was launched is still done.
            let _ = unsafe { api.cuGraphExecDestroy(self.executable) };
        }
    }
}

/// A stream that is recording, until this is dropped.
struct Capture<'a> {
    stream: &'a Stream,
}

impl<'a> Capture<'a> {
    fn begin(stream: &'a Stream) -> Result<Self, CudaError> {
        // SAFETY: the stream lives.
        unsafe { stream.context.enter()?.cuStreamBeginCapture_v2(stream.handle, THREAD_LOCAL)? };
        Ok(Self { stream })
    }

    fn end(self) -> Result<Recipe<'a>, CudaError> {
        let stream = self.stream;
        std::mem::forget(self);
        Recipe::take(stream)
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        let _ = Recipe::take(self.stream);
    }
}

/// The recorded work.
struct Recipe<'a> {
    stream: &'a Stream,
    graph: Handle,
}

impl<'a> Recipe<'a> {
    fn take(stream: &'a Stream) -> Result<Self, CudaError> {
        let mut graph = ptr::null_mut();
        // SAFETY: a place for one handle, and a stream that is recording.
        unsafe { stream.context.enter()?.cuStreamEndCapture(stream.handle, &raw mut graph)? };
        Ok(Self { stream, graph })
    }

    fn instantiate(&self) -> Result<Graph, CudaError> {
        let context = &self.stream.context;
        let mut executable = ptr::null_mut();
        // SAFETY: a place for one handle, and a graph that lives.
        unsafe { context.enter()?.cuGraphInstantiateWithFlags(&raw mut executable, self.graph, 0)? };
        Ok(Graph { context: context.clone(), executable })
    }
}

impl Drop for Recipe<'_> {
    fn drop(&mut self) {
        if let Ok(api) = self.stream.context.enter() {
            // SAFETY: taken once by `take`; what was made from it does not need it.
            let _ = unsafe { api.cuGraphDestroy(self.graph) };
        }
    }
}
