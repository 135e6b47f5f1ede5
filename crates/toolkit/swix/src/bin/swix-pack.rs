//! `swix-pack ORDER`: packs what a file orders, for the pipeline, which compiles this program when it needs it.

#[macro_use(eprintln)]
extern crate common;

use std::{env, io, process::ExitCode};

use anyhow::{Context, Result};
use common::files;
use swix::packing::{Reporter, execute};

fn main() -> ExitCode {
    match pack() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn pack() -> Result<()> {
    let file = env::args_os().nth(1).context("the pipeline runs this program, with the file of an order")?;
    let order = serde_json::from_slice(&files::read(file.as_ref())?)
        .with_context(|| format!("{} is no order", file.display()))?;
    execute(&order, &Reporter::new(io::stdout()))
}
