//! A container image of one static program, as the archive that `docker load` takes (docker-archive:
//! `manifest.json`, a configuration and one layer), made without a Docker engine.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use common::{Sha256, files};
use serde_json::json;

use crate::{date::rfc3339, step::ContainerImage, work::Job};

/// Where the archive is in the step's output.
pub(crate) const ARCHIVE: &str = "image.tar";

/// Who the program runs as: no user of any system.
const NOBODY: &str = "65535:65535";

pub(crate) fn run(job: &Job, work: &ContainerImage) -> Result<()> {
    let program = job.need(&work.built_by)?.join(&work.program);
    let archive = archive(&program, work)?;
    files::write_atomically(&job.out().join(ARCHIVE), archive)
}

fn archive(program: &Path, work: &ContainerImage) -> Result<Vec<u8>> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let layer = tar_of(&[(work.program.as_str(), 0o755, &bytes)], work.source_date)?;
    let layer_digest = Sha256::of_bytes(&layer);
    let created = rfc3339(work.source_date);
    let config = serde_json::to_vec(&json!({
        "architecture": work.arch.goarch(),
        "config": { "Entrypoint": [format!("/{}", work.program)], "User": NOBODY },
        "created": created,
        "history": [{ "created": created, "created_by": "kubernetes-on-eos" }],
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
    }))?;
    let config_name = format!("{}.json", Sha256::of_bytes(&config));
    let layer_name = format!("{layer_digest}/layer.tar");
    let manifest =
        serde_json::to_vec(&json!([{ "Config": config_name, "RepoTags": [work.tag], "Layers": [layer_name] }]))?;
    tar_of(
        &[(&layer_name, 0o644, &layer), (&config_name, 0o644, &config), ("manifest.json", 0o644, &manifest)],
        work.source_date,
    )
}

/// A tar archive with nothing in it that depends on this machine.
fn tar_of(files: &[(&str, u32, &[u8])], source_date: u32) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(source_date.into());
        archive.append_data(&mut header, name, *bytes)?;
    }
    Ok(archive.into_inner()?)
}
