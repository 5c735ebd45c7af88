//! An exclusive lock: the operating system's lock on a file, which ends with its process. On file systems without locks
//! (NFS without its lock daemon, Lustre without `-o flock`, some in user space), a second file, which only one process
//! can create, takes its place. It names its owner, so that the file of a killed process can be recognised, but only on
//! the same machine: from elsewhere, it is impossible to tell whether a process is alive.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileError, PARTIAL};
use crate::progress::Cancel;

/// The lock on a path, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    kind: LockKind,
    /// Why it is not a lock of the operating system, in words.
    note: Option<String>,
}

#[derive(Debug)]
enum LockKind {
    /// The locked file. It is never removed, because others may wait on it.
    System(Arc<File>),
    /// The file, locked together with others, or not at all where the file system has no locks.
    Shared {
        /// The lock ends when it is closed.
        _file: File,
    },
    /// The file in place of a lock, and this process as its owner.
    Held(PathBuf, Owner),
}

/// Another process has the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// The process, in words.
    pub holder: String,
    /// The file to remove if that process has ended, which cannot be checked from here.
    pub remove: Option<PathBuf>,
}

impl Busy {
    /// The remedy if it cannot be checked from here whether the process is alive.
    #[must_use]
    pub fn remedy(&self) -> String {
        let remedy = |file: &PathBuf| {
            format!("; this machine cannot tell whether it still runs: if not, remove {}", file.display())
        };
        self.remove.as_ref().map(remedy).unwrap_or_default()
    }
}

impl Lock {
    /// Locks the file at a path, creating it if needed.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn acquire(path: &Path) -> Result<Result<Self, Busy>, FileError> {
        acquire(path, File::try_lock)
    }

    /// Locks the file at a path together with others who share it; whoever wants it alone has to wait. On file systems
    /// without locks it holds nobody off, except that it fails where one process holds it alone.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn share(path: &Path) -> Result<Result<Self, Busy>, FileError> {
        share(path, File::try_lock_shared)
    }

    /// [`Self::acquire`], waiting while another process has the lock; calls `waiting` once. `None` if cancelled.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn wait(path: &Path, waiting: impl FnOnce(&Busy), cancel: &Cancel) -> Result<Option<Self>, FileError> {
        let mut waiting = Some(waiting);
        loop {
            match Self::acquire(path)? {
                Ok(lock) => return Ok(Some(lock)),
                Err(busy) => waiting.take().map_or((), |waiting| waiting(&busy)),
            }
            if cancel.requested() {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A note if a file takes the place of the lock; once per process.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        static REPORTED: AtomicBool = AtomicBool::new(false);
        let note = self.note.as_deref()?;
        (!REPORTED.swap(true, Ordering::Relaxed)).then_some(note)
    }
}

/// The locked files of this process.
static HELD_NOW: Mutex<Vec<Weak<File>>> = Mutex::new(Vec::new());

fn held_now() -> MutexGuard<'static, Vec<Weak<File>>> {
    HELD_NOW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the number of this process out of the files that it has locked, as dropping their locks does, because it is about
/// to end on request and drops nothing: who looks later sees that it stopped, and not that it died. The files stay locked
/// until it has ended.
pub fn sign_off() {
    for file in held_now().iter().filter_map(Weak::upgrade) {
        let _ = file.set_len(0);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        match &self.kind {
            // So that no process reads a stale id between another one's locking and writing.
            LockKind::System(file) => drop(file.set_len(0)),
            LockKind::Shared { .. } => {}
            LockKind::Held(path, owner) => {
                if matches!(read(path), Ok(Some(HeldFile::Owner(found))) if found == *owner) {
                    let _ = fs::remove_file(path);
                }
            }
        }
    }
}

fn acquire(path: &Path, lock: impl FnOnce(&File) -> Result<(), TryLockError>) -> Result<Result<Lock, Busy>, FileError> {
    let mut file = files::open_to_write(path)?;
    let held = held_path(path);
    match lock(&file) {
        Ok(()) => {
            // A process on a machine that mounts the folder without locks may hold the file instead.
            if let Some(found) = read(&held)?
                && !found.has_ended(&held)
            {
                return Ok(Err(found.busy(&held)));
            }
            let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            written.map_err(FileError::new("write", path))?;
            let file = Arc::new(file);
            let mut held = held_now();
            held.retain(|other| other.strong_count() > 0);
            held.push(Arc::downgrade(&file));
            Ok(Ok(Lock { kind: LockKind::System(file), note: None }))
        }
        Err(TryLockError::WouldBlock) => Ok(Err(Busy { holder: process_in(&mut file), remove: None })),
        Err(TryLockError::Error(error)) if means_no_locks(&error) => {
            let using = format!("using the file {} instead", held.file_name().unwrap_or_default().display());
            let note = no_locks(path, &error, &using);
            let made = create_held_file(&held)?;
            Ok(made.map(|owner| Lock { kind: LockKind::Held(held, owner), note: Some(note) }))
        }
        Err(TryLockError::Error(error)) => Err(FileError::new("lock", path)(error)),
    }
}

fn share(path: &Path, lock: impl FnOnce(&File) -> Result<(), TryLockError>) -> Result<Result<Lock, Busy>, FileError> {
    let mut file = files::open_to_write(path)?;
    let note = match lock(&file) {
        Ok(()) => None,
        Err(TryLockError::WouldBlock) => return Ok(Err(Busy { holder: process_in(&mut file), remove: None })),
        Err(TryLockError::Error(error)) if means_no_locks(&error) => {
            Some(no_locks(path, &error, "nothing here says how many are at work"))
        }
        Err(TryLockError::Error(error)) => return Err(FileError::new("lock", path)(error)),
    };
    let held = held_path(path);
    if let Some(found) = read(&held)?
        && !found.has_ended(&held)
    {
        return Ok(Err(found.busy(&held)));
    }
    Ok(Ok(Lock { kind: LockKind::Shared { _file: file }, note }))
}

fn no_locks(path: &Path, error: &std::io::Error, instead: &str) -> String {
    format!("the file system of {} has no file locks ({error}); {instead}", path.parent().unwrap_or(path).display())
}

/// The file that takes the place of the lock on `path`.
fn held_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".held");
    name.into()
}

/// ENOSYS and EOPNOTSUPP have their own error kind; ENOLCK has none.
fn means_no_locks(error: &std::io::Error) -> bool {
    const ENOLCK: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(ENOLCK)
}

/// The process named in a locked file, in words.
fn process_in(file: &mut File) -> String {
    let mut text = String::new();
    match file.rewind().and_then(|()| file.take(20).read_to_string(&mut text)) {
        Ok(_) if text.parse::<u32>().is_ok() => format!("process {text}"),
        _ => "another process".into(),
    }
}

/// Creates the file in place of a lock, replacing that of a dead process.
fn create_held_file(held: &Path) -> Result<Result<Owner, Busy>, FileError> {
    let me = Owner::this();
    let mut busy = Busy { holder: "another process".into(), remove: None };
    // Other processes may come and go meanwhile; after several attempts, report the lock as busy.
    for _ in 0..10 {
        if make(held, &me)? {
            return Ok(Ok(me));
        }
        match read(held)? {
            None => {}
            // Network file systems may report a successful operation as failed.
            Some(HeldFile::Owner(owner)) if owner == me => return Ok(Ok(me)),
            Some(found) if found.has_ended(held) => remove(held, &found)?,
            Some(found) => {
                busy = found.busy(held);
                break;
            }
        }
    }
    Ok(Err(busy))
}

/// Creates the file with its content, atomically if the file system has hard links; `false` if it exists.
fn make(held: &Path, me: &Owner) -> Result<bool, FileError> {
    let folder = held.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = serde_json::to_vec_pretty(me).unwrap_or_default();
    let failed = |error| FileError::new("create", held)(error);
    let mut temporary = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(folder).map_err(failed)?;
    temporary.write_all(&text).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
    match fs::hard_link(temporary.path(), held) {
        Ok(()) => return Ok(true),
        // NotFound: the owner of the lock removes partial files.
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => return Ok(false),
        Err(_) => {}
    }
    match files::create_new(held) {
        Ok(mut file) => file.write_all(&text).and_then(|()| file.sync_all()).map(|()| true).map_err(failed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Removes the file of a dead process, unless it was removed and created again meanwhile.
fn remove(held: &Path, gone: &HeldFile) -> Result<(), FileError> {
    // Reading and removing must not interleave with another process. The name disappears with its process.
    #[cfg(target_os = "linux")]
    let _alone = {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixListener};
        let whole = fs::canonicalize(held).unwrap_or_else(|_| held.to_owned());
        let name = format!("facevault {}", crate::digest::Digest::of(whole.as_os_str().as_encoded_bytes()));
        match SocketAddr::from_abstract_name(name).and_then(|name| UnixListener::bind_addr(&name)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                std::thread::sleep(Duration::from_millis(20));
                return Ok(());
            }
            other => other,
        }
    };
    if read(held)?.as_ref() == Some(gone) {
        match fs::remove_file(held) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(FileError::new("remove", held)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Content of a file in place of a lock.
#[derive(Debug, PartialEq, Eq)]
enum HeldFile {
    Owner(Owner),
    /// Unreadable, perhaps because it is being written.
    Unreadable,
}

fn read(held: &Path) -> Result<Option<HeldFile>, FileError> {
    match fs::read(held) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_or(HeldFile::Unreadable, HeldFile::Owner))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("read", held)(error)),
    }
}

impl HeldFile {
    fn has_ended(&self, held: &Path) -> bool {
        match self {
            Self::Owner(owner) => owner.has_ended(&Owner::this(), |pid| process(pid, held)),
            Self::Unreadable => false,
        }
    }

    fn busy(&self, held: &Path) -> Busy {
        let remove = Some(held.to_owned());
        match self {
            Self::Owner(owner) if owner.is_comparable(&Owner::this()) => {
                Busy { holder: format!("process {}", owner.process), remove: None }
            }
            Self::Owner(owner) => Busy { holder: format!("process {} on {}", owner.process, owner.host), remove },
            Self::Unreadable => Busy { holder: "an unknown process".into(), remove },
        }
    }
}

/// Identifies a process across machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    host: String,
    process: u32,
    /// Start time in kernel ticks since boot, because process ids are reused.
    started: Option<u64>,
    /// The kernel's id of this boot.
    boot: Option<String>,
    /// The installation's id.
    machine: Option<String>,
    /// PID namespace, because containers have their own process ids.
    namespace: Option<String>,
    /// Distinguishes the locks of one process.
    nonce: u64,
}

/// PID namespace of a machine itself rather than a container.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

impl Owner {
    fn this() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let process = std::process::id();
        Self {
            host: line("/proc/sys/kernel/hostname").unwrap_or_else(|| "an unknown host".into()),
            process,
            started: started(process),
            boot: line("/proc/sys/kernel/random/boot_id"),
            machine: line("/etc/machine-id").filter(|id| !id.is_empty()),
            namespace: fs::read_link("/proc/self/ns/pid").ok().map(|link| link.display().to_string()),
            nonce: time.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Whether its process id is meaningful here.
    fn is_comparable(&self, here: &Self) -> bool {
        let same = |mine: &Option<String>, its: &Option<String>| mine.is_some() && mine == its;
        self.host == here.host && same(&self.boot, &here.boot) && same(&self.namespace, &here.namespace)
    }

    /// Whether the process is known to have ended. `process` looks up a local process id.
    fn has_ended(&self, here: &Self, process: impl Fn(u32) -> ProcessState) -> bool {
        if self.is_comparable(here) {
            return match process(self.process) {
                ProcessState::None => true,
                ProcessState::Started(at) => self.started.is_some_and(|started| started != at),
                ProcessState::Unknown => false,
            };
        }
        // The same machine after a reboot.
        let outermost = |owner: &Self| owner.namespace.as_deref() == Some(INITIAL_PID_NAMESPACE);
        let rebooted = self.boot.is_some() && here.boot.is_some() && self.boot != here.boot;
        let same = self.host == here.host && self.machine.is_some() && self.machine == here.machine;
        rebooted && same && outermost(self) && outermost(here)
    }
}

/// What is known about a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProcessState {
    /// No such process.
    None,
    /// Start time of the process.
    Started(u64),
    Unknown,
}

/// Looks up a process id, as far as this process may see it.
fn process(pid: u32, held: &Path) -> ProcessState {
    match started(pid) {
        Some(at) => ProcessState::Started(at),
        None if started(std::process::id()).is_none() => ProcessState::Unknown,
        // It exists, but its status could not be read: a zombie, or unknown.
        None if Path::new("/proc").join(pid.to_string()).exists() => {
            if is_zombie(pid) {
                ProcessState::None
            } else {
                ProcessState::Unknown
            }
        }
        // With `hidepid`, other users' processes are invisible; process 1 shows whether it is in effect.
        None if Path::new("/proc/1").exists() || is_mine(held) => ProcessState::None,
        None => ProcessState::Unknown,
    }
}

/// State and start time of a process: fields 3 and 22 of `proc_pid_stat(5)`. Field 2 may contain spaces and
/// parentheses.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.nth(18)?.parse().ok()?))
}

fn started(pid: u32) -> Option<u64> {
    stat(pid).filter(|(state, _)| !matches!(state, 'Z' | 'X')).map(|(_, started)| started)
}

fn is_zombie(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| matches!(state, 'Z' | 'X'))
}

/// Who has a lock, as far as it can be seen from here without touching it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: it was given back, or never taken.
    Nobody,
    /// A process of this machine.
    Here(String),
    /// A process that did not give it back, and has ended.
    Gone(String),
    /// It cannot be told: a process of another machine or container has it, or had it and was killed.
    Elsewhere(String),
}

/// Looks who has the lock on a path. Takes no lock, not even for a moment, and writes nothing.
///
/// # Errors
/// [`FileError`] if the file is there and cannot be read.
pub fn holder(path: &Path) -> Result<Holder, FileError> {
    let held = held_path(path);
    if let Some(found) = read(&held)? {
        let busy = found.busy(&held);
        return Ok(match (found.has_ended(&held), busy.remove) {
            (true, _) => Holder::Gone(busy.holder),
            (false, None) => Holder::Here(busy.holder),
            (false, Some(_)) => Holder::Elsewhere(busy.holder),
        });
    }
    let mut file = match files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(FileError::new("read", path)(error)),
    };
    if file.metadata().map_err(FileError::new("read", path))?.len() == 0 {
        return Ok(Holder::Nobody);
    }
    let process = process_in(&mut file);
    let pid = process.strip_prefix("process ").and_then(|pid| pid.parse().ok());
    Ok(match pid.and_then(|pid| is_locked_by(&file, pid)) {
        Some(true) => Holder::Here(process),
        Some(false) if !may_be_shared(path) => Holder::Gone(process),
        _ => Holder::Elsewhere(process),
    })
}

/// Whether a process of this machine has the operating system's lock on a file (`proc_locks(5)`); `None` where it cannot be
/// told.
#[cfg(target_os = "linux")]
fn is_locked_by(file: &File, pid: u32) -> Option<bool> {
    use std::os::unix::fs::MetadataExt;
    // The device is left out: some file systems give another one here than there.
    let inode = file.metadata().ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    Some(locks.lines().any(|line| {
        let mut fields = line.split_whitespace().skip_while(|field| !["READ", "WRITE"].contains(field)).skip(1);
        let owner = fields.next().and_then(|pid| pid.parse::<u32>().ok());
        let of = fields.next().and_then(|place| place.rsplit(':').next()?.parse::<u64>().ok());
        (owner, of) == (Some(pid), Some(inode))
    }))
}

#[cfg(not(target_os = "linux"))]
fn is_locked_by(_: &File, _: u32) -> Option<bool> {
    None
}

/// Whether another machine may work on the same file: on a network's file system, or on one of which it is not known.
#[cfg(target_os = "linux")]
fn may_be_shared(path: &Path) -> bool {
    // ext, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS, ramfs: `statfs(2)`.
    const LOCAL: [u64; 8] =
        [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0xF2F5_2010, 0x8584_58F6];
    rustix::fs::statfs(path).map_or(true, |found| !LOCAL.contains(&(found.f_type as u64 & 0xFFFF_FFFF)))
}

#[cfg(not(target_os = "linux"))]
fn may_be_shared(_: &Path) -> bool {
    true
}

#[cfg(unix)]
fn is_mine(held: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.uid());
    owner(held).is_some_and(|uid| owner(Path::new("/proc/self")) == Some(uid))
}

#[cfg(not(unix))]
fn is_mine(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`Lock::acquire`] on a file system without locks.
    fn without(path: &Path) -> Result<Lock, Busy> {
        acquire(path, |_| Err(TryLockError::Error(ErrorKind::Unsupported.into()))).unwrap()
    }

    fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let held = folder.path().join(".lock.held");
        (folder, path, held)
    }

    fn write(held: &Path, owner: &Owner) {
        fs::write(held, serde_json::to_vec(owner).unwrap()).unwrap();
    }

    /// Fault (processes): the process that had a lock is gone and left its number → told apart from one that has it and from
    /// a lock that was given back, without taking the lock
    #[test]
    fn who_has_a_lock_is_seen_without_touching_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);
        let lock = Lock::acquire(&path).unwrap().unwrap();
        let me = format!("process {}", std::process::id());
        if cfg!(target_os = "linux") {
            assert_eq!(holder(&path).unwrap(), Holder::Here(me));
        }
        drop(lock);
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);
        fs::write(&path, "4194305999").unwrap();
        let found = holder(&path).unwrap();
        assert!(matches!(found, Holder::Gone(_) | Holder::Elsewhere(_)), "{found:?}");
        let elsewhere = Owner { host: "node7".into(), boot: Some("another".into()), ..Owner::this() };
        fs::write(held_path(&path), serde_json::to_vec(&elsewhere).unwrap()).unwrap();
        assert!(matches!(holder(&path).unwrap(), Holder::Elsewhere(who) if who.ends_with("on node7")));
        let gone = Owner { process: 4_194_305_999, ..Owner::this() };
        fs::write(held_path(&path), serde_json::to_vec(&gone).unwrap()).unwrap();
        assert!(matches!(holder(&path).unwrap(), Holder::Gone(_)));
        // It did not take it meanwhile.
        fs::remove_file(held_path(&path)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "4194305999");
    }

    /// Fault (processes): a file system without locks → a file takes the place of the lock, and only one process has it
    #[test]
    fn each_way_there_is_one_lock_and_a_new_one_when_it_is_dropped() {
        for acquire in [without, |path: &Path| Lock::acquire(path).unwrap()] {
            let (folder, path, held) = place();
            let lock = acquire(&path).unwrap();
            let busy = acquire(&path).unwrap_err();
            assert_eq!(busy, Busy { holder: format!("process {}", std::process::id()), remove: None });
            drop(lock);
            assert!(!held.exists());
            drop(acquire(&path).unwrap());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the lock's own file, and nothing partial");
        }
    }

    /// Fault (processes): one process works on what several others share → it is refused until they have ended, and they
    /// while it works
    #[test]
    fn those_who_share_a_lock_hold_off_who_wants_it_alone() {
        let (_folder, path, held) = place();
        let first = Lock::share(&path).unwrap().unwrap();
        let second = Lock::share(&path).unwrap().unwrap();
        drop(first);
        assert_eq!(Lock::acquire(&path).unwrap().unwrap_err().holder, "another process");
        drop(second);
        let alone = Lock::acquire(&path).unwrap().unwrap();
        assert_eq!(Lock::share(&path).unwrap().unwrap_err().holder, format!("process {}", std::process::id()));
        drop(alone);
        // Without locks.
        let shared = || share(&path, |_| Err(TryLockError::Error(ErrorKind::Unsupported.into()))).unwrap();
        let note = shared().unwrap().note.clone().unwrap();
        assert!(note.ends_with("nothing here says how many are at work"), "{note}");
        write(&held, &Owner::this());
        assert!(shared().is_err(), "one process on a machine without locks holds it alone");
    }

    /// Fault (processes): many ask for the lock of a dead process at once → one after the other has it
    #[test]
    fn no_two_threads_have_it_at_once() {
        let (_folder, path, held) = place();
        // The file was left by a dead process.
        write(&held, &Owner { process: u32::MAX, ..Owner::this() });
        let (inside, times) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut left = 20;
                    while left > 0 {
                        let Ok(_lock) = without(&path) else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        times.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        left -= 1;
                    }
                });
            }
        });
        assert_eq!(times.into_inner(), 160);
    }

    /// Fault (processes): a folder is mounted with locks on one machine and without on another → they hold each other
    /// off
    #[test]
    fn a_file_beside_holds_off_those_who_have_locks_too() {
        let (_folder, path, held) = place();
        let lock = without(&path).unwrap();
        assert!(Lock::acquire(&path).unwrap().is_err());
        drop(lock);
        write(&held, &Owner { process: u32::MAX, ..Owner::this() });
        assert!(Lock::acquire(&path).unwrap().is_ok(), "left by a dead process");
    }

    /// Fault (processes): the file in place of a lock was left by a dead process, or its process id is reused → taken
    /// over
    /// Fault (processes): that file is of another host or unreadable → it is busy, and the file to remove is named
    #[test]
    fn what_a_dead_process_left_is_taken_over_and_what_another_host_left_is_not() {
        let (_folder, path, held) = place();
        let this = Owner::this();
        for gone in [
            Owner { process: u32::MAX, ..this.clone() },
            // The process id has been reused.
            Owner { started: this.started.map(|at| at + 1), ..this.clone() },
        ] {
            write(&held, &gone);
            drop(without(&path).unwrap());
        }
        write(&held, &Owner { host: "node7".into(), process: 7, ..this.clone() });
        let busy = Busy { holder: "process 7 on node7".into(), remove: Some(held.clone()) };
        assert_eq!(without(&path).unwrap_err(), busy);
        fs::write(&held, "").unwrap();
        assert_eq!(without(&path).unwrap_err().remove, Some(held.clone()), "one that is being written");
        fs::remove_file(&held).unwrap();
        without(&path).unwrap();
    }

    /// Fault (processes): the owner of a lock is of another boot, container or host → it counts as alive unless it is
    /// known to have ended
    #[test]
    fn only_what_is_known_to_have_ended_is_gone() {
        let named = |boot: &str, namespace: &str| Owner {
            host: "a".into(),
            process: 7,
            started: Some(100),
            boot: Some(boot.into()),
            machine: Some("m".into()),
            namespace: Some(namespace.into()),
            nonce: 0,
        };
        let here = named("b", INITIAL_PID_NAMESPACE);
        let none = |_| ProcessState::None;
        assert!(here.has_ended(&here, none));
        assert!(!here.has_ended(&here, |_| ProcessState::Started(100)));
        assert!(here.has_ended(&here, |_| ProcessState::Started(101)));
        assert!(!here.has_ended(&here, |_| ProcessState::Unknown));
        assert!(!named("b", "pid:[4]").has_ended(&here, none), "a container's numbers mean nothing here");
        assert!(named("before", INITIAL_PID_NAMESPACE).has_ended(&here, none), "before a reboot");
        assert!(!named("before", "pid:[4]").has_ended(&here, none), "perhaps on another host");
        let elsewhere = Owner { host: "b".into(), ..here.clone() };
        assert!(!elsewhere.has_ended(&here, none) && !here.has_ended(&elsewhere, none));
        let unknown = Owner { boot: None, namespace: None, ..here.clone() };
        assert!(!unknown.has_ended(&unknown, none));
    }

    #[test]
    fn the_errors_of_file_systems_without_locks_are_known() {
        let error = std::io::Error::from_raw_os_error;
        if cfg!(target_os = "linux") {
            // ENOSYS, ENOLCK, EOPNOTSUPP; and EIO, which is no such thing.
            assert_eq!([38, 37, 95, 5].map(|code| means_no_locks(&error(code))), [true, true, true, false]);
        }
    }
}
