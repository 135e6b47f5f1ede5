//! Has somebody changed the tables? Asked of the kernel with one system call, without reading the tables.

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

use super::{Family, Variant};

/// Numbers that change when somebody changes the tables.
pub type Generation = [u32; 8];

/// An open question to the kernel.
#[derive(Debug)]
pub enum Watch {
    /// iptables-legacy: how many entries the tables have, and how large they are.
    Legacy(OwnedFd, Family),
    /// iptables-nft: the generation of the rule set.
    Nft(OwnedFd),
}

impl Watch {
    pub fn new(variant: Variant, of: Family) -> io::Result<Self> {
        let (family, protocol) = match (variant, of) {
            (Variant::Legacy, Family::V4) => (AddressFamily::INET, rustix::net::ipproto::RAW),
            (Variant::Legacy, Family::V6) => (AddressFamily::INET6, rustix::net::ipproto::RAW),
            (Variant::Nft, _) => (AddressFamily::NETLINK, netlink::NETFILTER),
        };
        let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))?;
        Ok(match variant {
            Variant::Legacy => Self::Legacy(socket, of),
            Variant::Nft => Self::Nft(socket),
        })
    }

    /// Whether nobody can change anything without changing the generation.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Nft(_))
    }

    /// Of four tables at most.
    pub fn generation_of<T: AsRef<str>>(&self, tables: &[T]) -> io::Result<Generation> {
        match self {
            Self::Legacy(socket, family) => {
                let mut generation = Generation::default();
                for (numbers, table) in generation.chunks_exact_mut(2).zip(tables) {
                    let info = table_info(socket, *family, table.as_ref())?;
                    numbers.copy_from_slice(&[info.num_entries, info.size]);
                }
                Ok(generation)
            }
            Self::Nft(socket) => Ok([nft_generation(socket)?, 0, 0, 0, 0, 0, 0, 0]),
        }
    }
}

/// The kernel's `struct ipt_getinfo`, alike for 32 and 64 bits, and for IPv6.
#[repr(C)]
#[derive(Default)]
struct TableInfo {
    name: [u8; 32],
    valid_hooks: u32,
    hook_entry: [u32; 5],
    underflow: [u32; 5],
    num_entries: u32,
    size: u32,
}

/// `IPT_SO_GET_INFO`, `IP6T_SO_GET_INFO`
const GET_INFO: c_int = 64;

fn table_info(socket: &OwnedFd, family: Family, table: &str) -> io::Result<TableInfo> {
    let level = match family {
        Family::V4 => libc::IPPROTO_IP,
        Family::V6 => libc::IPPROTO_IPV6,
    };
    let mut info = TableInfo::default();
    for (place, byte) in info.name.iter_mut().zip(table.bytes()) {
        *place = byte;
    }
    let mut length = size_of::<TableInfo>() as libc::socklen_t;
    // SAFETY: the kernel reads and writes `length` bytes, all of `info`, which is plain integers.
    let answer =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, GET_INFO, (&raw mut info).cast(), &raw mut length) };
    if answer == 0 { Ok(info) } else { Err(io::Error::last_os_error()) }
}

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN`, and the answer's.
const GET_GENERATION: u16 = 10 << 8 | 16;
const NEW_GENERATION: u16 = 10 << 8 | 15;
/// `NFTA_GEN_ID`
const GENERATION_ID: u16 = 1;
/// `struct nlmsghdr` and `struct nfgenmsg`.
const HEADERS: usize = 16 + 4;

fn nft_generation(socket: &OwnedFd) -> io::Result<u32> {
    let mut request = [0_u8; HEADERS];
    request[0..4].copy_from_slice(&(HEADERS as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&GET_GENERATION.to_ne_bytes());
    request[6..8].copy_from_slice(&1_u16.to_ne_bytes());
    send(socket, &request, SendFlags::empty())?;
    let mut answer = [0_u8; 1024];
    let (length, _) = loop {
        match recv(socket, &mut answer[..], RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            answered => break answered?,
        }
    };
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, "the kernel does not tell nftables' generation");
    generation_in(answer.get(..length).unwrap_or_default()).ok_or_else(unknown)
}

fn generation_in(answer: &[u8]) -> Option<u32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let mut attributes = answer.get(HEADERS..).filter(|_| kind == NEW_GENERATION)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(0..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        if kind == GENERATION_ID {
            return Some(u32::from_be_bytes(attributes.get(4..8)?.try_into().ok()?));
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}
