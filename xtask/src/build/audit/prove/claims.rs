//! What is said to be fixed, and by which patch.

use anyhow::{Result, ensure};
use audit::statements::{Said, Statement};

use super::ALL;

/// Something that is said to be fixed.
pub struct Claim<'a> {
    pub ids: String,
    pub patch: &'a str,
    /// Why no test shows it.
    pub reason: Option<&'a str>,
}

/// What is to be shown of the vulnerabilities that are asked for.
pub fn of<'a>(statements: &'a [Statement], ids: &[String]) -> Result<Vec<Claim<'a>>> {
    let is_asked_for = |statement: &Statement| {
        ids.iter().any(|id| id == ALL || statement.ids.iter().any(|known| known.eq_ignore_ascii_case(id)))
    };
    let mut claims = Vec::new();
    for statement in statements.iter().filter(|statement| is_asked_for(statement)) {
        if let Said::Fixed { patch, proof, .. } = &statement.said {
            claims.push(Claim { ids: statement.ids.join(", "), patch, reason: proof.as_deref() });
        }
    }
    for id in ids.iter().filter(|id| *id != ALL) {
        let named = |claim: &Claim| claim.ids.split(", ").any(|known| known.eq_ignore_ascii_case(id));
        ensure!(claims.iter().any(named), "no statement says that {id} is fixed, so that nothing is to be shown of it");
    }
    claims.sort_by(|one, other| one.patch.cmp(other.patch));
    Ok(claims)
}

impl Claim<'_> {
    /// The name of its log.
    pub fn log(&self) -> String {
        format!("{}.log", self.ids.replace(", ", "+"))
    }
}
