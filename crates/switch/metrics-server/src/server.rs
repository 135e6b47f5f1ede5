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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
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
const ANSWERS_AT_ONCE: usize = 2;
const TURN: Duration = Duration::from_secs(10);

/// Until the client has read an answer: a turn is not its to keep.
const READING: Duration = Duration::from_secs(5);

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
    _turn: Turn,
}

/// One answer's, of its connection.
struct Turn {
    _permit: OwnedSemaphorePermit,
    _written: oneshot::Sender<Infallible>,
}

/// What tells a connection's watch of each answer that is begun; it hears of its end when the other side is dropped.
type Begun = mpsc::UnboundedSender<oneshot::Receiver<Infallible>>;

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
        self.exchange(stream, has_certificate, is_front_proxy).await;
    }

    async fn exchange<S>(self, stream: S, has_certificate: bool, is_front_proxy: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (begun, answers) = mpsc::unbounded_channel();
        let service = service_fn(move |request: Request<Incoming>| {
            let (server, begun) = (self.clone(), begun.clone());
            async move {
                let answer = if is_front_proxy {
                    server.answer(&request, &begun).await
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
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                tracing::trace!(%error, "a connection ended");
            },
            () = slow(answers) => tracing::debug!("a client does not read its answer: the connection is closed"),
        }
    }

    async fn answer(&self, request: &Request<Incoming>, begun: &Begun) -> Response<Full<Bytes>> {
        let Ok(Ok(permit)) = timeout(TURN, self.turns.clone().acquire_owned()).await else {
            return whole(Answer::too_many(), None);
        };
        let uri = request.uri();
        let answer = self.shared.read(|state| answer(state, Instant::now(), request.method(), uri.path(), uri.query()));
        let (written, until_written) = oneshot::channel();
        // The watch is there for as long as the connection.
        let _ = begun.send(until_written);
        whole(answer, Some(Turn { _permit: permit, _written: written }))
    }
}

/// Ends when an answer is not read within its limit, and never where each is.
async fn slow(mut answers: mpsc::UnboundedReceiver<oneshot::Receiver<Infallible>>) {
    while let Some(written) = answers.recv().await {
        if timeout(READING, written).await.is_err() {
            return;
        }
    }
    std::future::pending().await
}

fn whole(Answer { status, body }: Answer, turn: Option<Turn>) -> Response<Full<Bytes>> {
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

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::default_provider;
    use rustls::server::ResolvesServerCertUsingSni;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::task::yield_now;

    use super::*;

    fn server() -> Server {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        Server::new(Arc::default(), "front-proxy-client", config)
    }

    /// A client that has asked, and can take fewer bytes than an answer has.
    async fn asked(server: &Server) -> DuplexStream {
        let (mut client, stream) = duplex(100);
        tokio::spawn(server.clone().exchange(stream, true, true));
        client.write_all(b"GET /apis HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        client
    }

    async fn is_answered(client: &mut DuplexStream) -> bool {
        let mut begun = [0; 15];
        let read = timeout(Duration::from_secs(2), client.read_exact(&mut begun)).await;
        matches!(read, Ok(Ok(_))) && &begun == b"HTTP/1.1 200 OK"
    }

    #[tokio::test]
    async fn clients_that_do_not_read_their_answers_do_not_keep_the_turns_of_others() {
        let server = server();
        let mut slow = Vec::new();
        for _ in 0..ANSWERS_AT_ONCE {
            slow.push(asked(&server).await);
        }
        while server.turns.available_permits() > 0 {
            yield_now().await;
        }
        let mut third = asked(&server).await;
        assert!(!is_answered(&mut third).await, "so many answers are in memory at a time");
        sleep(READING).await;
        assert!(is_answered(&mut third).await);
        let mut rest = Vec::new();
        slow[0].read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() <= 100, "its connection was closed");
    }

    #[tokio::test]
    async fn a_connection_whose_answers_are_read_is_kept_for_the_next_one() {
        let server = server();
        let mut client = asked(&server).await;
        let mut text = String::new();
        while !text.ends_with(r#""APIGroupList"}"#) {
            let mut some = [0; 50];
            let read = client.read(&mut some).await.unwrap();
            assert_ne!(read, 0, "{text}");
            text += std::str::from_utf8(&some[..read]).unwrap();
        }
        sleep(READING + Duration::from_secs(1)).await;
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(is_answered(&mut client).await);
    }
}
