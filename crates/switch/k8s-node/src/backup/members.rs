//! What is in a backup: everything of a master that cannot be made again.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use common::files;
use contract::places;

use super::archive::Source;

pub const CLUSTER_TOML: &str = "cluster.toml";
pub const ENCRYPTION_CONFIG: &str = "encryption-config.yaml";
pub const SNAPSHOT: &str = "etcd.snapshot";
/// How the names begin of keys, certificates, and the table of whose key is whose.
pub const PKI: &str = "pki/";

/// Whether a file is nobody's but root's to read.
pub fn is_secret(name: &str) -> bool {
    let is_certificate = name.ends_with(".pub") || name.ends_with(".pem") && !name.ends_with("-key.pem");
    !(name.starts_with(PKI) && is_certificate)
}

/// What may be in a backup, and nothing that leads out of a directory that it is unpacked into.
pub fn is_known(name: &str) -> bool {
    let plain = |name: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !name.is_empty() && !name.starts_with('.') && name.len() < 200 && name.chars().all(fine)
    };
    [CLUSTER_TOML, ENCRYPTION_CONFIG, SNAPSHOT].contains(&name) || name.strip_prefix(PKI).is_some_and(plain)
}

/// Reads them; etcd's data are in a copy of their own.
pub fn collect(copy: &Path) -> Result<Vec<Source>> {
    let mut sources = vec![
        Source::read(CLUSTER_TOML, places::CLUSTER_TOML.as_ref())?,
        Source::read(ENCRYPTION_CONFIG, places::ENCRYPTION_CONFIG.as_ref())?,
    ];
    let entries = fs::read_dir(places::PKI).with_context(|| format!("cannot read {}", places::PKI))?;
    let entries: Vec<_> = entries.collect::<Result<_, _>>().with_context(|| format!("cannot read {}", places::PKI))?;
    let mut names: Vec<String> = entries
        .iter()
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with(files::UNFINISHED) && is_known(&format!("{PKI}{name}")))
        .collect();
    names.sort();
    for name in names {
        sources.push(Source::read(&format!("{PKI}{name}"), &Path::new(places::PKI).join(&name))?);
    }
    sources.push(Source::File { name: SNAPSHOT.to_owned(), file: copy.to_owned() });
    Ok(sources)
}
