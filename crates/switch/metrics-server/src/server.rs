//! HTTPS for the API server: who shows no certificate of its own is told so, and nobody can take more than is there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::answers::{Answer, answer};
use crate::front_proxy;
use crate::store::Shared;

/// Until TLS stands.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Until a request's headers are there, also of a connection that is kept for the next one.
const HEADERS: Duration = Duration::from_secs(90);

/// The API server says in headers of which groups who asks is.
const HEADERS_MAX_BYTES: usize = 64 * 1024;

const MOST_CONNECTIONS: usize = 64;

/// Answers that are in memory at a time, and how long one waits for its turn.
const ANSWERS_AT_ONCE: usize = 4;
const TURN: Duration = Duration::from_secs(10);

/// What a connection is answered out of.
#[derive(Clone)]
pub struct Server {
    pub shared: Arc<Shared>,
    /// The common name of who is answered.
    pub front_proxy: Arc<str>,
    tls: TlsAcceptor,
    turns: Arc<Semaphore>,
}

/// An answer that takes its turn until the last of it was written.
struct Held {
    body: Vec<u8>,
    _turn: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// One that is being served.
struct Connection {
    task: AbortHandle,
    /// The API server is at the other end.
    is_known: Arc<AtomicBool>,
}

impl Server {
    pub fn new(shared: Arc<Shared>, front_proxy: &str, tls: ServerConfig) -> Self {
        let (tls, turns) = (TlsAcceptor::from(Arc::new(tls)), Arc::new(Semaphore::new(ANSWERS_AT_ONCE)));
        Server { shared, front_proxy: front_proxy.into(), tls, turns }
    }

    /// Serves for as long as it is polled. Where there are too many connections, the oldest of a stranger is closed.
    pub async fn serve(self, listener: TcpListener) -> Infallible {
        let mut tasks = JoinSet::new();
        let mut connections: VecDeque<Connection> = VecDeque::new();
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            while tasks.try_join_next().is_some() {}
            connections.retain(|connection| !connection.task.is_finished());
            if connections.len() >= MOST_CONNECTIONS {
                let is_stranger = |connection: &Connection| !connection.is_known.load(Ordering::Relaxed);
                let place = connections.iter().position(is_stranger).unwrap_or_default();
                if let Some(closed) = connections.remove(place) {
                    closed.task.abort();
                }
            }
            let is_known = Arc::new(AtomicBool::new(false));
            let task = tasks.spawn(self.clone().converse(stream, is_known.clone()));
            connections.push_back(Connection { task, is_known });
        }
    }

    /// What goes wrong is the client's affair.
    async fn converse(self, stream: TcpStream, is_known: Arc<AtomicBool>) {
        let stream = match timeout(HANDSHAKE, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "TLS does not come about"),
            Err(_) => return,
        };
        let chain = stream.get_ref().1.peer_certificates();
        let (has_certificate, is_front_proxy) = (chain.is_some(), front_proxy::is_named(chain, &self.front_proxy));
        is_known.store(is_front_proxy, Ordering::Relaxed);
        let service = service_fn(move |request: Request<Incoming>| {
            let server = self.clone();
            async move {
                let answer = if is_front_proxy {
                    server.answer(&request).await
                } else {
                    whole(Answer::unauthorized(has_certificate), None)
                };
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            // Who may not ask is told once.
            .keep_alive(is_front_proxy)
            .max_buf_size(HEADERS_MAX_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::trace!(%error, "a connection ended");
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let Ok(Ok(turn)) = timeout(TURN, self.turns.clone().acquire_owned()).await else {
            return whole(Answer::too_many(), None);
        };
        let uri = request.uri();
        let answer = self.shared.read(|state| answer(state, Instant::now(), request.method(), uri.path(), uri.query()));
        whole(answer, Some(turn))
    }
}

fn whole(Answer { status, body }: Answer, turn: Option<OwnedSemaphorePermit>) -> Response<Full<Bytes>> {
    let body = match turn {
        Some(turn) => Bytes::from_owner(Held { body, _turn: turn }),
        None => Bytes::from(body),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Listens as soon as the address is there.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    daemon::http::listen(address, daemon::http::BindFailure::TryAgain, |error| {
        tracing::warn!(%address, %error, "nothing can listen for the API server; trying again");
    })
    .await
}
