//! An aggregated API server behind the API server, on another node's address: the way there without a kube-proxy, and who it is told asks.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use contract::Credential;
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};

use crate::master::Master;

const GROUP: &str = "/apis/labs.example.com/v1";
const CONFIG_MAP: &str = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const PORT: u16 = 8443;
const SOON: Duration = Duration::from_secs(60);

/// Takes clients of this authority alone.
fn tls(pki: &Path, worker: &Path) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(pki.join(Credential::FrontProxyCa.certificate_file())).unwrap();
    roots.add(ca).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let own = CertificateDer::from_pem_file(worker.join(Credential::Node.certificate_file())).unwrap();
    let key = PrivateKeyDer::from_pem_file(worker.join(Credential::Node.key_file())).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    config.with_client_cert_verifier(clients).with_single_cert(vec![own], key).unwrap()
}

/// Says of which API it is, or who asks by the front proxy's word.
fn answer(stream: TcpStream, config: &'static Arc<ServerConfig>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let (mut head, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        head.push(line.trim_end().to_owned());
        line.clear();
    }
    let of = |header: &str| -> Vec<&str> {
        let fields = head.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(name, _)| name.eq_ignore_ascii_case(header)).map(|(_, value)| value).collect()
    };
    let body = match head.first().is_some_and(|line| line.contains("/whoami")) {
        true => json!({ "users": of("X-Remote-User"), "groups": of("X-Remote-Group") }),
        false => json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": "labs.example.com/v1",
            "resources": [],
        }),
    }
    .to_string();
    let length = body.len();
    let stream = reader.get_mut();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// The Service without selector that leads to it, and the API that it has.
fn register(master: &Master, address: &str) {
    let admin = master.admin();
    let create = |path: &str, object: &Value| master.ask_until(201, SOON, || admin.post(path, object));
    let service = json!({"metadata": {"name": "labs"}, "spec": {"ports": [{"port": 443, "targetPort": PORT}]}});
    create("/api/v1/namespaces/default/services", &service);
    let endpoints = json!({
        "metadata": {"name": "labs"},
        "subsets": [{"addresses": [{"ip": address}], "ports": [{"port": PORT}]}],
    });
    create("/api/v1/namespaces/default/endpoints", &endpoints);
    let api = json!({
        "metadata": {"name": "v1.labs.example.com"},
        "spec": {
            "group": "labs.example.com",
            "version": "v1",
            "insecureSkipTLSVerify": true,
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            "service": {"name": "labs", "namespace": "default"},
        },
    });
    create(API_SERVICES, &api);
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
#[ignore = "needs root, and the SWIX in dist/"]
fn an_aggregated_api_server_is_reached_without_a_kube_proxy_and_told_who_asks() {
    let master = Master::start();
    let worker = master.enrol("veos-l1");
    let config = tls(&master.place("pki"), worker.directory.path());
    let config: &'static Arc<ServerConfig> = Box::leak(Box::new(Arc::new(config)));
    let address = master.serve_as("veos-l1", PORT, move |stream| answer(stream, config));
    register(&master, &address);

    let admin = master.admin();
    let who = json_of(&master.ask_until(200, SOON, || admin.get(&format!("{GROUP}/whoami"))).body);
    assert_eq!(who["users"], json!(["admin"]), "{who}");
    assert_eq!(who["groups"], json!(["system:masters", "system:authenticated"]), "{who}");
    let state = json_of(&master.ask(|| admin.get(&format!("{API_SERVICES}/v1.labs.example.com"))).body);
    let available = &state["status"]["conditions"][0];
    assert_eq!((&available["type"], &available["status"]), (&json!("Available"), &json!("True")), "{state}");

    // What an API server that is made for this goes by.
    let map = json_of(&master.ask_until(200, SOON, || admin.get(CONFIG_MAP)).body);
    let ca = std::fs::read_to_string(master.place("pki/front-proxy-ca.pem")).unwrap();
    assert_eq!(map["data"]["requestheader-client-ca-file"], json!(ca), "{map}");
    assert_eq!(map["data"]["requestheader-allowed-names"], json!("[\"front-proxy-client\"]"), "{map}");
}
