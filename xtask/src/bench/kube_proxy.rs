//! `bench kube-proxy`: our kube-proxy and upstream's, both as linux/386 programs, against the same API server.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use common::Arch;
use kube_proxy_diff::{
    figures::{self, FiguresRequest, Goal, Row, median},
    programs::Programs,
};
use swix::elf;

use super::{BenchFlags, figures::machine};
use crate::{dev::runs_linux_386, progress};

/// How often each is measured unless `--rounds` says it.
const ROUNDS: usize = 3;

pub fn run(flags: &BenchFlags) -> Result<()> {
    ensure!(runs_linux_386(), "this machine's kernel does not run linux/386 programs: take one that does");
    let dist = swix::dist::directory();
    let programs = Programs::of_dist(&dist)?;
    for program in [&programs.upstream, &programs.ours] {
        elf::require(program, Arch::I386).context("both kube-proxies are measured as linux/386 programs")?;
    }
    let rounds = flags.rounds.map_or(ROUNDS, usize::from);
    let machine = machine();
    let rows = figures::run(&programs, FiguresRequest::whole(rounds), &*progress::for_stderr())?;
    let text = report(&rows, rounds, &machine)?;
    super::publish("kube-proxy-figures.md", &text)
}

fn report(rows: &[Row], rounds: usize, machine: &str) -> Result<String> {
    let mut text = format!(
        "# Figures of the kube-proxy\n\nWritten by `cargo xtask bench kube-proxy --rounds {rounds}`; run it again to repeat them. \
         {machine}. Ours and upstream's 1.20.2, both as linux/386 programs out of the SWIX, against one real API server (etcd and \
         kube-apiserver, of the SWIX, too), each in network namespaces of its own with the same addresses, with the same flags and \
         `--iptables-min-sync-period=0s`; upstream's with `--feature-gates=EndpointSliceProxying=false`, as nobody mirrors \
         Endpoints here. They are measured in turns (A B, B A, …); shown are medians.\n\n\
         When something is programmed is when the kernel's tables changed last before they were found complete: the kernel is \
         asked every millisecond whether they have changed, in the same way for both. Every third endpoint is on the node. \
         Memory is read 5 s after the last change. Processor time is that of the kube-proxy and of all that it ran.\n\n\
         The floor is what this machine takes without any kube-proxy: for creations and changes, a bare `iptables-restore --noflush` of an \
         equivalent change with our tables in place (with iptables-legacy, the kernel takes and gives back the whole table); for a \
         restart, `iptables-save` of both tables and that; for throughput, a thread for each connection that does nothing but splice \
         between the same clients and servers on the node; for new connections, the same clients and servers without anything between.\n\n\
         | what | upstream | ours | of upstream's | desired | met | floor |\n| --- | --- | --- | --- | --- | --- | --- |\n"
    );
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
