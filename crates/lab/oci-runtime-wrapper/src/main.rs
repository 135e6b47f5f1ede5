//! An OCI runtime in front of runc, for hosts that lack some of root's capabilities.
//!
//! Docker gives a privileged container every capability that there is, and runc refuses to start it
//! where the host itself has not got one of them. So:
//!
//! 1. The command line says which file describes the process: the bundle's `config.json` for `create`
//!    and `run`, the argument of `--process` for `exec` ([`request`]).
//! 2. What this host cannot give is taken out of it ([`process`]).
//! 3. runc is run in this program's place, with the same arguments.

mod capabilities;
mod process;
mod request;

use std::{fs, io::Write, os::unix::process::CommandExt, path::Path, process::Command};

use anyhow::{Context, Result};
use serde_json::Value;

fn main() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let error = match prepare(&arguments) {
        Ok(()) => anyhow::Error::from(Command::new("runc").args(&arguments).exec()).context("cannot run runc"),
        Err(error) => error,
    };
    // Whoever started it may not read that.
    let _ = writeln!(std::io::stderr(), "oci-runtime-wrapper: {error:#}");
    std::process::exit(1);
}

fn prepare(arguments: &[std::ffi::OsString]) -> Result<()> {
    let Some(described) = request::described_in(arguments) else { return Ok(()) };
    let file = described.file();
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut description: Value =
        serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    let Some(process) = described.process(&mut description) else { return Ok(()) };
    if process::limit(process, capabilities::of_this_host()?) {
        replace(file, &serde_json::to_vec(&description)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn replace(file: &Path, contents: &[u8]) -> Result<()> {
    let directory = file.parent().context("it is in no directory")?;
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    new.write_all(contents)?;
    new.as_file().set_permissions(fs::metadata(file)?.permissions())?;
    new.persist(file)?;
    Ok(())
}
