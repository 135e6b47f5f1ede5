//! Only the API server is answered, and nobody else takes its place.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::authorities::Authority;
use crate::running::{FRONT_PROXY, Running};

const NODES: &str = "/apis/metrics.k8s.io/v1beta1/nodes";

#[test]
fn only_the_front_proxys_own_certificate_is_answered() {
    let running = Running::start();
    let (status, body) = running.ask(None, NODES).unwrap();
    assert_eq!((status, &body["reason"], &body["kind"]), (401, &json!("Unauthorized"), &json!("Status")));
    for path in ["/healthz", "/openapi/v2", "/apis"] {
        assert_eq!(running.ask(None, path).unwrap().0, 401, "{path}");
    }
    let of_the_authority = running.front_proxy.client("somebody-else");
    let (status, body) = running.ask(Some(&of_the_authority), NODES).unwrap();
    assert_eq!((status, &body["reason"]), (403, &json!("Forbidden")));
    let of_another = Authority::new("front-proxy-ca").client(FRONT_PROXY);
    assert_eq!(running.ask(Some(&of_another), NODES), None, "TLS is refused");
    let own = running.front_proxy.client(FRONT_PROXY);
    assert_eq!(running.ask(Some(&own), NODES).unwrap().0, 200);
    let (status, _) = running
        .request(Some(&own), &format!("DELETE {NODES} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        .unwrap();
    assert_eq!(status, 405);
}

#[test]
fn strangers_in_any_number_and_headers_without_end_keep_nobody_from_an_answer() {
    let running = Running::start();
    let own = running.front_proxy.client(FRONT_PROXY);
    let mut kept = running.connect(Some(&own));
    kept.write_all(format!("GET {NODES} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    kept.flush().unwrap();
    // It is known from here on.
    let mut begun = [0; 15];
    kept.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    let silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(running.address).unwrap()).collect();
    assert_eq!(running.ask(Some(&own), NODES).unwrap().0, 200);
    kept.write_all(format!("GET {NODES} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answers = String::new();
    kept.read_to_string(&mut answers).unwrap();
    assert!(answers.contains("HTTP/1.1 200 OK"), "the API server's connection was closed for a stranger");
    drop(silent);
    let endless = format!("GET {NODES} HTTP/1.1\r\nHost: x\r\nX-Remote-Group: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_ne!(running.request(Some(&own), &endless).map_or(431, |(status, _)| status), 200);
    assert_eq!(running.ask(Some(&own), NODES).unwrap().0, 200);
}
