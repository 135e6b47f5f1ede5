//! Everything stopped and taken away that a bring-up has made, but for what is on the flash.

use std::{fs, io, iter, path::Path};

use anyhow::{Context, Result};
use common::{errors, files};
use contract::{Stage, places, services, status::StageState};

use crate::{
    containers::{self, Engine},
    iptables, leftovers, loaded_images, overlay, program, record,
    routes::{self, Caller},
    stage, storage,
    switch::Switch,
    sysctls, systemd, volumes,
};

/// Goes on where a step fails, so that as much as possible goes away, and fails with everything that did not.
pub fn run(caller: Caller) -> Result<()> {
    let mut failures = Vec::new();
    let mut step = |what: &str, done: Result<()>| {
        if let Err(error) = done {
            failures.push(format!("{what}: {error:#}"));
        }
    };
    for unit in [
        // It would bring back what is taken away.
        services::RECONCILER,
        services::RENEWAL_TIMER,
        services::RENEWAL,
        services::SNAPSHOT_TIMER,
        services::SNAPSHOT,
        services::BOOTSTRAP,
        services::ENROLMENT,
    ] {
        step(unit, systemd::stop(unit));
    }
    if Switch::load().is_ok_and(|switch| switch.node.master) && record::read(Stage::Metrics).state == StageState::Done {
        // An API server that does not answer any more is no reason to stay.
        if let Err(error) = stage::metrics::leave() {
            eprintln!(
                "the APIService of metrics-server could not be removed, so that namespaces are not deleted until this release is back: {error:#}"
            );
        }
    }
    // The kubelet first, or it would start again what is ended here.
    for name in ["kubelet", "kube-proxy", "cluster-dns"] {
        step(name, systemd::stop(&format!("{name}.service")));
    }
    // A master that is no worker needs no Docker. Of one that is stopped no container runs: what were a pod's processes all the
    // same, is in its cgroup, which is then in use below.
    let engine = containers::engine();
    if engine == Engine::Running {
        step("containers of pods", containers::remove_pods().map(drop));
    }
    for name in services::MASTER.into_iter().rev() {
        step(name, systemd::stop(&format!("{name}.service")));
    }
    step("rules of kube-proxy, kubelet and CNI", iptables::remove_of_kubernetes());
    step("firewall", iptables::remove_all());
    step("routes", routes::remove_all(caller));
    if let Ok(switch) = Switch::load() {
        step("the cluster's DNS address", routes::remove_dns_address(&switch.cluster));
        step("route for Services", routes::remove_service_range(&switch.cluster));
    }
    step("the pods' bridge", bridge());
    step("VXLAN", overlay::remove());
    // What stays mounted keeps the directory whole: it is removed only where nothing is mounted in it.
    step("volumes of pods", volumes::unmount_below(places::KUBELET.as_ref()));
    for directory in [places::KUBELET, places::DOCKERSHIM, places::POD_LOGS, places::CONTAINER_LOGS] {
        step(directory, files::remove_tree(directory.as_ref()));
    }
    step("what CNI keeps", leftovers::remove_cni_state());
    // Nothing runs in it any more; it would keep its cgroups.
    for slice in [leftovers::PODS_SLICE, services::SLICE] {
        step(slice, systemd::stop(slice));
    }
    step("cgroups of pods", leftovers::remove_cgroups());
    if engine == Engine::Running {
        step("images", loaded_images::remove_all());
    }
    step("sysctls", sysctls::give_back());
    step("units", units());
    step("the state's file", storage::unmount());
    // Last, and only after all else: it says what of the routes and sysctls is ours.
    if failures.is_empty() {
        files::remove_tree(places::RUN.as_ref())?;
        println!(
            "everything of Kubernetes is stopped; {} and {} are as they were{}",
            places::CLUSTER_TOML,
            places::STATE,
            not_looked_at(engine)
        );
        return Ok(());
    }
    Err(anyhow::anyhow!("not everything could be taken away:\n    {}", failures.join("\n    ")))
}

fn not_looked_at(engine: Engine) -> &'static str {
    match engine {
        Engine::Stopped => {
            "; Docker is stopped, and was not asked what it has of ended pods and of images that were loaded: to have \
             those removed, start it (`systemctl start docker`), then `k8s-node down` again"
        }
        Engine::NotInstalled | Engine::Running => "",
    }
}

fn bridge() -> Result<()> {
    if !Path::new("/sys/class/net").join(cluster::BRIDGE).exists() {
        return Ok(());
    }
    program::new("ip", "remove the pods' bridge")?.args(["link", "delete", cluster::BRIDGE]).read().map(drop)
}

fn units() -> Result<()> {
    let names = services::NAMES.iter().map(|name| format!("{name}.service")).chain([services::SLICE.to_owned()]);
    let removed = names.map(|name| {
        let file = Path::new(places::UNITS).join(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", file.display()))
            }
            _ => Ok(()),
        }
    });
    errors::all(removed.chain(iter::once_with(systemd::daemon_reload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stopped_docker_may_have_is_named_with_what_to_do() {
        let said = not_looked_at(Engine::Stopped);
        assert!(said.contains("Docker is stopped") && said.contains("`k8s-node down` again"), "{said}");
        assert_eq!(not_looked_at(Engine::Running), "");
    }
}
