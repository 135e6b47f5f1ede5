//! `patch`: helps the person who moves a component to a new version.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use pipeline::step::{Tree, Work};
use sources::patch::{self, Checked, Outcome};

use super::{Selection, session::Session};

#[derive(Args)]
pub struct Patch {
    #[command(subcommand)]
    pub action: PatchAction,
}

#[derive(Subcommand)]
pub enum PatchAction {
    /// Say for each patch whether and how it applies
    Check(PatchTarget),
    /// Write each patch again as it applies now: offsets gone, message kept
    Refresh(PatchTarget),
}

#[derive(Args)]
pub struct PatchTarget {
    #[command(flatten)]
    pub selection: Selection,
    /// Only this component
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
}

impl Patch {
    pub fn run(self) -> Result<()> {
        match self.action {
            PatchAction::Check(target) => on_each_tree(target, check),
            PatchAction::Refresh(target) => on_each_tree(target, refresh),
        }
    }
}

/// Unpacks each component that has patches and hands its tree, unpatched, to `action`.
fn on_each_tree(target: PatchTarget, action: fn(&Path, &[PathBuf]) -> Result<bool>) -> Result<()> {
    let session = Session::open(target.selection)?;
    let trees = session.plan.steps.iter().filter_map(|step| match &step.work {
        Work::Tree(tree) if !tree.patches.is_empty() => Some(tree),
        _ => None,
    });
    let desired = |tree: &&Tree| target.component.as_deref().is_none_or(|name| *tree.source.name == *name);
    let trees: Vec<&Tree> = trees.filter(desired).collect();
    if trees.is_empty() {
        match target.component {
            Some(name) => bail!("release {} has no component {name} with patches", session.release.name),
            None => println!("release {} has no patches", session.release.name),
        }
    }
    let mut failed = vec![];
    for tree in trees {
        println!("{} {}", tree.source.name, tree.source.version);
        let fetch = format!("fetch-{}", tree.source.name);
        let unpacked = tempfile::tempdir().context("cannot make a temporary directory")?;
        session.with_engine(1, |engine| {
            session.require_sources(engine, &[&fetch])?;
            engine.run(&session.plan.steps, &[&fetch])?;
            engine.unpack(&session.plan.steps, tree, unpacked.path())
        })?;
        let patches: Vec<PathBuf> = tree.patches.iter().map(|patch| patch.path.clone()).collect();
        if !action(unpacked.path(), &patches)? {
            failed.push(tree.source.name.to_string());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("patches that do not apply: {}", failed.join(", ")) }
}

fn check(tree: &Path, patches: &[PathBuf]) -> Result<bool> {
    let results = patch::check(tree, patches)?;
    for Checked { patch, outcome } in &results {
        let (word, details) = match outcome {
            Outcome::Applies => ("applies", String::new()),
            Outcome::Moved(remarks) => ("applies, moved", remarks.join("\n")),
            Outcome::ContextChanged(remarks) => {
                ("DOES NOT APPLY as it is, but `refresh` can rewrite it", remarks.join("\n"))
            }
            Outcome::Fails(failure) => ("DOES NOT APPLY", failure.to_string()),
        };
        println!("  {}: {word}", name(patch));
        for line in details.lines() {
            println!("      {line}");
        }
    }
    Ok(results.iter().all(|checked| matches!(checked.outcome, Outcome::Applies | Outcome::Moved(_))))
}

fn refresh(tree: &Path, patches: &[PathBuf]) -> Result<bool> {
    let refresh = patch::refresh(tree, patches)?;
    for refreshed in &refresh.done {
        if refreshed.differs {
            refreshed.write()?;
        }
        println!(
            "  {}: {}",
            name(&refreshed.patch),
            if refreshed.differs { "written again" } else { "is as it should be" }
        );
    }
    if let Some(stopped) = &refresh.stopped {
        println!("  {stopped}");
        for line in stopped.rejected.iter().flat_map(|hunk| hunk.lines()) {
            println!("      {line}");
        }
    }
    Ok(refresh.stopped.is_none())
}

fn name(patch: &Path) -> String {
    patch.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
