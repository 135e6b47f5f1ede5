//! A fake kubelet: over TLS, to clients of the cluster's authority alone, it says what a test wants it to have measured.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authorities::{Authority, roots};

pub struct FakeKubelet {
    pub address: SocketAddr,
    said: Arc<Mutex<Said>>,
}

#[derive(Default)]
struct Said {
    /// The whole of what is answered; none where connections are ended at once.
    answer: Option<String>,
    /// The first lines of requests.
    requests: Vec<String>,
}

impl FakeKubelet {
    pub fn start(clients: &Authority, own: &Authority) -> FakeKubelet {
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots(&clients.pem()), provider.clone()).build().unwrap();
        let (chain, key) = own.server(IpAddr::V4(Ipv4Addr::LOCALHOST)).read();
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let kubelet = FakeKubelet { address: listener.local_addr().unwrap(), said: Arc::default() };
        let (config, said) = (Arc::new(config), kubelet.said.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is not missed.
                drop(serve(stream, &config, &said));
            }
        });
        kubelet
    }

    pub fn says(&self, status: &str, body: &str) {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.said.lock().unwrap().answer = Some(answer);
    }

    pub fn requests(&self) -> Vec<String> {
        self.said.lock().unwrap().requests.clone()
    }
}

fn serve(stream: TcpStream, config: &Arc<ServerConfig>, said: &Mutex<Said>) -> io::Result<()> {
    let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut said = said.lock().unwrap();
    said.requests.push(first.trim_end().to_owned());
    let Some(answer) = said.answer.clone() else { return Ok(()) };
    drop(said);
    let mut stream = reader.into_inner();
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}
