//! Makes the whole PKI of a cluster on the switch's architecture: `whole-pki cluster.toml DIRECTORY`. It goes onto no
//! switch; `cargo xtask bench pki` compiles it as it compiles the switch's programs, and times it.

use std::{path::Path, time::SystemTime};

use anyhow::{Context, Result};
use cluster::{Cluster, pki};
use common::files;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(out), None) = (args.next(), args.next(), args.next()) else {
        anyhow::bail!("usage: whole-pki cluster.toml DIRECTORY");
    };
    let cluster = Cluster::parse(&files::read_text(Path::new(&file))?, &file)?;
    pki::whole_cluster(Path::new(&out), &cluster, None, SystemTime::now()).context("cannot make the PKI")?;
    Ok(())
}
