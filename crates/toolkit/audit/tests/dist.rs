//! The bill of materials that a build left in dist/: a vulnerability of any part of it is found.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use audit::{bill::Bill, evidence::Evidence, judgement, osv, statements, table::Table, vex};
use serde_json::json;
use swix::dist;

fn security(directory: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../security").join(directory)
}

fn beside(ending: &str) -> Vec<u8> {
    let file = dist::newest_swix(&dist::directory()).unwrap().with_extension(ending);
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn the_table_and_the_statements_are_read() {
    let table = Table::read(&security("vulnerabilities")).unwrap();
    assert!(table.vulnerabilities.len() > 200, "{}", table.vulnerabilities.len());
    assert!(statements::read(&security("statements/1.20")).unwrap().len() > 40);
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn a_made_up_vulnerability_of_each_part_is_found_by_its_name_and_version() {
    let bill = Bill::read(&beside("cdx.json")).unwrap();
    let mut table = Table::read(&security("vulnerabilities")).unwrap();
    table.vulnerabilities.clear();
    let directory = tempfile::tempdir().unwrap();
    let parts: Vec<_> = bill.parts.iter().filter(|part| !part.purl.starts_with("pkg:generic/")).collect();
    assert!(parts.len() > 300, "{}", parts.len());
    for (at, part) in parts.iter().enumerate() {
        let name = audit::bill::without_version(&part.purl);
        let package = match (name.strip_prefix("pkg:golang/"), name.strip_prefix("pkg:cargo/")) {
            (Some(module), _) => json!({ "ecosystem": "Go", "name": module }),
            (_, Some(of)) => json!({ "ecosystem": "crates.io", "name": of }),
            // As Go's database names it.
            _ if name == "pkg:github/kubernetes/kubernetes" => {
                json!({ "ecosystem": "Go", "name": "k8s.io/kubernetes" })
            }
            _ if name == "pkg:github/etcd-io/etcd" => json!({ "ecosystem": "Go", "name": "go.etcd.io/etcd/v3" }),
            _ if name == "pkg:github/containernetworking/plugins" => {
                json!({ "ecosystem": "Go", "name": "github.com/containernetworking/plugins" })
            }
            _ => json!({ "ecosystem": "GitHub", "name": name, "purl": name }),
        };
        let introduced = part.version.as_ref().map_or("0".to_owned(), ToString::to_string);
        let events = [json!({ "introduced": introduced })];
        let entry = json!({ "id": format!("CVE-2099-{at}"), "affected": [{ "package": package, "ranges": [{ "type": "SEMVER", "events": events }] }] });
        fs::write(directory.path().join(format!("{at}.json")), entry.to_string()).unwrap();
    }
    table.add_given(osv::read(directory.path()).unwrap());
    let judged = judgement::judge(&bill, &table, &[], &Evidence::default());
    for (at, part) in parts.iter().enumerate() {
        let id = format!("CVE-2099-{at}");
        let found = judged.findings.iter().any(|of| of.vulnerability.id == id && of.part.purl == part.purl);
        assert!(found, "{id} of {} is not found", part.purl);
        assert!(
            judged.problems.iter().any(|problem| problem.starts_with(&format!("{id} in {}: nothing", part.purl))),
            "{id}"
        );
    }
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn what_was_published_says_something_of_each_and_not_that_nobody_looked() {
    let statuses = vex::statuses(&beside(vex::ENDING)).unwrap();
    assert!(statuses.len() > 150, "{}", statuses.len());
    let unknown: Vec<_> = statuses.iter().filter(|(_, status)| *status == "under_investigation").collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
