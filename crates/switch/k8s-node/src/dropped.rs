//! What the operator has put beside the state for this switch, where `copy … flash:` reaches it: an own certificate authority, or a PKI
//! that was made elsewhere. It is taken once, into the state; the private keys that stay behind are named.
//!
//! What would be another cluster's, or another key in the place of one that this switch has, is not taken. The front proxy has an authority
//! of its own, with nothing that outlives it: one that was made here gives way to one that is brought whole, and otherwise stays.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use cluster::{
    CaHash, Node,
    pki::{self, Credential},
    state,
};
use common::{
    digest::Sha256,
    files::{self, Access, NewFile},
};
use contract::places;

/// No key and no chain is longer.
const LONGEST: u64 = 1 << 20;

const KEY: &str = "-key.pem";

/// A file's name, and what is in it.
type Files = BTreeMap<String, Vec<u8>>;

/// Takes what is new, and says what was taken, or why not, and what is to be removed.
pub fn import(node: &Node) -> Option<String> {
    match take(node) {
        Ok(taken) => {
            let said = [taken, keys_behind()];
            let said: Vec<String> = said.into_iter().flatten().collect();
            (!said.is_empty()).then(|| said.join("; "))
        }
        Err(error) => Some(format!("what is in {} for this switch is not taken: {error:#}", places::PLAIN)),
    }
}

/// Private keys that lie where whoever reads the flash reads them, once the state has them.
pub fn keys_behind() -> Option<String> {
    if !Path::new(places::DROPPED_RECORD).exists() {
        return None;
    }
    let named = |directory: &str| {
        let names = read(directory.as_ref()).unwrap_or_default().into_keys().filter(|name| name.ends_with(KEY));
        names.map(|name| format!("{directory}/{name}")).collect::<Vec<_>>()
    };
    let keys: Vec<String> = [places::DROPPED_CA, places::DROPPED_PKI].into_iter().flat_map(named).collect();
    (!keys.is_empty())
        .then(|| format!("remove {}: this switch has taken it, and others may read it there", keys.join(", ")))
}

fn take(node: &Node) -> Result<Option<String>> {
    let mut found = read(places::DROPPED_CA.as_ref())?;
    found.extend(read(places::DROPPED_PKI.as_ref())?);
    if !node.master {
        // Nobody but a master signs.
        found.remove(&Credential::Ca.key_file());
    }
    // What was taken once stays taken: the state's own may have been renewed since.
    let mut taken = fs::read_to_string(places::DROPPED_RECORD).unwrap_or_default();
    found.retain(|name, contents| !taken.lines().any(|line| line == line_of(name, contents)));
    if found.is_empty() {
        return Ok(None);
    }
    let place = Path::new(places::PKI);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(place);
    made.with_context(|| format!("cannot create the directory {}", place.display()))?;
    let _writer = state::lock_directory(place)?;
    let front_proxy = FrontProxy::look(place, &found)?;
    let left_out = match &front_proxy {
        FrontProxy::LeftOut(why) => {
            FrontProxy::files().iter().for_each(|name| drop(found.remove(name)));
            Some(why.clone())
        }
        _ => None,
    };
    let is_new = require_ours(place, &found, front_proxy == FrontProxy::Replaced)?;
    if front_proxy == FrontProxy::Replaced {
        // Without its key it is no authority that was made here: what a power cut leaves is replaced, too.
        files::remove_tree(&place.join(Credential::FrontProxyCa.key_file()))?;
    }
    if !is_new.is_empty() {
        let of = |is_key: bool| {
            let names = found.iter().filter(move |(name, _)| name.ends_with(KEY) == is_key);
            let access = if is_key { Access::Owner } else { Access::Everyone };
            names.map(move |(name, contents)| NewFile { name, access, contents }).collect::<Vec<_>>()
        };
        // Keys before certificates.
        files::write_together(place, &of(true))?;
        files::write_together(place, &of(false))?;
    }
    for (name, contents) in &found {
        taken.push_str(&line_of(name, contents));
        taken.push('\n');
    }
    files::write_for_owner(places::DROPPED_RECORD.as_ref(), taken.as_bytes())?;
    let took = (!is_new.is_empty()).then(|| format!("took {} from {}", is_new.join(", "), places::PLAIN));
    let said: Vec<String> = took.into_iter().chain(left_out).collect();
    Ok((!said.is_empty()).then(|| said.join("; ")))
}

/// What is to be done about another authority of the front proxy.
#[derive(Debug, PartialEq, Eq)]
enum FrontProxy {
    /// There is none, or it is the same.
    Same,
    Replaced,
    /// What is brought of it stays where it is: why.
    LeftOut(String),
}

impl FrontProxy {
    fn files() -> [String; 4] {
        let [ca, client] = [Credential::FrontProxyCa, Credential::FrontProxyClient];
        [ca.certificate_file(), ca.key_file(), client.certificate_file(), client.key_file()]
    }

    fn look(place: &Path, found: &Files) -> Result<FrontProxy> {
        let [certificate, key, client, client_key] = FrontProxy::files();
        let here = |name: &str| fs::read(place.join(name)).ok();
        let (Some(brought), Some(there)) = (found.get(&certificate), here(&certificate)) else {
            return Ok(FrontProxy::Same);
        };
        if hash_of(brought)? == hash_of(&there)? {
            return Ok(FrontProxy::Same);
        }
        let is_ours = match here(&key) {
            None => true,
            Some(there) => pki::key_was_made_here(place, Credential::FrontProxyCa)? || found.get(&key) == Some(&there),
        };
        let is_whole = [&client, &client_key].into_iter().all(|name| found.contains_key(name));
        Ok(if is_ours && is_whole {
            FrontProxy::Replaced
        } else if is_ours {
            FrontProxy::LeftOut(format!("left out {certificate}, as {client} and {client_key} are not beside it"))
        } else {
            FrontProxy::LeftOut(format!("left out {certificate} and what it has signed: {key} here is another one's"))
        })
    }
}

/// Of the key in a certificate.
fn hash_of(pem: &[u8]) -> Result<Option<CaHash>> {
    let beside = tempfile::tempdir_in(places::RUN).context("cannot make a directory in memory")?;
    let certificate = beside.path().join(Credential::Ca.certificate_file());
    fs::write(certificate, pem).context("cannot write a certificate in memory")?;
    Ok(pki::ca_hash(beside.path())?)
}

/// The names of what this switch has not, or not as it is there. Fails where it is not this cluster's.
fn require_ours(place: &Path, found: &Files, front_proxy_goes: bool) -> Result<Vec<String>> {
    let ours = pki::ca_hash(place)?;
    let certificate = Credential::Ca.certificate_file();
    if let (Some(ours), Some(pem)) = (ours, found.get(&certificate)) {
        ensure!(
            hash_of(pem)? == Some(ours),
            "{certificate} there is another certificate authority than this switch's: remove it, or `k8s-node reset` for a new cluster"
        );
    }
    let going = if front_proxy_goes { FrontProxy::files().to_vec() } else { Vec::new() };
    let mut new = Vec::new();
    for (name, contents) in found {
        match fs::read(place.join(name)) {
            Ok(there) if there == *contents => continue,
            Ok(_) if going.contains(name) => {}
            Ok(_) => ensure!(!name.ends_with(KEY), "{name} there is another key than this switch has: remove it"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", place.join(name).display())),
        }
        new.push(name.clone());
    }
    Ok(new)
}

/// What has a name as a key or a certificate has; none where there is no such directory.
fn read(directory: &Path) -> Result<Files> {
    let mut found = Files::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_named = !name.starts_with('.') && [".pem", ".pub"].iter().any(|end| name.ends_with(end));
        if is_named && entry.metadata().is_ok_and(|data| data.is_file() && data.len() <= LONGEST) {
            found.insert(name, files::read(&entry.path())?);
        }
    }
    Ok(found)
}

fn line_of(name: &str, contents: &[u8]) -> String {
    format!("{name} {}", Sha256::of_bytes(contents))
}

#[cfg(test)]
mod tests;
