//! Any text as what `iptables-save` prints.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/switch/kube-proxy/tests/iptables/objects.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod objects;
#[path = "../../crates/switch/kube-proxy/tests/iptables/properties.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod properties;
#[path = "../../crates/switch/kube-proxy/tests/iptables/restore.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod restore;

fuzz_target!(|text: &str| properties::whatever_is_found_becomes_as_desired(text, &objects::sample()));
