//! The `iptables` backend, and what any other backend needs of iptables: finding it, knowing what it can do, writing and reading its rules.

mod error;
mod features;
mod lock;
mod probe;
mod tool;

pub use error::Error;
pub use features::{Feature, Features};
pub use tool::{Table, Tool, Variant};
