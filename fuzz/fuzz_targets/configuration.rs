//! Any text as the file that `--config` names, and as a kubeconfig.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/switch/kube-proxy/tests/files/properties.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::any_file_is_read_or_refused(bytes));
