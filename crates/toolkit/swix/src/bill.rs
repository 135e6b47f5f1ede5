//! The bill of materials (CycloneDX) held against the programs that it is about: what a program shows of itself is in the bill,
//! and what the bill says is in a program is shown by it.
//!
//! Go programs show their packages ([`go`]), Rust programs their list of crates and the places of panics ([`rust`]). What the
//! start files, musl and Rust's standard library are, no stripped program says.

use std::collections::{BTreeMap, BTreeSet};

use common::Sha256;
use serde::Deserialize;

use crate::elf::{ElfError, go, rust};

/// A property of a Go module, and of a program: the import paths of packages begin with one of these.
pub const IMPORT_PATH: &str = "go:import-path";

/// The part that is a program has this reference, with the program's name behind it.
pub const PROGRAM: &str = "program:";

/// Package URLs of what is not a module of its own.
const GO_STANDARD_LIBRARY: &str = "pkg:golang/stdlib@";
const RUST_STANDARD_LIBRARY: &str = "pkg:generic/rust-std@";

/// What is in every Rust program and shown by none that is stripped.
const RUST_UNSEEN: [&str; 3] = [RUST_STANDARD_LIBRARY, "pkg:generic/musl@", "pkg:generic/gcc@"];

/// What a program shows of itself.
pub struct Shown<'a> {
    program: &'a [u8],
    digest: String,
    parts: Parts,
}

enum Parts {
    /// Import paths.
    Go(BTreeSet<String>),
    /// Package URLs.
    Rust {
        listed: BTreeSet<String>,
        panicking: BTreeSet<String>,
    },
    Unknown,
}

impl<'a> Shown<'a> {
    /// `name` is for errors.
    pub fn by(name: &str, program: &'a [u8]) -> Result<Self, ElfError> {
        let parts = if let Some(packages) = go::packages(name, program)? {
            Parts::Go(packages)
        } else if let Some(listed) = rust::listed(name, program)? {
            let panicking = rust::panicking(program).iter().map(purl).collect();
            Parts::Rust { listed: listed.keys().map(purl).collect(), panicking }
        } else {
            Parts::Unknown
        };
        Ok(Shown { program, digest: Sha256::of_bytes(program).to_string(), parts })
    }
}

#[derive(Deserialize)]
struct Document {
    metadata: Option<Metadata>,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Metadata {
    component: Component,
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "bom-ref")]
    reference: String,
    purl: Option<String>,
    #[serde(default)]
    hashes: Vec<Hash>,
    #[serde(default)]
    properties: Vec<Property>,
}

#[derive(Deserialize)]
struct Hash {
    content: String,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    #[serde(rename = "dependsOn", default)]
    on: BTreeSet<String>,
}

/// A bill of materials that has been read.
pub struct Bill {
    product: Option<Component>,
    components: BTreeMap<String, Component>,
    made_of: BTreeMap<String, BTreeSet<String>>,
}

impl Bill {
    pub fn read(document: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(document)?;
        Ok(Bill {
            product: document.metadata.map(|metadata| metadata.component),
            components: document.components.into_iter().map(|part| (part.reference.clone(), part)).collect(),
            made_of: document.dependencies.into_iter().map(|part| (part.of, part.on)).collect(),
        })
    }

    /// The names of the programs that it is about.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.components.keys().filter_map(|reference| reference.strip_prefix(PROGRAM))
    }

    /// What all of it is.
    pub fn product(&self) -> Option<&str> {
        self.product.as_ref().map(|product| product.purl.as_ref().unwrap_or(&product.reference).as_str())
    }

    /// The package URL of each part that has one, and the names of the programs that it is in, at whatever depth.
    pub fn parts(&self) -> impl Iterator<Item = (&str, BTreeSet<&str>)> {
        let below: Vec<_> = self.programs().map(|name| (name, self.below(&format!("{PROGRAM}{name}")))).collect();
        self.components.values().filter_map(move |part| {
            let purl = part.purl.as_deref()?;
            // A component has programs, a program modules and crates, and Rust's standard library crates of its own.
            let of_component = self.made_of.get(&part.reference).into_iter().flatten();
            let of_component = of_component.filter_map(|reference| reference.strip_prefix(PROGRAM));
            let within = below.iter().filter(|(_, parts)| parts.contains(&*part.reference)).map(|(name, _)| *name);
            Some((purl, of_component.chain(within).collect()))
        })
    }

    /// What something is made of, at every depth.
    fn below<'a>(&'a self, reference: &str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut ahead: Vec<&BTreeSet<String>> = self.made_of.get(reference).into_iter().collect();
        while let Some(parts) = ahead.pop() {
            let new = parts.iter().filter(|part| found.insert(part.as_str()));
            ahead.extend(new.filter_map(|part| self.made_of.get(part)));
        }
        found
    }

    /// What is not alike in the bill and in a program, a line each.
    pub fn compare(&self, name: &str, shown: &Shown) -> Vec<String> {
        [self.missing(name, shown), self.surplus(name, shown)].concat()
    }

    /// What the program shows and the bill has not.
    pub fn missing(&self, name: &str, shown: &Shown) -> Vec<String> {
        let Some(described) = self.components.get(&format!("{PROGRAM}{name}")) else {
            return vec![format!("the bill of materials has no program {name}")];
        };
        let mut missing = Vec::new();
        if !described.hashes.iter().any(|hash| hash.content == shown.digest) {
            missing.push(format!(
                "the bill of materials is about another {name}: the digest of this one is {}",
                shown.digest
            ));
        }
        let parts = self.parts_of(name);
        let unlike: Vec<String> = match &shown.parts {
            Parts::Go(packages) => {
                let known: Vec<&str> =
                    parts.iter().chain([&described.reference]).flat_map(|part| self.import_paths(part)).collect();
                let has_standard = parts.iter().any(|part| part.starts_with(GO_STANDARD_LIBRARY));
                let is_known = |package: &&String| match go::is_standard(package) {
                    true => has_standard,
                    false => *package == go::MAIN || known.iter().any(|directory| go::below(package, directory)),
                };
                packages.iter().filter(|package| !is_known(package)).cloned().collect()
            }
            Parts::Rust { listed, panicking } => {
                listed.union(panicking).filter(|of| !parts.contains(*of)).cloned().collect()
            }
            Parts::Unknown => {
                vec!["nothing to be known by, neither Go's table of functions nor a list of crates".to_owned()]
            }
        };
        missing.extend(unlike.iter().map(|of| format!("{name} has {of}, and the bill of materials has not")));
        missing
    }

    /// What the bill has and the program shows nothing of.
    pub fn surplus(&self, name: &str, shown: &Shown) -> Vec<String> {
        let parts = self.parts_of(name);
        let of_std = parts.iter().filter(|part| part.starts_with(RUST_STANDARD_LIBRARY));
        let of_std: BTreeSet<&String> = of_std.filter_map(|std| self.made_of.get(std)).flatten().collect();
        let is_shown = |part: &&String| match &shown.parts {
            Parts::Go(packages) if part.starts_with(GO_STANDARD_LIBRARY) => {
                packages.iter().any(|of| go::is_standard(of))
            }
            Parts::Go(packages) => {
                self.import_paths(part).iter().any(|directory| go::shows(shown.program, packages, directory))
            }
            Parts::Rust { listed, .. } => {
                listed.contains(*part) || of_std.contains(part) || RUST_UNSEEN.iter().any(|of| part.starts_with(of))
            }
            Parts::Unknown => true,
        };
        let surplus = parts.iter().filter(|part| !is_shown(part) || !self.components.contains_key(*part));
        surplus
            .map(|part| {
                format!(
                    "the bill of materials has {part} in {name}, which shows nothing of it, or does not describe it"
                )
            })
            .collect()
    }

    fn parts_of(&self, name: &str) -> BTreeSet<String> {
        self.made_of.get(&format!("{PROGRAM}{name}")).cloned().unwrap_or_default()
    }

    fn import_paths<'a>(&'a self, part: &'a str) -> Vec<&'a str> {
        let properties = self.components.get(part).map(|part| part.properties.as_slice()).unwrap_or_default();
        properties.iter().filter(|property| property.name == IMPORT_PATH).map(|property| &*property.value).collect()
    }
}

/// A crate's package URL.
pub fn purl((name, version): &rust::Crate) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(go: &str, parts: &[&str]) -> Bill {
        let part = |part: &&str| {
            let paths = [serde_json::json!({ "name": IMPORT_PATH, "value": go })];
            let properties = if part.starts_with(GO_STANDARD_LIBRARY) { &[][..] } else { &paths };
            serde_json::json!({ "bom-ref": part, "properties": properties })
        };
        let mut components: Vec<_> = parts.iter().map(part).collect();
        components.push(
            serde_json::json!({ "bom-ref": "program:p", "hashes": [{ "content": Sha256::of_bytes("p").to_string() }],
            "properties": [{ "name": IMPORT_PATH, "value": "own.org/p" }] }),
        );
        let dependencies = serde_json::json!([
            { "ref": "program:p", "dependsOn": parts },
            { "ref": "pkg:generic/rust-std@1.0", "dependsOn": ["pkg:cargo/hashbrown@1.0.0"] },
        ]);
        let text = serde_json::json!({ "components": components, "dependencies": dependencies }).to_string();
        Bill::read(text.as_bytes()).unwrap()
    }

    fn shown(program: &[u8], parts: Parts) -> Shown<'_> {
        Shown { program, digest: Sha256::of_bytes("p").to_string(), parts }
    }

    #[test]
    fn a_go_program_s_packages_and_the_bill_s_modules_are_the_same() {
        let names = ["main", "fmt", "own.org/p/cmd", "own.org/p/vendor/a.org/b/c"].map(String::from);
        let packages = || shown(b"", Parts::Go(names.clone().into()));
        let whole = bill("a.org/b", &["pkg:golang/a.org/b@v1.0.0", "pkg:golang/stdlib@1.19"]);
        assert_eq!(whole.compare("p", &packages()), [""; 0]);
        let wrong = bill("a.org/b", &["pkg:golang/a.org/b@v1.0.0"]).compare("p", &packages());
        assert_eq!(wrong, ["p has fmt, and the bill of materials has not"]);
        let wrong = bill("a.org/b", &["pkg:golang/stdlib@1.19"]).compare("p", &packages());
        assert_eq!(wrong, ["p has own.org/p/vendor/a.org/b/c, and the bill of materials has not"]);
        let surplus = bill("a.org/x", &["pkg:golang/a.org/x", "pkg:golang/stdlib@1.19"]).surplus("p", &packages());
        assert!(surplus.len() == 1 && surplus[0].contains("pkg:golang/a.org/x in p"), "{surplus:?}");
        // Types of a module of which no function was linked have its name.
        let named = shown(b"..a.org/x..", Parts::Go(names.clone().into()));
        assert_eq!(bill("a.org/x", &["pkg:golang/a.org/x"]).surplus("p", &named), [""; 0]);
    }

    #[test]
    fn a_rust_program_s_list_and_the_bill_s_crates_are_the_same() {
        let set = |of: &[&str]| of.iter().map(ToString::to_string).collect();
        let listed = ["pkg:cargo/a@1.0.0", "pkg:cargo/b@2.0.0"];
        let crates = |more: &[&str]| {
            let panicking = set(&[&["pkg:cargo/a@1.0.0", "pkg:cargo/hashbrown@1.0.0"], more].concat());
            shown(b"", Parts::Rust { listed: set(&listed), panicking })
        };
        let parts = [&listed[..], &["pkg:cargo/hashbrown@1.0.0", "pkg:generic/rust-std@1.0", "pkg:generic/musl@1.2.3"]]
            .concat();
        assert_eq!(bill("", &parts).compare("p", &crates(&[])), [""; 0]);
        for left_out in 0..3 {
            let mut less = parts.clone();
            let name = less.remove(left_out);
            let wrong = bill("", &less).compare("p", &crates(&[]));
            assert_eq!(wrong, [format!("p has {name}, and the bill of materials has not")]);
        }
        let wrong = bill("", &parts).compare("p", &crates(&["pkg:cargo/c@3.0.0"]));
        assert_eq!(
            wrong,
            ["p has pkg:cargo/c@3.0.0, and the bill of materials has not"],
            "it can panic and is not listed"
        );
        let more = [&parts[..], &["pkg:cargo/d@4.0.0"]].concat();
        let wrong = bill("", &more).compare("p", &crates(&[]));
        assert!(wrong.len() == 1 && wrong[0].contains("pkg:cargo/d@4.0.0 in p"), "{wrong:?}");
    }

    #[test]
    fn another_program_and_one_that_shows_nothing_are_seen() {
        let known = bill("", &[]);
        let other = Shown { digest: "00".into(), ..shown(b"", Parts::Go(BTreeSet::new())) };
        assert!(known.compare("p", &other)[0].contains("is about another p"));
        assert!(known.compare("p", &shown(b"", Parts::Unknown))[0].contains("nothing to be known by"));
        assert!(known.compare("q", &other)[0].contains("has no program q"));
    }
}
