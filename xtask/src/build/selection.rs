//! What to build and from where: the flags that the verbs of a build share.

use std::path::{Path, PathBuf};

use clap::Args;
use common::Arch;
use recipes::OriginKind;

use crate::workspace::workspace;

/// What to build and from where.
#[derive(Args, Clone)]
pub struct Selection {
    /// Release to build: a directory of recipes [default: the one that says so]
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,
    /// Directory of recipes
    #[arg(long, value_name = "DIR", default_value_os_t = workspace().join("recipes"), hide_default_value = true)]
    pub recipes: PathBuf,
    /// The switch's architecture: 386 for 32-bit EOS, amd64 for EOS64
    #[arg(long, default_value = "386", value_name = "ARCH")]
    pub arch: Arch,
    /// Use only origins of this kind: https, git or debian
    #[arg(long, value_name = "KIND")]
    pub origin: Option<OriginKind>,
    /// Take a source from a tree or an archive that you have
    #[arg(long, value_name = "NAME=PATH", value_parser = name_and_path)]
    pub source: Vec<(String, PathBuf)>,
    /// Use what is in the cache and nothing else
    #[arg(long)]
    pub offline: bool,
}

impl Selection {
    /// What a build also depends on besides the commit of this repository, in words.
    pub fn besides(&self) -> Vec<String> {
        let elsewhere = !is_same(&self.recipes, &workspace().join("recipes"));
        let mut besides: Vec<String> = elsewhere.then(|| "recipes from elsewhere".to_owned()).into_iter().collect();
        besides.extend(self.origin.map(|kind| format!("origins of the kind {kind} alone")));
        let mut sources: Vec<&str> = self.source.iter().map(|(name, _)| name.as_str()).collect();
        sources.sort_unstable();
        besides.extend(sources.iter().map(|name| format!("a source of its own for {name}")));
        besides
    }

    /// The same, as another `xtask` takes it. Its recipes are its own unless these are elsewhere.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![format!("--arch={}", self.arch)];
        arguments.extend(self.release.iter().map(|name| format!("--release={name}")));
        if self.recipes != workspace().join("recipes") {
            arguments.push(format!("--recipes={}", self.recipes.display()));
        }
        arguments.extend(self.origin.iter().map(|kind| format!("--origin={kind}")));
        arguments.extend(self.source.iter().map(|(name, path)| format!("--source={name}={}", path.display())));
        arguments.extend(self.offline.then(|| "--offline".to_owned()));
        arguments
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

fn name_and_path(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=PATH, e.g. kubernetes=/src/kubernetes")?;
    if name.is_empty() || path.is_empty() {
        return Err("expected NAME=PATH, e.g. kubernetes=/src/kubernetes".into());
    }
    let path = std::path::absolute(path).map_err(|error| format!("{path:?} is not a path: {error}"))?;
    Ok((name.to_owned(), path))
}
