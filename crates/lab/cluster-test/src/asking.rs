//! What a device is answered by a pod, over TCP and UDP: asked with sockets of ours in the device's network.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use crate::Switch;
use anyhow::{Context, Result, ensure};
use devices::Device;

/// How long a question may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// For connecting: after a second the kernel sends a lost SYN again, silently, and nobody would hear of it.
const AT_ONCE: Duration = Duration::from_millis(900);

/// The name of the pod that answers a device by HTTP.
pub fn by_tcp(from: &Device<'_>, to: SocketAddr) -> Result<String> {
    from.in_network(|| tcp(to).with_context(|| format!("{to} gave no answer")))
}

/// Over what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// As Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        }
    }
}

/// Asks so many times, and returns the names of the pods that answered.
pub fn meet(from: &Device<'_>, to: SocketAddr, protocol: Protocol, times: usize) -> Result<BTreeSet<String>> {
    let ask = match protocol {
        Protocol::Tcp => tcp,
        Protocol::Udp => udp,
    };
    from.in_network(|| {
        let answers = (0..times).map(|_| ask(to).with_context(|| format!("{to} gave no answer over {protocol:?}")));
        answers.collect()
    })
}

/// What a switch is answered by each of these, by HTTP; fails with the first that does not answer. By a program on the
/// switch, as a switch may be a machine inside its container.
pub fn from_switch(switch: &Switch<'_>, addresses: &[SocketAddr]) -> Result<Vec<String>> {
    let limit = TIMEOUT.as_secs().to_string();
    let flags = ["curl", "--silent", "--show-error", "--fail-early", "--max-time", &limit, "--write-out", "\n"];
    let urls = addresses.iter().map(|to| format!("http://{to}/"));
    let answers = switch.exec_ok(flags.into_iter().map(str::to_owned).chain(urls))?;
    let answers: Vec<String> = answers.lines().map(str::to_owned).filter(|answer| !answer.is_empty()).collect();
    ensure!(answers.len() == addresses.len(), "{} of {} gave an answer", answers.len(), addresses.len());
    Ok(answers)
}

/// Fails where a device's connection is not refused at once.
pub fn is_refused(from: &Device<'_>, to: SocketAddr) -> Result<()> {
    from.in_network(|| {
        let refused = TcpStream::connect_timeout(&to, AT_ONCE).map_err(|error| error.kind());
        ensure!(matches!(refused, Err(io::ErrorKind::ConnectionRefused)), "it is not refused: {refused:?}");
        Ok(())
    })
}

/// In the network that this thread is in.
pub fn tcp(to: SocketAddr) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&to, AT_ONCE)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.trim()).filter(|body| !body.is_empty());
    body.map(str::to_owned).ok_or_else(|| io::Error::other(format!("{answer:?} is no answer of a pod")))
}

fn udp(to: SocketAddr) -> io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(to)?;
    socket.send(b"who?")?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{
        io::ErrorKind,
        net::{Ipv4Addr, TcpListener},
        thread,
        time::Instant,
    };

    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_packet_that_is_lost_while_connecting_is_an_answer_that_did_not_come() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let to = listener.local_addr().unwrap();
        // The kernel drops what comes to a queue that is full.
        let mut waiting = Vec::new();
        while let Ok(connection) = TcpStream::connect_timeout(&to, Duration::from_millis(100)) {
            waiting.push(connection);
        }
        let answering = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            for connection in listener.incoming().map(Result::unwrap) {
                let _ = (&connection).write_all(b"HTTP/1.0 200 OK\r\n\r\nlate");
            }
        });
        let began = Instant::now();
        let said = tcp(to).map_err(|error| error.kind());
        assert_eq!(said, Err(ErrorKind::TimedOut), "after {:?}", began.elapsed());
        assert!(!answering.is_finished());
    }
}
