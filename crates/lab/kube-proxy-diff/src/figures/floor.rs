//! What the same change takes without any kube-proxy: iptables' own programs and the kernel, with the same tables in place.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{
    process,
    services::Services,
    stage::{Side, chain_of},
};

/// The time that went by, and that of the processor.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    pub time: Duration,
    pub cpu: Duration,
}

/// One chain is written anew, with the rules that it has: as small a change as there is.
pub fn one_chain(side: &Side, services: Services, index: usize) -> Result<Floor> {
    let (chain, rules) = chain_of(&side.nat()?, services, index)?;
    restore(side, &format!("*nat\n:{chain} - [0:0]\n{rules}COMMIT\n"))
}

/// A Service comes: a chain that nobody has, and a rule that leads to it.
pub fn one_service(side: &Side, services: Services, index: usize) -> Result<Floor> {
    let (chain, rules) = chain_of(&side.nat()?, services, index)?;
    let new = "KUBE-SVC-OFTHEBENCHMARK0";
    let rules = rules.replace(&chain, new);
    let address = services.cluster_ip(services.count);
    restore(
        side,
        &format!(
            "*nat\n:{new} - [0:0]\n{rules}-I KUBE-SERVICES -d {address}/32 -p tcp -m tcp --dport 80 -j {new}\nCOMMIT\n"
        ),
    )
}

/// The tables are read, as whoever wants to know what is there has to, and one chain is written.
pub fn look_and_write(side: &Side, services: Services, index: usize) -> Result<Floor> {
    let began = (Instant::now(), process::cpu(std::process::id())?);
    for table in ["nat", "filter"] {
        side.world.run_on_node("iptables-save", &["-t", table])?;
    }
    let (read, read_cpu) = (began.0.elapsed(), process::cpu(std::process::id())?.saturating_sub(began.1));
    let written = one_chain(side, services, index)?;
    Ok(Floor { time: read + written.time, cpu: read_cpu + written.cpu })
}

fn restore(side: &Side, rules: &str) -> Result<Floor> {
    let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    fs::write(file.path(), rules)?;
    let cpu = process::cpu(std::process::id())?;
    let began = Instant::now();
    side.world.run_on_node("iptables-restore", &["--noflush", &file.path().display().to_string()])?;
    Ok(Floor { time: began.elapsed(), cpu: process::cpu(std::process::id())?.saturating_sub(cpu) })
}
