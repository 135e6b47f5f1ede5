//! `bench first-boot`: how long a switch takes to become a Kubernetes node, against the same services started by hand from
//! certificates that were made before; both at the first boot and at the second. And what memory our daemon takes.

mod memory;
pub(super) mod switch;

use std::{fmt::Write, path::Path, time::Duration};

use anyhow::{Context, Result};
use cluster_test::cluster_file;
use common::files;

use self::{
    memory::EnrolmentMemory,
    switch::{BenchSwitch, Healthy},
};
use super::{
    BenchFlags,
    figures::{Spread, in_turns, machine},
};
use crate::{interrupt, lab::device, workspace::workspace};

/// How often each is timed unless `--rounds` says it.
const ROUNDS: usize = 3;

/// How long the bring-up may go on after the node is Ready.
const END: Duration = Duration::from_secs(60);

/// A first boot and the second one after it.
struct Boots {
    first: Healthy,
    second: Healthy,
    /// Where our time went: the stages of both, with their seconds.
    stages: [Vec<(String, f64)>; 2],
}

/// The first or the second of the two.
type Which = fn(&Boots) -> &Healthy;

pub fn run(flags: &BenchFlags) -> Result<()> {
    // There is a switch to take away.
    interrupt::watch();
    let swix = device::newest_swix()?;
    let rounds = flags.rounds.map_or(ROUNDS, usize::from);
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let [one, three] = ["cluster-one.toml", "cluster.toml"].map(|name| directory.path().join(name));
    for file in [&one, &three] {
        let name = file.file_name().unwrap_or_default();
        files::write_atomically(file, cluster_file::for_lab(&workspace().join("topo").join(name))?)?;
    }

    flags.wait_for_quiet()?;
    let machine = machine();
    println!("memory of the enrolment server, and a first run that is not timed");
    let memory = {
        let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
        let from_here = directory.path().join("cluster.toml");
        // The workers are this machine.
        let text = files::read_text(&three)?.replacen("[join]\n", "[join]\nnat = true\n", 1);
        files::write_atomically(&from_here, text)?;
        let master = BenchSwitch::up(&swix, &from_here)?;
        master.time_first_boot()?;
        memory::of_enrolment_server(&master, &from_here)?
    };
    let made_before = made_before(&swix, &one)?;
    let (ours, by_hand) = in_turns(rounds, || ours(&swix, &one), || by_hand(&swix, &one, made_before.path()))?;

    let text = report(&ours, &by_hand, &memory, &machine)?;
    super::publish("first-boot-figures.md", &text)
}

/// Certificates, kubeconfigs and units, out of a switch that has come up with the same cluster.toml.
fn made_before(swix: &Path, cluster: &Path) -> Result<tempfile::TempDir> {
    let switch = BenchSwitch::up(swix, cluster)?;
    switch.time_first_boot()?;
    switch.run(&["save"])?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    switch.device()?.copy_out("/mnt/flash/by-hand", directory.path())?;
    Ok(directory)
}

fn ours(swix: &Path, cluster: &Path) -> Result<Boots> {
    let switch = BenchSwitch::up(swix, cluster)?;
    let first = switch.time_first_boot()?;
    let first_stages = stages(&switch)?;
    switch.reboot()?;
    let second = switch.time_first_boot()?;
    let boots = Boots { first, second, stages: [first_stages, stages(&switch)?] };
    println!("by the extension: {}", words(&boots));
    Ok(boots)
}

fn by_hand(swix: &Path, cluster: &Path, made_before: &Path) -> Result<Boots> {
    let switch = BenchSwitch::up(swix, cluster)?;
    let device = switch.device()?;
    device.copy_in(&made_before.join("by-hand"), "/mnt/flash")?;
    device.copy_in(&made_before.join("by-hand/k8s"), "/mnt/flash")?;
    let first = switch.time_by_hand()?;
    switch.reboot()?;
    let boots = Boots { first, second: switch.time_by_hand()?, stages: [vec![], vec![]] };
    println!("by hand: {}", words(&boots));
    Ok(boots)
}

fn words(boots: &Boots) -> String {
    format!("first boot {:.1} s, second {:.1} s", boots.first.all().as_secs_f64(), boots.second.all().as_secs_f64())
}

/// Waits for the bring-up's own end, and returns what each of its stages took.
fn stages(switch: &BenchSwitch) -> Result<Vec<(String, f64)>> {
    let status = switch.device()?.wait_until_ready(END)?;
    Ok(status.stages.into_iter().map(|stage| (stage.stage, stage.record.seconds)).collect())
}

fn report(ours: &[Boots], by_hand: &[Boots], memory: &EnrolmentMemory, machine: &str) -> Result<String> {
    let rounds = ours.len();
    let mut text = format!(include_str!("first_boot/head.txt"), rounds = rounds, machine = machine);
    let boots: [(&str, Which, f64); 2] =
        [("first", |boots| &boots.first, 1.25), ("second", |boots| &boots.second, 1.1)];
    for (name, which, desired) in boots {
        let spread = |boots: &[Boots]| {
            let times: Vec<Duration> = boots.iter().map(|boots| which(boots).all()).collect();
            Spread::of(&times).context("no rounds were asked for")
        };
        let (ours, by_hand) = (spread(ours)?, spread(by_hand)?);
        writeln!(text, "| {name} | the extension | {ours} | {:.2} times | {desired} times |", ours.ratio_to(&by_hand))?;
        writeln!(text, "| {name} | hand | {by_hand} | | |")?;
    }
    text += "\n## When what was healthy\n\nMedians, in seconds after the start.\n\n\
             | | first boot | by hand | second boot | by hand |\n| --- | --- | --- | --- | --- |\n";
    for (index, (what, _)) in ours[0].first.steps.iter().enumerate() {
        let median = |boots: &[Boots], which: Which| {
            let times: Vec<Duration> = boots.iter().map(|boots| which(boots).steps[index].1).collect();
            Spread::of(&times).map_or(0.0, |spread| spread.median.as_secs_f64())
        };
        let [first, second] = boots.map(|(_, which, _)| [median(ours, which), median(by_hand, which)]);
        writeln!(text, "| {what} | {:.1} | {:.1} | {:.1} | {:.1} |", first[0], first[1], second[0], second[1])?;
    }
    text += "\n## Where the extension's time went\n\nThe stages of the last run, in seconds.\n\n\
             | stage | first boot | second boot |\n| --- | --- | --- |\n";
    if let Some(last) = ours.last() {
        for ((stage, first), (_, second)) in last.stages[0].iter().zip(&last.stages[1]) {
            writeln!(text, "| {stage} | {first:.2} | {second:.2} |")?;
        }
    }
    let mib = |kib: u64| kib as f64 / 1024.0;
    writeln!(
        text,
        "\n## Memory of the enrolment server\n\nThe one daemon that we add, after {} enrolments: {:.1} MiB resident, {:.1} MiB \
         at most. At most 8 MB are wanted.",
        memory.enrolments,
        mib(memory.now),
        mib(memory.most)
    )?;
    Ok(text)
}
