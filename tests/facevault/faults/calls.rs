//! The system calls through which a program reaches files and the network.

use nix::libc::{self, c_long};

/// What a call is for, whatever its variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Syscall {
    Open,
    Close,
    Read,
    Write,
    Copy,
    Seek,
    Sync,
    Truncate,
    Rename,
    Link,
    Symlink,
    Unlink,
    MakeDir,
    RemoveDir,
    Mode,
    Stat,
    List,
    ReadLink,
    Lock,
    Map,
    Space,
    Socket,
    Connect,
    Send,
    Receive,
    Poll,
    Thread,
    Clock,
    /// Not a file operation: the first call of the program itself, after the dynamic loader.
    SignalStack,
}

const LISTED: &[(c_long, Syscall)] = &[
    (libc::SYS_open, Syscall::Open),
    (libc::SYS_openat, Syscall::Open),
    (libc::SYS_creat, Syscall::Open),
    (libc::SYS_close, Syscall::Close),
    (libc::SYS_read, Syscall::Read),
    (libc::SYS_pread64, Syscall::Read),
    (libc::SYS_readv, Syscall::Read),
    (libc::SYS_write, Syscall::Write),
    (libc::SYS_pwrite64, Syscall::Write),
    (libc::SYS_writev, Syscall::Write),
    (libc::SYS_copy_file_range, Syscall::Copy),
    (libc::SYS_sendfile, Syscall::Copy),
    (libc::SYS_splice, Syscall::Copy),
    (libc::SYS_lseek, Syscall::Seek),
    (libc::SYS_fsync, Syscall::Sync),
    (libc::SYS_fdatasync, Syscall::Sync),
    (libc::SYS_truncate, Syscall::Truncate),
    (libc::SYS_ftruncate, Syscall::Truncate),
    (libc::SYS_fallocate, Syscall::Truncate),
    (libc::SYS_rename, Syscall::Rename),
    (libc::SYS_renameat, Syscall::Rename),
    (libc::SYS_renameat2, Syscall::Rename),
    (libc::SYS_link, Syscall::Link),
    (libc::SYS_linkat, Syscall::Link),
    (libc::SYS_symlink, Syscall::Symlink),
    (libc::SYS_symlinkat, Syscall::Symlink),
    (libc::SYS_unlink, Syscall::Unlink),
    (libc::SYS_unlinkat, Syscall::Unlink),
    (libc::SYS_mkdir, Syscall::MakeDir),
    (libc::SYS_mkdirat, Syscall::MakeDir),
    (libc::SYS_rmdir, Syscall::RemoveDir),
    (libc::SYS_chmod, Syscall::Mode),
    (libc::SYS_fchmod, Syscall::Mode),
    (libc::SYS_fchmodat, Syscall::Mode),
    (libc::SYS_stat, Syscall::Stat),
    (libc::SYS_lstat, Syscall::Stat),
    (libc::SYS_fstat, Syscall::Stat),
    (libc::SYS_newfstatat, Syscall::Stat),
    (libc::SYS_statx, Syscall::Stat),
    (libc::SYS_access, Syscall::Stat),
    (libc::SYS_faccessat, Syscall::Stat),
    (libc::SYS_getdents64, Syscall::List),
    (libc::SYS_readlink, Syscall::ReadLink),
    (libc::SYS_readlinkat, Syscall::ReadLink),
    (libc::SYS_flock, Syscall::Lock),
    (libc::SYS_mmap, Syscall::Map),
    (libc::SYS_statfs, Syscall::Space),
    (libc::SYS_fstatfs, Syscall::Space),
    (libc::SYS_socket, Syscall::Socket),
    (libc::SYS_connect, Syscall::Connect),
    (libc::SYS_sendto, Syscall::Send),
    (libc::SYS_sendmsg, Syscall::Send),
    (libc::SYS_recvfrom, Syscall::Receive),
    (libc::SYS_recvmsg, Syscall::Receive),
    (libc::SYS_poll, Syscall::Poll),
    (libc::SYS_ppoll, Syscall::Poll),
    (libc::SYS_clone3, Syscall::Thread),
    (libc::SYS_clock_gettime, Syscall::Clock),
    (libc::SYS_sigaltstack, Syscall::SignalStack),
];

/// The numbers of all listed calls, readings of the clock only if asked for.
pub fn numbers(clock: bool) -> impl Iterator<Item = c_long> {
    LISTED.iter().filter(move |(_, syscall)| clock || *syscall != Syscall::Clock).map(|(number, _)| *number)
}

/// What a call is for.
pub fn of(number: u64) -> Option<Syscall> {
    LISTED.iter().find(|(listed, _)| *listed as u64 == number).map(|(_, syscall)| *syscall)
}

/// Whether a call is a variant that takes a folder before its path.
pub fn takes_folder(number: u64) -> bool {
    matches!(
        number as c_long,
        libc::SYS_openat
            | libc::SYS_renameat
            | libc::SYS_renameat2
            | libc::SYS_linkat
            | libc::SYS_unlinkat
            | libc::SYS_mkdirat
            | libc::SYS_symlinkat
    )
}

impl Syscall {
    /// Whether it changes what is on disk.
    pub fn changes(self) -> bool {
        use Syscall::{Copy, Link, MakeDir, Mode, RemoveDir, Rename, Symlink, Sync, Truncate, Unlink, Write};
        matches!(self, Write | Copy | Sync | Truncate | Rename | Link | Symlink | Unlink | MakeDir | RemoveDir | Mode)
    }

    /// Whether it needs space on disk.
    pub fn grows(self) -> bool {
        use Syscall::{Copy, Link, MakeDir, Open, Rename, Symlink, Sync, Truncate, Write};
        matches!(self, Open | Write | Copy | Sync | Truncate | Rename | Link | Symlink | MakeDir)
    }
}
