//! The script that lists the stages lists those of the table, in its order and in its words.

use contract::{Stage, places};

use crate::repository::{none_of, read};

#[test]
fn first_boot_lists_every_stage_in_order_with_who_does_it_and_what() {
    let script = format!("rootfs{}", places::FIRST_BOOT);
    let text = read(&script);
    let listed: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .skip_while(|(_, line)| !line.ends_with("programs mount"))
        .skip(1)
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
