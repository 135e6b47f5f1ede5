//! What is said of vulnerabilities, held against what was built: each way in which that can be wrong is found.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use audit::{
    bill::{Bill, Part},
    evidence::{Evidence, Program},
    judgement::{Finding, judge},
    osv, statements, status,
    table::{INDEX, Table},
    version, vex,
};
use serde_json::json;

const TABLE: &str = r#"
    [[package]]
    purl = "pkg:github/kubernetes/kubernetes"
    [package.known]
    CVE-2021-1 = { range = "<1.20.11" }
    CVE-2021-2 = { range = "<1.20.2" }
    CVE-2021-3 = { also = ["GO-2021-3"], range = "*", symbols = ["k8s.io/kubernetes/pkg/off.Do"] }
    CVE-2021-4 = { range = "*" }
"#;

const STATEMENTS: &str = r#"
    [[statement]]
    ids = ["CVE-2021-1"]
    status = "fixed"
    reason = "It looks twice."
    patch = "kubernetes/0001-cve-2021-1.patch"
    [[statement]]
    ids = ["GO-2021-3"]
    status = "not_affected"
    justification = "vulnerable_code_not_present"
    reason = "It is off."
    checks = [{ symbols-absent = true }, { unit = "kubelet.service", has = "--off" }]
    [[statement]]
    ids = ["CVE-2021-4"]
    of = ["pkg:github/kubernetes/kubernetes"]
    status = "affected"
    reason = "Who can, may."
    action = "Let nobody."
"#;

fn text(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(ToString::to_string).collect()
}

fn patch(name: &str, names: &str) -> BTreeMap<String, BTreeSet<String>> {
    BTreeMap::from([(name.to_owned(), text(&[names]))])
}

struct Case {
    table: String,
    statements: String,
    evidence: Evidence,
    parts: Vec<Part>,
    given: Option<String>,
}

impl Case {
    fn new() -> Self {
        let mut evidence =
            Evidence { patches: patch("kubernetes/0001-cve-2021-1.patch", "CVE-2021-1"), ..Evidence::default() };
        evidence.programs.insert("hyperkube".into(), Program::new(&text(&["main.main"]), text(&["main"]), text(&[])));
        evidence.units.insert("kubelet.service".into(), "ExecStart=kubelet --off\n".into());
        let part = Part {
            purl: "pkg:github/kubernetes/kubernetes@v1.20.2".into(),
            version: Some(version::parse("1.20.2").unwrap()),
            programs: text(&["hyperkube"]),
        };
        Case { table: TABLE.into(), statements: STATEMENTS.into(), evidence, parts: vec![part], given: None }
    }

    fn with<T>(&self, look: impl FnOnce(&[Finding], &[String], &str, &str) -> T) -> T {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let write = |path: &Path, text: &str| fs::write(path, text).unwrap();
        fs::create_dir(place("table")).unwrap();
        fs::create_dir(place("said")).unwrap();
        write(&place("table").join(INDEX), "known-until = \"2026-10-08\"");
        write(&place("table").join("kubernetes.toml"), &self.table);
        write(&place("said").join("kubernetes.toml"), &self.statements);
        let mut table = Table::read(&place("table")).unwrap();
        if let Some(given) = &self.given {
            write(&place("given.json"), given);
            table.add_given(osv::read(&place("given.json")).unwrap());
        }
        let said = statements::read(&place("said")).unwrap();
        let bill = Bill { product: "pkg:generic/kubernetes-on-eos@1.20.2".into(), parts: self.parts.clone() };
        let judged = judge(&bill, &table, &said, &self.evidence);
        let vex = vex::text(&bill.product, &table.known_until, &judged).unwrap();
        let status = status::text("1.20", &table.known_until, &judged);
        look(&judged.findings, &judged.problems, &vex, &status)
    }

    /// The only problem.
    fn problem(&self) -> String {
        self.with(|_, problems, _, _| {
            assert_eq!(problems.len(), 1, "{problems:?}");
            problems[0].clone()
        })
    }
}

#[test]
fn what_holds_is_told_with_its_status() {
    Case::new().with(|findings, problems, vex, status| {
        assert_eq!(problems, [""; 0]);
        let told: Vec<_> = findings.iter().map(|of| (of.vulnerability.id.as_str(), of.status())).collect();
        assert_eq!(told, [("CVE-2021-1", "fixed"), ("CVE-2021-3", "not_affected"), ("CVE-2021-4", "affected")]);
        let document: serde_json::Value = serde_json::from_str(vex).unwrap();
        assert_eq!(document["timestamp"], "2026-10-08T00:00:00Z");
        let third = &document["statements"][1];
        assert_eq!(third["vulnerability"], json!({ "name": "CVE-2021-3", "aliases": ["GO-2021-3"] }));
        assert_eq!(third["justification"], "vulnerable_code_not_present");
        assert_eq!(third["products"][0]["subcomponents"][0]["@id"], "pkg:github/kubernetes/kubernetes@v1.20.2");
        assert_eq!(document["statements"][2]["action_statement"], "Let nobody.");
        let statuses = vex::statuses(vex.as_bytes()).unwrap();
        let of = ("CVE-2021-1".to_owned(), "pkg:github/kubernetes/kubernetes".to_owned());
        assert_eq!((statuses.len(), statuses[&of].as_str()), (3, "fixed"));
        assert!(status.contains("Known until **2026-10-08**"), "{status}");
        assert!(
            status.contains("| CVE-2021-4 | kubernetes/kubernetes | Who can, may. **To do:** Let nobody. |"),
            "{status}"
        );
    });
}

#[test]
fn a_vulnerability_that_nothing_is_said_of_is_a_problem() {
    let mut case = Case::new();
    let all: Vec<&str> = STATEMENTS.split("[[statement]]").collect();
    for left_out in 1..all.len() {
        let less: Vec<&str> = all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, text)| *text).collect();
        case.statements = less.join("[[statement]]");
        let problem = case.problem();
        assert!(problem.contains("nothing is said of it") && problem.contains("CVE-2021-"), "{problem}");
    }
}

#[test]
fn a_patch_that_was_dropped_is_a_problem() {
    let mut case = Case::new();
    case.evidence.patches = patch("etcd/0001-cve-2021-1.patch", "CVE-2021-1");
    assert!(case.problem().contains("CVE-2021-1 in pkg:github/kubernetes/kubernetes@v1.20.2"));
    case.with(|findings, _, vex, _| {
        assert_eq!(findings[0].status(), "affected", "it is what it then is");
        assert!(vex.contains("was not applied"), "{vex}");
    });
}

#[test]
fn a_patch_that_names_another_vulnerability_is_a_problem() {
    let mut case = Case::new();
    case.evidence.patches = patch("kubernetes/0001-cve-2021-1.patch", "CVE-2021-9");
    let problem = case.problem();
    assert!(problem.contains("0001-cve-2021-1.patch says nothing of CVE-2021-1"), "{problem}");
}

#[test]
fn a_check_of_what_is_fixed_is_held_as_well() {
    let mut case = Case::new();
    let with = |check: &str| {
        STATEMENTS.replace("0001-cve-2021-1.patch\"", &format!("0001-cve-2021-1.patch\"\nchecks = [{check}]"))
    };
    case.statements = with("{ package-absent = \"main\" }");
    assert!(case.problem().contains("hyperkube has the package main"));
    case.statements = with("{ package-absent = \"off\" }");
    case.with(|_, problems, _, _| assert_eq!(problems, [""; 0]));
}

#[test]
fn a_check_that_fails_and_one_that_is_missing_are_problems() {
    let mut case = Case::new();
    let functions = text(&["k8s.io/kubernetes/pkg/off.Do"]);
    case.evidence.programs.insert("hyperkube".into(), Program::new(&functions, text(&[]), text(&[])));
    assert!(case.problem().contains("hyperkube has the function k8s.io/kubernetes/pkg/off.Do"));
    let mut case = Case::new();
    case.evidence.units.insert("kubelet.service".into(), "ExecStart=kubelet\n".into());
    assert!(case.problem().contains("kubelet.service has no \"--off\" any more"));
    let mut case = Case::new();
    case.statements = STATEMENTS.lines().filter(|line| !line.contains("checks")).collect::<Vec<_>>().join("\n");
    assert!(case.problem().contains("counts as affected"));
    case.with(|findings, _, _, _| assert_eq!(findings[1].status(), "affected"));
}

#[test]
fn a_statement_of_what_nobody_knows_or_no_part_has_is_a_problem() {
    let more = |id: &str| {
        format!("{STATEMENTS}\n[[statement]]\nids = [{id:?}]\nstatus = \"affected\"\nreason = \"r\"\naction = \"a\"")
    };
    let mut case = Case::new();
    case.statements = more("CVE-2021-9");
    assert!(case.problem().contains("nothing is known of CVE-2021-9"));
    case.statements = more("CVE-2021-2");
    assert!(case.problem().contains("no part of the bill of materials has CVE-2021-2"), "v1.20.2 is without it");
    case.statements = more("CVE-2021-4");
    assert!(case.problem().contains("two statements"));
}

#[test]
fn what_is_given_in_osv_s_format_is_found_and_wants_a_statement() {
    let mut case = Case::new();
    let entry = |package: &str, fixed: &str| {
        json!({ "id": "GO-2030-1", "aliases": ["CVE-2030-1"], "affected": [{
            "package": { "ecosystem": "Go", "name": package },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": fixed }] }] }] })
        .to_string()
    };
    case.parts.push(Part {
        purl: "pkg:golang/x.org/y@v1.0.0".into(),
        version: Some(version::parse("1.0.0").unwrap()),
        programs: text(&["hyperkube"]),
    });
    case.given = Some(entry("x.org/y", "1.0.1"));
    assert!(case.problem().contains("CVE-2030-1 in pkg:golang/x.org/y@v1.0.0: nothing is said of it (fixed in 1.0.1)"));
    case.given = Some(entry("x.org/y", "1.0.0"));
    case.with(|_, problems, _, _| assert_eq!(problems, [""; 0]));
}
