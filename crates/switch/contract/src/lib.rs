//! What the switch, the toolkit that packs its extension, and the tests all know. Each of it is written here and nowhere else.
//!
//! - [`Build`]: which build a SWIX is of
//! - [`dns`]: the Service that stands for the cluster's names
//! - [`metrics`]: who the metrics server is, and by which objects the API server knows it
//! - [`places`]: the directories and files on a switch
//! - [`ports`]: what listens where
//! - [`services`]: the extension's name, the units and the services
//! - [`Stage`]: the stages of the bootstrap, in order
//! - [`Credential`]: the keys and certificates, and the names of their files
//! - [`status`]: what `k8s-node status --json` prints
//!
//! It imports no crate of the workspace, so that `toolkit`, `switch` and `lab` may all import it, and it goes into the programs on the
//! switch, so that it needs serde alone. Scripts, units and recipes cannot import it: `tests/` holds them against it.

/// Constants, and a list of them all for the tests to compare with, so that none can be left out.
macro_rules! constants {
    ($kind:ty: $($(#[$doc:meta])* $name:ident = $value:expr;)+) => {
        $($(#[$doc])* pub const $name: $kind = $value;)+

        /// Everything above.
        pub const ALL: &[$kind] = &[$($name),+];
    };
}

mod build;
mod credential;
pub mod dns;
pub mod metrics;
pub mod places;
pub mod ports;
pub mod services;
mod stage;
pub mod status;

pub use build::Build;
pub use credential::Credential;
pub use stage::{Stage, Who};
