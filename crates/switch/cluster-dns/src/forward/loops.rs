//! A resolver that asks us what we ask it, as one does that has the cluster's DNS address in its own /etc/resolv.conf: found by a
//! question that nobody else asks, and left out for as long as it does so.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};

use super::Question;

/// How often that is looked at.
pub const FIRST_PERIOD: Duration = Duration::from_secs(2);
pub const PERIOD: Duration = Duration::from_secs(60);

/// No domain of anyone's.
const DOMAIN: &str = "cluster-dns-loop.invalid";

#[derive(Debug)]
pub struct Loops {
    /// What nobody can guess.
    secret: String,
    /// Whose questions have come back since they were asked last.
    came_back: Mutex<HashSet<SocketAddr>>,
    looping: Mutex<HashSet<SocketAddr>>,
}

impl Loops {
    pub fn with_a_secret() -> Self {
        let secret = format!("{:08x}", getrandom::u32().unwrap_or_else(|_| fastrand::u32(..)));
        Self { secret, came_back: Mutex::default(), looping: Mutex::default() }
    }

    pub fn has(&self, server: SocketAddr) -> bool {
        lock(&self.looping).contains(&server)
    }

    /// What to ask this server.
    pub fn probe(&self, server: SocketAddr) -> Question {
        lock(&self.came_back).remove(&server);
        let name = Name::from_ascii(format!("{}.", self.name(server))).unwrap_or_else(|_| Name::root());
        Question { name, kind: RecordType::A, dnssec: false, checking_disabled: false }
    }

    pub fn is_probe(&self, name: &Name) -> bool {
        // Nearly every name is none, and that is seen at once.
        if name.iter().nth(1).is_none_or(|label| !label.eq_ignore_ascii_case(b"cluster-dns-loop")) {
            return false;
        }
        let first = name.iter().next().and_then(|label| std::str::from_utf8(label).ok());
        let Some(server) = first.and_then(|label| self.server(&label.to_ascii_lowercase())) else { return false };
        lock(&self.came_back).insert(server);
        true
    }

    /// After a server has been asked.
    pub fn judge(&self, server: SocketAddr) {
        let came_back = lock(&self.came_back).contains(&server);
        let changed = if came_back { lock(&self.looping).insert(server) } else { lock(&self.looping).remove(&server) };
        match (changed, came_back) {
            (true, true) => tracing::error!(
                %server,
                "this resolver asks the cluster's DNS address what it is asked: it is left out; give other ones by `ip name-server`, or under [dns] in cluster.toml"
            ),
            (true, false) => tracing::info!(%server, "this resolver does not ask us any more, and is used"),
            (false, _) => {}
        }
    }

    fn name(&self, server: SocketAddr) -> String {
        let address: String =
            server.to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("{}-{address}.{DOMAIN}", self.secret)
    }

    fn server(&self, label: &str) -> Option<SocketAddr> {
        let address = label.strip_prefix(&self.secret)?.strip_prefix('-')?;
        let (ip, port) = address.rsplit_once('-')?;
        Some(SocketAddr::new(ip.replace('-', ".").parse().ok()?, port.parse().ok()?))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_whose_question_comes_back_is_left_out_until_it_does_not_any_more() {
        let loops = Loops::with_a_secret();
        let server: SocketAddr = "127.0.0.53:53".parse().unwrap();
        let probe = loops.probe(server);
        assert!(loops.is_probe(&probe.name) && !loops.is_probe(&Name::from_ascii("www.example.").unwrap()));
        loops.judge(server);
        assert!(loops.has(server));
        loops.probe(server);
        loops.judge(server);
        assert!(!loops.has(server));
        // Another program's, or someone's who would like us to leave a resolver out.
        assert!(!loops.is_probe(&Name::from_ascii("00000000-1-2-3-4-53.cluster-dns-loop.invalid.").unwrap()));
    }
}
