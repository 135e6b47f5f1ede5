//! Whom the client takes for the API server: servers with certificates that openssl made, asked for their version.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use api_watch::{Connection, causes, connect};
use serde_json::{Value, json};

use crate::bench::kubeconfig;
use crate::openssl::Made;

/// openssl's server, until the test ends.
struct Server {
    process: Child,
    address: String,
    /// It would end where nobody reads.
    _says: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Made {
    /// A server at 127.0.0.1 with a certificate for these names by the authority in `AUTHORITY.pem`.
    fn api(&self, authority: &str, names: &str) -> Server {
        self.bench.file("names", format!("subjectAltName={names}\n"));
        let version = json!({"major": "1", "minor": "21", "gitVersion": "v1.21.14", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": ""});
        self.bench.file("version", format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{version}"));
        self.openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=127.0.0.1");
        self.openssl(&format!(
            "x509 -req -in server.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 30 -extfile names -out server.pem"
        ));
        let mut server = Command::new("openssl");
        server.args("s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -HTTP".split(' '));
        server.current_dir(self.bench.directory.path()).stdin(Stdio::null()).stderr(Stdio::null());
        let mut process = server.stdout(Stdio::piped()).spawn().unwrap();
        let mut says = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert!(says.read_line(&mut line).unwrap() > 0, "openssl has ended");
        }
        let address = line["ACCEPT ".len()..].trim().to_owned();
        Server { process, address, _says: says }
    }

    /// The version that the server gives, or why it is not asked for it.
    fn asks(&self, server: &Server, cluster: Value) -> Result<String, String> {
        let mut cluster = cluster;
        cluster["server"] = json!(format!("https://{}", server.address));
        let path = self.bench.file("kubeconfig", kubeconfig(cluster, json!({})).to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = connect(&Connection { kubeconfig: Some(path), master: None }).unwrap();
            let asked = tokio::time::timeout(Duration::from_secs(20), client.apiserver_version());
            asked.await.unwrap().map(|version| version.git_version).map_err(|error| causes(&error))
        })
    }
}

fn refused(asked: Result<String, String>, why: &str) {
    let said = asked.unwrap_err();
    assert!(said.contains("certificate") && said.contains(why), "{said}");
}

#[test]
#[ignore = "needs openssl"]
fn a_server_by_another_authority_is_refused_unless_nothing_is_to_be_verified() {
    let made = Made::new();
    made.openssl("req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=other -days 30");
    let ours = json!({"certificate-authority": "ca.pem"});
    let server = made.api("ca", "IP:127.0.0.1");
    assert_eq!(made.asks(&server, ours.clone()).as_deref(), Ok("v1.21.14"));
    drop(server);
    let server = made.api("other", "IP:127.0.0.1");
    refused(made.asks(&server, ours), "UnknownIssuer");
    assert_eq!(made.asks(&server, json!({"certificate-authority": "other.pem"})).as_deref(), Ok("v1.21.14"));
    assert_eq!(made.asks(&server, json!({"insecure-skip-tls-verify": true})).as_deref(), Ok("v1.21.14"));
}

#[test]
#[ignore = "needs openssl"]
fn a_server_with_another_name_is_refused_unless_that_is_the_name_to_be_verified() {
    let made = Made::new();
    let server = made.api("ca", "DNS:api");
    refused(made.asks(&server, json!({"certificate-authority": "ca.pem"})), "not valid for");
    let named = |name| json!({"certificate-authority": "ca.pem", "tls-server-name": name});
    assert_eq!(made.asks(&server, named("api")).as_deref(), Ok("v1.21.14"));
    refused(made.asks(&server, named("other")), "not valid for");
    assert_eq!(made.asks(&server, json!({"insecure-skip-tls-verify": true})).as_deref(), Ok("v1.21.14"));
}
