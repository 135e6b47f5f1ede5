//! `inspect`: verifies a SWIX and lists what is inside.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use indicatif::HumanBytes;
use swix::inspect::{ImageKind, Inspection, ProbeOutcome, Probes, inspect};

use crate::progress;

#[derive(Args)]
pub struct Inspect {
    /// The SWIX
    pub file: PathBuf,
    /// Print everything that was found as JSON
    #[arg(long)]
    pub json: bool,
    /// Also run the programs and ask for their versions: of a SWIX that you trust, as they run as you
    #[arg(long)]
    pub run: bool,
}

impl Inspect {
    pub fn run(self) -> Result<()> {
        let probes = if self.run { Probes::Run } else { Probes::Skip };
        let report = inspect(&self.file, probes, &*progress::for_stderr())?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print(&report);
        }
        let wrong: Vec<&str> = report
            .probes
            .iter()
            .filter(|probed| !matches!(probed.outcome, ProbeOutcome::AsExpected))
            .map(|probed| probed.probe.program.as_str())
            .collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            bail!("these do not print the version that they should: {}", wrong.join(", "))
        }
    }
}

fn print(report: &Inspection) {
    let header = &report.rpm.header;
    println!("{}  {}", report.file.display(), HumanBytes(report.size));
    println!("  sha256   {}", report.sha256);
    println!("  signed   {}", report.signature);
    println!("  package  {}", report.manifest.primary_rpm);
    println!("  release  {} {}, linux/{}", report.release.name, report.release.version, report.release.arch);
    let build = report.release.build.as_ref();
    let origin = build.map_or("not said: an earlier toolkit made it".to_owned(), |build| build.origin());
    println!("  build    {}, {origin}", header.release);
    println!("\n{} {}-{} ({}) puts on the switch:", header.name, header.version, header.release, header.arch);
    for file in &report.rpm.files {
        println!("  {:o} /{}", file.mode & 0o7777, file.path.trim_start_matches('/'));
    }
    println!("\nmounted at {}, {} compressed:", swix::extension::MOUNT_POINT, HumanBytes(report.image_size));
    for entry in &report.image {
        match &entry.kind {
            ImageKind::Program { size, elf, .. } => {
                println!("  {:>12}  {}  ({elf})", HumanBytes(*size).to_string(), entry.path);
            }
            ImageKind::File { size, .. } => println!("  {:>12}  {}", HumanBytes(*size).to_string(), entry.path),
            ImageKind::Symlink { target } => println!("  {:>12}  {} -> {}", "", entry.path, target.display()),
            ImageKind::Directory { .. } => {}
        }
    }
    println!("\ncomponents:");
    for component in &report.release.components {
        println!("  {} {}", component.name, component.version);
    }
    if !report.probes.is_empty() {
        println!("\nprograms, asked for their versions:");
    }
    for probed in &report.probes {
        let answer = match &probed.outcome {
            ProbeOutcome::AsExpected => probed.probe.expect.clone(),
            ProbeOutcome::Printed { status, output } => {
                format!("NOT {:?}: ended with {status}: {output}", probed.probe.expect)
            }
            ProbeOutcome::NotRun(why) => format!("not run: {why}"),
        };
        println!("  {} {}: {answer}", probed.probe.program, probed.probe.args.join(" "));
    }
}
