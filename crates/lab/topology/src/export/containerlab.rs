//! A topology for containerlab, docker-topo's successor.
//!
//! A cEOS is containerlab's own kind; a vEOS in docker-topo's container is none of them, so its stand-in takes its place,
//! as `linux`, and so do end hosts. The bridge that devices are on by their `eth0` becomes containerlab's management
//! network; any other one is a bridge of the machine's, which containerlab expects to be there. Nothing may get out of
//! the lab, as in `devices`: the default routes of the management network are taken away.

mod interfaces;

use std::{fmt, path::Path};

use anyhow::{Result, bail, ensure};
use indexmap::IndexMap;
use serde::Serialize;

use self::interfaces::Interfaces;
use crate::{
    format::{Link, LinkDriver, Model, Publish, Topology, TopologyNode},
    images,
};

/// The interface that containerlab gives every device on its management network.
const MANAGEMENT: &str = "eth0";

/// The longest name that Linux gives an interface, and a bridge is one.
const INTERFACE_LENGTH: usize = 15;

/// What containerlab's links mean by these is the machine, and not a device.
const RESERVED: [&str; 3] = ["host", "mgmt-net", "macvlan"];

/// Takes away the way out of the lab that Docker gives; 1.1.1.1 is also an address on the internet.
const CLOSE: &str = "ip route del default dev eth0";

/// Where the stand-in looks for its startup-config; a cEOS' is containerlab's own business.
const STARTUP_CONFIG: &str = "/mnt/flash/startup-config";

/// The file, and what has to be known about it.
#[derive(Debug)]
pub struct Exported {
    /// YAML, with the remarks at its head.
    pub text: String,
    pub remarks: Vec<String>,
}

#[derive(Serialize)]
struct File {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mgmt: Option<Management>,
    topology: Inner,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Management {
    network: String,
    /// `auto`, so that two labs do not want the same one.
    ipv4_subnet: &'static str,
    external_access: bool,
}

#[derive(Serialize)]
struct Inner {
    nodes: IndexMap<String, LabNode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<LabLink>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct LabNode {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    startup_config: Option<String>,
    /// containerlab's own, for a cEOS that has none, has a default route.
    #[serde(skip_serializing_if = "Option::is_none")]
    suppress_startup_config: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    binds: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exec: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<String>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    sysctls: IndexMap<&'static str, u8>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LabLink {
    Cable {
        endpoints: [String; 2],
    },
    #[serde(rename_all = "kebab-case")]
    Macvlan {
        r#type: &'static str,
        endpoint: LabEndpoint,
        host_interface: String,
    },
}

#[derive(Serialize)]
struct LabEndpoint {
    node: String,
    interface: String,
}

impl fmt::Display for LabEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.node, self.interface)
    }
}

/// `directory` is where the file is to be: what is in there is named from there.
pub fn export(topology: &Topology, directory: &Path) -> Result<Exported> {
    let interfaces = Interfaces::of(topology)?;
    let mut remarks = interfaces.remarks()?;
    let mut nodes = IndexMap::new();
    for node in &topology.devices {
        nodes.insert(node.name.clone(), device(&interfaces, topology, node, directory, &mut remarks)?);
    }
    let mut links = Vec::new();
    for (number, link) in topology.links.iter().enumerate() {
        let ends: Vec<LabEndpoint> = link
            .endpoints
            .iter()
            .map(|end| Ok(LabEndpoint { node: end.device.clone(), interface: interfaces.name(link, end)? }))
            .collect::<Result<_>>()?;
        match link.driver {
            _ if interfaces.management == Some(link) => {}
            LinkDriver::Veth => links.extend(cable(&ends)),
            LinkDriver::Macvlan if !link.is_dead_macvlan() => {
                links.extend(ends.into_iter().map(|end| macvlan(link, end)));
            }
            LinkDriver::Bridge | LinkDriver::Macvlan => {
                let name = bridge_name(topology, number)?;
                if nodes.contains_key(&name) {
                    bail!("the bridge of link {number} would be called {name}, as a device is: use another PREFIX");
                }
                remarks.push(format!("before: ip link add {name} type bridge && ip link set {name} up"));
                nodes.insert(name.clone(), LabNode { kind: "bridge", ..LabNode::default() });
                links.extend(
                    ends.iter().enumerate().map(|(at, end)| LabLink::Cable {
                        endpoints: [end.to_string(), format!("{name}:{name}.{at}")],
                    }),
                );
            }
        }
    }
    let mgmt = interfaces.management.map(|link| Management {
        network: format!("{}_{}", topology.prefix, link.name),
        ipv4_subnet: "auto",
        external_access: false,
    });
    let file = File { name: topology.prefix.clone(), mgmt, topology: Inner { nodes, links } };
    let head = "# For containerlab, made by `cargo xtask topo export --containerlab`.\n";
    let notes: String = remarks.iter().map(|remark| format!("# {remark}\n")).collect();
    Ok(Exported { text: format!("{head}{notes}{}", serde_saphyr::to_string(&file)?), remarks })
}

fn device(
    interfaces: &Interfaces,
    topology: &Topology,
    node: &TopologyNode,
    directory: &Path,
    remarks: &mut Vec<String>,
) -> Result<LabNode> {
    ensure!(
        !RESERVED.iter().any(|word| node.name.eq_ignore_ascii_case(word)),
        "{} is the machine itself to containerlab's links: give the device another name",
        node.name
    );
    let image = images::stand_in(&node.image).map_or(node.image.as_str(), |stand_in| stand_in.image).to_owned();
    let path = topology.startup_config(&node.name);
    let config = path.is_file().then(|| path.strip_prefix(directory).unwrap_or(&path).display().to_string());
    let mut lab_node = LabNode { kind: "linux", image: Some(image), ..LabNode::default() };
    if interfaces.is_on_management(&node.name) {
        lab_node.ports = node.ports.iter().filter_map(|port| publish(node, port, remarks)).collect();
        lab_node.exec.push(CLOSE.to_owned());
    } else {
        lab_node.network_mode = Some("none");
        if !node.ports.is_empty() && topology.first_network(&node.name).is_some() {
            let ports: Vec<&str> = node.ports.iter().map(|port| port.inside.as_str()).collect();
            let ports = ports.join(", ");
            remarks.push(format!("left out: {}'s ports {ports}, as it is not on the management network", node.name));
        }
    }
    match node.model {
        Model::Ceos => {
            lab_node.kind = "arista_ceos";
            lab_node.suppress_startup_config = config.is_none().then_some(true);
            lab_node.startup_config = config;
        }
        Model::Veos => {
            lab_node.binds = config.iter().map(|config| format!("{config}:{STARTUP_CONFIG}")).collect();
            lab_node.sysctls = [("net.ipv4.ip_forward", 1)].into();
        }
        // As docker-topo does it: the host is told its addresses, and later that its interfaces are there.
        Model::Host if !node.addresses.is_empty() => {
            lab_node.cmd = Some(interfaces.addresses(node)?.join(" "));
            lab_node.exec.push("/set_ips.sh".to_owned());
        }
        Model::Host | Model::Generic => {}
        Model::Cvp | Model::Vmx | Model::Csr | Model::Xrv => bail!(
            "{} runs {}, an image that is made for docker-topo; containerlab has images of its own for such devices: \
             take it out of the topology, and add it to what comes of the rest",
            node.name,
            node.image
        ),
    }
    Ok(lab_node)
}

/// containerlab knows a port that any free one of the machine's leads to only by its number, as TCP.
fn publish(node: &TopologyNode, port: &Publish, remarks: &mut Vec<String>) -> Option<String> {
    match (port.outside, &port.address, port.inside.strip_suffix("/tcp")) {
        (Some(_), ..) => Some(port.to_string()),
        (None, None, Some(number)) => Some(number.to_owned()),
        _ => {
            remarks.push(format!(
                "left out: {}'s port {}, for which any of the machine's would do",
                node.name, port.inside
            ));
            None
        }
    }
}

/// A cable that lost an end to a later link leads nowhere.
fn cable(ends: &[LabEndpoint]) -> Option<LabLink> {
    match ends {
        [one, other] => Some(LabLink::Cable { endpoints: [one.to_string(), other.to_string()] }),
        _ => None,
    }
}

fn macvlan(link: &Link, endpoint: LabEndpoint) -> LabLink {
    let parent = link.options.iter().find(|(key, _)| key == "parent").map(|(_, parent)| parent.clone());
    LabLink::Macvlan { r#type: "macvlan", endpoint, host_interface: parent.unwrap_or_default() }
}

fn bridge_name(topology: &Topology, number: usize) -> Result<String> {
    let name = format!("{}-{number}", topology.prefix);
    // The ports' names have a dot and a number more.
    ensure!(
        name.len() + 4 <= INTERFACE_LENGTH,
        "the bridge of link {number} and its ports would be called {name}.0 and so on, and an interface's name has at most \
         {INTERFACE_LENGTH} characters: use a shorter PREFIX than {}",
        topology.prefix
    );
    Ok(name)
}
