//! What is said of vulnerabilities, held against what was built, and written as OpenVEX. A statement that does not hold is written as
//! what it then is; that there is one fails `cargo xtask audit`, and no build.

use anyhow::Result;
use audit::{
    bill::Bill,
    evidence::{Evidence, Program},
    judgement, statements,
    table::Table,
    vex,
};
use common::files;

use crate::{step::Vex, work::Job};

pub(crate) fn run(job: &Job, work: &Vex) -> Result<()> {
    let bill = Bill::read(&files::read(&job.need("sbom")?.join(&work.sbom))?)?;
    let mut evidence = Evidence { workspace: work.workspace.clone(), ..Evidence::default() };
    evidence.patches.clone_from(&work.patches);
    for unit in &work.units {
        evidence.units.insert(unit.name.clone(), files::read_text(&unit.path)?);
    }
    for program in &work.programs {
        let bytes = files::read(&job.need(&program.step)?.join(&program.name))?;
        if let Some(read) = Program::read(&program.name, &bytes)? {
            evidence.programs.insert(program.name.clone(), read);
        }
    }
    let table = Table::read(&work.table)?;
    let said = statements::read(&work.statements)?;
    let judged = judgement::judge(&bill, &table, &said, &evidence);
    let text = vex::text(&bill.product, &table.known_until, &judged)?;
    files::write_atomically(&job.out().join(&work.file_name), text)
}
