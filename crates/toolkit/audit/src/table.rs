//! The vulnerabilities that are known: ids, packages and versions, facts alone. A file has some packages, a line each vulnerability.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use common::files;
use serde::Deserialize;

use crate::version::Range;

/// A vulnerability of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vulnerability {
    /// The CVE, where it has one.
    pub id: String,
    pub aliases: Vec<String>,
    /// A package URL without a version.
    pub package: String,
    pub range: Range,
    /// The functions that have it, where that is known: `net/http.(*Transport).RoundTrip` is `net/http.Transport.RoundTrip` here.
    /// `net/http.*` is every one of a package.
    pub symbols: Vec<String>,
}

/// What a module is called where it is not called as in the bill of materials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// A package URL as others write it.
    pub package: String,
    /// The part of the bill that it is a part of.
    pub of: String,
    /// Its version: `v0.{minor}.{patch}` where the part's own has those.
    #[serde(default)]
    pub version: Option<String>,
}

/// All that is known, and until when somebody looked.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// A day, `2026-10-08`. No later one of the data is known to be in it.
    pub known_until: String,
    pub vulnerabilities: Vec<Vulnerability>,
    pub aliases: Vec<Alias>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Index {
    known_until: String,
    #[serde(default)]
    alias: Vec<Alias>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    package: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Package {
    purl: String,
    known: BTreeMap<String, Known>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[serde(default)]
    also: Vec<String>,
    range: String,
    #[serde(default)]
    symbols: Vec<String>,
}

/// The file that says until when it is known.
pub const INDEX: &str = "index.toml";

impl Table {
    /// Reads a directory: [`INDEX`], and a file for some packages each.
    pub fn read(directory: &Path) -> Result<Self> {
        let index: Index = read_toml(&directory.join(INDEX))?;
        ensure!(is_day(&index.known_until), "{:?} is not a day like 2026-10-08", index.known_until);
        let mut table = Table { known_until: index.known_until, aliases: index.alias, ..Table::default() };
        for path in toml_files(directory)?.iter().filter(|path| !path.ends_with(INDEX)) {
            let file: File = read_toml(path)?;
            for package in file.package {
                for (id, known) in package.known {
                    let range = Range::parse(&known.range).with_context(|| format!("{id} in {}", path.display()))?;
                    table.add(Vulnerability {
                        id,
                        aliases: known.also,
                        package: package.purl.clone(),
                        range,
                        symbols: known.symbols,
                    })?;
                }
            }
        }
        Ok(table)
    }

    /// Adds one. A second one of the same package is an error.
    fn add(&mut self, new: Vulnerability) -> Result<()> {
        if self.vulnerabilities.iter().any(|known| known.package == new.package && known.shares_an_id(&new)) {
            bail!("{} of {} is there twice: keep one", new.id, new.package);
        }
        self.vulnerabilities.push(new);
        Ok(())
    }

    /// What somebody gave beside it: in the place of what is known by the same id of the same package, as it is newer.
    pub fn add_given(&mut self, given: Vec<Vulnerability>) {
        for mut new in given {
            let is_known = |known: &&mut Vulnerability| known.package == new.package && known.shares_an_id(&new);
            if let Some(known) = self.vulnerabilities.iter_mut().find(is_known) {
                // Statements name the id that stands in our own table, and what was known of functions is not forgotten.
                if known.id != new.id {
                    new.aliases.push(std::mem::replace(&mut new.id, known.id.clone()));
                }
                if new.symbols.is_empty() {
                    new.symbols.clone_from(&known.symbols);
                }
                *known = new;
            } else {
                self.vulnerabilities.push(new);
            }
        }
    }

    /// Whether anything is known by that id.
    pub fn knows(&self, id: &str) -> bool {
        self.vulnerabilities.iter().any(|known| known.ids().any(|known| known == id))
    }
}

/// What stands for every function of a package.
pub(crate) fn whole_package(path: &str) -> String {
    format!("{path}{WHOLE}")
}

/// The package that a symbol stands for as a whole.
pub(crate) fn as_whole_package(symbol: &str) -> Option<&str> {
    symbol.strip_suffix(WHOLE)
}

const WHOLE: &str = ".*";

impl Vulnerability {
    /// Its id and the others that it has.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.id).chain(&self.aliases).map(String::as_str)
    }

    fn shares_an_id(&self, other: &Self) -> bool {
        self.ids().any(|id| other.ids().any(|other| other == id))
    }
}

fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts[..], [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2))
}

/// The TOML files of a directory, by name.
pub(crate) fn toml_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
    files.sort();
    Ok(files)
}

pub(crate) fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    toml::from_str(&files::read_text(path)?).with_context(|| format!("{} is not as expected", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(file: &str) -> Result<Table> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(INDEX), "known-until = \"2026-10-08\"\n").unwrap();
        fs::write(directory.path().join("go.toml"), file).unwrap();
        Table::read(directory.path())
    }

    const ONE: &str = r#"
        [[package]]
        purl = "pkg:golang/stdlib"
        [package.known]
        CVE-2026-1 = { also = ["GO-2026-1"], range = "<1.26.9", symbols = ["net/http.Serve"] }
    "#;

    #[test]
    fn a_table_is_read_and_what_is_given_stands_in_its_place() {
        let mut table = table(ONE).unwrap();
        assert!(table.knows("CVE-2026-1") && table.knows("GO-2026-1") && !table.knows("CVE-2026-2"));
        let given = |id: &str, package: &str| Vulnerability {
            id: id.into(),
            aliases: vec![],
            package: package.into(),
            range: Range::parse("<1.30").unwrap(),
            symbols: vec![],
        };
        table.add_given(vec![given("GO-2026-1", "pkg:golang/stdlib"), given("GO-2026-1", "pkg:golang/x")]);
        let known: Vec<(&str, String)> =
            table.vulnerabilities.iter().map(|known| (known.id.as_str(), known.range.to_string())).collect();
        assert_eq!(known, [("CVE-2026-1", "<1.30.0".to_owned()), ("GO-2026-1", "<1.30.0".to_owned())]);
        assert_eq!(table.vulnerabilities[0].symbols, ["net/http.Serve"], "known functions stay");
    }

    #[test]
    fn one_that_is_there_twice_or_has_no_range_is_named() {
        let again = format!(
            "{ONE}\n[[package]]\npurl = \"pkg:golang/stdlib\"\n[package.known]\nGO-2026-1 = {{ range = \"*\" }}"
        );
        assert!(format!("{:#}", table(&again).unwrap_err()).contains("GO-2026-1 of pkg:golang/stdlib is there twice"));
        let error = format!("{:#}", table(&ONE.replace("<1.26.9", "soon")).unwrap_err());
        assert!(error.contains("CVE-2026-1 in") && error.contains("\"soon\""), "{error}");
    }

    #[test]
    fn a_day_is_a_day() {
        assert!(is_day("2026-10-08"));
        assert!(["2026", "2026-1-1", "today", "2026-10-0x", ""].iter().all(|text| !is_day(text)));
    }
}
