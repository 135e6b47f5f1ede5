//! The `iptables` backend, and what any other backend needs of iptables: finding it, knowing what it can do, writing and reading its rules.

mod aside;
mod backend;
mod chain;
mod error;
mod features;
mod hash;
mod layout;
mod limited;
mod print;
mod probe;
mod remove;
mod render;
mod saved;
mod settings;
mod state;
mod sysctl;
mod tool;
mod undisturbed;
mod write;

pub use aside::{Save, is_aside, written_aside};
pub use backend::Iptables;
pub use common::xtables::{Family, Generation, Variant, Watch};
pub use error::IptablesError;
pub use features::{Feature, Features};
pub use print::{print_changes, print_rules};
pub use remove::{clean_up, has_table, remove, remove_from_other_variant};
pub use saved::{Line, target, words};
pub use settings::IptablesSettings;
pub use tool::{Table, Tool};
pub use undisturbed::Undisturbed;
