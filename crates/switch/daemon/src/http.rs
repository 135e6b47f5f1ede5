//! A small HTTP server for health checks and metrics: answers that are at hand, one for a connection, and clients that cannot hang it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// From accepting a connection to the last byte of its answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// More connections than these at a time, and the oldest is closed.
const MOST_CONNECTIONS: usize = 32;

const HEADERS_MAX_BYTES: usize = 8 * 1024;

const BIND_RETRY: Duration = Duration::from_secs(1);

/// What a client gets.
pub struct HttpAnswer {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: String,
}

impl HttpAnswer {
    pub fn text(status: StatusCode, body: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.to_owned() }
    }

    pub fn json(status: StatusCode, body: String) -> Self {
        Self { status, content_type: "application/json", body }
    }

    pub fn not_found() -> Self {
        Self::text(StatusCode::NOT_FOUND, "404 page not found\n")
    }
}

/// What to do about an address that cannot be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindFailure {
    TryAgain,
    /// `--bind-address-hard-fail`
    Fatal,
}

/// Listens on `address`, and tries again until it can. `report` hears of the first failure.
pub async fn listen(
    address: SocketAddr,
    on_failure: BindFailure,
    report: impl FnOnce(&io::Error),
) -> io::Result<TcpListener> {
    let mut report = Some(report);
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                if let Some(report) = report.take() {
                    report(&error);
                }
                if on_failure == BindFailure::Fatal {
                    return Err(error);
                }
                sleep(BIND_RETRY).await;
            }
        }
    }
}

/// Answers requests for as long as it is polled; dropping it closes every connection. `admit` is asked with the address that a client
/// connected to, `answer` with the path that it wants.
pub async fn serve(
    listener: TcpListener,
    admit: impl Fn(SocketAddr) -> bool,
    answer: impl Fn(&str) -> HttpAnswer + Send + Sync + 'static,
) -> Infallible {
    let answer = Arc::new(answer);
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection for health or metrics was not accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        by_age.retain(|connection| !connection.is_finished());
        if !stream.local_addr().is_ok_and(&admit) {
            continue;
        }
        if by_age.len() >= MOST_CONNECTIONS
            && let Some(oldest) = by_age.pop_front()
        {
            oldest.abort();
        }
        by_age.push_back(connections.spawn(timeout(CONNECTION_TIMEOUT, converse(stream, answer.clone()))));
    }
}

/// One request, one answer. What goes wrong is the client's affair.
async fn converse(stream: TcpStream, answer: Arc<impl Fn(&str) -> HttpAnswer>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = match *request.method() {
            Method::GET | Method::HEAD => answer(request.uri().path()),
            _ => HttpAnswer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed\n"),
        };
        async { Ok::<_, Infallible>(respond(response)) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEADERS_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::trace!(%error, "a connection for health or metrics ended");
    }
}

fn respond(answer: HttpAnswer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(any(test, feature = "test-client"))]
pub mod client {
    //! What the tests of the servers ask them with.

    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// The status line's number, the headers in lower case, and the body.
    pub async fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String, String)> {
        request(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await
    }

    pub async fn request(address: SocketAddr, text: &str) -> std::io::Result<(u16, String, String)> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or_default();
        Ok((status, head.to_lowercase(), body.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn server() -> SocketAddr {
        let listener = listen(([127, 0, 0, 1], 0).into(), BindFailure::Fatal, |_| {}).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(
            listener,
            |_| true,
            |path| match path {
                "/here" => HttpAnswer::json(StatusCode::OK, "{}".into()),
                _ => HttpAnswer::not_found(),
            },
        ));
        address
    }

    #[tokio::test]
    async fn a_path_is_answered_with_its_type_and_the_connection_is_closed() {
        let address = server().await;
        let (status, head, body) = client::get(address, "/here?verbose").await.unwrap();
        assert_eq!((status, body.as_str()), (200, "{}"));
        assert!(head.contains("content-type: application/json"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert_eq!(client::get(address, "/nowhere").await.unwrap().0, 404);
    }

    #[tokio::test]
    async fn head_is_answered_without_a_body_and_post_not_at_all() {
        let address = server().await;
        let head = client::request(address, "HEAD /here HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_eq!((head.0, head.2.as_str()), (200, ""));
        let post =
            client::request(address, "POST /here HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        assert_eq!(post.0, 405);
    }

    #[tokio::test]
    async fn silent_clients_in_any_number_do_not_keep_others_from_an_answer() {
        let address = server().await;
        let mut silent = Vec::new();
        for _ in 0..3 * MOST_CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(timeout(Duration::from_secs(2), client::get(address, "/here")).await.unwrap().unwrap().0, 200);
        let mut first = silent.swap_remove(0);
        assert_eq!(
            timeout(Duration::from_secs(2), first.read(&mut [0])).await.unwrap().unwrap_or(0),
            0,
            "the oldest is closed"
        );
    }

    #[tokio::test]
    async fn a_slow_client_is_cut_off() {
        let address = server().await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /here HTTP/1.1\r\nHost:").await.unwrap();
        let closed = timeout(CONNECTION_TIMEOUT + Duration::from_secs(3), slow.read(&mut [0])).await;
        assert_eq!(closed.expect("within its time").unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn nonsense_is_no_reason_to_end() {
        let address = server().await;
        for nonsense in
            ["\0\0\0\0\r\n\r\n".to_owned(), format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(3 * HEADERS_MAX_BYTES))]
        {
            let _ = client::request(address, &nonsense).await;
        }
        assert_eq!(client::get(address, "/here").await.unwrap().0, 200);
    }

    #[tokio::test]
    async fn who_connected_to_an_address_that_is_not_admitted_gets_no_answer() {
        let listener = listen(([127, 0, 0, 1], 0).into(), BindFailure::Fatal, |_| {}).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, move |local| local.ip() != address.ip(), |_| HttpAnswer::not_found()));
        assert!(client::get(address, "/").await.is_err());
    }

    #[tokio::test]
    async fn a_port_in_use_is_tried_again_until_it_is_free() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        assert!(listen(address, BindFailure::Fatal, |_| {}).await.is_err());
        let (reported, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let listening = tokio::spawn(listen(address, BindFailure::TryAgain, move |error| {
            let _ = reported.send(error.kind());
        }));
        assert_eq!(reports.recv().await, Some(io::ErrorKind::AddrInUse));
        drop(holder);
        assert_eq!(listening.await.unwrap().unwrap().local_addr().unwrap(), address);
    }
}
