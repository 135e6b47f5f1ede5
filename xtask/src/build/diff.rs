//! `diff`: what an upgrade from one SWIX to another brings.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use audit::vex;
use clap::Args;
use common::files;
use indicatif::HumanBytes;
use swix::difference::{self, Change, Difference, FileChange, Package, What};

use crate::progress;

#[derive(Args)]
pub struct Diff {
    /// The SWIX that switches have
    pub old: PathBuf,
    /// The one that they are to get
    pub new: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

impl Diff {
    pub fn run(self) -> Result<()> {
        let difference = difference::of(&self.old, &self.new, &*progress::for_stderr())?;
        let vulnerabilities = vulnerabilities(&self.old, &self.new)?;
        if self.json {
            let mut all = serde_json::to_value(&difference)?;
            all["vulnerabilities"] = serde_json::to_value(&vulnerabilities)?;
            println!("{}", serde_json::to_string_pretty(&all)?);
        } else {
            print(&difference);
            print_vulnerabilities(vulnerabilities.as_deref());
        }
        Ok(())
    }
}

/// What is said otherwise of vulnerabilities; none where one of the two has no statements beside it.
fn vulnerabilities(old: &Path, new: &Path) -> Result<Option<Vec<Change<String>>>> {
    let mut sides = Vec::new();
    for swix in [old, new] {
        let file = swix.with_extension(vex::ENDING);
        if !file.is_file() {
            return Ok(None);
        }
        sides.push(vex::statuses(&files::read(&file)?).with_context(|| file.display().to_string())?);
    }
    let of: BTreeSet<_> = sides.iter().flat_map(|side| side.keys()).collect();
    let changes = of.into_iter().map(|key| {
        let [old, new] = [0, 1].map(|side: usize| sides[side].get(key).cloned());
        Change { name: format!("{} in {}", key.0, key.1), old, new }
    });
    Ok(Some(changes.filter(|change| change.old != change.new).collect()))
}

fn print_vulnerabilities(changes: Option<&[Change<String>]>) {
    match changes {
        None => println!("\nvulnerabilities: not both have what is said of them (*.{}) beside them", vex::ENDING),
        Some([]) => println!("\nvulnerabilities: the same is said of all"),
        Some(changes) => {
            println!("\nvulnerabilities:");
            for Change { name, old, new } in changes {
                let word = |status: &Option<String>| status.clone().unwrap_or_else(|| "not in it".to_owned());
                println!("  ~ {name}  {} -> {}", word(old), word(new));
            }
        }
    }
}

fn print(difference: &Difference) {
    for (side, package) in [("old", &difference.old), ("new", &difference.new)] {
        let Package { name, sha256, size, signature } = package;
        println!("{side}  {name}  {}\n     sha256 {sha256}, signed: {signature}", HumanBytes(*size));
    }
    if difference.components.is_empty() && difference.files.is_empty() {
        println!("\nthey put the same on a switch");
        return;
    }
    println!("\ncomponents:");
    for change in &difference.components {
        match change {
            Change { name, old: None, new: Some(new) } => println!("  + {name} {new}"),
            Change { name, old: Some(old), new: None } => println!("  - {name} {old}"),
            Change { name, old, new } => {
                println!("  ~ {name} {} -> {}", old.as_deref().unwrap_or_default(), new.as_deref().unwrap_or_default());
            }
        }
    }
    if difference.components.is_empty() {
        println!("  all of the same version");
    }
    println!("\nfiles:");
    difference.files.iter().for_each(print_file);
    let changed = difference.files.iter().filter_map(|file| Some((&file.change.name, file.lines.as_ref()?)));
    for (name, lines) in changed {
        println!("\n{name}:\n{}", lines.trim_end());
    }
}

fn print_file(FileChange { change: Change { name, old, new }, .. }: &FileChange) {
    match (old, new) {
        (None, Some(new)) => println!("  + {name}  {}", describe(new)),
        (Some(old), None) => println!("  - {name}  {}", describe(old)),
        (Some(old), Some(new)) if old != new && describe(old) == describe(new) => {
            println!("  ~ {name}  {}, other bytes", describe(old));
        }
        (Some(old), Some(new)) if old != new => println!("  ~ {name}  {} -> {}", describe(old), describe(new)),
        _ => println!("  ~ {name}"),
    }
}

fn describe(what: &What) -> String {
    match what {
        What::File { size, mode, .. } => format!("{}, mode {mode:o}", HumanBytes(*size)),
        What::Symlink { target } => format!("a link to {target}"),
        What::Directory { mode } => format!("a directory, mode {mode:o}"),
        What::Scriptlet => "a scriptlet".to_owned(),
    }
}
