//! `[storage]`: where a switch may keep its state.

use serde::{Deserialize, Serialize};

/// What stands under `[storage]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// Whether keys may lie in a directory of a flash that keeps no modes, where the kernel has no ext4.
    pub allow_vfat: bool,
    /// Whether a directory of keys that is on such a flash already goes into the state's file at the next boot.
    pub take_over: bool,
}
