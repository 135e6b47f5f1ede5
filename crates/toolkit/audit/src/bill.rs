//! The parts of a bill of materials (CycloneDX), and which programs each of them is in.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use semver::Version;

use crate::{
    table::{Alias, Vulnerability},
    version,
};

/// What has a package URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub purl: String,
    /// None where nobody says which it is: then it is taken for every one.
    pub version: Option<Version>,
    /// The names of the programs that it is in.
    pub programs: BTreeSet<String>,
}

/// A bill that has been read.
#[derive(Debug, Clone, Default)]
pub struct Bill {
    /// What all of it is: the product.
    pub product: String,
    pub parts: Vec<Part>,
}

impl Bill {
    pub fn read(document: &[u8]) -> Result<Self> {
        let bill = swix::bill::Bill::read(document).context("the bill of materials is not as expected")?;
        let product =
            bill.product().context("the bill of materials does not say what it is of (metadata.component)")?;
        let part = |(purl, programs): (&str, BTreeSet<&str>)| {
            let programs = programs.into_iter().map(str::to_owned).collect();
            Ok(Part { purl: purl.to_owned(), version: version_of(purl)?, programs })
        };
        Ok(Bill { product: product.to_owned(), parts: bill.parts().map(part).collect::<Result<_>>()? })
    }

    /// The parts that have a vulnerability.
    pub fn with<'a>(&'a self, of: &'a Vulnerability, aliases: &'a [Alias]) -> impl Iterator<Item = &'a Part> {
        let alias = aliases.iter().find(|alias| alias.package == of.package);
        self.parts.iter().filter(move |part| {
            let name = without_version(&part.purl);
            match alias {
                _ if name == of.package => part.version.as_ref().is_none_or(|version| of.range.has(version)),
                Some(alias) if name == alias.of => alias.version(part).is_none_or(|version| of.range.has(&version)),
                _ => false,
            }
        })
    }
}

impl Alias {
    /// The version that it has as a part of another one.
    fn version(&self, of: &Part) -> Option<Version> {
        let version = of.version.as_ref()?;
        let Some(pattern) = &self.version else { return Some(version.clone()) };
        let [minor, patch] = [version.minor, version.patch].map(|number| number.to_string());
        version::parse(&pattern.replace("{minor}", &minor).replace("{patch}", &patch)).ok()
    }
}

/// A package URL as a vulnerability names it.
pub fn without_version(purl: &str) -> &str {
    purl.split('@').next().unwrap_or(purl)
}

fn version_of(purl: &str) -> Result<Option<Version>> {
    let Some((_, version)) = purl.split_once('@') else { return Ok(None) };
    let version = version.split(['?', '#']).next().unwrap_or(version).replace("%2B", "+");
    // What is no module or crate has versions of its own kind: musl, GCC's files.
    if ["pkg:golang/", "pkg:cargo/", "pkg:github/"].iter().any(|kind| purl.starts_with(kind)) {
        return version::parse(&version).map(Some).with_context(|| format!("the part {purl}"));
    }
    Ok(version::parse(&version).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Range;

    fn bill() -> Bill {
        let document = serde_json::json!({
            "metadata": { "component": { "bom-ref": "pkg:generic/kubernetes-on-eos@1.20.2" } },
            "components": [
                { "bom-ref": "pkg:github/kubernetes/kubernetes@v1.20.2", "purl": "pkg:github/kubernetes/kubernetes@v1.20.2" },
                { "bom-ref": "program:hyperkube" },
                { "bom-ref": "pkg:golang/golang.org/x/net@v0.7.0", "purl": "pkg:golang/golang.org/x/net@v0.7.0" },
                { "bom-ref": "pkg:golang/a.org/unversioned", "purl": "pkg:golang/a.org/unversioned" },
                { "bom-ref": "program:k8s-node" },
                { "bom-ref": "pkg:generic/rust-std@1.91.1", "purl": "pkg:generic/rust-std@1.91.1" },
                { "bom-ref": "pkg:cargo/hashbrown@0.15.0", "purl": "pkg:cargo/hashbrown@0.15.0" },
            ],
            "dependencies": [
                { "ref": "pkg:github/kubernetes/kubernetes@v1.20.2", "dependsOn": ["program:hyperkube"] },
                { "ref": "program:hyperkube", "dependsOn": ["pkg:golang/golang.org/x/net@v0.7.0"] },
                { "ref": "program:k8s-node", "dependsOn": ["pkg:generic/rust-std@1.91.1"] },
                { "ref": "pkg:generic/rust-std@1.91.1", "dependsOn": ["pkg:cargo/hashbrown@0.15.0"] },
            ],
        });
        Bill::read(document.to_string().as_bytes()).unwrap()
    }

    fn matched(package: &str, range: &str, aliases: &[Alias]) -> Vec<String> {
        let (aliases, symbols) = (aliases.to_vec(), vec![]);
        let of = Vulnerability {
            id: "CVE-1".into(),
            aliases: vec![],
            package: package.into(),
            range: Range::parse(range).unwrap(),
            symbols,
        };
        bill().with(&of, &aliases).map(|part| part.purl.clone()).collect()
    }

    #[test]
    fn a_part_is_in_the_programs_that_are_made_of_it() {
        let bill = bill();
        let programs = bill.parts.iter().map(|part| part.programs.iter().map(String::as_str).collect::<Vec<_>>());
        let purls: Vec<&str> = bill.parts.iter().map(|part| without_version(&part.purl)).collect();
        assert_eq!(
            purls.into_iter().zip(programs).collect::<Vec<_>>(),
            [
                ("pkg:cargo/hashbrown", vec!["k8s-node"]),
                ("pkg:generic/rust-std", vec!["k8s-node"]),
                ("pkg:github/kubernetes/kubernetes", vec!["hyperkube"]),
                ("pkg:golang/a.org/unversioned", vec![]),
                ("pkg:golang/golang.org/x/net", vec!["hyperkube"]),
            ]
        );
        assert_eq!(bill.product, "pkg:generic/kubernetes-on-eos@1.20.2");
    }

    #[test]
    fn a_vulnerability_is_that_of_the_part_by_name_and_range() {
        assert_eq!(matched("pkg:golang/golang.org/x/net", "<0.8.0", &[]), ["pkg:golang/golang.org/x/net@v0.7.0"]);
        assert_eq!(matched("pkg:golang/golang.org/x/net", "<0.7.0", &[]), [""; 0]);
        assert_eq!(matched("pkg:golang/golang.org/x", "*", &[]), [""; 0]);
        let unversioned = matched("pkg:golang/a.org/unversioned", "<0.0.1", &[]);
        assert_eq!(unversioned, ["pkg:golang/a.org/unversioned"], "who does not say its version may have it");
    }

    #[test]
    fn a_module_of_a_component_is_known_by_its_alias() {
        let alias = |version: Option<&str>| Alias {
            package: "pkg:golang/k8s.io/apiserver".into(),
            of: "pkg:github/kubernetes/kubernetes".into(),
            version: version.map(str::to_owned),
        };
        let kubernetes = ["pkg:github/kubernetes/kubernetes@v1.20.2"];
        assert_eq!(matched("pkg:golang/k8s.io/apiserver", "<0.20.3", &[alias(Some("v0.{minor}.{patch}"))]), kubernetes);
        assert_eq!(matched("pkg:golang/k8s.io/apiserver", "<0.20.2", &[alias(Some("v0.{minor}.{patch}"))]), [""; 0]);
        assert_eq!(matched("pkg:golang/k8s.io/apiserver", "<1.20.3", &[alias(None)]), kubernetes);
    }
}
