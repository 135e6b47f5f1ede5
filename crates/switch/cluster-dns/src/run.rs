//! The running program: what is started, in which order, and how it ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use api_watch::Connection;
use daemon::{stop_signal, tell_systemd};
use sd_notify::NotifyState;
use tokio::time::sleep;

use crate::admission::Admission;
use crate::forward::{Forwarder, Servers};
use crate::health::{self, Health, State};
use crate::knowledge::{self, Keeper, Kind, Knowledge, Shared, Standing};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::presence::Presence;
use crate::resolver::Resolver;
use crate::server::Server;
use crate::zone::Zone;

/// The file below each of the directories.
const KEPT: &str = "names.json";

/// How soon what is known is kept in memory, and on the flash, which does not last for ever.
const KEEP_IN_MEMORY: Duration = Duration::from_secs(1);
const KEEP_ON_FLASH: Duration = Duration::from_secs(300);

/// How often is looked at whether the address is still the operator's, or ours.
const TICK: Duration = Duration::from_millis(200);

/// How often the address and the rules are looked at.
const PRESENCE: Duration = Duration::from_secs(10);

const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Answers until it is told to stop. An error is one of the options or of this machine.
pub async fn run(options: Options) -> Result<()> {
    let connection = Connection { kubeconfig: options.kubeconfig.clone(), master: options.master.clone() };
    let client = api_watch::connect(&connection)?;
    let metrics = Arc::new(Metrics::new());
    let kept: Vec<PathBuf> =
        [&options.run_dir, &options.state_dir].into_iter().flatten().map(|directory| directory.join(KEPT)).collect();
    let known = knowledge::load(&kept);
    let zone = Zone::new(&options.domain, options.address, options.ranges.clone()).map_err(|why| anyhow!(why))?;
    let servers = Servers::new(
        options.stub_domains.clone(),
        options.upstreams.clone(),
        options.resolv_conf.clone(),
        options.address,
    );
    let forwarder = Arc::new(Forwarder::new(servers, Arc::clone(&metrics)));
    let presence = options.bridge.as_deref().map(|bridge| presence_of(&options, bridge));
    let health = Arc::new(Health::new(known.clone(), Arc::clone(&forwarder), presence.clone()));
    let server = Server {
        resolver: Resolver::new(zone, known.clone(), Arc::clone(&forwarder)),
        admission: Arc::new(admission(&options)),
        metrics: Arc::clone(&metrics),
    };
    tracing::info!(address = %options.address, domain = options.domain, "cluster-dns {}", env!("CARGO_PKG_VERSION"));
    tell_systemd(&[NotifyState::Status("waiting for the API server")]);

    tokio::spawn(knowledge::run(client, known.clone()));
    tokio::spawn({
        let forwarder = Arc::clone(&forwarder);
        async move { forwarder.look_for_loops().await }
    });
    tokio::spawn(health::serve(options.metrics_bind_address, Arc::clone(&health), Arc::clone(&metrics)));
    let (stop_keeping, stopped) = mpsc::channel();
    let keeper = {
        let (known, keepers, metrics, health) =
            (known.clone(), keepers(&options), Arc::clone(&metrics), Arc::clone(&health));
        let keep = move || keep(&known, keepers, &metrics, &health, &stopped);
        std::thread::Builder::new().name("keeper".to_owned()).spawn(keep).context("cannot start a thread")?
    };
    let address = SocketAddr::from((options.address, options.port));
    let ended = tokio::select! {
        stopped = told_to_stop() => stopped,
        () = attend(address, &server, presence.as_ref(), &health) => Ok(()),
    };
    tell_systemd(&[NotifyState::Stopping]);
    drop(stop_keeping);
    let _ = keeper.join();
    if let Some(presence) = presence {
        presence.remove()?;
    }
    ended
}

/// Gives back what a run that was killed has left.
pub fn remove(options: &Options) -> Result<()> {
    let bridge = options.bridge.as_deref().unwrap_or_default();
    presence_of(options, bridge).remove()
}

fn presence_of(options: &Options, bridge: &str) -> Presence {
    Presence::new(options.address, bridge, &options.allow, options.input_rules)
}

fn admission(options: &Options) -> Admission {
    Admission {
        own: [Some(options.address), options.node_address].into_iter().flatten().collect(),
        ranges: options.pod_cidr.into_iter().chain(options.allow.iter().copied()).collect(),
    }
}

fn keepers(options: &Options) -> Vec<Keeper> {
    [(&options.run_dir, KEEP_IN_MEMORY), (&options.state_dir, KEEP_ON_FLASH)]
        .into_iter()
        .filter_map(|(directory, pause)| Some(Keeper::new(directory.as_ref()?.join(KEPT), pause)))
        .collect()
}

/// Keeps what is known, and counts it, on a thread of its own, as the flash is slow. It ends when nobody holds the other end any more.
fn keep(
    known: &Shared,
    mut keepers: Vec<Keeper>,
    metrics: &Metrics,
    health: &Health,
    stopped: &mpsc::Receiver<Infallible>,
) {
    let mut said = Standing::Unknown;
    loop {
        let goes_on = stopped.recv_timeout(KEEP_IN_MEMORY) == Err(RecvTimeoutError::Timeout);
        keepers.iter_mut().for_each(|keeper| keeper.keep(known, !goes_on));
        if !goes_on {
            return;
        }
        let (standing, services) = {
            let known = known.read();
            (known.standing(), known.services().count())
        };
        metrics.known(services, standing == Standing::Stale, health.state() == State::Serving);
        match standing {
            _ if said == standing => {}
            Standing::Stale => tracing::warn!("the API server is not heard; names are answered by what was known"),
            Standing::Current => tracing::info!(services, "names are current"),
            Standing::Unknown => {}
        }
        said = standing;
    }
}

/// Serves the address for as long as it is ours, and leaves it alone where an operator's Service has it.
async fn attend(address: SocketAddr, server: &Server, presence: Option<&Presence>, health: &Health) {
    loop {
        match whose(server, address) {
            Whose::Unknown => sleep(TICK).await,
            Whose::Operators(name) => {
                let why = format!("the Service {name} has the cluster's DNS address: names are left to it");
                let is_new = health.set(State::Off(why.clone()));
                if is_new {
                    tracing::warn!("{why}");
                    tell_systemd(&[NotifyState::Ready, NotifyState::Status(&why)]);
                }
                if let Err(error) = in_background(presence, Presence::remove).await {
                    tracing::warn!("cannot give the cluster's DNS address back: {error:#}");
                    sleep(TRY_AGAIN).await;
                    continue;
                }
                // What was under way when it became another's is undone soon.
                let pause = if is_new { TRY_AGAIN } else { PRESENCE };
                let operators = Whose::Operators(name);
                tokio::select! {
                    () = sleep(pause) => {}
                    () = until_it_is(server, address, |whose| *whose != operators) => {}
                }
            }
            Whose::Ours => {
                let served = tokio::select! {
                    served = serve(address, server, presence, health) => served,
                    () = until_it_is(server, address, |whose| matches!(whose, Whose::Operators(_))) => continue,
                };
                if let Err(error) = served {
                    if health.set(State::Failing(format!("{error:#}"))) {
                        tracing::error!("cannot answer questions: {error:#}; trying again until it works");
                        tell_systemd(&[NotifyState::Status("cannot answer questions; the log says why")]);
                    }
                    sleep(TRY_AGAIN).await;
                }
            }
        }
    }
}

async fn serve(address: SocketAddr, server: &Server, presence: Option<&Presence>, health: &Health) -> Result<()> {
    in_background(presence, |presence| presence.ensure().map(drop)).await?;
    let look_after = async {
        loop {
            sleep(PRESENCE).await;
            match in_background(presence, Presence::ensure).await {
                Ok(Some(true)) => {
                    tracing::warn!("the cluster's DNS address or our rules were gone, and are there again")
                }
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    };
    let serving = async {
        if health.set(State::Serving) {
            tell_systemd(&[NotifyState::Ready, NotifyState::Status("answering questions")]);
        }
        server.serve(address).await.with_context(|| format!("cannot listen on {address}"))
    };
    tokio::select! {
        served = serving => served,
        error = look_after => Err(error),
    }
}

/// Programs are run beside the questions, which go on meanwhile.
async fn in_background<T: Send + 'static>(
    presence: Option<&Presence>,
    run: impl FnOnce(&Presence) -> Result<T> + Send + 'static,
) -> Result<Option<T>> {
    let Some(presence) = presence.cloned() else { return Ok(None) };
    let ran = tokio::task::spawn_blocking(move || run(&presence)).await;
    ran.context("a program could not be run")?.map(Some)
}

/// Whose the cluster's DNS address is.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    /// Nothing is known yet.
    Unknown,
    Ours,
    Operators(String),
}

fn whose(server: &Server, address: SocketAddr) -> Whose {
    of(&server.resolver.known(), address)
}

fn of(known: &Knowledge, address: SocketAddr) -> Whose {
    let SocketAddr::V4(address) = address else { return Whose::Ours };
    let here =
        known.at(*address.ip()).find(|(_, service)| service.kind == Kind::ClusterIp(*address.ip()) && !service.is_ours);
    match here {
        _ if known.standing() == Standing::Unknown => Whose::Unknown,
        Some((name, _)) => Whose::Operators(name.to_string()),
        None => Whose::Ours,
    }
}

async fn until_it_is(server: &Server, address: SocketAddr, so: impl Fn(&Whose) -> bool) {
    let mut version = None;
    loop {
        sleep(TICK).await;
        let known = server.resolver.known();
        if version != Some(known.version()) && so(&of(&known, address)) {
            return;
        }
        version = Some(known.version());
    }
}

async fn told_to_stop() -> Result<()> {
    let signal = stop_signal().await?;
    tracing::info!("told to stop by {signal}");
    Ok(())
}
