//! Who is signed for, on the master: a worker of cluster.toml, for the key that it first came with, from its own address.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use cluster::{
    Cluster, Node,
    pki::{self, Credential},
    state::LockHeld,
};
use enrolment::{Asked, Issued, Signed, Signer};

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

    fn sign(&self, asked: &Asked) -> Result<Signed, String> {
        self.decide(asked).map_err(|error| match error.chain().any(|cause| cause.is::<LockHeld>()) {
            true => BUSY.to_owned(),
            false => format!("{error:#}"),
        })
    }
}

impl CertificateAuthority {
    fn decide(&self, asked: &Asked) -> Result<Signed> {
        let now = SystemTime::now();
        let keys = self.keys(asked)?;
        let node = self.cluster.node(asked.name).with_context(|| format!("cluster.toml names no {}", asked.name))?;
        let mut unknown = None;
        // Nobody is the first under a name that a kubelet serves a certificate of ours for: the table may be of an older backup.
        let standing = self.node_keys.read()?.standing(&node.name, &keys, now);
        if matches!(standing, Standing::EnrolledBefore | Standing::First) {
            match kubelet_key::served(self, node) {
                Ok(key) => drop(self.change(|known| Ok(known.learn(&node.name, &key)))?),
                Err(why) => unknown = Some(why),
            }
        }
        // Signed and bound under one lock, and on the flash before it is answered: a worker that hears no answer asks again with
        // the same key.
        self.change(|known| {
            let standing = known.standing(&node.name, &keys, now);
            let remark = self.remark_on_address(asked, node, &keys, standing)?;
            match standing {
                Standing::Known { .. } | Standing::Admitted { .. } | Standing::First => {}
                Standing::EnrolledBefore => {
                    let why = unknown.map_or_else(String::new, |why| format!(" ({why:#})"));
                    bail!(
                        "{} may have been enrolled by an older release or another authority, and which key it had is not known{why}; {}",
                        node.name,
                        self.how_to_admit(node, &keys)
                    );
                }
                Standing::Other => bail!(
                    "{} is bound to another key, that of its first enrolment; {}",
                    node.name,
                    self.how_to_admit(node, &keys)
                ),
            }
            let issued = pki::sign(&self.pki, &self.cluster, &node.name, asked.csrs, now)?;
            known.bind(&node.name, &keys, standing, !asked.any_address && !self.cluster.nat);
            let new_key = matches!(standing, Standing::Admitted { .. })
                .then(|| "with another key than before, as admitted".to_owned());
            let remark = [new_key, remark].into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
            Ok(Signed { issued: Issued { ca: issued.ca_pem, certificates: issued.certificates }, remark })
        })
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

    /// Refuses another address than the node's own. A worker of the old release cannot help asking from another one: its key
    /// speaks for it, or the operator who has named that key. Anybody can say that theirs is the old release,
    /// and repeat what another one has asked for: a key that is not bound yet gets nothing beside that.
    fn remark_on_address(&self, asked: &Asked, node: &Node, keys: &Keys, standing: Standing) -> Result<Option<String>> {
        if self.cluster.nat || asked.from == node.address {
            return Ok(None);
        }
        let other = format!("it asks from {}, and {} is its address in cluster.toml", asked.from, node.address);
        match standing {
            Standing::Known { own_address: false, all_bound: true } | Standing::Admitted { names_key: true }
                if asked.any_address =>
            {
                Ok(Some(format!("{other}: install this release on it, which asks from there")))
            }
            // What is said to these is said below.
            Standing::Other | Standing::EnrolledBefore if asked.any_address => Ok(None),
            Standing::Admitted { names_key: false } if asked.any_address => {
                bail!("{other}, and the admission names no key; {}", self.how_to_admit(node, keys))
            }
            _ if asked.any_address => bail!("{other}: install the master's release on it, which asks from there"),
            _ => bail!(
                "{other}: correct it, the same on every switch, or write nat = true under [join] where addresses are translated on the way"
            ),
        }
    }

    fn how_to_admit(&self, node: &Node, keys: &Keys) -> String {
        let key = keys.get(&Credential::Node).map_or_else(String::new, |key| format!(" --key {key}"));
        format!(
            "if this switch is {}, say so on the master {}, as root: `k8s-node admit {}{key}`",
            node.name,
            self.cluster.master().name,
            node.name
        )
    }
}

#[cfg(test)]
mod tests;
