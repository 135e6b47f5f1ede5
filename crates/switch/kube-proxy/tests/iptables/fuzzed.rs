//! The [`properties`](crate::properties), held for a while: with the texts in `fuzz/seeds`, and with what proptest makes up.

use std::path::Path;

use proptest::prelude::*;

use crate::objects::{model_of, sample};
use crate::properties::{rules_are_read_back_as_they_were_rendered, whatever_is_found_becomes_as_desired};

/// What stands in rules, so that what is made up of it is not far from some.
const WORDS: [&str; 24] = [
    "*nat",
    "*filter",
    "COMMIT",
    "\n",
    ":",
    "-A ",
    " - [0:0]",
    "-j ",
    " -g",
    "\"",
    "\\",
    "KUBE-SERVICES",
    "KUBE-NODEPORTS",
    "KUBE-MARK-MASQ",
    "KUBE-SVC-NPX46M4PTMTKRN6Y",
    "KUBE-SEP-",
    "KUBE-PORTALS-HOST",
    "KUBE-PROXY-CANARY",
    "KUBE-FIREWALL",
    "PREROUTING ",
    "INPUT ",
    "FORWARD ",
    "DOCKER ",
    "-m comment --comment ",
];

fn saved() -> impl Strategy<Value = String> {
    let word = prop_oneof![9 => proptest::sample::select(WORDS.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
    proptest::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

/// Lines that could be in `iptables-save`'s output: chains first, then rules of these.
fn saved_lines() -> impl Strategy<Value = String> {
    let chain = proptest::sample::select(WORDS[11..23].to_vec());
    let chains = proptest::collection::vec(chain.clone(), 0..12);
    let rules = proptest::collection::vec((chain.clone(), chain), 0..20);
    let table = (chains, rules).prop_map(|(chains, rules)| {
        let declared = chains.iter().map(|name| format!(":{} - [0:0]\n", name.trim()));
        let rules = rules.iter().map(|(chain, to)| format!("-A {} -p tcp -j {}\n", chain.trim(), to.trim()));
        declared.chain(rules).collect::<String>()
    });
    (table.clone(), table).prop_map(|(nat, filter)| format!("*nat\n{nat}COMMIT\n*filter\n{filter}COMMIT\n"))
}

#[test]
fn rules_that_were_found_somewhere_become_as_desired() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/seeds/saved_rules");
    let mut count = 0;
    for entry in directory.read_dir().unwrap() {
        whatever_is_found_becomes_as_desired(&std::fs::read_to_string(entry.unwrap().path()).unwrap(), &sample());
        count += 1;
    }
    assert!(count >= 5, "{count} texts in {}", directory.display());
}

#[test]
fn rules_of_the_sample_are_read_back() {
    rules_are_read_back_as_they_were_rendered(&sample());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_becomes_as_desired(text in prop_oneof![saved(), saved_lines()]) {
        whatever_is_found_becomes_as_desired(&text, &sample());
    }

    #[test]
    fn any_objects_are_rendered_and_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        rules_are_read_back_as_they_were_rendered(&model_of(&bytes));
    }

    #[test]
    fn rules_of_any_objects_become_those_of_others(before in proptest::collection::vec(any::<u8>(), 0..1500), after in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let mut found = vec![];
        let settings = crate::states::settings();
        kube_proxy::iptables::print_rules(&model_of(&before), &settings, &mut found).unwrap();
        let mut tables = crate::restore::Tables::empty();
        tables.restore(&String::from_utf8(found).unwrap()).map_err(TestCaseError::fail)?;
        whatever_is_found_becomes_as_desired(&tables.save(), &model_of(&after));
    }
}
