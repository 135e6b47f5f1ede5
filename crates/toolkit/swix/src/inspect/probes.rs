//! The programs of an image, unpacked to a temporary directory and run for their versions.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use common::{Progress, command::Program, files, progress::Unit};
use serde::Serialize;

use crate::{
    release::{Probe, ReleaseInfo},
    squashfs::{Image, Node},
};

/// A probe and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probed {
    pub probe: Probe,
    pub outcome: ProbeOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeOutcome {
    /// It printed the line that is expected.
    AsExpected,
    /// It ran and printed something else.
    Printed { status: String, output: String },
    /// This machine cannot run it.
    NotRun(String),
}

/// Runs every probe of a release. Links of the image have been found to stay inside it before.
pub(super) fn run(image: &Image, release: &ReleaseInfo, progress: &dyn Progress) -> Result<Vec<Probed>> {
    if release.probes.is_empty() {
        return Ok(Vec::new());
    }
    let directory = tempfile::tempdir().context("cannot make a temporary directory to run the programs in")?;
    unpack(image, directory.path())?;
    let task = progress.start("versions", Unit::Items, Some(release.probes.len() as u64));
    let items = image.items()?;
    let probed = release.probes.iter().map(|probe| {
        task.doing(&probe.program);
        let outcome = match items.iter().any(|item| item.path == probe.program) {
            true => ask(directory.path(), probe)?,
            false => ProbeOutcome::NotRun(format!("{} is not in the image", probe.program)),
        };
        task.advance(1);
        Ok(Probed { probe: probe.clone(), outcome })
    });
    probed.collect()
}

fn unpack(image: &Image, directory: &Path) -> Result<()> {
    for item in image.items()? {
        let path = directory.join(&item.path);
        match item.node {
            Node::Directory { .. } => files::create_dir(&path)?,
            Node::Symlink { target } => std::os::unix::fs::symlink(target, &path)
                .with_context(|| format!("cannot make the link {}", path.display()))?,
            Node::File { mode, .. } => {
                files::write_atomically(&path, image.read(&item.path)?)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode.into()))?;
            }
        }
    }
    Ok(())
}

fn ask(directory: &Path, probe: &Probe) -> Result<ProbeOutcome> {
    let program = Program::new(directory.join(&probe.program), "learn its version")?.args(&probe.args).clean_env();
    let mut program = probe.env.iter().fold(program.dir(directory), |program, (name, value)| program.env(name, value));
    let output = match program.output() {
        Ok(output) => output,
        Err(error) => return Ok(ProbeOutcome::NotRun(format!("{error:#}"))),
    };
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() && printed.lines().any(|line| line.trim() == probe.expect) {
        return Ok(ProbeOutcome::AsExpected);
    }
    Ok(ProbeOutcome::Printed { status: output.status.to_string(), output: printed.trim_end().to_owned() })
}
