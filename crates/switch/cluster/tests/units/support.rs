//! Units as a switch gets them: the seed's master, and every other node and choice that cluster.toml allows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cluster::{
    Cluster, Node, ReservedOn,
    room::LIMITS,
    units::{ClusterValues, Docker, Places, Unit, Values, render},
};

pub const CLUSTER: &str = include_str!("../fixtures/cluster.toml");

/// The releases that have units of their own.
pub const RELEASES: [&str; 2] = ["1.20", "1.12"];

/// The systemd of EOS up to 4.31.
pub const OLD_SYSTEMD: u32 = 219;

pub const SERVICES: [&str; 6] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"];

/// The repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

pub fn recipes() -> PathBuf {
    repository().join("recipes")
}

/// The template of a release's unit.
pub fn template(release: &str, service: &str) -> PathBuf {
    recipes().join(release).join(format!("units/{service}.service"))
}

pub fn rendered(release: &str, service: &str, ca_key: bool) -> Unit {
    rendered_for(CLUSTER, release, service, ca_key)
}

pub fn rendered_for(cluster: &str, release: &str, service: &str, ca_key: bool) -> Unit {
    let cluster = Cluster::parse(cluster, "cluster.toml").unwrap();
    let template = fs::read_to_string(template(release, service)).unwrap();
    render(service, &template, &values(&cluster, cluster.master(), ca_key)).unwrap()
}

pub fn values<'a>(cluster: &'a Cluster, node: &'a Node, ca_key: bool) -> Values<'a> {
    Values {
        cluster: ClusterValues::from(cluster),
        node,
        docker: Some(Docker { cgroup_driver: "cgroupfs" }),
        ca_key,
        front_proxy: true,
        limits: LIMITS,
        reserved: cluster.reserved.map(|eos| ReservedOn::new(eos, node)),
        systemd: OLD_SYSTEMD,
        places: Places::on_switch(),
    }
}

/// A unit as it lies on a switch, and the file of the repository that it comes from.
pub struct OnSwitch {
    pub name: String,
    pub source: PathBuf,
    pub text: String,
}

impl OnSwitch {
    /// The unit that it is, or that it is a drop-in for.
    pub fn extends(&self) -> String {
        let directory = self.source.parent().and_then(|directory| directory.file_name()).unwrap_or_default();
        directory.to_string_lossy().strip_suffix(".d").map_or_else(|| self.name.clone(), str::to_owned)
    }
}

/// Every unit that a switch can get: those of rootfs/, and those of each release for a master, a worker and a switch that
/// is both, with each kube-proxy, with the authority's key and without, in the words of a version of systemd.
pub fn every_unit(systemd: u32) -> Vec<OnSwitch> {
    let mut units = Vec::new();
    of_systemd(&repository().join("rootfs"), &mut units);
    assert!(!units.is_empty(), "rootfs/ has no units any more: this looks in the wrong place");
    for entry in fs::read_dir(recipes()).unwrap() {
        let directory = entry.unwrap().path().join("units");
        for file in fs::read_dir(directory).into_iter().flatten() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|extension| extension != "yaml") {
                of_template(&file, systemd, &mut units);
            }
        }
    }
    units
}

/// What rootfs/ has in a directory of systemd's, whatever it is.
fn of_systemd(directory: &Path, units: &mut Vec<OnSwitch>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            of_systemd(&path, units);
        } else if path.parent().unwrap().components().any(|part| part.as_os_str() == "systemd") {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            units.push(OnSwitch { name, source: path, text });
        }
    }
}

fn of_template(file: &Path, systemd: u32, units: &mut Vec<OnSwitch>) {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let template = fs::read_to_string(file).unwrap();
    for cluster in clusters() {
        for (node, ca_key) in cluster.nodes.iter().flat_map(|node| [(node, true), (node, false)]) {
            let values = Values { systemd, ..values(&cluster, node, ca_key) };
            let text = render(&name, &template, &values).unwrap().text;
            if !units.iter().any(|unit| unit.source == file && unit.text == text) {
                units.push(OnSwitch { name: name.clone(), source: file.to_owned(), text });
            }
        }
    }
}

/// A switch that is both, and one of each; with each kube-proxy and each of its modes; with and without what is kept for EOS
/// and what Services are denied.
fn clusters() -> Vec<Cluster> {
    let apart = CLUSTER.replace("[\"master\", \"worker\"]", "[\"master\"]");
    let mut clusters = Vec::new();
    for nodes in [CLUSTER, &apart] {
        for proxy in ["", "implementation = \"kubernetes-on-eos\"", "implementation = \"upstream\""] {
            for mode in ["", "mode = \"iptables\"", "mode = \"userspace\""] {
                for reserved in
                    ["", "[reserved]\nmemory = \"2Gi\"\ncpu = \"500m\"\n[services]\nexternal_ips = \"denied\"\n"]
                {
                    let text = format!("{nodes}\n[kube-proxy]\n{proxy}\n{mode}\n{reserved}");
                    clusters.push(Cluster::parse(&text, "cluster.toml").unwrap());
                }
            }
        }
    }
    clusters
}
