//! Both xtables locks, for versions of iptables-restore that take none themselves: the file of 1.6 and newer, and the abstract socket
//! of 1.4.20 to 1.5, which is the network namespace's.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::fd::OwnedFd,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with},
};

const PATH: &str = "/run/xtables.lock";
const SOCKET: &[u8] = b"xtables";
const EACH: Duration = Duration::from_millis(50);

/// Both locks, as long as it lives.
#[derive(Debug)]
pub struct Held {
    _file: File,
    _socket: OwnedFd,
}

/// `None` where they could not be had within `limit`.
pub fn hold(limit: Duration) -> io::Result<Option<Held>> {
    let until = Instant::now() + limit;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(PATH)?;
    let got = wait(until, || match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })?;
    if !got {
        return Ok(None);
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let name = SocketAddrUnix::new_abstract_name(SOCKET)?;
    let got = wait(until, || match bind(&socket, &name) {
        Ok(()) => Ok(true),
        Err(Errno::ADDRINUSE) => Ok(false),
        Err(error) => Err(error.into()),
    })?;
    Ok(got.then_some(Held { _file: file, _socket: socket }))
}

fn wait(until: Instant, mut attempt: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    loop {
        if attempt()? {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        sleep(EACH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns;

    #[test]
    #[ignore = "needs root, for a network namespace and /run"]
    fn who_has_the_socket_of_old_versions_or_the_file_of_new_ones_keeps_others_out() {
        let inside = || {
            netns::unshare().unwrap();
            let moment = Duration::from_millis(1);
            // As iptables 1.4.21 does it: seven letters behind a NUL.
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
            bind(&socket, &SocketAddrUnix::new_abstract_name(b"xtables").unwrap()).unwrap();
            assert!(hold(moment).unwrap().is_none(), "an old iptables is at work");
            drop(socket);
            let held = hold(Duration::from_secs(20)).unwrap().unwrap();
            assert!(hold(moment).unwrap().is_none());
            let file = File::open(PATH).unwrap();
            assert!(file.try_lock().is_err(), "a new iptables would not wait");
            drop(held);
            assert!(hold(Duration::from_secs(20)).unwrap().is_some());
        };
        std::thread::spawn(inside).join().unwrap();
    }
}
