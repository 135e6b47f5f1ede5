//! Chains of our own: how one is made as it is desired, asked for from the system's chains once, and taken away, each by one change of its
//! table, so that it has all of its rules at every moment.

use anyhow::Result;

use super::{Family, Tables, says_no_table};

/// A chain of ours, and the system's chains that packets come to it from; none where a chain of ours leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub family: Family,
    pub table: &'static str,
    pub systems: &'static [&'static str],
    pub name: &'static str,
    /// Whether it has to be the first that packets come to there: no two of one system's chain can be.
    pub first: bool,
    /// As iptables-save prints them, behind the chain's name.
    pub rules: Vec<String>,
}

impl Chain {
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Makes the chain so and asks for it first; says whether anything was to be done.
    pub fn ensure(&self) -> Result<bool> {
        let making = self.making(&self.family.save(self.table)?);
        if !making.is_empty() {
            Tables::find(self.family)?.change(self.table, &making)?;
        }
        Ok(!making.is_empty())
    }

    /// Takes the chain away, however often it is asked for. In a table that the kernel lacks there is none.
    pub fn remove(&self) -> Result<()> {
        let saved = match self.family.save(self.table) {
            Err(error) if says_no_table(&format!("{error:#}")) => return Ok(()),
            saved => saved?,
        };
        let removing = self.removing(&saved);
        if removing.is_empty() { Ok(()) } else { Tables::find(self.family)?.change(self.table, &removing) }
    }

    /// What makes the table so that iptables-save printed, as lines for iptables-restore; nothing where it is so.
    pub fn making(&self, saved: &str) -> String {
        let name = self.name;
        let mut lines = String::new();
        if !self.has_its_rules(saved) {
            // A chain that is declared is made, or emptied.
            lines.push_str(&format!(":{name} - [0:0]\n"));
            lines.extend(self.rules.iter().map(|rule| format!("-A {name} {rule}\n")));
        }
        for system in self.systems {
            let jumps = self.jumps(saved, system);
            if jumps > 0 && (!self.first || self.leads(saved, system)) {
                continue;
            }
            // In one change with the jump that is made, so that there is one at every moment.
            lines.push_str(&format!("-D {system} -j {name}\n").repeat(jumps));
            lines.push_str(&format!("-I {system} 1 -j {name}\n"));
        }
        lines
    }

    /// Whether nothing is wrong but that somebody's rule was put before ours, as kubelet and kube-proxy do with theirs.
    pub fn is_behind(&self, saved: &str) -> bool {
        let asked = || self.systems.iter().all(|system| self.jumps(saved, system) > 0);
        self.has_its_rules(saved) && asked() && !self.making(saved).is_empty()
    }

    fn has_its_rules(&self, saved: &str) -> bool {
        let own = format!("-A {} ", self.name);
        self.is_there(saved) && saved.lines().filter_map(|line| line.strip_prefix(&own)).eq(self.rules.iter())
    }

    fn removing(&self, saved: &str) -> String {
        let name = self.name;
        let jumps =
            self.systems.iter().map(|system| format!("-D {system} -j {name}\n").repeat(self.jumps(saved, system)));
        let chain = if self.is_there(saved) { format!("-F {name}\n-X {name}\n") } else { String::new() };
        jumps.collect::<String>() + &chain
    }

    /// `:NAME - [0:0]`
    fn is_there(&self, saved: &str) -> bool {
        saved.lines().filter_map(|line| line.strip_prefix(':')).any(|line| line.split(' ').next() == Some(self.name))
    }

    fn jump(&self, system: &str) -> String {
        format!("-A {system} -j {}", self.name)
    }

    fn jumps(&self, saved: &str, system: &str) -> usize {
        let jump = self.jump(system);
        saved.lines().filter(|line| line.trim_end() == jump).count()
    }

    /// Whether the first rule there is the jump to this chain.
    fn leads(&self, saved: &str, system: &str) -> bool {
        let of_system = format!("-A {system} ");
        saved.lines().find(|line| line.starts_with(&of_system)).is_some_and(|line| line.trim_end() == self.jump(system))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: Chain = Chain {
        family: Family::V4,
        table: "raw",
        systems: &["PREROUTING", "OUTPUT"],
        name: "OURS",
        first: false,
        rules: Vec::new(),
    };

    #[test]
    fn what_stands_is_left_and_what_is_missing_or_another_is_made_at_once() {
        let chain = Chain { rules: vec!["-p udp -j ACCEPT".into(), "-j DROP".into()], ..CHAIN };
        let nothing = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        let rules = "-A OURS -p udp -j ACCEPT\n-A OURS -j DROP\n";
        let jumps = "-I PREROUTING 1 -j OURS\n-I OUTPUT 1 -j OURS\n";
        assert_eq!(chain.making(nothing), format!(":OURS - [0:0]\n{rules}{jumps}"));
        let asked = "-A PREROUTING -j OURS\n-A OUTPUT -j OURS\n";
        let stands = format!("*raw\n:OURS - [0:0]\n{asked}{rules}COMMIT\n");
        assert_eq!(chain.making(&stands), "");
        let without_a_jump = stands.replace("-A OUTPUT -j OURS\n", "");
        assert_eq!(chain.making(&without_a_jump), "-I OUTPUT 1 -j OURS\n");
        let another = stands.replace("-A OURS -j DROP\n", "");
        assert_eq!(chain.making(&another), format!(":OURS - [0:0]\n{rules}"));
        assert_eq!(chain.removing(&stands), "-D PREROUTING -j OURS\n-D OUTPUT -j OURS\n-F OURS\n-X OURS\n");
        assert_eq!(chain.removing(nothing), "");
    }

    #[test]
    fn one_that_has_to_be_first_is_moved_before_what_others_have_put_there() {
        let chain = Chain { first: true, rules: vec!["-j DROP".into()], ..CHAIN };
        let behind = "*raw\n:OURS - [0:0]\n-A PREROUTING -j KUBE-X\n-A PREROUTING -j OURS\n-A OUTPUT -j OURS\n\
                      -A OUTPUT -j KUBE-X\n-A OURS -j DROP\nCOMMIT\n";
        assert_eq!(chain.making(behind), "-D PREROUTING -j OURS\n-I PREROUTING 1 -j OURS\n");
        assert!(chain.is_behind(behind));
        let left = Chain { first: false, ..chain.clone() };
        assert!(left.making(behind).is_empty() && !left.is_behind(behind));
        let first = behind.replace("-A PREROUTING -j KUBE-X\n", "");
        assert!(chain.making(&first).is_empty() && !chain.is_behind(&first));
        for undone in ["-A OURS -j DROP\n", "-A OUTPUT -j OURS\n"] {
            assert!(!chain.is_behind(&behind.replace(undone, "")), "{undone}");
        }
    }

    #[test]
    fn one_that_others_of_ours_lead_to_is_asked_for_by_no_system_s() {
        let inner = Chain { systems: &[], ..CHAIN };
        let nothing = "*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n";
        assert_eq!(inner.making(nothing), ":OURS - [0:0]\n");
        let stands = "*raw\n:OURS - [0:0]\n-A THEIRS -j OURS\nCOMMIT\n";
        assert_eq!((inner.making(stands), inner.removing(stands)), (String::new(), "-F OURS\n-X OURS\n".into()));
    }
}
