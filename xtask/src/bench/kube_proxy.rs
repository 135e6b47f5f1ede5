//! `bench kube-proxy`: our kube-proxy and upstream's, both as linux/386 programs, against the same API server.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use common::Arch;
use kube_proxy_diff::figures::{self, FiguresRequest, Goal, Row, median};
use swix::elf;

use super::{BenchFlags, figures::machine};
use crate::{dev::runs_linux_386, lab::programs, progress};

/// How often each is measured unless `--rounds` says it.
const ROUNDS: usize = 3;

pub fn run(flags: &BenchFlags) -> Result<()> {
    ensure!(runs_linux_386(), "this machine's kernel does not run linux/386 programs: take one that does");
    let dist = swix::dist::directory();
    let programs = programs(&dist)?;
    for program in [&programs.upstream, &programs.ours] {
        elf::require(program, Arch::I386).context("both kube-proxies are measured as linux/386 programs")?;
    }
    let rounds = flags.rounds.map_or(ROUNDS, usize::from);
    flags.wait_for_quiet()?;
    let machine = machine();
    let rows = figures::run(&programs, FiguresRequest::whole(rounds), &*progress::for_stderr())?;
    let text = report(&rows, rounds, &machine)?;
    super::publish("kube-proxy-figures.md", &text)
}

fn report(rows: &[Row], rounds: usize, machine: &str) -> Result<String> {
    let mut text = format!(include_str!("kube_proxy.txt"), rounds = rounds, machine = machine);
    for row in rows {
        let show = |samples: &[f64]| median(samples).map(|amount| row.unit.show(amount)).unwrap_or_default();
        let ratio = row.ratio().map(|ratio| format!("{ratio:.3} times")).unwrap_or_default();
        let desired = match row.desired {
            Goal::AtMost(most) => format!("at most {}", row.unit.show(most)),
            other => other.to_string(),
        };
        let met = row.is_met().map_or("", |met| if met { "yes" } else { "no" });
        let (upstream, ours, floor) = (show(&row.upstream), show(&row.ours), show(&row.floor));
        writeln!(text, "| {} | {upstream} | {ours} | {ratio} | {desired} | {met} | {floor} |", row.what)?;
    }
    Ok(text)
}
