//! Whether what a check says is absent is in the sources at all: what is mistyped is absent from every program.

use std::{fs, path::PathBuf};

use crate::{
    check::Check,
    statements::{Said, Statement},
};

/// Directories below which packages stand by their import paths.
#[derive(Debug, Default)]
pub struct Source {
    pub roots: Vec<PathBuf>,
}

/// What checks name that is not in the sources, and what they say is not and is: a line each.
pub fn problems(statements: &[Statement], source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for statement in statements {
        let (Said::NotAffected { checks, .. } | Said::Fixed { checks, .. }) = &statement.said else { continue };
        for check in checks {
            let (what, name, is_there, not) = match check {
                Check::FunctionAbsent { function_absent: name, not_in_source } => {
                    ("function", name, source.has_function(name), not_in_source)
                }
                Check::PackageAbsent { package_absent: name, not_in_source } => {
                    ("package", name, source.has_package(name), not_in_source)
                }
                Check::FileAbsent { file_absent: name, not_in_source } => {
                    ("file", name, source.has_file(name), not_in_source)
                }
                _ => continue,
            };
            let of = format!("{}: {}", statement.file, statement.ids.join(", "));
            match (is_there, not.is_some()) {
                (false, false) => problems.push(format!(
                    "{of}: the sources have no {what} {name}: correct its name, or say `not-in-source = true` beside it"
                )),
                (true, true) => {
                    problems.push(format!("{of}: the sources have the {what} {name}: take `not-in-source` out"));
                }
                _ => {}
            }
        }
    }
    problems
}

impl Source {
    /// A directory with Go code in it, or with packages below it.
    fn has_package(&self, path: &str) -> bool {
        self.directories(path).next().is_some()
    }

    fn has_file(&self, path: &str) -> bool {
        self.roots.iter().any(|root| root.join(path).is_file())
    }

    /// `net/http.Transport.RoundTrip`, or one without a receiver: a package's path may have dots in its last part.
    fn has_function(&self, symbol: &str) -> bool {
        let (above, last) = symbol.rsplit_once('/').map_or(("", symbol), |(above, last)| (above, last));
        let dots = last.match_indices('.').map(|(at, _)| at);
        dots.into_iter().any(|at| {
            let package = if above.is_empty() { last[..at].to_owned() } else { format!("{above}/{}", &last[..at]) };
            let name = &last[at + 1..];
            self.directories(&package).any(|directory| declares(&directory, name))
        })
    }

    fn directories(&self, path: &str) -> impl Iterator<Item = PathBuf> {
        self.roots.iter().map(move |root| root.join(path)).filter(|directory| directory.is_dir())
    }
}

/// Whether a file of a directory has `func name(` or, of `Type.name`, `func (t *Type) name(`.
fn declares(directory: &PathBuf, name: &str) -> bool {
    let files = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let code = files.filter(|file| file.extension().is_some_and(|extension| extension == "go"));
    code.filter_map(|file| fs::read(file).ok()).any(|text| {
        String::from_utf8_lossy(&text).lines().any(|line| declared(line).is_some_and(|declared| declared == name))
    })
}

/// The function that a line begins: `Type.name`, or its name alone.
fn declared(line: &str) -> Option<String> {
    let rest = line.strip_prefix("func ")?;
    let name = |text: &str| text.split(['(', '[']).next().unwrap_or(text).trim().to_owned();
    let Some(method) = rest.strip_prefix('(') else { return Some(name(rest)) };
    let (receiver, rest) = method.split_once(") ")?;
    let kind = receiver.split('[').next()?.split_whitespace().next_back()?.trim_start_matches('*');
    Some(format!("{kind}.{}", name(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(checks: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let package = directory.path().join("src/gopkg.in/a.v2");
        fs::create_dir_all(&package).unwrap();
        let code = "package a\n\nfunc Do(x int) {}\nfunc (t *T[K, V]) Go() {}\nfunc (U) On() {}\n";
        fs::write(package.join("a.go"), code).unwrap();
        let statement = format!(
            "[[statement]]\nids = ['CVE-2021-1']\nstatus = 'not_affected'\njustification = 'component_not_present'\nreason = 'r'\n\
             checks = [{checks}]"
        );
        let said = directory.path().join("said");
        fs::create_dir(&said).unwrap();
        fs::write(said.join("a.toml"), statement).unwrap();
        let source = Source { roots: vec![directory.path().join("src")] };
        problems(&crate::statements::read(&said).unwrap(), &source)
    }

    #[test]
    fn a_name_that_no_source_has_is_a_problem_unless_it_is_said() {
        for (kind, there, mistyped) in [
            ("function", "gopkg.in/a.v2.Do", "gopkg.in/a.v2.Da"),
            ("function", "gopkg.in/a.v2.T.Go", "gopkg.in/a.v2.Go"),
            ("function", "gopkg.in/a.v2.U.On", "gopkg.in/a.v2.On"),
            ("package", "gopkg.in/a.v2", "gopkg.in/a"),
            ("file", "gopkg.in/a.v2/a.go", "gopkg.in/a.v2/b.go"),
        ] {
            assert_eq!(told(&format!("{{ {kind}-absent = '{there}' }}")), [""; 0]);
            let problems = told(&format!("{{ {kind}-absent = '{mistyped}' }}"));
            assert!(problems[0].contains(&format!("the sources have no {kind} {mistyped}")), "{problems:?}");
            assert_eq!(told(&format!("{{ {kind}-absent = '{mistyped}', not-in-source = true }}")), [""; 0]);
            let problems = told(&format!("{{ {kind}-absent = '{there}', not-in-source = true }}"));
            assert!(problems[0].contains("take `not-in-source` out"), "{problems:?}");
        }
    }
}
