//! Keys and certificates: made and kept on the master, enrolled at the master by workers.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::AtomicBool,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use cluster::pki::{self, Credential, Issued, Outcome, State};
use enrolment::{Backoff, Enrolled, FailedAttempt, Token};

use super::{Stage, waiting_for};
use crate::{places, service, switch::Switch, systemd};

/// How long one try at the master may take.
const TRY: Duration = Duration::from_secs(10);

/// Between tries: a master is a minute or so behind its workers when all are powered up together.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(15) };

/// A worker and the master that sign for each other have to agree on the time, more or less.
const CLOCKS_APART: Duration = Duration::from_secs(3600);

pub fn pki(switch: &Switch) -> Result<String> {
    let outcomes = if switch.node.master { master(switch)? } else { worker(switch)? };
    Ok(summary(&outcomes))
}

/// What the timer calls: as the stage, but a master that does not answer is an error at once.
pub fn renew(switch: &Switch) -> Result<String> {
    if switch.node.master {
        return pki(switch);
    }
    let Some(requests) = pki::requests(places::PKI.as_ref(), &switch.cluster, &switch.node, SystemTime::now())? else {
        return Ok("kept every certificate".into());
    };
    let csrs: Vec<String> = requests.into_iter().map(|request| request.pem).collect();
    let token = switch.enrolment_token()?;
    let enrolled = enrolment::enrol(&request(switch, &token, &csrs))?;
    Ok(summary(&accept(switch, enrolled)?))
}

fn master(switch: &Switch) -> Result<Vec<(Credential, Outcome)>> {
    Ok(pki::ensure_master(places::PKI.as_ref(), &switch.cluster, &switch.node, SystemTime::now())?)
}

fn worker(switch: &Switch) -> Result<Vec<(Credential, Outcome)>> {
    let (folder, now) = (Path::new(places::PKI), SystemTime::now());
    let Some(requests) = pki::requests(folder, &switch.cluster, &switch.node, now)? else {
        return Ok(vec![(Credential::Node, Outcome::Kept), (Credential::KubeProxy, Outcome::Kept)]);
    };
    let csrs: Vec<String> = requests.into_iter().map(|request| request.pem).collect();
    let token = switch.enrolment_token()?;
    let request = request(switch, &token, &csrs);
    let states = pki::inspect(folder, &switch.cluster, &switch.node, now);
    if states.iter().all(|certificate| matches!(certificate.state, State::Ok | State::Due(_))) {
        // What is there still serves: a master that is away must not keep this switch from coming up.
        return match enrolment::enrol(&request) {
            Ok(enrolled) => accept(switch, enrolled),
            Err(error) => {
                let why = format!("renewal is due and the master did not renew: {error}");
                Ok(vec![(Credential::Node, Outcome::Due { why })])
            }
        };
    }
    let begun = SystemTime::now();
    let (mut said, mut failure) = (String::new(), None);
    let mut tell = |attempt: &FailedAttempt| {
        let what = format!("waiting for the master {}: {}", request.master, attempt.error);
        if let Err(error) = waiting_for(Stage::Pki, begun, &mut said, &what) {
            failure.get_or_insert(error);
        }
    };
    let never = AtomicBool::new(false);
    let enrolled = enrolment::enrol_until_answered(&request, &BACKOFF, std::thread::sleep, &mut tell, &never)?;
    accept(switch, enrolled.context("enrolment was stopped")?)
}

fn request<'a>(switch: &'a Switch, token: &'a Token, csrs: &'a [String]) -> enrolment::Request<'a> {
    enrolment::Request {
        master: (switch.cluster.master().address, enrolment::PORT).into(),
        name: &switch.node.name,
        token,
        csrs,
        timeout: TRY,
    }
}

fn accept(switch: &Switch, enrolled: Enrolled) -> Result<Vec<(Credential, Outcome)>> {
    let Enrolled { issued, master_time } = enrolled;
    let now = SystemTime::now();
    let apart = now.duration_since(master_time).unwrap_or_else(|behind| behind.duration());
    let issued = Issued { ca_pem: issued.ca, certificates: issued.certificates };
    pki::accept(places::PKI.as_ref(), &switch.cluster, &switch.node, &issued, now).with_context(|| {
        if apart > CLOCKS_APART {
            let side = if now < master_time { "behind" } else { "ahead of" };
            let hours = apart.as_secs() / 3600;
            format!("this switch's clock is {hours} hours {side} the master's: set both by NTP, or by `clock set`")
        } else {
            "the master's answer is not taken".into()
        }
    })
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

/// On the master: lets workers enrol from here on.
pub fn enrolment() -> Result<String> {
    let parts = [base::files::read(places::CLUSTER_TOML.as_ref())?, service::programs_identity()?];
    let name = systemd::ENROLMENT.trim_end_matches(".service");
    let outcome = service::run_with(name, &service::hash(&parts))?;
    Ok(format!("the server for workers, port {}, {outcome}", enrolment::PORT))
}

/// Starts the timer, and says which certificate ends first.
pub fn renewal(switch: &Switch) -> Result<String> {
    if !systemd::is_active(systemd::RENEWAL_TIMER)? {
        systemd::start(systemd::RENEWAL_TIMER)?;
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
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_was_done_and_counts_what_was_kept() {
        let outcomes = [
            (Credential::Ca, Outcome::Taken),
            (Credential::Admin, Outcome::Kept),
            (Credential::Etcd, Outcome::Kept),
            (Credential::Node, Outcome::Renewed { why: "expired on 2026-01-01".into() }),
        ];
        assert_eq!(summary(&outcomes), "kept 2; renewed node (expired on 2026-01-01); took the operator's ca");
    }
}
