//! `k8s-node init`: a new cluster's cluster.toml, by flags or by questions. It is checked as the bring-up checks it, and written
//! whole or not at all.

mod arguments;
mod dialogue;
mod plan;

use std::{
    fs,
    io::{self, IsTerminal},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use cluster::{Cluster, pki::Credential};
use common::files;
use contract::places;

pub use arguments::{HELP, Options, read};

use crate::{new_cluster, storage, switch};

pub fn run(Options { file, force, plan }: Options) -> Result<()> {
    let file = std::path::absolute(&file).with_context(|| format!("{} is no file's name", file.display()))?;
    can_be_written(&file, force)?;
    is_of_no_cluster(&file)?;
    let plan = match plan {
        Some(plan) => plan,
        None if io::stdin().is_terminal() => dialogue::ask(&mut io::stdin().lock(), &mut io::stderr())?,
        None => bail!("there is nobody to ask: say --master NAME=ADDRESS, and --worker NAME=ADDRESS for each worker"),
    };
    let text = plan.file()?;
    let cluster = plan.check(&text).map_err(refused)?;
    here(&cluster)?;
    files::write_for_owner(&file, text.as_bytes())?;
    print!("{}", said(&file, &cluster, is_for_others(&file)?));
    Ok(())
}

/// Before anybody is asked.
fn can_be_written(file: &Path, force: bool) -> Result<()> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    ensure!(
        directory.is_dir(),
        "there is no directory {} here: name the file, as in `k8s-node init cluster.toml`",
        directory.display()
    );
    let is_there = file.symlink_metadata().is_ok();
    ensure!(!file.is_dir(), "{} is a directory: name a file", file.display());
    ensure!(
        force || !is_there,
        "{} is there already, with the token and the ranges of its cluster: to begin another one, move it away or say --force",
        file.display()
    );
    Ok(())
}

/// Fails where a cluster's state is on this switch: it would come up with the ranges and the names of another one.
fn is_of_no_cluster(file: &Path) -> Result<()> {
    let directory = file.parent().and_then(|parent| parent.canonicalize().ok()).unwrap_or_default();
    if directory.join(file.file_name().unwrap_or_default()) != Path::new(places::CLUSTER_TOML) {
        return Ok(());
    }
    ensure!(
        !storage::is_elsewhere()?,
        "a cluster is on this switch ({}), and only its own file is right for it: put that back, from another switch of it or from a \
         backup; or `k8s-node reset`, which removes this switch's cluster, then this again",
        places::STATE_MARKER
    );
    let certificate = Path::new(places::PKI).join(Credential::Ca.certificate_file());
    for state in [Path::new(places::ETCD).join("member"), certificate] {
        ensure!(
            !state.exists(),
            "a cluster is on this switch ({}), and only its own file is right for it: put that back, from another switch of it or \
             from a backup; or `k8s-node reset`, which removes this switch's cluster, then this again",
            state.display()
        );
    }
    Ok(())
}

/// On a switch of the cluster, also what the first boot would find in the way here.
fn here(cluster: &Cluster) -> Result<()> {
    if cluster.node_of_host(&switch::hostname()).is_some() {
        let taken = new_cluster::overlaps_here(cluster)?;
        ensure!(taken.is_empty(), refused(taken));
    }
    Ok(())
}

fn refused(reasons: Vec<String>) -> anyhow::Error {
    anyhow::anyhow!("nothing was written:\n    {}", reasons.join("\n    "))
}

/// A vfat has the modes that it was mounted with.
fn is_for_others(file: &Path) -> Result<bool> {
    let found = fs::metadata(file).with_context(|| format!("cannot look at {}", file.display()))?;
    Ok(found.permissions().mode() & 0o077 != 0)
}

fn said(file: &Path, cluster: &Cluster, is_for_others: bool) -> String {
    let (name, master, shown) = (&cluster.name, &cluster.master().name, file.display());
    let readers = if is_for_others {
        format!(
            " {} keeps no modes, so that whoever may read it has the token.",
            file.parent().unwrap_or(file).display()
        )
    } else {
        String::new()
    };
    let mut said = format!(
        "{shown}: cluster {name} of {} nodes, master {master}. The token in it lets switches in: keep the file as you keep a \
         password.{readers}\n\nNext:\n  1. Each switch has its hostname, its address, `ip routing` and the right time:\n",
        cluster.nodes.len()
    );
    for node in &cluster.nodes {
        said.push_str(&format!("       {:<20} interface Loopback0, ip address {}/32\n", node.name, node.address));
    }
    said.push_str(&format!(
        "  2. Copy this file, as it is, to the flash of every switch, as {}\n  3. Install the extension on every switch, in any \
         order: copy …/NAME.swix extension:, extension NAME.swix,\n     copy installed-extensions boot-extensions. Where it is \
         installed, it begins by itself within 15 s\n  4. On each: bash sudo k8s-node status\n",
        places::CLUSTER_TOML
    ));
    said
}

/// Where it goes unless something else is said.
fn usual_file() -> PathBuf {
    places::CLUSTER_TOML.into()
}

#[cfg(test)]
mod tests;
