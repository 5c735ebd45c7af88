//! A folder of an object store: the objects whose keys begin with its prefix.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use facevault_base::files::{self, FileError};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path as Key;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
    WriteMultipart,
};
use tokio::runtime::Runtime;

use crate::Address;
use crate::error::ObjectError;
use crate::runtime::runtime;

/// A larger file is written in parts of this size. Stores take 10,000 parts.
const PART: usize = 32 << 20;

/// Parts of a file that are on their way at a time.
const PARTS_IN_FLIGHT: usize = 4;

/// How often a write that only one may win is tried, and the first pause between; each one is twice as long.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// An object of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key after the folder's, with `/`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was written, ns since the epoch.
    pub modified: i64,
    /// What the store calls this content of it.
    pub tag: Option<String>,
}

/// When an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Whatever is there.
    Always,
    /// If there is none.
    Absent,
    /// If it is still the one with this tag.
    Unchanged(&'a str),
}

/// A folder of an object store. Cloning is cheap.
#[derive(Clone)]
pub struct Folder {
    address: Address,
    store: Arc<dyn ObjectStore>,
    runtime: &'static Runtime,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Folder").field(&self.address.to_string()).finish()
    }
}

impl Folder {
    /// Opens the folder at an address, with the credentials and settings of the usual variables. Nothing is asked yet.
    ///
    /// # Errors
    /// [`ObjectError`] for a wrong address or settings that contradict each other.
    pub fn open(address: &str) -> Result<Self, ObjectError> {
        Self::at(Address::parse(address)?)
    }

    fn at(address: Address) -> Result<Self, ObjectError> {
        let store = address.store()?;
        let runtime = runtime().map_err(|error| ObjectError::of_io("wait for", address.to_string(), &error))?;
        Ok(Self { address, store, runtime })
    }

    /// The same folder through another client.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn through(self, store: Arc<dyn ObjectStore>) -> Self {
        Self { store, ..self }
    }

    /// The folder that the object at an address is in, and the object's name there.
    ///
    /// # Errors
    /// As [`Self::open`]; [`ObjectError::Address`] for an address without a key.
    pub fn of_object(address: &str) -> Result<(Self, String), ObjectError> {
        let address = Address::parse(address)?;
        let Some((folder, name)) = address.split() else {
            let rule = "it names no object".into();
            return Err(ObjectError::Address { address: address.to_string(), rule });
        };
        Ok((Self::at(folder)?, name))
    }

    /// A folder in it.
    ///
    /// # Errors
    /// [`ObjectError::Address`] for a name that cannot be a part of a key.
    pub fn join(&self, name: &str) -> Result<Self, ObjectError> {
        Ok(Self { address: self.address.join(name)?, ..self.clone() })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The address of an object in it.
    pub(crate) fn address_of(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    fn key(&self, name: &str) -> Result<Key, ObjectError> {
        let prefix = self.address.prefix();
        let text = if prefix.as_ref().is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let wrong = |rule: String| ObjectError::Address { address: self.address_of(name), rule };
        Key::parse(text).map_err(|error| wrong(error.to_string()))
    }

    fn failed<'a>(&'a self, action: &'static str, name: &'a str) -> impl Fn(object_store::Error) -> ObjectError + 'a {
        move |error| {
            let object = if name.is_empty() { self.address.to_string() } else { self.address_of(name) };
            ObjectError::new(action, object, &error)
        }
    }

    /// Waits for an answer, and asks again while it fails for no lasting reason.
    fn ask<T, F: Future<Output = object_store::Result<T>>>(&self, ask: impl Fn() -> F) -> object_store::Result<T> {
        self.runtime.block_on(answered(ask))
    }

    fn object(&self, found: ObjectMeta) -> Object {
        let key = found.location.as_ref();
        let name = key.strip_prefix(self.address.prefix().as_ref()).unwrap_or(key).trim_start_matches('/');
        Object {
            name: name.to_owned(),
            size: found.size,
            modified: found.last_modified.timestamp_nanos_opt().unwrap_or_default(),
            tag: tag(found.e_tag),
        }
    }

    /// All objects below it, sorted by the bytes of their names.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries.
    pub fn list(&self) -> Result<Vec<Object>, ObjectError> {
        let listed = || async {
            let found = self.store.list(Some(self.address.prefix()));
            found.map_ok(|found| self.object(found)).try_collect::<Vec<_>>().await
        };
        let mut objects = self.ask(listed).map_err(self.failed("list", ""))?;
        // Empty objects that stand for folders have the name of the folder.
        objects.retain(|object| !object.name.is_empty());
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    /// The objects whose names are from `first` to `last` in the order of their bytes.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries.
    pub fn list_between(&self, first: &str, last: &str) -> Result<Vec<Object>, ObjectError> {
        // What a listing starts after: of the names before `first`, the store need not look at any.
        let before = match first.char_indices().next_back() {
            Some((at, _)) if at > 0 => self.key(first[..at].trim_end_matches('/'))?,
            _ => self.address.prefix().clone(),
        };
        let listed = || async {
            let found = self.store.list_with_offset(Some(self.address.prefix()), &before);
            let found = found.map_ok(|found| self.object(found));
            let wanted = found.try_take_while(|object| std::future::ready(Ok(object.name.as_str() <= last)));
            wanted.try_collect::<Vec<_>>().await
        };
        let mut objects = self.ask(listed).map_err(self.failed("list", ""))?;
        objects.retain(|object| object.name.as_str() >= first);
        Ok(objects)
    }

    /// The objects directly in it, and the names of the folders in it, sorted.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries.
    pub fn entries(&self) -> Result<(Vec<Object>, Vec<String>), ObjectError> {
        let found = self.ask(|| self.store.list_with_delimiter(Some(self.address.prefix())));
        let found = found.map_err(self.failed("list", ""))?;
        let names = found.common_prefixes.iter().filter_map(|prefix| prefix.filename().map(str::to_owned));
        let (mut objects, mut names): (Vec<_>, Vec<_>) =
            (found.objects.into_iter().map(|object| self.object(object)).collect(), names.collect());
        objects.retain(|object| !object.name.is_empty());
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        names.sort();
        Ok((objects, names))
    }

    /// What an object is now; `None` if there is none.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries.
    pub fn look(&self, name: &str) -> Result<Option<Object>, ObjectError> {
        let key = self.key(name)?;
        match self.ask(|| self.store.head(&key)) {
            Ok(found) => Ok(Some(self.object(found))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look at", name)(error)),
        }
    }

    /// An object, or some bytes of it, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries, and for a larger object.
    pub fn read(&self, name: &str, range: Option<Range<u64>>, limit: u64) -> Result<Vec<u8>, ObjectError> {
        self.runtime.block_on(self.get(name, range, limit))
    }

    /// [`Self::read`] with the tag of what was read.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_tagged(&self, name: &str, limit: u64) -> Result<(Vec<u8>, Option<String>), ObjectError> {
        self.runtime.block_on(self.get_tagged(name, None, limit))
    }

    /// [`Self::read`] for those who wait for several.
    pub(crate) async fn get(&self, name: &str, range: Option<Range<u64>>, limit: u64) -> Result<Vec<u8>, ObjectError> {
        self.get_tagged(name, range, limit).await.map(|(bytes, _)| bytes)
    }

    async fn get_tagged(
        &self,
        name: &str,
        range: Option<Range<u64>>,
        limit: u64,
    ) -> Result<(Vec<u8>, Option<String>), ObjectError> {
        let (key, failed) = (self.key(name)?, self.failed("read", name));
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let read = || async {
            let found = self.store.get_opts(&key, options.clone()).await?;
            let bytes = found.range.end.saturating_sub(found.range.start);
            if bytes > limit {
                return Ok(Err(bytes));
            }
            let tag = tag(found.meta.e_tag.clone());
            Ok(Ok((found.bytes().await?.into(), tag)))
        };
        let too_large = |bytes| ObjectError::TooLarge { object: self.address_of(name), bytes, limit };
        answered(read).await.map_err(&failed)?.map_err(too_large)
    }

    /// Copies an object into a file, which is whole or absent; returns the object as it was read.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries, and for the file.
    pub fn fetch(&self, name: &str, to: &Path) -> Result<Object, ObjectError> {
        let mut fetched = None;
        self.fetch_if(name, to, &mut |object| fetched.insert(object.clone()) == object, &mut |_| true)?;
        fetched.ok_or_else(|| ObjectError::Interrupted { object: self.address_of(name) })
    }

    /// [`Self::fetch`] that asks `wanted` about the object before anything is written, tells `arrived` of the bytes of each
    /// step, and goes on while it says so. Returns whether it was wanted.
    ///
    /// # Errors
    /// As [`Self::fetch`]; [`ObjectError::Interrupted`].
    pub fn fetch_if(
        &self,
        name: &str,
        to: &Path,
        wanted: &mut dyn FnMut(&Object) -> bool,
        arrived: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool, ObjectError> {
        let (key, failed) = (self.key(name)?, self.failed("read", name));
        let found = self.ask(|| self.store.get(&key)).map_err(&failed)?;
        if !wanted(&self.object(found.meta.clone())) {
            return Ok(false);
        }
        let mut stream = found.into_stream();
        files::commit(to, |writer| {
            while let Some(bytes) = self.runtime.block_on(stream.next()) {
                let bytes = bytes.map_err(&failed)?;
                writer.write_all(&bytes).map_err(FileError::new("write", to))?;
                if !arrived(bytes.len() as u64) {
                    return Err(ObjectError::Interrupted { object: self.address_of(name) });
                }
            }
            Ok::<_, ObjectError>(())
        })?;
        Ok(true)
    }

    /// Writes an object; its tag, or `None` if the condition does not hold. A write whose answer was lost counts as this one's
    /// if the object has these bytes.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries.
    pub fn put(&self, name: &str, bytes: &[u8], condition: Condition<'_>) -> Result<Option<String>, ObjectError> {
        let (key, failed) = (self.key(name)?, self.failed("write", name));
        let payload = PutPayload::from(bytes.to_vec());
        let mode = match condition {
            Condition::Always => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            // Google's store asks for the object's version, which no listing has.
            Condition::Unchanged(known) => match self.ask(|| self.store.head(&key)) {
                Ok(there) if tag(there.e_tag.clone()).as_deref() == Some(known) => {
                    PutMode::Update(UpdateVersion { e_tag: there.e_tag, version: there.version })
                }
                Ok(there) => return self.is(&self.object(there), bytes),
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(failed(error)),
            },
        };
        let (mut pause, begun) = (PAUSE, Instant::now());
        for left in (0..TRIES).rev() {
            let options = PutOptions::from(mode.clone());
            let error = match self.runtime.block_on(self.store.put_opts(&key, payload.clone(), options)) {
                Ok(done) => return Ok(Some(tag(done.e_tag).unwrap_or_default())),
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    // The answer to an earlier try may have been lost, here or on the way.
                    match self.look(name)? {
                        Some(there) => return self.is(&there, bytes),
                        // Two writers at once, of which neither may have won.
                        None if condition == Condition::Absent && left > 0 => {
                            sleep_longer(&mut pause);
                            continue;
                        }
                        None => return Ok(None),
                    }
                }
                Err(error) => error,
            };
            if left == 0 || !may_pass(&error) || begun.elapsed() > LONG {
                return Err(failed(error));
            }
            sleep_longer(&mut pause);
        }
        Ok(None)
    }

    /// The tag of an object if it has these bytes.
    fn is(&self, there: &Object, bytes: &[u8]) -> Result<Option<String>, ObjectError> {
        if there.size != bytes.len() as u64 {
            return Ok(None);
        }
        let (found, tag) = self.read_tagged(&there.name, there.size)?;
        Ok((found == bytes).then(|| tag.unwrap_or_default()))
    }

    /// Writes an object from a file, whatever is there; a large one in parts. Returns its tag.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries, and for the file.
    pub fn put_file(&self, name: &str, from: &Path) -> Result<Option<String>, ObjectError> {
        let (key, failed) = (self.key(name)?, self.failed("write", name));
        let mut file: File = files::open(from).map_err(FileError::new("read", from))?;
        let mut read = |most: usize| -> Result<Vec<u8>, FileError> {
            let mut bytes = Vec::new();
            (&mut file).take(most as u64).read_to_end(&mut bytes).map_err(FileError::new("read", from))?;
            Ok(bytes)
        };
        let first = read(PART)?;
        if first.len() < PART {
            return self.put(name, &first, Condition::Always);
        }
        let upload = self.ask(|| self.store.put_multipart(&key)).map_err(&failed)?;
        let mut upload = self.runtime.block_on(async { WriteMultipart::new_with_chunk_size(upload, PART) });
        let mut part = first;
        let sent = loop {
            if part.is_empty() {
                break Ok(());
            }
            let step = async {
                upload.wait_for_capacity(PARTS_IN_FLIGHT).await?;
                upload.put(part.into());
                Ok(())
            };
            if let Err(error) = self.runtime.block_on(step) {
                break Err(failed(error));
            }
            match read(PART) {
                Ok(next) => part = next,
                Err(error) => break Err(error.into()),
            }
        };
        if let Err(error) = sent {
            // What was sent costs storage until it is aborted; the first error is the one to tell.
            let _ = self.runtime.block_on(upload.abort());
            return Err(error);
        }
        let done = self.runtime.block_on(upload.finish()).map_err(&failed)?;
        Ok(tag(done.e_tag))
    }

    /// Removes an object, unless it is gone already.
    ///
    /// # Errors
    /// [`ObjectError`] after all tries.
    pub fn remove(&self, name: &str) -> Result<(), ObjectError> {
        let key = self.key(name)?;
        match self.ask(|| self.store.delete(&key)) {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(self.failed("remove", name)(error)),
        }
    }

    pub(crate) fn runtime(&self) -> &'static Runtime {
        self.runtime
    }
}

/// What a store calls a content. Azure's listings leave out the quotes that its answers have.
fn tag(of_store: Option<String>) -> Option<String> {
    of_store.map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned())
}

/// Whether an error may pass that the store's own client does not try again: it does so with requests, but not with those that
/// only one may win, nor with what is cut short of an answer. A status of 400 and above stays what it is.
fn may_pass(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { .. }) && !error.to_string().contains("status code: 4")
}

/// What the client has tried for so long is not tried again.
const LONG: Duration = Duration::from_mins(1);

/// Asks again, after a pause, while an answer fails for no lasting reason.
async fn answered<T, F: Future<Output = object_store::Result<T>>>(ask: impl Fn() -> F) -> object_store::Result<T> {
    let (mut pause, begun) = (PAUSE, Instant::now());
    let mut answer = ask().await;
    for _ in 1..TRIES {
        if !answer.as_ref().is_err_and(may_pass) || begun.elapsed() > LONG {
            break;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
        answer = ask().await;
    }
    answer
}

fn sleep_longer(pause: &mut Duration) {
    std::thread::sleep(*pause);
    *pause *= 2;
}
