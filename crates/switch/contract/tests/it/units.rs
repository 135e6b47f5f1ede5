//! The units of rootfs/ and of the releases are those that the contract names.

use std::collections::BTreeSet;

use contract::services;

use crate::repository::{Text, found, no_rust, none_of, texts};

fn names(directory: &str, below: &str) -> BTreeSet<String> {
    let files = texts(&[directory], |name| name.contains(below));
    files.iter().map(|file| file.name.rsplit_once('/').unwrap().1.to_owned()).collect()
}

#[test]
fn our_own_units_are_those_that_the_contract_names() {
    let named: BTreeSet<String> = services::ALL.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names("rootfs", "/systemd/system/"), named);
    let mut problems = Vec::new();
    for Text { name, text } in no_rust() {
        for (line, _, behind) in found(&text, services::PACKAGE) {
            let rest = behind.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.').next().unwrap();
            let unit = format!("{}{rest}", services::PACKAGE);
            if [".service", ".timer"].iter().any(|end| unit.ends_with(end)) && !services::ALL.contains(&unit.as_str()) {
                problems.push(format!(
                    "{name}:{line}: {unit} is no unit that contract::services names; correct it, or name it there"
                ));
            }
        }
    }
    none_of(&problems);
}

#[test]
fn each_release_has_a_unit_for_every_service() {
    let releases = std::fs::read_dir(crate::repository::root().join("recipes")).unwrap().map(|entry| entry.unwrap());
    let releases: Vec<_> = releases.filter(|entry| entry.path().join("release.toml").is_file()).collect();
    assert!(releases.len() > 1, "the releases were not found");
    for release in releases.iter().map(|entry| entry.file_name().into_string().unwrap()) {
        let units = names(&format!("recipes/{release}/units"), ".service");
        let named: BTreeSet<String> = services::NAMES.iter().map(|name| format!("{name}.service")).collect();
        assert_eq!(units, named, "{release}");
    }
    assert!(services::MASTER.iter().all(|name| services::NAMES.contains(name)));
}
