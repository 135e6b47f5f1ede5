//! For tests alone: a real etcd on free ports, with the SWIX's programs and a PKI of its own.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;
use cluster::pki;
use contract::places;
use tempfile::TempDir;

use crate::{
    etcd::{ASKING, Etcd},
    master_fixture,
};

/// The SWIX and the place of the image in its RPM are given.
const UNPACK: &str = "unzip -q \"$1\" -d swix
    rpm2cpio swix/*.rpm | cpio --extract --quiet --make-directories
    unsquashfs -quiet -no-progress -dest image \".$2\" bin/etcd bin/etcdctl >/dev/null";

/// It ends with the test.
pub struct Server {
    pub etcd: Etcd,
    process: Child,
    directory: TempDir,
}

impl Server {
    pub fn start(flags: &[&str]) -> Server {
        Server::run(None, flags)
    }

    /// One on data that are there.
    pub fn start_on(data: &Path, flags: &[&str]) -> Server {
        Server::run(Some(data), flags)
    }

    fn run(data: Option<&Path>, flags: &[&str]) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let data = data.map_or_else(|| directory.path().join("data"), Path::to_owned);
        let pki = directory.path().join("pki");
        let cluster = master_fixture::cluster();
        pki::ensure_master(&pki, &cluster, cluster.master(), SystemTime::now()).unwrap();
        let programs = programs(directory.path());
        // It has no peers.
        let [client, peer] = ["https", "http"].map(|scheme| format!("{scheme}://127.0.0.1:{}", free_port()));
        let name = &cluster.master().name;
        let file = |name: &str| pki.join(name).display().to_string();
        let process = Command::new(programs.join("etcd"))
            .env("ETCD_UNSUPPORTED_ARCH", "386")
            .args([format!("--name={name}"), format!("--data-dir={}", data.display())])
            .args([format!("--listen-client-urls={client}"), format!("--advertise-client-urls={client}")])
            .args([format!("--listen-peer-urls={peer}"), format!("--initial-advertise-peer-urls={peer}")])
            .args([format!("--initial-cluster={name}={peer}"), "--client-cert-auth".into()])
            .args([format!("--cert-file={}", file("etcd.pem")), format!("--key-file={}", file("etcd-key.pem"))])
            .args([format!("--trusted-ca-file={}", file("etcd-ca.pem"))])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let etcd = Etcd { etcdctl: programs.join("etcdctl"), endpoint: client, pki, data };
        let server = Server { etcd, process, directory };
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = server.etcd.status() {
            let log = || fs::read_to_string(server.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "etcd does not come up: {error:#}\n{}", log());
            thread::sleep(Duration::from_millis(100));
        }
        server
    }

    pub fn put(&self, key: &str, value: &str) -> Result<String> {
        self.etcd.ask("put", ASKING, &["put", key, value])
    }

    pub fn get(&self, key: &str) -> Result<String> {
        self.etcd.ask("get", ASKING, &["get", "--print-value-only", key])
    }

    /// Writes one key again and again, as controllers do, until etcd takes no more.
    pub fn put_until_full(&self) {
        let value = "x".repeat(100 << 10);
        let error = (0..2000).find_map(|_| self.put("key", &value).err()).expect("the quota holds nothing back");
        assert!(format!("{error:#}").contains("database space exceeded"), "{error:#}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The directory with etcd and etcdctl: `$KOE_ETCD`, or out of the newest SWIX in dist/, unpacked into a directory.
fn programs(into: &Path) -> PathBuf {
    if let Some(given) = std::env::var_os("KOE_ETCD") {
        return given.into();
    }
    let dist = std::env::var_os("KOE_DIST")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../dist"), PathBuf::from);
    let entries = fs::read_dir(&dist).unwrap_or_else(|error| panic!("{}: {error}", dist.display()));
    let swixes =
        entries.flatten().map(|entry| entry.path()).filter(|file| file.extension().is_some_and(|it| it == "swix"));
    let newest = swixes.max_by_key(|file| file.metadata().and_then(|data| data.modified()).ok());
    let swix = newest.expect("there is no SWIX in dist/").canonicalize().unwrap();
    let unpacked = Command::new("sh")
        .args(["-euc", UNPACK, "sh"])
        .arg(swix)
        .arg(places::PROGRAMS_IMAGE)
        .current_dir(into)
        .status()
        .unwrap();
    assert!(unpacked.success(), "the SWIX cannot be unpacked");
    into.join("image/bin")
}
