//! `cargo xtask`: the table of verbs. Each verb's file has its flags, and turns them into a typed request to a library.
//!
//! Without the features `lab` and `formats`, as `cargo xtask` compiles it, this is what a build needs; the other verbs are
//! handed over to an xtask with more.

#[cfg_attr(feature = "lab", macro_use(print))]
#[macro_use(eprintln, println)]
extern crate common;

#[cfg(feature = "lab")]
mod bench;
mod build;
mod dev;
#[cfg(not(feature = "lab"))]
mod handed_over;
mod interrupt;
#[cfg(feature = "lab")]
mod lab;
mod progress;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[cfg(not(feature = "lab"))]
use self::handed_over::*;
#[cfg(feature = "lab")]
use self::{bench::BenchFlags, lab::*};
use self::{build::*, dev::*};

/// Kubernetes on Arista EOS switches: builds the SWIX, proves it, looks inside it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Xtask {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the SWIX, from pinned sources, into dist/
    BuildSwix(BuildSwix),
    /// Build the first release's SWIX out of git's history, into dist/first-release/
    FirstRelease(FirstRelease),
    /// Bring every source of a release into the cache
    Fetch(Fetch),
    /// Lock what the suites that move have now, and say what changed
    Update(Update),
    /// Say what of the lock files could be updated
    Outdated(Outdated),
    /// Show every step of a build, whether it would run, and why
    Plan(PlanFlags),
    /// Verify a SWIX and list what is inside
    Inspect(Inspect),
    /// Hold what is known of vulnerabilities, and what is said of each, against what a build published
    Audit(Audit),
    /// Say what an upgrade from one SWIX to another brings
    Diff(Diff),
    /// Sign a SWIX as EOS verifies it
    Sign(Sign),
    /// Sign what a build published, for those who get it
    SignDist(SignDist),
    /// Verify what a build published, on any machine
    Verify(Verify),
    /// Run the tests of this project
    Test(TestFlags),
    /// Run the proofs that are too long for CI, and write down what came of them
    ReleaseCheck(ReleaseCheck),
    /// Say what this machine has and lacks for each verb
    Doctor(Doctor),
    /// Make the whole PKI of a cluster here, to carry it to the switches
    Pki(Pki),
    /// Show or trim the build cache
    Cache(CacheFlags),
    /// Check or refresh a component's patches
    Patch(Patch),
    /// Build twice from empty caches in two directories and compare the SWIXes
    Reproduce(Reproduce),
    /// Measure what docs/ claims
    Bench(BenchFlags),
    /// Make the images of a test topology, from Debian's packages alone
    Image(ImageFlags),
    /// Bring up a test topology of containers and handle its devices
    Device(DeviceFlags),
    /// Cut a switch's power at random moments of its boots and count how often it comes back whole
    PowerCuts(PowerCuts),
    /// Write a test topology for another program
    Topo(Topo),
    /// Bring up a topology, install the SWIX on its switches, and play scenarios on the cluster that comes of it
    TopoTest(Box<TopoTest>),
    /// Run upstream's own suite, built from the same source, on a cluster of stand-ins
    Conformance(Box<Conformance>),
    /// Compare our kube-proxy with upstream's: the table of cases, and random Services
    AgainstUpstream(AgainstUpstream),
    /// Let everything around our kube-proxy go wrong, for as long as you like
    Chaos(Chaos),
}

fn main() -> ExitCode {
    common::output::when_not_written(interrupt::not_written);
    interrupt::until_not_written(|| {
        #[cfg(not(feature = "lab"))]
        if handed_over::is_help() {
            return end(handed_over::hand_over());
        }
        end(interrupt::handle().and_then(|()| Xtask::parse().verb.run()))
    })
}

impl Verb {
    fn run(self) -> Result<()> {
        match self {
            Verb::BuildSwix(verb) => verb.run(),
            Verb::FirstRelease(verb) => verb.run(),
            Verb::Fetch(verb) => verb.run(),
            Verb::Update(verb) => verb.run(),
            Verb::Outdated(verb) => verb.run(),
            Verb::Plan(verb) => verb.run(),
            Verb::Inspect(verb) => verb.run(),
            Verb::Audit(verb) => verb.run(),
            Verb::Diff(verb) => verb.run(),
            Verb::Sign(verb) => verb.run(),
            Verb::SignDist(verb) => verb.run(),
            Verb::Verify(verb) => verb.run(),
            Verb::Test(verb) => verb.run(),
            Verb::ReleaseCheck(verb) => verb.run(),
            Verb::Doctor(verb) => verb.run(),
            Verb::Pki(verb) => verb.run(),
            Verb::Cache(verb) => verb.run(),
            Verb::Patch(verb) => verb.run(),
            Verb::Reproduce(verb) => verb.run(),
            Verb::Bench(verb) => verb.run(),
            Verb::Image(verb) => verb.run(),
            Verb::Device(verb) => verb.run(),
            Verb::PowerCuts(verb) => verb.run(),
            Verb::Topo(verb) => verb.run(),
            Verb::TopoTest(verb) => verb.run(),
            Verb::Conformance(verb) => verb.run(),
            Verb::AgainstUpstream(verb) => verb.run(),
            Verb::Chaos(verb) => verb.run(),
        }
    }
}

fn end(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
