//! Forgetting the cluster on this switch: everything stopped, and what the bring-up has put on the flash removed.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, bail};
use cluster::state;
use common::files;
use contract::places;

use crate::{down, routes::Caller, storage, switch};

pub fn run(yes: bool) -> Result<()> {
    if !yes {
        confirm()?;
    }
    down::run(Caller::Shell)?;
    // In its file, where it is in one; then there is nothing below.
    storage::forget()?;
    let _writer = state::lock_beside(places::PKI.as_ref())?;
    let _of_pki = state::lock_directory(places::PKI.as_ref())?;
    for place in [
        places::ETCD,
        places::SNAPSHOTS,
        places::RESTORING,
        places::PKI,
        places::KUBECONFIGS,
        places::ADMIN_KUBECONFIG,
        places::ENCRYPTION_CONFIG,
        places::KNOWN_NAMES,
        places::LOG,
    ] {
        files::remove_tree(place.as_ref())?;
    }
    println!(
        "this switch has forgotten its cluster; {}, {} and {} are kept; `systemctl start kubernetes-on-eos` begins again",
        places::CLUSTER_TOML,
        places::OWN_IMAGES,
        places::DROPPED_IMAGES
    );
    Ok(())
}

fn confirm() -> Result<()> {
    let hostname = switch::hostname();
    if !io::stdin().is_terminal() {
        bail!("reset removes keys, certificates and etcd's data of {hostname}: say --yes where nobody can be asked");
    }
    print!(
        "Stops Kubernetes on {hostname} and removes its keys, certificates, and etcd's data: on the master the whole \
         cluster.\nType the switch's name to go on: "
    );
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    if answer.trim() != hostname {
        bail!("nothing was done");
    }
    Ok(())
}
