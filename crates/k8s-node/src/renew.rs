//! What the timer calls: certificates that are due are issued again, and only the services that do not read them by
//! themselves are restarted, one after the other, each healthy before the next.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use cluster::units::Docker;

use crate::{containers, health, service, stage, switch::Switch};

const LIMIT: Duration = Duration::from_secs(180);

pub fn run() -> Result<()> {
    let switch = Switch::load()?;
    println!("certificates: {}", stage::renew_certificates(&switch).context("cannot renew certificates")?);
    println!("kubeconfigs: {}", stage::renew_kubeconfigs(&switch)?);
    for name in service::of(&switch) {
        let driver = if name == "kubelet" { Some(containers::cgroup_driver()?) } else { None };
        let docker = driver.as_deref().map(|cgroup_driver| Docker { cgroup_driver });
        let outcome = service::ensure(name, &switch, docker)?;
        println!("{name} {outcome}");
        if outcome != service::Outcome::Kept {
            wait_for(name)?;
        }
    }
    Ok(())
}

fn wait_for(name: &str) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while let Err(error) = health::service(name) {
        if Instant::now() > deadline {
            bail!(
                "{name} is not healthy {} s after its restart: {error:#}; see `k8s-node logs {name}`",
                LIMIT.as_secs()
            );
        }
        thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
