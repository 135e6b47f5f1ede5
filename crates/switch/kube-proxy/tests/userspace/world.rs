//! A node and a host outside of it, each a network namespace, with one link between them.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    process::Command,
    thread,
    time::Duration,
};

use common::netns;

pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 1);
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 100);
/// Long enough for an answer, on a busy machine, too; and for a dropped packet it is what the test takes.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The host outside. The node is the namespace that the test's thread is in.
pub struct Outside {
    namespace: File,
}

impl Outside {
    /// Links a new host to this thread's namespace, where Services' addresses have a route, as `k8s-node` makes it.
    pub fn link() -> Self {
        let outside = Self { namespace: thread::spawn(netns::unshare).join().unwrap().unwrap() };
        let there = format!("/proc/{}/fd/{}", std::process::id(), outside.namespace.as_raw_fd());
        ip("link set lo up");
        ip("link add uplink type veth peer name eth0");
        ip(&format!("link set eth0 netns {there}"));
        ip(&format!("addr add {NODE}/24 dev uplink"));
        ip("link set uplink up");
        ip("route add 10.10.0.0/16 dev uplink");
        // An ICMP redirect would use up what the kernel allows in ICMP for a host in a second.
        for (setting, value) in
            [("ip_forward", "1"), ("conf/all/send_redirects", "0"), ("conf/uplink/send_redirects", "0")]
        {
            std::fs::write(format!("/proc/sys/net/ipv4/{setting}"), value).unwrap();
        }
        outside.run(|| {
            ip("link set lo up");
            ip(&format!("addr add {OUTSIDE}/24 dev eth0"));
            ip("link set eth0 up");
            ip(&format!("route add 10.10.0.0/16 via {NODE}"));
        });
        outside
    }

    /// Does something on that host.
    pub fn run<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        netns::enter(&self.namespace, job).unwrap()
    }

    /// A TCP endpoint there, which answers each connection with its name and the address that it sees, and then echoes.
    pub fn tcp(&self, name: &'static str) -> SocketAddrV4 {
        self.run(move || {
            let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            thread::spawn(move || {
                for stream in listener.incoming() {
                    thread::spawn(move || {
                        let mut stream = stream?;
                        writeln!(stream, "{name} {}", stream.peer_addr()?.ip())?;
                        io::copy(&mut stream.try_clone()?, &mut stream)
                    });
                }
            });
            SocketAddrV4::new(OUTSIDE, port)
        })
    }

    /// The same for UDP: one answer for each datagram.
    pub fn udp(&self, name: &'static str) -> SocketAddrV4 {
        self.run(move || {
            let socket = UdpSocket::bind((OUTSIDE, 0)).unwrap();
            let port = socket.local_addr().unwrap().port();
            thread::spawn(move || {
                while let Ok((_, from)) = socket.recv_from(&mut [0; 100]) {
                    let _ = socket.send_to(format!("{name} {}", from.ip()).as_bytes(), from);
                }
            });
            SocketAddrV4::new(OUTSIDE, port)
        })
    }
}

pub fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// What a TCP client is answered first; an error's kind if it is not.
pub fn tcp(to: (Ipv4Addr, u16)) -> Result<String, io::ErrorKind> {
    open(to).map(|(line, _)| line)
}

/// Likewise, with the connection.
pub fn open(to: (Ipv4Addr, u16)) -> Result<(String, TcpStream), io::ErrorKind> {
    let mut stream = TcpStream::connect_timeout(&to.into(), TIMEOUT).map_err(|error| error.kind())?;
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(|error| error.kind())?;
        if byte == *b"\n" {
            return Ok((String::from_utf8_lossy(&line).into_owned(), stream));
        }
        line.extend(byte);
    }
}

/// What a new UDP client is answered.
pub fn udp(to: (Ipv4Addr, u16)) -> Result<String, io::ErrorKind> {
    udp_from(&UdpSocket::bind("0.0.0.0:0").unwrap(), to)
}

pub fn udp_from(client: &UdpSocket, to: (Ipv4Addr, u16)) -> Result<String, io::ErrorKind> {
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    client.connect(to).map_err(|error| error.kind())?;
    let mut buffer = [0; 100];
    client.send(b"?").map_err(|error| error.kind())?;
    let length = client.recv(&mut buffer).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}
