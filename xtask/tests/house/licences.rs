//! Whose code is used, under which licences: deny.toml says what is allowed. cargo-deny reads the same file in the GitHub
//! workflow; here it is held without that program.

use std::{collections::BTreeSet, fs};

use serde::Deserialize;
use spdx::{Expression, ParseMode};

use crate::{metadata, workspace};

/// What is built here: xtask and its tests on a build host, the programs of the switch.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "i686-unknown-linux-musl"];

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
    unknown_registry: String,
    unknown_git: String,
}

impl Deny {
    fn read() -> Deny {
        toml::from_str(&fs::read_to_string(workspace().join("deny.toml")).unwrap()).unwrap()
    }

    /// Why a package may not be used. `source` is what Cargo calls it; there is none for what is in this workspace.
    fn objection(&self, licence: Option<&str>, source: Option<&str>) -> Option<String> {
        let Some(licence) = licence else { return Some("no licence".to_owned()) };
        let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
            return Some(format!("the licence {licence:?} is no SPDX expression"));
        };
        if !expression.evaluate(|licence| self.licenses.allow.contains(&licence.to_string())) {
            return Some(format!("the licence {licence}"));
        }
        let known = |source: &str| {
            source
                .strip_prefix("registry+")
                .is_some_and(|registry| self.sources.allow_registry.iter().any(|r| r == registry))
        };
        source.filter(|source| !known(source)).map(|source| format!("the source {source}"))
    }
}

#[test]
fn every_dependency_has_an_allowed_licence_and_source() {
    let deny = Deny::read();
    assert_eq!((&*deny.sources.unknown_registry, &*deny.sources.unknown_git), ("deny", "deny"));
    let targets = TARGETS.iter().flat_map(|target| ["--filter-platform".to_owned(), (*target).to_owned()]);
    let options: Vec<_> = std::iter::once("--locked".to_owned()).chain(targets).collect();
    let metadata = metadata().other_options(options).exec().unwrap();
    assert!(metadata.packages.len() > 200, "only {} packages were found", metadata.packages.len());
    let mut bad = Vec::new();
    for package in &metadata.packages {
        let source = package.source.as_ref().map(|source| source.repr.as_str());
        if let Some(why) = deny.objection(package.license.as_deref(), source) {
            bad.push(format!("{} {}: {why}", package.name, package.version));
        }
        let is_ours = package.manifest_path.as_std_path().starts_with(&metadata.workspace_root);
        if source.is_none() && !is_ours {
            bad.push(format!("{} is at {}, outside the workspace", package.name, package.manifest_path));
        }
    }
    assert!(bad.is_empty(), "deny.toml does not allow these: {bad:#?}");
}

#[test]
fn what_is_not_allowed_is_seen() {
    let deny = Deny::read();
    let crates_io = Some("registry+https://github.com/rust-lang/crates.io-index");
    for licence in [
        "MIT/Apache-2.0",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
        "GPL-3.0-only OR MIT",
    ] {
        assert_eq!(deny.objection(Some(licence), crates_io), None, "{licence}");
    }
    for licence in ["GPL-3.0-only", "MIT AND GPL-2.0-only", "MIT WITH LLVM-exception", "nonsense"] {
        assert!(deny.objection(Some(licence), crates_io).unwrap().contains(licence), "{licence}");
    }
    assert!(deny.objection(None, crates_io).is_some());
    for source in ["registry+https://example.org/index", "git+https://github.com/example/example#0123456"] {
        assert!(deny.objection(Some("MIT"), Some(source)).unwrap().contains(source));
    }
    assert_eq!(deny.objection(Some("Apache-2.0"), None), None);
}
