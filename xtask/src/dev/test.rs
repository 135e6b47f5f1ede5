//! `test`: every test of the project, in the order in which a mistake is found fastest, and a clear
//! word on what had to be skipped.

mod filters;
mod left_out;

use std::{ffi::OsString, fs, path::PathBuf, time::Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, ValueEnum};
use common::command::{Program, find_on_path};

use super::doctor;
use crate::{
    Xtask,
    lab::{Conduct, device, image},
    workspace::{dist, workspace},
};

#[derive(Args)]
pub struct TestFlags {
    /// Only the tests that need no root, no network and no build: --group fast
    #[arg(long)]
    fast: bool,
    /// Only this group; may be given again [default: all]
    #[arg(long, value_name = "GROUP", conflicts_with = "fast")]
    group: Vec<GroupName>,
    /// Fail when something has to be skipped (always so where CI is set)
    #[arg(long)]
    no_skip: bool,
    /// Also the first boots on the stand-in that take long
    #[arg(long, conflicts_with = "fast")]
    long: bool,
    // Of the group first-boot.
    #[command(flatten)]
    conduct: Conduct,
}

/// As .ci/budget has them.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum GroupName {
    /// Formatting, lints, and what needs no root, no network and no build
    Fast,
    /// rpm, openssl, iptables, mounts and more; the SWIX in dist/; our kube-proxy against upstream's
    RealTools,
    /// The SWIX on one stand-in and on three
    FirstBoot,
}

/// Tests that run together, and why they cannot run here, if so.
struct Tests {
    of: GroupName,
    name: &'static str,
    obstacle: Option<String>,
    run: fn(&TestFlags) -> Result<()>,
}

/// What of the suite first-boot is played on one switch, and what on three.
const ON_ONE: [&str; 13] = [
    "components",
    "limits",
    "versions",
    "secrets",
    "rbac",
    "workload",
    "again",
    "kernel",
    "uninstall",
    "clock",
    "damage",
    "full-flash",
    "power-cuts",
];
const ON_THREE: [&str; 4] = ["versions", "pod-network", "workload", "reboot-all"];
const ON_THREE_LONG: [&str; 2] = ["reboot-each", "power-cut-each"];

impl TestFlags {
    pub fn run(self) -> Result<()> {
        let asked = |of: GroupName| match (self.fast, self.group.as_slice()) {
            (true, _) => of == GroupName::Fast,
            (false, groups) => groups.is_empty() || groups.contains(&of),
        };
        ensure!(!self.long || asked(GroupName::FirstBoot), "--long is of the group first-boot, which is not asked for");
        let mut skipped = vec![];
        for tests in self.tests().into_iter().filter(|tests| asked(tests.of)) {
            if let Some(obstacle) = tests.obstacle {
                println!("== {}: skipped: {obstacle}", tests.name);
                skipped.push(tests.name);
                continue;
            }
            println!("== {}", tests.name);
            let began = Instant::now();
            (tests.run)(&self).with_context(|| format!("{} failed", tests.name))?;
            println!("== {}: passed in {:.1} s", tests.name, began.elapsed().as_secs_f64());
        }
        left_out::tell(self.long);
        let no_skip = self.no_skip || std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        match skipped.as_slice() {
            [] => println!("everything passed"),
            names if no_skip => bail!("skipped, which is a failure here: {}", names.join(", ")),
            names => println!("passed, but skipped: {}", names.join(", ")),
        }
        Ok(())
    }

    /// All there are. What nobody has to have is no skipped group where it is absent.
    fn tests(&self) -> Vec<Tests> {
        use GroupName::{Fast, FirstBoot, RealTools};
        let tests = |of, name, obstacle, run| Tests { of, name, obstacle, run };
        let mut all = vec![
            tests(Fast, "formatting", None, |_| cargo("fmt --all --check")),
            tests(Fast, "lints", None, |_| {
                cargo("clippy --workspace --all-targets --quiet -- -D warnings")?;
                // As `cargo xtask` compiles it.
                cargo("clippy --package xtask --no-default-features --quiet -- -D warnings")
            }),
            tests(Fast, "fast tests", None, |_| cargo("test --workspace --quiet")),
            // Compiled as a project of its own, with its lock file; to run them takes cargo-fuzz.
            tests(Fast, "fuzz targets", None, |_| {
                cargo(
                    "clippy --manifest-path fuzz/Cargo.toml --target-dir target --locked --no-default-features --quiet -- -D warnings",
                )
            }),
            tests(RealTools, "scripts", no_shellcheck(), |_| scripts()),
            // Tests marked `#[ignore]` are those that need root, the network or real tools.
            tests(RealTools, "tests with the real tools", real_tools(), |_| {
                cargo(
                    "test --workspace --exclude kube-proxy-diff --quiet -- --ignored --skip swix_in_dist --skip drivers:: --skip containerlab_s_schema --skip power_cuts::",
                )
            }),
        ];
        if left_out::has_docker_topo() {
            // Its tests and nothing else's have this name.
            all.push(tests(RealTools, "the built-in driver against docker-topo", real_tools(), |_| {
                cargo_with_images("test --package devices --quiet -- --ignored --test-threads=1 drivers::")
            }));
        }
        if left_out::has_containerlab_s_schema() {
            all.push(tests(RealTools, "containerlab's schema", None, |_| {
                cargo("test --package topology --quiet -- --ignored containerlab_s_schema")
            }));
        }
        all.extend([
            tests(RealTools, "tests of the SWIX in dist/", no_swix(), |_| {
                cargo("test --workspace --quiet -- --ignored swix_in_dist")
            }),
            // Both in worlds of network namespaces, one test after another.
            tests(RealTools, "kube-proxy against upstream's", no_swix(), |_| {
                cargo("test --package kube-proxy-diff --quiet -- --ignored --test-threads=1")
            }),
            tests(FirstBoot, "first boots of one switch", no_swix(), |flags| {
                flags.first_boots("one.yml", "cluster-one.toml", &ON_ONE)
            }),
            tests(FirstBoot, "first boots of three switches", no_swix(), |flags| {
                let long = if flags.long { &ON_THREE_LONG[..] } else { &[] };
                flags.first_boots("k8s.yml", "cluster.toml", &[&ON_THREE, long].concat())
            }),
        ]);
        all
    }

    /// Plays scenarios of the suite first-boot, and leaves a report beside that of topo-test.
    fn first_boots(&self, topology: &str, cluster: &str, scenarios: &[&str]) -> Result<()> {
        let topo = workspace().join("topo");
        let words = ["cargo xtask", "topo-test", "--suite", "first-boot", "--prefix", "first", "--topology"];
        let report = format!("dist/first-boot-{}", topology.trim_end_matches(".yml"));
        let files =
            [topo.join(topology), "--cluster".into(), topo.join(cluster), "--report".into(), workspace().join(report)];
        // One that is asked for and left out would be refused.
        let wanted = scenarios.iter().filter(|name| !self.conduct.skip.iter().any(|skipped| skipped == *name));
        ensure!(wanted.clone().next().is_some(), "--skip leaves nothing of {}", scenarios.join(", "));
        let named = wanted.flat_map(|name| ["--scenario", name]).map(OsString::from);
        let words = words.map(OsString::from).into_iter().chain(files.map(OsString::from)).chain(named);
        Xtask::parse_from(words.chain(self.conduct.words().into_iter().map(OsString::from))).verb.run()
    }
}

fn cargo(words: &str) -> Result<()> {
    filters::check(words)?;
    command(words)?.run_shown()
}

/// Cargo, as from a shell.
fn command(words: &str) -> Result<Program> {
    let cargo =
        Program::cargo("run what is to be tried")?.dir(&workspace()).env("KOE_DIST", std::path::absolute(dist())?);
    Ok(cargo.args(words.split(' ')))
}

/// How a shell script begins, also one that is a part of something else.
const SCRIPT: [&[u8]; 3] = [b"#!/bin/sh", b"#!/usr/bin/env bash", b"# shellcheck shell="];

/// Every shell script of the repository.
fn scripts() -> Result<()> {
    let git = Program::new("git", "find the scripts")?.dir(&workspace());
    let listed = git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).read()?;
    let scripts: Vec<PathBuf> = listed
        .lines()
        .map(|name| workspace().join(name))
        .filter(|path| fs::read(path).is_ok_and(|text| SCRIPT.iter().any(|first| text.starts_with(first))))
        .collect();
    Program::new("shellcheck", "read the scripts")?.args(scripts).run_shown()
}

/// Labs run one after another: each takes the whole machine.
fn cargo_with_images(words: &str) -> Result<()> {
    image::make_all()?;
    cargo(words)
}

fn real_tools() -> Option<String> {
    doctor::obstacle("test")
}

fn no_shellcheck() -> Option<String> {
    find_on_path("shellcheck").is_none().then(|| "shellcheck is not on PATH: apt-get install shellcheck".to_owned())
}

fn no_swix() -> Option<String> {
    match device::newest_swix() {
        Ok(_) => real_tools(),
        Err(none) => Some(none.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cluster_test::Suite;

    use super::*;

    #[test]
    fn every_scenario_of_a_first_boot_is_played_on_one_switch_or_on_three() {
        let suite = Suite::named("first-boot").unwrap();
        let played = [&ON_ONE[..], &ON_THREE, &ON_THREE_LONG].concat();
        let played: Vec<String> = played.iter().map(|name| (*name).to_owned()).collect();
        let names: BTreeSet<&str> = suite.scenarios.iter().map(|scenario| scenario.name).collect();
        let selected = suite.select(&played).unwrap();
        assert_eq!(selected.iter().map(|scenario| scenario.name).collect::<BTreeSet<_>>(), names);
    }
}
