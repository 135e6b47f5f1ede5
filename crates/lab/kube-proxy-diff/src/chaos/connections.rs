//! Many open connections to endpoints that nobody touches: whatever happens, none of them may break.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

use super::echo;
use crate::{addresses::Vantage, world::World};

/// How long the answers of a round may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Between two questions on one connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection, and the endpoint at its other end.
struct Connection {
    from: Vantage,
    stream: TcpStream,
    endpoint: Ipv4Addr,
}

/// Connections that are in use all the time, until they are [closed](Connections::close).
pub struct Connections {
    stop: Arc<AtomicBool>,
    user: JoinHandle<Used>,
}

/// What became of them.
#[derive(Debug, Clone, Default)]
pub struct Used {
    /// Questions that were answered.
    pub answers: u64,
    /// How each connection that broke did.
    pub broken: Vec<String>,
}

impl Connections {
    /// Opens `count` of them to a Service, half from a pod and half from outside, to those of its endpoints that are `untouched`.
    pub fn open(world: &World, to: SocketAddrV4, untouched: &[Ipv4Addr], count: usize) -> Result<Connections> {
        let mut open = vec![];
        for (from, count) in [(Vantage::Pod(3), count / 2), (Vantage::Outside(0), count - count / 2)] {
            let opened = world.netns(from)?.enter(|| connect(from, to, untouched, count))?;
            open.extend(opened.with_context(|| format!("cannot connect from {from} to {to}"))?);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let user = thread::Builder::new().name("connections".to_owned()).spawn(move || keep_using(open, &stopped))?;
        Ok(Connections { stop, user })
    }

    pub fn close(self) -> Result<Used> {
        self.stop.store(true, Ordering::SeqCst);
        self.user.join().map_err(|_| anyhow!("the thread that uses the connections panicked"))
    }
}

fn connect(from: Vantage, to: SocketAddrV4, untouched: &[Ipv4Addr], count: usize) -> Result<Vec<Connection>> {
    let mut open = vec![];
    for _ in 0..20 * count {
        let (stream, endpoint) = echo::connect(to)?;
        if untouched.contains(&endpoint) {
            open.push(Connection { from, stream, endpoint });
        }
        if open.len() == count {
            return Ok(open);
        }
    }
    bail!("of {} connections, only {} led to {untouched:?}", 20 * count, open.len())
}

/// All are asked before the first answer is read, so that a round takes as long as the slowest.
fn keep_using(mut open: Vec<Connection>, stop: &AtomicBool) -> Used {
    let mut used = Used::default();
    for round in 0u64.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let question = round.to_be_bytes();
        let deadline = Instant::now() + TIMEOUT;
        let asked: Vec<io::Result<()>> = open.iter().map(|one| (&one.stream).write_all(&question)).collect();
        let mut asked = asked.into_iter();
        open.retain(|one| {
            match asked.next().unwrap_or(Ok(())).and_then(|()| read_back(&one.stream, &question, deadline)) {
                Ok(()) => {
                    used.answers += 1;
                    true
                }
                Err(error) => {
                    used.broken.push(format!("from {} to {}, in round {round}: {error}", one.from, one.endpoint));
                    false
                }
            }
        });
        thread::sleep(PAUSE);
    }
    used
}

fn read_back(mut stream: &TcpStream, question: &[u8; echo::LENGTH], deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    let mut answer = [0; echo::LENGTH];
    stream.read_exact(&mut answer)?;
    if answer == *question { Ok(()) } else { Err(io::Error::other("another answer than was asked for")) }
}
