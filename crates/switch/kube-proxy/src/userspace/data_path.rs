//! The threads that carry the traffic, and what the backend tells them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    runtime::{self, Runtime},
    sync::{
        Semaphore,
        mpsc::{UnboundedSender, unbounded_channel},
        watch,
    },
};

use super::{
    balance::Affinity,
    datagram,
    destinations::{AppliedPolicy, CurrentDestinations, Destinations, PerPolicy, ProxiedPort},
    limits::Limits,
    sessions::Sessions,
    tcp::{self, OriginalDestination, Proxy},
    udp::{self, Udp, UdpCommand},
};

/// How traffic is carried.
#[derive(Clone, Copy, Debug)]
pub struct Carriage {
    /// Where the listening sockets are, `--bind-address`.
    pub address: Ipv4Addr,
    /// When a silent UDP session ends, `--udp-timeout`.
    pub udp_idle: Duration,
    pub limits: Limits,
    pub original_destination: OriginalDestination,
}

/// Threads that carry traffic: one for each processor, up to this.
const THREADS: usize = 4;

/// The running data path. It ends, with every connection, when this is dropped.
pub struct DataPath {
    address: Ipv4Addr,
    destinations: Arc<CurrentDestinations>,
    commands: UnboundedSender<UdpCommand>,
    listening: PerPolicy<u16>,
    /// A permit for each socket of a UDP port.
    udp_room: Arc<Semaphore>,
    /// The other threads end when this is gone.
    _running: watch::Sender<()>,
}

impl DataPath {
    pub fn start(carriage: Carriage) -> io::Result<Self> {
        let destinations = Arc::new(CurrentDestinations::default());
        let affinity = Arc::new(Affinity::default());
        let (commands, received) = unbounded_channel();
        let proxy = Arc::new(Proxy {
            destinations: Arc::clone(&destinations),
            affinity: Arc::clone(&affinity),
            original_destination: carriage.original_destination,
            room: Arc::new(Semaphore::new(carriage.limits.connections)),
            pipes: Arc::new(Semaphore::new(carriage.limits.pipes)),
        });
        let udp = Arc::new(Udp {
            destinations: Arc::clone(&destinations),
            affinity,
            sessions: Sessions::new(carriage.limits.sessions),
            idle: carriage.udp_idle,
        });
        let mut listening = PerPolicy::default();
        let first = thread_runtime()?;
        listen(&first, carriage.address, &mut listening, &proxy)?;
        let (running, ended) = watch::channel(());
        for _ in 1..thread::available_parallelism().map_or(1, usize::from).min(THREADS) {
            let other = thread_runtime()?;
            listen(&other, carriage.address, &mut listening, &proxy)?;
            let mut ended = ended.clone();
            let until_ended = async move { while ended.changed().await.is_ok() {} };
            thread::Builder::new().name("proxy".into()).spawn(move || other.block_on(until_ended))?;
        }
        thread::Builder::new().name("proxy".into()).spawn(move || first.block_on(udp::manage(received, udp)))?;
        let udp_room = Arc::new(Semaphore::new(carriage.limits.udp_services));
        Ok(Self { address: carriage.address, destinations, commands, listening, udp_room, _running: running })
    }

    /// Where TCP connections under a policy are to be sent.
    pub fn tcp_port(&self, policy: AppliedPolicy) -> u16 {
        *self.listening.get(policy)
    }

    /// From now on connections are served by these.
    pub fn replace(&self, destinations: Destinations) {
        self.destinations.replace(destinations);
    }

    /// Serves a UDP port under a policy; returns where datagrams are to be sent.
    pub fn open_udp(&self, port: Arc<ProxiedPort>, policy: AppliedPolicy) -> io::Result<u16> {
        let permit = Arc::clone(&self.udp_room).try_acquire_owned();
        let permit =
            permit.map_err(|_| io::Error::other("as many are open as the limit on open files leaves for UDP"))?;
        let socket: UdpSocket = datagram::bind(self.address)?;
        let number = socket.local_addr()?.port();
        self.tell(UdpCommand::Open { port, policy, socket, permit });
        Ok(number)
    }

    /// How many more UDP sockets there may be. What was closed counts once it is.
    pub fn udp_room(&self) -> usize {
        self.udp_room.available_permits()
    }

    /// The UDP port has other endpoints now.
    pub fn update_udp(&self, port: Arc<ProxiedPort>) {
        self.tell(UdpCommand::Update(port));
    }

    pub fn close_udp(&self, port: u32, policy: AppliedPolicy) {
        self.tell(UdpCommand::Close { port, policy });
    }

    fn tell(&self, command: UdpCommand) {
        // It fails only if the thread has died, and then the process with it: it is built to abort at a panic.
        let _ = self.commands.send(command);
    }
}

fn thread_runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

/// Serves TCP on each policy's port, which the first thread chooses; the kernel spreads connections over the threads.
fn listen(runtime: &Runtime, address: Ipv4Addr, ports: &mut PerPolicy<u16>, proxy: &Arc<Proxy>) -> io::Result<()> {
    let _entered = runtime.enter();
    for policy in AppliedPolicy::ALL {
        let port = ports.get_mut(policy);
        let listener = tcp::listen(SocketAddrV4::new(address, *port))?;
        *port = listener.local_addr()?.port();
        runtime.spawn(tcp::serve(listener, policy, Arc::clone(proxy)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
