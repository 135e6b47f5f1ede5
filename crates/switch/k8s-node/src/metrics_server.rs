//! The metrics server of the master: whether there is one, and who it is to kubelets, to the API server and to its clients. What it is
//! lives in memory alone, is made at each boot, and again long before it ends.

use std::{
    fmt, fs,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use cluster::{
    Cluster, kubeconfig,
    pki::{self, User},
};
use common::{
    digest::Sha256,
    files::{self, Access, NewFile},
};
use contract::{Credential, metrics, places};
use serde::{Deserialize, Serialize};

/// Its unit and program.
pub const SERVICE: &str = "metrics-server";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long its certificates last, and when others are made.
const LIFETIME: Duration = DAY.saturating_mul(30);
const RENEWED_AFTER: Duration = DAY.saturating_mul(10);

/// The file that says of when the others are, and of which authority.
const RECORD: &str = "made.json";

const FILES: [&str; 5] = [
    places::METRICS_KUBECONFIG,
    places::METRICS_CLIENT_CERTIFICATE,
    places::METRICS_CLIENT_KEY,
    places::METRICS_SERVING_CERTIFICATE,
    places::METRICS_SERVING_KEY,
];

/// Why this master has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNot {
    ClusterToml,
    KeyAway,
    NoFrontProxy,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Record {
    /// Seconds since 1970.
    made: u64,
    /// The digest of ca.pem.
    authority: String,
}

/// None where it runs.
pub fn why_not(cluster: &Cluster, pki: &Path) -> Option<WhyNot> {
    let is_there = |file: &str| fs::exists(pki.join(file)).unwrap_or(false);
    if !cluster.services.metrics_server {
        Some(WhyNot::ClusterToml)
    } else if !is_there(&Credential::Ca.key_file()) {
        Some(WhyNot::KeyAway)
    } else if !front_proxy_is_in(pki) {
        Some(WhyNot::NoFrontProxy)
    } else {
        None
    }
}

/// Whether there is what the API server needs to show aggregated API servers who it is.
pub fn front_proxy_is_in(pki: &Path) -> bool {
    let client = Credential::FrontProxyClient;
    let needed = [Credential::FrontProxyCa.certificate_file(), client.certificate_file(), client.key_file()];
    needed.iter().all(|file| fs::exists(pki.join(file)).unwrap_or(false))
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WhyNot::ClusterToml => "cluster.toml says metrics_server = false",
            WhyNot::KeyAway => {
                "the certificate authority's key is not on this switch, and it has no certificate without"
            }
            WhyNot::NoFrontProxy => "the front proxy's certificates are missing, by which it knows the API server",
        })
    }
}

/// Makes its files where they are missing, old, or of another authority. Returns its serving certificate.
pub fn ensure_credentials(directory: &Path, cluster: &Cluster, pki: &Path, now: SystemTime) -> Result<Vec<u8>> {
    let authority = files::read(&pki.join(Credential::Ca.certificate_file()))?;
    let made = now.duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
    let record = Record { made: made.as_secs(), authority: Sha256::of_bytes(&authority).to_string() };
    if !is_kept(directory, &record) {
        make(directory, cluster, pki, &authority, &record, now)
            .context("cannot make the metrics server's certificates")?;
    }
    files::read(&directory.join(name(places::METRICS_SERVING_CERTIFICATE)))
}

fn is_kept(directory: &Path, now: &Record) -> bool {
    let record = fs::read(directory.join(RECORD)).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
    let is_new = |record: Record| {
        let age = now.made.checked_sub(record.made);
        record.authority == now.authority && age.is_some_and(|age| age < RENEWED_AFTER.as_secs())
    };
    record.is_some_and(is_new) && FILES.iter().all(|file| directory.join(name(file)).is_file())
}

/// A file's name below its directory.
fn name(file: &str) -> &str {
    file.rsplit_once('/').map_or(file, |(_, name)| name)
}

fn make(
    directory: &Path,
    cluster: &Cluster,
    pki: &Path,
    authority: &[u8],
    record: &Record,
    now: SystemTime,
) -> Result<()> {
    let user = User::new(cluster, metrics::USER, &[])?;
    let client = pki::certify(pki, cluster, &user, LIFETIME, now)?;
    let kubeconfig = kubeconfig::of_user(cluster, pki, &user, &client)?;
    let server = pki::certify_server(metrics::SERVER_NAME, LIFETIME, now)?;
    // While an authority is replaced, kubelets that do not know the new one yet find in its chain who vouches for it.
    let chain = [client.certificate.as_bytes(), authority].concat();
    let record = serde_json::to_vec(record)?;
    let contents: [&[u8]; FILES.len()] =
        [kubeconfig.as_bytes(), &chain, client.key.as_bytes(), server.certificate.as_bytes(), server.key.as_bytes()];
    let file = |(file, contents)| NewFile { name: name(file), access: Access::Owner, contents };
    let files: Vec<NewFile> = FILES.into_iter().zip(contents).map(file).collect();
    files::create_dir(directory)?;
    // Without a record, what is half written is made again.
    let _ = fs::remove_file(directory.join(RECORD));
    files::write_together(directory, &files)?;
    files::write_for_owner(&directory.join(RECORD), &record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master_fixture::Master;

    #[test]
    fn its_files_are_kept_made_again_in_time_and_follow_the_authority() {
        let now = SystemTime::now();
        let master = Master::start(now);
        let directory = tempfile::tempdir().unwrap();
        let at = |time| ensure_credentials(directory.path(), &master.cluster, master.pki(), time).unwrap();
        let first = at(now);
        assert_eq!(at(now + RENEWED_AFTER - DAY), first, "it restarts for nothing");
        let second = at(now + RENEWED_AFTER);
        assert_ne!(second, first, "it would end");
        assert_ne!(at(now), second, "made while the clock was ahead");
        fs::remove_file(directory.path().join(name(places::METRICS_CLIENT_KEY))).unwrap();
        at(now);
        let chain = fs::read_to_string(directory.path().join(name(places::METRICS_CLIENT_CERTIFICATE))).unwrap();
        assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
        let kubeconfig: serde_json::Value =
            serde_json::from_slice(&fs::read(directory.path().join(name(places::METRICS_KUBECONFIG))).unwrap())
                .unwrap();
        assert_eq!(kubeconfig["users"][0]["name"], metrics::USER);
        let authority = master.pki().join(Credential::Ca.certificate_file());
        let third = at(now);
        fs::write(&authority, [fs::read(&authority).unwrap(), b"\n".to_vec()].concat()).unwrap();
        assert_ne!(at(now), third, "another authority");
    }

    #[test]
    fn where_there_is_none_it_is_said_why() {
        let master = Master::start(SystemTime::now());
        assert_eq!(why_not(&master.cluster, master.pki()), None);
        let key = master.pki().join(Credential::Ca.key_file());
        fs::rename(&key, key.with_extension("away")).unwrap();
        let away = why_not(&master.cluster, master.pki()).unwrap();
        assert!(away.to_string().contains("key is not on this switch"));
        let mut off = master.cluster.clone();
        off.services.metrics_server = false;
        assert_eq!(why_not(&off, master.pki()), Some(WhyNot::ClusterToml));
    }
}
