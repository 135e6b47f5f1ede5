//! No other Rust of the workspace spells the places and ports: it imports them.

use contract::{places, ports};

use crate::repository::{Text, found, none_of, texts};

/// Files and directories whose text is their own on purpose.
const ON_PURPOSE: [(&str, &str); 7] = [
    ("crates/switch/contract/", "it is the one place"),
    ("crates/lab/devices/src/lock.rs", "a directory of the machine that the lab runs on"),
    ("crates/lab/devices/tests/down.rs", "the same one"),
    ("crates/switch/cluster/tests/units/rendering.rs", "what a rendered unit has to say, letter by letter"),
    ("crates/switch/api-watch/src/access/server.rs", "an example in what is said of a wrong address"),
    ("crates/toolkit/swix/tests/", "what rpm and a shell see of the package, letter by letter"),
    ("crates/lab/kube-proxy-diff/", "an API server of its own, which is on no switch"),
];

const OURS: [&str; 7] = [
    places::PROGRAMS,
    places::STATE,
    places::CLUSTER_TOML,
    places::RUN,
    places::CNI_STATE,
    "/usr/share/kubernetes-on-eos",
    "/usr/libexec/kubernetes-on-eos",
];

fn rust() -> impl Iterator<Item = Text> {
    let texts = texts(&["crates", "xtask", "fuzz"], |name| name.ends_with(".rs") && !name.contains("/target/"));
    assert!(texts.len() > 300, "only {} files were found: this looks in the wrong places", texts.len());
    texts.into_iter().filter(|text| !ON_PURPOSE.iter().any(|(place, _)| text.name.starts_with(place)))
}

fn is_comment(before: &str) -> bool {
    before.trim_start().starts_with("//")
}

#[test]
fn no_other_rust_spells_a_place() {
    let mut problems = Vec::new();
    for Text { name, text } in rust() {
        for place in OURS {
            for (line, before, _) in found(&text, place) {
                if !is_comment(before) {
                    problems.push(format!("{name}:{line}: {place} is spelled out; take it from contract::places"));
                }
            }
        }
    }
    none_of(&problems);
}

/// Tests may say which port they expect.
#[test]
fn no_other_program_spells_the_ports_of_the_api_server_and_of_enrolment() {
    let mut problems = Vec::new();
    for Text { name, text } in rust().filter(|text| !text.name.contains("/tests")) {
        // Tests stand last, in a module of the same file or of their own.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for port in [ports::API_SERVER, ports::ENROLMENT].map(|port| port.to_string()) {
            for (line, before, _) in found(code, &port) {
                if !is_comment(before) {
                    problems.push(format!("{name}:{line}: {port} is spelled out; take it from contract::ports"));
                }
            }
        }
    }
    none_of(&problems);
}

#[test]
fn what_is_spelled_on_purpose_is_still_there() {
    for (place, _) in ON_PURPOSE {
        assert!(crate::repository::root().join(place).exists(), "{place} is gone: take it off the list");
    }
}
