//! The rules of the house that a machine can hold: which room may import which, whose licences are allowed, how files begin.

#![allow(clippy::unwrap_used)]

mod files;
mod imports;
mod licences;
mod named_tests;
mod rust_version;
mod tree;
mod workflow;

use std::path::Path;

use cargo_metadata::MetadataCommand;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace")
}

/// What Cargo knows of the workspace. Never with another lock file; without the network where all is there already.
fn metadata() -> MetadataCommand {
    let mut command = MetadataCommand::new();
    command.current_dir(workspace()).other_options(["--locked".to_owned()]);
    command
}
