//! The container of a device: what docker-topo gives it, for the built-in driver, and for every new root.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::docker::{Docker, docker};
use crate::faults::explain;
use topology::format::{Model, Topology, TopologyNode};

/// Where the flash is, in a device that has it as a volume.
pub(super) const FLASH: &str = "/mnt/flash";

/// Where EOS, and the stand-in, look for what they are told to be.
pub(super) const STARTUP_CONFIG: &str = "/mnt/flash/startup-config";

/// The newest EOS that does not want its environment on the command line too.
const BEFORE_SETENV: [u32; 3] = [4, 22, 2];

/// What a container is made of beside what the topology says.
#[derive(Debug)]
pub(super) struct ContainerParts {
    pub image: String,
    /// A volume that is there; none for what the image says.
    pub flash: Option<String>,
    pub startup_config: Option<PathBuf>,
    /// Whether it bears our own label beside docker-topo's.
    pub own_label: bool,
}

impl Docker {
    /// A container, not yet started. `name` is the device's, or another one for the time being.
    pub(super) fn create(
        &self,
        topology: &Topology,
        node: &TopologyNode,
        name: &str,
        parts: &ContainerParts,
    ) -> Result<()> {
        let mut command = docker("make the device")?
            .args(["create", "--name", &self.name(name), "--hostname", &node.name])
            .args(["--label", &self.label(&node.name)])
            .args(["--privileged", "--tty", "--sysctl", "net.ipv4.ip_forward=1"]);
        if parts.own_label {
            command = command.args(["--label", &self.own_label()]);
        }
        let network = topology.first_network(&node.name).map(|link| self.name(&link.name));
        command = command.args(["--network", network.as_deref().unwrap_or("none")]);
        for port in &node.ports {
            command = command.args(["--publish", &port.to_string()]);
        }
        for (name, value) in environment(node) {
            command = command.args(["--env", &format!("{name}={value}")]);
        }
        if let Some(volume) = &parts.flash {
            command = command.args(["--volume", &format!("{volume}:{FLASH}")]);
        }
        if let Some(config) = &parts.startup_config {
            command = command.args(["--volume", &bind(config)]);
        }
        command.arg(&parts.image).args(arguments(node)).read().map(drop).map_err(explain)
    }
}

fn bind(config: &Path) -> String {
    format!("{}:{STARTUP_CONFIG}:rw", config.display())
}

/// The part of a cEOS' image's name that docker-topo takes for its version.
fn version(image: &str) -> &str {
    image.rsplit(':').next().unwrap_or_default()
}

fn environment(node: &TopologyNode) -> Vec<(&'static str, &'static str)> {
    if node.model != Model::Ceos {
        return vec![];
    }
    let platform = if version(&node.image) == "4.20.5F" { "ceossim" } else { "ceoslab" };
    vec![
        ("CEOS", "1"),
        ("EOS_PLATFORM", platform),
        ("container", "docker"),
        ("ETBA", "1"),
        ("SKIP_ZEROTOUCH_BARRIER_IN_SYSDBINIT", "1"),
        ("INTFTYPE", "eth"),
    ]
}

fn arguments(node: &TopologyNode) -> Vec<String> {
    match node.model {
        Model::Host => node.addresses.iter().map(|(interface, address)| format!("{interface}:{address}")).collect(),
        Model::Ceos => {
            let variables = [
                "INTFTYPE=eth",
                "ETBA=1",
                "SKIP_ZEROTOUCH_BARRIER_IN_SYSDBINIT=1",
                "CEOS=1",
                "container=docker",
                "EOS_PLATFORM=ceoslab",
            ];
            let variables = variables.map(|variable| format!("systemd.setenv={variable}"));
            let desired = if wants_setenv(version(&node.image)) { &variables[..] } else { &[] };
            [&["/sbin/init".to_owned()], desired].concat()
        }
        _ => vec![],
    }
}

fn wants_setenv(version: &str) -> bool {
    let numbers: Vec<u32> = version
        .split('.')
        .map_while(|part| part[..part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len())].parse().ok())
        .collect();
    version == "latest" || numbers > BEFORE_SETENV.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_ceos_is_given_its_environment_on_the_command_line_too() {
        for (version, desired) in [
            ("latest", true),
            ("4.23.0F", true),
            ("4.22.3M", true),
            ("4.22.2F", false),
            ("4.20.5F", false),
            ("lab", false),
        ] {
            assert_eq!(wants_setenv(version), desired, "{version}");
        }
    }
}
