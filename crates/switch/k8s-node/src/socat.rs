//! What kubelet over Docker runs inside a pod's network for `kubectl port-forward`: `socat - TCP4:localhost:PORT`. EOS need not
//! have a socat, so this program is one where it is called so, for that alone.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpStream},
    path::Path,
    process, thread,
};

use anyhow::{Context, Result, bail};

/// The name by which the program is called for it.
const NAME: &str = "socat";

/// Whether the program is called by that name.
pub fn is_called(arguments: &[OsString]) -> bool {
    arguments.first().and_then(|program| Path::new(program).file_name()) == Some(OsStr::new(NAME))
}

/// Carries standard input to the port and what comes back to standard output, until the other side ends.
pub fn run(arguments: &[OsString]) -> Result<()> {
    let port = port(arguments)?;
    let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("nothing in the pod listens on port {port} of its localhost"))?;
    let mut there = connection.try_clone().context("cannot share the connection")?;
    thread::spawn(move || {
        // Where this way fails, the other one ends too.
        if carry(&mut io::stdin().lock(), &mut there).is_err() || there.shutdown(Shutdown::Write).is_err() {
            process::exit(1);
        }
    });
    match carry(&mut &connection, &mut io::stdout().lock()) {
        // Whoever asked has gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        carried => carried.context("the connection broke"),
    }
}

/// Hands on at once what comes, as whoever waits for it may not say more before.
fn carry(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&buffer[..length])?;
        to.flush()?;
    }
}

fn port(arguments: &[OsString]) -> Result<u16> {
    let words: Vec<_> = arguments.iter().skip(1).map(|argument| argument.to_str()).collect();
    let port = match words[..] {
        [Some("-"), Some(address)] => address.strip_prefix("TCP4:localhost:").and_then(|port| port.parse().ok()),
        _ => None,
    };
    match port {
        Some(port) => Ok(port),
        None => bail!("usage: socat - TCP4:localhost:PORT (this one is for kubelet's port forwarding alone)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn it_is_called_as_kubelet_calls_it_and_in_no_other_way() {
        let kubelets = called(&[contract::places::SOCAT, "-", "TCP4:localhost:8080"]);
        assert!(is_called(&kubelets));
        assert_eq!(port(&kubelets).unwrap(), 8080);
        assert!(!is_called(&called(&["k8s-node", "status"])));
        for other in [&["socat"][..], &["socat", "-", "TCP4:example.com:80"], &["socat", "-", "TCP4:localhost:99999"]] {
            assert!(port(&called(other)).is_err(), "{other:?}");
        }
    }

    #[test]
    fn what_is_carried_arrives_whole() {
        let sent: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let mut arrived = Vec::new();
        carry(&mut sent.as_slice(), &mut arrived).unwrap();
        assert_eq!(sent, arrived);
    }
}
