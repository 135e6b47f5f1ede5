//! `cargo xtask`: every verb of the toolkit. Each verb's file turns its arguments into a typed
//! request and calls a library.

mod against_upstream;
mod bench;
mod build_swix;
mod cache;
mod cfssl;
mod chaos;
mod compile_bench;
mod device;
mod doctor;
mod doctor_386;
mod doctor_docker_topo;
mod fetch;
mod figures;
mod first_boot;
mod flags;
mod image;
mod in_docker;
mod inspect;
mod interrupt;
mod kube_proxy_bench;
mod patch;
mod pki;
mod pki_bench;
mod plan;
mod power_cuts;
mod progress;
mod reproduce;
mod session;
mod test;
mod topo;
mod topo_test;
mod topo_test_run;
mod topo_test_watch;

use std::process::ExitCode;

use clap::Parser;
use flags::{Verb, Xtask};

fn main() -> ExitCode {
    let result = match Xtask::parse().verb {
        Verb::BuildSwix(flags) => build_swix::run(flags),
        Verb::Fetch(flags) => fetch::run(flags),
        Verb::Plan(flags) => plan::run(flags),
        Verb::Inspect(flags) => inspect::run(flags),
        Verb::Test(flags) => test::run(flags),
        Verb::Doctor(flags) => doctor::run(flags),
        Verb::Pki(flags) => pki::run(flags),
        Verb::Cache(flags) => cache::run(flags),
        Verb::Patch(flags) => patch::run(flags),
        Verb::Reproduce(flags) => reproduce::run(flags),
        Verb::Bench(flags) => bench::run(flags),
        Verb::Image(flags) => image::run(flags),
        Verb::Device(flags) => device::run(flags),
        Verb::PowerCuts(flags) => power_cuts::run(flags),
        Verb::Topo(flags) => topo::run(flags),
        Verb::TopoTest(flags) => topo_test::run(flags),
        Verb::AgainstUpstream(flags) => against_upstream::run(flags),
        Verb::Chaos(flags) => chaos::run(flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
