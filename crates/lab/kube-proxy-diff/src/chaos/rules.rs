//! Whether a node's rules are those that are desired: texts compared, chain by chain.

use std::collections::BTreeMap;

use crate::world::is_kubelets;

/// The rules of each chain, by table and name.
type Chains = BTreeMap<(String, String), Vec<String>>;

/// What is not as it should be. `desired` is what `--print-rules` prints, `found` is `iptables-save`'s. In the kernel's own chains there
/// may be other rules, too; of chains whose name begins with `KUBE-` there may be no other ones, save kubelet's.
pub fn differences(desired: &str, found: &str) -> Vec<String> {
    let (desired, found) = (chains(desired), chains(found));
    let mut differences = vec![];
    for ((table, chain), rules) in &desired {
        let Some(there) = found.get(&(table.clone(), chain.clone())) else {
            differences.push(format!("{table}: there is no chain {chain}"));
            continue;
        };
        let as_desired =
            if chain.starts_with("KUBE-") { there == rules } else { rules.iter().all(|rule| there.contains(rule)) };
        if !as_desired {
            differences.push(format!(
                "{table}: {chain} has\n  {}\ninstead of\n  {}",
                there.join("\n  "),
                rules.join("\n  ")
            ));
        }
    }
    let is_ours = |chain: &str| chain.starts_with("KUBE-") && !is_kubelets(chain);
    let unwanted = found.keys().filter(|key| is_ours(&key.1) && !desired.contains_key(*key));
    differences.extend(unwanted.map(|(table, chain)| format!("{table}: {chain} should not be there")));
    differences
}

fn chains(text: &str) -> Chains {
    let mut chains = Chains::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.to_owned();
        } else if let Some(chain) = line.strip_prefix(':').and_then(|line| line.split(' ').next()) {
            chains.entry((table.clone(), chain.to_owned())).or_default();
        } else if let Some(rule) = line.strip_prefix("-A ").or(line.strip_prefix("-I ")) {
            let (chain, rest) = rule.split_once(' ').unwrap_or((rule, ""));
            chains.entry((table.clone(), chain.to_owned())).or_default().push(rest.to_owned());
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESIRED: &str = "*nat\n:KUBE-A - [0:0]\n-A PREROUTING -j KUBE-A\n-A KUBE-A -j RETURN\nCOMMIT\n";

    #[test]
    fn rules_of_others_in_the_kernel_s_chains_do_not_matter() {
        let found = "*nat\n:PREROUTING ACCEPT [1:2]\n:KUBE-A - [0:0]\n-A PREROUTING -j DOCKER\n-A PREROUTING -j KUBE-A\n\
                     -A KUBE-A -j RETURN\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";
        assert_eq!(differences(DESIRED, found), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_too_much_or_elsewhere_is_told() {
        for (found, expected) in [
            ("*nat\n:PREROUTING ACCEPT\n:KUBE-A - \n-A KUBE-A -j RETURN\nCOMMIT\n", "PREROUTING has"),
            ("*nat\n:PREROUTING ACCEPT\n-A PREROUTING -j KUBE-A\nCOMMIT\n", "no chain KUBE-A"),
            (
                "*nat\n:KUBE-A -\n-A PREROUTING -j KUBE-A\n-A KUBE-A -j RETURN\n-A KUBE-A -j DROP\nCOMMIT\n",
                "KUBE-A has",
            ),
            ("*nat\n:KUBE-B -\n:KUBE-A -\n-A PREROUTING -j KUBE-A\n-A KUBE-A -j RETURN\nCOMMIT\n", "KUBE-B should not"),
            (
                "*filter\n:KUBE-A -\n-A PREROUTING -j KUBE-A\n-A KUBE-A -j RETURN\nCOMMIT\n",
                "nat: there is no chain KUBE-A",
            ),
        ] {
            let differences = differences(DESIRED, found).join("\n");
            assert!(differences.contains(expected), "{differences}");
        }
    }
}
