//! The master's side of enrolment, as a service: signs what the workers that cluster.toml names ask for.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use anyhow::{Result, bail};
use cluster::{Cluster, pki};
use contract::{places, ports};
use enrolment::{Issued, Server, ServerLimits, Signer};

use crate::switch::Switch;

/// The cluster's certificate authority.
pub struct CertificateAuthority {
    pub pki: PathBuf,
    pub cluster: Cluster,
}

impl Signer for CertificateAuthority {
    fn knows(&self, name: &str) -> bool {
        self.cluster.node(name).is_some()
    }

    fn sign(&self, name: &str, csrs: &[String]) -> Result<Issued, String> {
        let issued = pki::sign(&self.pki, &self.cluster, name, csrs, SystemTime::now());
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
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, ports::ENROLMENT));
    let nodes: Vec<IpAddr> = switch.cluster.nodes.iter().map(|node| node.address.into()).collect();
    let ca = Arc::new(CertificateAuthority { pki: places::PKI.into(), cluster: switch.cluster });
    let server = Server::bind(address, token, ca, ServerLimits::default(), |event| println!("{event}"))?
        .keep_places_for(nodes, switch.node.address.into());
    println!("enrolment: workers may come to port {}", ports::ENROLMENT);
    server.run();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use enrolment::{EnrolError, Event, Request, Token, enrol};

    use super::*;
    use crate::master_fixture::Master;

    /// How many certificates a holder of `token` gets who calls itself `name` and asks for those of `asked`.
    fn ask(master: &Master, token: &str, name: &str, asked: &str) -> Result<usize, EnrolError> {
        let own = tempfile::tempdir().unwrap();
        let node = master.cluster.node(asked).unwrap();
        let requests = pki::requests(own.path(), &master.cluster, node, SystemTime::now()).unwrap().unwrap();
        let csrs: Vec<String> = requests.into_iter().map(|request| request.pem).collect();
        let token = Token::new(token).unwrap();
        let timeout = Duration::from_secs(10);
        let enrolled = enrol(&Request { master: master.address, name, token: &token, csrs: &csrs, timeout });
        enrolled.map(|enrolled| enrolled.issued.certificates.len())
    }

    #[test]
    fn who_knows_the_token_is_served_as_a_worker_and_never_as_the_master() {
        let master = Master::start(SystemTime::now());
        let token = master.cluster.token.as_ref().unwrap().reveal();
        assert_eq!(ask(&master, token, "veos-l1", "veos-l1").unwrap(), 2);
        match ask(&master, token, "veos-b", "veos-b") {
            Err(EnrolError::Declined { reason, .. }) => {
                assert!(reason.contains("veos-b, which is a master"), "{reason}");
            }
            other => panic!("for the master's name: {other:?}"),
        }
        assert!(matches!(ask(&master, token, "veos-l1", "veos-b"), Err(EnrolError::Declined { .. })));
        for other_spelling in ["VEOS-B", "veos-b.", "veos-b.example.com"] {
            assert!(matches!(ask(&master, token, other_spelling, "veos-b"), Err(EnrolError::Refused { .. })));
        }
        // A stranger does not even learn that there is such a name.
        let stranger = "another token than the one in the file";
        assert!(matches!(ask(&master, stranger, "veos-b", "veos-b"), Err(EnrolError::Refused { .. })));

        let events = master.events_of(7);
        let count = |desired: &dyn Fn(&&Event) -> bool| events.iter().filter(desired).count();
        assert_eq!(count(&|event| matches!(event, Event::Issued { .. })), 1, "{events:?}");
        assert_eq!(count(&|event| matches!(event, Event::Declined { name, .. } if name == "veos-b")), 1, "{events:?}");
    }
}
