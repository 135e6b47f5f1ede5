//! The topology as SVG: devices in layers, cables and networks between them, what state each device is in.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    layout::{self, Layout, Placement},
    state_class, templates,
};
use crate::record::{DeviceRecord, Run};

const WIDTH: f64 = 172.0;
const HEIGHT: f64 = 74.0;
/// Between two devices of a layer, and where a cable is between any two of one, so that its ends' names have room.
const GAP: f64 = 46.0;
const WIDE_GAP: f64 = 92.0;
const ROW: f64 = HEIGHT + 84.0;
const MARGIN: f64 = 14.0;
/// How far beyond a device's edge its interface's name is.
const LABEL: f64 = 17.0;
/// Between cables of the same two devices.
const PARALLEL: f64 = 44.0;
/// How high a cable rises that passes over devices of its own layer, for each of them.
const ARC: f64 = 34.0;
const LINE: f64 = 20.0;

#[derive(Serialize)]
struct Box {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    kind: String,
    name: String,
    line: String,
    state: String,
    state_class: &'static str,
    title: String,
}

#[derive(Serialize)]
struct Note {
    x: f64,
    y: f64,
    text: String,
}

pub fn topology(run: &Run) -> Result<String> {
    let layout = layout::layout(&run.devices, &run.links);
    let top = MARGIN + headroom(&layout);
    let level = |edge: &layout::Edge| layout.nodes[edge.ends[0]].layer == layout.nodes[edge.ends[1]].layer;
    let column = WIDTH + if layout.edges.iter().any(level) { WIDE_GAP } else { GAP };
    let centre = |at: usize| {
        let node = &layout.nodes[at];
        (MARGIN + WIDTH / 2.0 + node.x * column, top + HEIGHT / 2.0 + node.layer as f64 * ROW)
    };
    let boxes: Vec<Box> = (0..layout.nodes.len())
        .map(|at| {
            let (x, y) = centre(at);
            match layout.nodes[at].node {
                Placement::Device(device) => device_box(run, &run.devices[device], x, y),
                Placement::Network(link) => network_box(&run.links[link].name, &run.links[link].driver, x, y),
            }
        })
        .collect();
    let bottom = boxes.iter().map(|part| part.y + part.height).fold(top, f64::max);
    let right = boxes.iter().map(|part| part.x + part.width).fold(0.0, f64::max);
    let notes: Vec<Note> = layout
        .common
        .iter()
        .zip(1..)
        .map(|(link, number)| {
            let link = &run.links[*link];
            let mut interfaces: Vec<&str> = link.endpoints.iter().map(|end| end.interface.as_str()).collect();
            interfaces.sort_unstable();
            interfaces.dedup();
            let text = format!("{} ({}): every device, by {}", link.name, link.driver, interfaces.join(", "));
            Note { x: MARGIN, y: bottom + f64::from(number) * LINE + 6.0, text }
        })
        .collect();
    let widest = notes.iter().map(|note| note.text.chars().count() as f64 * 6.6).fold(right, f64::max);
    let picture = json!({
        "width": (widest + MARGIN).round(),
        "height": (notes.last().map_or(bottom, |note| note.y) + MARGIN).round(),
        "boxes": boxes,
        "wires": wires(run, &layout, &centre),
        "notes": notes,
    });
    templates::render("topology.svg", &picture)
}

/// What the highest arc over the first layer needs.
fn headroom(layout: &Layout) -> f64 {
    let spans =
        layout.edges.iter().map(|edge| &edge.ends).filter(|ends| ends.iter().all(|at| layout.nodes[*at].layer == 0));
    let highest = spans.map(|[one, other]| over(layout.nodes[*one].x - layout.nodes[*other].x)).fold(0.0, f64::max);
    // A curve comes halfway to the point that bends it.
    (highest / 2.0 - HEIGHT / 2.0).max(0.0)
}

/// How far above a layer's middle the point is that bends a cable over `columns` of it; none for neighbours.
fn over(columns: f64) -> f64 {
    if columns.abs() < 1.5 { 0.0 } else { HEIGHT + ARC * columns.abs() }
}

fn device_box(run: &Run, device: &DeviceRecord, x: f64, y: f64) -> Box {
    let address = main_address(run, device);
    Box {
        x: x - WIDTH / 2.0,
        y: y - HEIGHT / 2.0,
        width: WIDTH,
        height: HEIGHT,
        kind: device.kind.clone(),
        name: device.name.clone(),
        line: address.to_owned(),
        state: device.state.clone(),
        state_class: state_class(&device.state),
        title: [&[device.identity.clone()][..], &device.addresses].concat().join("\n"),
    }
}

/// A loopback's, or else that of a cable, or else whatever there is.
fn main_address<'a>(run: &Run, device: &'a DeviceRecord) -> &'a str {
    let on_cable = |interface: &str| {
        let mut cables = run.links.iter().filter(|link| link.driver == "veth").flat_map(|link| &link.endpoints);
        cables.any(|end| end.device == device.name && end.interface == interface)
    };
    let all = device.addresses.iter().filter_map(|text| text.split_once(' '));
    let rank = |(interface, _): &(&str, &str)| if *interface == "lo" { 0 } else { 2 - u8::from(on_cable(interface)) };
    all.min_by_key(rank).map_or("", |(_, address)| address)
}

fn network_box(name: &str, driver: &str, x: f64, y: f64) -> Box {
    let (width, height) = (WIDTH * 0.6, HEIGHT * 0.5);
    Box {
        x: x - width / 2.0,
        y: y - height / 2.0,
        width,
        height,
        kind: "network".to_owned(),
        name: name.to_owned(),
        line: String::new(),
        state: String::new(),
        state_class: "",
        title: driver.to_owned(),
    }
}

fn wires(run: &Run, layout: &Layout, centre: &dyn Fn(usize) -> (f64, f64)) -> Vec<Value> {
    let mut beside: BTreeMap<[usize; 2], (usize, usize)> = BTreeMap::new();
    let pair = |ends: [usize; 2]| if ends[0] < ends[1] { ends } else { [ends[1], ends[0]] };
    layout.edges.iter().for_each(|edge| beside.entry(pair(edge.ends)).or_default().1 += 1);
    let mut wires = Vec::new();
    for edge in &layout.edges {
        let (number, count) = beside.entry(pair(edge.ends)).or_default();
        let shift = (*number as f64 - (*count - 1) as f64 / 2.0) * PARALLEL.min(HEIGHT / *count as f64);
        *number += 1;
        let [one, other] = edge.ends;
        let same_layer = layout.nodes[one].layer == layout.nodes[other].layer;
        let moved = |(x, y): (f64, f64)| if same_layer { (x, y + shift) } else { (x + shift, y) };
        let (from, to) = (moved(centre(one)), moved(centre(other)));
        let over = if same_layer { over(layout.nodes[one].x - layout.nodes[other].x) } else { 0.0 };
        let bend = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0 - over);
        let path = format!("M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}", from.0, from.1, bend.0, bend.1, to.0, to.1);
        let sizes = [one, other].map(|at| match layout.nodes[at].node {
            Placement::Device(_) => (WIDTH, HEIGHT),
            Placement::Network(_) => (WIDTH * 0.6, HEIGHT * 0.5),
        });
        let ends = [(from, sizes[0], centre(one)), (to, sizes[1], centre(other))];
        let labels = ends.into_iter().zip(&edge.interfaces).filter(|(_, interface)| !interface.is_empty());
        let link = &run.links[edge.link];
        let ends: Vec<String> = link.endpoints.iter().map(|end| format!("{}:{}", end.device, end.interface)).collect();
        let labels = labels.map(|((start, size, middle), interface)| {
            let (x, y) = outside(start, bend, size, middle);
            Note { x, y: y + 4.0, text: interface.clone() }
        });
        wires.push(json!({
            "path": path,
            "driver": link.driver,
            "title": format!("{} ({}): {}", link.name, link.driver, ends.join(", ")),
            "labels": labels.collect::<Vec<_>>(),
        }));
    }
    wires
}

/// The point that is just outside a device on the way from inside of it.
fn outside(start: (f64, f64), towards: (f64, f64), size: (f64, f64), middle: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (towards.0 - start.0, towards.1 - start.1);
    let length = dx.hypot(dy).max(1.0);
    let (dx, dy) = (dx / length, dy / length);
    let until = |step: f64, at: f64, middle: f64, half: f64| match step {
        step if step > 1e-6 => (middle + half - at) / step,
        step if step < -1e-6 => (middle - half - at) / step,
        _ => f64::INFINITY,
    };
    let way = until(dx, start.0, middle.0, size.0 / 2.0).min(until(dy, start.1, middle.1, size.1 / 2.0));
    // A name is wider than it is high.
    let way = way + LABEL + 6.0 * dx.abs();
    (start.0 + way * dx, start.1 + way * dy)
}
