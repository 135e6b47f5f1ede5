//! Workers that the master's table of keys does not have, because they enrolled before there was one or after the backup that it
//! is of, are known by what their kubelets serve: the certificate that the cluster's authority has signed for that very name, at
//! the address of cluster.toml. The token says nothing about that.

use std::{thread, time::Duration};

use anyhow::{Context, Result};
use cluster::{
    Node,
    pki::{self, KeyDigest},
};

use crate::certificate_authority::CertificateAuthority;

/// How long a kubelet may take; a worker that asks waits for it.
const LIMIT: Duration = Duration::from_secs(2);

/// From one round to the next.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// The key that a node's kubelet has shown that it has.
pub fn served(ca: &CertificateAuthority, node: &Node) -> Result<KeyDigest> {
    Ok(pki::served_key(&ca.pki, &ca.cluster, node, &certificate(ca, node)?)?)
}

/// Whether a node's kubelet serves a certificate of the authority that signs now, and not of the one that is being replaced.
pub fn has_changed_over(ca: &CertificateAuthority, node: &Node) -> Result<bool> {
    Ok(pki::has_changed_over(&ca.pki, &ca.cluster, node, &certificate(ca, node)?)?)
}

fn certificate(ca: &CertificateAuthority, node: &Node) -> Result<Vec<u8>> {
    let address = (node.address, ca.kubelet_port).into();
    let served = enrolment::served_certificate(address, LIMIT);
    served.with_context(|| format!("its kubelet at {address} cannot be asked"))
}

/// Asks those kubelets whose keys are not known; says of whom a key was learnt.
pub fn learn(ca: &CertificateAuthority) -> Result<Vec<String>> {
    let known = ca.node_keys.read()?;
    let mut learnt = Vec::new();
    for node in known.unknown().filter_map(|name| ca.cluster.node(name)) {
        // One that is off, or none at all, is asked again later.
        let Ok(key) = served(ca, node) else { continue };
        if ca.change(|known| Ok(known.learn(&node.name, &key)))? {
            learnt.push(node.name.clone());
        }
    }
    Ok(learnt)
}

/// Does that for as long as the server runs: the operator may have the table made anew.
pub fn keep_learning(ca: &CertificateAuthority) {
    let mut said = String::new();
    loop {
        match learn(ca) {
            Ok(learnt) => {
                learnt.iter().for_each(|name| println!("enrolment: {name} is known by its kubelet's key now"))
            }
            Err(error) => {
                let what = format!("enrolment: no worker is signed for: {error:#}");
                if what != said {
                    println!("{what}");
                    said = what;
                }
            }
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
pub mod fake;
