//! Which packages of this workspace stay compiled in a target directory, by the digests of their sources: Cargo tells by times
//! whether what it has compiled is what there is now, and a time says too little.
//!
//! All of a package that is in the directory was compiled of the sources that the record names: it is struck out before anything
//! is forgotten or compiled, and comes in when the sources were still the same afterwards.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::{Sha256, files};

/// The record of one workspace in a target directory.
pub(super) struct Members {
    file: PathBuf,
    compiled: BTreeMap<String, Sha256>,
}

impl Members {
    /// One that cannot be read is of nothing.
    pub(super) fn read(target: &Path, workspace: &Path) -> Members {
        let of = Sha256::of_bytes(workspace.as_os_str().as_encoded_bytes());
        let file = target.join("members").join(format!("{}.json", of.short()));
        let read = files::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Members { file, compiled: read.unwrap_or_default() }
    }

    /// Those whose sources are not the ones that were compiled.
    pub(super) fn stale<'a>(&self, now: &'a BTreeMap<String, Sha256>) -> Vec<&'a str> {
        now.iter().filter(|(name, of)| self.compiled.get(*name) != Some(*of)).map(|(name, _)| name.as_str()).collect()
    }

    pub(super) fn strike_out(&mut self, members: &BTreeMap<String, Sha256>) -> Result<()> {
        self.compiled.retain(|name, _| !members.contains_key(name));
        self.write()
    }

    pub(super) fn remember(&mut self, members: &BTreeMap<String, Sha256>) -> Result<()> {
        self.compiled.extend(members.iter().map(|(name, of)| (name.clone(), *of)));
        self.write()
    }

    fn write(&self) -> Result<()> {
        files::write_atomically(&self.file, serde_json::to_vec(&self.compiled)?)
            .context("cannot record what of this workspace is compiled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(of: &[(&str, &str)]) -> BTreeMap<String, Sha256> {
        of.iter().map(|(name, text)| ((*name).to_owned(), Sha256::of_bytes(text))).collect()
    }

    #[test]
    fn what_was_compiled_of_other_sources_is_stale_whoever_compiled_it() {
        let target = tempfile::tempdir().unwrap();
        let read = || Members::read(target.path(), Path::new("/src"));
        let (one, other) = (sources(&[("common", "1"), ("node", "1")]), sources(&[("common", "2"), ("proxy", "1")]));
        assert_eq!(read().stale(&one), ["common", "node"]);
        read().remember(&one).unwrap();
        assert_eq!(read().stale(&one), [""; 0]);
        assert_eq!(Members::read(target.path(), Path::new("/elsewhere")).stale(&one), ["common", "node"]);
        assert_eq!(read().stale(&other), ["common", "proxy"]);
        read().remember(&other).unwrap();
        assert_eq!(read().stale(&one), ["common"]);
    }

    #[test]
    fn what_is_being_compiled_is_stale_until_it_was() {
        let target = tempfile::tempdir().unwrap();
        let read = || Members::read(target.path(), Path::new("/src"));
        let all = sources(&[("common", "1"), ("node", "1")]);
        read().remember(&all).unwrap();
        read().strike_out(&sources(&[("common", "1")])).unwrap();
        assert_eq!(read().stale(&all), ["common"]);
        let record = read().file;
        files::write_atomically(&record, "{\"common\": ").unwrap();
        assert_eq!(read().stale(&all), ["common", "node"], "a damaged record is of nothing");
    }
}
