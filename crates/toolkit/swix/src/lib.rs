//! What the switch is given, written and read back: programs -> squashfs image -> RPM -> SWIX.
//!
//! - [`elf`]: what an executable is, and whether it is what a switch of an architecture can run
//! - [`tree`]: files, links and directories on their way into an image or a package
//! - [`squashfs`]: the read-only image of the programs
//! - [`rpm`]: the package that carries the image and the few files beside it
//! - [`archive`]: the archive that EOS installs, with its manifest
//! - [`extension`]: our package: its names, its places on the switch, its scriptlets
//! - [`dist`]: where a build publishes, and the newest SWIX there
//! - [`release`]: what an image says about itself, shared by its writer and its reader
//! - [`inspect`](mod@inspect): a SWIX verified to its last byte, and a report of what is in it
//!
//! Everything written is a function of what goes in and of a [`SourceDate`]: the machine, its clock,
//! its users and its number of processors leave no trace.

pub mod archive;
pub mod dist;
pub mod elf;
pub mod extension;
pub mod inspect;
pub mod release;
pub mod rpm;
pub mod squashfs;
pub mod tree;

use serde::{Deserialize, Serialize};

/// The time that everything in a bundle bears, in seconds since 1970: that of the sources, not of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceDate(pub u32);
