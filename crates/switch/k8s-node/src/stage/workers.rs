//! The services of a worker.

use std::thread;

use anyhow::{Context, Result, bail};
use cluster::{ReservedOn, units::Docker};
use common::files;
use contract::places;

use crate::{containers, service, switch::Switch, sysctls};

const MEMORY: &str = "/proc/meminfo";

pub fn kubelet(switch: &Switch) -> Result<String> {
    sysctls::remember()?;
    reserved(switch)?;
    let cgroup_driver = containers::cgroup_driver()?;
    let outcome = service::ensure("kubelet", switch, Some(Docker { cgroup_driver: &cgroup_driver }))?;
    Ok(format!("kubelet {outcome}, cgroup driver {cgroup_driver}"))
}

/// Fails where kubelet would end at once: it would not say of which file.
fn reserved(switch: &Switch) -> Result<()> {
    let Some(eos) = switch.cluster.reserved else { return Ok(()) };
    let memory = files::read_text(MEMORY.as_ref())?;
    let mib = memory_mib(&memory).with_context(|| format!("{MEMORY} does not say how much memory there is"))?;
    let processors = thread::available_parallelism().context("cannot count the processors")?.get();
    let processors = u64::try_from(processors).context("so many processors cannot be counted")?;
    match ReservedOn::new(eos, &switch.node).too_much_for(mib, processors) {
        Some(why) => bail!("{}: {why}", places::CLUSTER_TOML),
        None => Ok(()),
    }
}

/// `MemTotal:  3950000 kB`
fn memory_mib(text: &str) -> Option<u64> {
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.split_whitespace().next()?;
    kib.parse::<u64>().ok().map(|kib| kib / 1024)
}

pub fn kube_proxy(switch: &Switch) -> Result<String> {
    Ok(format!("kube-proxy {}", service::ensure("kube-proxy", switch, None)?))
}

pub fn cluster_dns(switch: &Switch) -> Result<String> {
    let outcome = service::ensure("cluster-dns", switch, None)?;
    Ok(format!("cluster-dns {outcome}: names at {}", switch.cluster.dns))
}
