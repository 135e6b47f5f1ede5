//! What the record says of a topology's devices and links.

use std::path::Path;

use devices::{Device, Lab};
use topology::{Topology, format};

use crate::{Recorder, logs, look, record, report};

/// Of a lab that is up: as its devices are now, with their log bundles in `directory`'s part for those. Also what could
/// not be bundled, and why.
pub fn of_lab(lab: &Lab, recorder: &Recorder<'_>, directory: &Path) -> (Vec<record::DeviceRecord>, Vec<anyhow::Error>) {
    let mut failed = Vec::new();
    let bundles = logs::write_all(lab, &directory.join(report::LOGS));
    let record =
        |((device, node), (_, bundle)): ((Device<'_>, &format::TopologyNode), (String, anyhow::Result<String>))| {
            let logs = bundle.map_err(|error| failed.push(error.context(device.name().to_owned()))).ok();
            record::DeviceRecord {
                identity: identity(&device),
                addresses: look::addresses(&device),
                state: look::state(&device),
                memory: recorder.memory_of(device.name()),
                logs: logs.map(|file| format!("{}/{file}", report::LOGS)),
                ..of_node(node)
            }
        };
    let devices = lab.devices().zip(&lab.topology().devices).zip(bundles).map(record).collect();
    (devices, failed)
}

/// Of one that could not be raised.
pub fn of_topology(topology: &Topology) -> Vec<record::DeviceRecord> {
    topology.devices.iter().map(of_node).collect()
}

pub fn links(topology: &Topology) -> Vec<record::LinkRecord> {
    let link = |link: &format::Link| record::LinkRecord {
        name: link.name.clone(),
        driver: match link.driver {
            format::LinkDriver::Veth => "veth",
            format::LinkDriver::Bridge => "bridge",
            format::LinkDriver::Macvlan => "macvlan",
        }
        .to_owned(),
        endpoints: link.endpoints.clone(),
    };
    topology.links.iter().map(link).collect()
}

fn of_node(node: &format::TopologyNode) -> record::DeviceRecord {
    record::DeviceRecord {
        name: node.name.clone(),
        kind: match node.kind {
            format::DeviceKind::Switch => "switch",
            format::DeviceKind::Host => "host",
            format::DeviceKind::Other => "other",
        }
        .to_owned(),
        image: node.image.clone(),
        identity: node.image.clone(),
        addresses: node.addresses.iter().map(|(interface, address)| format!("{interface} {address}")).collect(),
        state: "not raised".to_owned(),
        ..record::DeviceRecord::default()
    }
}

/// A switch that is off cannot say its version; the report is not lost for that.
fn identity(device: &Device<'_>) -> String {
    device
        .identity()
        .map_or_else(|error| format!("{}, not known further: {error:#}", device.image()), |it| it.to_string())
}
