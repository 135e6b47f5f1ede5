//! What a killed run left behind is removed by the next one; what a living one works on stays.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    thread,
    time::{Duration, Instant, SystemTime},
};

use common::command::Program;
use pipeline::known::entry_of;

use crate::support::{Place, UNPACK, again, given_place};

#[test]
fn what_a_killed_run_left_is_removed_and_what_a_living_one_holds_stays() {
    if let Some(place) = given_place() {
        // A run in the middle of a step, until it is killed.
        let workshop = place.cache().workshop(&place.steps()[1]).unwrap();
        fs::write(workshop.out().join("half"), "half of it").unwrap();
        println!("begun");
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    let place = Place::new();
    let test = "killed::what_a_killed_run_left_is_removed_and_what_a_living_one_holds_stays";
    let mut living = again(test, &place).spawn().unwrap();
    let mut lines = BufReader::new(living.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("begun")), "the other process did not get that far");

    place.run();
    let held = place.under_way();
    assert_eq!(held.len(), 2, "a directory and its mark: {held:?}");
    let half = place.root().join("tmp").join(&held[0]).join("out/half");
    assert_eq!(fs::read_to_string(&half).unwrap(), "half of it");

    living.kill().unwrap();
    living.wait().unwrap();
    assert!(half.exists(), "a killed run cleans nothing up");
    place.run();
    assert_eq!(place.under_way(), Vec::<String>::new());
    assert_eq!(place.made("go.mod"), "module thing\n");
}

#[test]
fn what_a_killed_run_s_compiler_still_writes_to_stays_until_that_has_ended() {
    if let Some(place) = given_place() {
        let workshop = place.cache().workshop(&place.steps()[1]).unwrap();
        // It is ended with the run; what it has started is not.
        let compiler = "sleep 1000 & echo $!; wait";
        let log = place.directory.join("compiler");
        let _ = Program::new("sh", "compile").unwrap().args(["-c", compiler]).dir(&workshop.out()).run_logged(&log);
        return;
    }
    let place = Place::new();
    let test = "killed::what_a_killed_run_s_compiler_still_writes_to_stays_until_that_has_ended";
    let mut living = again(test, &place).spawn().unwrap();
    let log = place.directory.join("compiler");
    let until = Instant::now() + Duration::from_secs(60);
    let compiler: i32 = loop {
        let text = fs::read_to_string(&log).unwrap_or_default();
        if let Some(number) = text.lines().find_map(|line| line.parse().ok()) {
            break number;
        }
        assert!(Instant::now() < until, "the compiler does not say its number: {text}");
        thread::sleep(Duration::from_millis(20));
    };
    living.kill().unwrap();
    living.wait().unwrap();
    place.run();
    assert_eq!(place.under_way().len(), 2, "what is written to was swept away");
    Program::new("kill", "end the compiler").unwrap().args(["-9", &compiler.to_string()]).read().unwrap();
    while fs::exists(format!("/proc/{compiler}")).unwrap() {
        assert!(Instant::now() < until, "the compiler does not end");
        thread::sleep(Duration::from_millis(20));
    }
    place.run();
    assert_eq!(place.under_way(), Vec::<String>::new());
}

#[test]
fn directories_that_cannot_be_written_and_marks_without_a_directory_are_removed_too() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.cache();
    let tmp = place.root().join("tmp");
    fs::create_dir_all(tmp.join("go-thing-1/out/pkg")).unwrap();
    fs::write(tmp.join("go-thing-1/out/pkg/a.go"), "package a").unwrap();
    fs::set_permissions(tmp.join("go-thing-1/out/pkg"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::write(tmp.join("go-thing-1.alive"), "").unwrap();
    fs::write(tmp.join("go-thing-2.alive"), "").unwrap();
    place.run();
    assert_eq!(place.under_way(), Vec::<String>::new());
}

#[test]
fn a_directory_without_a_mark_stays_for_an_hour() {
    let place = Place::new();
    place.cache();
    for (name, age) in [("new", 0), ("old", 2 * 3600)] {
        let directory = place.root().join("tmp").join(name);
        fs::create_dir(&directory).unwrap();
        let time = SystemTime::now() - Duration::from_secs(age);
        File::open(&directory).unwrap().set_modified(time).unwrap();
    }
    place.run();
    assert_eq!(place.under_way(), ["new"]);
}

#[test]
fn a_run_that_was_killed_between_the_old_entry_and_the_new_one_is_made_up_for() {
    let place = Place::new();
    place.run();
    // The old entry is gone and the new one is not there yet.
    place.remove(UNPACK);
    assert!(entry_of(&place.cache(), &place.steps(), UNPACK).is_err());
    assert_eq!(place.run(), [UNPACK]);
}
