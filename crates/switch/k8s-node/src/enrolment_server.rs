//! The master's side of enrolment, as a service: signs what the workers that cluster.toml names ask for.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context, Result, bail};
use contract::{places, ports};
use enrolment::{Server, ServerLimits};

use crate::{certificate_authority::CertificateAuthority, kubelet_key, node_keys::NodeKeysFile, switch::Switch};

pub fn run() -> Result<()> {
    let switch = Switch::load()?;
    if !switch.node.master {
        bail!("{} is not the master: workers enrol at {}", switch.node.name, switch.cluster.master().name);
    }
    let token = switch.enrolment_token()?;
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, ports::ENROLMENT));
    let nodes: Vec<IpAddr> = switch.cluster.nodes.iter().map(|node| node.address.into()).collect();
    let ca = Arc::new(CertificateAuthority {
        pki: places::PKI.into(),
        cluster: switch.cluster,
        node_keys: NodeKeysFile::on_switch(),
        kubelet_port: ports::KUBELET,
        turn: Mutex::default(),
    });
    let server = Server::bind(address, token, ca.clone(), ServerLimits::default(), |event| println!("{event}"))?
        .keep_places_for(nodes, switch.node.address.into());
    let learning = thread::Builder::new().name("kubelets".to_owned()).spawn(move || kubelet_key::keep_learning(&ca));
    learning.context("cannot start a thread")?;
    println!("enrolment: workers may come to port {}", ports::ENROLMENT);
    server.run();
    Ok(())
}
