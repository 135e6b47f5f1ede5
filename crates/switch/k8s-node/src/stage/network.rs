//! The firewall, the pods' network on this switch, and the routes to the others.

use std::{fs, path::PathBuf};

use anyhow::Result;
use common::files;
use contract::places;

use crate::{iptables, routes, switch::Switch};

pub fn firewall(switch: &Switch) -> Result<String> {
    let chains = iptables::desired(&switch.cluster, &switch.node);
    let mut changed = 0;
    for chain in &chains {
        changed += usize::from(chain.ensure()?);
    }
    let mut line = match changed {
        0 => format!("kept all {} chains", chains.len()),
        changed => format!("made {changed} of {} chains", chains.len()),
    };
    let transit = iptables::transit(&switch.cluster, &switch.node);
    if transit.is_empty() {
        transit.remove()?;
    } else if let Err(error) = transit.ensure() {
        line.push_str(&format!("; other switches' pods are tracked on their way through: {error:#}"));
    }
    Ok(line)
}

pub fn cni(switch: &Switch) -> Result<String> {
    let file = PathBuf::from(places::CNI_CONFIGURATION).join("10-kubernetes-on-eos.conflist");
    let text = cluster::conflist(&switch.node);
    let range = switch.node.pod_cidr;
    if fs::read(&file).ok().as_deref() == Some(text.as_bytes()) {
        return Ok(format!("kept the bridge {} for pods in {range}", cluster::BRIDGE));
    }
    files::write_atomically(&file, text)?;
    Ok(format!("wrote {}: the bridge {} for pods in {range}", file.display(), cluster::BRIDGE))
}

pub fn routes(switch: &Switch) -> Result<String> {
    let routes::Changes { kept, added, removed } = routes::ensure(&switch.cluster, &switch.node)?;
    let services = routes::ensure_service_range(&switch.cluster)?;
    let mut line = format!("kept {kept}");
    for (what, routes) in [("added", added), ("removed", removed)] {
        if !routes.is_empty() {
            line.push_str(&format!("; {what} {}", routes.join(", ")));
        }
    }
    if services {
        line.push_str(&format!(
            "; added one for Services, {}, as there is no default route",
            switch.cluster.service_cidr
        ));
    }
    Ok(line)
}
