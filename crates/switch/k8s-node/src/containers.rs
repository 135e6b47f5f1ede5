//! EOS' Docker, through its command line.

use std::path::Path;

use anyhow::Result;
use common::command::Program;

/// The label that every container of a pod has, its pause container included.
const POD_LABEL: &str = "io.kubernetes.pod.name";

fn docker(purpose: &str) -> Result<Program> {
    Program::new("docker", purpose)
}

pub fn version() -> Result<String> {
    let version = docker("run pods")?.args(["version", "--format", "{{.Server.Version}}"]).read()?;
    Ok(version.trim().to_owned())
}

pub fn cgroup_driver() -> Result<String> {
    let driver = docker("run pods")?.args(["info", "--format", "{{.CgroupDriver}}"]).read()?;
    Ok(driver.trim().to_owned())
}

/// None where Docker has no image of that name.
pub fn image_id(tag: &str) -> Option<String> {
    let inspect = docker("look for an image").ok()?.args(["image", "inspect", "--format", "{{.Id}}", tag]);
    inspect.read().ok().map(|id| id.trim().to_owned())
}

pub fn load(archive: &Path) -> Result<()> {
    docker("load an image")?.args(["load", "--quiet", "--input"]).arg(archive).read().map(drop)
}

/// Ends and removes the containers of every pod; says how many.
pub fn remove_pods() -> Result<usize> {
    let filter = format!("label={POD_LABEL}");
    let listed = docker("list the pods' containers")?.args(["ps", "--all", "--quiet", "--filter", &filter]).read()?;
    let containers: Vec<&str> = listed.split_whitespace().collect();
    if !containers.is_empty() {
        docker("remove the pods' containers")?.args(["rm", "--force", "--volumes"]).args(&containers).read()?;
    }
    Ok(containers.len())
}

/// What `docker ps` shows of pods, for a person.
pub fn pods_table() -> Result<String> {
    let filter = format!("label={POD_LABEL}");
    docker("list the pods' containers")?.args(["ps", "--all", "--filter", &filter]).read()
}
