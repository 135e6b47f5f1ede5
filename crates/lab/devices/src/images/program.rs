//! Programs of this workspace that go into an image: linked statically, because the image's C library is
//! another one, and may be for another architecture than the kernel.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::command::Program;

/// Builds a package's program of the same name for this machine's kernel, and says where it is.
pub fn build(package: &str, workspace: &Path, log: &Path) -> Result<PathBuf> {
    let version = Program::new("rustc", "know this machine's target")?.arg("-vV").read()?;
    let target = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    let directory = target_directory(workspace)?;
    // A directory of its own: other flags would make cargo build everything else again each time.
    let directory = directory.join("static");
    Program::cargo("build a program of the image")?
        .args(["build", "--release", "--locked", "--package", package, "--target", target])
        .arg("--target-dir")
        .arg(&directory)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .dir(workspace)
        .run_logged(log)?;
    Ok(directory.join(target).join("release").join(package))
}

fn target_directory(workspace: &Path) -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => Ok(std::path::absolute(directory)?),
        None => Ok(workspace.join("target")),
    }
}
