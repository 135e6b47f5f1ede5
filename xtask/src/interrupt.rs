//! Ctrl-C, a polite end, and a reader who has gone. The programs that are running are ended with all that they have started.
//! A verb that has something to take away first sees them fail, and takes it away; a second Ctrl-C ends that, too, at once.

use std::{
    io::{self, ErrorKind},
    panic::{self, AssertUnwindSafe},
    process::{self, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result};
use common::{
    command::{end_all, end_all_now},
    stop,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

static WATCHED: AtomicBool = AtomicBool::new(false);

/// With this exit code.
struct NotWritten(u8);

/// As a shell has it of a program that SIGPIPE ended.
const BROKEN_PIPE: u8 = 128 + 13;

/// As a shell has it of a program that SIGINT ended; also for the other signals.
const INTERRUPTED: i32 = 128 + 2;

/// What ends this program, each where it is not ignored.
const ENDING: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// Sees to them, from the start of the program on. One that whoever started it has it ignore, as nohup does, stays ignored.
pub fn handle() -> Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot tell which signals are ignored")?;
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let ignored = ignored.context("/proc/self/status does not say which signals are ignored")?;
    let handled = ENDING.into_iter().filter(|signal| ignored & 1 << (signal - 1) == 0);
    let mut signals = Signals::new(handled).context("cannot watch for Ctrl-C")?;
    thread::spawn(move || {
        let mut came = false;
        for signal in signals.forever() {
            if !came {
                // It may take a second, and whoever presses Ctrl-C again does not want to wait for it.
                thread::spawn(end);
            } else if asks_again(signal) {
                end_all_now();
                process::exit(INTERRUPTED);
            }
            came = true;
        }
    });
    Ok(())
}

/// Whether it is somebody's wish to have an end at once, when one came before. A terminal that is closed hangs up more than once:
/// its kernel and its shell do.
fn asks_again(signal: i32) -> bool {
    signal != SIGHUP
}

/// What the first one does.
fn end() {
    // First, so that nobody tries again what is ended here.
    let last = !WATCHED.load(Ordering::Relaxed) || stop::interrupt();
    end_all();
    if last {
        process::exit(INTERRUPTED);
    }
}

/// From now on the first one does not end this process.
pub fn watch() {
    WATCHED.store(true, Ordering::Relaxed);
}

/// Whether it came: every wait ends then.
pub fn came() -> bool {
    stop::is_interrupted()
}

/// What is printed cannot be written, because nobody reads any more or the disk is full. Who watches takes that as Ctrl-C;
/// every other verb is left from where it is, and takes away what it has there.
pub fn not_written(error: &io::Error) {
    let not_written = NotWritten(if error.kind() == ErrorKind::BrokenPipe { BROKEN_PIPE } else { 1 });
    if WATCHED.load(Ordering::Relaxed) {
        stop::interrupt();
    } else if thread::current().name() != Some("main") {
        end_all();
        process::exit(not_written.0.into());
    } else if !thread::panicking() {
        // No panic, which would be told: only the way out.
        panic::resume_unwind(Box::new(not_written));
    }
}

/// Runs a verb to its end, or until what it prints cannot be written.
pub fn until_not_written(verb: impl FnOnce() -> ExitCode) -> ExitCode {
    panic::catch_unwind(AssertUnwindSafe(verb)).unwrap_or_else(|left| match left.downcast::<NotWritten>() {
        Ok(not_written) => not_written.0.into(),
        Err(panic) => panic::resume_unwind(panic),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_hangs_up_twice_leaves_the_time_to_take_away_what_is_there() {
        assert!(!asks_again(SIGHUP));
        assert!(asks_again(SIGINT) && asks_again(SIGTERM));
    }
}
