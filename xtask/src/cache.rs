//! `cache`: what the build cache holds, and removing what is no longer used.

use std::{collections::BTreeSet, path::Path, time::SystemTime};

use anyhow::{Context, Result};
use base::{Arch, Sha256, files};
use build::cache::Cache as BuildCache;
use indicatif::{HumanBytes, HumanDuration};
use sources::Store;

use crate::{
    flags::{Cache, CacheAction, Selection},
    session::{Session, workspace},
};

pub fn run(flags: Cache) -> Result<()> {
    let root = build::cache::default_folder()?;
    match flags.action.unwrap_or(CacheAction::Show) {
        CacheAction::Show => show(&root),
        CacheAction::Trim { all: true } => {
            let freed = files::tree_size(&root);
            files::remove_tree(&root)?;
            println!("removed {}: {}", root.display(), HumanBytes(freed));
            Ok(())
        }
        CacheAction::Trim { all: false } => trim(&root),
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
    for (folder, what) in [
        ("blobs", "downloads"),
        ("git", "Git objects"),
        ("go-build", "Go's build cache"),
        ("apt", "package lists"),
        ("rust", "Rust's build folders"),
        ("logs", "logs"),
    ] {
        println!("  {:>10}  {what}", HumanBytes(files::tree_size(&root.join(folder))).to_string());
    }
    Ok(())
}

/// Keeps what the releases of this repository use as they are now, for both architectures.
fn trim(root: &Path) -> Result<()> {
    let recipes = workspace().join("recipes");
    let mut used_keys = BTreeSet::new();
    let mut used_blobs: BTreeSet<Sha256> = BTreeSet::new();
    for release in recipes::names(&recipes)? {
        for arch in Arch::ALL {
            let selection = Selection {
                release: Some(release.clone()),
                recipes: recipes.clone(),
                arch,
                origin: None,
                source: vec![],
                offline: true,
            };
            let session = Session::open_in(selection, root.to_owned())?;
            for step in &session.plan.steps {
                if let Ok(entry) = session.cache.look_up(step) {
                    used_keys.insert((step.name.clone(), step.key.short()));
                    used_blobs
                        .extend(entry.meta.sources.values().flat_map(|fetched| &fetched.files).map(|file| file.sha256));
                }
            }
        }
    }
    let cache = BuildCache::open(root)?;
    let mut freed = 0;
    for (name, key, size, _) in cache.entries() {
        if !used_keys.contains(&(name.clone(), key.clone())) {
            cache.trim(&name, &key).with_context(|| format!("cannot remove {name} {key}"))?;
            println!("  {:>10}  {name:28} {key}", HumanBytes(size).to_string());
            freed += size;
        }
    }
    freed += Store::open(root)?.retain(&used_blobs)?;
    println!("{} freed", HumanBytes(freed));
    Ok(())
}
