//! What is packed in a program of its own, `swix-pack`: an order is read from a file, and what is done is said on standard
//! output, a [`Report`] a line. So the formats' crates need not be compiled before a build begins; `swix-pack` is compiled
//! while Go is at work.

#[cfg(feature = "formats")]
mod execute;
#[cfg(feature = "formats")]
mod reporter;

use std::path::PathBuf;

use common::{Arch, progress::Unit};
use serde::{Deserialize, Serialize};

use crate::{SourceDate, tree::Entry};

#[cfg(feature = "formats")]
pub use self::{execute::execute, reporter::Reporter};

/// One thing to pack.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The squashfs image of the programs. Compressed blocks are kept in `kept`.
    Image { entries: Vec<Entry>, to: PathBuf, date: SourceDate, kept: Option<PathBuf> },
    /// The RPM around the image, under its own name in a directory. The rest is the repository's rootfs/.
    Package {
        version: String,
        /// RPM's release.
        release: String,
        arch: Arch,
        /// SPDX expression of everything in it.
        license: String,
        image: PathBuf,
        rootfs: PathBuf,
        directory: PathBuf,
        date: SourceDate,
    },
    /// The SWIX around the RPM, read back: its programs are run, too.
    Swix { rpm: PathBuf, to: PathBuf },
}

/// What happens meanwhile, as [`common::Progress`] has it; a task lasts until the next begins.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    Begins { name: String, unit: Unit, total: Option<u64> },
    Total(u64),
    Advanced(u64),
    Doing(String),
    Note(String),
}
