//! `cache`: what the build cache holds, and removing what is no longer used.

use std::{collections::BTreeSet, path::Path, time::SystemTime};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use common::{Sha256, files};
use indicatif::{HumanBytes, HumanDuration};
use pipeline::cache::Cache as BuildCache;
use sources::Store;

#[derive(Args)]
pub struct CacheFlags {
    #[command(subcommand)]
    pub action: Option<CacheAction>,
}

#[derive(Subcommand)]
pub enum CacheAction {
    /// List what is in the cache and what it weighs (the default)
    Show,
    /// Remove what the newest builds do not use
    Trim {
        /// Remove everything, downloads too
        #[arg(long)]
        all: bool,
    },
}

/// Everything that a build puts into the cache's directory.
const DIRECTORIES: [(&str, &str); 15] = [
    ("steps", "finished steps"),
    ("tmp", "unfinished steps"),
    ("locks", "locks"),
    ("logs", "logs"),
    ("blobs", "downloads"),
    ("builds", "what builds have used"),
    ("partial", "unfinished downloads"),
    ("blocks", "compressed blocks of images"),
    ("git", "Git objects"),
    ("apt", "package lists"),
    ("cargo-home", "crates"),
    ("cargo-target", "what is compiled of crates"),
    ("go-build", "Go's build caches"),
    ("home", "the home of builds in a container"),
    ("xtask-in-docker", "xtask as it is built in a container"),
];

impl CacheFlags {
    pub fn run(self) -> Result<()> {
        let root = pipeline::cache::default_directory()?;
        match self.action.unwrap_or(CacheAction::Show) {
            CacheAction::Show => show(&root),
            CacheAction::Trim { all: true } => {
                if !root.is_dir() {
                    println!("nothing is in {} yet", root.display());
                    return Ok(());
                }
                let alone = BuildCache::open(&root)?.use_alone()?;
                // Only what is ours: KOE_CACHE may name a directory that holds other things too.
                let ours = DIRECTORIES.map(|(name, _)| root.join(name));
                let freed: u64 = ours.iter().map(|directory| files::tree_size(directory)).sum();
                ours.iter().try_for_each(|directory| files::remove_tree(directory))?;
                drop(alone);
                // The directory itself goes too, unless something else is in it.
                let _ = std::fs::remove_dir(&root);
                println!("{} freed in {}", HumanBytes(freed), root.display());
                Ok(())
            }
            CacheAction::Trim { all: false } => trim(&root),
        }
    }
}

fn show(root: &Path) -> Result<()> {
    println!("{}", root.display());
    if !root.is_dir() {
        println!("  nothing is there yet");
        return Ok(());
    }
    let cache = BuildCache::open(root)?;
    for (name, key, size, time) in cache.entries() {
        let age = SystemTime::now().duration_since(time).unwrap_or_default();
        println!("  {:>10}  {name:28} {key}  {} old", HumanBytes(size).to_string(), HumanDuration(age));
    }
    for (directory, what) in DIRECTORIES.iter().filter(|(directory, _)| *directory != "steps") {
        println!("  {:>10}  {what}", HumanBytes(files::tree_size(&root.join(directory))).to_string());
    }
    Ok(())
}

/// Keeps what the newest build of each kind has used, whatever recipes, origins and sources it was made of.
fn trim(root: &Path) -> Result<()> {
    let cache = BuildCache::open(root)?;
    let _alone = cache.use_alone()?;
    let remembered = cache.remembered()?;
    ensure!(
        !remembered.is_empty() || cache.entries().is_empty(),
        "no build of the last month is remembered in {}, so that all would go: build first, or say `cache trim --all`",
        root.display()
    );
    let mut used_keys = BTreeSet::new();
    let mut used_blobs: BTreeSet<Sha256> = BTreeSet::new();
    for build in remembered {
        println!("  kept: {}", build.what.trim_end());
        for (name, key) in &build.steps {
            used_keys.insert((name.clone(), key.short()));
            if let Ok(entry) = cache.look_up_key(name, key) {
                used_blobs.extend(entry.meta.sources.values().flat_map(|source| &source.files).map(|file| file.sha256));
            }
        }
    }
    let mut freed = 0;
    for (name, key, size, _) in cache.entries() {
        if !used_keys.contains(&(name.clone(), key.clone())) {
            cache.trim(&name, &key).with_context(|| format!("cannot remove {name} {key}"))?;
            println!("  {:>10}  {name:28} {key}", HumanBytes(size).to_string());
            freed += size;
        }
    }
    freed += Store::open(root)?.retain(&used_blobs)? + cache.trim_helpful()?;
    println!("{} freed", HumanBytes(freed));
    Ok(())
}
