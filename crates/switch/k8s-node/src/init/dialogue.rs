//! The questions of `k8s-node init`. An answer that the checks of cluster.toml do not take is asked for again.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, bail};

use super::plan::{Place, Plan};

/// Nobody's: 198.18.0.0/15 is for benchmarks, 192.0.2.0/24 for documentation.
const UNUSED_RANGE: &str = "198.18.0.0/28";
const UNUSED_ADDRESS: &str = "192.0.2.1";

/// `output` is for the person: what the answers make goes elsewhere.
pub fn ask(input: &mut impl BufRead, output: &mut impl Write) -> Result<Plan> {
    let mut plan = Plan::default();
    let (pods, services) = (plan.pod_network.clone(), plan.service_network.clone());
    // So that the usual one of Services is in nobody's way before it is asked for.
    UNUSED_RANGE.clone_into(&mut plan.service_network);
    let mut questions = Questions { input, output };
    questions.ask(&mut plan, "The range of the pods, used nowhere else in your network", &pods, |plan, answer| {
        answer.clone_into(&mut plan.pod_network);
        Ok(())
    })?;
    questions.ask(&mut plan, "The range of Services, used nowhere else either", &services, |plan, answer| {
        answer.clone_into(&mut plan.service_network);
        Ok(())
    })?;
    questions.ask(
        &mut plan,
        "The master, HOSTNAME=ADDRESS, the address of its loopback interface",
        "",
        |plan, answer| {
            plan.master = Some(answer.parse()?);
            Ok(())
        },
    )?;
    questions.ask(&mut plan, "Does the master run pods, too?", "yes", |plan, answer| {
        plan.master_is_worker = match answer.to_ascii_lowercase().as_str() {
            "yes" | "y" => true,
            "no" | "n" => false,
            _ => bail!("yes or no"),
        };
        Ok(())
    })?;
    loop {
        let before = plan.workers.len();
        questions.ask(
            &mut plan,
            "A worker, HOSTNAME=ADDRESS; nothing when there is none left",
            "",
            |plan, answer| {
                if !answer.is_empty() {
                    plan.workers.push(answer.parse()?);
                }
                Ok(())
            },
        )?;
        if plan.workers.len() == before {
            break;
        }
    }
    let memory = plan.eos_memory.clone();
    questions.ask(&mut plan, "Memory of each switch that is for EOS, and not for pods", &memory, |plan, answer| {
        answer.clone_into(&mut plan.eos_memory);
        Ok(())
    })?;
    Ok(plan)
}

struct Questions<'a, Input, Output> {
    input: &'a mut Input,
    output: &'a mut Output,
}

impl<Input: BufRead, Output: Write> Questions<'_, Input, Output> {
    /// Asks until the plan with the answer is one that a cluster can begin with, as far as it goes.
    fn ask(
        &mut self,
        plan: &mut Plan,
        question: &str,
        usual: &str,
        take: impl Fn(&mut Plan, &str) -> Result<()>,
    ) -> Result<()> {
        loop {
            let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
            write!(self.output, "{question}{shown}: ").and_then(|()| self.output.flush()).context("cannot ask")?;
            let mut answer = String::new();
            if self.input.read_line(&mut answer).context("cannot read the answer")? == 0 {
                bail!("the answers ended before all was asked: nothing was written");
            }
            let answer = match answer.trim() {
                "" => usual,
                answer => answer,
            };
            let mut next = plan.clone();
            match take(&mut next, answer).map_err(|error| vec![error.to_string()]).and_then(|()| is_possible(&next)) {
                Ok(()) => {
                    *plan = next;
                    return Ok(());
                }
                Err(reasons) => writeln!(self.output, "  {}", reasons.join("\n  ")).context("cannot ask")?,
            }
        }
    }
}

/// A plan that has no master yet is judged with one that is never in the way.
fn is_possible(plan: &Plan) -> Result<(), Vec<String>> {
    let mut plan = plan.clone();
    plan.master.get_or_insert_with(|| Place { name: "master".into(), address: UNUSED_ADDRESS.into() });
    let text = plan.file().map_err(|error| vec![error.to_string()])?;
    plan.check(&text).map(drop)
}
