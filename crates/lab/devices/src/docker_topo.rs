//! docker-topo itself as the driver: it makes and starts the devices, and what is done with them afterwards is done here.
//!
//! 1. Where a file names no image that is there, the stand-ins bear docker-topo's names while it works, and not longer.
//! 2. docker-topo reads the user's own file; for another prefix, or other startup-configs, a changed copy.
//! 3. It goes on after some of what fails, so that all it was to make is looked for afterwards.
//! 4. The default routes that Docker gave go, and what is desired on a switch's flash is brought there by a reboot.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Output,
};

use crate::images::{Image, Tags};
use anyhow::{Context, Result, bail, ensure};
use common::{
    command::{Program, find_on_path},
    errors, files,
};
use serde_json::Value;

use super::{
    Flash, Lab,
    docker::{Container, LABEL, Sort},
    lock, wires,
};
use topology::format::{LinkDriver, Topology};

/// The longest name that Linux gives an interface.
const INTERFACE_LENGTH: usize = 15;

/// Where docker-topo looks for network namespaces.
const NAMESPACES: &str = "/var/run/docker/netns";

/// What docker-topo lets between all bridges of this machine when it brings up a topology.
const OPENED: [&str; 3] = ["DOCKER-ISOLATION-STAGE-1", "-j", "ACCEPT"];

/// What iptables says of it where there is no such rule or chain.
const NO_SUCH_RULE: [&str; 2] = ["does a matching rule exist in that chain?", "No chain/target/match by that name"];

impl Lab {
    pub(super) fn make_by_docker_topo(
        &self,
        program: &Path,
        flash: &BTreeMap<String, Flash>,
        images: &BTreeMap<String, Image>,
        doing: impl Fn(&str) -> Result<()>,
    ) -> Result<()> {
        check_names(&self.topology)?;
        let file = self.file_for_docker_topo()?;
        doing("docker-topo makes and starts the devices")?;
        self.create(program, &file, images)?;
        for node in &self.topology.devices {
            self.close(node)?;
        }
        for (name, files) in flash.iter().filter(|(_, files)| !files.is_empty()) {
            doing(&format!("filling {name}'s flash"))?;
            let device = self.device(name)?;
            match self.has_flash_volume(name)? {
                true => {
                    device.cut_power()?;
                    self.fill_flash(name, files)?;
                }
                false => {
                    device.wait_until_booted(super::BOOT)?;
                    let directory = tempfile::tempdir().context("cannot make a directory for the flash's files")?;
                    files.write_to(directory.path())?;
                    device.copy_in(&directory.path().join("."), super::spec::FLASH)?;
                    device.shut_down()?;
                }
            }
            device.power_on()?;
        }
        Ok(())
    }

    fn create(&self, program: &Path, file: &Path, images: &BTreeMap<String, Image>) -> Result<()> {
        files::create_dir(&lock::directory(&self.topology.prefix))?;
        let log = self.log_of_docker_topo();
        let lock = lock::of_tags()?;
        let tags = Tags::put(images)?;
        let ended =
            Program::new(program, "bring the topology up with docker-topo")?.arg("--create").arg(file).run_logged(&log);
        let ended = ended.map_err(super::faults::explain).map_err(|error| self.explain_namespaces(error));
        let untagged = tags.remove();
        drop(lock);
        errors::both(ended, untagged)?;
        self.check_what_stands()
            .with_context(|| format!("docker-topo did not make all of it; its log is {}", log.display()))
    }

    /// docker-topo takes it that dockerd keeps network namespaces in its usual place, and makes empty ones where it does not.
    fn explain_namespaces(&self, error: anyhow::Error) -> anyhow::Error {
        let containers = self.topology.devices.iter().filter_map(|node| self.docker.find(&node.name).ok().flatten());
        let mut keys = containers.map(|container| container.network_settings.sandbox_key);
        match keys.find(|key| !key.is_empty() && !key.starts_with(NAMESPACES)) {
            Some(key) => error.context(format!(
                "docker-topo looks for devices' network namespaces in {NAMESPACES}, and this dockerd keeps them in {}: run it \
                 without --exec-root, or link the one to the other",
                Path::new(&key).parent().unwrap_or(Path::new("")).display()
            )),
            None => error,
        }
    }

    /// Removes the empty namespaces that docker-topo made in place of those that it did not find.
    pub(super) fn remove_made_namespaces(&self) -> Result<()> {
        errors::all(self.docker.all(Sort::Container)?.iter().map(|name| {
            let made = self.docker.find_whole(name)?.as_ref().and_then(made_in_place_of);
            let Some(made) = made else { return Ok(()) };
            Program::new("umount", "take docker-topo's network namespace away")?.arg(&made).read()?;
            fs::remove_file(&made).with_context(|| format!("cannot remove {}", made.display()))
        }))
    }

    fn check_what_stands(&self) -> Result<()> {
        for node in &self.topology.devices {
            let container = self.docker.find(&node.name)?.with_context(|| format!("{} is not there", node.name))?;
            let process = container.process().with_context(|| format!("{} is not running", node.name))?;
            let there = wires::interfaces(process)?;
            for cable in self.cables(&node.name) {
                ensure!(there.iter().any(|name| name == cable), "{} has no interface {cable}", node.name);
            }
        }
        Ok(())
    }

    /// The user's own file where it says the same as this topology.
    fn file_for_docker_topo(&self) -> Result<PathBuf> {
        let topology = &self.topology;
        let Some(file) = &topology.file else { bail!("docker-topo needs a topology that is in a file") };
        if topology.prefix == topology.config_prefix && !self.has_own_configs() {
            return Ok(file.clone());
        }
        let mut values: serde_json::Map<String, Value> = serde_saphyr::from_str(&files::read_text(file)?)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        values.insert("PREFIX".to_owned(), topology.prefix.clone().into());
        values.insert("CONF_DIR".to_owned(), self.own_configs().display().to_string().into());
        if topology.devices.iter().all(|node| node.ports.is_empty()) {
            values.insert("PUBLISH_BASE".to_owned(), 0.into());
        }
        for node in topology.switches() {
            self.ensure_own_config(node)?;
        }
        // JSON is YAML.
        let changed = lock::directory(&topology.prefix).join("topology.yml");
        files::write_atomically(&changed, serde_json::to_string_pretty(&Value::Object(values))?.as_bytes())?;
        Ok(changed)
    }

    /// Closes what docker-topo opened between this machine's bridges, where a lab of its making is taken away.
    pub(super) fn close_bridges(&self) -> Result<()> {
        if find_on_path("iptables").is_none() {
            return Ok(());
        }
        let iptables = |verb: &str| -> Result<Program> {
            Ok(Program::new("iptables", "take docker-topo's rule away")?.args(["-w", verb]).args(OPENED))
        };
        let mut check = iptables("-C")?;
        match is_there(&check.output()?).with_context(|| format!("cannot tell from `{}`", check.text()))? {
            true => iptables("-D")?.read().map(drop),
            false => Ok(()),
        }
    }

    fn log_of_docker_topo(&self) -> PathBuf {
        lock::directory(&self.topology.prefix).join("docker-topo.log")
    }

    /// Whether docker-topo has been at work: for this crate, however far it came, or else by the devices that are there.
    pub(super) fn is_docker_topo_s(&self) -> Result<bool> {
        if self.log_of_docker_topo().is_file() {
            return Ok(true);
        }
        for node in &self.topology.devices {
            if let Some(container) = self.docker.find(&node.name)? {
                return Ok(!container.config.labels.contains_key(LABEL));
            }
        }
        Ok(false)
    }

    /// What docker-topo calls the ends of its cables before they are in their devices.
    pub(super) fn names_on_the_way(&self) -> Vec<String> {
        let cables = self.topology.links.iter().filter(|link| link.driver == LinkDriver::Veth);
        cables.flat_map(|link| ["a", "b"].map(|side| on_the_way(&self.topology.prefix, &link.name, side))).collect()
    }
}

/// Whether there is a rule, by how `iptables -C` ended: with 1 where there is none or no such chain, and where anything else
/// has gone wrong that has no number of its own.
fn is_there(checked: &Output) -> Result<bool> {
    let words = String::from_utf8_lossy(&checked.stderr);
    match checked.status.code() {
        Some(0) => Ok(true),
        Some(1) if NO_SUCH_RULE.iter().any(|piece| words.contains(piece)) => Ok(false),
        _ => bail!("whether docker-topo's rule is there: it ended with {}: {}", checked.status, words.trim()),
    }
}

/// What docker-topo takes for a device's network namespace, where that is another.
fn made_in_place_of(container: &Container) -> Option<PathBuf> {
    let taken = Path::new(NAMESPACES).join(Path::new(&container.network_settings.sandbox_key).file_name()?);
    let number = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    let (real, other) = (number(Path::new(&format!("/proc/{}/ns/net", container.process()?)))?, number(&taken)?);
    (real != other).then_some(taken)
}

fn on_the_way(prefix: &str, link: &str, side: &str) -> String {
    format!("{prefix}_{link}-{side}")
}

fn check_names(topology: &Topology) -> Result<()> {
    for link in topology.links.iter().filter(|link| link.driver == LinkDriver::Veth) {
        let name = on_the_way(&topology.prefix, &link.name, "a");
        ensure!(
            name.len() <= INTERFACE_LENGTH,
            "docker-topo would call the end of a cable {name}, and Linux takes {INTERFACE_LENGTH} characters: set a \
             shorter PREFIX in the topology"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_is_too_long_for_docker_topo_is_refused() {
        let text = |prefix: &str| {
            format!(
                "VERSION: 2\nPREFIX: {prefix}\ndriver: veth\nlinks:\n  - endpoints: [\"veos-a:eth1\", \"host-a:eth1\"]\n"
            )
        };
        let parse = |prefix| Topology::parse(&text(prefix), "t.yml", Path::new("/"), &|_| None).unwrap();
        check_names(&parse("seven77")).unwrap();
        let error = check_names(&parse("eight888")).unwrap_err().to_string();
        assert!(error.contains("eight888_net-0-a") && error.contains("shorter PREFIX"), "{error}");
    }

    #[test]
    #[ignore = "needs root and iptables, in a network namespace"]
    fn only_a_rule_that_is_not_there_is_none_and_who_may_not_ask_is_told() {
        let rule = OPENED.join(" ");
        let check = |before: &str, how: &str| {
            let script = format!("{before}{how} iptables -w -C {rule}");
            let mut program = Program::new("unshare", "ask for a rule").unwrap().args(["--net", "sh", "-c", &script]);
            is_there(&program.output().unwrap())
        };
        let chain = format!("iptables -w -N {}; ", OPENED[0]);
        assert!(!check("", "").unwrap(), "there is not even the chain");
        assert!(!check(&chain, "").unwrap());
        assert!(check(&format!("{chain}iptables -w -A {rule}; "), "").unwrap());
        let error = check(&chain, "setpriv --reuid=65534 --clear-groups").unwrap_err().to_string();
        assert!(error.contains("exit status: 4") && error.contains("Permission denied"), "{error}");
    }
}
