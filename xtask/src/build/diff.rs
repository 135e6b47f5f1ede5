//! `diff`: what an upgrade from one SWIX to another brings.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
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
        match self.json {
            true => println!("{}", serde_json::to_string_pretty(&difference)?),
            false => print(&difference),
        }
        Ok(())
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
