//! Every port in a script or unit is one that the contract names.

use contract::ports;

use crate::repository::{Text, found, no_rust, none_of};

/// What stands before a port.
const BEFORE: [&str; 6] = ["127.0.0.1:", "0.0.0.0:", "localhost:", "port=", "--dport ", "[::]:"];

#[test]
fn every_port_in_scripts_and_units_is_one_that_the_contract_names() {
    let (mut seen, mut ranges) = (0, 0);
    let mut problems = Vec::new();
    for Text { name, text } in no_rust() {
        for before in BEFORE {
            for (line, _, behind) in found(&text, before) {
                let digits = behind.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
                let Ok(port) = digits.parse::<u16>() else { continue };
                seen += 1;
                // 0 is "none".
                if port != 0 && name.starts_with("recipes/") {
                    problems.push(format!("{name}:{line}: {port} is spelled out; take it from the template's `ports`"));
                } else if port != 0 && !ports::ALL.contains(&port) {
                    problems.push(format!(
                        "{name}:{line}: {port} is no port that contract::ports names; correct it, or name it there"
                    ));
                }
            }
        }
        let (first, last) = ports::NODE_PORTS;
        for (line, _, behind) in found(&text, "--service-node-port-range=") {
            ranges += 1;
            if !behind.starts_with(&format!("{first}-{last} ")) {
                problems
                    .push(format!("{name}:{line}: these are not contract::ports::NODE_PORTS; make the two the same"));
            }
        }
    }
    none_of(&problems);
    assert!(seen > 5 && ranges > 0, "only {seen} ports and {ranges} ranges were found: this looks in the wrong places");
}
