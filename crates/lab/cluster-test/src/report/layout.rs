//! Where the devices of a topology are drawn, found from its links: in layers, the core on top, end hosts below.
//!
//! 1. A network that not all devices are on, and that is no cable between two, is a node of its own; one that all are on
//!    says nothing about their order and is left out.
//! 2. Layers: the core is the switches that are farthest from the end hosts, and of several such that have an end host of
//!    their own, those with most links to switches. From there on, the fewest links count.
//! 3. Within a layer: sorted by where their neighbours are, up and down a few times; then moved towards those.

use std::collections::{BTreeMap, VecDeque};

use crate::record::{DeviceRecord, LinkRecord};

/// How often the layers are gone through, in each direction.
const SWEEPS: usize = 8;

/// What there is to draw, and where: the layer, and the place in it in widths of a node.
#[derive(Debug, Default, PartialEq)]
pub struct Layout {
    pub nodes: Vec<Placed>,
    /// Between nodes, with the interfaces at their ends.
    pub edges: Vec<Edge>,
    /// The links that all devices are on.
    pub common: Vec<usize>,
}

#[derive(Debug, PartialEq)]
pub struct Placed {
    pub node: Placement,
    pub layer: usize,
    pub x: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// By its place among the devices.
    Device(usize),
    /// By its place among the links.
    Network(usize),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Edge {
    pub link: usize,
    /// Places among the nodes.
    pub ends: [usize; 2],
    /// What the interfaces are called; a network has none.
    pub interfaces: [String; 2],
}

pub fn layout(devices: &[DeviceRecord], links: &[LinkRecord]) -> Layout {
    let mut layout = Layout::default();
    let nodes = devices.iter().enumerate().map(|(at, _)| Placed { node: Placement::Device(at), layer: 0, x: 0.0 });
    layout.nodes.extend(nodes);
    let place: BTreeMap<&str, usize> =
        devices.iter().enumerate().map(|(at, device)| (device.name.as_str(), at)).collect();
    for (at, link) in links.iter().enumerate() {
        let ends: Vec<(usize, &str)> = link
            .endpoints
            .iter()
            .filter_map(|end| Some((*place.get(end.device.as_str())?, end.interface.as_str())))
            .collect();
        match ends[..] {
            [] => {}
            [(one, here), (other, there)] if one != other => {
                let interfaces = [here.to_owned(), there.to_owned()];
                layout.edges.push(Edge { link: at, ends: [one, other], interfaces });
            }
            _ if links.len() > 1 && place.values().all(|device| ends.iter().any(|end| end.0 == *device)) => {
                layout.common.push(at);
            }
            _ => {
                let network = layout.nodes.len();
                layout.nodes.push(Placed { node: Placement::Network(at), layer: 0, x: 0.0 });
                let edge = |(device, interface): &(usize, &str)| Edge {
                    link: at,
                    ends: [*device, network],
                    interfaces: [(*interface).to_owned(), String::new()],
                };
                layout.edges.extend(ends.iter().map(edge));
            }
        }
    }
    let neighbours = neighbours(&layout);
    let is_host =
        |at: usize| matches!(layout.nodes[at].node, Placement::Device(device) if devices[device].kind == "host");
    let layers = layers(&neighbours, &is_host);
    let xs = places(&neighbours, &layers);
    for (node, (layer, x)) in layout.nodes.iter_mut().zip(layers.iter().zip(xs)) {
        (node.layer, node.x) = (*layer, x);
    }
    layout
}

fn neighbours(layout: &Layout) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new(); layout.nodes.len()];
    for edge in &layout.edges {
        let [one, other] = edge.ends;
        all[one].push(other);
        all[other].push(one);
    }
    all
}

/// The fewest links from any of these; none where no way leads.
fn distances(neighbours: &[Vec<usize>], from: &[usize]) -> Vec<Option<usize>> {
    let mut all = vec![None; neighbours.len()];
    from.iter().for_each(|at| all[*at] = Some(0));
    let mut queue: VecDeque<usize> = from.iter().copied().collect();
    while let Some(at) = queue.pop_front() {
        for next in &neighbours[at] {
            if all[*next].is_none() {
                all[*next] = all[at].map(|so_far| so_far + 1);
                queue.push_back(*next);
            }
        }
    }
    all
}

fn layers(neighbours: &[Vec<usize>], is_host: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let count = neighbours.len();
    let hosts: Vec<usize> = (0..count).filter(|at| is_host(*at)).collect();
    let heights = distances(neighbours, &hosts);
    let to_switches = |at: usize| neighbours[at].iter().filter(|next| !is_host(**next)).count();
    let mut layers: Vec<Option<usize>> = vec![None; count];
    // Each part that hangs together has a core of its own.
    for start in 0..count {
        if layers[start].is_some() {
            continue;
        }
        let part: Vec<usize> = {
            let reached = distances(neighbours, &[start]);
            (0..count).filter(|at| reached[*at].is_some()).collect()
        };
        let switches: Vec<usize> = part.iter().copied().filter(|at| !is_host(*at)).collect();
        let inside = if switches.is_empty() { &part } else { &switches };
        let highest = inside.iter().map(|at| heights[*at].unwrap_or(0)).max().unwrap_or(0);
        let mut core: Vec<usize> = inside.iter().copied().filter(|at| heights[*at].unwrap_or(0) == highest).collect();
        if highest <= 1 {
            let most = core.iter().map(|at| to_switches(*at)).max().unwrap_or(0);
            core.retain(|at| to_switches(*at) == most);
        }
        for (at, distance) in distances(neighbours, &core).into_iter().enumerate() {
            layers[at] = layers[at].or(distance);
        }
    }
    layers.into_iter().map(|layer| layer.unwrap_or(0)).collect()
}

/// Each node's place in its layer.
fn places(neighbours: &[Vec<usize>], layers: &[usize]) -> Vec<f64> {
    let count = layers.iter().max().map_or(0, |last| last + 1);
    let mut rows: Vec<Vec<usize>> =
        (0..count).map(|layer| (0..layers.len()).filter(|at| layers[*at] == layer).collect()).collect();
    let mut x = vec![0.0; layers.len()];
    rows.iter().for_each(|row| {
        row.iter().enumerate().for_each(|(place, at)| x[*at] = place as f64 - (row.len() - 1) as f64 / 2.0)
    });
    let downwards: Vec<usize> = (0..count).collect();
    let upwards: Vec<usize> = (0..count).rev().collect();
    for sweep in 0..SWEEPS {
        for layer in if sweep % 2 == 0 { &downwards } else { &upwards } {
            let row = &mut rows[*layer];
            let desired: BTreeMap<usize, f64> = row
                .iter()
                .map(|at| {
                    let others: Vec<f64> =
                        neighbours[*at].iter().filter(|next| layers[**next] != *layer).map(|next| x[*next]).collect();
                    (*at, if others.is_empty() { x[*at] } else { others.iter().sum::<f64>() / others.len() as f64 })
                })
                .collect();
            // Those that want the same place keep their order.
            row.sort_by(|one, other| desired[one].total_cmp(&desired[other]));
            let spread = spread(&row.iter().map(|at| desired[at]).collect::<Vec<_>>());
            row.iter().zip(spread).for_each(|(at, place)| x[*at] = place);
        }
    }
    let least = x.iter().copied().fold(f64::INFINITY, f64::min);
    x.iter().map(|place| place - least).collect()
}

/// The places nearest to the desired ones, which are sorted, with one node's width between them (least squares).
fn spread(desired: &[f64]) -> Vec<f64> {
    // Blocks of nodes that touch: the sum of where their first one should be, and how many they are.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (place, x) in desired.iter().enumerate() {
        blocks.push((x - place as f64, 1));
        while let [.., (before, several), (last, some)] = blocks[..] {
            if before / (several as f64) <= last / (some as f64) {
                break;
            }
            blocks.pop();
            blocks.pop();
            blocks.push((before + last, several + some));
        }
    }
    let firsts = blocks.into_iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    firsts.enumerate().map(|(place, first)| first + place as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{device, link};

    fn by_name(devices: &[DeviceRecord], links: &[LinkRecord]) -> BTreeMap<String, (usize, f64)> {
        let layout = layout(devices, links);
        let named = layout.nodes.iter().map(|placed| match placed.node {
            Placement::Device(at) => (devices[at].name.clone(), (placed.layer, placed.x)),
            Placement::Network(at) => (links[at].name.clone(), (placed.layer, placed.x)),
        });
        named.collect()
    }

    #[test]
    fn spines_are_above_leaves_above_hosts_and_a_host_is_below_its_leaf() {
        let names = ["host-1", "leaf-1", "leaf-2", "spine-1", "spine-2", "host-2"];
        let devices = names.map(device);
        let ends = [
            ["host-1", "leaf-1"],
            ["host-2", "leaf-2"],
            ["leaf-1", "spine-1"],
            ["leaf-1", "spine-2"],
            ["leaf-2", "spine-1"],
            ["leaf-2", "spine-2"],
        ];
        let mut links: Vec<LinkRecord> = ends.iter().map(|ends| link("veth", ends)).collect();
        links.push(link("bridge", &names));
        let at = by_name(&devices, &links);
        assert_eq!((at["spine-1"].0, at["spine-2"].0), (0, 0));
        assert_eq!((at["leaf-1"].0, at["leaf-2"].0), (1, 1));
        assert_eq!((at["host-1"].0, at["host-2"].0), (2, 2));
        assert!(
            (at["host-1"].1 - at["leaf-1"].1).abs() < 0.01 && (at["host-2"].1 - at["leaf-2"].1).abs() < 0.01,
            "{at:?}"
        );
        assert_eq!(layout(&devices, &links).common, [6]);
    }

    #[test]
    fn no_two_nodes_of_a_layer_overlap_whatever_the_links() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let count = random.usize(1..12);
            let names: Vec<String> =
                (0..count).map(|at| format!("{}-{at}", if random.bool() { "host" } else { "sw" })).collect();
            let devices: Vec<DeviceRecord> = names.iter().map(|name| device(name)).collect();
            let links: Vec<LinkRecord> = (0..random.usize(1..20))
                .map(|_| {
                    let ends: Vec<&str> =
                        (0..random.usize(1..4)).map(|_| names[random.usize(0..count)].as_str()).collect();
                    link("bridge", &ends)
                })
                .collect();
            let layout = layout(&devices, &links);
            for (number, one) in layout.nodes.iter().enumerate() {
                assert!(one.x.is_finite() && one.x >= 0.0);
                for other in &layout.nodes[number + 1..] {
                    assert!(one.layer != other.layer || (one.x - other.x).abs() > 0.999, "{layout:?}");
                }
            }
        }
    }

    #[test]
    fn a_network_of_some_devices_is_a_node_and_no_link_leaves_a_device_out() {
        let devices = ["sw-1", "sw-2", "sw-3", "host-1"].map(device);
        let at = by_name(&devices, &[link("bridge", &["sw-1", "sw-2", "sw-3"]), link("veth", &["sw-1", "host-1"])]);
        assert!(at.contains_key("net"), "{at:?}");
        assert_eq!(by_name(&devices, &[]).len(), 4);
    }
}
