//! A cluster, its directories, and programs to look at them with.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use cluster::{
    Cluster, Node,
    pki::{self, Credential, Outcome, PkiError, SignedCertificates},
};
use tempfile::TempDir;

pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// The key of a request.
pub const P256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
/// The subjects that veos-l1 may ask for.
pub const OWN: &str = "/C=UK/L=London/O=system:nodes/OU=Kubernetes/CN=system:node:veos-l1";
pub const PROXY: &str = "/C=UK/L=London/O=system:node-proxier/OU=Kubernetes/CN=system:kube-proxy";

pub fn now() -> SystemTime {
    SystemTime::now()
}

pub fn cluster_with(key: &str) -> Cluster {
    let more = format!("[cluster]\nkey = \"{key}\"\nsubject = {{ country = \"UK\", locality = \"London\" }}\n");
    let text = include_str!("../fixtures/cluster.toml").replacen("[cluster]\n", &more, 1);
    Cluster::parse(&text, "cluster.toml").unwrap()
}

pub fn cluster() -> Cluster {
    cluster_with("ecdsa-p256")
}

/// A node with its directory.
pub struct Switch {
    dir: TempDir,
    pub cluster: Cluster,
    pub node: Node,
}

impl Switch {
    pub fn new(cluster: &Cluster, name: &str) -> Self {
        let node = cluster.node(name).unwrap().clone();
        Switch { dir: tempfile::tempdir().unwrap(), cluster: cluster.clone(), node }
    }

    /// The master, with nothing on its flash.
    pub fn empty_master() -> Self {
        Self::new(&cluster(), "veos-b")
    }

    /// The master, with everything made `now`.
    pub fn master() -> Self {
        let master = Self::empty_master();
        master.ensure(now()).unwrap();
        master
    }

    /// A worker that has enrolled at a master.
    pub fn worker(master: &Switch, name: &str) -> Self {
        let worker = Self::new(&master.cluster, name);
        worker.enrol(master, now()).unwrap();
        worker
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("pki")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn ensure(&self, now: SystemTime) -> Result<Outcomes, PkiError> {
        pki::ensure_master(&self.path(), &self.cluster, &self.node, now).map(|list| list.into_iter().collect())
    }

    pub fn requests(&self, now: SystemTime) -> Result<Option<Vec<String>>, PkiError> {
        let requests = pki::requests(&self.path(), &self.cluster, &self.node, now)?;
        Ok(requests.map(|requests| requests.into_iter().map(|request| request.pem).collect()))
    }

    pub fn sign(&self, node: &str, requests: &[String], now: SystemTime) -> Result<SignedCertificates, pki::SignError> {
        pki::sign(&self.path(), &self.cluster, node, requests, now)
    }

    pub fn accept(&self, issued: &SignedCertificates, now: SystemTime) -> Result<Outcomes, PkiError> {
        pki::accept(&self.path(), &self.cluster, &self.node, issued, now).map(|list| list.into_iter().collect())
    }

    /// Asks, has it signed and takes it, if anything is to be asked for.
    pub fn enrol(&self, master: &Switch, now: SystemTime) -> Result<Option<Outcomes>, PkiError> {
        let Some(requests) = self.requests(now)? else { return Ok(None) };
        self.accept(&master.sign(&self.node.name, &requests, now).unwrap(), now).map(Some)
    }

    /// Asks although nothing is due.
    pub fn enrol_anew(&self, master: &Switch, now: SystemTime) -> Result<Outcomes, PkiError> {
        let requests = pki::requests_anew(&self.path(), &self.cluster, &self.node, now)?;
        let requests: Vec<String> = requests.into_iter().map(|request| request.pem).collect();
        self.accept(&master.sign(&self.node.name, &requests, now).unwrap(), now)
    }

    pub fn begin_rotation(&self, now: SystemTime) -> Result<pki::Rotation, PkiError> {
        pki::begin_rotation(&self.path(), &self.cluster, now)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path()).unwrap();
        fs::write(self.file(name), contents).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }

    /// Every file's name and contents.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.path()).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
    }

    pub fn set_files<'a>(&self, files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) {
        let _ = fs::remove_dir_all(self.path());
        fs::create_dir_all(self.path()).unwrap();
        files.into_iter().for_each(|(name, contents)| fs::write(self.file(name), contents).unwrap());
    }

    /// Every certificate is there and as it should be, by our own judgement.
    pub fn require_ok(&self, now: SystemTime) {
        for status in pki::inspect(&self.path(), &self.cluster, &self.node, now) {
            assert!(status.state == pki::CertificateState::Ok, "{}: {:?}", status.credential, status.state);
        }
    }

    /// The same by openssl's judgement too.
    pub fn require_sound(&self, now: SystemTime) {
        self.require_ok(now);
        self.require_verified(now);
    }

    /// By openssl's judgement alone.
    pub fn require_verified(&self, now: SystemTime) {
        let at = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string();
        let statuses = pki::inspect(&self.path(), &self.cluster, &self.node, now);
        for status in statuses {
            let credential = status.credential;
            let ca = self.file(ca_file(credential.name()));
            let certificate = self.file(&credential.certificate_file());
            let (ca, certificate) = (text(&ca), text(&certificate));
            openssl(&format!("verify -attime {at} -partial_chain -x509_strict -CAfile {ca} {certificate}"));
            let key = self.file(&credential.key_file());
            if key.exists() {
                let certified = openssl(&format!("x509 -pubkey -noout -in {certificate}"));
                assert_eq!(certified, openssl(&format!("pkey -pubout -in {}", text(&key))), "{credential}");
            }
        }
    }
}

/// The file of the authority that has to have signed a certificate.
pub fn ca_file(name: &str) -> &'static str {
    match name {
        "etcd-ca" | "etcd" | "kube-apiserver-etcd-client" => "etcd-ca.pem",
        "front-proxy-ca" | "front-proxy-client" => "front-proxy-ca.pem",
        _ => "ca.pem",
    }
}

pub type Outcomes = BTreeMap<Credential, Outcome>;

pub fn text(path: &Path) -> String {
    path.display().to_string()
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Runs a program that has to succeed; what it prints.
pub fn run<S: AsRef<std::ffi::OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> String {
    let Output { status, stdout, stderr } = Command::new(program).args(args).output().unwrap();
    assert!(status.success(), "{program}: {}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// `openssl` with its arguments in one line, without blanks in any of them.
pub fn openssl(line: &str) -> String {
    run("openssl", line.split_whitespace())
}

/// A request that openssl makes.
pub fn request(dir: &TempDir, key: &str, subject: &str, more: &[&str]) -> String {
    let (key_file, file) = (text(&dir.path().join("key.pem")), text(&dir.path().join("request.pem")));
    let mut args = vec!["req", "-new", "-nodes", "-keyout", &key_file, "-out", &file, "-subj", subject, "-newkey"];
    args.extend(key.split(' '));
    args.extend(more);
    run("openssl", args);
    fs::read_to_string(file).unwrap()
}
