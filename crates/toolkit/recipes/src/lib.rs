//! Recipe files (TOML) read into a typed, validated [`Release`]: what is built, from which pinned
//! sources, with which patches and flags, and where it goes in the image.
//!
//! A release is a directory `recipes/<name>/` with a `release.toml` that lists toolchain files and
//! component files. Every file is read strictly: an unknown key, a pin of the wrong form or a patch
//! that is not there is an error with the file, the line and what is expected. No version number of
//! anything stands in the Rust code.
//!
//! What a recipe takes of a suite that moves is in a lock file beside it; [`moving_sources`] are those that have one.

mod check;
mod component;
mod error;
mod lock;
mod moving;
mod origin;
mod parsed;
mod placeholders;
mod release;
mod text;

pub use component::{
    Build, Check, Component, Go, ImageRecipe, Install, LicenceText, Prepare, ProgramRecipe, Rust, Suite, TreeRecipe,
};
pub use error::RecipeError;
pub use lock::LockedPackage;
pub use moving::{MovingSource, moving_sources};
pub use origin::{
    DebianFile, DebianPackage, DebianPackages, DebianSource, Git, Https, Moving, Origin, OriginKind, Source, WhenGone,
};
pub use release::{Release, Toolchain, load, load_toolchain, names};
pub use text::{Commit, Name, RelativePath};
