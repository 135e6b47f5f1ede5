//! etcd on this master, by the etcdctl of its own release: what it says of itself, room made in its database, copies taken of it
//! and put back. Each call has a limit.

pub mod defragment;
pub mod snapshot;

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use cluster::{pki::Credential, room::LIMITS};
use common::command::Program;
use contract::{places, ports};
use serde::Deserialize;

use crate::program;

/// Questions are answered at once, or not at all.
const ASKING: Duration = Duration::from_secs(10);

/// Taking away what is compacted is work for as long as the database is large.
const COMPACTING: Duration = Duration::from_secs(5 * 60);

/// The whole database is written, or read, from or to a flash that may write 2 MB/s.
const COPYING: Duration = Duration::from_secs(15 * 60);

/// It ends by itself before it is ended, as it says more than that it took too long.
const GRACE: Duration = Duration::from_secs(10);

/// What to do where the quota is full.
pub const NO_SPACE: &str = "NOSPACE: etcd's database has reached its quota, so that the cluster takes nothing new: say \
                            `k8s-node etcd defrag`, and delete what the cluster does not need if that is not enough";

/// The part of its quota, in per cent, at which a database that goes on growing is remarked on.
const NEARLY_FULL: u64 = 80;

pub struct Etcd {
    etcdctl: PathBuf,
    endpoint: String,
    pki: PathBuf,
    data: PathBuf,
}

/// What it says of itself, as far as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EtcdStatus {
    pub revision: u64,
    /// Bytes of the database's file.
    pub size: u64,
    /// Bytes of it that are in use; etcd 3.3 does not say.
    pub in_use: Option<u64>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Status")]
    status: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    header: Header,
    db_size: u64,
    db_size_in_use: Option<u64>,
}

#[derive(Deserialize)]
struct Header {
    revision: u64,
}

impl Etcd {
    pub fn on_switch() -> Etcd {
        Etcd {
            etcdctl: places::ETCDCTL.into(),
            endpoint: format!("https://{}:{}", Ipv4Addr::LOCALHOST, ports::ETCD),
            pki: places::PKI.into(),
            data: places::ETCD.into(),
        }
    }

    pub fn status(&self) -> Result<EtcdStatus> {
        let printed = self.ask("ask etcd for its size", ASKING, &["endpoint", "status", "--write-out=json"])?;
        status(&printed).with_context(|| format!("etcdctl printed no status: {printed}"))
    }

    /// Whether its quota is full by its own word, which stays until it is taken back.
    pub fn has_no_space(&self) -> Result<bool> {
        Ok(self.ask("ask etcd for alarms", ASKING, &["alarm", "list"])?.contains("NOSPACE"))
    }

    /// Forgets what was before a revision.
    fn compact(&self, revision: u64) -> Result<()> {
        let arguments = ["compact", "--physical", &revision.to_string()];
        match self.ask("compact etcd's history", COMPACTING, &arguments) {
            Err(error) if format!("{error:#}").contains("has been compacted") => Ok(()),
            compacted => compacted.map(drop),
        }
    }

    /// Writes the database anew without what is free in it. It answers nobody meanwhile.
    fn defragment(&self) -> Result<()> {
        self.ask("defragment etcd's database", COPYING, &["defrag"]).map(drop)
    }

    fn disarm(&self) -> Result<()> {
        self.ask("take back etcd's alarm", ASKING, &["alarm", "disarm"]).map(drop)
    }

    /// Bytes of its database's file, whether it runs or not; none where there is none.
    pub fn database_size(&self) -> Option<u64> {
        Some(self.data.join("member/snap/db").metadata().ok()?.len())
    }

    /// The directory of its data.
    fn data(&self) -> &Path {
        &self.data
    }

    fn ask(&self, purpose: &str, limit: Duration, arguments: &[&str]) -> Result<String> {
        let option = |name: &str, file: String| format!("--{name}={}", self.pki.join(file).display());
        let client = Credential::ApiServerEtcdClient;
        let connection = [
            format!("--endpoints={}", self.endpoint),
            option("cacert", Credential::EtcdCa.certificate_file()),
            option("cert", client.certificate_file()),
            option("key", client.key_file()),
            "--dial-timeout=5s".to_owned(),
            format!("--command-timeout={}s", limit.as_secs()),
        ];
        self.etcdctl(purpose)?.args(connection).args(arguments).limit(limit + GRACE).read()
    }

    fn etcdctl(&self, purpose: &str) -> Result<Program> {
        // Without the environment of whoever calls: etcdctl takes every option from there, too.
        Ok(program::new(&self.etcdctl.to_string_lossy(), purpose)?.empty_env().env("ETCDCTL_API", "3"))
    }
}

fn status(printed: &str) -> Option<EtcdStatus> {
    let endpoints: Vec<Endpoint> = serde_json::from_str(printed).ok()?;
    let said = endpoints.into_iter().next()?.status;
    Some(EtcdStatus { revision: said.header.revision, size: said.db_size, in_use: said.db_size_in_use })
}

/// What is worth knowing of a database of so many bytes before its quota is full.
pub fn outlook(size: u64) -> Option<String> {
    (size >= LIMITS.etcd_quota / 100 * NEARLY_FULL).then(|| {
        format!(
            "etcd's database has {} MiB of the {} that it may have: `k8s-node etcd defrag` gives back what is not in use",
            size >> 20,
            LIMITS.etcd_quota >> 20
        )
    })
}

#[cfg(test)]
mod tests;
