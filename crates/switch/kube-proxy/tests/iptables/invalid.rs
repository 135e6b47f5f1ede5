//! Packets that conntrack takes for invalid, with real connections: a pod's connection to a Service survives one that reaches its node.
//!
//! Such a packet is not translated. Where it is let through, it reaches the pod as from the endpoint, of whom the pod knows nothing: it answers
//! with a reset, which ends the connection at the endpoint (kubernetes/kubernetes#74839).

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::netns;
use kube_proxy::iptables::{Iptables, IptablesSettings};
use kube_proxy::model::{Endpoint, Place};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, bind, ipproto, recv, sendto, socket, sockopt};

use crate::real::{Real, with_each_variant};
use crate::states::{endpoint, one, service, settings};
use kube_proxy::backend::Backend as _;

const POD: Ipv4Addr = Ipv4Addr::new(10, 16, 0, 2);
const ENDPOINT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 50, 100), 8080);
const TIMEOUT: Duration = Duration::from_secs(5);
const ACK: u8 = 0x10;
/// Far beyond any window.
const AHEAD: u32 = 1 << 28;

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip can be run");
    assert!(status.success(), "ip {arguments}");
}

/// Another host, linked to this namespace, which is the node, by `link`; the node's end has that name.
fn host(link: &str, address: &str, gateway: &str) -> File {
    let namespace = thread::spawn(netns::unshare).join().expect("it ends").expect("a network namespace");
    let there = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
    ip(&format!("link add {link} type veth peer name eth0"));
    ip(&format!("link set eth0 netns {there}"));
    ip(&format!("link set {link} up"));
    let inside = || {
        ip(&format!("address add {address} dev eth0"));
        ip("link set eth0 up");
        ip(&format!("route add default via {gateway}"));
    };
    netns::enter(&namespace, inside).expect("entered");
    namespace
}

/// A connection of a pod's, by a cluster IP, to an endpoint on another host.
struct Connection {
    pod: TcpStream,
    endpoint: TcpStream,
    /// On the endpoint's host: sees what comes there, and sends what nobody's socket would.
    raw: OwnedFd,
    peer: SocketAddrV4,
}

impl Connection {
    fn open(pod: &File, outside: &File, listener: &TcpListener) -> Self {
        let raw = || {
            let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::TCP)).expect("a raw socket");
            bind(&raw, &SocketAddrV4::new(*ENDPOINT.ip(), 0)).expect("bound");
            sockopt::set_socket_timeout(&raw, sockopt::Timeout::Recv, Some(TIMEOUT)).expect("set");
            raw
        };
        let raw = netns::enter(outside, raw).expect("entered");
        let to = SocketAddr::from((service().cluster_ip, 80));
        let pod = netns::enter(pod, || TcpStream::connect_timeout(&to, TIMEOUT)).expect("entered");
        let pod = pod.expect("the Service answers");
        let (endpoint, peer) = listener.accept().expect("a connection");
        let SocketAddr::V4(peer) = peer else { panic!("{peer} is no address of IPv4") };
        assert_eq!(*peer.ip(), POD, "nothing is masqueraded");
        endpoint.set_read_timeout(Some(TIMEOUT)).expect("set");
        Self { pod, endpoint, raw, peer }
    }

    /// Whether what the pod says arrives. `Err` where there is no connection any more.
    fn works(&mut self) -> Result<(), ErrorKind> {
        let mut byte = [0];
        self.pod.write_all(b"?").map_err(|error| error.kind())?;
        self.endpoint.read_exact(&mut byte).map_err(|error| error.kind())
    }

    /// The next packet with data that came from the pod: which number the endpoint expects next, and which the pod does.
    fn seen(&self) -> (u32, u32) {
        let mut buffer = [0; 1500];
        loop {
            let (length, _) = recv(&self.raw, buffer.as_mut_slice(), RecvFlags::empty()).expect("a packet");
            let header = usize::from(buffer[0] & 0xf) * 4;
            let tcp = &buffer[header..length];
            let number = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
            let data = tcp.len() - usize::from(tcp[12] >> 4) * 4;
            if tcp[..4] == ports(self.peer.port(), ENDPOINT.port()) && data > 0 {
                return (number(4).wrapping_add(data as u32), number(8));
            }
        }
    }

    /// Sends the pod a packet that lies outside of every window, and is right else.
    fn send_out_of_window(&self, (of_endpoint, of_pod): (u32, u32)) {
        let mut packet = ports(ENDPOINT.port(), self.peer.port()).to_vec();
        packet.extend(of_pod.wrapping_add(AHEAD).to_be_bytes());
        packet.extend(of_endpoint.to_be_bytes());
        // Five words of header, the window, no checksum yet, nothing urgent.
        packet.extend([5 << 4, ACK, 3, 232, 0, 0, 0, 0]);
        let sum = checksum(&packet, *ENDPOINT.ip(), *self.peer.ip());
        packet[16..18].copy_from_slice(&sum.to_be_bytes());
        let to = SocketAddrV4::new(*self.peer.ip(), 0);
        sendto(&self.raw, &packet, SendFlags::empty(), &to).expect("sent");
    }
}

fn ports(from: u16, to: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
    [a, b, c, d]
}

/// TCP's, with the addresses.
fn checksum(packet: &[u8], from: Ipv4Addr, to: Ipv4Addr) -> u16 {
    let mut all = [from.octets(), to.octets()].concat();
    all.extend([0, 6]);
    all.extend((packet.len() as u16).to_be_bytes());
    all.extend(packet);
    let mut sum: u32 = all.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The node with its pods' bridge, a pod on it, and another host.
fn node() -> (File, File) {
    ip("link set lo up");
    ip("link add kube0 type bridge");
    ip("address add 10.16.0.1/24 dev kube0");
    ip("link set kube0 up");
    let pod = host("veth0", &format!("{POD}/24"), "10.16.0.1");
    ip("link set veth0 master kube0");
    let outside = host("uplink", &format!("{}/24", ENDPOINT.ip()), "192.168.50.1");
    ip("address add 192.168.50.1/24 dev uplink");
    ip("route add 10.10.0.0/16 dev uplink");
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("it can be set");
    (pod, outside)
}

fn a_connection_survives(real: &Real, settings: IptablesSettings) {
    let (pod, outside) = node();
    let listener = netns::enter(&outside, || TcpListener::bind(ENDPOINT)).expect("entered").expect("a listener");
    let behind = Endpoint { ip: *ENDPOINT.ip(), port: ENDPOINT.port(), ..endpoint(1, Place::OtherNode) };
    let model = one(service(), &[behind]);
    let mut backend = Iptables::new(real.tool.clone(), settings);
    backend.sync(&model, &Default::default()).expect("synced");

    let mut connection = Connection::open(&pod, &outside, &listener);
    for _ in 0..3 {
        connection.works().expect("it survives");
        connection.send_out_of_window(connection.seen());
    }
    connection.works().expect("it survives");
    let next = connection.seen();
    // The very packet is what resets, where nothing drops it.
    real.restore("*filter\n-F KUBE-FORWARD\nCOMMIT\n");
    connection.send_out_of_window(next);
    assert_eq!(connection.works(), Err(ErrorKind::ConnectionReset), "this kernel lets such packets reset nothing");
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_pod_s_connection_survives_a_packet_out_of_every_window() {
    for pod_bridge in [None, Some("kube0".to_owned())] {
        with_each_variant(|real| {
            a_connection_survives(real, IptablesSettings { pod_bridge: pod_bridge.clone(), ..settings() })
        });
    }
}
