//! `audit --prove`: of each vulnerability that a patch of ours fixes, that the patch's tests fail without it and pass with it.

mod claims;
mod results;
mod sources;

use std::{path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use common::{Arch, files};
use pipeline::{
    LOG_OF_PROOF,
    known::{entry_of, known},
    plan::step_of_proof,
    shown_by_proof,
};

use self::results::{Outcome, Row};
use super::statements_of;
use crate::{
    build::{Selection, session::Session},
    workspace::workspace,
};

/// Where the logs and the table go.
const RESULTS: &str = "dist/prove";

/// What stands for every one.
const ALL: &str = "all";

pub(super) fn run(ids: &[String], release: Option<String>, offline: bool) -> Result<()> {
    let recipes = workspace().join("recipes");
    let selection = Selection { release, recipes, arch: Arch::I386, origin: None, source: vec![], offline };
    let mut session = Session::open(selection)?;
    let statements = statements_of(&session.release.name)?;
    let claims = claims::of(&statements, ids)?;
    let to_show: Vec<&str> = claims.iter().filter(|claim| claim.reason.is_none()).map(|claim| claim.patch).collect();
    session.plan = session.plan.of_proofs(&session.release, session.selection.arch, &to_show)?;
    let _in_use = session.cache.use_now()?;
    let directory = workspace().join(RESULTS);
    files::create_dir(&directory)?;
    let mut rows = Vec::new();
    for claim in claims {
        let began = Instant::now();
        let outcome = match claim.reason {
            Some(reason) => Outcome::Said(reason.to_owned()),
            None => prove(&session, claim.patch, &directory.join(claim.log()))?,
        };
        let row = Row { claim, outcome, took: began.elapsed() };
        println!("{}", row.line());
        rows.push(row);
    }
    let mut wrong = rows.iter().filter(|row| row.is_wrong()).count();
    if ids.iter().any(|id| id == ALL) {
        let problems = sources::names_that_none_has(&session, &statements)?;
        problems.iter().for_each(|problem| eprintln!("  {problem}"));
        wrong += problems.len();
    }
    let file = directory.join("table.md");
    files::write_atomically(&file, results::table(&rows)).context("the table cannot be written")?;
    println!("{}; {} has each, and a log beside it", results::counts(&rows), file.display());
    match wrong {
        0 => Ok(()),
        1 => bail!("one thing that is said of vulnerabilities is not so"),
        many => bail!("{many} things that are said of vulnerabilities are not so"),
    }
}

/// Makes the step that proves a patch, unless it has been made, and brings its log.
fn prove(session: &Session, patch: &str, log: &Path) -> Result<Outcome> {
    let (steps, goal) = (&session.plan.steps, step_of_proof(patch));
    let made = session.with_engine(1, |engine| {
        session.require_sources(engine, &[&goal])?;
        engine.run(steps, &[&goal])
    });
    match made {
        Ok(summary) => {
            session.remember("audit --prove", &summary)?;
            let entry = entry_of(&session.cache, steps, &goal).map_err(|miss| anyhow::anyhow!("{goal}: {miss}"))?;
            files::copy_atomically(&entry.out().join(LOG_OF_PROOF), log)?;
            Ok(Outcome::Proven(shown_by_proof(&entry.out())?))
        }
        Err(error) => {
            let known = known(&session.cache, steps);
            let keyed = known.iter().find(|known| known.step.name == goal).and_then(|known| known.keyed.as_ref());
            let begun = keyed.map(|keyed| session.cache.log_file(keyed)).filter(|log| log.is_file());
            match begun {
                Some(begun) => files::copy_atomically(&begun, log)?,
                None => files::write_atomically(log, format!("{error:#}\n"))?,
            }
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            Ok(Outcome::Not(causes.join(": ")))
        }
    }
}
