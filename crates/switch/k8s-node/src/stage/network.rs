//! The firewall, the pods' network on this switch, the routes to the others, and who keeps them so.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use cluster::{Backend, NetworkOn};
use common::{files, xtables::Family};
use contract::{places, services, status::Kept};

use crate::{
    bridge::Bridge,
    containers::{self, Engine},
    desired::{Desired, turn},
    firewall,
    iptables::Firewall,
    overlay::{self, Overlay},
    pod_addresses, reverse_path,
    routes::{self, ServiceRange},
    service,
    switch::Switch,
    vtep,
};

/// EOS puts a route into the kernel at once. Where it does so only after another one is gone, it need not be waited for.
const TAKEN_UP: Duration = Duration::from_secs(2);

pub fn firewall(switch: &Switch) -> Result<String> {
    let network = switch.cluster.network();
    let inside = firewall::talking_inside()?;
    let chains = firewall::desired(&switch.cluster, &switch.node, &network, &inside);
    let all = chains.len();
    let _turn = turn(Kept::Firewall)?;
    let mut line = match Firewall::new(Family::V4, chains)?.ensure()?.len() {
        0 => format!("kept all {all} chains"),
        changed => format!("made {changed} of {all} chains"),
    };
    if network.written.firewall == cluster::Firewall::Eos {
        line.push_str("; the control-plane ACL alone lets in: `k8s-node acl` prints what it needs");
    }
    if network.open {
        line.push_str(
            "; kubelet and enrolment are open to everyone, as in clusters of before: write [network] once every switch has this release",
        );
    }
    if firewall::has_ipv6() {
        let chains = firewall::desired_ipv6(&switch.node);
        if let Err(error) = Firewall::new(Family::V6, chains).and_then(|mut closed| closed.ensure()) {
            line.push_str(&format!("; IPv6 is not closed to pods: {error:#}"));
        }
    }
    if let Err(error) = Firewall::new(Family::V4, [firewall::fits()]).and_then(|mut fits| fits.ensure()) {
        line.push_str(&format!("; TCP through VXLAN is not told how much fits, and relies on ICMP errors: {error:#}"));
    }
    let transit = firewall::transit(&switch.cluster, &switch.node);
    if transit.is_empty() {
        transit.remove()?;
    } else if let Err(error) = Firewall::new(Family::V4, [transit]).and_then(|mut transit| transit.ensure()) {
        line.push_str(&format!("; other switches' pods are tracked on their way through: {error:#}"));
    }
    Ok(line)
}

pub fn reconciler() -> Result<String> {
    let name = services::RECONCILER.trim_end_matches(".service");
    let outcome = service::run_with(name, &service::hash(&[service::programs_identity()?]))?;
    Ok(format!("what keeps this switch so {outcome}"))
}

pub fn cni(switch: &Switch) -> Result<String> {
    let file = PathBuf::from(places::CNI_CONFIGURATION).join("10-kubernetes-on-eos.conflist");
    let network = switch.cluster.network();
    let mtu = match network.backend {
        Backend::Vxlan => Some(overlay::mtu(&switch.cluster, &switch.node, &network)?),
        Backend::Routes => None,
    };
    let text = cluster::conflist(&switch.node, mtu);
    let range = switch.node.pod_cidr;
    let before = fs::read_to_string(&file).unwrap_or_default();
    let _turn = turn(Kept::Bridge)?;
    let made = !Bridge::new(&switch.node).ensure()?.is_empty();
    let mut bridge =
        format!("{} the bridge {} for pods in {range}", if made { "made" } else { "kept" }, cluster::BRIDGE);
    bridge.push_str(&given_back());
    if before == text {
        return Ok(bridge);
    }
    let mut line = format!("{bridge}; wrote {}", file.display());
    // kubelet begins those anew that had addresses of another range; new ones get one by what is written last.
    if !before.is_empty() && !before.contains(&format!("\"{range}\"")) && containers::engine() == Engine::Running {
        let pods = containers::remove_pods().context("cannot remove the pods with addresses of the range before")?;
        line.push_str(&format!("; removed {pods} containers of pods with addresses of the range before"));
    }
    files::write_atomically(&file, text)?;
    Ok(line)
}

/// Pods can do without it until the range is used up.
fn given_back() -> String {
    if containers::engine() != Engine::Running {
        return String::new();
    }
    match pod_addresses::give_back() {
        Ok(0) => String::new(),
        Ok(count) => format!("; gave back {count} addresses of pods that are gone"),
        Err(error) => format!("; addresses of pods that are gone are not given back: {error:#}"),
    }
}

pub fn routes(switch: &Switch) -> Result<String> {
    let network = switch.cluster.network();
    let (mut line, changes) = {
        let _turn = turn(Kept::Routes)?;
        match network.backend {
            Backend::Vxlan => {
                // It is sent the new way before the old one is taken away.
                let line = by_vxlan(switch, &network)?;
                (line, routes::ensure(Vec::new())?)
            }
            Backend::Routes => by_routes(switch, &network)?,
        }
    };
    let routes::Changes { kept, added, removed } = changes;
    if network.backend == Backend::Routes {
        line = format!("kept {kept}{line}");
    }
    for (what, routes) in [("added", added), ("removed", removed)] {
        if !routes.is_empty() {
            line.push_str(&format!("; {what} {}", routes.join(", ")));
        }
    }
    let others = switch.cluster.nodes.iter().filter(|other| other.name != switch.node.name);
    if let Some(remark) = reverse_path::remark(others.map(|other| other.address)) {
        line.push_str(&format!("; {remark}"));
    }
    let _turn = turn(Kept::ServiceRoute)?;
    let services = ServiceRange::new(&switch.cluster).ensure()?;
    if let [range] = services.as_slice() {
        line.push_str(&format!("; added one for Services, {range}, as there is no default route"));
    }
    Ok(line)
}

/// The other way is taken away once this one leads there, and received by as long as there are nodes that send so.
fn by_routes(switch: &Switch, network: &NetworkOn) -> Result<(String, routes::Changes)> {
    let desired = routes::desired(&switch.cluster, &switch.node);
    let sent_by_vxlan = overlay::is_there()?;
    let changes = routes::ensure(desired.clone())?;
    if sent_by_vxlan && !changes.added.is_empty() {
        routes::are_there_within(&desired, TAKEN_UP)?;
    }
    let line = match by_vxlan(switch, network) {
        Ok(_) => String::new(),
        Err(error) => format!("; nothing is received by VXLAN, where another node sends by it: {error:#}"),
    };
    Ok((line, changes))
}

fn by_vxlan(switch: &Switch, network: &NetworkOn) -> Result<String> {
    if !overlay::is_there()? {
        vtep::check(network.written.port)?;
    }
    let mtu = overlay::mtu(&switch.cluster, &switch.node, network)?;
    let changes = Overlay::desired(&switch.cluster, &switch.node, network, mtu).apply()?;
    overlay::record_mtu(mtu)?;
    let what = match changes {
        overlay::Changes { made: true, .. } => "made",
        overlay::Changes { set: false, added: 0, removed: 0, .. } => "kept",
        _ => "changed",
    };
    let others = switch.cluster.nodes.len() - 1;
    Ok(format!("{what} {}: VXLAN to {others} nodes, for packets of {mtu} bytes", cluster::VXLAN))
}
