//! `topo`: a test topology for another program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use common::files;
use topology::{Topology, export::containerlab};

use crate::workspace::workspace;

#[derive(Args)]
pub struct Topo {
    #[command(subcommand)]
    pub action: TopoAction,
}

#[derive(Subcommand)]
pub enum TopoAction {
    /// Write it in another format than docker-topo's
    Export {
        /// For containerlab
        #[arg(long, required = true)]
        containerlab: bool,
        /// The topology, in docker-topo's format [default: topo/k8s.yml]
        #[arg(long, value_name = "FILE", default_value_os_t = workspace().join("topo/k8s.yml"), hide_default_value = true)]
        topology: PathBuf,
        /// Where to write it [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Topo {
    pub fn run(self) -> Result<()> {
        // What is asked for can only be containerlab's.
        let TopoAction::Export { containerlab: _, topology: file, out } = self.action;
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
}
