//! Who each component is, and the key that Secrets are stored under.

use std::path::Path;

use anyhow::Result;
use cluster::{
    encryption,
    kubeconfig::{self, Change},
};
use contract::places;

use crate::switch::Switch;

pub fn kubeconfigs(switch: &Switch) -> Result<String> {
    let Switch { cluster, node } = switch;
    let pki = Path::new(places::PKI);
    let mut changes: Vec<Change> = kubeconfig::ensure(places::KUBECONFIGS.as_ref(), pki, cluster, node)?
        .into_iter()
        .map(|(_, change)| change)
        .collect();
    if node.master {
        changes.push(kubeconfig::write_admin(places::ADMIN_KUBECONFIG.as_ref(), cluster, pki)?);
    }
    let written = changes.iter().filter(|change| **change == Change::Written).count();
    Ok(match written {
        0 => format!("kept all {}", changes.len()),
        written => format!("wrote {written} of {}", changes.len()),
    })
}

pub fn encryption() -> Result<String> {
    Ok(match encryption::ensure(places::ENCRYPTION_CONFIG.as_ref())? {
        Change::Kept => "kept the key that Secrets are stored under".into(),
        Change::Written => format!("made the key that Secrets are stored under: {}", places::ENCRYPTION_CONFIG),
    })
}
