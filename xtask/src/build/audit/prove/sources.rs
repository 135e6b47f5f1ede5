//! The release's sources, for names in checks: what is mistyped there is absent from every program.

use anyhow::Result;
use audit::{
    source::{self, Source},
    statements::Statement,
};
use pipeline::{
    go_root,
    known::entry_of,
    step::{GoBuild, Step, Work},
};

use crate::build::session::Session;

/// Names in checks that none of the release's sources has, or that are said to be in none and are: a line each.
pub fn names_that_none_has(session: &Session, statements: &[Statement]) -> Result<Vec<String>> {
    let steps = &session.plan.steps;
    let go_programs = || steps.iter().filter_map(|step| if let Work::Go(go) = &step.work { Some(go) } else { None });
    let has_source = |step: &&Step| match &step.work {
        Work::Tree(_) => true,
        Work::Unpack(_) => go_programs().any(|go| is_made_with(go, step)),
        _ => false,
    };
    let goals: Vec<&str> = steps.iter().filter(has_source).map(|step| step.name.as_str()).collect();
    session.with_engine(1, |engine| {
        session.require_sources(engine, &goals)?;
        engine.run(steps, &goals)
    })?;
    let mut source = Source::default();
    for step in steps.iter().filter(|step| goals.contains(&step.name.as_str())) {
        let entry = entry_of(&session.cache, steps, &step.name);
        let out = entry.map_err(|miss| anyhow::anyhow!("{}: {miss}", step.name))?.out();
        let top = go_root(&out).unwrap_or(out).join("src");
        if let Work::Tree(tree) = &step.work {
            source.roots.push(top.join(&tree.import_path).join("vendor"));
        }
        source.roots.extend([top.join("vendor"), top]);
    }
    source.roots.retain(|root| root.is_dir());
    Ok(source::problems(statements, &source))
}

/// Whether a step unpacks what a Go program is made with.
fn is_made_with(program: &GoBuild, step: &Step) -> bool {
    let mut names = std::iter::once(&program.go.toolchain).chain(&program.go.libraries);
    names.any(|name| step.name == format!("unpack-{name}"))
}
