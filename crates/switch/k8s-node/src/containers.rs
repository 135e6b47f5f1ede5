//! EOS' Docker, through its command line.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};
use common::command::{Program, find_on_path};

use crate::{program, systemd};

/// EOS' own.
pub const UNIT: &str = "docker.service";

/// What to do where systemd has no such unit.
pub const NOT_THERE: &str = "waiting for Docker: there is no docker.service yet; where this EOS has Docker as an extension of its own (EOS64 \
                             4.36, say), install that SWIX from Arista, too: `extension DOCKER.swix`, then `copy installed-extensions \
                             boot-extensions`";

/// How long Docker may take to say that it is there.
const ANSWERED: Duration = Duration::from_secs(20);

/// How long a large image may take to load, and many containers to be removed.
const SLOW: Duration = Duration::from_secs(20 * 60);

/// The label that every container of a pod has, its pause container included.
const POD_LABEL: &str = "io.kubernetes.pod.name";

/// What Docker says of an image that it has not; where it cannot tell, it says something else.
const NO_SUCH_IMAGE: &str = "No such image";

/// What it says of one that is to go and that another is made of.
const HAS_CHILDREN: &str = "dependent child images";

fn docker(purpose: &str) -> Result<Program> {
    program::new("docker", purpose)
}

pub fn version() -> Result<String> {
    let version = docker("run pods")?.limit(ANSWERED).args(["version", "--format", "{{.Server.Version}}"]).read()?;
    Ok(version.trim().to_owned())
}

pub fn cgroup_driver() -> Result<String> {
    let driver = docker("run pods")?.args(["info", "--format", "{{.CgroupDriver}}"]).read()?;
    Ok(driver.trim().to_owned())
}

/// Whether there is a Docker to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    NotInstalled,
    /// Its service does not run, and nobody answers.
    Stopped,
    /// One that does not answer though it runs may have something of ours.
    Running,
}

pub fn engine() -> Engine {
    if find_on_path("docker").is_none() {
        return Engine::NotInstalled;
    }
    let answers = version().is_ok();
    // Where systemd cannot say, Docker is asked, and says what is wrong.
    let state = systemd::state(UNIT).unwrap_or_default();
    if is_stopped(answers, &state) { Engine::Stopped } else { Engine::Running }
}

fn is_stopped(answers: bool, state: &str) -> bool {
    !answers && matches!(state, "inactive" | "failed")
}

/// Where Docker has its data, its images too.
pub fn data_directory() -> Result<PathBuf> {
    let directory = docker("find its data")?.args(["info", "--format", "{{.DockerRootDir}}"]).read()?;
    let directory = directory.trim();
    ensure!(directory.starts_with('/'), "Docker does not say where it has its data, but {directory:?}");
    Ok(directory.into())
}

/// None where Docker has no image of that name or id.
pub fn image_id(tag: &str) -> Result<Option<String>> {
    let found = docker("look for an image")?.args(["image", "inspect", "--format", "{{.Id}}", tag]).output()?;
    if found.status.success() {
        return Ok(Some(String::from_utf8_lossy(&found.stdout).trim().to_owned()));
    }
    let words = String::from_utf8_lossy(&found.stderr);
    ensure!(words.contains(NO_SUCH_IMAGE), "Docker does not say whether it has the image {tag}: {}", words.trim());
    Ok(None)
}

pub fn load(archive: &Path) -> Result<()> {
    docker("load an image")?.limit(SLOW).args(["load", "--quiet", "--input"]).arg(archive).read().map(drop)
}

/// Whether a container is made of the image with this id.
pub fn is_used(id: &str) -> Result<bool> {
    let filter = format!("ancestor={id}");
    let listed =
        docker("see whether an image is used")?.args(["ps", "--all", "--quiet", "--filter", &filter]).read()?;
    Ok(!listed.trim().is_empty())
}

/// How many names an image has, by tag and by digest.
pub fn names_of(id: &str) -> Result<usize> {
    let format = "{{range .RepoTags}}{{.}} {{end}}{{range .RepoDigests}}{{.}} {{end}}";
    let names = docker("see what an image is called")?.args(["image", "inspect", "--format", format, id]).read()?;
    Ok(names.split_whitespace().count())
}

/// Gives an image a name, which another one loses that had it.
pub fn name_image(id: &str, tag: &str) -> Result<()> {
    docker("name an image")?.args(["tag", id, tag]).read().map(drop)
}

/// Takes a name away from an image, and the image with its last one.
pub fn remove_image(tag: &str) -> Result<()> {
    docker("remove an image")?.args(["image", "rm", tag]).read().map(drop)
}

/// Removes an image that has no name. One that another is made of stays.
pub fn remove_nameless(id: &str) -> Result<()> {
    let removed = docker("remove an image")?.args(["image", "rm", id]).output()?;
    let words = String::from_utf8_lossy(&removed.stderr);
    ensure!(
        removed.status.success() || words.contains(HAS_CHILDREN),
        "Docker does not remove the image {id}: {}",
        words.trim()
    );
    Ok(())
}

/// Ends and removes the containers of every pod; says how many.
pub fn remove_pods() -> Result<usize> {
    let filter = format!("label={POD_LABEL}");
    let listed = docker("list the pods' containers")?.args(["ps", "--all", "--quiet", "--filter", &filter]).read()?;
    let containers: Vec<&str> = listed.split_whitespace().collect();
    if !containers.is_empty() {
        docker("remove the pods' containers")?
            .limit(SLOW)
            .args(["rm", "--force", "--volumes"])
            .args(&containers)
            .read()?;
    }
    Ok(containers.len())
}

/// The ids of all containers, those that have ended too.
pub fn all() -> Result<BTreeSet<String>> {
    let listed =
        docker("list the containers")?.limit(ANSWERED).args(["ps", "--all", "--quiet", "--no-trunc"]).read()?;
    Ok(listed.split_whitespace().map(str::to_owned).collect())
}

/// What `docker ps` shows of pods, for a person.
pub fn pods_table() -> Result<String> {
    let filter = format!("label={POD_LABEL}");
    docker("list the pods' containers")?.args(["ps", "--all", "--filter", &filter]).read()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_is_stopped_where_it_does_not_answer_and_its_service_does_not_run() {
        assert!(is_stopped(false, "inactive") && is_stopped(false, "failed"));
        assert!(!is_stopped(true, "inactive"), "it runs as another unit");
        for state in ["active", "activating", "deactivating", ""] {
            assert!(!is_stopped(false, state), "{state:?}: it may have something of ours");
        }
    }
}
