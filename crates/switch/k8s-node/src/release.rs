//! Which SWIX this is of: what `release.json` in the image says, and what `--version` prints of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use common::arch::Arch;
use contract::{Build, places, services};
use serde::Deserialize;

/// As much of the file as a switch has a use for.
#[derive(Debug, Deserialize)]
pub struct Release {
    /// Kubernetes' version.
    pub version: String,
    arch: String,
    /// Those of earlier toolkits do not say.
    #[serde(default)]
    pub build: Option<Build>,
}

impl Release {
    pub fn read(file: &Path) -> io::Result<Release> {
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }
}

/// The version of this program, and the build that it came with.
pub fn version() -> String {
    let program = std::env::current_exe().ok();
    let release = program.as_deref().and_then(beside);
    let from = release.map_or_else(|| "not from a SWIX".to_owned(), |file| from(&file));
    format!("k8s-node {}\n{from}\n", env!("CARGO_PKG_VERSION"))
}

/// What the programs beside this one are made for; none where this one is not of a SWIX.
pub fn arch() -> Option<Arch> {
    let release = beside(&std::env::current_exe().ok()?)?;
    Release::read(&release).ok()?.arch.parse().ok()
}

/// The file of the image that a program is in, mounted or unpacked anywhere.
fn beside(program: &Path) -> Option<PathBuf> {
    let below = |place: &str| Path::new(place).strip_prefix(places::PROGRAMS).ok().map(Path::to_owned);
    let depth = below(places::K8S_NODE)?.components().count();
    Some(program.ancestors().nth(depth)?.join(below(places::RELEASE)?))
}

fn from(file: &Path) -> String {
    match Release::read(file) {
        Ok(Release { version, arch, build: Some(build) }) => {
            format!("{} {version}-{} for linux/{arch}, {}", services::PACKAGE, build.release(), build.origin())
        }
        Ok(Release { version, arch, build: None }) => {
            format!("{} {version} for linux/{arch}, of a build that does not say which", services::PACKAGE)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => "not from a SWIX".to_owned(),
        Err(error) => format!("from a SWIX whose {} cannot be read: {error}", file.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: &str =
        r#", "build": {"revision": 1, "commit": "0123456789abcdef", "besides": [], "contents": "fedcba98765432"}"#;

    fn said(release: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("release.json");
        fs::write(&file, release).unwrap();
        from(&file).replace(directory.path().to_str().unwrap(), "")
    }

    #[test]
    fn the_file_is_found_from_where_the_program_is() {
        let mounted = beside(places::K8S_NODE.as_ref());
        assert_eq!(mounted.as_deref(), Some(Path::new(places::RELEASE)));
        let unpacked = beside("/tmp/image/bin/k8s-node".as_ref()).unwrap();
        assert_eq!(unpacked, Path::new("/tmp/image/share/kubernetes-on-eos/release.json"));
        assert_eq!(beside("k8s-node".as_ref()), None);
    }

    #[test]
    fn a_build_is_told_by_its_version_release_and_commit() {
        let whole = format!(r#"{{"name": "1.20", "version": "1.20.2", "arch": "386"{BUILD}}}"#);
        let told = "kubernetes-on-eos 1.20.2-1.g0123456789ab.dfedcba987654 for linux/386, commit 0123456789abcdef";
        assert_eq!(said(&whole), told);
        let earlier = r#"{"name": "1.20", "version": "1.20.2", "arch": "386", "components": []}"#;
        assert_eq!(said(earlier), "kubernetes-on-eos 1.20.2 for linux/386, of a build that does not say which");
    }

    #[test]
    fn what_is_no_release_is_no_build() {
        assert_eq!(from("/nowhere/release.json".as_ref()), "not from a SWIX");
        let damaged = said("{");
        assert!(damaged.starts_with("from a SWIX whose /release.json cannot be read: EOF"), "{damaged}");
    }
}
