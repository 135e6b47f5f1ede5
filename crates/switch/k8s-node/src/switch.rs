//! Which node this switch is: cluster.toml, the hostname and the addresses that it has.

use std::{
    fs, io,
    net::{Ipv4Addr, UdpSocket},
    path::Path,
};

use anyhow::{Context, Result, bail};
use cluster::{Cluster, JoinToken, Node};
use contract::places;
use enrolment::Token;

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
        let Some(node) = cluster.node_of_host(&hostname).cloned() else {
            let names: Vec<&str> = cluster.nodes.iter().map(|node| node.name.as_str()).collect();
            bail!(
                "{}: no [[node]] is named {hostname:?}, as this switch is; there are {}: add it, or correct one of \
                 the names or the switch's hostname",
                places::CLUSTER_TOML,
                names.join(", ")
            );
        };
        Ok(Switch { cluster, node })
    }

    /// What this switch proves itself with at enrolment, and knows the others by.
    pub fn enrolment_token(&self) -> Result<Token> {
        let token = self.cluster.token.as_ref().context("cluster.toml has no token")?;
        Ok(Token::new(token.reveal())?)
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

pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A socket can be bound to an address only where an interface has it.
fn is_ours(address: Ipv4Addr) -> bool {
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
    let cluster = Cluster::parse(&text, &file.display().to_string())?;
    if cluster.token.is_none() {
        bail!("{}: `join` is missing; add [join] with token = \"…\"; {}", file.display(), JoinToken::HOW_TO_MAKE);
    }
    Ok(cluster)
}

/// Checks a file as a whole and says in one line what it describes.
pub fn check(file: Option<&Path>) -> Result<String> {
    let file = file.unwrap_or(Path::new(places::CLUSTER_TOML));
    let cluster = read(file)?;
    let nodes = cluster.nodes.len();
    let master = &cluster.master().name;
    let mut said = format!("{} is right: cluster {} of {nodes} nodes, master {master}", file.display(), cluster.name);
    if !cluster.warnings.errors.is_empty() {
        said.push_str(&format!("; but no new cluster begins so:\n{}", cluster.warnings));
    }
    Ok(said)
}
