//! Compiling the largest Go program through xtask against the same `go build` typed by hand: both
//! on the same tree, each with an empty Go cache, one after the other.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::{command::Program, files};
use pipeline::{
    cache::Cache,
    known::{entry_of, known},
    step::{GoBuild, Step, Work},
};

use crate::build::session::Session;

pub fn compare(session: &Session) -> Result<String> {
    let step = session.plan.steps.iter().find(|step| matches!(&step.work, Work::Go(go) if go.name == "hyperkube"));
    let step = step.context("the release has no hyperkube to compile")?;
    let Work::Go(work) = &step.work else { unreachable!("it was chosen by its kind") };
    println!("compiling {} by hand", work.name);
    let by_hand = type_it(session, work)?.as_secs_f64();
    println!("compiling {} through xtask", work.name);
    let through = run_step(session, step)?.as_secs_f64();
    let ratio = through / by_hand;
    Ok(format!(
        "## Compiling {}\n\nThrough xtask {through:.1} s, by hand {by_hand:.1} s, each with an empty Go cache: {ratio:.3} times. \
         At most 1.05 times is wanted.\n\n",
        work.name,
    ))
}

/// The step, in a cache that holds everything but the step itself and Go's cache.
fn run_step(session: &Session, step: &Step) -> Result<Duration> {
    let scratch =
        tempfile::Builder::new().tempdir_in(session.cache.root()).context("cannot make a temporary directory")?;
    // All that there is of this plan: the keys of what is needed come from what that needed.
    for known in known(&session.cache, &session.plan.steps) {
        let (Some(keyed), Ok(_)) = (&known.keyed, &known.entry) else { continue };
        if known.step.name == step.name {
            continue;
        }
        let inside = format!("steps/{}/{}", known.step.name, keyed.key.short());
        let (from, to) = (session.cache.root().join(&inside), scratch.path().join(&inside));
        files::copy_tree(&from, &to)?;
    }
    let cache = Cache::open(scratch.path())?;
    let began = Instant::now();
    session.with_engine_on(&cache, 1, |engine| engine.run(&session.plan.steps, &[&step.name]))?;
    Ok(began.elapsed())
}

/// What a person would type.
fn type_it(session: &Session, work: &GoBuild) -> Result<Duration> {
    let find = |name: &str| -> Result<std::path::PathBuf> {
        let entry = entry_of(&session.cache, &session.plan.steps, name);
        Ok(entry.map_err(|miss| anyhow::anyhow!("{name}: {miss}"))?.out())
    };
    let tree = find(&format!("tree-{}", work.component))?;
    let root = pipeline::go_root(&find(&format!("unpack-{}", work.go.toolchain))?)?;
    let scratch =
        tempfile::Builder::new().tempdir_in(session.cache.root()).context("cannot make a temporary directory")?;
    let stamps: String = work.go.stamps.iter().map(|(variable, value)| format!(" -X {variable}={value}")).collect();
    let began = Instant::now();
    Program::new(root.join("bin/go"), "compile by hand")?
        .env("GOROOT", &root)
        .env("GOPATH", &tree)
        .env("GOCACHE", scratch.path().join("go-build"))
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("CGO_ENABLED", "0")
        .env("GOOS", "linux")
        .env("GOARCH", work.arch.goarch())
        .env("GO386", "sse2")
        .args(["build", "-trimpath", "-tags", &work.go.tags.join(",")])
        .args(["-ldflags", &format!("-s -w -buildid={stamps}"), "-o"])
        .arg(scratch.path().join(&work.name))
        .arg(&work.go.package)
        .dir(&tree.join("src").join(&*work.import_path))
        .run_logged(&scratch.path().join("log"))?;
    Ok(began.elapsed())
}
