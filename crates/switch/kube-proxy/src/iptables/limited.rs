//! A program that may not take for ever: after a limit it is killed, with whatever it has started.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// A child, and a thread that waits to kill it.
pub struct Limited {
    pub child: Child,
    ended: Sender<()>,
    watchdog: JoinHandle<bool>,
    limit: Duration,
}

impl Limited {
    pub fn spawn(command: &mut Command, limit: Duration) -> io::Result<Self> {
        // A group of its own, so that nothing that it starts keeps its pipes open.
        let child = command.process_group(0).spawn()?;
        let group = Pid::from_child(&child);
        let (ended, waits) = mpsc::channel();
        let watchdog = std::thread::spawn(move || {
            let late = waits.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            // It has not been waited for, so that nobody else can have its number.
            late && kill_process_group(group, Signal::KILL).is_ok()
        });
        Ok(Self { child, ended, watchdog, limit })
    }

    /// Waits for its end; an error where it had to be killed.
    pub fn wait(mut self) -> io::Result<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(error) = waitid(WaitId::Pid(pid), exited) {
            if error != rustix::io::Errno::INTR {
                break;
            }
        }
        drop(self.ended);
        let killed = self.watchdog.join().unwrap_or(false);
        let status = self.child.wait()?;
        if killed {
            let why = format!("it took more than {:?} and was killed", self.limit);
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        Ok(status)
    }
}
