//! `device`: a test topology of containers, and its devices one by one.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::IsTerminal,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use topology::{
    Flash, Lab, Topology,
    format::Kind,
    lab::{self, Power},
};

use crate::{
    flags::{Device, DeviceAction},
    progress,
    session::workspace,
};

/// Where a switch looks for its cluster, on its flash.
const CLUSTER: &str = "cluster.toml";

pub fn run(flags: Device) -> Result<()> {
    let topology = Topology::load(&flags.topology)?;
    if let DeviceAction::Up { swix, no_swix, cluster } = flags.action {
        let swix = if no_swix { None } else { swix.or_else(newest_swix) };
        return up(&topology, swix.as_deref(), cluster.as_deref());
    }
    let attached = Lab::attach(&topology)
        .with_context(|| format!("start it with `cargo xtask device up --topology {}`", flags.topology.display()))?;
    match flags.action {
        DeviceAction::Up { .. } => Ok(()),
        DeviceAction::Reboot { name } => attached.device(&name)?.reboot(),
        DeviceAction::Kill { name } => attached.device(&name)?.cut_power(),
        DeviceAction::Start { name } => attached.device(&name)?.power_on(),
        DeviceAction::Exec { name, argv } => become_command(&attached.device(&name)?, "root", &argv),
        DeviceAction::Shell { name } => {
            let device = attached.device(&name)?;
            let user = if device.kind() == Kind::Switch { "admin" } else { "root" };
            become_command(&device, user, &["bash".into(), "--login".into()])
        }
        DeviceAction::Status => status(&attached),
        DeviceAction::Down => attached.destroy(),
    }
}

fn up(topology: &Topology, swix: Option<&Path>, cluster: Option<&Path>) -> Result<()> {
    let mut flash = Flash::new();
    if let Some(swix) = swix {
        flash = flash.with_boot_extension(swix)?;
    }
    if let Some(cluster) = cluster {
        flash = flash.with_file(CLUSTER, cluster);
    }
    let flash: BTreeMap<_, _> = topology.switches().map(|switch| (switch.name.clone(), flash.clone())).collect();
    let raised = Lab::raise(topology, &flash, &*progress::for_stderr())?;
    match swix {
        Some(swix) => println!("the switches install {} at every boot", swix.display()),
        None => println!("the switches have no SWIX"),
    }
    status(&raised)
}

fn status(lab: &Lab) -> Result<()> {
    for device in lab.devices() {
        let power = match device.power()? {
            Power::On => "on",
            Power::Off => "off",
        };
        println!("{:12} {power:4} {}{}", device.name(), device.image(), stand_in(&device)?);
    }
    Ok(())
}

fn stand_in(device: &lab::Device) -> Result<String> {
    let of = images::stands_in_for(device.image())?;
    Ok(of.map(|of| format!(", a stand-in for {of}")).unwrap_or_default())
}

/// Puts `docker exec` in this program's place, so that terminal, signals and exit code are the command's own.
fn become_command(device: &lab::Device, user: &str, argv: &[OsString]) -> Result<()> {
    let mut docker = Command::new("docker");
    docker.args(["exec", "--interactive", "--user", user]);
    if std::io::stdin().is_terminal() {
        docker.arg("--tty");
    }
    let error = docker.arg(device.container()).args(argv).exec();
    bail!("docker cannot be run: {error}")
}

/// The SWIX that was built last.
pub fn newest_swix() -> Option<PathBuf> {
    proof::lab::newest_swix(&workspace().join("dist"))
}
