//! A topology for containerlab, docker-topo's successor.
//!
//! A cEOS is containerlab's own kind; a vEOS in docker-topo's container is none of them, so its stand-in takes its place,
//! as `linux`, and so do end hosts. The bridge that devices are on by their `eth0` becomes containerlab's management
//! network; any other one is a bridge of the machine's, which containerlab expects to be there.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use indexmap::IndexMap;
use serde::Serialize;

use crate::{
    format::{Endpoint, Link, LinkDriver, Model, Publish, Topology, TopologyNode},
    images,
};

/// The interface that containerlab gives every device on its management network.
const MANAGEMENT: &str = "eth0";

/// The longest name that Linux gives an interface, and a bridge is one.
const INTERFACE_LENGTH: usize = 15;

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
struct Management {
    network: String,
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

/// `directory` is where the file is to be: what is in there is named from there.
pub fn export(topology: &Topology, directory: &Path) -> Result<Exported> {
    let mut remarks = Vec::new();
    let management = topology.links.iter().find(|link| is_management(link));
    let on_management =
        |node: &TopologyNode| management.is_some_and(|link| link.endpoints.iter().any(|end| end.device == node.name));
    let mut nodes = IndexMap::new();
    for node in &topology.devices {
        let mut lab_node = device(topology, node, directory)?;
        match on_management(node) {
            true => lab_node.ports = node.ports.iter().filter_map(|port| publish(node, port, &mut remarks)).collect(),
            false => lab_node.network_mode = Some("none"),
        }
        nodes.insert(node.name.clone(), lab_node);
    }
    let mut links = Vec::new();
    for (number, link) in topology.links.iter().enumerate() {
        match link.driver {
            _ if management == Some(link) => {}
            LinkDriver::Veth => links.extend(cable(link)),
            LinkDriver::Macvlan => links.extend(link.endpoints.iter().map(|end| macvlan(link, end))),
            LinkDriver::Bridge => {
                let name = bridge_name(topology, number)?;
                if nodes.contains_key(&name) {
                    bail!("the bridge of link {number} would be called {name}, as a device is: use another PREFIX");
                }
                remarks.push(format!("before: ip link add {name} type bridge && ip link set {name} up"));
                nodes.insert(name.clone(), LabNode { kind: "bridge", ..LabNode::default() });
                links.extend(
                    link.endpoints
                        .iter()
                        .enumerate()
                        .map(|(at, end)| LabLink::Cable { endpoints: [named(end), format!("{name}:{name}.{at}")] }),
                );
            }
        }
    }
    let mgmt = management.map(|link| Management { network: format!("{}_{}", topology.prefix, link.name) });
    let file = File { name: topology.prefix.clone(), mgmt, topology: Inner { nodes, links } };
    let head = "# For containerlab, made by `cargo xtask topo export --containerlab`.\n";
    let notes: String = remarks.iter().map(|remark| format!("# {remark}\n")).collect();
    Ok(Exported { text: format!("{head}{notes}{}", serde_saphyr::to_string(&file)?), remarks })
}

fn is_management(link: &Link) -> bool {
    let mut ends = link.endpoints.iter();
    link.driver == LinkDriver::Bridge && !link.endpoints.is_empty() && ends.all(|end| end.interface == MANAGEMENT)
}

fn device(topology: &Topology, node: &TopologyNode, directory: &Path) -> Result<LabNode> {
    let image = images::stand_in(&node.image).map_or(node.image.as_str(), |stand_in| stand_in.image).to_owned();
    let path = topology.startup_config(&node.name);
    let config = path.is_file().then(|| path.strip_prefix(directory).unwrap_or(&path).display().to_string());
    let lab_node = LabNode { kind: "linux", image: Some(image), ..LabNode::default() };
    Ok(match node.model {
        Model::Ceos => LabNode { kind: "arista_ceos", startup_config: config, ..lab_node },
        Model::Veos => LabNode {
            binds: config.iter().map(|config| format!("{config}:{STARTUP_CONFIG}")).collect(),
            sysctls: [("net.ipv4.ip_forward", 1)].into(),
            ..lab_node
        },
        // As docker-topo does it: the host is told its addresses, and later that its interfaces are there.
        Model::Host if !node.addresses.is_empty() => {
            LabNode { cmd: Some(words(&node.addresses)), exec: vec!["/set_ips.sh".to_owned()], ..lab_node }
        }
        Model::Host | Model::Generic => lab_node,
        Model::Cvp | Model::Vmx | Model::Csr | Model::Xrv => bail!(
            "{} runs {}, an image that is made for docker-topo; containerlab has images of its own for such devices: \
             take it out of the topology, and add it to what comes of the rest",
            node.name,
            node.image
        ),
    })
}

fn words(addresses: &[(String, String)]) -> String {
    let word = |(interface, address): &(String, String)| format!("{interface}:{address}");
    addresses.iter().map(word).collect::<Vec<_>>().join(" ")
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
fn cable(link: &Link) -> Option<LabLink> {
    match &link.endpoints[..] {
        [one, other] => Some(LabLink::Cable { endpoints: [named(one), named(other)] }),
        _ => None,
    }
}

fn macvlan(link: &Link, end: &Endpoint) -> LabLink {
    let parent = link.options.iter().find(|(key, _)| key == "parent").map(|(_, parent)| parent.clone());
    LabLink::Macvlan {
        r#type: "macvlan",
        endpoint: LabEndpoint { node: end.device.clone(), interface: end.interface.clone() },
        host_interface: parent.unwrap_or_default(),
    }
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

fn named(end: &Endpoint) -> String {
    format!("{}:{}", end.device, end.interface)
}
