//! A child process with a limit. It leads a session, so that what it started ends with it, and it ends itself where who waits
//! for it is killed.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{
        Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process_group, set_parent_process_death_signal,
        setsid, waitid,
    },
};

/// How long what a child has written may take to arrive when it has ended.
const GRACE: Duration = Duration::from_secs(2);

/// How long it may take to end when it is asked to.
const POLITE: Duration = Duration::from_secs(1);

/// How often it is seen whether it has ended while its output is open.
const INTERVAL: Duration = Duration::from_millis(200);

/// Longer than any limit.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The groups of the children that are running. One is in it as long as its number is surely its own.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Nobody waits any more until a program has ended politely.
static IN_A_HURRY: AtomicBool = AtomicBool::new(false);

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every program that is being run now, with all that it has started. Whoever waits for it sees it fail.
pub fn end_all() {
    end(&running());
}

/// The same without waiting until they have ended by themselves; whoever waits for that waits no longer. For who is in a hurry
/// to end itself.
pub fn end_all_now() {
    IN_A_HURRY.store(true, Ordering::Relaxed);
    end(&running());
}

/// Politely first, so that a program that runs others in groups of their own ends those.
fn end(groups: &[Pid]) {
    let send = |signal| {
        for group in groups {
            // One that has just ended is no longer there.
            let _ = kill_process_group(*group, signal);
        }
    };
    send(Signal::TERM);
    let since = Instant::now();
    let waits = || since.elapsed() < POLITE && !IN_A_HURRY.load(Ordering::Relaxed);
    while waits() && !groups.iter().all(|group| has_ended(*group, WaitIdOptions::NOHANG)) {
        thread::sleep(POLITE / 50);
    }
    send(Signal::KILL);
}

/// How a child ended.
pub(super) enum Ended {
    By(ExitStatus),
    /// It was ended at its limit.
    AtLimit,
}

/// A child, and a thread that ends it at its limit.
pub(super) struct Running {
    child: Child,
    pub(super) limit: Duration,
    deadline: Instant,
    /// None once it has been waited for.
    watchdog: Option<Watchdog>,
}

/// Says whether it had to end the child.
struct Watchdog {
    thread: thread::JoinHandle<bool>,
    /// Dropped when the child has ended.
    over: Sender<()>,
}

/// Once for a command, however often it is run: each child leads a session of its own. It has no terminal there, so that
/// what would ask at one fails instead of waiting for an answer.
pub(super) fn prepare(command: &mut Command) {
    let parent = getpid();
    // SAFETY: between fork and exec there are three system calls, which neither allocate nor take a lock.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            set_parent_process_death_signal(Some(Signal::KILL))?;
            if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
        });
    }
}

impl Running {
    /// Starts a command that has been prepared.
    pub(super) fn start(command: &mut Command, limit: Duration) -> io::Result<Self> {
        let limit = limit.min(YEAR);
        // The lock is held, so that nobody who ends all misses one that is just being started.
        let mut groups = running();
        let child = command.spawn()?;
        let group = Pid::from_child(&child);
        groups.push(group);
        drop(groups);
        let (over, is_over) = mpsc::channel();
        let thread = thread::spawn(move || {
            if is_over.recv_timeout(limit) != Err(RecvTimeoutError::Timeout) {
                return false;
            }
            // It may have ended, and only what it has started keeps its output open.
            let late = !has_ended(group, WaitIdOptions::NOHANG);
            let groups = running();
            if groups.contains(&group) {
                end(&[group]);
            }
            late
        });
        let watchdog = Some(Watchdog { thread, over });
        Ok(Running { child, limit, deadline: Instant::now() + limit, watchdog })
    }

    /// What it writes to standard output and to standard error, as far as they are piped.
    pub(super) fn outputs(&mut self) -> (Receiver<Vec<u8>>, Receiver<Vec<u8>>) {
        (pieces_of(self.child.stdout.take()), pieces_of(self.child.stderr.take()))
    }

    /// The next piece; none at the end. Something that the child left behind may keep its output open for ever, so there is a
    /// limit here as well.
    pub(super) fn next(&self, pieces: &Receiver<Vec<u8>>) -> Option<Vec<u8>> {
        let mut until = self.deadline + GRACE;
        let mut ended = false;
        loop {
            match pieces.recv_timeout(INTERVAL) {
                Ok(piece) => return Some(piece),
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                Err(_) => return None,
            }
            if !ended && has_ended(Pid::from_child(&self.child), WaitIdOptions::NOHANG) {
                ended = true;
                until = until.min(Instant::now() + GRACE);
            }
        }
    }

    pub(super) fn wait(mut self) -> io::Result<Ended> {
        self.reap()
    }

    fn reap(&mut self) -> io::Result<Ended> {
        let group = Pid::from_child(&self.child);
        has_ended(group, WaitIdOptions::empty());
        running().retain(|other| *other != group);
        let late = self.watchdog.take().is_some_and(|Watchdog { thread, over }| {
            drop(over);
            thread.join().unwrap_or(false)
        });
        let status = self.child.wait()?;
        Ok(if late { Ended::AtLimit } else { Ended::By(status) })
    }
}

impl Drop for Running {
    /// Whoever would have waited for it has panicked: it is ended, and its number is somebody else's from then on.
    fn drop(&mut self) {
        if self.watchdog.is_some() {
            end(&[Pid::from_child(&self.child)]);
            let _ = self.reap();
        }
    }
}

/// Its number stays its own until it is waited for in earnest.
fn has_ended(child: Pid, how: WaitIdOptions) -> bool {
    loop {
        match waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | how) {
            Err(Errno::INTR) => {}
            Ok(None) => return false,
            Ok(Some(_)) | Err(_) => return true,
        }
    }
}

/// A thread reads, so that whoever waits for a piece can stop waiting.
fn pieces_of(output: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut output) = output {
        thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            loop {
                match output.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(length) if length > 0 && sender.send(piece[..length].to_vec()).is_ok() => {}
                    _ => break,
                }
            }
        });
    }
    receiver
}

/// Whether a process is one of those that would be ended.
#[cfg(test)]
pub(super) fn is_known(number: i32) -> bool {
    running().iter().any(|group| group.as_raw_nonzero().get() == number)
}
