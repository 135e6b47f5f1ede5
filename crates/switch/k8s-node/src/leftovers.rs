//! What kubelet and CNI leave behind when they have been stopped. What is not ours stays, and so does a directory with such in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use common::{errors, files, retry::RetryPolicy};
use contract::{places, services::PACKAGE};

/// What kubelet calls the network of a pod's loopback interface.
const LOOPBACK: &str = "cni-loopback";

const CGROUPS: &str = "/sys/fs/cgroup";

/// kubelet's cgroup where Docker's cgroup driver is systemd: a unit of systemd's, too.
pub const PODS_SLICE: &str = "kubepods.slice";

/// kubelet's, in each hierarchy, by Docker's cgroup driver.
const PODS_CGROUPS: [&str; 2] = ["kubepods", PODS_SLICE];

/// The kernel ends processes in its own time, and their cgroup is in use until then.
const EMPTIED: RetryPolicy = RetryPolicy::times(20, Duration::from_millis(100));

/// The addresses and results of our network. What a link leads to is kept elsewhere by somebody's wish, and stays.
pub fn remove_cni_state() -> Result<()> {
    let cni = Path::new(places::CNI);
    let [results, cached] = ["results", "cache/results"].map(|within| cni.join(within));
    let state = is_in_place(&cni.join("networks")).then(|| files::remove_tree(places::CNI_STATE.as_ref()));
    let removed = [&results, &cached].into_iter().filter(|directory| is_in_place(directory));
    let removed = removed.map(|directory| remove_results(directory));
    let emptied = [results.clone(), cached.clone(), cni.join("cache"), cni.join("networks"), cni.to_owned()];
    let emptied = emptied.iter().filter(|directory| is_in_place(directory)).map(|directory| remove_if_empty(directory));
    errors::all(state.into_iter().chain(removed).chain(emptied))
}

/// Whether this is a directory of CNI's, and none of those that lead to it is a link.
fn is_in_place(directory: &Path) -> bool {
    directory.ancestors().take_while(|above| above.starts_with(places::CNI)).all(is_directory)
}

/// CNI's library keeps a file for each interface, `NETWORK-CONTAINER-INTERFACE`; where, depends on its version. Those of the pods'
/// loopback interfaces it never removes: that network is kubelet's own.
fn remove_results(results: &Path) -> Result<()> {
    let ours = [PACKAGE, LOOPBACK].map(|network| format!("{network}-"));
    let is_ours = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().as_encoded_bytes();
        ours.iter().any(|ours| name.starts_with(ours.as_bytes()))
    };
    let files = entries(results)?.into_iter().filter(is_ours);
    errors::all(files.map(|file| gone(fs::remove_file(&file), &file)))
}

/// One with something of others in it stays, and so does one that others have mounted something at.
fn remove_if_empty(directory: &Path) -> Result<()> {
    match fs::remove_dir(directory) {
        Err(error) if is_in_use(&error) => Ok(()),
        removed => gone(removed, directory),
    }
}

fn is_in_use(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::ResourceBusy)
}

/// The cgroups of pods that are gone.
pub fn remove_cgroups() -> Result<()> {
    remove_cgroups_in(CGROUPS.as_ref())
}

fn remove_cgroups_in(root: &Path) -> Result<()> {
    let hierarchies: Vec<PathBuf> =
        entries(root)?.into_iter().filter(|path| is_directory(path)).chain([root.to_owned()]).collect();
    let cgroups = || hierarchies.iter().flat_map(|hierarchy| PODS_CGROUPS.map(|cgroup| hierarchy.join(cgroup)));
    EMPTIED.run("the pods' cgroups are empty", || Ok(errors::all(cgroups().map(|cgroup| remove_cgroup(&cgroup)))?))
}

/// A cgroup's files go with its directory, and those within have to go before.
fn remove_cgroup(cgroup: &Path) -> Result<()> {
    // Nothing can be removed from a hierarchy that is mounted read-only, not even what is not there.
    if !is_directory(cgroup) {
        return Ok(());
    }
    let within = entries(cgroup)?.into_iter().filter(|path| is_directory(path));
    errors::all(within.map(|within| remove_cgroup(&within)))?;
    match fs::remove_dir(cgroup) {
        Err(error) if is_in_use(&error) => Err(in_use(cgroup, &error)),
        removed => gone(removed, cgroup),
    }
}

/// Which cgroup has stayed, by what, and what to do.
fn in_use(cgroup: &Path, error: &io::Error) -> anyhow::Error {
    let processes = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let named = |number: &str| {
        let name = fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
        format!("process {number} ({})", name.trim_end())
    };
    let processes: Vec<String> = processes.split_whitespace().map(named).collect();
    let what = match processes.as_slice() {
        [] => "no process is in it: `k8s-node down` again".to_owned(),
        processes => format!("in it is {}: end that, then `k8s-node down` again", processes.join(", ")),
    };
    anyhow!("cannot remove {}: {error}; {what}", cgroup.display())
}

/// A link to one is none.
fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

/// None where there is no such directory.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(vec![]);
        }
        entries => entries.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn gone(removed: io::Result<()>, path: &Path) -> Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
