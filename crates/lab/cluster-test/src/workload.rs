//! The image that test pods run: the `probe` program alone, as an operator's archive for the switches' flash.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use common::command::Program;
use devices::Flash;

use crate::{Switch, manifest};

const IMAGE: &str = "example.com/probe:1";

/// Where the pods answer.
pub const PORT: u16 = 8080;

/// Where an operator puts archives of images, below /mnt/flash.
const ON_FLASH: &str = "k8s/images/probe.tar";

/// One on every node, so that pods of all switches can be asked for each other.
const MANIFEST: &str = include_str!("manifests/probe.yaml");

/// A pod that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub node: String,
    pub address: IpAddr,
}

/// Builds the program and packs it, with the Docker engine of this machine, as `docker save` does.
pub fn archive(repository: &Path, directory: &Path) -> Result<PathBuf> {
    let program = devices::images::program::build("test-pod", repository, &directory.join("log"))?;
    let (tar, archive) = (directory.join("root.tar"), directory.join("probe.tar"));
    let parent = program.parent().context("the program is in no directory")?;
    Program::new("tar", "pack the test image")?
        .args(["--create", "--owner=0", "--group=0", "--file"])
        .arg(&tar)
        .arg("--directory")
        .arg(parent)
        .arg("test-pod")
        .read()?;
    docker(&["import", "--change", r#"ENTRYPOINT ["/test-pod"]"#, &tar.display().to_string(), IMAGE])?;
    docker(&["save", "--output", &archive.display().to_string(), IMAGE])?;
    docker(&["image", "rm", IMAGE])?;
    Ok(archive)
}

pub fn on_flash(flash: Flash, archive: &Path) -> Flash {
    flash.with_file(ON_FLASH, archive)
}

/// Has a pod made on every node.
pub fn start(master: &Switch) -> Result<()> {
    manifest::apply(master, "probe", MANIFEST)
}

/// Takes the pods away. They are named beside their owner, as the garbage collector of a control plane that has just begun
/// finds them half a minute later; and by force, as kubelet takes 10 s and more to say that they are gone.
pub fn stop(master: &Switch) -> Result<()> {
    master.kubectl(&["delete", "daemonset", "probe"])?;
    master.kubectl(&["delete", "pods", "--selector=app=probe", "--force", "--grace-period=0"]).map(drop)
}

/// The pods that are ready now.
pub fn ready_pods(master: &Switch) -> Result<Vec<Pod>> {
    let listed = master.kubectl_json(&["get", "pods", "--selector=app=probe"])?;
    let items = listed["items"].as_array().context("kubectl listed no items")?;
    let pod = |item: &serde_json::Value| -> Option<Pod> {
        let conditions = item["status"]["conditions"].as_array()?;
        conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "True")?;
        Some(Pod {
            name: item["metadata"]["name"].as_str()?.to_owned(),
            node: item["spec"]["nodeName"].as_str()?.to_owned(),
            address: item["status"]["podIP"].as_str()?.parse().ok()?,
        })
    };
    Ok(items.iter().filter_map(pod).collect())
}

/// What the cluster says of its nodes and pods, for the word on a pod that did not come.
pub fn story(master: &Switch) -> String {
    let told = |arguments: &[&str]| master.kubectl(arguments).unwrap_or_else(|error| format!("{error:#}\n"));
    [
        told(&["get", "nodes,pods", "--output=wide"]),
        told(&["get", "nodes", "--output=custom-columns=NODE:.metadata.name,TAINTS:.spec.taints[*].key"]),
        told(&["get", "events", "--sort-by=.lastTimestamp"]),
    ]
    .join("\n")
}

/// Asks a pod from a device; fails where it does not answer with its own name.
pub fn ask(from: &devices::Device, pod: &Pod) -> Result<()> {
    let url = format!("http://{}:{PORT}/", pod.address);
    let asked = from.exec_ok(["curl", "--silent", "--show-error", "--max-time", "3", &url])?;
    ensure!(asked.trim() == pod.name, "{url} is answered by {asked}");
    Ok(())
}

fn docker(arguments: &[&str]) -> Result<()> {
    Program::new("docker", "make the test image")?.args(arguments).read().map(drop)
}
