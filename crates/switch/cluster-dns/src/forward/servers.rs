//! Which servers know a name: those of a stub domain, those of cluster.toml, or the switch's own resolvers as /etc/resolv.conf names
//! them, read again when it changes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_proto::rr::Name;

const PORT: u16 = 53;

/// How soon a change of the file is seen.
const LOOK: Duration = Duration::from_secs(2);

/// As many as the C library takes, and some more.
const MOST: usize = 8;

/// A domain whose names are asked of servers of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StubDomain {
    pub domain: Name,
    pub servers: Vec<SocketAddr>,
}

#[derive(Debug)]
pub struct Servers {
    stub_domains: Vec<StubDomain>,
    /// Those of cluster.toml, in the place of the file's.
    fixed: Vec<SocketAddr>,
    file: PathBuf,
    /// Our own address, which we do not ask.
    own: Ipv4Addr,
    read: Mutex<Read>,
    /// The one that failed last: it is asked after the others.
    failed: Mutex<Option<SocketAddr>>,
}

/// What the file said.
#[derive(Debug, Default)]
struct Read {
    looked: Option<Instant>,
    /// Its time and its size.
    version: Option<(SystemTime, u64)>,
    servers: Vec<SocketAddr>,
}

impl Servers {
    pub fn new(stub_domains: Vec<StubDomain>, fixed: Vec<SocketAddr>, file: PathBuf, own: Ipv4Addr) -> Self {
        let read = Mutex::new(Read::default());
        Self { stub_domains, fixed, file, own, read, failed: Mutex::new(None) }
    }

    /// The servers for a name, in the order that they are asked in.
    pub fn of(&self, name: &Name) -> Vec<SocketAddr> {
        let stub = self.stub_domains.iter().filter(|stub| stub.domain.zone_of(name));
        let closest = stub.max_by_key(|stub| stub.domain.num_labels());
        let mut servers = closest.map_or_else(|| self.resolvers(), |stub| stub.servers.clone());
        if let Some(failed) = *lock(&self.failed) {
            // Stable: the others keep their order.
            servers.sort_by_key(|server| *server == failed);
        }
        servers
    }

    /// Every server that may be asked.
    pub fn all(&self) -> Vec<SocketAddr> {
        let stubs = self.stub_domains.iter().flat_map(|stub| stub.servers.iter().copied());
        let mut all: Vec<SocketAddr> = self.resolvers().into_iter().chain(stubs).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub fn failed(&self, server: SocketAddr) {
        *lock(&self.failed) = Some(server);
    }

    pub fn answered(&self, server: SocketAddr) {
        lock(&self.failed).take_if(|failed| *failed == server);
    }

    /// Waits, and less long where the file changes meanwhile.
    pub async fn changed_within(&self, limit: Duration) {
        let (before, begun) = (self.resolvers(), Instant::now());
        while begun.elapsed() < limit && self.resolvers() == before {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn resolvers(&self) -> Vec<SocketAddr> {
        if !self.fixed.is_empty() {
            return self.fixed.clone();
        }
        let mut read = lock(&self.read);
        if read.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            read.looked = Some(Instant::now());
            let version = std::fs::metadata(&self.file).ok().and_then(|it| Some((it.modified().ok()?, it.len())));
            if version != read.version || version.is_none() {
                read.version = version;
                let text = std::fs::read_to_string(&self.file).unwrap_or_default();
                let servers = name_servers(&text, self.own);
                if servers != read.servers {
                    tracing::info!(?servers, file = %self.file.display(), "the switch's resolvers");
                    read.servers = servers;
                }
            }
        }
        read.servers.clone()
    }
}

/// The lines `nameserver ADDRESS` of a resolv.conf.
fn name_servers(text: &str, own: Ipv4Addr) -> Vec<SocketAddr> {
    let of_line = |line: &str| {
        let mut words = line.split_whitespace();
        let ip: IpAddr = words.next().filter(|word| *word == "nameserver").and(words.next())?.parse().ok()?;
        (ip != IpAddr::V4(own)).then_some(SocketAddr::new(ip, PORT))
    };
    text.lines().filter_map(of_line).take(MOST).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read_as_it_comes_and_our_own_address_is_left_out() {
        let text = "# made by EOS\nsearch example.com\nnameserver 192.0.2.53\nnameserver\nnameserver x\n nameserver 10.10.0.10\nnameserver 2001:db8::53 # two\noptions ndots:1\n";
        let servers = name_servers(text, [10, 10, 0, 10].into());
        assert_eq!(servers, ["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()]);
        assert_eq!(name_servers(&"nameserver 192.0.2.1\n".repeat(100), [10, 10, 0, 10].into()).len(), MOST);
    }

    #[test]
    fn the_closest_stub_domain_has_a_name_and_who_failed_is_asked_last() {
        let domain = |text: &str| Name::from_ascii(text).unwrap();
        let server = |last: u8| SocketAddr::from(([192, 0, 2, last], 53));
        let stub = |text, last| StubDomain { domain: domain(text), servers: vec![server(last)] };
        let stubs = vec![stub("corp.example.", 1), stub("dc.corp.example.", 2)];
        let servers = Servers::new(stubs, vec![server(3), server(4)], "/none".into(), [10, 10, 0, 10].into());
        assert_eq!(servers.of(&domain("a.corp.example.")), [server(1)]);
        assert_eq!(servers.of(&domain("a.DC.corp.example.")), [server(2)]);
        assert_eq!(servers.of(&domain("xcorp.example.")), [server(3), server(4)]);
        servers.failed(server(3));
        assert_eq!(servers.of(&domain("www.example.")), [server(4), server(3)]);
        servers.answered(server(3));
        assert_eq!(servers.of(&domain("www.example.")), [server(3), server(4)]);
    }

    #[test]
    fn a_change_of_the_file_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("resolv.conf");
        let servers = Servers::new(vec![], vec![], file.clone(), [10, 10, 0, 10].into());
        let name = Name::from_ascii("www.example.").unwrap();
        assert!(servers.of(&name).is_empty());
        std::fs::write(&file, "nameserver 192.0.2.1\n").unwrap();
        lock(&servers.read).looked = None;
        assert_eq!(servers.of(&name).len(), 1);
    }
}
