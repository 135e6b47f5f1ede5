//! What runs in the test pods.
//!
//!     probe serve PORT            answer every HTTP request, and every UDP datagram, with the pod's name
//!     probe ask HOST:PORT         ask another one by HTTP, and print its answer
//!     probe ask HOST:PORT TIMES   the same so many times; fails where an answer is not there at once

#[macro_use(eprintln, print, println)]
extern crate common;

use std::{
    env, fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket},
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use signal_hook::{consts::TERM_SIGNALS, flag};

/// For connecting and for each read or write.
const TIMEOUT: Duration = Duration::from_secs(3);

/// TCP sends again what it has no answer to after a second, at a connection's beginning.
const AT_ONCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["serve", port] => serve(port),
        ["ask", address] => ask(address),
        ["ask", address, times] => ask_often(address, times),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: probe serve PORT | ask HOST:PORT [TIMES]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("test-pod: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(port: &str) -> io::Result<()> {
    // A container's first process is not ended by a signal that it does not handle, and all would wait for it.
    for signal in TERM_SIGNALS {
        flag::register_conditional_shutdown(*signal, 0, Arc::new(true.into()))?;
    }
    let address = format!("0.0.0.0:{port}");
    let (listener, datagrams) = (TcpListener::bind(&address)?, UdpSocket::bind(&address)?);
    let name = fs::read_to_string("/etc/hostname")?;
    let by_udp = name.clone();
    thread::spawn(move || answer_datagrams(&datagrams, by_udp.as_bytes()));
    println!("serving on port {port}");
    for connection in listener.incoming() {
        // One caller that goes away must not end it.
        if let Err(error) = connection.and_then(|connection| answer(connection, &name)) {
            println!("not answered: {error}");
        }
    }
    Ok(())
}

fn answer_datagrams(socket: &UdpSocket, name: &[u8]) {
    loop {
        // One datagram that cannot be read or answered must not end it.
        let answered = socket.recv_from(&mut [0; 512]).and_then(|(_, from)| socket.send_to(name, from));
        if let Err(error) = answered {
            println!("not answered: {error}");
        }
    }
}

fn answer(mut connection: TcpStream, name: &str) -> io::Result<()> {
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    // The whole request of such clients as ask here; what it asks for does not matter.
    let _ = connection.read(&mut [0; 4096])?;
    write!(connection, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())?;
    println!("answered {}", connection.peer_addr()?.ip());
    Ok(())
}

fn ask(address: &str) -> io::Result<()> {
    let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    print!("{}", answer.split_once("\r\n\r\n").map_or("", |(_, body)| body));
    Ok(())
}

fn ask_often(address: &str, times: &str) -> io::Result<()> {
    let times: u32 = times.parse().map_err(io::Error::other)?;
    for number in 1..=times {
        let asked = Instant::now();
        let said = ask(address);
        let took = asked.elapsed();
        let at = |what: String| io::Error::other(format!("question {number} of {times} to {address}: {what}"));
        said.map_err(|error| at(error.to_string()))?;
        if took >= AT_ONCE {
            return Err(at(format!("answered after {} ms", took.as_millis())));
        }
    }
    Ok(())
}
