//! Kernel pipes that bytes of bulky streams pass through, so that they never enter this process.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a pipe is made to hold. Where the kernel does not grant that, its default does, more slowly.
const SIZE: usize = 256 * 1024;

/// Empty pipes that are kept for the next stream, in each thread, as long as other threads can have as many.
const SPARE: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<Ends>> = const { RefCell::new(Vec::new()) };
}

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
    permit: OwnedSemaphorePermit,
}

/// A pipe for one direction of one stream. One that ends up empty goes back into the pool.
pub struct Pipe {
    ends: Option<Ends>,
    held: usize,
}

impl Pipe {
    /// A pipe, which has a permit of `room` for as long as it is open. `None` where there can be no more: the caller copies instead.
    pub fn take(room: &Arc<Semaphore>) -> Option<Self> {
        let ends = POOL.with_borrow_mut(Vec::pop).or_else(|| {
            let permit = Arc::clone(room).try_acquire_owned().ok()?;
            let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
            let _ = fcntl_setpipe_size(&write, SIZE);
            Some(Ends { read, write, permit })
        })?;
        Some(Self { ends: Some(ends), held: 0 })
    }

    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what `from` has into the pipe, which must be empty: so `WouldBlock` can only mean that `from` has nothing. 0 at its end.
    pub fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        self.held = splice(from, None, &ends.write, None, SIZE, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        Ok(self.held)
    }

    /// Passes on as much as `to` takes.
    pub fn drain(&mut self, to: impl AsFd) -> io::Result<()> {
        let Some(ends) = &self.ends else { return Ok(()) };
        self.held -= splice(&ends.read, None, to, None, self.held, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let (true, Some(ends)) = (self.is_empty(), self.ends.take()) {
            POOL.with_borrow_mut(|pool| {
                if pool.len() < SPARE && ends.permit.semaphore().available_permits() >= SPARE {
                    pool.push(ends);
                }
            });
        }
    }
}
