//! One of the two kube-proxies in its world, and when the tables there are as they should be.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use common::Progress;

use super::{mark::Changes, process, services::Services};
use crate::{
    addresses::{POD_CIDR, Vantage},
    api::Api,
    daemon::Program,
    programs::Programs,
    world::{BackendMode, Implementation, IptablesVariant, World},
};

/// The tables are read when they have not changed for so long. When they changed is known from the kernel, so waiting falsifies nothing.
const QUIET: Duration = Duration::from_millis(300);
/// How long is waited for anything.
const TIMEOUT: Duration = Duration::from_secs(180);
/// A program that has just done something may yet free memory.
const SETTLES: Duration = Duration::from_secs(5);

/// With what it is measured.
pub struct Bench<'a> {
    pub api: &'a Api,
    pub programs: &'a Programs,
    pub rounds: usize,
    pub progress: &'a dyn Progress,
}

/// A kube-proxy in a world of its own.
pub struct Side {
    pub world: World,
    iptables: IptablesVariant,
    program: Program,
}

/// What has to be in the nat table.
pub struct DesiredRules {
    /// These texts.
    pub present: Vec<String>,
    /// And not these.
    pub absent: Vec<String>,
    /// And so many DNAT rules.
    pub destinations: Option<usize>,
}

impl Bench<'_> {
    /// Both, so that each is as often the first as the second.
    pub fn order(round: usize) -> [Implementation; 2] {
        match round % 2 {
            0 => [Implementation::Upstream, Implementation::Ours],
            _ => [Implementation::Ours, Implementation::Upstream],
        }
    }

    /// A world with a kube-proxy that has not been started yet.
    pub fn side(&self, which: Implementation, iptables: IptablesVariant, mode: BackendMode) -> Result<Side> {
        let world = World::new(&format!("{which:?}").to_lowercase(), self.api, iptables)?;
        let flags = [format!("--proxy-mode={mode}"), format!("--cluster-cidr={POD_CIDR}")];
        let program = world.program(which, self.programs, self.api, &flags.each_ref().map(String::as_str));
        Ok(Side { world, iptables, program })
    }
}

impl Side {
    /// Starts it, and returns when.
    pub fn start(&mut self, api: &Api) -> Result<Instant> {
        let moment = Instant::now();
        self.world.start_proxy(&self.program, api)?;
        Ok(moment)
    }

    /// Ends it at once; its rules stay.
    pub fn stop(&mut self) -> Result<()> {
        self.world.proxy()?.kill();
        Ok(())
    }

    pub fn id(&mut self) -> Result<u32> {
        Ok(self.world.proxy()?.id())
    }

    /// Its resident memory once it has settled.
    pub fn resident(&mut self) -> Result<f64> {
        thread::sleep(SETTLES);
        self.world.proxy()?.check()?;
        process::resident(self.id()?)
    }

    /// Watches the tables from now on.
    pub fn changes(&self) -> Result<Changes> {
        Changes::watch(self.world.netns(Vantage::Node)?, self.iptables)
    }

    /// The nat table, read so that a kube-proxy that works is not kept from it.
    pub fn nat(&self) -> Result<String> {
        self.world.run_on_node("nice", &["-n", "19", "iptables-save", "-t", "nat"])
    }

    /// Waits until the tables are as desired, and returns when the change was made that made them so.
    pub fn wait(&mut self, changes: &Changes, desired: &DesiredRules) -> Result<Instant> {
        let began = Instant::now();
        let mut looked_at = 0;
        let mut lacking = "a change of the tables".to_owned();
        loop {
            if let Some((last, count)) = changes.last()
                && count > looked_at
                && last.elapsed() >= QUIET
            {
                let text = self.nat()?;
                match desired.lacking(&text) {
                    None if changes.last() == Some((last, count)) => return Ok(last),
                    // It was complete before or after it changed once more: that is seen at the next look.
                    None => {}
                    Some(what) => {
                        lacking = what;
                        looked_at = count;
                    }
                }
            }
            self.world.proxy()?.check()?;
            if began.elapsed() > TIMEOUT {
                let log = self.world.proxy()?.log_tail();
                bail!("{} lacks {lacking} after {TIMEOUT:?}; its log ends with\n{log}", self.world.name());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it with all Services there, and waits until they are programmed. Returns how long that took.
    pub fn start_with(&mut self, api: &Api, services: Services) -> Result<Duration> {
        let changes = self.changes()?;
        let started = self.start(api)?;
        let programmed = self.wait(&changes, &DesiredRules::all(services))?;
        Ok(programmed.saturating_duration_since(started))
    }
}

impl DesiredRules {
    /// All endpoints, and the last Service.
    pub fn all(services: Services) -> DesiredRules {
        let last = services.count - 1;
        let present = vec![format!("-d {}/32", services.cluster_ip(last)), services.destination(last, 0)];
        DesiredRules { present, absent: vec![], destinations: Some(services.destinations()) }
    }

    /// What a table lacks.
    fn lacking(&self, nat: &str) -> Option<String> {
        if let Some(text) = self.present.iter().find(|text| !has_word(nat, text)) {
            return Some(format!("a rule with {text}"));
        }
        if let Some(text) = self.absent.iter().find(|text| has_word(nat, text)) {
            return Some(format!("the removal of the rule with {text}"));
        }
        let found = nat.matches("--to-destination").count();
        let desired = self.destinations.filter(|desired| *desired != found)?;
        Some(format!("DNAT rules: there are {found}, not {desired}"))
    }
}

/// Whether a text is there that ends where a word does.
fn has_word(all: &str, text: &str) -> bool {
    all.match_indices(text).any(|(at, _)| all[at + text.len()..].starts_with([' ', '\n']))
}

/// The chain that a Service's address leads to, and its rules; as `iptables-save` prints them.
pub fn chain_of(nat: &str, services: Services, index: usize) -> Result<(String, String)> {
    let address = format!("-d {}/32", services.cluster_ip(index));
    let leads = nat.lines().filter(|line| line.starts_with("-A KUBE-SERVICES ") && has_word(line, &address));
    let chain = leads.filter_map(|line| line.split_once("-j KUBE-SVC-")).map(|(_, rest)| rest.trim()).next();
    let chain = format!("KUBE-SVC-{}", chain.context("there is no rule for a Service")?);
    let begin = format!("-A {chain} ");
    let rules = nat.lines().filter(|line| line.starts_with(&begin)).map(|line| format!("{line}\n")).collect();
    Ok((chain, rules))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAT: &str = "*nat\n:KUBE-SVC-AAAA - [0:0]\n\
        -A KUBE-SERVICES -d 10.10.16.10/32 -p tcp -m comment --comment \"x\" -j KUBE-MARK-MASQ\n\
        -A KUBE-SERVICES -d 10.10.16.1/32 -p tcp -j KUBE-SVC-AAAA\n\
        -A KUBE-SVC-AAAA -j DNAT --to-destination 10.64.0.16:8080\nCOMMIT\n";

    #[test]
    fn what_is_wanted_has_to_be_there_and_nothing_else() {
        let desired = |present: &str, absent: &str, destinations| DesiredRules {
            present: vec![present.to_owned()],
            absent: vec![absent.to_owned()],
            destinations: Some(destinations),
        };
        let there = "--to-destination 10.64.0.16:8080";
        assert_eq!(desired(there, "--to-destination 10.64.0.1", 1).lacking(NAT), None);
        assert!(desired("--to-destination 10.64.0.1", "gone", 1).lacking(NAT).unwrap().contains("a rule with"));
        assert!(desired(there, there, 1).lacking(NAT).unwrap().contains("removal"));
        assert!(desired(there, "gone", 2).lacking(NAT).unwrap().contains("there are 1, not 2"));
    }

    #[test]
    fn the_chain_of_a_service_is_found() {
        let services = Services { count: 3, endpoints: 1 };
        let (chain, rules) = chain_of(NAT, services, 1).unwrap();
        assert_eq!(chain, "KUBE-SVC-AAAA");
        assert_eq!(rules, "-A KUBE-SVC-AAAA -j DNAT --to-destination 10.64.0.16:8080\n");
        assert!(chain_of(NAT, services, 2).is_err());
    }
}
