//! `doctor`: what this machine has and lacks for each verb, and how to get it.

mod docker_topo;
mod i386;
mod machine;
mod needs;

use anyhow::{Result, bail, ensure};
use clap::Args;

#[cfg(feature = "lab")]
pub use self::i386::runs_linux_386;
use self::{
    machine::Machine,
    needs::{VERBS, Verbs},
};

#[derive(Args)]
pub struct Doctor {
    /// Only what this verb needs, e.g. topo-test, or bench first-boot; fails where something of it is missing
    #[arg(value_name = "VERB", allow_hyphen_values = true)]
    verb: Vec<String>,
}

impl Doctor {
    pub fn run(self) -> Result<()> {
        let machine = Machine::default();
        if !self.verb.is_empty() {
            return only(&self.verb.join(" "), &machine);
        }
        let lacking = VERBS.iter().filter(|verbs| !report(verbs, &machine)).count();
        println!("device with docker-topo in place of the built-in driver (optional):");
        println!("{}", docker_topo::line());
        if lacking > 0 {
            println!(
                "the verbs beside which everything is there work as it is; `cargo xtask doctor VERB` asks for one"
            );
        }
        Ok(())
    }
}

fn only(verb: &str, machine: &Machine) -> Result<()> {
    let known = of(verb);
    if known.is_empty() {
        let all: Vec<&str> = VERBS.iter().flat_map(|verbs| verbs.names).copied().collect();
        bail!("there is no verb {verb:?}: there are {}", all.join(", "));
    }
    let lacking = known.iter().filter(|verbs| !report(verbs, machine)).count();
    ensure!(lacking == 0, "{verb} does not work here before that is mended");
    Ok(())
}

/// Those of that name, or with a subject of that verb's.
fn of(verb: &str) -> Vec<&'static Verbs> {
    let named = |verbs: &&Verbs, is: &dyn Fn(&str) -> bool| verbs.names.iter().any(|name| is(name));
    let exactly: Vec<&Verbs> = VERBS.iter().filter(|verbs| named(verbs, &|name| name == verb)).collect();
    if exactly.is_empty() {
        let subject = |name: &str| name.split_once(' ').is_some_and(|(first, _)| first == verb);
        return VERBS.iter().filter(|verbs| named(verbs, &subject)).collect();
    }
    exactly
}

/// A line for each need; returns whether everything is there.
fn report(verbs: &Verbs, machine: &Machine) -> bool {
    let needs: Vec<_> = verbs.needs().into_iter().map(|need| (need, machine.lacks(need))).collect();
    let all = needs.iter().all(|(_, lacks)| lacks.is_none());
    println!("{}: {}", verbs.names.join(", "), if all { "everything is there" } else { "something is missing" });
    for (need, lacks) in needs {
        match lacks {
            None => println!("  ok      {}", need.text()),
            Some(hint) => println!("  MISSING {}: {hint}", need.text()),
        }
    }
    all
}

/// In a line, why a verb cannot run here, if so.
#[cfg(feature = "lab")]
pub fn obstacle(verb: &str) -> Option<String> {
    let machine = Machine::default();
    let needs = of(verb).into_iter().flat_map(Verbs::needs);
    let missing: Vec<String> = needs.filter(|need| machine.lacks(need).is_some()).map(needs::Need::name).collect();
    (!missing.is_empty())
        .then(|| format!("not there: {}; `cargo xtask doctor {verb}` says how to get it", missing.join(", ")))
}

#[cfg(all(test, feature = "lab"))]
mod tests;
