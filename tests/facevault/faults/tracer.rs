//! Runs the binary so that every file and network call of every thread stops here first, whichever library makes it.
//!
//! A seccomp filter hands the listed system calls to this process (`ptrace`), which lets them pass, fails them, shortens
//! them, delays them, or kills the program. The program under test is the one that users run: nothing in it knows.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, fs, io, mem, thread};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Event};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls::{self, Syscall};

/// The working directory, as a folder of a call.
const HERE: u64 = libc::AT_FDCWD as u64;

/// How a program is traced.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The clock is a call like any other: programs usually read it without the kernel.
    pub clock: bool,
    /// A program that runs longer hangs.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: false, patience: Duration::from_mins(1) }
    }
}

/// A system call that is about to happen.
pub struct Call {
    /// The thread that makes it.
    pub thread: Pid,
    /// The kernel's number of this variant.
    number: u64,
    pub syscall: Syscall,
    pub arguments: [u64; 6],
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// It does nothing and returns this error.
    Fail(Errno),
    /// It moves at most this many bytes.
    Short(u64),
    /// It happens after a pause.
    Late(Duration),
    /// The program is killed instead.
    Kill,
}

/// What looks at each call.
pub trait Observer {
    fn enter(&mut self, call: &Call) -> Verdict;
    /// A call that passed has returned this value, negative for an error.
    fn leave(&mut self, _: &Call, _result: i64) {}
}

/// How the program ended.
#[derive(Debug)]
pub enum Ending {
    Exit(i32),
    Signal(Signal),
    /// Not at all.
    Hang,
}

/// Whether programs can be traced here: containers often forbid it.
pub fn allowed() -> bool {
    struct Count(usize);
    impl Observer for Count {
        fn enter(&mut self, _: &Call) -> Verdict {
            self.0 += 1;
            Verdict::Pass
        }
    }
    let mut count = Count(0);
    let ended = run(Command::new("/bin/true"), Options::default(), &mut count);
    matches!(ended, Ok(Ending::Exit(0)))
}

/// Runs a command to its end. The command must not redirect to pipes that nobody reads.
pub fn run(mut command: Command, options: Options, observer: &mut dyn Observer) -> io::Result<Ending> {
    let Options { clock, patience } = options;
    let filter = filter(clock);
    // SAFETY: between fork and exec, the closure makes system calls only, and allocates nothing.
    unsafe { command.pre_exec(move || hand_over(&filter)) };
    let child = command.spawn()?;
    let main = Pid::from_raw(child.id() as i32);
    // Tracing begins where the new program does. Until then no listed call is made.
    let stopped = waitpid(main, Some(WaitPidFlag::__WALL))?;
    if !matches!(stopped, WaitStatus::Stopped(_, Signal::SIGTRAP)) {
        return Err(io::Error::other(format!("tracing is not possible: {stopped:?}")));
    }
    let stops = ptrace::Options::PTRACE_O_TRACESECCOMP
        | ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_TRACEFORK
        | ptrace::Options::PTRACE_O_TRACEVFORK
        | ptrace::Options::PTRACE_O_TRACESYSGOOD
        | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(main, stops)?;
    if clock {
        hide_vdso(main)?;
    }
    ptrace::cont(main, None)?;
    let mut tracer = Tracer { main, begun: false, inside: HashMap::new(), observer };
    // A program that hangs is killed, and that is how it ended.
    let (ended, end) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        let hung = end.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout);
        hung && kill(main, Signal::SIGKILL).is_ok()
    });
    let ending = tracer.follow();
    drop(ended);
    if watchdog.join().unwrap_or(false) { Ok(Ending::Hang) } else { ending }
}

struct Tracer<'a> {
    main: Pid,
    /// Whether the dynamic loader is done and the program itself runs.
    begun: bool,
    /// The calls that wait for their results, by thread.
    inside: HashMap<Pid, Call>,
    observer: &'a mut dyn Observer,
}

impl Tracer<'_> {
    fn follow(&mut self) -> io::Result<Ending> {
        // Only what this thread started: tests run side by side.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let mut ending = None;
        loop {
            let status = match waitpid(None, Some(flags)) {
                Ok(status) => status,
                Err(Errno::EINTR) => continue,
                Err(Errno::ECHILD) => return ending.ok_or_else(|| io::Error::other("the program vanished")),
                Err(error) => return Err(error.into()),
            };
            let done = match status {
                WaitStatus::PtraceEvent(thread, _, event) if event == Event::PTRACE_EVENT_SECCOMP as i32 => {
                    self.enter(thread)
                }
                WaitStatus::PtraceSyscall(thread) => self.leave(thread),
                WaitStatus::PtraceEvent(thread, ..)
                | WaitStatus::Stopped(thread, Signal::SIGSTOP | Signal::SIGTRAP) => ptrace::cont(thread, None),
                WaitStatus::Stopped(thread, signal) => ptrace::cont(thread, signal),
                WaitStatus::Exited(thread, code) => {
                    if thread == self.main {
                        ending = Some(Ending::Exit(code));
                    }
                    Ok(())
                }
                WaitStatus::Signaled(thread, signal, _) => {
                    if thread == self.main {
                        ending = Some(Ending::Signal(signal));
                    }
                    Ok(())
                }
                _ => Ok(()),
            };
            // A thread that a kill took away is no longer there to go on.
            match done {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn enter(&mut self, thread: Pid) -> nix::Result<()> {
        let registers = ptrace::getregs(thread)?;
        let syscall = calls::of(registers.orig_rax).expect("only listed calls stop");
        if syscall == Syscall::SignalStack {
            self.begun = true;
        }
        if !self.begun || syscall == Syscall::SignalStack {
            return ptrace::cont(thread, None);
        }
        let r = &registers;
        let call = Call { thread, number: r.orig_rax, syscall, arguments: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] };
        match self.observer.enter(&call) {
            Verdict::Pass => {}
            Verdict::Late(pause) => thread::sleep(pause),
            Verdict::Short(bytes) => {
                ptrace::setregs(thread, libc::user_regs_struct { rdx: registers.rdx.min(bytes), ..registers })?;
            }
            Verdict::Fail(error) => {
                // No call at all, and the result of a failed one.
                let rax = (-(error as i64)) as u64;
                ptrace::setregs(thread, libc::user_regs_struct { orig_rax: u64::MAX, rax, ..registers })?;
                return ptrace::cont(thread, None);
            }
            Verdict::Kill => return kill(self.main, Signal::SIGKILL),
        }
        self.inside.insert(thread, call);
        ptrace::syscall(thread, None)
    }

    fn leave(&mut self, thread: Pid) -> nix::Result<()> {
        if let Some(call) = self.inside.remove(&thread) {
            self.observer.leave(&call, ptrace::getregs(thread)?.rax as i64);
        }
        ptrace::cont(thread, None)
    }
}

/// Asks to be traced and installs the filter. Runs in the child, before exec.
fn hand_over(filter: &[libc::sock_filter]) -> io::Result<()> {
    ptrace::traceme()?;
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the arguments are those that prctl(2) asks for; the kernel copies the program, which outlives the call.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if installed { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes the address of the kernel's clock page from a program that has just begun, so that it asks the kernel itself.
fn hide_vdso(program: Pid) -> nix::Result<()> {
    let word = |address: u64| ptrace::read(program, address as ptrace::AddressType).map(|word| word as u64);
    // The stack holds argc, the arguments, a zero, the environment, a zero, and pairs of key and value.
    let mut address = ptrace::getregs(program)?.rsp;
    address += 8 * (word(address)? + 2);
    while word(address)? != 0 {
        address += 8;
    }
    address += 8;
    while word(address)? != libc::AT_NULL {
        if word(address)? == libc::AT_SYSINFO_EHDR {
            return ptrace::write(program, address as ptrace::AddressType, libc::AT_IGNORE as libc::c_long);
        }
        address += 16;
    }
    Ok(())
}

/// The filter: the listed calls stop, the others pass.
fn filter(clock: bool) -> Vec<libc::sock_filter> {
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let answer = |action| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, action);
    let number = mem::offset_of!(libc::seccomp_data, nr) as u32;
    let load = instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, number);
    let listed = calls::numbers(clock).flat_map(|number| {
        let is_it = instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number as u32);
        [is_it, answer(libc::SECCOMP_RET_TRACE)]
    });
    std::iter::once(load).chain(listed).chain([answer(libc::SECCOMP_RET_ALLOW)]).collect()
}

impl Call {
    /// Where an open file of the program is; pipes and sockets have no such place.
    pub fn file(&self, descriptor: u64) -> Option<PathBuf> {
        let place = fs::read_link(self.descriptor(descriptor)).ok()?;
        place.is_absolute().then_some(place)
    }

    /// A path to the open file itself, wherever it is and even if it has no name any more.
    pub fn descriptor(&self, descriptor: u64) -> PathBuf {
        format!("/proc/{}/fd/{}", self.thread, descriptor as i32).into()
    }

    /// The absolute path that the call creates, opens or removes; of a rename or link, where it leads.
    pub fn target(&self) -> PathBuf {
        let [a, b, c, d, ..] = self.arguments;
        match (self.syscall, calls::takes_folder(self.number)) {
            (Syscall::Rename | Syscall::Link, true) => self.path(c, d),
            (Syscall::Rename | Syscall::Link | Syscall::Symlink, false) => self.path(HERE, b),
            (Syscall::Symlink, true) => self.path(b, c),
            (_, true) => self.path(a, b),
            (_, false) => self.path(HERE, a),
        }
    }

    /// The absolute path that a rename takes away.
    pub fn origin(&self) -> PathBuf {
        let [a, b, ..] = self.arguments;
        if calls::takes_folder(self.number) { self.path(a, b) } else { self.path(HERE, a) }
    }

    /// The descriptor that a write or copy writes to: `splice` and `copy_file_range` name it third.
    pub fn written(&self) -> u64 {
        let third = [libc::SYS_copy_file_range, libc::SYS_splice].contains(&(self.number as libc::c_long));
        self.arguments[if third { 2 } else { 0 }]
    }

    /// Moves the time that a reading of the clock gave by some seconds.
    pub fn move_time(&self, seconds: i64) {
        let address = self.arguments[1] as ptrace::AddressType;
        let moved =
            ptrace::read(self.thread, address).and_then(|now| ptrace::write(self.thread, address, now + seconds));
        moved.unwrap();
    }

    /// Whether its descriptor is an open folder.
    pub fn open_folder(&self) -> bool {
        fs::metadata(self.descriptor(self.arguments[0])).is_ok_and(|place| place.is_dir())
    }

    /// Whether it writes to the program's standard output or error.
    pub fn own_output(&self) -> bool {
        self.syscall == Syscall::Write && (1..=2).contains(&(self.arguments[0] as i32))
    }

    /// Whether an open may make a file.
    pub fn creates(&self) -> bool {
        self.flags() & libc::O_CREAT != 0
    }

    fn flags(&self) -> i32 {
        (if calls::takes_folder(self.number) { self.arguments[2] } else { self.arguments[1] }) as i32
    }

    /// The path that `pointer` points to, made absolute from a folder.
    fn path(&self, folder: u64, pointer: u64) -> PathBuf {
        let path = PathBuf::from(self.text(pointer));
        if path.is_absolute() {
            return path;
        }
        let base = match folder as i32 {
            libc::AT_FDCWD => fs::read_link(format!("/proc/{}/cwd", self.thread)).ok(),
            _ => self.file(folder),
        };
        base.unwrap_or_else(|| Path::new("/").into()).join(path)
    }

    fn text(&self, pointer: u64) -> String {
        let mut bytes = Vec::new();
        // Word by word: the page behind the last one may not be there.
        while bytes.len() < libc::PATH_MAX as usize {
            let Ok(word) = ptrace::read(self.thread, (pointer as usize + bytes.len()) as ptrace::AddressType) else {
                break;
            };
            let word = word.to_ne_bytes();
            let end = word.iter().position(|byte| *byte == 0);
            bytes.extend_from_slice(&word[..end.unwrap_or(word.len())]);
            if end.is_some() {
                break;
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl fmt::Display for Call {
    /// What it does to which file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Syscall::{
            Clock, Close, Connect, Copy, List, Lock, Map, Open, Poll, Read, Receive, Seek, Send, SignalStack, Socket,
            Sync, Thread, Truncate, Write,
        };
        let syscall = self.syscall;
        if self.own_output() {
            return write!(f, "Write to its own output");
        }
        let descriptor = match syscall {
            Clock | Thread | SignalStack | Socket | Poll => return write!(f, "{syscall:?}"),
            Map => self.arguments[4],
            Write | Copy => self.written(),
            Close | Read | Seek | Sync | Truncate | Lock | List | Connect | Send | Receive => self.arguments[0],
            Open => {
                return write!(
                    f,
                    "{syscall:?} of {}{}",
                    self.target().display(),
                    if self.creates() { " (new)" } else { "" }
                );
            }
            _ => return write!(f, "{syscall:?} of {}", self.target().display()),
        };
        match fs::read_link(self.descriptor(descriptor)) {
            Ok(place) => write!(f, "{syscall:?} of {}", place.display()),
            Err(_) => write!(f, "{syscall:?}"),
        }
    }
}
