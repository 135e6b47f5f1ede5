//! `chaos`: everything around our kube-proxy goes wrong, and how long it takes each time until all is right again is counted.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use kube_proxy_diff::{
    api::Api,
    chaos::{self, ChaosRequest, LIMIT, Report},
    world::{BackendMode, IptablesVariant},
};

use super::{programs, word};
use crate::{progress, workspace::dist};

#[derive(Args)]
pub struct Chaos {
    /// How long, e.g. 10m; every disturbance comes at least once
    #[arg(long = "for", value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub duration: Duration,
    /// Take the course of an earlier run [default: another each time]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// The kind of iptables: legacy or nft
    #[arg(long, value_name = "KIND", default_value = "legacy", value_parser = word::<IptablesVariant>)]
    pub iptables: IptablesVariant,
    /// How the kube-proxy proxies: iptables or userspace
    #[arg(long, default_value = "iptables", value_parser = word::<BackendMode>)]
    pub mode: BackendMode,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a number with its unit, e.g. 90s, 10m or 1h".to_owned())
}

impl Chaos {
    pub fn run(self) -> Result<()> {
        let seed = self.seed.unwrap_or_else(|| fastrand::u32(..).into());
        println!("seed {seed}");
        let programs = programs(&dist())?;
        let mut api = Api::start(&programs)?;
        let Chaos { iptables, mode, duration: at_least, .. } = self;
        let request = ChaosRequest { iptables, mode, seed, at_least, limit: LIMIT };
        let report = chaos::run(&request, &mut api, &programs, &*progress::for_stderr())?;
        print(&report);
        let faults = report.faults();
        faults.iter().for_each(|fault| println!("{fault}"));
        if !faults.is_empty() {
            bail!("{} faults; the seed was {seed}", faults.len());
        }
        Ok(())
    }
}

/// A row for each disturbance: how often there was one, and how long it took until the state was right again.
fn print(report: &Report) {
    println!("{:24} {:>6} {:>12} {:>10}", "disturbance", "times", "median", "slowest");
    for (disturbance, times) in report.by_disturbance() {
        let seconds =
            |time: Option<&Duration>| time.map_or("-".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()));
        let (median, slowest) = (seconds(times.get(times.len() / 2)), seconds(times.last()));
        println!("{:24} {:6} {median:>12} {slowest:>10}", disturbance.to_string(), times.len());
    }
    println!(
        "{} objects written, {} questions answered on the open connections, {} of these broke",
        report.changes,
        report.answers,
        report.broken.len()
    );
}
