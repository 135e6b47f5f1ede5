//! What an operator says of a new cluster, and the file that it makes.

use std::str::FromStr;

use anyhow::{Result, bail};
use cluster::{Cluster, JoinToken, Reserved};

use crate::stage::external_ips;

/// As it was said: what is wrong in it, the checks of cluster.toml say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub name: String,
    pub domain: String,
    pub pod_network: String,
    pub service_network: String,
    pub eos_memory: String,
    pub eos_cpu: String,
    pub master: Option<Place>,
    /// Whether the master runs pods, too.
    pub master_is_worker: bool,
    pub workers: Vec<Place>,
}

/// A switch: its hostname, and the address that the others reach it at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub address: String,
}

impl FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Place> {
        match said.trim().split_once('=') {
            Some((name, address)) if !name.trim().is_empty() && !address.trim().is_empty() => {
                Ok(Place { name: name.trim().to_owned(), address: address.trim().to_owned() })
            }
            _ => bail!("{said:?} is no switch: say its hostname and its address, as in veos-b=1.1.1.1"),
        }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            name: "kubernetes".into(),
            domain: "cluster.local".into(),
            pod_network: "10.16.0.0/16".into(),
            service_network: "10.10.0.0/22".into(),
            eos_memory: format!("{}Mi", Reserved::TO_BEGIN.memory_mib),
            eos_cpu: format!("{}m", Reserved::TO_BEGIN.cpu_milli),
            master: None,
            master_is_worker: true,
            workers: Vec::new(),
        }
    }
}

impl Plan {
    /// The text of cluster.toml, with a new token.
    pub fn file(&self) -> Result<String> {
        let mut text = format!(
            "# The same on every switch. It has a token: keep it as you keep a password.\n[cluster]\nname = {}\nservice_cidr = {}\n\
             pod_cidr = {}      # each switch gets a /24 of it, in the order of this file: add new ones at the end\ndomain = {}\n",
            quoted(&self.name),
            quoted(&self.service_network),
            quoted(&self.pod_network),
            quoted(&self.domain),
        );
        let roles = if self.master_is_worker { "[\"master\", \"worker\"]" } else { "[\"master\"]" };
        let nodes = self.master.iter().map(|place| (place, roles));
        for (place, roles) in nodes.chain(self.workers.iter().map(|place| (place, "[\"worker\"]"))) {
            let (name, address) = (quoted(&place.name), quoted(&place.address));
            text.push_str(&format!("\n[[node]]\nname = {name}\naddress = {address}\nroles = {roles}\n"));
        }
        let external_ips = if external_ips::new_clusters_deny() { "denied" } else { "allowed" };
        text.push_str(&format!(
            "\n# Of each switch, what pods are not given: EOS needs it.\n[reserved]\nmemory = {}\ncpu = {}\n\n# Pods' packets between \
             switches: in VXLAN, or by \"routes\" where the network knows the pods' ranges.\n[network]\nbackend = \"vxlan\"\n\n# Addresses that Services name themselves: whoever may write Services could \
             take any of them over.\n[services]\nexternal_ips = {}\n\n[join]\ntoken = {}\n",
            quoted(&self.eos_memory),
            quoted(&self.eos_cpu),
            quoted(external_ips),
            quoted(JoinToken::make()?.reveal()),
        ));
        Ok(text)
    }

    /// What such a file says, or everything for which no new cluster begins with it.
    pub fn check(&self, text: &str) -> Result<Cluster, Vec<String>> {
        let reasons = |found: &cluster::ConfigErrors| -> Vec<String> {
            found.errors.iter().map(|error| format!("{}; {}", error.problem, error.fix)).collect()
        };
        let cluster = Cluster::parse(text, "cluster.toml").map_err(|errors| reasons(&errors))?;
        if cluster.warnings.errors.is_empty() { Ok(cluster) } else { Err(reasons(&cluster.warnings)) }
    }
}

/// Whatever is in it: TOML's own marks are written as it has them.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
