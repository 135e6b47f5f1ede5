//! What containerlab calls the interfaces: the file's names, where its code takes them.
//!
//! A cEOS' interface is `ethN` or `etN` to containerlab, from 1 on; the management interface of every device is its own
//! business. So EOS' names are written as Linux' are, and what has no such name is refused.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

use super::MANAGEMENT;
use crate::format::{Endpoint, Link, LinkDriver, Model, Topology, TopologyNode};

/// How an interface's name is written for containerlab.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interfaces<'a> {
    topology: &'a Topology,
    /// The bridge that becomes containerlab's management network.
    pub management: Option<&'a Link>,
}

impl<'a> Interfaces<'a> {
    /// Fails where a name is one that containerlab would not take, or that two interfaces of a device would have.
    pub(super) fn of(topology: &'a Topology) -> Result<Self> {
        let management = topology.links.iter().find(|link| is_management(link));
        let all = Interfaces { topology, management };
        let mut seen = BTreeSet::new();
        for (link, end) in all.ends() {
            let name = all.name(link, end)?;
            ensure!(
                seen.insert((&end.device, name.clone())),
                "{} would have two interfaces {name} there: give each a name and a number of its own in the topology",
                end.device
            );
        }
        Ok(all)
    }

    fn ends(&self) -> impl Iterator<Item = (&'a Link, &'a Endpoint)> {
        self.topology.links.iter().flat_map(|link| link.endpoints.iter().map(move |end| (link, end)))
    }

    /// The names that are written otherwise than in the topology.
    pub(super) fn remarks(&self) -> Result<Vec<String>> {
        let mut remarks = Vec::new();
        for (link, end) in self.ends().filter(|(link, _)| Some(*link) != self.management) {
            let name = self.name(link, end)?;
            if name != end.interface {
                remarks.push(format!("{}'s {} is {name} here", end.device, end.interface));
            }
        }
        Ok(remarks)
    }

    pub(super) fn is_on_management(&self, device: &str) -> bool {
        self.management.is_some_and(|link| link.ends_at(device))
    }

    pub(super) fn name(&self, link: &Link, end: &Endpoint) -> Result<String> {
        if Some(link) == self.management {
            return Ok(MANAGEMENT.to_owned());
        }
        let written = end.interface.as_str();
        let model = self.topology.node(&end.device).map(|node| node.model);
        let linux = match model {
            Some(Model::Ceos | Model::Veos) => linux_name(written),
            _ => Some(written.to_owned()),
        };
        let name = match (linux, model) {
            (None, Some(Model::Ceos)) => bail!(
                "{}'s interface {written}: containerlab takes ethN and etN, from 1 on, for a cEOS: call it so in the topology",
                end.device
            ),
            (linux, _) => linux.unwrap_or_else(|| written.to_owned()),
        };
        let its_own = name == MANAGEMENT && (model == Some(Model::Ceos) || self.is_on_management(&end.device));
        ensure!(
            !its_own,
            "{}'s interface {written} on link {}: containerlab gives the management interface itself; it takes the \
             first bridge whose ends are all eth0, and this is none of its ends",
            end.device,
            link.name
        );
        Ok(name)
    }

    /// An end host's addresses, by the interfaces' names there.
    pub(super) fn addresses(&self, node: &TopologyNode) -> Result<Vec<String>> {
        let word = |(inside, address): &(String, String)| {
            let mut ends = self.ends().filter(|(_, end)| end.device == node.name);
            let here = ends.find(|(link, end)| match link.driver {
                LinkDriver::Veth => end.interface == *inside,
                LinkDriver::Bridge | LinkDriver::Macvlan => self.topology.interface_inside(&node.name, link) == *inside,
            });
            let name = here.map_or_else(|| Ok(inside.clone()), |(link, end)| self.name(link, end))?;
            Ok(format!("{name}:{address}"))
        };
        node.addresses.iter().map(word).collect()
    }
}

fn is_management(link: &Link) -> bool {
    let ends = &link.endpoints;
    link.driver == LinkDriver::Bridge && !ends.is_empty() && ends.iter().all(|end| is_management_name(&end.interface))
}

/// Linux' name, and EOS'.
fn is_management_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == MANAGEMENT || ["management", "ma"].iter().any(|word| matches!(name.strip_prefix(word), Some("0" | "1")))
}

/// `Ethernet1` and `Interface-1` are `eth1`; none for what has no number.
fn linux_name(written: &str) -> Option<String> {
    if is_management_name(written) {
        return Some(MANAGEMENT.to_owned());
    }
    let in_number = |c: char| c.is_ascii_digit() || c == '_' || c == '.';
    let number = &written[written.trim_end_matches(in_number).len()..];
    let counts_from_1 = number.starts_with(|c: char| ('1'..='9').contains(&c));
    let fits = written.strip_prefix("eth").or(written.strip_prefix("et")).is_some_and(|rest| {
        rest.starts_with(|c: char| ('1'..='9').contains(&c))
            && rest.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c))
    });
    if fits {
        return Some(written.to_owned());
    }
    counts_from_1.then(|| format!("eth{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eos_names_are_written_as_linux_has_them() {
        for (written, expected) in [
            ("eth1", Some("eth1")),
            ("et10", Some("et10")),
            ("eth1_1", Some("eth1_1")),
            ("Ethernet3", Some("eth3")),
            ("Ethernet4_1", Some("eth4_1")),
            ("Interface-12", Some("eth12")),
            ("Management1", Some("eth0")),
            ("ma1", Some("eth0")),
            ("eth0", Some("eth0")),
            ("Ethernet0", None),
            ("uplink", None),
        ] {
            assert_eq!(linux_name(written).as_deref(), expected, "{written}");
        }
    }
}
