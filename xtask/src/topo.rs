//! `topo`: a test topology for another program.

use std::path::Path;

use anyhow::{Context, Result};
use common::files;
use topology::{Topology, export::containerlab};

use crate::flags::{Topo, TopoAction};

pub fn run(flags: Topo) -> Result<()> {
    // What is asked for can only be containerlab's.
    let TopoAction::Export { containerlab: _, topology: file, out } = flags.action;
    let topology = Topology::load(&file)?;
    let out = out.map(std::path::absolute).transpose().context("cannot tell the current directory")?;
    // Names count from where the file is; nobody knows where standard output goes.
    let directory = out.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let exported = containerlab::export(&topology, directory)
        .with_context(|| format!("{} cannot be written for containerlab", file.display()))?;
    topology.remarks.iter().chain(&exported.remarks).for_each(|remark| eprintln!("remark: {remark}"));
    match out {
        Some(out) => {
            files::write_atomically(&out, exported.text)?;
            println!("written to {}", out.display());
        }
        None => print!("{}", exported.text),
    }
    Ok(())
}
