//! For tests alone: network namespaces with cables between them, in which real packets go.

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{command::Program, netns};

/// So long a packet may take that arrives.
pub const REACHED_WITHIN: Duration = Duration::from_millis(1500);

pub fn ip(words: &str) {
    run("ip", words);
}

pub fn iptables(words: &str) {
    run("iptables", words);
}

fn run(program: &str, words: &str) {
    Program::new(program, "test").unwrap().args(words.split(' ')).read().unwrap();
}

/// A new network namespace, and the id of a thread that stays in it for `ip link set … netns`.
pub struct Place {
    namespace: File,
    thread: i32,
}

impl Place {
    pub fn new() -> Place {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let namespace = netns::unshare().unwrap();
            ip("link set lo up");
            tell.send((namespace, rustix::thread::gettid().as_raw_nonzero().get())).unwrap();
            thread::sleep(Duration::from_secs(120));
        });
        let (namespace, thread) = told.recv().unwrap();
        Place { namespace, thread }
    }

    /// One that forwards what is for others.
    pub fn forwarding() -> Place {
        let place = Place::new();
        // Of this namespace alone, which the thread is in.
        place.run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        place
    }

    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::enter(&self.namespace, work).unwrap()
    }

    /// A cable to another one, with an address at each end.
    pub fn cable(&self, (own, own_address): (&str, &str), other: &Place, (their, their_address): (&str, &str)) {
        self.run(|| ip(&format!("link add {own} type veth peer name {their} netns {}", other.thread)));
        for (place, name, address) in [(self, own, own_address), (other, their, their_address)] {
            place.run(|| {
                ip(&format!("address add {address} dev {name}"));
                ip(&format!("link set {name} up"));
            });
        }
    }

    pub fn reaches(&self, address: Ipv4Addr, port: u16) -> bool {
        self.run(|| TcpStream::connect_timeout(&SocketAddr::from((address, port)), REACHED_WITHIN).is_ok())
    }

    /// Listens on these ports of every address, until what it gives is dropped.
    pub fn listen<const N: usize>(&self, ports: [u16; N]) -> [TcpListener; N] {
        self.run(|| ports.map(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap()))
    }

    /// Sends so many bytes over TCP, and says whether all of them have arrived.
    pub fn sends_all(&self, to: &Place, address: Ipv4Addr, port: u16, bytes: usize) -> bool {
        let [listener] = to.listen([port]);
        let received = thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(REACHED_WITHIN * 2))?;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).map(|_| all.len())
        });
        let sent = self.run(|| {
            let mut stream = TcpStream::connect_timeout(&SocketAddr::from((address, port)), REACHED_WITHIN)?;
            stream.set_write_timeout(Some(REACHED_WITHIN * 2))?;
            stream.write_all(&vec![7; bytes])
        });
        sent.is_ok() && received.join().unwrap().is_ok_and(|received| received == bytes)
    }
}
