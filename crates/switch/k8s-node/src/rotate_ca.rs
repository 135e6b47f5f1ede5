//! `k8s-node rotate-ca`: the cluster's certificate authority is replaced by another one, without an outage. On the master.
//!
//! `begin` makes the new one, which signs from then on, while both are trusted. Workers notice by the certificate that the API server
//! serves, within the hour, and take the new one because the old one vouches for it. `finish` ends the trust in the old one, once every
//! node's kubelet serves a certificate of the new one. What is known of a node is what it serves, not what it was given.

use std::{
    fmt, thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use cluster::{
    Node,
    pki::{self, CertificateState, Rotation},
};
use contract::places;

use crate::{certificate_authority::CertificateAuthority, kubelet_key, renew, switch::Switch};

/// How long a stage of a bring-up that is at work is waited for.
const BRING_UP: Duration = Duration::from_secs(10 * 60);

/// How many kubelets are asked at once.
const AT_ONCE: usize = 16;

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Show,
    Begin,
    /// Whatever the nodes that are named have.
    Finish {
        force: Vec<String>,
    },
}

/// Whose certificate a node's kubelet serves.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Served {
    New,
    Old,
    Unknown(String),
}

pub fn run(step: &Step) -> Result<()> {
    let Switch { cluster, node } = Switch::load()?;
    ensure!(node.master, "the certificate authority is on the master: say this on {}", cluster.master().name);
    let ca = CertificateAuthority::on_switch(cluster);
    match step {
        Step::Show => println!("{}", show(&ca)?),
        Step::Begin => {
            println!("{}", begin(&ca, SystemTime::now())?);
            renew::run_for_a_change(BRING_UP)
                .context("the new certificate authority is made; what it is to sign here is not all done")?;
            println!("{}", next());
        }
        Step::Finish { force } => {
            println!("{}", finish(&ca, force, SystemTime::now())?);
            renew::run_for_a_change(BRING_UP)
                .context("the old certificate authority is replaced; not everything here goes by that yet")?;
        }
    }
    Ok(())
}

const BEFORE_FINISH: &str = "\
Before `finish`:
  take admin.kubeconfig anew to wherever it is used;
  make anew what `k8s-node kubeconfig --user` made, and what the CSR API signed, before `begin`: it is refused from then on;
  restart pods that read the certificate authority only at their start;
  where cluster.toml has a `ca_hash`, write the new one there on every switch: `k8s-node status` here has it.";

fn next() -> String {
    format!(
        "Workers change over within the hour, or by `k8s-node renew` on each. {BEFORE_FINISH}\n\
         `k8s-node rotate-ca` says which nodes have changed over; when all have, `k8s-node rotate-ca finish`."
    )
}

fn begin(ca: &CertificateAuthority, now: SystemTime) -> Result<String> {
    let began = pki::rotation(&ca.pki)?.is_some();
    let Rotation { since, signing, replaced } = pki::begin_rotation(&ca.pki, &ca.cluster, now)?;
    let begun = if began { format!("has taken over since {since}") } else { "signs from here on".to_owned() };
    Ok(format!("the certificate authority {signing} {begun}; {replaced} is trusted until `k8s-node rotate-ca finish`"))
}

fn show(ca: &CertificateAuthority) -> Result<String> {
    let Some(Rotation { since, signing, replaced }) = pki::rotation(&ca.pki)? else {
        let signing = pki::authority_keys(&ca.pki)?.context("there is no certificate authority yet")?.signing;
        return Ok(format!(
            "the certificate authority {signing} signs, and no other one is trusted; `k8s-node rotate-ca begin` has another one take its place"
        ));
    };
    let nodes = served(ca);
    let mut lines =
        vec![format!("since {since} the certificate authority {signing} signs, and {replaced} is trusted as well:")];
    lines.extend(nodes.iter().map(|(name, served)| format!("  {name:<16} {served}")));
    lines.push(match nodes.iter().all(|(_, served)| *served == Served::New) {
        true => format!(
            "every node has changed over: `k8s-node rotate-ca finish` ends the trust in the old one. {BEFORE_FINISH}"
        ),
        false => next(),
    });
    Ok(lines.join("\n"))
}

/// Refuses while a node would be cut off that is not named. The table of keys is the new authority's before the old one goes.
fn finish(ca: &CertificateAuthority, force: &[String], now: SystemTime) -> Result<String> {
    let Some(Rotation { replaced, .. }) = pki::rotation(&ca.pki)? else {
        bail!("no certificate authority is being replaced; `k8s-node rotate-ca begin` begins it");
    };
    for name in force {
        ensure!(ca.cluster.node(name).is_some(), "cluster.toml names no {name:?}: --force is for a node that it names");
    }
    let own = pki::inspect(&ca.pki, &ca.cluster, ca.cluster.master(), now);
    let mut own = own
        .iter()
        .filter(|certificate| !matches!(certificate.state, CertificateState::Ok | CertificateState::LongLived(_)));
    if let Some(certificate) = own.next() {
        bail!("this master's own certificate {} is to be issued again first: `k8s-node renew`", certificate.credential);
    }
    let behind: Vec<String> = served(ca)
        .into_iter()
        .filter(|(name, served)| *served != Served::New && !force.contains(name))
        .map(|(name, served)| format!("{name} {served}"))
        .collect();
    ensure!(
        behind.is_empty(),
        "the old certificate authority stays, as without it these would be cut off: {}; for one that is gone for good add --force NAME: \
         should it come back, its status says what to do",
        behind.join("; ")
    );
    ca.change(|_| Ok(()))?;
    pki::finish_rotation(&ca.pki)?;
    Ok(format!(
        "the certificate authority {replaced} is not trusted any more: who has a certificate of it, by `k8s-node kubeconfig --user`, by the \
         CSR API or in a copy of admin.kubeconfig, is refused and needs another one, and by its `ca_hash` nobody joins"
    ))
}

/// Of every node that has a kubelet, in the order of cluster.toml.
fn served(ca: &CertificateAuthority) -> Vec<(String, Served)> {
    let nodes: Vec<&Node> = ca.cluster.nodes.iter().filter(|node| node.worker).collect();
    let ask = |node: &Node| match kubelet_key::has_changed_over(ca, node) {
        Ok(true) => Served::New,
        Ok(false) => Served::Old,
        Err(error) => Served::Unknown(format!("{error:#}")),
    };
    let mut all = Vec::new();
    for some in nodes.chunks(AT_ONCE) {
        let asked = thread::scope(|scope| {
            let asking: Vec<_> = some.iter().map(|&node| scope.spawn(move || ask(node))).collect();
            let ended = asking.into_iter().map(|one| one.join());
            ended.map(|served| served.unwrap_or(Served::Unknown("it could not be asked".into()))).collect::<Vec<_>>()
        });
        all.extend(some.iter().map(|node| node.name.clone()).zip(asked));
    }
    all
}

/// For the status of any node.
pub fn remark(switch: &Switch) -> Option<String> {
    let Rotation { since, .. } = pki::rotation(places::PKI.as_ref()).ok().flatten()?;
    let next = match switch.node.master {
        true => "`k8s-node rotate-ca` says which nodes have changed over, and what to do next".to_owned(),
        false => format!("`k8s-node rotate-ca finish` on {} ends that", switch.cluster.master().name),
    };
    Some(format!("since {since} a new certificate authority signs, and the old one is trusted as well: {next}"))
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Served::New => f.write_str("has changed over"),
            Served::Old => f.write_str("has certificates of the old one: `k8s-node renew` there, or within the hour"),
            Served::Unknown(why) => write!(f, "is not known to have changed over: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
