//! The table of what is compared.
//!
//! A case opens what it is about, and is asked from everywhere; what it expects of upstream keeps the suite honest: two
//! worlds in which nothing works would be the same, too.

mod affinity;
mod changes;
mod cluster_ip;
mod common;
mod external;
mod flags;
mod local;
mod udp;

use crate::{
    case::{Case, Group},
    pair::PairSetting,
    world::{BackendMode, IptablesVariant},
};

const CLUSTER_CIDR: &[&str] = &["--cluster-cidr=10.16.0.0/16"];

/// The cases that need no flag but `--cluster-cidr`.
fn main_cases() -> Vec<Case> {
    let parts = [cluster_ip::CASES, external::CASES, affinity::CASES, local::CASES, changes::CASES, udp::CASES];
    cases(&parts.concat())
}

/// The main cases on iptables-legacy or iptables-nft.
pub fn main(iptables: IptablesVariant) -> Group {
    Group {
        name: format!("iptables-{iptables}"),
        setting: PairSetting { iptables, mode: BackendMode::Iptables, flags: CLUSTER_CIDR },
        cases: main_cases(),
    }
}

/// Cases with flags of their own, a group for each set of flags.
pub fn with_flags() -> Vec<Group> {
    let group = |name: &str, flags, list: &[Entry]| {
        let setting = PairSetting { iptables: IptablesVariant::Legacy, mode: BackendMode::Iptables, flags };
        Group { name: name.to_owned(), setting, cases: cases(list) }
    };
    vec![
        group("masquerade-all", &["--masquerade-all", "--cluster-cidr=10.16.0.0/16"], flags::MASQUERADE_ALL),
        group("no cluster-cidr", &[], flags::NO_CLUSTER_CIDR),
        group(
            "nodeport-addresses",
            &["--nodeport-addresses=192.168.50.0/24", "--cluster-cidr=10.16.0.0/16"],
            flags::NODEPORT_ADDRESSES,
        ),
        group("masquerade bit", &["--iptables-masquerade-bit=7", "--cluster-cidr=10.16.0.0/16"], flags::MASQUERADE_BIT),
    ]
}

/// The cases of the userspace mode.
pub fn userspace() -> Group {
    let setting = PairSetting { iptables: IptablesVariant::Legacy, mode: BackendMode::Userspace, flags: CLUSTER_CIDR };
    Group { name: setting.mode.to_string(), setting, cases: cases(flags::USERSPACE) }
}

/// A line of the table.
type Entry = (&'static str, fn(crate::case::Plot) -> Vec<crate::case::Step>);

fn cases(list: &[Entry]) -> Vec<Case> {
    list.iter().map(|(name, steps)| Case { name, steps: *steps }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_sixty_cases_and_no_two_of_a_name_in_a_group() {
        let mut groups = with_flags();
        groups.extend([main(IptablesVariant::Legacy), userspace()]);
        let names: BTreeSet<_> =
            groups.iter().flat_map(|group| group.cases.iter().map(|case| (&group.name, case.name))).collect();
        let count: usize = groups.iter().map(|group| group.cases.len()).sum();
        assert_eq!(names.len(), count);
        assert!(count >= 60, "{count} cases");
    }

    #[test]
    fn every_case_expects_something() {
        let mut groups = with_flags();
        groups.extend([main(IptablesVariant::Legacy), userspace()]);
        for case in groups.iter().flat_map(|group| &group.cases) {
            let expects = |step: &crate::case::Step| {
                !step.expected.is_empty() || !step.flows.is_empty() || !step.health.is_empty()
            };
            assert!((case.steps)(crate::case::Plot(1)).iter().any(expects), "{}", case.name);
        }
    }
}
