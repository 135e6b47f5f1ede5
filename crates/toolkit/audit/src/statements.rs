//! What the project says of vulnerabilities: fixed by which patch, why not affected and how a machine sees that, or what to do.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{bill, check::Check, table};

/// What is said of some vulnerabilities at once.
#[derive(Debug, Clone)]
pub struct Statement {
    pub ids: Vec<String>,
    /// Package URLs, with or without a version: the parts that it is about. Empty: all.
    pub of: Vec<String>,
    pub said: Said,
    /// The file that it stands in, for errors.
    pub file: String,
}

#[derive(Debug, Clone)]
pub enum Said {
    /// By a patch, `kubernetes/0007-cve-….patch`.
    Fixed {
        patch: String,
        reason: String,
        /// Why no test of the patch can show it, and how it was seen instead.
        proof: Option<String>,
        /// What is so of every build besides.
        checks: Vec<Check>,
    },
    NotAffected {
        justification: Justification,
        reason: String,
        checks: Vec<Check>,
    },
    /// What somebody can do, and what to do about it.
    Affected {
        reason: String,
        action: String,
    },
}

/// OpenVEX' reasons for not being affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    ComponentNotPresent,
    VulnerableCodeNotPresent,
    VulnerableCodeNotInExecutePath,
    VulnerableCodeCannotBeControlledByAdversary,
    InlineMitigationsAlreadyExist,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    statement: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    ids: Vec<String>,
    #[serde(default)]
    of: Vec<String>,
    status: Status,
    reason: String,
    patch: Option<String>,
    justification: Option<Justification>,
    #[serde(default)]
    checks: Vec<Check>,
    action: Option<String>,
    proof: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Fixed,
    NotAffected,
    Affected,
}

/// Every statement of a directory's files.
pub fn read(directory: &Path) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for path in table::toml_files(directory)? {
        let file: File = table::read_toml(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for entry in file.statement {
            let of = entry.ids.join(", ");
            statements.push(entry.statement(&name).with_context(|| format!("{}: {of}", path.display()))?);
        }
    }
    Ok(statements)
}

/// The directories of our own code that statements are held against.
pub fn sources(statements: &[Statement]) -> BTreeSet<&str> {
    let checks = statements.iter().flat_map(|statement| match &statement.said {
        Said::NotAffected { checks, .. } | Said::Fixed { checks, .. } => &checks[..],
        Said::Affected { .. } => &[],
    });
    checks.filter_map(Check::sources).collect()
}

impl Entry {
    fn statement(self, file: &str) -> Result<Statement> {
        ensure!(!self.ids.is_empty(), "a statement is about no vulnerability: expected `ids`");
        let Entry { ids, of, status, reason, patch, justification, checks, action, proof } = self;
        let has = (patch.is_some(), justification.is_some(), !checks.is_empty(), action.is_some(), proof.is_some());
        ensure!(
            proof.as_ref().is_none_or(|proof| !proof.trim().is_empty()),
            "`proof` says nothing: say why no test shows it"
        );
        let said = match (status, patch, justification, action) {
            (Status::Fixed, Some(patch), None, None) => Said::Fixed { patch, reason, proof, checks },
            (Status::NotAffected, None, Some(justification), None) if proof.is_none() => {
                Said::NotAffected { justification, reason, checks }
            }
            (Status::Affected, None, None, Some(action)) if checks.is_empty() && proof.is_none() => {
                Said::Affected { reason, action }
            }
            _ => bail!(
                "a statement that is `fixed` has a `patch`, and may have `checks` and a `proof`, one that is `not_affected` a `justification` \
                 and `checks`, one that is `affected` an `action`, and none has another's: this {status:?} has patch, justification, \
                 checks, action, proof: {has:?}"
            ),
        };
        Ok(Statement { ids, of, said, file: file.to_owned() })
    }
}

impl Statement {
    /// Whether it is about that vulnerability in that part.
    pub fn is_about<'a>(&self, mut ids: impl Iterator<Item = &'a str>, purl: &str) -> bool {
        let is_part = |of: &String| of == purl || of == bill::without_version(purl);
        ids.any(|id| self.ids.iter().any(|known| known == id)) && (self.of.is_empty() || self.of.iter().any(is_part))
    }
}

impl Justification {
    /// As OpenVEX spells it.
    pub fn name(self) -> &'static str {
        match self {
            Justification::ComponentNotPresent => "component_not_present",
            Justification::VulnerableCodeNotPresent => "vulnerable_code_not_present",
            Justification::VulnerableCodeNotInExecutePath => "vulnerable_code_not_in_execute_path",
            Justification::VulnerableCodeCannotBeControlledByAdversary => {
                "vulnerable_code_cannot_be_controlled_by_adversary"
            }
            Justification::InlineMitigationsAlreadyExist => "inline_mitigations_already_exist",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Statement> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.toml"), format!("[[statement]]\nreason = \"r\"\n{text}")).unwrap();
        read(directory.path()).map(|mut read| read.remove(0))
    }

    #[test]
    fn each_status_has_what_it_needs_and_nothing_of_another() {
        assert!(matches!(one("ids = [\"C\"]\nstatus = \"fixed\"\npatch = \"p\"").unwrap().said, Said::Fixed { .. }));
        let fixed = one(
            "ids = [\"C\"]\nstatus = \"fixed\"\npatch = \"p\"\nproof = \"By hand.\"\nchecks = [{ symbols-absent = true }]",
        );
        assert!(matches!(fixed.unwrap().said, Said::Fixed { proof: Some(_), checks, .. } if checks.len() == 1));
        let not = "ids = [\"C\"]\nstatus = \"not_affected\"\njustification = \"component_not_present\"";
        assert!(matches!(one(not).unwrap().said, Said::NotAffected { .. }));
        assert!(matches!(
            one("ids = [\"C\"]\nstatus = \"affected\"\naction = \"a\"").unwrap().said,
            Said::Affected { .. }
        ));
        for wrong in [
            "ids = [\"C\"]\nstatus = \"fixed\"",
            "ids = [\"C\"]\nstatus = \"fixed\"\npatch = \"p\"\naction = \"a\"",
            "ids = [\"C\"]\nstatus = \"fixed\"\npatch = \"p\"\nproof = \" \"",
            "ids = [\"C\"]\nstatus = \"not_affected\"",
            "ids = [\"C\"]\nstatus = \"affected\"\naction = \"a\"\nproof = \"By hand.\"",
            "ids = [\"C\"]\nstatus = \"affected\"",
            "ids = [\"C\"]\nstatus = \"affected\"\naction = \"a\"\nchecks = [{ symbols-absent = true }]",
            "ids = []\nstatus = \"fixed\"\npatch = \"p\"",
        ] {
            assert!(one(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_statement_is_about_its_ids_in_its_parts() {
        let of = |of: &str| {
            one(&format!("ids = [\"C\", \"D\"]\nstatus = \"affected\"\naction = \"a\"\nof = [{of}]")).unwrap()
        };
        let purl = "pkg:golang/x@v1.0.0";
        assert!(of("").is_about(["G", "D"].into_iter(), purl));
        assert!(!of("").is_about(["G"].into_iter(), purl));
        for (parts, is_it) in
            [("pkg:golang/x", true), (purl, true), ("pkg:golang/x@v2.0.0", false), ("pkg:golang/y", false)]
        {
            assert_eq!(of(&format!("{parts:?}")).is_about(["C"].into_iter(), purl), is_it, "{parts}");
        }
    }
}
