//! The running program: what is started, in which order, and how it ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sd_notify::NotifyState;

use crate::backend::{Backend, Periods};
use crate::iptables::{self, Iptables, Tool};
use crate::metrics::Metrics;
use crate::model::{Change, Model};
use crate::news::{self, Arrived};
use crate::objects::Reader;
use crate::observer::{Reports, StaleFlows, Standing};
use crate::options::{Options, ProxyMode};
use crate::syncer::Syncer;
use crate::transit::{self, BesideTransit, Transit};
use crate::userspace::{self, Userspace};
use crate::watch::{self, Connection};
use crate::{conntrack, events, healthz, metrics, node_address, routed_nodes, service_health};
use daemon::http::BindFailure;
use daemon::{stop_signal, tell_systemd};

/// Proxies until it is told to stop; what is programmed stays then. An error is one of the options or of this machine.
pub async fn run(options: Options) -> anyhow::Result<()> {
    for warning in &options.warnings {
        tracing::warn!("{warning}");
    }
    adjust_oom_score(options.oom_score_adj);
    conntrack::settings::apply(&options.conntrack);
    let client = watch::connect(&connection(&options))?;
    let backend = choose_backend(Tool::find()?, &options)?;
    tracing::info!(mode = backend.name(), node = options.node_name, "kube-proxy {}", env!("CARGO_PKG_VERSION"));

    let metrics = Arc::new(Metrics::new());
    metrics.set_proxy_mode(backend.name());
    let health = Arc::new(healthz::Health::new(options.sync_period));
    let (events, event_queue) = events::channel(&options.node_name);
    let (service_health, health_servers) =
        service_health::channel(options.nodeport_addresses.clone(), Arc::clone(&health), events.clone());
    let reports = Reports {
        metrics: Arc::clone(&metrics),
        health: Arc::clone(&health),
        service_health,
        flows: (backend.name() == "iptables").then(StaleFlows::default),
        standing: Standing::default(),
    };
    let periods = Periods { full_check: options.sync_period, least_between_syncs: options.min_sync_period };
    let (news, arriving) = news::channel();
    let syncer = Syncer::new(backend, reports, periods);
    let syncer = std::thread::Builder::new()
        .name("syncer".to_owned())
        .spawn(move || syncer.run(&arriving))
        .context("cannot start a thread")?;

    events.starting();
    tokio::spawn(event_queue.run(client.clone()));
    tokio::spawn(health_servers.run());
    let reader = Arc::new(Reader::new(&options.node_name));
    let wants_address = options.bind_address.is_unspecified().then(|| news.clone());
    tokio::spawn(node_address::find(client.clone(), options.node_name.clone(), wants_address));
    routed_nodes::follow(options.routed_nodes.clone(), news.clone());
    let watches = tokio::spawn(watch::run(client, reader, options.endpoint_slices, news.clone()));
    tell_systemd(&[NotifyState::Status("waiting for the API server")]);

    let ended = tokio::select! {
        stopped = told_to_stop() => stopped,
        failed = serve(&options, health, metrics, events) => failed,
        _ = watches => Err(anyhow::anyhow!("the thread that programs has ended; see the log above")),
    };
    tell_systemd(&[NotifyState::Stopping]);
    // A round that is under way is finished, so that nothing is left half done.
    news.end();
    let _ = syncer.join();
    ended
}

/// Serves health and metrics; returns only where a port cannot be had and that is to be fatal.
async fn serve(
    options: &Options,
    health: Arc<healthz::Health>,
    metrics: Arc<Metrics>,
    events: events::Events,
) -> anyhow::Result<()> {
    let on_failure = if options.bind_address_hard_fail { BindFailure::Fatal } else { BindFailure::TryAgain };
    let healthz = async {
        match options.healthz_bind_address {
            Some(address) => healthz::serve(address, health, events, on_failure).await,
            None => std::future::pending().await,
        }
    };
    let metrics = async {
        match options.metrics_bind_address {
            Some(address) => metrics::serve(address, metrics, on_failure).await,
            None => std::future::pending().await,
        }
    };
    tokio::try_join!(healthz, metrics)?;
    Ok(())
}

async fn told_to_stop() -> anyhow::Result<()> {
    let signal = stop_signal().await?;
    tracing::info!("told to stop by {signal}; the rules stay");
    Ok(())
}

/// Where the API server is.
pub fn connection(options: &Options) -> Connection {
    Connection { kubeconfig: options.kubeconfig.clone(), master: options.master.clone() }
}

/// The mode that was asked for, or the best that works here.
fn choose_backend(tool: Tool, options: &Options) -> anyhow::Result<Box<dyn Backend>> {
    let mode = match options.proxy_mode {
        Some(mode) => mode,
        None => match tool.can_do_iptables_mode() {
            Ok(()) => ProxyMode::Iptables,
            Err(lacking) => {
                tracing::warn!("the mode is userspace, as iptables mode is not possible here: {lacking}");
                ProxyMode::Userspace
            }
        },
    };
    let transit = match local(options) {
        Some(local) => Transit::new(tool.clone(), local),
        // What an earlier run left out may be a Service's by now.
        None => {
            transit::remove_or_warn(&tool);
            None
        }
    };
    let backend: Box<dyn Backend> = match mode {
        ProxyMode::Iptables => {
            if let Err(lacking) = tool.can_do_iptables_mode() {
                bail!("--proxy-mode=iptables is not possible here: {lacking}; --proxy-mode=userspace may be");
            }
            let settings = iptables_settings(options, tool.features());
            Box::new(Iptables::new(tool, settings))
        }
        ProxyMode::Userspace => {
            if let Err(lacking) = tool.can_do_userspace_mode() {
                bail!("no mode is possible here, not even --proxy-mode=userspace: {lacking}");
            }
            let settings = userspace::UserspaceSettings {
                bind_address: options.bind_address,
                cluster_cidr: options.cluster_cidr,
                node_port_addresses: options.nodeport_addresses.clone(),
                udp_timeout: options.udp_timeout,
            };
            Box::new(Userspace::start(tool, &settings).context("the userspace mode cannot start")?)
        }
    };
    Ok(match transit {
        Some(transit) => Box::new(BesideTransit::new(transit, backend)),
        None => backend,
    })
}

/// What the iptables mode's rules depend on.
pub fn iptables_settings(options: &Options, features: iptables::Features) -> iptables::IptablesSettings {
    iptables::IptablesSettings {
        cluster_cidr: options.cluster_cidr,
        masquerade_all: options.masquerade_all,
        masquerade_bit: options.masquerade_bit,
        nodeport_addresses: options.nodeport_addresses.clone(),
        node_ip: Some(options.bind_address).filter(|&address| !address.is_unspecified()),
        pod_bridge: options.pod_bridge_interface.clone(),
        features,
    }
}

/// What tells this node's own from what only passes through, where the operator has said all of it.
fn local(options: &Options) -> Option<transit::Local> {
    let bridge = options.pod_bridge_interface.clone()?;
    Some(transit::Local { bridge, pods: options.pod_cidr?, services: options.service_cluster_ip_range? })
}

/// Makes the kernel spare this process when memory runs out. Not being allowed to is no reason not to proxy.
fn adjust_oom_score(score: i32) {
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", score.to_string()) {
        tracing::warn!(%error, "cannot set --oom-score-adj={score}; going on without");
    }
}

/// Reads both sets once, and gives the model that they make.
pub async fn model_of_now(options: &Options, limit: Duration) -> anyhow::Result<Model> {
    let client = watch::connect(&connection(options))?;
    let (news, arriving) = news::channel();
    let reader = Arc::new(Reader::new(&options.node_name));
    let watches = tokio::spawn(watch::run(client.clone(), reader, options.endpoint_slices, news));
    let gather = tokio::task::spawn_blocking(move || {
        let mut model = Model::default();
        let mut touched = BTreeSet::new();
        while !model.is_complete() {
            let Arrived::News(news) = arriving.wait(Some(limit)) else {
                bail!("the API server gave no Services and endpoints within {limit:?}")
            };
            news.changes.into_iter().for_each(|(change, _)| model.apply(change, &mut touched));
        }
        Ok(model)
    });
    let model = gather.await.context("reading Services and endpoints ended early")?;
    watches.abort();
    let mut model = model?;
    if options.bind_address.is_unspecified() {
        match node_address::known(&client, &options.node_name).await {
            Ok(Some(address)) => model.apply(Change::NodeAddress(address), &mut BTreeSet::new()),
            Ok(None) => {}
            Err(error) => tracing::debug!("this node's address is not known: {error}"),
        }
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// Stand-ins for iptables' programs: there is an old chain, which iptables-restore refuses to touch.
    const PROGRAMS: [(&str, &str); 3] = [
        ("iptables", "echo 'iptables v1.8.9 (nf_tables)'"),
        ("iptables-save", "printf '*raw\\n:KUBE-TRANSIT - [0:0]\\n-A PREROUTING -j KUBE-TRANSIT\\nCOMMIT\\n'"),
        (
            "iptables-restore",
            "grep KUBE-TRANSIT >> \"$0.refused\" || exit 0; echo 'iptables-restore: line 3 failed' >&2; exit 1",
        ),
    ];

    #[test]
    fn an_old_chain_for_transit_that_cannot_be_removed_is_no_reason_not_to_proxy() {
        let directory = tempfile::tempdir().unwrap();
        for (name, script) in PROGRAMS {
            // By another process: whatever this one forks meanwhile would have the file open, and it could not be run.
            let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 755 "$0""#;
            let written =
                Command::new("sh").args(["-c", write, name, script]).current_dir(&directory).status().unwrap();
            assert!(written.success());
        }
        let tool = Tool::named(&directory.path().join("iptables").to_string_lossy()).unwrap();
        let backend = choose_backend(tool, &Options::default()).unwrap();
        assert_eq!(backend.name(), "iptables");
        let refused = fs::read_to_string(directory.path().join("iptables-restore.refused")).unwrap();
        assert!(refused.contains("-D PREROUTING -j KUBE-TRANSIT\n-X KUBE-TRANSIT\n"), "{refused}");
    }
}
