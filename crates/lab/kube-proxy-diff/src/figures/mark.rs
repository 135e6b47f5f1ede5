//! When the node's tables changed: asked of the kernel every millisecond, without reading the tables. It shares no code with what
//! is measured.

use std::{
    ffi::c_int,
    io,
    mem::size_of,
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

use crate::{netns::Netns, world::IptablesVariant};

const EACH: Duration = Duration::from_millis(1);

/// Two numbers that change when the tables do: what the nat table holds and how large it is, or nftables' generation.
type Mark = [u32; 2];

/// Watches the tables of one namespace until it is dropped.
pub struct Changes {
    seen: Arc<Mutex<Vec<Instant>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Changes {
    /// Changes from now on.
    pub fn watch(netns: &Netns, iptables: IptablesVariant) -> Result<Changes> {
        let socket = netns.enter(|| open(iptables))?.context("cannot ask the kernel about its tables")?;
        let mut before = mark(&socket, iptables).context("the kernel does not tell about its tables")?;
        let (seen, stop) = (Arc::new(Mutex::new(vec![])), Arc::new(AtomicBool::new(false)));
        let (tell, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let watch = move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(now) = mark(&socket, iptables)
                    && now != before
                {
                    before = now;
                    tell.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                }
                thread::sleep(EACH);
            }
        };
        let thread = thread::Builder::new().name("tables".to_owned()).spawn(watch)?;
        Ok(Changes { seen, stop, thread: Some(thread) })
    }

    /// When they changed last, and how often they have.
    pub fn last(&self) -> Option<(Instant, usize)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Some((*seen.last()?, seen.len()))
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic; and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

fn open(iptables: IptablesVariant) -> io::Result<OwnedFd> {
    let (family, protocol) = match iptables {
        IptablesVariant::Legacy => (AddressFamily::INET, rustix::net::ipproto::RAW),
        IptablesVariant::Nft => (AddressFamily::NETLINK, netlink::NETFILTER),
    };
    Ok(socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))?)
}

fn mark(socket: &OwnedFd, iptables: IptablesVariant) -> io::Result<Mark> {
    match iptables {
        IptablesVariant::Legacy => nat_table(socket),
        IptablesVariant::Nft => Ok([generation(socket)?, 0]),
    }
}

/// The kernel's `struct ipt_getinfo`.
#[repr(C)]
#[derive(Default)]
struct Info {
    name: [u8; 32],
    valid_hooks: u32,
    hook_entry: [u32; 5],
    underflow: [u32; 5],
    num_entries: u32,
    size: u32,
}

/// `IPT_SO_GET_INFO`
const GET_INFO: c_int = 64;

fn nat_table(socket: &OwnedFd) -> io::Result<Mark> {
    let mut info = Info::default();
    info.name[..3].copy_from_slice(b"nat");
    let mut length = size_of::<Info>() as libc::socklen_t;
    // SAFETY: the kernel reads and writes `length` bytes, all of `info`, which is plain integers.
    let answer = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, GET_INFO, (&raw mut info).cast(), &raw mut length)
    };
    if answer == 0 { Ok([info.num_entries, info.size]) } else { Err(io::Error::last_os_error()) }
}

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN`
const GET_GENERATION: u16 = (10 << 8) | 16;
/// `struct nlmsghdr` and `struct nfgenmsg`.
const HEADERS: usize = 16 + 4;

/// The generation is the answer's first attribute.
fn generation(socket: &OwnedFd) -> io::Result<u32> {
    let mut request = [0_u8; HEADERS];
    request[0..4].copy_from_slice(&(HEADERS as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&GET_GENERATION.to_ne_bytes());
    request[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    send(socket, &request, SendFlags::empty())?;
    let mut answer = [0_u8; 256];
    let (length, _) = recv(socket, &mut answer[..], RecvFlags::empty())?;
    let value = answer[..length].get(HEADERS + 4..HEADERS + 8).and_then(|bytes| bytes.try_into().ok());
    value.map(u32::from_be_bytes).ok_or_else(|| io::Error::other("the kernel's answer has no generation"))
}
