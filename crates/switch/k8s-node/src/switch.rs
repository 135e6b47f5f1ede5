//! Which node this switch is: cluster.toml, the hostname and the addresses that it has.

use std::{
    fs, io,
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use cluster::{Cluster, JoinToken, Node};
use common::{digest::Sha256, files};
use contract::places;
use enrolment::Token;

use crate::firewall;

/// What a bring-up says that comes before EOS has applied its configuration.
pub const WAITING_FOR_CONFIGURATION: &str = "waiting for EOS' configuration";
pub const NO_HOSTNAME: &str = "waiting for EOS' configuration: no hostname yet";

/// What a switch is called before its configuration is applied, or where that gives it no name.
const UNNAMED: [&str; 4] = ["localhost", "localhost.localdomain", "(none)", ""];

/// This switch in its cluster.
#[derive(Debug, Clone)]
pub struct Switch {
    pub cluster: Cluster,
    pub node: Node,
}

impl Switch {
    pub fn load() -> Result<Switch> {
        let cluster = read(Path::new(places::CLUSTER_TOML))?;
        let hostname = hostname();
        let node = match name(&cluster, &hostname) {
            Name::Of(node) => node.clone(),
            Name::NoneYet => bail!(NO_HOSTNAME),
            Name::OfNoNode => {
                let names: Vec<&str> = cluster.nodes.iter().map(|node| node.name.as_str()).collect();
                bail!(
                    "{}: no [[node]] is named {hostname:?}, as this switch is; there are {}: add it, or correct one of \
                     the names or the switch's hostname",
                    places::CLUSTER_TOML,
                    names.join(", ")
                );
            }
        };
        Ok(Switch { cluster, node })
    }

    /// What this switch proves itself with at its first enrolment, and knows the others by; none where it was taken out.
    pub fn enrolment_token(&self) -> Result<Option<Token>> {
        Ok(self.cluster.token.as_ref().map(|token| Token::new(token.reveal())).transpose()?)
    }

    /// Why no node can join that has not yet.
    pub fn nobody_joins(&self, now: SystemTime) -> Option<String> {
        match (&self.cluster.token, self.cluster.until) {
            (None, _) => Some("cluster.toml has no token".into()),
            (Some(_), Some(until)) if until.is_over(now) => Some(format!("cluster.toml let them in until {until}")),
            _ => None,
        }
    }

    /// Fails where the address that cluster.toml gives this switch is on none of its interfaces.
    pub fn check_address(&self) -> Result<()> {
        if is_ours(self.node.address) {
            return Ok(());
        }
        bail!(
            "{}: {} has the address {}, and no interface of this switch has it: correct it, or configure it (best on \
             a loopback interface: interface Loopback0, ip address {}/32)",
            places::CLUSTER_TOML,
            self.node.name,
            self.node.address,
            self.node.address
        )
    }
}

/// What this switch is called.
#[derive(Debug, Clone, Copy)]
pub enum Name<'a> {
    /// EOS has not given it a name.
    NoneYet,
    Of(&'a Node),
    OfNoNode,
}

pub fn name<'a>(cluster: &'a Cluster, hostname: &str) -> Name<'a> {
    match cluster.node_of_host(hostname) {
        Some(node) => Name::Of(node),
        None if UNNAMED.contains(&hostname) => Name::NoneYet,
        None => Name::OfNoNode,
    }
}

pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Keeps which cluster.toml a bring-up begins with: all of its stages are to have the same one.
pub fn remember_cluster_toml() -> Result<()> {
    remember(places::CLUSTER_TOML.as_ref(), places::CLUSTER_TOML_DIGEST.as_ref())
}

/// Whether cluster.toml is another one since then.
pub fn has_another_cluster_toml() -> bool {
    is_another(places::CLUSTER_TOML.as_ref(), places::CLUSTER_TOML_DIGEST.as_ref())
}

fn remember(file: &Path, record: &Path) -> Result<()> {
    // There is a token in it, so that who may not read it may not read its digest.
    files::write_for_owner(record, digest(file).as_bytes())
}

/// Where nothing was remembered, a stage is run by hand.
fn is_another(file: &Path, record: &Path) -> bool {
    fs::read_to_string(record).is_ok_and(|before| before != digest(file))
}

/// One that cannot be read is like an empty one: which of the two it is, is told where it is needed.
fn digest(file: &Path) -> String {
    Sha256::of_bytes(fs::read(file).unwrap_or_default()).to_string()
}

/// A socket can be bound to an address only where an interface has it.
pub fn is_ours(address: Ipv4Addr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

pub fn read(file: &Path) -> Result<Cluster> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "{} is not there: write one as docs/operations.md shows, and copy it to the flash of every switch",
            file.display()
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    Ok(Cluster::parse(&text, &file.display().to_string())?)
}

/// What a control-plane ACL needs on this switch.
pub fn acl() -> Result<String> {
    let switch = Switch::load()?;
    Ok(firewall::acl(&switch.cluster, &switch.node, &switch.cluster.network()))
}

/// Checks a file as a whole and says in one line what it describes; with an address, also who reaches what from there.
pub fn check(file: Option<&Path>, from: Option<Ipv4Addr>) -> Result<String> {
    let file = file.unwrap_or(Path::new(places::CLUSTER_TOML));
    let cluster = read(file)?;
    let nodes = cluster.nodes.len();
    let master = &cluster.master().name;
    let mut said = format!("{} is right: cluster {} of {nodes} nodes, master {master}", file.display(), cluster.name);
    if cluster.token.is_none() {
        said.push_str(&format!(
            "; without a token in [join], no node can join that has not yet; {}",
            JoinToken::HOW_TO_MAKE
        ));
    }
    if !cluster.warnings.errors.is_empty() {
        said.push_str(&format!("; but no new cluster begins so:\n{}", cluster.warnings));
    }
    if let Some(remark) = cluster.network_remark() {
        said.push_str(&format!("; {remark}"));
    }
    if let Some(from) = from {
        said.push_str(&format!("\n{}", firewall::answer(&cluster, &cluster.network(), from)));
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_toml_that_was_edited_since_a_bring_up_began_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let (file, record) = (directory.path().join("cluster.toml"), directory.path().join("run/digest"));
        fs::write(&file, "one").unwrap();
        assert!(!is_another(&file, &record), "nothing was remembered");
        remember(&file, &record).unwrap();
        assert!(!is_another(&file, &record));
        fs::write(&file, "two").unwrap();
        assert!(is_another(&file, &record));
        remember(&file, &record).unwrap();
        assert!(!is_another(&file, &record));
        fs::remove_file(&file).unwrap();
        assert!(is_another(&file, &record));
    }
}
