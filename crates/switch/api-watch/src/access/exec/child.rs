//! A program that is run for what it prints: without input, for so long at most, and with so much output at most.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

/// Far larger than any credential.
const MOST_OUTPUT: usize = 1 << 20;

/// So much of what it says of an error is kept.
const MOST_STDERR: usize = 16 << 10;

/// So much of a text that others wrote is shown.
const MOST_SHOWN: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("it cannot be started: {0}: see that it is a program that this user may run")]
    NotStarted(io::Error),
    #[error("it did not end within {0:?} and was killed: see what it waits for; it gets no input")]
    TooLong(Duration),
    #[error("it printed more than {} MiB and was killed: an ExecCredential is all that it may print", MOST_OUTPUT >> 20)]
    TooMuch,
    #[error("it failed with {status}{}: run it by hand to see why", said(stderr))]
    Failed { status: ExitStatus, stderr: String },
    #[error("it ran, and what it printed cannot be read: {0}")]
    NotRead(io::Error),
}

/// Runs it and gives what it printed. Whatever it started is killed with it where it does not end well in time.
pub(super) fn output(command: &mut Command, limit: Duration) -> Result<Vec<u8>, Failure> {
    let deadline = Instant::now() + limit;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(Failure::NotStarted)?;
    let ended = read(&mut child, deadline).and_then(|read| Ok((read, wait(&mut child, deadline)?)));
    match ended {
        Ok(([printed, stderr], status)) if status.success() => {
            if !stderr.is_empty() {
                let said = one_line(&String::from_utf8_lossy(&stderr));
                tracing::debug!("{:?} gave credentials and said: {said}", command.get_program());
            }
            Ok(printed)
        }
        Ok(([_, stderr], status)) => {
            Err(Failure::Failed { status, stderr: one_line(&String::from_utf8_lossy(&stderr)) })
        }
        Err(why) => {
            // It has not been waited for, so the number is its own yet.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            Err(if let Failure::TooLong(_) = why { Failure::TooLong(limit) } else { why })
        }
    }
}

/// Both streams, until they end.
fn read(child: &mut Child, deadline: Instant) -> Result<[Vec<u8>; 2], Failure> {
    let mut open: Vec<(usize, OwnedFd)> = Vec::new();
    open.extend(child.stdout.take().map(|pipe| (0, pipe.into())));
    open.extend(child.stderr.take().map(|pipe| (1, pipe.into())));
    let mut read = [Vec::new(), Vec::new()];
    let mut buffer = [0; 4096];
    while !open.is_empty() {
        let mut polled: Vec<_> = open.iter().map(|(_, pipe)| PollFd::new(pipe, PollFlags::IN)).collect();
        let left =
            Timespec::try_from(left(deadline)?).map_err(|_| Failure::NotRead(io::ErrorKind::InvalidInput.into()))?;
        match poll(&mut polled, Some(&left)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::NotRead(error.into())),
        }
        let ready: Vec<bool> = polled.iter().map(|pipe| !pipe.revents().is_empty()).collect();
        let mut ended = Vec::new();
        for ((which, pipe), _) in open.iter().zip(ready).filter(|(_, ready)| *ready) {
            let number = match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => {
                    ended.push(*which);
                    continue;
                }
                Ok(number) => number,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(Failure::NotRead(error.into())),
            };
            read[*which].extend_from_slice(&buffer[..number]);
            read[1].truncate(MOST_STDERR);
            if read[0].len() > MOST_OUTPUT {
                return Err(Failure::TooMuch);
            }
        }
        open.retain(|(which, _)| !ended.contains(which));
    }
    Ok(read)
}

fn wait(child: &mut Child, deadline: Instant) -> Result<ExitStatus, Failure> {
    loop {
        if let Some(status) = child.try_wait().map_err(Failure::NotRead)? {
            return Ok(status);
        }
        // It has closed its output, so this is short.
        sleep(left(deadline)?.min(Duration::from_millis(5)));
    }
}

fn left(deadline: Instant) -> Result<Duration, Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Failure::TooLong(left)) } else { Ok(left) }
}

/// Text that anybody may have written, in a line that a log can have.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(MOST_SHOWN).collect()
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(" and said: {stderr}") }
}
