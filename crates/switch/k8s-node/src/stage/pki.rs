//! Keys and certificates: made and kept on the master, enrolled at the master by workers.

mod worker;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use anyhow::{Result, anyhow};
use cluster::pki::{self, CertificateState, CertificateStatus, Credential, Outcome, PkiError};
use common::retry;
use contract::{places, ports, services};

use self::worker::Worker;
use super::Runner;
use crate::{
    client_authorities,
    node_keys::NodeKeysFile,
    service,
    switch::{self, Switch},
    systemd,
};

/// How long the timer may take to start.
const START: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

pub fn pki(switch: &Switch, runner: Runner) -> Result<String> {
    let has_run = client_authorities::has_run(switch);
    let line = match (switch.node.master, runner) {
        (true, _) => master(switch)?,
        (false, Runner::BringUp) => summary(&Worker::of(switch).bootstrap(switch::has_another_cluster_toml)?),
        (false, Runner::Renewal) => summary(&Worker::of(switch).renew()?),
    };
    let warnings = client_authorities::ensure(switch, has_run)?;
    Ok(warnings.into_iter().fold(line, |line, what| format!("{line}; warning: {what}")))
}

/// Whether [`pki`] would have to ask the master.
pub fn asks_the_master(switch: &Switch) -> Result<bool> {
    Ok(!switch.node.master && Worker::of(switch).asks_at_renewal(SystemTime::now())?)
}

fn master(switch: &Switch) -> Result<String> {
    let (node_keys, etcd) = (NodeKeysFile::on_switch(), places::ETCD.as_ref());
    let begin = || match node_keys.begin(&switch.cluster, etcd) {
        Ok(()) => Ok(String::new()),
        // Without the table nobody is signed for; a cluster that runs has to come up all the same, as with a flash that is full.
        Err(error) if node_keys.has_run(etcd) => Ok(format!("; warning: no worker is given certificates: {error:#}")),
        Err(error) => Err(error),
    };
    begin()?;
    let (path, now) = (places::PKI.as_ref(), SystemTime::now());
    let outcomes = match pki::ensure_master(path, &switch.cluster, &switch.node, now) {
        // A full flash must not keep a master down whose certificates are still good.
        Err(PkiError::Files(error)) if serves(&pki::inspect(path, &switch.cluster, &switch.node, now)) => {
            return Ok(format!("warning: what is to be issued again is not: {error:#}"));
        }
        ensured => ensured?,
    };
    // Now it is known whose workers they are.
    Ok(summary(&outcomes) + &begin()?)
}

fn summary(outcomes: &[(Credential, Outcome)]) -> String {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (credential, outcome) in outcomes {
        let (group, detail) = match outcome {
            Outcome::Kept => ("kept", None),
            Outcome::Made => ("made", None),
            Outcome::Taken => ("took the operator's", None),
            Outcome::Renewed { why } => ("renewed", Some(why)),
            Outcome::Due { why } => ("due", Some(why)),
        };
        let detail = detail.map(|why| format!(" ({why})")).unwrap_or_default();
        groups.entry(group).or_default().push(format!("{credential}{detail}"));
    }
    let line = groups.into_iter().map(|(group, names)| {
        if group == "kept" { format!("kept {}", names.len()) } else { format!("{group} {}", names.join(", ")) }
    });
    line.collect::<Vec<_>>().join("; ")
}

/// Whether the cluster runs with these. A cluster of an older release has no front proxy's: its API server starts without.
fn serves(certificates: &[CertificateStatus]) -> bool {
    let is_new = |one: Credential| matches!(one, Credential::FrontProxyCa | Credential::FrontProxyClient);
    certificates.iter().all(|certificate| {
        certificate.state.serves() || is_new(certificate.credential) && certificate.state == CertificateState::Missing
    })
}

/// On the master: lets workers enrol from here on.
pub fn enrolment(switch: &Switch) -> Result<String> {
    let parts = [common::files::read(places::CLUSTER_TOML.as_ref())?, service::programs_identity()?];
    let name = services::ENROLMENT.trim_end_matches(".service");
    let outcome = service::run_with(name, &service::hash(&parts))?;
    let mut line = format!("the server for workers, port {}, {outcome}", ports::ENROLMENT);
    if let Some(why) = switch.nobody_joins(SystemTime::now()) {
        line.push_str(&format!("; none that has not joined yet: {why}"));
    }
    let known = NodeKeysFile::on_switch().read();
    match &known {
        Ok(known) => {
            let those =
                [("to be known by their kubelets", known.unknown().collect()), ("revoked", known.away().collect())];
            for (what, names) in those.into_iter().filter(|(_, names): &(_, Vec<&str>)| !names.is_empty()) {
                line.push_str(&format!("; {what}: {}", names.join(", ")));
            }
        }
        Err(error) => line.push_str(&format!("; it signs for nobody: {error:#}")),
    }
    Ok(line)
}

/// Starts the timer, and says which certificate ends first. A renewal that had failed is made up for.
pub fn renewal(switch: &Switch) -> Result<String> {
    if switch.node.master && !systemd::is_active(services::SNAPSHOT_TIMER)? {
        systemd::start(services::SNAPSHOT_TIMER)?;
    }
    systemd::forget_failure(services::RENEWAL)?;
    if !systemd::is_active(services::RENEWAL_TIMER)? {
        systemd::start(services::RENEWAL_TIMER)?;
        // Once this stage is done, a timer that does not run is a problem.
        retry::until("the timer runs", START, PAUSE, || match systemd::is_active(services::RENEWAL_TIMER)? {
            true => Ok(()),
            false => Err(anyhow!("{} is not active", services::RENEWAL_TIMER).into()),
        })?;
    }
    let states = pki::inspect(places::PKI.as_ref(), &switch.cluster, &switch.node, SystemTime::now());
    let first = states.iter().filter(|state| state.days_left.is_some()).min_by_key(|state| state.days_left);
    Ok(match first.and_then(|state| state.days_left.map(|days| (state, days))) {
        Some((state, days)) => {
            format!("the timer runs; the first certificate to end is {}, in {days} days", state.credential)
        }
        None => "the timer runs".into(),
    })
}

#[cfg(test)]
mod rotation;
#[cfg(test)]
mod tests;
