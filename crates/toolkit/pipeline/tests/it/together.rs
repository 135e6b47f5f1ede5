//! Several runs on one cache.

use std::{fs, sync::Barrier, thread};

use crate::support::{FETCH, Notes, Place, UNPACK, again, given_place, names, ran};

#[test]
fn runs_at_once_all_succeed_and_make_each_step_once() {
    for round in 0..20 {
        let place = Place::new();
        let runs = 4;
        let begin = Barrier::new(runs);
        let notes = Notes::default();
        let mut made: Vec<String> = thread::scope(|scope| {
            let run = || {
                let steps = place.steps();
                begin.wait();
                let summary = place.with_engine(&notes, 2, |engine| engine.run(&steps, &[UNPACK]));
                ran(&summary.unwrap_or_else(|error| panic!("round {round}: {error:#}")))
            };
            let runs: Vec<_> = (0..runs).map(|_| scope.spawn(run)).collect();
            runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
        });
        made.sort();
        assert_eq!(made, [FETCH, UNPACK], "round {round}");
        assert_eq!(place.made("go.mod"), "module thing\n");
        for step in [FETCH, UNPACK] {
            assert_eq!(names(&place.root().join("steps").join(step)).len(), 1, "round {round}");
        }
        assert_eq!(names(&place.root().join("blobs")).len(), 1);
        assert_eq!(place.under_way(), Vec::<String>::new());
        assert!(notes.lines().iter().all(|line| line.contains("another run is making it; waiting")));
    }
}

#[test]
fn processes_at_once_all_succeed() {
    if let Some(place) = given_place() {
        println!("ran {}", place.run().len());
        return;
    }
    let place = Place::new();
    let started: Vec<_> =
        (0..3).map(|_| again("together::processes_at_once_all_succeed", &place).spawn().unwrap()).collect();
    let mut ran = 0;
    for process in started {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let count = text.split_once("ran ").and_then(|(_, rest)| rest.lines().next()?.parse::<usize>().ok());
        ran += count.unwrap_or_else(|| panic!("{text}"));
    }
    assert_eq!(ran, 2);
    assert_eq!(place.made("go.mod"), "module thing\n");
    assert_eq!(place.under_way(), Vec::<String>::new());
}

#[test]
fn runs_at_once_clean_up_after_a_killed_one_without_stopping_each_other() {
    for round in 0..20 {
        let place = Place::new();
        place.run();
        for number in 0..4 {
            let directory = place.root().join(format!("tmp/go-thing-{number}"));
            for part in 0..20 {
                fs::create_dir_all(directory.join(format!("out/{part}"))).unwrap();
                fs::write(directory.join(format!("out/{part}/file")), "x").unwrap();
            }
            fs::write(directory.with_extension("alive"), "").unwrap();
        }
        let begin = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let steps = place.steps();
                    begin.wait();
                    place.try_run(&steps, &[UNPACK], 1).unwrap_or_else(|error| panic!("round {round}: {error:#}"));
                });
            }
        });
        place.run();
        assert_eq!(place.under_way(), Vec::<String>::new(), "round {round}");
    }
}

#[test]
fn a_step_that_begins_while_another_run_cleans_up_keeps_its_directory() {
    let place = Place::new();
    let step = &place.steps()[1];
    let (rounds, threads) = (300, 3);
    let cache = place.cache();
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let cleaner = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                cache.sweep().unwrap();
            }
        });
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    for round in 0..rounds {
                        let workshop = cache.workshop(step).unwrap();
                        let file = workshop.out().join("file");
                        fs::write(&file, "x").unwrap_or_else(|error| panic!("round {round}: {error}"));
                        thread::yield_now();
                        assert!(file.exists(), "round {round}");
                    }
                })
            })
            .collect();
        let results: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        cleaner.join().unwrap();
        assert!(results.iter().all(Result::is_ok), "a directory in use was swept away");
    });
    assert_eq!(place.under_way(), Vec::<String>::new());
}
