//! Any objects of the API, to their rules and back.

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

fuzz_target!(|bytes: &[u8]| properties::rules_are_read_back_as_they_were_rendered(&objects::model_of(bytes)));
