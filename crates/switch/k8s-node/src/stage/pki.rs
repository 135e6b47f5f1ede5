//! Keys and certificates: made and kept on the master, enrolled at the master by workers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, anyhow};
use cluster::pki::{self, Credential, Outcome, PkiError, SignedCertificates};
use common::retry::{self, RetryPolicy};
use contract::{Stage, places, ports, services};
use enrolment::{EnrolError, Enrolled, FailedAttempt, Token};

use super::{Runner, waiting_for};
use crate::{
    node_keys::NodeKeysFile,
    service,
    switch::{self, Switch},
    systemd,
};

/// How long one try at the master may take, and the timer to start.
const TRY: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// Between tries: a master is a minute or so behind its workers when all are powered up together.
const BACKOFF: RetryPolicy = RetryPolicy::backoff(Duration::from_secs(1), Duration::from_secs(15), 0.5);

/// A worker and the master that sign for each other have to agree on the time, more or less.
const CLOCKS_APART: Duration = Duration::from_secs(3600);

/// Where there is nothing to ask for.
const KEPT: [(Credential, Outcome); 2] = [(Credential::Node, Outcome::Kept), (Credential::KubeProxy, Outcome::Kept)];

pub fn pki(switch: &Switch, runner: Runner) -> Result<String> {
    let outcomes = match (switch.node.master, runner) {
        (true, _) => return master(switch),
        (false, Runner::BringUp) => Worker::of(switch).bootstrap(switch::has_another_cluster_toml)?,
        (false, Runner::Renewal) => Worker::of(switch).renew()?,
    };
    Ok(summary(&outcomes))
}

/// Whether [`pki`] would have to ask the master.
pub fn asks_the_master(switch: &Switch) -> Result<bool> {
    Ok(!switch.node.master && Worker::of(switch).requests(SystemTime::now())?.is_some())
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
    let outcomes = pki::ensure_master(places::PKI.as_ref(), &switch.cluster, &switch.node, SystemTime::now())?;
    // Now it is known whose workers they are.
    Ok(summary(&outcomes) + &begin()?)
}

/// A worker, where its certificates are, and where it gets them.
struct Worker<'a> {
    switch: &'a Switch,
    directory: &'a Path,
    master: SocketAddr,
}

impl<'a> Worker<'a> {
    fn of(switch: &'a Switch) -> Self {
        let master = (switch.cluster.master().address, ports::ENROLMENT).into();
        Worker { switch, directory: Path::new(places::PKI), master }
    }

    /// Fails at once where the master gives none. Where it is away and what is there still serves, the next hour is as good.
    fn renew(&self) -> Result<Vec<(Credential, Outcome)>> {
        let now = SystemTime::now();
        let Some(csrs) = self.requests(now)? else { return Ok(KEPT.into()) };
        let token = self.switch.enrolment_token()?;
        match enrolment::enrol(&self.request(&token, &csrs)) {
            Err(error @ (EnrolError::Unreachable { .. } | EnrolError::Interrupted { .. })) if self.serves(now) => {
                Ok(still_due(&error.into()))
            }
            answered => self.accept(answered?),
        }
    }

    fn serves(&self, now: SystemTime) -> bool {
        let states = pki::inspect(self.directory, &self.switch.cluster, &self.switch.node, now);
        states.iter().all(|certificate| certificate.state.serves())
    }

    /// Waits for the master until it has certificates, or until cluster.toml is another one than this was begun with.
    fn bootstrap(&self, has_another_cluster_toml: impl Fn() -> bool) -> Result<Vec<(Credential, Outcome)>> {
        let now = SystemTime::now();
        let Some(csrs) = self.requests(now)? else { return Ok(KEPT.into()) };
        let token = self.switch.enrolment_token()?;
        let request = self.request(&token, &csrs);
        if self.serves(now) {
            // Neither a master that is away nor an answer that cannot be taken must keep this switch from coming up.
            let renewed = enrolment::enrol(&request).map_err(Into::into).and_then(|enrolled| self.accept(enrolled));
            return Ok(renewed.unwrap_or_else(|error| still_due(&error)));
        }
        let begun = SystemTime::now();
        let (mut said, mut failure) = (String::new(), None);
        let outdated = AtomicBool::new(false);
        let mut tell = |attempt: &FailedAttempt| {
            outdated.fetch_or(has_another_cluster_toml(), Ordering::Release);
            let what = format!("waiting for the master {}: {}", request.master, attempt.error);
            if let Err(error) = waiting_for(Stage::Pki, begun, &mut said, &what) {
                failure.get_or_insert(error);
            }
        };
        let enrolled = enrolment::enrol_until_answered(&request, &BACKOFF, std::thread::sleep, &mut tell, &outdated)?;
        self.accept(enrolled.with_context(|| {
            let file = places::CLUSTER_TOML;
            format!("{file} has been edited while this switch waited for the master: the bring-up begins anew with it")
        })?)
    }

    fn requests(&self, now: SystemTime) -> Result<Option<Vec<String>>> {
        let requests = pki::requests(self.directory, &self.switch.cluster, &self.switch.node, now)?;
        Ok(requests.map(|requests| requests.into_iter().map(|request| request.pem).collect()))
    }

    fn request<'r>(&'r self, token: &'r Token, csrs: &'r [String]) -> enrolment::Request<'r> {
        let Switch { cluster, node } = self.switch;
        // Where addresses are translated, the way there may begin at any of them.
        let from = (!cluster.nat).then_some(node.address.into());
        enrolment::Request { master: self.master, from, name: &node.name, token, csrs, timeout: TRY }
    }

    fn accept(&self, enrolled: Enrolled) -> Result<Vec<(Credential, Outcome)>> {
        let Enrolled { issued, master_time } = enrolled;
        let now = SystemTime::now();
        let issued = SignedCertificates { ca_pem: issued.ca, certificates: issued.certificates };
        let accepted = pki::accept(self.directory, &self.switch.cluster, &self.switch.node, &issued, now);
        accepted.map_err(|error| {
            let context = match &error {
                // What only the operator can decide about is no matter of clocks.
                PkiError::Operator { .. } => None,
                _ => clocks_apart(now, master_time),
            };
            anyhow::Error::new(error).context(context.unwrap_or_else(|| "the master's answer is not taken".into()))
        })
    }
}

fn still_due(error: &anyhow::Error) -> Vec<(Credential, Outcome)> {
    let why = format!("renewal is due and did not succeed: {error:#}");
    vec![(Credential::Node, Outcome::Due { why })]
}

fn clocks_apart(now: SystemTime, master_time: SystemTime) -> Option<String> {
    let apart = now.duration_since(master_time).unwrap_or_else(|behind| behind.duration());
    (apart > CLOCKS_APART).then(|| {
        let side = if now < master_time { "behind" } else { "ahead of" };
        let hours = apart.as_secs() / 3600;
        format!("this switch's clock is {hours} hours {side} the master's: set both by NTP, or by `clock set`")
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
    let parts = [common::files::read(places::CLUSTER_TOML.as_ref())?, service::programs_identity()?];
    let name = services::ENROLMENT.trim_end_matches(".service");
    let outcome = service::run_with(name, &service::hash(&parts))?;
    let mut line = format!("the server for workers, port {}, {outcome}", ports::ENROLMENT);
    let known = NodeKeysFile::on_switch().read();
    match known.as_ref().map(|known| known.unknown().collect::<Vec<_>>()) {
        Ok(unknown) if unknown.is_empty() => {}
        Ok(unknown) => line.push_str(&format!("; to be known by their kubelets: {}", unknown.join(", "))),
        Err(error) => line.push_str(&format!("; it signs for nobody: {error:#}")),
    }
    Ok(line)
}

/// Starts the timer, and says which certificate ends first. A renewal that had failed is made up for.
pub fn renewal(switch: &Switch) -> Result<String> {
    systemd::forget_failure(services::RENEWAL)?;
    if !systemd::is_active(services::RENEWAL_TIMER)? {
        systemd::start(services::RENEWAL_TIMER)?;
        // Once this stage is done, a timer that does not run is a problem.
        retry::until("the timer runs", TRY, PAUSE, || match systemd::is_active(services::RENEWAL_TIMER)? {
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
mod tests {
    use std::{
        cell::Cell,
        fs,
        net::{Ipv4Addr, TcpListener},
    };

    use cluster::Cluster;

    use super::*;
    use crate::master_fixture::Master;
    use crate::{
        master_fixture,
        test_support::{came_up_before, fill, flash_of, in_mount_namespace},
    };

    const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");

    fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
    }

    #[test]
    fn a_worker_that_another_authority_answers_comes_up_with_what_it_has_and_renew_says_what_to_do() {
        // Two years ago: a third of the certificates' life is left.
        let made = SystemTime::now() - Duration::from_secs(740 * 24 * 3600);
        let (ours, other) = (Master::start(made), Master::start(SystemTime::now()));
        let (cluster, directory) = (ours.cluster.clone(), tempfile::tempdir().unwrap());
        let node = cluster.node("veos-l1").unwrap().clone();
        let switch = Switch { cluster, node };
        let at = |master: &Master| Worker { switch: &switch, directory: directory.path(), master: master.address };
        let csrs = at(&ours).requests(made).unwrap().unwrap();
        let issued = pki::sign(ours.pki(), &switch.cluster, "veos-l1", &csrs, made).unwrap();
        pki::accept(directory.path(), &switch.cluster, &switch.node, &issued, made).unwrap();
        let before = files(directory.path());

        let outcomes = at(&other).bootstrap(|| false).unwrap();
        let [(Credential::Node, Outcome::Due { why })] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        let advice = format!("remove {} and run `k8s-node renew`", directory.path().join("ca.pem").display());
        assert!(why.contains("another public key") && why.contains(&advice), "{why}");
        assert_eq!(files(directory.path()), before);
        let error = format!("{:#}", at(&other).renew().unwrap_err());
        assert!(error.contains(&advice), "{error}");
        assert_eq!(files(directory.path()), before);

        let away = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let outcomes = Worker { master: away, ..at(&ours) }.renew().unwrap();
        let [(Credential::Node, Outcome::Due { why })] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        assert!(why.contains("cannot be reached"), "a master that is away makes no worker begin anew: {why}");

        assert_eq!(at(&ours).renew().unwrap().len(), 3);
        fs::remove_file(directory.path().join("ca.pem")).unwrap();
        at(&other).renew().unwrap();
        assert_eq!(fs::read(directory.path().join("ca.pem")).unwrap(), fs::read(other.pki().join("ca.pem")).unwrap());
    }

    #[test]
    fn a_worker_that_waits_for_the_master_goes_by_a_cluster_toml_that_was_edited_meanwhile() {
        let cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
        let (node, directory) = (cluster.node("veos-l1").unwrap().clone(), tempfile::tempdir().unwrap());
        // Nobody listens there: say, the master's address was a wrong one.
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let worker = Worker { switch: &Switch { cluster, node }, directory: directory.path(), master: nobody };
        let asked = Cell::new(0);
        let edited = || asked.replace(asked.get() + 1) == 1;
        let error = format!("{:#}", worker.bootstrap(edited).unwrap_err());
        assert!(error.contains("has been edited while this switch waited for the master"), "{error}");
        assert_eq!(asked.get(), 2);
    }

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

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn a_second_bring_up_writes_nothing_of_the_pki() {
        in_mount_namespace(|| {
            flash_of(50);
            let cluster = master_fixture::cluster();
            let switch = Switch { node: cluster.master().clone(), cluster };
            master(&switch).unwrap();
            let before = files(places::PKI.as_ref());
            master(&switch).unwrap();
            assert_eq!(files(places::PKI.as_ref()), before);
        });
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn a_full_flash_keeps_no_master_down_whose_release_before_had_no_table_of_keys() {
        in_mount_namespace(|| {
            flash_of(50);
            came_up_before();
            let cluster = master_fixture::cluster();
            let switch = Switch { node: cluster.master().clone(), cluster };
            pki::ensure_master(places::PKI.as_ref(), &switch.cluster, &switch.node, SystemTime::now()).unwrap();
            fill();
            let said = master(&switch).expect("its certificates are right");
            assert!(said.contains("; warning: no worker is given certificates: "), "{said}");
            assert!(NodeKeysFile::on_switch().read().is_err(), "and nobody is signed for");
        });
    }
}
