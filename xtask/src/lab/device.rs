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
use clap::{Args, Subcommand, ValueEnum};
use cluster_test::cluster_file;
use devices::{Driver, Flash, Lab, Options, Power, traits::Wish};
use topology::Topology;

use crate::{
    interrupt, progress,
    workspace::{dist, workspace},
};

#[derive(Args)]
pub struct DeviceFlags {
    #[command(subcommand)]
    pub action: DeviceAction,
    /// The topology, in docker-topo's format [default: topo/one.yml]
    #[arg(long, global = true, value_name = "FILE", default_value_os_t = workspace().join("topo/one.yml"), hide_default_value = true)]
    pub topology: PathBuf,
}

#[derive(Subcommand)]
pub enum DeviceAction {
    /// Make and start every device of the topology, and wire them
    Up {
        /// SWIX to install on the switches at every boot [default: the newest in dist/]
        #[arg(long, value_name = "FILE")]
        swix: Option<PathBuf>,
        /// Leave the switches without a SWIX
        #[arg(long, conflicts_with = "swix")]
        no_swix: bool,
        /// cluster.toml for the switches' flash; where it has no token, the switches get one that is made for them
        #[arg(long, value_name = "FILE")]
        cluster: Option<PathBuf>,
        /// Who makes the containers and links
        #[arg(long, default_value = "auto")]
        driver: DriverName,
        /// The program docker-topo, where it is not on PATH
        #[arg(long, value_name = "PATH")]
        docker_topo: Option<PathBuf>,
        /// A habit of EOS that the stand-ins are to have, or not to have: NAME=on or NAME=off, of docs/stand-in.md; may be given again
        #[arg(long = "trait", value_name = "NAME=on")]
        traits: Vec<Wish>,
    },
    /// Shut a device down and start it again: a new root, the same flash
    Reboot {
        /// As the topology has it
        name: String,
    },
    /// Cut a device's power: all its processes end at once
    Kill {
        /// As the topology has it
        name: String,
    },
    /// Switch on a device that is off
    Start {
        /// As the topology has it
        name: String,
    },
    /// Run a command on a device
    Exec {
        /// As the topology has it
        name: String,
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        argv: Vec<OsString>,
    },
    /// Open a shell on a device
    Shell {
        /// As the topology has it
        name: String,
    },
    /// Say which devices are on
    Status,
    /// Take the topology away, flash too
    Down,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum DriverName {
    /// docker-topo where it is on PATH, else the built-in driver
    Auto,
    /// The program docker-topo
    DockerTopo,
    /// Ours
    BuiltIn,
}

/// Where a switch looks for its cluster, on its flash.
const CLUSTER: &str = "cluster.toml";

impl DeviceFlags {
    pub fn run(self) -> Result<()> {
        let topology = Topology::load(&self.topology)?;
        if let DeviceAction::Up { swix, no_swix, cluster, driver, docker_topo, traits } = self.action {
            let swix = if no_swix { None } else { swix.or_else(|| newest_swix().ok()) };
            let options = Options {
                driver: driver_of(driver, docker_topo)?,
                traits: traits.into_iter().collect(),
                interrupted: interrupt::came,
                ..Options::default()
            };
            return up(&topology, &options, swix.as_deref(), cluster.as_deref());
        }
        if let DeviceAction::Down = self.action {
            if !Lab::ensure_down(&topology)? {
                println!("nothing of the topology {} was there", topology.prefix);
            }
            return Ok(());
        }
        Lab::check_engine()?;
        let attached = Lab::attach(&topology)
            .with_context(|| format!("start it with `cargo xtask device up --topology {}`", self.topology.display()))?;
        match self.action {
            DeviceAction::Up { .. } | DeviceAction::Down => Ok(()),
            DeviceAction::Reboot { name } => attached.device(&name)?.reboot(),
            DeviceAction::Kill { name } => attached.device(&name)?.cut_power(),
            DeviceAction::Start { name } => attached.device(&name)?.power_on(),
            DeviceAction::Exec { name, argv } => become_command(&attached.device(&name)?, &argv),
            DeviceAction::Shell { name } => become_command(&attached.device(&name)?, &[]),
            DeviceAction::Status => status(&attached),
        }
    }
}

/// Who brings up a lab, as the flags have it: docker-topo where it is there, unless they say another.
pub fn driver_of(name: DriverName, docker_topo: Option<PathBuf>) -> Result<Driver> {
    match (name, docker_topo) {
        (DriverName::Auto, None) => Ok(Driver::automatic()),
        (DriverName::BuiltIn, None) => Ok(Driver::BuiltIn),
        (DriverName::BuiltIn, Some(_)) => bail!("--docker-topo names a program that the built-in driver does not use"),
        (DriverName::DockerTopo | DriverName::Auto, path) => Driver::docker_topo(path),
    }
}

fn up(topology: &Topology, options: &Options, swix: Option<&Path>, cluster: Option<&Path>) -> Result<()> {
    let mut flash = Flash::new();
    if let Some(swix) = swix {
        flash = flash.with_boot_extension(swix)?;
    }
    if let Some(cluster) = cluster {
        flash = flash.with_bytes(CLUSTER, cluster_file::for_lab(cluster)?);
    }
    let flash: BTreeMap<_, _> = topology.switches().map(|switch| (switch.name.clone(), flash.clone())).collect();
    match &options.driver {
        Driver::BuiltIn => println!("brought up by the built-in driver"),
        Driver::DockerTopo(program) => println!("brought up by {}", program.display()),
    }
    interrupt::watch();
    let lab = Lab::up_with(topology, &flash, options, &*progress::for_stderr())?;
    match swix {
        Some(swix) => println!("the switches install {} at every boot", swix.display()),
        None => println!("the switches have no SWIX"),
    }
    status(&lab)
}

fn status(lab: &Lab) -> Result<()> {
    for device in lab.devices() {
        let power = match device.power()? {
            Power::On => "on",
            Power::Off => "off",
        };
        println!("{:12} {power:4} {}", device.name(), device.identity()?);
    }
    Ok(())
}

/// Puts the way to the device in this program's place, so that terminal, signals and exit code are the command's own.
fn become_command(device: &devices::Device, argv: &[OsString]) -> Result<()> {
    let words = argv.iter().map(|word| word.to_str().map(str::to_owned).context("a command has to be UTF-8"));
    let all = device.command_line(&words.collect::<Result<Vec<_>>>()?, std::io::stdin().is_terminal())?;
    let error = Command::new(&all[0]).args(&all[1..]).exec();
    bail!("{} cannot be run: {error}", all[0])
}

/// The SWIX that was built last.
pub fn newest_swix() -> Result<PathBuf> {
    swix::dist::newest_swix(&dist())
}
