//! Whether the cluster's certificate authority is another one by now, for a worker whose certificates are right: the certificate that the
//! API server serves shows it. So a rotation comes to every worker within the hour, and costs those that know of it one handshake.

use std::{net::SocketAddr, path::Path, time::Duration};

use cluster::pki;

use crate::switch::Switch;

/// An API server that does not answer within it is one for the next hour.
const LIMIT: Duration = Duration::from_secs(2);

/// Why the master is to be asked, by what is served at `api_server`.
pub fn why(directory: &Path, api_server: SocketAddr) -> Option<&'static str> {
    let served = enrolment::served_chain(api_server, LIMIT).ok()?;
    pki::has_moved_on(directory, &served).ok()?
}

/// For the status of a worker.
pub fn remark(switch: &Switch, directory: &Path, api_server: SocketAddr) -> Option<String> {
    let why = if switch.node.master { None } else { why(directory, api_server) }?;
    Some(format!(
        "{why}: the hourly renewal asks the master for certificates, and so does `k8s-node renew`, which says what is in the way"
    ))
}
