//! What the kube-proxy is tried in with a kubeconfig: a directory of files, a server, and the outcomes that there may be.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use api_watch::fake::{ENDPOINTS, FakeApi, SERVICES};

/// A directory with files, and a server that they may name.
pub struct Bench {
    pub api: FakeApi,
    pub directory: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        Bench { api: FakeApi::start(&[SERVICES, ENDPOINTS]), directory: tempfile::tempdir().unwrap() }
    }

    /// The server's `HOST:PORT`.
    pub fn host(&self) -> String {
        self.api.url().replace("http://", "")
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A kubeconfig with this user. DEL has to be escaped in YAML, and so has a key that is long.
    pub fn of_user(&self, user: Value) -> String {
        let text = kubeconfig(json!({"server": self.api.url()}), user).to_string();
        text.replace('\u{7f}', "\\u007f").replace("{\"kkk", "{? \"kkk")
    }

    /// Lists what there is, with the kubeconfig that the directory has under this name.
    pub fn run(&self, name: &str, flags: &[&str]) -> Output {
        let kubeconfig = format!("--kubeconfig={}", self.directory.path().join(name).display());
        run(&[&[kubeconfig.as_str()], flags].concat())
    }

    /// It lists what there is, and the server sees this Authorization.
    pub fn reaches(&self, what: &str, kubeconfig: impl AsRef<[u8]>, authorization: Option<&str>) {
        self.file("kubeconfig", kubeconfig);
        let (log, succeeded) = outcome(what, &self.run("kubeconfig", &[]));
        assert!(succeeded, "{what}: {log}");
        assert_eq!(self.api.authorization().as_deref(), authorization, "{what}");
    }

    /// It ends with an error that names the file and says this.
    pub fn refuses(&self, what: &str, kubeconfig: impl AsRef<[u8]>, says: &[&str]) {
        self.file("kubeconfig", kubeconfig);
        refused(what, &self.run("kubeconfig", &[]), &[&["kubeconfig"], says].concat());
    }
}

pub fn run(flags: &[&str]) -> Output {
    let common = ["--hostname-override=node-1", "--cluster-cidr=10.16.0.0/16", "--print-rules"];
    Command::new(env!("CARGO_BIN_EXE_kube-proxy")).args(flags).args(common).output().unwrap()
}

/// The log, and whether it succeeded; a program that panicked, or died by a signal, ends the test.
pub fn outcome(what: &str, output: &Output) -> (String, bool) {
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!log.contains("panicked at"), "{what}: {log}");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{what}: {}: {log}", output.status);
    (log, output.status.success())
}

pub fn refused(what: &str, output: &Output, says: &[&str]) {
    let (log, succeeded) = outcome(what, output);
    assert!(!succeeded, "{what}: {log}");
    for text in says {
        assert!(log.contains(text), "{what}: {text:?} is not in: {log}");
    }
}

pub fn kubeconfig(cluster: Value, user: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "ours", "user": "proxy"}}],
        "clusters": [{"name": "ours", "cluster": cluster}],
        "users": [{"name": "proxy", "user": user}],
    })
}

pub fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", data_encoding::BASE64.encode(der))
}
