//! Work in another network namespace, on a thread of its own: whoever asks for it stays where it is.

use std::{fs::File, os::fd::AsFd, thread};

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// Moves this thread into a new, empty network namespace, for good. The namespace lasts as long as a thread in it or the file does.
pub fn unshare() -> Result<File> {
    // SAFETY: only the network namespace is unshared; file descriptors stay shared between all threads.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.context("cannot make a network namespace; this needs root")?;
    of(None)
}

/// The namespace that a process is in, or this thread.
pub fn of(process: Option<u32>) -> Result<File> {
    let path = process.map_or("/proc/thread-self/ns/net".to_owned(), |process| format!("/proc/{process}/ns/net"));
    File::open(&path).with_context(|| format!("cannot open {path}: has the process ended?"))
}

/// Does `work` in the namespace; threads that it starts are in it, too.
pub fn enter<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> Result<T> {
    let inside = || -> Result<T> {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .context("cannot enter a network namespace; this needs root")?;
        Ok(work())
    };
    let ended = thread::scope(|scope| scope.spawn(inside).join());
    ended.map_err(|_| anyhow!("what was done in a network namespace panicked"))?
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        path::PathBuf,
    };

    use super::*;

    fn here() -> PathBuf {
        std::fs::read_link("/proc/thread-self/ns/net").unwrap()
    }

    #[test]
    #[ignore = "needs root, for a network namespace"]
    fn what_enters_is_there_with_its_threads_and_who_asked_stays() {
        let before = here();
        let other = thread::spawn(unshare).join().unwrap().unwrap();
        let (itself, its_thread) = enter(&other, || (here(), thread::spawn(here).join().unwrap())).unwrap();
        assert!(itself == its_thread && itself != before, "{itself:?}, {its_thread:?}, {before:?}");
        assert_eq!(here(), before);
        assert_eq!(enter(&of(None).unwrap(), here).unwrap(), before);
        assert_eq!(enter(&of(Some(std::process::id())).unwrap(), here).unwrap(), before);
    }

    #[test]
    #[ignore = "needs root, for a network namespace"]
    fn a_socket_stays_in_the_namespace_that_it_was_made_in() {
        let other = thread::spawn(unshare).join().unwrap().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || TcpStream::connect(listener.local_addr().unwrap()).map(drop);
        assert!(connect().is_ok() && enter(&other, connect).unwrap().is_err());
    }

    #[test]
    #[ignore = "needs root, for a network namespace"]
    fn a_panic_there_is_an_error_here() {
        let error = enter(&of(None).unwrap(), || panic!("on purpose")).unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error:#}");
    }
}
