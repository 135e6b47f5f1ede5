//! Who is signed for, on the master: a worker of cluster.toml, for the key that it first came with, from its own address.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use cluster::{
    Cluster, Node,
    pki::{self, Credential},
    state::LockHeld,
};
use contract::{places, ports};
use enrolment::{Asked, Issued, Signed, Signer};
use rustls::sign::CertifiedKey;

use crate::{
    kubelet_key,
    node_keys::{Keys, NodeKeys, NodeKeysFile, Standing},
};

/// How long one who asks waits for the others. The wait for another program's lock comes after it, and an exchange has 10 s.
const TURN: Duration = Duration::from_secs(5);

const BUSY: &str = "the master is busy: it is asked again";

/// The cluster's certificate authority.
pub struct CertificateAuthority {
    pub pki: PathBuf,
    pub cluster: Cluster,
    pub node_keys: NodeKeysFile,
    pub kubelet_port: u16,
    /// Those who ask at once come one after the other here; the directory's lock is for the other programs.
    pub turn: Mutex<()>,
}

impl Signer for CertificateAuthority {
    fn knows(&self, name: &str) -> bool {
        self.cluster.node(name).is_some()
    }

    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        pki::master_identity(&self.pki).ok().flatten()
    }

    fn knows_key(&self, name: &str, certificate: &[u8]) -> Result<(), String> {
        self.require_known(name, certificate).map_err(|error| format!("{error:#}"))
    }

    fn sign(&self, asked: &Asked) -> Result<Signed, String> {
        self.decide(asked).map_err(|error| match error.chain().any(|cause| cause.is::<LockHeld>()) {
            true => BUSY.to_owned(),
            false => format!("{error:#}"),
        })
    }
}

impl CertificateAuthority {
    pub fn on_switch(cluster: Cluster) -> CertificateAuthority {
        CertificateAuthority {
            pki: places::PKI.into(),
            cluster,
            node_keys: NodeKeysFile::on_switch(),
            kubelet_port: ports::KUBELET,
            turn: Mutex::default(),
        }
    }

    /// What it fails with says nothing of the name.
    fn require_known(&self, name: &str, certificate: &[u8]) -> Result<()> {
        let keys = Keys::from([(Credential::Node, pki::shown_key(certificate)?)]);
        let known = self.node_keys.read()?;
        match known.standing(name, &keys, SystemTime::now()) {
            Standing::Known { .. } | Standing::Admitted { names_key: true } => Ok(()),
            // Whose key it was may know it.
            Standing::Revoked if known.has_revoked_key(name, &keys) => {
                bail!(self.how_it_comes_back(name, &keys, &known))
            }
            _ => bail!("the key of this switch is not known under that name; {}", self.how_to_admit(name, &keys)),
        }
    }

    fn decide(&self, asked: &Asked) -> Result<Signed> {
        let now = SystemTime::now();
        let keys = self.keys(asked)?;
        let node = self.cluster.node(asked.name).with_context(|| format!("cluster.toml names no {}", asked.name))?;
        let known_by = known_by(asked, &keys)?;
        let mut unknown = None;
        // Nobody is the first under a name that a kubelet serves a certificate of ours for: the table may be of an older backup.
        let standing = self.node_keys.read()?.standing(&node.name, &known_by, now);
        if asked.knows_token && matches!(standing, Standing::EnrolledBefore | Standing::First) {
            match kubelet_key::served(self, node) {
                Ok(key) => drop(self.change(|known| Ok(known.learn(&node.name, &key)))?),
                Err(why) => unknown = Some(why),
            }
        }
        // Signed and bound under one lock, and on the flash before it is answered: a worker that hears no answer asks again with
        // the same key.
        self.change(|known| {
            let standing = known.standing(&node.name, &known_by, now);
            if standing == Standing::Revoked || known.has_revoked_key(&node.name, &keys) {
                bail!(self.how_it_comes_back(&node.name, &keys, known));
            }
            let remark = self.remark_on_address(asked, node, standing)?;
            match standing {
                Standing::Known { .. } => {}
                Standing::Admitted { .. } if asked.certificate.is_none() => bail!(
                    "{} is admitted, and its release does not show that it has its key: install the master's release on it",
                    node.name
                ),
                Standing::Admitted { names_key: true } => {}
                Standing::Admitted { names_key: false } if asked.knows_token && !self.is_closed(now) => {}
                Standing::First if asked.knows_token && !self.is_closed(now) => {}
                Standing::First | Standing::Admitted { .. } if asked.knows_token => bail!(
                    "no node can join that has not yet, as cluster.toml on the master let them in by the token until {}: write a \
                     later `until` there, or, {}",
                    self.cluster.until.map(|until| until.to_string()).unwrap_or_default(),
                    self.how_to_admit(&node.name, &keys)
                ),
                Standing::First | Standing::Admitted { .. } => {
                    bail!("{} has not joined by the token; {}", node.name, self.how_to_admit(&node.name, &keys))
                }
                Standing::EnrolledBefore => {
                    let why = unknown.map_or_else(String::new, |why| format!(" ({why:#})"));
                    bail!(
                        "{} may have been enrolled by an older release or another authority, and which key it had is not known{why}; {}",
                        node.name,
                        self.how_to_admit(&node.name, &keys)
                    );
                }
                Standing::Other | Standing::Revoked => bail!(
                    "{} is bound to another key, that of its first enrolment; {}",
                    node.name,
                    self.how_to_admit(&node.name, &keys)
                ),
            }
            known.bind(&node.name, &keys, standing, !asked.any_address && !self.cluster.nat)?;
            let issued = pki::sign(&self.pki, &self.cluster, &node.name, asked.csrs, now)?;
            let new_key = matches!(standing, Standing::Admitted { .. })
                .then(|| "with another key than before, as admitted".to_owned());
            let remark = [new_key, remark].into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
            Ok(Signed { issued: Issued { ca: issued.ca_pem, certificates: issued.certificates }, remark })
        })
    }

    /// Whether the token lets nobody in any more.
    fn is_closed(&self, now: SystemTime) -> bool {
        self.cluster.until.is_some_and(|until| until.is_over(now))
    }

    /// Changes the table of keys when it is one's turn.
    pub fn change<T>(&self, change: impl FnOnce(&mut NodeKeys) -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(began.elapsed() < TURN, BUSY);
        self.node_keys.change(change)
    }

    /// One key for each certificate, the node's own among them: the others are known by that.
    fn keys(&self, asked: &Asked) -> Result<Keys> {
        let mut keys = Keys::new();
        for (credential, key) in pki::requested_keys(&self.cluster, asked.name, asked.csrs)? {
            if keys.insert(credential, key).is_some() {
                bail!("two requests for {}: one is signed", credential.certificate_file());
            }
        }
        if !keys.contains_key(&Credential::Node) {
            bail!("no request for {}, which a worker is known by", Credential::Node.certificate_file());
        }
        Ok(keys)
    }

    /// Refuses another address than the node's own. A worker of the old release cannot help asking from another one: its keys
    /// speak for it. Anybody can say that theirs is the old release, and repeat what another one has asked for: a key that is not
    /// bound yet gets nothing beside that.
    fn remark_on_address(&self, asked: &Asked, node: &Node, standing: Standing) -> Result<Option<String>> {
        if self.cluster.nat || asked.from == node.address {
            return Ok(None);
        }
        let other = format!("it asks from {}, and {} is its address in cluster.toml", asked.from, node.address);
        match standing {
            Standing::Known { own_address: false, all_bound: true } if asked.any_address => {
                Ok(Some(format!("{other}: install this release on it, which asks from there")))
            }
            // What is said to these is said below.
            Standing::Other | Standing::EnrolledBefore | Standing::Admitted { .. } if asked.any_address => Ok(None),
            _ if asked.any_address => bail!("{other}: install the master's release on it, which asks from there"),
            _ => bail!(
                "{other}: correct it, the same on every switch, or write nat = true under [join] where addresses are translated on the way"
            ),
        }
    }

    /// What one who is revoked is told: its status repeats it.
    fn how_it_comes_back(&self, name: &str, keys: &Keys, known: &NodeKeys) -> String {
        let master = &self.cluster.master().name;
        let since =
            known.revoked_since(name).map(|since| format!(" since {}", humantime::format_rfc3339_seconds(since)));
        let revoked = format!("{name} is revoked on the master {master}{}", since.unwrap_or_default());
        if known.has_revoked_key(name, keys) {
            format!(
                "{revoked}, and this key with it: once this switch is to be trusted again, `k8s-node reset` makes it one with a \
                 new key, which {master} can admit; `k8s-node revoke {name} --undo` there is for a mistake"
            )
        } else {
            format!("{revoked}; {}", self.how_to_admit(name, keys))
        }
    }

    fn how_to_admit(&self, name: &str, keys: &Keys) -> String {
        let key = keys.get(&Credential::Node).map_or_else(String::new, |key| format!(" --key {key}"));
        let master = &self.cluster.master().name;
        format!("if this switch is {name}, say so on the master {master}, as root: `k8s-node admit {name}{key}`")
    }
}

/// The keys that have to be bound to the name. Who shows in the session that it has the node's own says with that which others it
/// has; of requests that may have been overheard, each counts for itself.
fn known_by(asked: &Asked, keys: &Keys) -> Result<Keys> {
    let Some(certificate) = asked.certificate else { return Ok(keys.clone()) };
    let shown = pki::shown_key(certificate)?;
    ensure!(
        keys.get(&Credential::Node) == Some(&shown),
        "the request for {} is another key's than the one that this switch shows that it has, {shown}",
        Credential::Node.certificate_file()
    );
    Ok(Keys::from([(Credential::Node, shown)]))
}

#[cfg(test)]
mod revoked;
#[cfg(test)]
mod tests;
