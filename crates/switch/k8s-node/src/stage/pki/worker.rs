//! A worker's certificates: asked for at the master, and waited for where it cannot do without.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use cluster::pki::{self, CertificateState, Credential, KnownMaster, Outcome, PkiError, SignedCertificates};
use common::retry::RetryPolicy;
use contract::{Stage, places, ports};
use enrolment::{EnrolError, Enrolled, FailedAttempt, IsMaster, Token, Trust};
use rustls::sign::CertifiedKey;

use super::serves;
use crate::{moved_on, stage::waiting_for, switch::Switch};

/// How long the master may take, asked by the key or by the token.
const TRY: Duration = Duration::from_secs(10);

/// Between tries: a master is a minute or so behind its workers when all are powered up together.
const BACKOFF: RetryPolicy = RetryPolicy::backoff(Duration::from_secs(1), Duration::from_secs(15), 0.5);

/// A worker and the master that sign for each other have to agree on the time, more or less.
const CLOCKS_APART: Duration = Duration::from_secs(3600);

/// Where there is nothing to ask for.
pub(super) const KEPT: [(Credential, Outcome); 2] =
    [(Credential::Node, Outcome::Kept), (Credential::KubeProxy, Outcome::Kept)];

/// A worker, where its certificates are, and where it gets them.
pub struct Worker<'a> {
    pub switch: &'a Switch,
    pub directory: &'a Path,
    pub master: SocketAddr,
}

/// What the master is asked with.
struct Asking {
    identity: Arc<CertifiedKey>,
    trust: Trust,
    token: Option<Token>,
    csrs: Vec<String>,
}

impl<'a> Worker<'a> {
    pub fn of(switch: &'a Switch) -> Self {
        let master = (switch.cluster.master().address, ports::ENROLMENT).into();
        Worker { switch, directory: Path::new(places::PKI), master }
    }

    fn api_server(&self) -> SocketAddr {
        (self.switch.cluster.master().address, ports::API_SERVER).into()
    }

    /// Whether [`Self::renew`] would have to ask the master.
    pub fn asks_at_renewal(&self, now: SystemTime) -> Result<bool> {
        Ok(self.requests_of_renewal(self.api_server(), now)?.is_some())
    }

    /// Fails at once where the master gives none, unless what is there still serves and the next hour is as good.
    pub fn renew(&self) -> Result<Vec<(Credential, Outcome)>> {
        self.renew_by(self.api_server())
    }

    /// By what an API server shows of the certificate authority.
    pub fn renew_by(&self, api_server: SocketAddr) -> Result<Vec<(Credential, Outcome)>> {
        let now = SystemTime::now();
        let Some(asking) = self.asking(self.requests_of_renewal(api_server, now)?, now)? else {
            return Ok(KEPT.into());
        };
        match enrolment::enrol(&self.request(&asking)) {
            Err(error) if self.can_wait(&error, now) => Ok(still_due(&error.into())),
            answered => self.accept(answered?),
        }
    }

    /// Whether the master is away, or certificates are but to be replaced by shorter ones, which who has made them may not want.
    fn can_wait(&self, error: &EnrolError, now: SystemTime) -> bool {
        let states = self.states(now);
        let is_away = matches!(error, EnrolError::Unreachable { .. } | EnrolError::Interrupted { .. });
        let mut leaves = states.iter().filter(|certificate| !certificate.credential.is_ca());
        serves(&states) && (is_away || leaves.all(|leaf| !matches!(leaf.state, CertificateState::Due(_))))
    }

    fn states(&self, now: SystemTime) -> Vec<pki::CertificateStatus> {
        pki::inspect(self.directory, &self.switch.cluster, &self.switch.node, now)
    }

    /// Waits for the master until it has certificates, or until cluster.toml is another one than this was begun with.
    pub fn bootstrap(&self, has_another_cluster_toml: impl Fn() -> bool) -> Result<Vec<(Credential, Outcome)>> {
        let now = SystemTime::now();
        let Some(asking) = self.asking(self.requests(now)?, now)? else { return Ok(KEPT.into()) };
        let request = self.request(&asking);
        if serves(&self.states(now)) {
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

    /// None where there is nothing to ask for.
    fn asking(&self, csrs: Option<Vec<String>>, now: SystemTime) -> Result<Option<Asking>> {
        let Switch { cluster, node } = self.switch;
        let Some(csrs) = csrs else { return Ok(None) };
        let identity = pki::node_identity(self.directory, cluster, node, now)?;
        let trust = KnownMaster::of(self.directory, cluster)?.map_or(Trust::Token, |known| {
            let is_pinned = known.is_pinned();
            let is_master: Arc<IsMaster> = Arc::new(move |shown: &[&[u8]]| known.require(shown, SystemTime::now()));
            if is_pinned { Trust::Pinned(is_master) } else { Trust::Authority(is_master) }
        });
        Ok(Some(Asking { identity, trust, token: self.switch.enrolment_token()?, csrs }))
    }

    pub fn requests(&self, now: SystemTime) -> Result<Option<Vec<String>>> {
        let requests = pki::requests(self.directory, &self.switch.cluster, &self.switch.node, now)?;
        Ok(requests.map(|requests| requests.into_iter().map(|request| request.pem).collect()))
    }

    /// Also where nothing is due and the cluster's certificate authority is another one by now.
    fn requests_of_renewal(&self, api_server: SocketAddr, now: SystemTime) -> Result<Option<Vec<String>>> {
        if let Some(requests) = self.requests(now)? {
            return Ok(Some(requests));
        }
        if moved_on::why(self.directory, api_server).is_none() {
            return Ok(None);
        }
        let requests = pki::requests_anew(self.directory, &self.switch.cluster, &self.switch.node, now)?;
        Ok(Some(requests.into_iter().map(|request| request.pem).collect()))
    }

    fn request<'r>(&'r self, asking: &'r Asking) -> enrolment::Request<'r> {
        let Switch { cluster, node } = self.switch;
        let Asking { identity, trust, token, csrs } = asking;
        // Where addresses are translated, the way there may begin at any of them.
        let from = (!cluster.nat).then_some(node.address.into());
        let (name, token) = (node.name.as_str(), token.as_ref());
        enrolment::Request { master: self.master, from, name, identity, trust, token, csrs, timeout: TRY }
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
