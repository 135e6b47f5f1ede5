//! What is on a switch's flash, judged from outside with openssl: nothing half-written, nothing lost.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use common::{command::Program, files};
use contract::places::STATE;
use devices::Device;

/// What must not change once it is there: who trusts whom, and what the cluster's data can be read with.
const LASTING: [&str; 5] =
    ["pki/ca", "pki/etcd-ca", "pki/front-proxy-ca", "pki/service-account", "encryption-config.yaml"];

/// How far a bring-up had come, by what is on the flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    Nothing,
    PkiBegun,
    PkiComplete,
    Etcd,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reached::Nothing => "nothing on the flash",
            Reached::PkiBegun => "in the PKI",
            Reached::PkiComplete => "PKI complete",
            Reached::Etcd => "etcd has data",
        })
    }
}

/// A copy of the small files of /mnt/flash/k8s.
pub struct State {
    directory: tempfile::TempDir,
    pub reached: Reached,
}

impl State {
    /// Takes the copy; the device may be off.
    pub fn copy_of(device: &Device) -> Result<State> {
        let directory = tempfile::tempdir().context("cannot make a directory for the flash's files")?;
        let there = |name: &str| device.copy_out_if_there(&format!("{STATE}/{name}"), &directory.path().join(name));
        let pki = there("pki")?;
        there("kubeconfigs")?;
        there("encryption-config.yaml")?;
        // The last file that is made of the PKI.
        let admin = there("admin.kubeconfig")?;
        let etcd =
            device.copy_out_if_there(&format!("{STATE}/etcd/member/snap/db"), &directory.path().join("etcd.db"))?;
        let reached = match (pki, admin, etcd) {
            (_, _, true) => Reached::Etcd,
            (_, true, _) => Reached::PkiComplete,
            (true, ..) => Reached::PkiBegun,
            _ => Reached::Nothing,
        };
        Ok(State { directory, reached })
    }

    /// What of the files that must not change is there and whole, by name.
    pub fn lasting(&self) -> Result<BTreeMap<&'static str, Vec<u8>>> {
        let mut found = BTreeMap::new();
        for name in LASTING {
            if let Some(contents) = self.whole(name)? {
                found.insert(name, contents);
            }
        }
        Ok(found)
    }

    /// The contents of one thing that lasts, where its files are all there and right.
    fn whole(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.directory.path().join(name);
        if name.ends_with(".yaml") {
            return Ok(if path.is_file() { Some(files::read(&path)?) } else { None });
        }
        let key = self.directory.path().join(format!("{name}-key.pem"));
        if !key.is_file() {
            return Ok(None);
        }
        public_key(&key)?;
        Ok(Some(files::read(&key)?))
    }

    /// The fingerprint of the cluster's authority, as openssl prints it.
    pub fn ca_fingerprint(&self) -> Result<String> {
        let certificate = self.directory.path().join("pki/ca.pem");
        openssl(&["x509", "-noout", "-fingerprint", "-sha256", "-in"], &certificate)
    }

    /// Fails where a file is unfinished, empty, or not what its name says; says how many were judged.
    pub fn check(&self) -> Result<usize> {
        let mut judged = 0;
        for entry in walkdir::WalkDir::new(self.directory.path()) {
            let entry = entry.context("cannot read the copy of the flash")?;
            if !entry.file_type().is_file() || entry.file_name() == "etcd.db" {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            ensure!(!name.starts_with(files::UNFINISHED), "{name} was left unfinished on the flash");
            ensure!(entry.metadata()?.len() > 0, "{name} is empty");
            if name.ends_with(".pem") || name.ends_with(".pub") {
                check_pem(entry.path(), &name)?;
            }
            judged += 1;
        }
        ensure!(judged > 0, "there is nothing in {STATE}");
        Ok(judged)
    }
}

/// A key's certificate or public half must be its own, and a certificate signed by an authority beside it.
fn check_pem(path: &Path, name: &str) -> Result<()> {
    let key = |stem: &str| path.with_file_name(format!("{stem}-key.pem"));
    if name.ends_with("-key.pem") {
        return public_key(path).map(drop);
    }
    if let Some(stem) = name.strip_suffix(".pub") {
        let public = openssl(&["pkey", "-pubin", "-pubout", "-in"], path)?;
        ensure!(public == public_key(&key(stem))?, "{name} is not the public half of {stem}-key.pem");
        return Ok(());
    }
    let stem = name.trim_end_matches(".pem");
    let public = openssl(&["x509", "-noout", "-pubkey", "-in"], path)?;
    // A worker has the authority's certificate without its key.
    if key(stem).is_file() {
        ensure!(public == public_key(&key(stem))?, "{name} does not belong to {stem}-key.pem");
    }
    let cas = ["ca.pem", "etcd-ca.pem", "front-proxy-ca.pem"].map(|ca| path.with_file_name(ca));
    let signed = |ca: &PathBuf| openssl(&["verify", "-CAfile", &ca.display().to_string()], path).is_ok();
    if !cas.iter().any(signed) {
        bail!("{name} is signed by none of the certificate authorities beside it");
    }
    Ok(())
}

fn public_key(key: &Path) -> Result<String> {
    openssl(&["pkey", "-pubout", "-in"], key)
}

pub(crate) fn openssl(arguments: &[&str], file: &Path) -> Result<String> {
    Program::new("openssl", "read what is on the flash")?.args(arguments).arg(file).read()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn state(files: &[(&str, &str)]) -> State {
        let directory = tempfile::tempdir().unwrap();
        for (name, contents) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        State { directory, reached: Reached::Nothing }
    }

    fn complaint(name: &str, contents: &str) -> String {
        format!("{:#}", state(&[(name, contents)]).check().unwrap_err())
    }

    #[test]
    fn what_is_unfinished_or_empty_is_found() {
        assert!(complaint("pki/.new-abc", "half").contains("unfinished"));
        assert!(complaint("kubeconfigs/node.kubeconfig", "").contains("empty"));
    }

    #[test]
    #[ignore = "needs openssl"]
    fn half_a_key_is_found() {
        let half = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n";
        assert!(complaint("pki/ca-key.pem", half).contains("openssl"));
    }
}
