//! Any packet that is sent to the name service.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/switch/cluster-dns/tests/packets/properties.rs"]
mod properties;

fuzz_target!(|packet: &[u8]| properties::an_answer_fits_its_question(packet));
