//! On the master: which worker has which key. A name is bound to the keys of its first enrolment; others need the operator's word.
//!
//! The file lies beside the certificate authority, so that it is in every backup of that. It holds no secret. It says with a digest
//! whether it is whole: one that is damaged or gone admits nobody, since forgetting a name would give it to the next who asks.

mod file;
mod table;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Result, bail};
use cluster::{
    Cluster,
    pki::{self, Credential},
};
use contract::places;

pub use table::{Admission, Keys, NodeKeys, Standing};

/// Where the table is kept. Each change is made under a lock, on what is there then.
#[derive(Debug, Clone)]
pub struct NodeKeysFile {
    path: PathBuf,
}

impl NodeKeysFile {
    pub fn on_switch() -> NodeKeysFile {
        NodeKeysFile::at(places::NODE_KEYS)
    }

    pub fn at(path: impl Into<PathBuf>) -> NodeKeysFile {
        NodeKeysFile { path: path.into() }
    }

    /// Makes the file where there is none, before anything of a new cluster's is made. In a cluster that has run, any worker may
    /// have enrolled: then their names are for nobody until their keys are known. A file of another certificate authority
    /// is as good as none there.
    pub fn begin(&self, cluster: &Cluster, etcd: &Path) -> Result<()> {
        let _lock = file::lock(&self.path)?;
        let authority = pki::authority_key(self.directory())?;
        // One that is damaged is the operator's matter: who reads it says so.
        let Ok(there) = file::read(&self.path) else { return Ok(()) };
        let mut known = match &there {
            Some(known) if known.is_of(authority.as_ref()) => known.clone(),
            None if !self.has_run(etcd) => NodeKeys::default(),
            _ => {
                let workers = cluster.nodes.iter().filter(|node| !node.master);
                NodeKeys::enrolled_before(workers.map(|node| node.name.clone()))
            }
        };
        known.belong_to(authority);
        if there.as_ref() != Some(&known) {
            file::write(&self.path, &known)?;
        }
        Ok(())
    }

    /// Whether its cluster has data or certificates.
    pub fn has_run(&self, etcd: &Path) -> bool {
        etcd.join("member").exists() || has_certificates(self.directory())
    }

    pub fn read(&self) -> Result<NodeKeys> {
        match file::read(&self.path)? {
            Some(known) if known.is_of(pki::authority_key(self.directory())?.as_ref()) => Ok(known),
            Some(_) => bail!(
                "{} is of another certificate authority than {}: put back what belongs together from your backup, or let `systemctl \
                 restart {}` make a new one, which will know workers by their kubelets",
                self.path.display(),
                self.directory().join(Credential::Ca.certificate_file()).display(),
                contract::services::BOOTSTRAP
            ),
            None => bail!(
                "{} is not there: put it back from your backup, or let `systemctl restart {}` make a new one, which will know \
                 workers by their kubelets",
                self.path.display(),
                contract::services::BOOTSTRAP
            ),
        }
    }

    /// That of the certificate authority.
    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Changes the table by what is in it now. What `change` fails with leaves it as it is; when this returns, it is on the flash.
    pub fn change<T>(&self, change: impl FnOnce(&mut NodeKeys) -> Result<T>) -> Result<T> {
        let _lock = file::lock(&self.path)?;
        let before = self.read()?;
        let mut known = before.clone();
        let made = change(&mut known)?;
        if known != before {
            known.forget_ended(SystemTime::now());
            known.belong_to(pki::authority_key(self.directory())?);
            file::write(&self.path, &known)?;
        }
        Ok(made)
    }
}

/// Whether a certificate authority in this directory has signed anything, here or where an operator made it all.
fn has_certificates(pki: &Path) -> bool {
    let leaves = Credential::MASTER.iter().filter(|one| !one.is_ca() && **one != Credential::ServiceAccount);
    leaves.into_iter().any(|leaf| pki.join(leaf.certificate_file()).exists())
}
