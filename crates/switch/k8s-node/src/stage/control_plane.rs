//! etcd and the control plane: started here, found healthy by the stage `ready`.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result};
use common::files;
use contract::{Stage, places, services};

use crate::{etcd::snapshot, service, switch::Switch, systemd};

pub fn etcd(switch: &Switch) -> Result<String> {
    files::create_dir(places::ETCD.as_ref())?;
    // A flash with a file system that knows no modes refuses; who may read it is then up to how it is mounted.
    let _ = fs::set_permissions(places::ETCD, fs::Permissions::from_mode(0o700));
    let new = !fs::exists(format!("{}/member", places::ETCD)).context("cannot look at etcd's data")?;
    if !systemd::is_active("etcd.service")? {
        snapshot::remove_unfinished(places::ETCD.as_ref())?;
    }
    let outcome = service::ensure("etcd", switch, None)?;
    Ok(if new { format!("etcd {outcome}, with a new database") } else { format!("etcd {outcome}") })
}

pub fn control_plane(switch: &Switch) -> Result<String> {
    let names =
        services::STARTED_BY.into_iter().filter(|(_, stage)| *stage == Stage::ControlPlane).map(|(name, _)| name);
    let lines: Vec<String> =
        names.map(|name| Ok(format!("{name} {}", service::ensure(name, switch, None)?))).collect::<Result<_>>()?;
    Ok(lines.join("; "))
}
