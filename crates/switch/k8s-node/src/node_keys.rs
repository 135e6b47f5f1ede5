//! On the master: which worker has which key. A name is bound to the keys of its first enrolment; others need the operator's word.
//!
//! The file lies beside the certificate authority, so that it is in every backup of that. It holds no secret. It says with a digest
//! whether it is whole: one that is damaged or gone admits nobody, since forgetting a name would give it to the next who asks.

mod file;
mod revocation;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use cluster::{
    Cluster,
    pki::{self, AuthorityKeys, Credential, KeyDigest},
    revoked::RevokedClients,
};
use common::files;
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

    /// That of another directory than the one of the switch.
    pub fn beside(pki: &Path) -> NodeKeysFile {
        NodeKeysFile::at(pki.join(Path::new(places::NODE_KEYS).file_name().unwrap_or_default()))
    }

    /// Makes the file where there is none, before anything of a new cluster's is made. In a cluster that has run, any worker may
    /// have enrolled: then their names are for nobody until their keys are known. A file of another certificate authority
    /// is as good as none there.
    pub fn begin(&self, cluster: &Cluster, etcd: &Path) -> Result<()> {
        let _lock = file::lock(&self.path)?;
        let authorities = pki::authority_keys(self.directory())?;
        // One that is damaged is the operator's matter: who reads it says so.
        let Ok(there) = file::read(&self.path) else { return Ok(()) };
        let mut known = match &there {
            Some(known) if known.is_of(authorities.as_ref()) => known.clone(),
            None if !self.has_run(etcd) => NodeKeys::default(),
            _ => {
                let workers = cluster.nodes.iter().filter(|node| !node.master);
                let mut anew = NodeKeys::enrolled_before(workers.map(|node| node.name.clone()));
                if let Some(clients) = self.revoked_clients()? {
                    anew.revoked_again(&clients, SystemTime::now());
                }
                anew
            }
        };
        known.belong_to(authorities);
        if there.as_ref() != Some(&known) {
            file::write(&self.path, &known)?;
        }
        self.tell_api_server(&known)
    }

    /// Whom the API server of this authority's cluster has been told to refuse by what is here, for a table that is older; None where
    /// neither table nor list can be read any more.
    pub fn revoked_here(&self, authority: &KeyDigest) -> Result<Option<RevokedClients>> {
        let ours = AuthorityKeys { signing: authority.clone(), replaced: None };
        let there = pki::authority_keys(self.directory())?.unwrap_or(ours);
        match file::read(&self.path) {
            _ if there.signing != *authority && there.replaced.as_ref() != Some(authority) => {
                Ok(Some(RevokedClients::default()))
            }
            Ok(Some(known)) if known.is_of(Some(&there)) => Ok(Some(known.revoked_clients())),
            table => {
                let is_damaged = table.is_err() || self.revoked_file().exists();
                Ok(self.revoked_clients()?.or_else(|| (!is_damaged).then(RevokedClients::default)))
            }
        }
    }

    /// Puts these into the table of a backup that nobody goes by yet, and into the API server's list beside it, from which a table is
    /// made where there is none. Returns the names of all that are revoked then.
    pub fn keep_revoked(&self, clients: &[RevokedClients], now: SystemTime) -> Result<Vec<String>> {
        if clients.iter().all(RevokedClients::is_empty) {
            return Ok(Vec::new());
        }
        let authorities = pki::authority_keys(self.directory())?;
        let table = file::read(&self.path).ok().flatten().filter(|known| known.is_of(authorities.as_ref()));
        let is_table = table.is_some();
        let mut known = table.unwrap_or_default();
        let listed = if is_table { None } else { self.revoked_clients()? };
        listed.iter().chain(clients).for_each(|clients| known.revoked_again(clients, now));
        if is_table {
            file::write(&self.path, &known)?;
        }
        self.tell_api_server(&known)?;
        Ok(known.revoked().map(str::to_owned).collect())
    }

    /// Whether its cluster has data or certificates.
    pub fn has_run(&self, etcd: &Path) -> bool {
        etcd.join("member").exists() || has_certificates(self.directory())
    }

    pub fn read(&self) -> Result<NodeKeys> {
        match file::read(&self.path)? {
            Some(known) if known.is_of(pki::authority_keys(self.directory())?.as_ref()) => Ok(known),
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
        known.belong_to(pki::authority_keys(self.directory())?);
        if known != before {
            known.forget_ended(SystemTime::now());
            file::write(&self.path, &known)?;
        }
        self.tell_api_server(&known)?;
        Ok(made)
    }

    /// What the API server goes by, of the table as it is: the table is written before, so that a power cut between the two is made
    /// up for at the next boot. Where nobody was ever revoked there is no such file.
    fn tell_api_server(&self, known: &NodeKeys) -> Result<()> {
        let (file, clients) = (self.revoked_file(), known.revoked_clients());
        let text = clients.to_text().context("cannot write down who is revoked")?;
        let there = fs::read(&file).ok();
        if there.as_deref() == Some(text.as_bytes()) || there.is_none() && clients.is_empty() {
            return Ok(());
        }
        files::write_atomically(&file, text)
    }

    /// As the API server has been told last; none where that cannot be told, or nobody was ever revoked.
    fn revoked_clients(&self) -> Result<Option<RevokedClients>> {
        let file = self.revoked_file();
        match fs::read_to_string(&file) {
            Ok(text) => Ok(RevokedClients::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn revoked_file(&self) -> PathBuf {
        self.path.with_file_name(Path::new(places::REVOKED_CLIENTS).file_name().unwrap_or_default())
    }
}

/// Whether a certificate authority in this directory has signed anything, here or where an operator made it all.
fn has_certificates(pki: &Path) -> bool {
    let leaves = Credential::MASTER.iter().filter(|one| !one.is_ca() && **one != Credential::ServiceAccount);
    leaves.into_iter().any(|leaf| pki.join(leaf.certificate_file()).exists())
}
