//! Who is beside whom in the topology, so that scenarios work on other topologies than the repository's own.

use anyhow::{Context, Result};
use topology::format::{Driver, Kind, Link};

use crate::Scene;

/// The cable between two devices.
pub fn cable<'a>(scene: &Scene<'a>, one: &str, other: &str) -> Result<&'a Link> {
    let ends_at = |link: &Link, name: &str| link.endpoints.iter().any(|end| end.device == name);
    let links = scene.lab.topology().links.iter();
    let mut cables = links.filter(|link| link.driver == Driver::Veth);
    let found = cables.find(|link| ends_at(link, one) && ends_at(link, other));
    found.with_context(|| format!("the topology has no cable between {one} and {other}"))
}

/// The host that a cable leads to from a switch.
pub fn host_of(scene: &Scene<'_>, switch: &str) -> Result<String> {
    let hosts = scene.lab.devices().filter(|device| device.kind() == Kind::Host);
    let mut beside = hosts.filter(|host| cable(scene, switch, host.name()).is_ok());
    let host = beside.next().with_context(|| format!("the topology has no host beside {switch}"))?;
    Ok(host.name().to_owned())
}
