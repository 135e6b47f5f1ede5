//! What a machine can look at to see that a vulnerability does not matter.

use anyhow::{Result, bail, ensure};
use common::files;
use serde::Deserialize;

use crate::{
    bill::Part,
    evidence::Evidence,
    table::{Vulnerability, as_whole_package},
};

/// Each is looked at in every program that the part is in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Check {
    /// None of the functions is linked that the vulnerability is said to be in.
    #[serde(rename_all = "kebab-case")]
    SymbolsAbsent {
        symbols_absent: Yes,
    },
    /// This function is not linked.
    #[serde(rename_all = "kebab-case")]
    FunctionAbsent {
        function_absent: String,
        /// The sources do not have it either: without this word it must be there, so that a name that is mistyped is told.
        not_in_source: Option<Yes>,
    },
    /// Nothing of this package, or of those below it, is linked.
    #[serde(rename_all = "kebab-case")]
    PackageAbsent {
        package_absent: String,
        not_in_source: Option<Yes>,
    },
    /// Nothing is linked that stands in this file.
    #[serde(rename_all = "kebab-case")]
    FileAbsent {
        file_absent: String,
        not_in_source: Option<Yes>,
    },
    /// A unit of the release has a text.
    UnitHas {
        unit: String,
        has: String,
    },
    UnitLacks {
        unit: String,
        lacks: String,
    },
    /// Our own code, a directory of it, does not have a text.
    SourcesLack {
        sources: String,
        lack: String,
    },
}

/// `true`, as a check cannot be that something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "bool")]
pub struct Yes;

impl TryFrom<bool> for Yes {
    type Error = &'static str;

    fn try_from(yes: bool) -> Result<Self, Self::Error> {
        yes.then_some(Yes).ok_or("expected true")
    }
}

impl Check {
    /// What is wrong where it does not hold.
    pub fn hold(&self, of: &Vulnerability, part: &Part, evidence: &Evidence) -> Result<()> {
        match self {
            Check::SymbolsAbsent { .. } => {
                ensure!(!of.symbols.is_empty(), "nobody says which functions have {}: name what is absent", of.id);
                for symbol in &of.symbols {
                    match as_whole_package(symbol) {
                        Some(directory) => package_absent(directory, part, evidence)?,
                        None => function_absent(symbol, part, evidence)?,
                    }
                }
                Ok(())
            }
            Check::FunctionAbsent { function_absent: symbol, .. } => function_absent(symbol, part, evidence),
            Check::PackageAbsent { package_absent: directory, .. } => package_absent(directory, part, evidence),
            Check::FileAbsent { file_absent: file, .. } => in_each(part, evidence, |name, program| {
                ensure!(!program.has_file(file), "{name} has code of {file}");
                Ok(())
            }),
            Check::UnitHas { unit, has } => {
                ensure!(text_of(unit, evidence)?.contains(has.as_str()), "{unit} has no {has:?} any more");
                Ok(())
            }
            Check::UnitLacks { unit, lacks } => {
                ensure!(!text_of(unit, evidence)?.contains(lacks.as_str()), "{unit} has {lacks:?}");
                Ok(())
            }
            Check::SourcesLack { sources, lack } => sources_lack(sources, lack, evidence),
        }
    }

    /// The directory of our own code that it looks at.
    pub fn sources(&self) -> Option<&str> {
        if let Check::SourcesLack { sources, .. } = self { Some(sources) } else { None }
    }
}

fn function_absent(symbol: &str, part: &Part, evidence: &Evidence) -> Result<()> {
    in_each(part, evidence, |name, program| {
        ensure!(!program.has_function(symbol), "{name} has the function {symbol}");
        Ok(())
    })
}

fn package_absent(directory: &str, part: &Part, evidence: &Evidence) -> Result<()> {
    in_each(part, evidence, |name, program| {
        ensure!(!program.has_package(directory), "{name} has the package {directory}");
        Ok(())
    })
}

/// A part that is in no program that can be looked into is none that anything can be said of.
fn in_each(
    part: &Part,
    evidence: &Evidence,
    look: impl Fn(&str, &crate::evidence::Program) -> Result<()>,
) -> Result<()> {
    ensure!(!part.programs.is_empty(), "the bill of materials says of no program that {} is in it", part.purl);
    for name in &part.programs {
        match evidence.programs.get(name) {
            Some(program) => look(name, program)?,
            None => bail!("{name}, which {} is in, cannot be looked into: it is missing or no Go program", part.purl),
        }
    }
    Ok(())
}

fn text_of<'a>(unit: &str, evidence: &'a Evidence) -> Result<&'a str> {
    match evidence.units.get(unit) {
        Some(text) => Ok(text),
        None => bail!("the release has no unit {unit}"),
    }
}

fn sources_lack(directory: &str, text: &str, evidence: &Evidence) -> Result<()> {
    let mut read = 0;
    for entry in walkdir::WalkDir::new(evidence.workspace.join(directory)).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            let lossy = String::from_utf8_lossy(&files::read(entry.path())?).into_owned();
            ensure!(!lossy.contains(text), "{} has {text:?}", entry.path().display());
            read += 1;
        }
    }
    ensure!(read > 0, "{directory} has no files");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{evidence::Program, version::Range};

    fn held(check: &str, symbols: &[&str], programs: &[&str]) -> Result<()> {
        #[derive(Deserialize)]
        struct One {
            check: Check,
        }
        let check = toml::from_str::<One>(&format!("check = {check}")).unwrap().check;
        let text = |of: &[&str]| of.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
        let program = Program::new(&text(&["x.org/a.(*T).F"]), text(&["x.org/a"]), text(&["x.org/a/f.go"]));
        let mut evidence = Evidence { workspace: env!("CARGO_MANIFEST_DIR").into(), ..Evidence::default() };
        evidence.programs.insert("etcd".into(), program);
        evidence.units.insert("kubelet.service".into(), "Environment=GODEBUG=http2server=0\n".into());
        let part = Part { purl: "pkg:golang/x.org/a@v1.0.0".into(), version: None, programs: text(programs) };
        let range = Range::parse("*").unwrap();
        let symbols = symbols.iter().map(ToString::to_string).collect();
        let of = Vulnerability { id: "CVE-1".into(), aliases: vec![], package: String::new(), range, symbols };
        check.hold(&of, &part, &evidence)
    }

    #[test]
    fn each_check_holds_and_fails() {
        for (holds, fails, says) in [
            (
                "{ function-absent = \"x.org/a.T.G\" }",
                "{ function-absent = \"x.org/a.T.F\" }",
                "etcd has the function x.org/a.T.F",
            ),
            ("{ package-absent = \"x.org/b\" }", "{ package-absent = \"x.org\" }", "etcd has the package x.org"),
            (
                "{ file-absent = \"x.org/a/g.go\" }",
                "{ file-absent = \"x.org/a/f.go\" }",
                "etcd has code of x.org/a/f.go",
            ),
            (
                "{ unit = \"kubelet.service\", has = \"http2server=0\" }",
                "{ unit = \"kubelet.service\", has = \"http2client=0\" }",
                "kubelet.service has no \"http2client=0\" any more",
            ),
            (
                "{ unit = \"kubelet.service\", lacks = \"http2client=0\" }",
                "{ unit = \"kubelet.service\", lacks = \"http2server=0\" }",
                "kubelet.service has \"http2server=0\"",
            ),
            (
                "{ sources = \"src\", lack = \"a text that is not there:\\u0001\" }",
                "{ sources = \"src\", lack = \"SourcesLack\" }",
                "has \"SourcesLack\"",
            ),
        ] {
            held(holds, &[], &["etcd"]).unwrap();
            let error = format!("{:#}", held(fails, &[], &["etcd"]).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn the_functions_of_the_table_are_looked_for() {
        held("{ symbols-absent = true }", &["x.org/a.T.G"], &["etcd"]).unwrap();
        assert!(held("{ symbols-absent = true }", &["x.org/a.T.G", "x.org/a.T.F"], &["etcd"]).is_err());
        held("{ symbols-absent = true }", &["x.org/b.*"], &["etcd"]).unwrap();
        assert!(
            held("{ symbols-absent = true }", &["x.org/a.T.G", "x.org/a.*"], &["etcd"]).is_err(),
            "all of a package"
        );
        assert!(held("{ symbols-absent = true }", &[], &["etcd"]).is_err(), "nobody says which they are");
    }

    #[test]
    fn where_there_is_nothing_to_look_into_nothing_holds() {
        let absent = "{ package-absent = \"x.org/b\" }";
        assert!(format!("{:#}", held(absent, &[], &[]).unwrap_err()).contains("of no program"));
        assert!(format!("{:#}", held(absent, &[], &["cni"]).unwrap_err()).contains("cni"));
        assert!(held("{ unit = \"etcd.service\", lacks = \"x\" }", &[], &["etcd"]).is_err(), "there is no such unit");
        assert!(held("{ sources = \"nowhere\", lack = \"x\" }", &[], &["etcd"]).is_err(), "there are no such files");
    }
}
