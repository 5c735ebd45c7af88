//! What a disk holds after a power cut: only what was flushed.
//!
//! Content that was not flushed (`fsync` of the file) is lost. A name that was made, moved or removed may be lost as well
//! until its folder is flushed: disks write folders and contents in any order. The model keeps what it needs to take such
//! changes back: hard links to the files that were replaced or removed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::libc;

use super::calls::Syscall;
use super::tracer::{Call, Observer, Verdict};

/// Follows the changes below a folder, up to the call at which the power goes.
pub struct Disk {
    root: PathBuf,
    /// Holds links to what was replaced or removed; outside `root`, on the same file system.
    kept: tempfile::TempDir,
    /// Files whose content is not flushed, by inode: how much of it is.
    unflushed: HashMap<u64, u64>,
    /// Names that are not flushed, oldest first.
    names: Vec<Change>,
    /// Changes seen so far, and the one at which the power goes.
    seen: usize,
    cut: usize,
    last: String,
}

/// A change of a name that can be taken back.
#[derive(Debug)]
struct Change {
    /// The folder whose flush makes it last.
    folder: PathBuf,
    path: PathBuf,
    before: Before,
}

#[derive(Debug)]
enum Before {
    /// There was nothing.
    Nothing,
    /// There was this file, of which a link is kept.
    Kept(PathBuf),
    /// The file had the other name; what it replaced, if anything, is kept.
    Elsewhere { from: PathBuf, replaced: Option<PathBuf> },
    /// There was an empty folder.
    Folder,
}

/// What the cut takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: the process was killed, the machine runs on.
    Nothing,
    /// Content that was not flushed.
    Content,
    /// Half of the content that was not flushed.
    Half,
    /// Content and names that were not flushed.
    Names,
}

impl Loss {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Content, Self::Half, Self::Names];
}

impl Disk {
    /// The power goes at change `cut` (0-based), or never with `usize::MAX`.
    pub fn new(root: &Path, cut: usize) -> Self {
        let root = root.canonicalize().unwrap();
        let kept = tempfile::tempdir_in(root.parent().unwrap()).unwrap();
        Self { root, kept, unflushed: HashMap::new(), names: Vec::new(), seen: 0, cut, last: String::new() }
    }

    /// Whether the power went.
    pub fn is_cut(&self) -> bool {
        self.seen > self.cut
    }

    /// What would be lost now: names and contents below the folder.
    pub fn at_risk(&self) -> Vec<String> {
        let short = |path: &Path| path.strip_prefix(&self.root).unwrap_or(path).display().to_string();
        let names = self.names.iter().map(|change| format!("name {}", short(&change.path)));
        let contents = files(&self.root).into_iter().filter(|path| {
            fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && self.unflushed.contains_key(&file.ino()))
        });
        names.chain(contents.map(|path| format!("content of {}", short(&path)))).collect()
    }

    /// The change at which the power went.
    pub fn last(&self) -> &str {
        &self.last
    }

    /// Makes `place` what a disk holds after the cut.
    pub fn copy_what_is_left(&self, loss: Loss, place: &Path) {
        let unflushed = |path: &Path| {
            let file = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
            Some((path.strip_prefix(&self.root).unwrap().to_owned(), file.len(), *self.unflushed.get(&file.ino())?))
        };
        let unflushed: Vec<_> = files(&self.root).iter().filter_map(|path| unflushed(path)).collect();
        copy(&self.root, place);
        if loss == Loss::Nothing {
            return;
        }
        for (name, length, flushed) in unflushed {
            let left = if loss == Loss::Half { flushed + length.saturating_sub(flushed) / 2 } else { flushed };
            if left < length {
                File::options().write(true).open(place.join(name)).unwrap().set_len(left).unwrap();
            }
        }
        if loss == Loss::Names {
            for change in self.names.iter().rev() {
                change.take_back(&|path| place.join(path.strip_prefix(&self.root).unwrap()));
            }
        }
    }

    fn below(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }

    /// The inode of an open file below the root, and its length.
    fn open_file(&self, call: &Call, descriptor: u64) -> Option<(u64, u64)> {
        call.file(descriptor).filter(|path| self.below(path))?;
        let file = fs::metadata(call.descriptor(descriptor)).ok()?;
        file.is_file().then(|| (file.ino(), file.len()))
    }

    /// The content of an open file is about to change.
    fn dirty(&mut self, call: &Call, descriptor: u64, kept: u64) {
        if let Some((inode, length)) = self.open_file(call, descriptor) {
            let flushed = self.unflushed.entry(inode).or_insert(length);
            *flushed = kept.min(*flushed);
        }
    }

    /// Keeps a link to a file that is about to lose its name.
    fn keep(&self, path: &Path) -> Option<PathBuf> {
        let link = self.kept.path().join(self.names.len().to_string());
        let link = link.with_extension(self.seen.to_string());
        fs::hard_link(path, &link).ok().map(|()| link)
    }

    fn change(&mut self, path: PathBuf, before: Before) {
        let folder = path.parent().unwrap_or(&path).to_owned();
        self.names.push(Change { folder, path, before });
    }

    fn before(&mut self, call: &Call) {
        let target = || Some(call.target()).filter(|path| self.below(path));
        match call.syscall {
            Syscall::Write | Syscall::Copy => {
                // `sendfile` and `write` name the target first, the other copies third.
                let descriptor = call.written();
                self.dirty(call, descriptor, u64::MAX);
            }
            Syscall::Truncate => self.dirty(call, call.arguments[0], call.arguments[1]),
            Syscall::Rename => {
                if let Some(path) = target() {
                    let replaced = self.keep(&path);
                    self.change(path, Before::Elsewhere { from: call.origin(), replaced });
                }
            }
            Syscall::Unlink => {
                if let Some(path) = target() {
                    let before = if path.is_dir() { Some(Before::Folder) } else { self.keep(&path).map(Before::Kept) };
                    if let Some(before) = before {
                        self.change(path, before);
                    }
                }
            }
            Syscall::RemoveDir => {
                if let Some(path) = target() {
                    self.change(path, Before::Folder);
                }
            }
            Syscall::Open | Syscall::MakeDir | Syscall::Link | Syscall::Symlink => {
                let creates = call.syscall != Syscall::Open || call.creates();
                if let Some(path) = target().filter(|path| creates && path.symlink_metadata().is_err()) {
                    self.change(path, Before::Nothing);
                }
            }
            Syscall::Map => {
                let [_, _, protection, flags, descriptor, _] = call.arguments;
                let written = protection as i32 & libc::PROT_WRITE != 0 && flags as i32 & libc::MAP_SHARED != 0;
                let file = call.file(descriptor).filter(|path| written && self.below(path));
                assert!(file.is_none(), "{file:?} is written through a mapping, which this model does not follow");
            }
            _ => {}
        }
    }
}

impl Observer for Disk {
    fn enter(&mut self, call: &Call) -> Verdict {
        let ours = match call.syscall {
            Syscall::Write | Syscall::Copy => self.open_file(call, call.written()).is_some(),
            Syscall::Truncate | Syscall::Sync => call.file(call.arguments[0]).is_some_and(|path| self.below(&path)),
            Syscall::Open => call.creates() && self.below(&call.target()),
            other => other.changes() && other != Syscall::Mode && self.below(&call.target()),
        };
        if ours {
            if self.seen == self.cut {
                self.seen += 1;
                self.last = call.to_string();
                return Verdict::Kill;
            }
            self.seen += 1;
        }
        if !self.is_cut() {
            self.before(call);
        }
        Verdict::Pass
    }

    fn leave(&mut self, call: &Call, result: i64) {
        if self.is_cut() {
            return;
        }
        match call.syscall {
            Syscall::Sync if result == 0 => {
                let Some(place) = call.file(call.arguments[0]) else { return };
                if place.is_dir() {
                    self.names.retain(|change| change.folder != place);
                } else if let Some((inode, _)) = self.open_file(call, call.arguments[0]) {
                    self.unflushed.remove(&inode);
                }
            }
            // A new file has no content that is flushed.
            Syscall::Open if result >= 0 => {
                let Some((inode, length)) = self.open_file(call, result as u64) else { return };
                let path = call.file(result as u64);
                if length == 0 && self.names.iter().any(|change| Some(&change.path) == path.as_ref()) {
                    self.unflushed.entry(inode).or_insert(0);
                }
            }
            Syscall::Open
            | Syscall::MakeDir
            | Syscall::Link
            | Syscall::Symlink
            | Syscall::Rename
            | Syscall::Unlink
            | Syscall::RemoveDir
                if result < 0 =>
            {
                let path = call.target();
                if let Some(last) = self.names.iter().rposition(|change| change.path == path) {
                    self.names.remove(last);
                }
            }
            _ => {}
        }
    }
}

impl Change {
    /// Makes the name as it was, in the copy to which `moved` leads. A change that the kill prevented finds nothing to
    /// take back.
    fn take_back(&self, moved: &dyn Fn(&Path) -> PathBuf) {
        let path = moved(&self.path);
        let restore = |kept: &Path| drop(fs::copy(kept, &path));
        match &self.before {
            Before::Nothing => {
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
            Before::Kept(kept) if path.symlink_metadata().is_err() => restore(kept),
            Before::Elsewhere { from, replaced } if moved(from).symlink_metadata().is_err() => {
                let _ = fs::rename(&path, moved(from));
                if let Some(kept) = replaced {
                    restore(kept);
                }
            }
            Before::Folder => drop(fs::create_dir(path)),
            Before::Kept(_) | Before::Elsewhere { .. } => {}
        }
    }
}

/// All files and links below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let place = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) { folders.push(place) } else { found.push(place) }
        }
    }
    found.sort();
    found
}

/// Copies a folder, links as links.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
        let kind = entry.unwrap().file_type().unwrap();
        if kind.is_dir() {
            copy(&from, &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(from).unwrap(), to).unwrap();
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}
