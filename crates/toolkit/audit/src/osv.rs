//! Vulnerabilities in OSV's format (<https://ossf.github.io/osv-schema/>), as Go's and Rust's databases publish them: a file each.

use std::path::Path;

use anyhow::{Context, Result};
use common::files;
use indexmap::{IndexMap, IndexSet};
use serde::Deserialize;

use crate::{
    table::{Vulnerability, whole_package},
    version::{self, Event, Range},
};

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    affected: Vec<Affected>,
}

#[derive(Deserialize)]
struct Affected {
    package: Package,
    #[serde(default)]
    ranges: Vec<OsvRange>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    ecosystem_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
    #[serde(default)]
    purl: Option<String>,
}

#[derive(Deserialize)]
struct OsvRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<OsvEvent>,
}

#[derive(Deserialize)]
struct OsvEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

#[derive(Deserialize)]
struct Specific {
    #[serde(default)]
    imports: Vec<Import>,
}

#[derive(Deserialize)]
struct Import {
    path: String,
    #[serde(default)]
    symbols: Vec<String>,
}

/// A file, or every `.json` below a directory. What is withdrawn, and what is of an ecosystem that no part of a bill is of, is left out.
pub fn read(path: &Path) -> Result<Vec<Vulnerability>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
        let is_json = entry.path().extension().is_some_and(|extension| extension == "json");
        if entry.file_type().is_file() && (is_json || entry.depth() == 0) {
            let bytes = files::read(entry.path())?;
            let of = || format!("{} is not as OSV's format has it", entry.path().display());
            found.extend(parse(&bytes).with_context(of)?);
        }
    }
    Ok(found)
}

fn parse(bytes: &[u8]) -> Result<Vec<Vulnerability>> {
    let entry: Entry = serde_json::from_slice(bytes)?;
    if entry.withdrawn.is_some() {
        return Ok(vec![]);
    }
    // Statements name the CVE, where there is one.
    let mut ids: Vec<&String> = std::iter::once(&entry.id).chain(&entry.aliases).collect();
    let cve = ids.iter().position(|id| id.starts_with("CVE-")).unwrap_or_default();
    let id = ids.remove(cve).clone();
    let aliases: Vec<String> = ids.into_iter().cloned().collect();
    // GitHub's have an item each range of one package.
    let mut packages: IndexMap<String, (Vec<Range>, Vec<&Affected>)> = IndexMap::new();
    for affected in &entry.affected {
        let Some(package) = purl(&affected.package) else { continue };
        let range = affected.range().with_context(|| format!("{id} of {package}"))?;
        let (ranges, items) = packages.entry(package).or_default();
        ranges.push(range);
        items.push(affected);
    }
    let of_package = |(package, (ranges, items)): (String, (Vec<Range>, Vec<&Affected>))| Vulnerability {
        id: id.clone(),
        aliases: aliases.clone(),
        package,
        range: Range::any(ranges),
        symbols: symbols(&items),
    };
    Ok(packages.into_iter().map(of_package).collect())
}

/// As the bill of materials names it, without a version.
fn purl(package: &Package) -> Option<String> {
    let kind = match package.ecosystem.as_str() {
        "Go" => "golang",
        "crates.io" => "cargo",
        _ => return package.purl.as_deref().map(|purl| purl.split(['@', '?']).next().unwrap_or(purl).to_owned()),
    };
    Some(format!("pkg:{kind}/{}", package.name))
}

impl Affected {
    /// One that says no versions is of all.
    fn range(&self) -> Result<Range> {
        let ordered = self.ranges.iter().filter(|range| range.kind != "GIT");
        let mut ranges = ordered.map(|range| Ok(Range::of_events(range.events()?))).collect::<Result<Vec<_>>>()?;
        for exact in &self.versions {
            ranges.push(Range::parse(&format!(">={exact} <={exact}"))?);
        }
        if ranges.is_empty() { Range::parse("*") } else { Ok(Range::any(ranges)) }
    }

    fn imports(&self) -> &[Import] {
        self.ecosystem_specific.as_ref().map_or(&[], |specific| &specific.imports)
    }
}

/// Where one of the items names none, nobody says which they are.
fn symbols(items: &[&Affected]) -> Vec<String> {
    if items.iter().any(|affected| affected.imports().is_empty()) {
        return vec![];
    }
    let imports = items.iter().flat_map(|affected| affected.imports());
    let symbols = imports.flat_map(|Import { path, symbols }| match &symbols[..] {
        [] => vec![whole_package(path)],
        symbols => symbols.iter().map(|symbol| format!("{path}.{symbol}")).collect(),
    });
    symbols.collect::<IndexSet<String>>().into_iter().collect()
}

impl OsvRange {
    fn events(&self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for event in &self.events {
            let introduced = event.introduced.as_deref().map(|text| match text {
                "0" => Ok(Event::Introduced(None)),
                text => version::parse(text).map(|version| Event::Introduced(Some(version))),
            });
            let fixed = event.fixed.as_deref().map(|text| version::parse(text).map(Event::Fixed));
            let last = event.last_affected.as_deref().map(|text| version::parse(text).map(Event::LastAffected));
            events.extend([introduced, fixed, last].into_iter().flatten().collect::<Result<Vec<_>>>()?);
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{
        "schema_version": "1.3.1", "id": "GO-2026-1", "aliases": ["GHSA-x", "CVE-2026-1"], "summary": "made up",
        "affected": [
            { "package": { "name": "golang.org/x/net", "ecosystem": "Go" },
              "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "0.60.0" }] }],
              "ecosystem_specific": { "imports": [{ "path": "golang.org/x/net/http2", "symbols": ["Framer.ReadFrame"] }] } },
            { "package": { "name": "rsa", "ecosystem": "crates.io" } },
            { "package": { "name": "left-pad", "ecosystem": "npm" } }
        ]
    }"#;

    #[test]
    fn an_entry_is_each_package_of_it_that_can_be_in_a_bill() {
        let found = parse(ENTRY.as_bytes()).unwrap();
        let told: Vec<_> = found.iter().map(|of| (of.package.as_str(), of.range.to_string())).collect();
        assert_eq!(told, [("pkg:golang/golang.org/x/net", "<0.60.0".into()), ("pkg:cargo/rsa", "*".into())]);
        assert_eq!(
            (found[0].id.as_str(), &found[0].aliases[..]),
            ("CVE-2026-1", &["GO-2026-1".into(), "GHSA-x".into()][..])
        );
        assert_eq!(found[0].symbols, ["golang.org/x/net/http2.Framer.ReadFrame"]);
    }

    #[test]
    fn a_package_that_has_an_item_for_each_range_has_them_all() {
        let item = |from: &str, to: &str, imports: &str| {
            format!(
                r#"{{ "package": {{ "name": "k8s.io/kubernetes", "ecosystem": "Go" }},
                    "ranges": [{{ "type": "SEMVER", "events": [{{ "introduced": "{from}" }}, {{ "fixed": "{to}" }}] }}],
                    "ecosystem_specific": {{ "imports": [{imports}] }} }}"#
            )
        };
        let entry = |items: &[String]| {
            let text = format!(r#"{{ "id": "GHSA-y", "affected": [{}] }}"#, items.join(","));
            let found = parse(text.as_bytes()).unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            found.into_iter().next().unwrap()
        };
        let (one, all) = (r#"{ "path": "k8s.io/a", "symbols": ["F"] }"#, r#"{ "path": "k8s.io/b" }"#);
        let found = entry(&[item("1.20.0", "1.20.6", one), item("1.19.0", "1.19.10", all), item("0", "1.18.18", one)]);
        for (version, is_affected) in [("1.20.2", true), ("1.20.6", false), ("1.19.3", true), ("1.18.1", true)] {
            assert_eq!(found.range.has(&version::parse(version).unwrap()), is_affected, "{version}");
        }
        // Who names a package and no function of it means all of it.
        assert_eq!(found.symbols, ["k8s.io/a.F", "k8s.io/b.*"]);
        let found = entry(&[item("1.20.0", "1.20.6", one), item("1.19.0", "1.19.10", "")]);
        assert_eq!(found.symbols, Vec::<String>::new(), "nobody says which they are");
    }

    #[test]
    fn what_is_withdrawn_is_left_out_and_what_is_no_version_named() {
        let withdrawn = ENTRY.replace("\"summary\": \"made up\"", "\"withdrawn\": \"2026-01-01T00:00:00Z\"");
        assert_eq!(parse(withdrawn.as_bytes()).unwrap(), []);
        let error = format!("{:#}", parse(ENTRY.replace("0.60.0", "soon").as_bytes()).unwrap_err());
        assert!(error.contains("CVE-2026-1 of pkg:golang/golang.org/x/net") && error.contains("\"soon\""), "{error}");
    }

    #[test]
    fn a_directory_s_files_are_read_and_a_bad_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.json"), ENTRY).unwrap();
        std::fs::write(directory.path().join("README.md"), "no JSON").unwrap();
        assert_eq!(read(directory.path()).unwrap().len(), 2);
        assert_eq!(read(&directory.path().join("a.json")).unwrap().len(), 2);
        std::fs::write(directory.path().join("b.json"), "{}").unwrap();
        assert!(format!("{:#}", read(directory.path()).unwrap_err()).contains("b.json is not as OSV"));
    }
}
