//! No import runs upwards: common, then the contract, then toolkit and switch side by side, then the lab, then xtask. What
//! is needed for tests or for a build script counts as well.

use crate::{metadata, workspace};

/// One package and one that it imports, each as its directory in the workspace.
type Import = (String, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Common,
    Contract,
    Toolkit,
    Switch,
    Lab,
    Xtask,
}

/// What the lab may know of its neighbours: how a SWIX is read, what a cluster is, and how a worker, or whoever has its token, asks
/// for certificates.
const OPEN_TO_LAB: [&str; 3] = ["crates/toolkit/swix", "crates/switch/cluster", "crates/switch/enrolment"];

fn room(directory: &str) -> Option<Room> {
    Some(match directory.split('/').collect::<Vec<_>>()[..] {
        ["crates", "common"] => Room::Common,
        ["crates", "switch", "contract"] => Room::Contract,
        ["crates", "toolkit", _] => Room::Toolkit,
        ["crates", "switch", _] => Room::Switch,
        ["crates", "lab", _] => Room::Lab,
        ["xtask"] => Room::Xtask,
        _ => return None,
    })
}

fn is_allowed((from, to): &Import) -> bool {
    let (Some(from), Some(room)) = (room(from), room(to)) else { return false };
    match (from, room) {
        (Room::Common, _) => false,
        (Room::Xtask, room) => room != Room::Xtask,
        (_, Room::Common) => true,
        (Room::Contract, _) => false,
        (Room::Toolkit | Room::Switch | Room::Lab, Room::Contract) => true,
        (Room::Lab, Room::Toolkit | Room::Switch) => OPEN_TO_LAB.contains(&to.as_str()),
        (from, room) => from == room,
    }
}

fn upward(imports: Vec<Import>) -> Vec<String> {
    imports.into_iter().filter(|import| !is_allowed(import)).map(|(from, to)| format!("{from} imports {to}")).collect()
}

#[test]
fn no_import_runs_upwards() {
    let metadata = metadata().no_deps().exec().unwrap();
    let inside = |path: &cargo_metadata::camino::Utf8Path| {
        let root = workspace().canonicalize().unwrap();
        path.as_std_path().canonicalize().unwrap().strip_prefix(&root).unwrap().to_str().unwrap().to_owned()
    };
    let mut imports: Vec<Import> = Vec::new();
    for package in &metadata.packages {
        let own = inside(package.manifest_path.parent().unwrap());
        let others = package.dependencies.iter().filter_map(|dependency| dependency.path.as_deref());
        imports.extend(others.map(|path| (own.clone(), inside(path))));
    }
    assert!(imports.len() > 20, "only {} imports were found", imports.len());
    assert_eq!(upward(imports), [""; 0]);
}

#[test]
fn an_import_that_runs_upwards_is_seen() {
    let import = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
    let fine = [
        ("crates/toolkit/pipeline", "crates/toolkit/recipes"),
        ("crates/toolkit/swix", "crates/switch/contract"),
        ("crates/switch/k8s-node", "crates/switch/cluster"),
        ("crates/lab/devices", "crates/toolkit/swix"),
        ("crates/lab/devices", "crates/lab/topology"),
        ("crates/switch/contract", "crates/common"),
        ("xtask", "crates/lab/devices"),
    ];
    assert_eq!(upward(fine.map(import).into()), [""; 0]);
    let bad = [
        ("crates/common", "crates/switch/contract"),
        ("crates/switch/contract", "crates/switch/cluster"),
        ("crates/toolkit/pipeline", "crates/switch/cluster"),
        ("crates/toolkit/pipeline", "crates/lab/topology"),
        ("crates/switch/k8s-node", "crates/toolkit/swix"),
        ("crates/switch/k8s-node", "crates/lab/devices"),
        ("crates/lab/devices", "crates/toolkit/pipeline"),
        ("crates/lab/devices", "crates/switch/k8s-node"),
        ("crates/lab/devices", "xtask"),
        ("crates/new/room", "crates/common"),
    ];
    let seen = upward(bad.map(import).into());
    assert_eq!(seen, bad.map(|(from, to)| format!("{from} imports {to}")));
}
