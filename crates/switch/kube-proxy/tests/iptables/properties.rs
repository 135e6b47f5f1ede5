//! What has to hold of any rules that are found, and of any objects that the API sends. `fuzz/` looks for what breaks it, for as
//! long as one likes; here it is held for a while with every run of the tests.

use kube_proxy::iptables::{Features, IptablesSettings, print_changes, words};
use kube_proxy::model::Model;

use crate::restore::Tables;

/// With and without what the rules depend on.
fn all_settings() -> [IptablesSettings; 3] {
    let complete = IptablesSettings {
        cluster_cidr: "10.16.0.0/16".parse().ok(),
        masquerade_all: false,
        masquerade_bit: 14,
        nodeport_addresses: vec![],
        node_ip: Some([192, 168, 50, 1].into()),
        pod_bridge: None,
        features: Features::all(),
    };
    let chosen = "192.168.50.0/24".parse().into_iter().collect();
    let pod_bridge = Some("kube0".to_owned());
    let other = IptablesSettings {
        nodeport_addresses: chosen,
        cluster_cidr: None,
        masquerade_bit: 0,
        pod_bridge,
        ..complete.clone()
    };
    let bare = IptablesSettings { features: Features::NONE, ..complete.clone() };
    [complete, other, bare]
}

fn changes(saved: &str, model: &Model, settings: &IptablesSettings) -> String {
    let mut text = vec![];
    print_changes(saved, model, settings, &mut text).expect("memory takes it");
    String::from_utf8(text).expect("rules are text")
}

/// Whatever is found: what is written then makes it as desired, for which nothing more has to be written, and leaves what is others'.
pub fn whatever_is_found_becomes_as_desired(text: &str, model: &Model) {
    for settings in all_settings() {
        // Of no use, but it must not panic.
        changes(text, model, &settings);
        let before = Tables::of_anything(text);
        let mut after = before.clone();
        let written = changes(&before.save(), model, &settings);
        if let Err(error) = after.restore(&written) {
            panic!("{error}\nin\n{written}\nfor\n{}", before.save());
        }
        let again = changes(&after.save(), model, &settings);
        assert!(again.is_empty(), "{again}\nis still to be written after\n{written}\nfor\n{}", before.save());
        assert_eq!(before.of_others(), after.of_others());
        assert_eq!(before.of_the_system(), after.of_the_system());
    }
}

/// Rules are text that iptables takes, and are read back as what they are.
pub fn rules_are_read_back_as_they_were_rendered(model: &Model) {
    for settings in all_settings() {
        let rules = changes("", model, &settings);
        for line in rules.lines() {
            assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
            assert_eq!(words(line).collect::<Vec<_>>().join(" "), line);
        }
        let mut tables = Tables::empty();
        if let Err(error) = tables.restore(&rules) {
            panic!("{error}\nin\n{rules}");
        }
        let again = changes(&tables.save(), model, &settings);
        assert!(again.is_empty(), "{again}\nis still to be written after\n{rules}");
    }
}
