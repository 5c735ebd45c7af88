//! Objects that are read one after the other, some of them before they are asked for: a request takes as long as a face takes
//! to embed, and a hundred of them take no longer.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Folder, ObjectError};

/// Requests on their way at a time.
const IN_FLIGHT: usize = 32;

/// Bytes that wait to be taken, or are on their way, unless a single object has more.
const BYTES: u64 = 64 << 20;

/// What is read: an object, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The object.
    pub name: String,
    /// The part of it; `None`: all.
    pub range: Option<Range<u64>>,
    /// Bytes to expect.
    pub size: u64,
}

/// Reads some objects of a folder ahead of those who take them, usually in order.
#[derive(Debug)]
pub struct Ahead {
    folder: Folder,
    wanted: Vec<Wanted>,
    /// Larger objects are an error.
    limit: u64,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Those before it have been asked for.
    next: usize,
    /// On their way, `None`, or here.
    asked: BTreeMap<usize, Option<Result<Vec<u8>, ObjectError>>>,
    /// Expected bytes of those.
    bytes: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ahead {
    /// Nothing is asked for before the first is taken. An object of more than `limit` bytes is an error.
    #[must_use]
    pub fn new(folder: Folder, wanted: Vec<Wanted>, limit: u64) -> Self {
        Self { folder, wanted, limit, shared: Arc::default() }
    }

    /// Takes the bytes of `wanted[index]`, waiting for them. Each is meant to be taken once, by any thread; once taken, it is
    /// read again.
    ///
    /// # Errors
    /// [`ObjectError`].
    ///
    /// # Panics
    /// If there is no such index.
    pub fn take(&self, index: usize) -> Result<Vec<u8>, ObjectError> {
        let mut state = self.shared.lock();
        // Those between are soon taken by other threads.
        while state.next <= index {
            self.ask(&mut state);
        }
        if !state.asked.contains_key(&index) {
            drop(state);
            let Wanted { name, range, .. } = &self.wanted[index];
            return self.folder.read(name, range.clone(), self.limit);
        }
        loop {
            self.fill(&mut state);
            if let Some(taken) = state.asked.get_mut(&index).and_then(Option::take) {
                state.asked.remove(&index);
                state.bytes = state.bytes.saturating_sub(self.wanted[index].size);
                self.fill(&mut state);
                return taken;
            }
            state = self.shared.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks for the next ones, as many as there is room for.
    fn fill(&self, state: &mut State) {
        while state.asked.len() < IN_FLIGHT
            && self.wanted.get(state.next).is_some_and(|next| state.bytes + next.size <= BYTES)
        {
            self.ask(state);
        }
    }

    fn ask(&self, state: &mut State) {
        let index = state.next;
        let Wanted { name, range, size } = self.wanted[index].clone();
        state.next += 1;
        state.bytes += size;
        state.asked.insert(index, None);
        let (folder, shared, limit) = (self.folder.clone(), Arc::clone(&self.shared), self.limit);
        self.folder.runtime().spawn(async move {
            let read = folder.get(&name, range, limit).await;
            // Whoever took it all has left.
            if let Some(waiting) = shared.lock().asked.get_mut(&index) {
                *waiting = Some(read);
            }
            shared.arrived.notify_all();
        });
    }
}
