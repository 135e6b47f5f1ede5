//! The master's side of enrolment, as a service: signs what the workers that cluster.toml names ask for.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use contract::ports;
use enrolment::{Event, Server, ServerLimits};

use crate::{certificate_authority::CertificateAuthority, enrolment_log::EnrolmentLog, kubelet_key, switch::Switch};

pub fn run() -> Result<()> {
    let switch = Switch::load()?;
    if !switch.node.master {
        bail!("{} is not the master: workers enrol at {}", switch.node.name, switch.cluster.master().name);
    }
    let token = switch.enrolment_token()?;
    let nobody_joins = switch.nobody_joins(SystemTime::now());
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, ports::ENROLMENT));
    let nodes: Vec<IpAddr> = switch.cluster.nodes.iter().map(|node| node.address.into()).collect();
    let ca = Arc::new(CertificateAuthority::on_switch(switch.cluster));
    let log = EnrolmentLog::on_switch();
    let tell = move |event: Event| {
        println!("{event}");
        if let Err(error) = log.event(&event, SystemTime::now()) {
            println!("enrolment: warning: {error:#}");
        }
    };
    let server = Server::bind(address, token, ca.clone(), ServerLimits::default(), tell)?
        .keep_places_for(nodes, switch.node.address.into());
    let learning = thread::Builder::new().name("kubelets".to_owned()).spawn(move || kubelet_key::keep_learning(&ca));
    learning.context("cannot start a thread")?;
    let but = nobody_joins.map_or_else(String::new, |why| format!("; none that has not joined yet: {why}"));
    println!("enrolment: workers may come to port {}{but}", ports::ENROLMENT);
    server.run();
    Ok(())
}
