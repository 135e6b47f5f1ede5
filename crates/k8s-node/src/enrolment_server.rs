//! The master's side of enrolment, as a service: signs what the workers that cluster.toml names ask for.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::SystemTime,
};

use anyhow::{Result, bail};
use cluster::{Cluster, pki};
use enrolment::{Issued, Limits, PORT, Server, Signer};

use crate::{places, switch::Switch};

struct Authority {
    cluster: Cluster,
}

impl Signer for Authority {
    fn knows(&self, name: &str) -> bool {
        self.cluster.node(name).is_some()
    }

    fn sign(&self, name: &str, csrs: &[String]) -> Result<Issued, String> {
        let issued = pki::sign(places::PKI.as_ref(), &self.cluster, name, csrs, SystemTime::now());
        let issued = issued.map_err(|error| error.to_string())?;
        Ok(Issued { ca: issued.ca_pem, certificates: issued.certificates })
    }
}

pub fn run() -> Result<()> {
    let switch = Switch::load()?;
    if !switch.node.master {
        bail!("{} is not the master: workers enrol at {}", switch.node.name, switch.cluster.master().name);
    }
    let token = switch.enrolment_token()?;
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    let authority = Arc::new(Authority { cluster: switch.cluster });
    let server = Server::bind(address, token, authority, Limits::default(), |event| println!("{event}"))?;
    println!("enrolment: workers may come to port {PORT}");
    server.run();
    Ok(())
}
