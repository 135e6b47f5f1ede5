//! One kubelet asked for its summary: over TLS, verified, and within limits of time and size.

use std::future::Future;
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::summary::{self, Readings};

/// From connecting to the headers of an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Until the last byte of it, once it has its turn: waiting for that is no fault of the kubelet's.
const BODY: Duration = Duration::from_secs(5);

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
        let connecting = async {
            let stream = TcpStream::connect(address).await.context("cannot connect")?;
            self.tls.connect(ServerName::from(address.ip()), stream).await.context("TLS is refused")
        };
        self.exchange(address, connecting).await.with_context(|| format!("kubelet at {address}"))
    }

    async fn exchange<S>(&self, address: SocketAddr, connecting: impl Future<Output = Result<S>>) -> Result<Readings>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = timeout(ANSWER, async { request(connecting.await?, address).await }).await;
        let (response, _driven) = answer.unwrap_or_else(|_| Err(anyhow!("no answer within {} s", ANSWER.as_secs())))?;
        let _turn = self.answers.acquire().await?;
        let readings = timeout(BODY, read(response)).await;
        readings.unwrap_or_else(|_| Err(anyhow!("its answer has no end within {} s", BODY.as_secs())))
    }
}

async fn request<S>(stream: S, address: SocketAddr) -> Result<(Response<Incoming>, Driven)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driven = Driven(tokio::spawn(connection).abort_handle());
    let request = Request::get(PATH)
        .header(HOST, address.to_string())
        .header(ACCEPT, "application/json")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await.context("the request fails")?;
    let status = response.status();
    ensure!(status == StatusCode::OK, "it answers {status}");
    Ok((response, driven))
}

async fn read(response: Response<Incoming>) -> Result<Readings> {
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    let body = body.map_err(|why| anyhow!("its answer is not read: {why}"))?.to_bytes();
    summary::read(&body).context("its summary cannot be read")
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::crypto::ring::default_provider;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;

    /// Answers after a while, with as long a body as it says or with less of it than that.
    async fn kubelet(mut stream: DuplexStream, after: Duration, body: &str, length: usize) {
        sleep(after).await;
        stream.read_exact(&mut [0; 64]).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((head + body).as_bytes()).await.unwrap();
        // What is left of the request, until who has asked goes away.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    #[tokio::test]
    async fn kubelets_that_drip_do_not_make_others_silent_that_are_asked_beside_them() {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let kubelets = Arc::new(Kubelets::new(config, 10250));
        let mut asked = JoinSet::new();
        for number in 0..8 {
            let (here, there) = duplex(64 * 1024);
            let drips = number < 2;
            let (after, length) = if drips { (Duration::ZERO, 100) } else { (Duration::from_secs(1), 2) };
            tokio::spawn(kubelet(there, after, "{}", length));
            let kubelets = kubelets.clone();
            asked.spawn(async move {
                // These come last, and are heard first.
                sleep(if drips { Duration::from_millis(500) } else { Duration::ZERO }).await;
                let address = SocketAddr::from(([127, 0, 0, number], 10250));
                (drips, kubelets.exchange(address, async { Ok(here) }).await)
            });
        }
        while let Some(answer) = asked.join_next().await {
            let (drips, answer) = answer.unwrap();
            assert_eq!(answer.is_err(), drips, "{answer:?}");
        }
    }
}
