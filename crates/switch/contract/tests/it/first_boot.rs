//! The script that lists the stages lists those of the table, in its order and in its words, and goes on behind one that fails.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use contract::{Stage, places};

use crate::repository::{none_of, read};

#[test]
fn first_boot_lists_every_stage_in_order_with_who_does_it_and_what() {
    let script = format!("rootfs{}", places::FIRST_BOOT);
    let text = read(&script);
    let listed: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("stage ") && line.contains('#'))
        .map(|(at, line)| (at + 1, line))
        .collect();
    let mut problems = Vec::new();
    for (stage, (line, said)) in Stage::ALL.iter().zip(&listed) {
        let desired = format!("stage {:<13} # {}", stage.name(), stage.about());
        if *said != desired {
            problems.push(format!("{script}:{line}: it says `{said}`; contract's table of stages says `{desired}`"));
        }
    }
    none_of(&problems);
    assert_eq!(listed.len(), Stage::ALL.len(), "{script}: stages are missing, or there are too many");
}

#[test]
fn every_stage_is_found_by_its_name_alone() {
    for stage in Stage::ALL {
        assert_eq!(Stage::named(stage.name()), Some(*stage));
    }
    assert_eq!(Stage::named("kubeproxy"), None);
}

#[test]
fn a_stage_needs_none_that_comes_behind_it() {
    for (place, stage) in Stage::ALL.iter().enumerate() {
        for need in stage.needs() {
            assert!(Stage::ALL[..place].contains(need), "{} needs {}", stage.name(), need.name());
        }
    }
    assert!(Stage::ALL.iter().all(|stage| *stage == Stage::Prepare || !stage.needs().is_empty()));
}

/// Everything that a stage needs, and what that needs.
fn all_needs(stage: Stage) -> Vec<Stage> {
    stage.needs().iter().flat_map(|need| all_needs(*need).into_iter().chain([*need])).collect()
}

#[test]
fn the_control_plane_and_the_renewal_need_no_docker() {
    for stage in [Stage::ControlPlane, Stage::ApiServer, Stage::Rbac, Stage::Enrolment, Stage::Routes, Stage::Renewal] {
        assert!(!all_needs(stage).contains(&Stage::Docker), "{}", stage.name());
    }
    assert!(all_needs(Stage::Ready).contains(&Stage::Docker), "no pod runs without it");
}

/// Runs the script with programs in the place of ours that write down how they are called, and fail for one stage.
fn first_boot(fails: &str) -> (Output, String) {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name).display().to_string();
    let program = format!("#!/bin/sh\necho \"$*\" >>{}\n[ \"$2\" != {fails} ]\n", place("called"));
    for name in ["k8s-node", "programs"] {
        fs::write(place(name), &program).unwrap();
        fs::set_permissions(place(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = read(&format!("rootfs{}", places::FIRST_BOOT));
    let script =
        script.replace(places::K8S_NODE, &place("k8s-node")).replace(places::PROGRAMS_SCRIPT, &place("programs"));
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    (output, fs::read_to_string(place("called")).unwrap())
}

#[test]
fn a_stage_that_fails_ends_no_bring_up_before_its_end_and_is_told_there() {
    let (output, called) = first_boot("docker");
    let stages: Vec<String> = Stage::ALL.iter().map(|stage| format!("stage {}", stage.name())).collect();
    assert_eq!(called.lines().skip(1).collect::<Vec<_>>(), stages);
    assert_eq!(output.status.code(), Some(1), "systemd has to begin again");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("not done: docker;"), "{said}");
    let (output, _) = first_boot("none");
    assert!(output.status.success() && output.stderr.is_empty());
}
