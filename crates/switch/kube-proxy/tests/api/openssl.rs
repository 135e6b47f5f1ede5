//! Kubeconfigs with certificates and keys that openssl made, in the shapes in which people have them.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, kubeconfig, outcome, run};

/// A directory in which openssl made an authority, `ca.pem`, and a client's certificate by it, `client.pem`, for the key `client.key`.
pub struct Made {
    pub bench: Bench,
}

impl Made {
    pub fn new() -> Made {
        let made = Made { bench: Bench::new() };
        made.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 30");
        made.client("genrsa -out client.key 2048");
        made
    }

    pub fn openssl(&self, line: &str) -> Vec<u8> {
        let done =
            Command::new("openssl").args(line.split(' ')).current_dir(self.bench.directory.path()).output().unwrap();
        assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    /// A client's key, made by that command, and its certificate, with extensions and so of version 3.
    fn client(&self, key: &str) {
        self.openssl(key);
        self.openssl("req -new -key client.key -out client.csr -subj /CN=system:kube-proxy");
        self.bench.file("extensions", "extendedKeyUsage=clientAuth\n");
        self.openssl(
            "x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out client.pem",
        );
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.bench.directory.path().join(name)).unwrap()
    }

    fn of(&self, cluster: Value, user: Value) -> String {
        let mut cluster = cluster;
        cluster["server"] = json!(self.bench.api.url());
        kubeconfig(cluster, user).to_string()
    }

    fn of_client(&self) -> String {
        self.of(
            json!({"certificate-authority": "ca.pem"}),
            json!({"client-certificate": "client.pem", "client-key": "client.key"}),
        )
    }
}

#[test]
#[ignore = "needs openssl"]
fn keys_of_every_kind_are_taken() {
    let made = Made::new();
    for key in [
        "genrsa -out client.key 2048",
        "genrsa -traditional -out client.key 3072",
        // With the curve's parameters before it.
        "ecparam -name prime256v1 -genkey -out client.key",
        "ecparam -name secp384r1 -genkey -noout -out client.key",
        "genpkey -algorithm ed25519 -out client.key",
    ] {
        made.client(key);
        made.bench.reaches(key, made.of_client(), None);
    }
}

impl Made {
    /// The client's certificate anew, without extensions: openssl before 3.4 makes version 1 of that.
    fn of_version_1(&self) {
        self.openssl("x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out client.pem");
        let shown = String::from_utf8(self.openssl("x509 -in client.pem -noout -text")).unwrap();
        assert!(shown.contains("Version: 1 (0x0)"), "newer openssl has to be asked for it otherwise: {shown}");
    }

    /// A server that wants a client's certificate by the authority, and says on its standard error whose it saw.
    fn server(&self) -> (u16, Child) {
        self.bench.file("names", "subjectAltName=IP:127.0.0.1\n");
        self.openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server");
        self.openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.pem",
        );
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let line = "-cert server.pem -key server.key -CAfile ca.pem -Verify 1 -verify_return_error -www";
        let mut server = Command::new("openssl");
        server.args(["s_server", "-accept", &port.to_string()]).args(line.split(' '));
        server.current_dir(self.bench.directory.path()).stdin(Stdio::null()).stdout(Stdio::null());
        (port, server.stderr(Stdio::piped()).spawn().unwrap())
    }
}

#[test]
#[ignore = "needs openssl"]
fn a_certificate_of_version_1_is_taken_with_its_own_key_alone() {
    let made = Made::new();
    made.of_version_1();
    made.bench.reaches("version 1", made.of_client(), None);
    made.openssl("genrsa -out client.key 2048");
    made.bench.refuses("another key", made.of_client(), &["user \"proxy\"", "cannot be used"]);
}

#[test]
#[ignore = "needs openssl"]
fn a_client_s_certificate_of_either_version_is_shown_to_the_server() {
    let made = Made::new();
    for version in [3, 1] {
        if version == 1 {
            made.of_version_1();
        }
        let (port, mut server) = made.server();
        let user = json!({"client-certificate": "client.pem", "client-key": "client.key"});
        let cluster = json!({"server": format!("https://127.0.0.1:{port}"), "certificate-authority": "ca.pem"});
        let path = made.bench.file("kubeconfig", kubeconfig(cluster, user).to_string());
        // What it is answered is no API, so that it would ask on.
        let mut proxy = Command::new(env!("CARGO_BIN_EXE_kube-proxy"));
        proxy.args(["--hostname-override=node-1", "--print-rules", "--cluster-cidr=10.16.0.0/16"]);
        proxy.arg(format!("--kubeconfig={}", path.display())).stdout(Stdio::null()).stderr(Stdio::null());
        let mut proxy = proxy.spawn().unwrap();
        let said = BufReader::new(server.stderr.take().unwrap());
        let (sender, seen) = mpsc::channel();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut lines = Vec::new();
        while !lines.iter().any(|line: &String| line.contains("CN = system:kube-proxy")) {
            match seen.recv_timeout(Duration::from_secs(20)) {
                Ok(line) => lines.push(line),
                Err(_) => break,
            }
        }
        for child in [&mut proxy, &mut server] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(lines.iter().any(|line| line.contains("CN = system:kube-proxy")), "version {version}: {lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("verify error")), "version {version}: {lines:#?}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn data_is_taken_however_base64_wraps_it_and_beside_an_empty_field_the_file_counts() {
    let made = Made::new();
    let wrapped = |name: &str| String::from_utf8(made.openssl(&format!("base64 -in {name}"))).unwrap();
    assert!(wrapped("ca.pem").lines().count() > 5, "openssl wraps it");
    let (ca, certificate, key) = (wrapped("ca.pem"), wrapped("client.pem"), wrapped("client.key"));
    let user = json!({"client-certificate-data": certificate, "client-key-data": key});
    made.bench.reaches("wrapped", made.of(json!({"certificate-authority-data": ca}), user.clone()), None);
    // As `cat <<EOF` makes it of `$(base64 ca.pem)`: lines that go on at the margin of the block.
    let block = |text: &str| text.lines().map(|line| format!("        {line}\n")).collect::<String>();
    for style in ["|", ">", ">-"] {
        let yaml = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts:\n- name: x\n  context: {{cluster: x, user: x}}\n\
             clusters:\n- name: x\n  cluster:\n    server: {}\n    certificate-authority-data: {style}\n{}\
             users:\n- name: x\n  user:\n    client-certificate-data: {style}\n{}    client-key-data: {style}\n{}",
            made.bench.api.url(),
            block(&ca),
            block(&certificate),
            block(&key),
        );
        made.bench.reaches(style, yaml, None);
    }
    let both = json!({"certificate-authority": "ca.pem", "certificate-authority-data": ""});
    let files = json!({"client-certificate": "client.pem", "client-certificate-data": "", "client-key": "client.key",
        "client-key-data": null});
    made.bench.reaches("empty data beside files", made.of(both, files), None);
    let missing = json!({"certificate-authority": "missing.pem", "certificate-authority-data": ""});
    made.bench.refuses("the file counts", made.of(missing, json!({})), &["missing.pem"]);
}

#[test]
#[ignore = "needs openssl"]
fn an_encrypted_key_is_refused_as_that() {
    let made = Made::new();
    for line in [
        "pkcs8 -topk8 -in client.key -out locked.key -passout pass:secret",
        "rsa -aes256 -traditional -in client.key -out locked.key -passout pass:secret",
    ] {
        made.openssl(line);
        let user = json!({"client-certificate": "client.pem", "client-key": "locked.key"});
        made.bench.refuses(
            line,
            made.of(json!({}), user),
            &["user \"proxy\"", "the key is encrypted", "give it without"],
        );
    }
}

#[test]
#[ignore = "needs openssl"]
fn bundles_with_text_around_the_certificates_are_taken() {
    let made = Made::new();
    made.openssl("x509 -in ca.pem -text -out text.pem");
    let bundle =
        format!("# our authorities\n{}\r\n{}", made.text("text.pem"), made.text("ca.pem").replace('\n', "\r\n"));
    made.bench.file("bundle.pem", bundle);
    made.bench.reaches("a bundle", made.of(json!({"certificate-authority": "bundle.pem"}), json!({})), None);
    // The key before the certificate, in one file, as some keep them.
    let both = format!("{}{}", made.text("client.key"), made.text("client.pem"));
    made.bench.file("both.pem", both);
    let user = json!({"client-certificate": "both.pem", "client-key": "both.pem"});
    made.bench.reaches("one file for both", made.of(json!({}), user), None);
}

#[test]
fn an_error_says_each_thing_once() {
    let nowhere = run(&[]);
    let (log, succeeded) = outcome("without a kubeconfig and no pod", &nowhere);
    assert!(!succeeded && log.contains("give --kubeconfig"), "{log}");
    let parts: Vec<&str> = log.trim().split(": ").collect();
    let said_again: Vec<_> = (1..parts.len()).filter(|&at| parts[..at].contains(&parts[at])).collect();
    assert!(said_again.is_empty(), "{log}");
}

#[test]
fn a_proxy_in_the_environment_keeps_nobody_from_the_api_server() {
    let bench = Bench::new();
    bench.file("kubeconfig", kubeconfig(json!({"server": bench.api.url()}), json!({})).to_string());
    let kubeconfig = bench.directory.path().join("kubeconfig");
    for no_proxy in [None, Some("127.0.0.1,10.0.0.0/8"), Some("*")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kube-proxy"));
        command.args(["--hostname-override=node-1", "--print-rules", "--cluster-cidr=10.16.0.0/16"]);
        command.arg(format!("--kubeconfig={}", kubeconfig.display()));
        // Nobody is there.
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            command.env(name, "http://127.0.0.1:1");
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        command.envs(no_proxy.map(|list| ("NO_PROXY", list)));
        let (log, succeeded) = outcome("a proxy", &command.output().unwrap());
        assert!(succeeded && !log.contains("PROXY"), "{no_proxy:?}: {log}");
    }
}
