//! `against-upstream`: our kube-proxy and upstream's, given the same Services, have to give the same answers.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use common::Progress;
use kube_proxy_diff::{
    api::Api,
    case::{self, Group},
    cases, differences,
    programs::Programs,
    random::{self, By, RandomPlan},
    world::IptablesVariant,
};

use super::{programs, word};
use crate::{progress, workspace::dist};

#[derive(Args)]
pub struct AgainstUpstream {
    /// How many random states to compare by simulating the rules, on each kind of iptables
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub states: usize,
    /// How many random states to compare by real packets, too, on each kind of iptables
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub packets: usize,
    /// Take the random states of an earlier run [default: others each time]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Only this kind of iptables: legacy or nft [default: both]
    #[arg(long, value_name = "KIND", value_parser = word::<IptablesVariant>)]
    pub iptables: Option<IptablesVariant>,
    /// Leave out the table of cases
    #[arg(long)]
    pub no_cases: bool,
}

/// How many of the states that differ are shown.
const SHOWN: usize = 5;

impl AgainstUpstream {
    pub fn run(self) -> Result<()> {
        let programs = programs(&dist())?;
        let api = Api::start(&programs)?;
        let progress = progress::for_stderr();
        let seed = self.seed.unwrap_or_else(|| fastrand::u32(..).into());
        println!("different on purpose:");
        for one in differences::REASONED {
            println!("  {}, as {}", one.what, one.why);
        }
        let kinds = match self.iptables {
            Some(kind) => vec![kind],
            None => vec![IptablesVariant::Legacy, IptablesVariant::Nft],
        };
        let mut differing = 0;
        if !self.no_cases {
            let mut groups: Vec<Group> = kinds.iter().map(|kind| cases::main(*kind)).collect();
            groups.extend(cases::with_flags());
            groups.push(cases::userspace());
            differing += compare_cases(&groups, &api, &programs, &*progress)?;
        }
        for iptables in kinds {
            for (states, by) in [(self.states, By::Simulation), (self.packets, By::Packets)] {
                differing += compare_states(RandomPlan { seed, states, by }, iptables, &api, &programs, &*progress)?;
            }
        }
        if differing > 0 {
            bail!("the two differ in {differing} places; the seed was {seed}");
        }
        Ok(())
    }
}

/// Returns how many findings there are.
fn compare_cases(groups: &[Group], api: &Api, programs: &Programs, progress: &dyn Progress) -> Result<usize> {
    let mut found = 0;
    for group in groups {
        let began = Instant::now();
        let findings = case::run(group, api, programs, progress)?;
        let took = began.elapsed().as_secs_f64();
        println!("{}: {} cases, {} findings, {took:.0} s", group.name, group.cases.len(), findings.len());
        findings.iter().for_each(|finding| println!("  {finding}"));
        found += findings.len();
    }
    Ok(found)
}

/// Returns how many states differ.
fn compare_states(
    plan: RandomPlan,
    iptables: IptablesVariant,
    api: &Api,
    programs: &Programs,
    progress: &dyn Progress,
) -> Result<usize> {
    if plan.states == 0 {
        return Ok(0);
    }
    let began = Instant::now();
    let divergences = random::states(plan, cases::main(iptables).setting, api, programs, progress)?;
    let how = match plan.by {
        By::Simulation => "simulated",
        By::Packets => "simulated and asked with real packets",
    };
    println!(
        "{iptables:?}: {} random states from seed {}, {how}: {} differ, {:.0} s",
        plan.states,
        plan.seed,
        divergences.len(),
        began.elapsed().as_secs_f64()
    );
    divergences.iter().take(SHOWN).for_each(|divergence| print!("{divergence}"));
    Ok(divergences.len())
}
