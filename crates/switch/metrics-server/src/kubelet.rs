//! One kubelet asked for its summary: over TLS, verified, and within limits of time and size.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::summary::{self, Readings};

/// From connecting to the last byte.
const LIMIT: Duration = Duration::from_secs(10);

/// A summary of more pods than a node can have.
const LONGEST: usize = 2 << 20;

/// So many answers are in memory at a time, however many kubelets are asked.
const ANSWERS_AT_ONCE: usize = 2;

/// kubelets before 1.14 do not know the parameter, and say more than is asked for.
const PATH: &str = "/stats/summary?only_cpu_and_memory=true";

/// How kubelets are asked.
pub struct Kubelets {
    tls: TlsConnector,
    port: u16,
    answers: Semaphore,
}

/// The connection goes with who has asked.
struct Driven(AbortHandle);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Kubelets {
    pub fn new(config: ClientConfig, port: u16) -> Self {
        Kubelets { tls: TlsConnector::from(Arc::new(config)), port, answers: Semaphore::new(ANSWERS_AT_ONCE) }
    }

    pub async fn ask(&self, address: IpAddr) -> Result<Readings> {
        let address = SocketAddr::new(address, self.port);
        let asked = timeout(LIMIT, self.exchange(address)).await;
        asked
            .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", LIMIT.as_secs())))
            .with_context(|| format!("kubelet at {address}"))
    }

    async fn exchange(&self, address: SocketAddr) -> Result<Readings> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        let stream = self.tls.connect(ServerName::from(address.ip()), stream).await.context("TLS is refused")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let _driven = Driven(tokio::spawn(connection).abort_handle());
        let request = Request::get(PATH)
            .header(HOST, address.to_string())
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await.context("the request fails")?;
        self.read(response).await
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Readings> {
        let status = response.status();
        ensure!(status == StatusCode::OK, "it answers {status}");
        let _turn = self.answers.acquire().await?;
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        let body = body.map_err(|why| anyhow!("its answer is not read: {why}"))?.to_bytes();
        summary::read(&body).context("its summary cannot be read")
    }
}
