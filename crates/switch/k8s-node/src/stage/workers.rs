//! The services of a worker.

use anyhow::Result;
use cluster::units::Docker;

use crate::{containers, service, switch::Switch, sysctls};

pub fn kubelet(switch: &Switch) -> Result<String> {
    sysctls::remember()?;
    let cgroup_driver = containers::cgroup_driver()?;
    let outcome = service::ensure("kubelet", switch, Some(Docker { cgroup_driver: &cgroup_driver }))?;
    Ok(format!("kubelet {outcome}, cgroup driver {cgroup_driver}"))
}

pub fn kube_proxy(switch: &Switch) -> Result<String> {
    Ok(format!("kube-proxy {}", service::ensure("kube-proxy", switch, None)?))
}
