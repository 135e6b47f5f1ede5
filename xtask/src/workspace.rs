//! Where this repository is.

use std::path::PathBuf;

/// This repository's directory.
pub fn workspace() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    // Cargo runs `cargo xtask` wherever the user stands in the repository, and sets this to where it is now.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map_or(xtask, PathBuf::from);
    xtask.parent().map_or(xtask.clone(), PathBuf::from)
}

/// Where what was built is looked for: `$KOE_DIST`, else the dist/ of this repository.
pub fn dist() -> PathBuf {
    std::env::var_os("KOE_DIST").map_or_else(|| workspace().join("dist"), PathBuf::from)
}
