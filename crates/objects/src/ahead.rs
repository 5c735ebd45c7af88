//! Objects that are read one after the other, some of them before they are asked for: a request takes as long as a face takes
//! to embed, and a hundred of them take no longer.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use facevault_base::progress::Cancel;

use crate::error::Kind;
use crate::{Folder, ObjectError};

/// Requests on their way at a time.
const IN_FLIGHT: usize = 32;

/// Bytes that wait to be taken, or are on their way, unless a single object has more.
const BYTES: u64 = 64 << 20;

/// How many objects in a row may fail after all their tries. Those that follow are not asked for: a store that is gone must
/// not cost minutes for each of a million objects.
const LOST: usize = 32;

/// How often somebody who waits looks whether to stop.
const POLL: Duration = Duration::from_millis(100);

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
pub struct Ahead<'a> {
    folder: Folder,
    /// What is read at an index; `None` behind the last one.
    wanted: Box<dyn Fn(usize) -> Option<Wanted> + Send + Sync + 'a>,
    /// Larger objects are an error.
    limit: u64,
    cancel: Cancel,
    shared: Arc<Shared>,
}

impl fmt::Debug for Ahead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ahead").field(&self.folder).finish()
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

type Answer = Result<Vec<u8>, ObjectError>;

#[derive(Debug, Default)]
struct State {
    /// Those before it have been asked for.
    next: usize,
    /// Expected bytes of those on their way, `None`, or here.
    asked: BTreeMap<usize, (u64, Option<Answer>)>,
    /// Their sum.
    bytes: u64,
    /// How many in a row have failed, in the order in which they arrived.
    lost: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Ahead<'a> {
    /// Nothing is asked for before the first is taken. An object of more than `limit` bytes is an error.
    #[must_use]
    pub fn new(folder: Folder, wanted: Vec<Wanted>, limit: u64) -> Self {
        Self::of(folder, move |index| wanted.get(index).cloned(), limit)
    }

    /// [`Self::new`] of so many that they are not listed: `wanted` says what is read at an index, `None` behind the last one.
    #[must_use]
    pub fn of(folder: Folder, wanted: impl Fn(usize) -> Option<Wanted> + Send + Sync + 'a, limit: u64) -> Self {
        Self { folder, wanted: Box::new(wanted), limit, cancel: Cancel::default(), shared: Arc::default() }
    }

    /// The same until cancellation is requested: then whoever waits has an error.
    #[must_use]
    pub fn until(self, cancel: &Cancel) -> Self {
        Self { cancel: cancel.clone(), ..self }
    }

    /// Takes the bytes at `index`, waiting for them. Each is meant to be taken once, by any thread; once taken, it is read
    /// again.
    ///
    /// # Errors
    /// [`ObjectError`].
    ///
    /// # Panics
    /// If there is no such index.
    pub fn take(&self, index: usize) -> Result<Vec<u8>, ObjectError> {
        let mut state = self.shared.lock();
        // Those between are soon taken by other threads. After a leap they are not worth waiting for.
        if index > state.next + IN_FLIGHT {
            state.next = index;
        }
        while state.next <= index {
            self.ask(&mut state);
        }
        if !state.asked.contains_key(&index) {
            drop(state);
            let Wanted { name, range, .. } = self.at(index);
            return self.folder.read(&name, range, self.limit);
        }
        loop {
            self.fill(&mut state);
            let here = state.asked.get(&index).is_some_and(|(_, here)| here.is_some());
            if here && let Some((size, Some(taken))) = state.asked.remove(&index) {
                state.bytes = state.bytes.saturating_sub(size);
                self.fill(&mut state);
                return taken;
            }
            if self.cancel.requested() {
                return Err(ObjectError::Interrupted { object: self.folder.address_of(&self.at(index).name) });
            }
            state = self.shared.arrived.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn at(&self, index: usize) -> Wanted {
        (self.wanted)(index).unwrap_or_else(|| panic!("there is no object {index}"))
    }

    /// Asks for the next ones, as many as there is room for.
    fn fill(&self, state: &mut State) {
        while state.asked.len() < IN_FLIGHT
            && (self.wanted)(state.next).is_some_and(|next| state.bytes + next.size <= BYTES)
        {
            self.ask(state);
        }
    }

    fn ask(&self, state: &mut State) {
        let index = state.next;
        let Wanted { name, range, size } = self.at(index);
        state.next += 1;
        if state.lost >= LOST {
            let reason = format!("it was not asked for, because {LOST} in a row could not be read");
            let (object, kind) = (self.folder.address_of(&name), Kind::Other);
            let given_up = ObjectError::Request { action: "read", object, reason, kind };
            state.asked.insert(index, (0, Some(Err(given_up))));
            return;
        }
        state.bytes += size;
        state.asked.insert(index, (size, None));
        let (folder, shared, limit) = (self.folder.clone(), Arc::clone(&self.shared), self.limit);
        self.folder.runtime().spawn(async move {
            let read = folder.get(&name, range, limit).await;
            let mut state = shared.lock();
            state.lost =
                if matches!(read, Err(ObjectError::Request { kind: Kind::Other, .. })) { state.lost + 1 } else { 0 };
            // Whoever took it all has left.
            if let Some((_, waiting)) = state.asked.get_mut(&index) {
                *waiting = Some(read);
            }
            drop(state);
            shared.arrived.notify_all();
        });
    }
}
