//! `kill -9` at any moment, and Ctrl-C: the next run goes on, and nothing of the killed one stays.

use std::{
    fs,
    fs::File,
    os::unix::fs::PermissionsExt,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{Sha256, command::Program};

use crate::support::{
    Place, Server, assert_nothing_stale, environment, files, https, nowhere, process, succeeds, wait_until,
};

#[test]
fn a_download_that_was_killed_is_resumed() {
    let body: Vec<u8> = (0..1_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sha256 = Sha256::of_bytes(&body);
    let server = Server::start(body, 400_000);
    let place = Place::new(&https(&server.url, &sha256.to_string()), &nowhere());
    let partial = place.cache().join("partial").join(sha256.to_string());
    let mut running = process(&place.cache()).args(place.fetch(&["thing"])).spawn().unwrap();
    wait_until("the download stalls", || fs::metadata(&partial).is_ok_and(|meta| meta.len() == 400_000));
    running.kill().unwrap();
    running.wait().unwrap();

    let ended = succeeds(place.xtask().args(place.fetch(&["thing"])));
    assert!(ended.out.starts_with("release 9.9: "), "{}", ended.out);
    assert_eq!(server.starts(), [0, 400_000]);
    assert_eq!(Sha256::of_file(&place.cache().join("blobs").join(sha256.to_string())).unwrap(), sha256);
    assert_nothing_stale(&place.cache());
}

#[test]
fn a_source_whose_copying_was_killed_is_copied_again_and_the_part_is_removed() {
    let place = Place::new(&nowhere(), &nowhere());
    File::create(place.path("thing/big")).unwrap().set_len(96 << 20).unwrap();
    let partial = place.cache().join("partial");
    let mut running = process(&place.cache()).args(place.fetch(&["go", "thing"])).spawn().unwrap();
    wait_until("the copy is under way", || {
        files(&partial).iter().any(|file| fs::metadata(file).is_ok_and(|meta| meta.len() > 1 << 20))
    });
    running.kill().unwrap();
    let status = running.wait().unwrap();
    assert!(status.code().is_none(), "it was over before it could be killed: {status}");
    assert_ne!(files(&partial), Vec::<String>::new());

    succeeds(place.xtask().args(place.fetch(&["go", "thing"])));
    assert_nothing_stale(&place.cache());
}

#[test]
fn whenever_it_is_killed_the_next_run_succeeds_and_nothing_stays() {
    let place = Place::new(&nowhere(), &nowhere());
    place.write("thing", "big", &"0123456789abcdef".repeat(1 << 18));
    let mut killed = 0;
    for moment in 0..24 {
        // Each with something new to do.
        place.write("go", "bin/go", &moment.to_string());
        place.write("thing", "main.go", &moment.to_string());
        let mut running = process(&place.cache()).args(place.fetch(&["go", "thing"])).spawn().unwrap();
        thread::sleep(Duration::from_millis(10 * moment));
        running.kill().unwrap();
        killed += usize::from(running.wait().unwrap().code().is_none());
        if moment % 4 == 0 {
            succeeds(place.xtask().args(place.fetch(&["go", "thing"])));
            assert_nothing_stale(&place.cache());
        }
    }
    assert!(killed > 0, "it was always over before it could be killed");
    succeeds(place.xtask().args(place.fetch(&["go", "thing"])));
    assert_nothing_stale(&place.cache());
    let again = succeeds(place.xtask().args(place.fetch(&["go", "thing"]))).out;
    assert_eq!(again, "release 9.9: 0 sources fetched, 2 were there\n");
}

#[test]
fn a_repository_that_a_killed_git_left_locked_is_fetched_anew() {
    let place = Place::new(&nowhere(), "");
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
        let git = Program::new("git", "make a repository").unwrap().dir(&place.path("thing"));
        git.args(identity).args(arguments).read().unwrap_or_else(|error| panic!("{error:#}")).trim().to_owned()
    };
    git(&["init", "--quiet", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let commit = git(&["rev-parse", "HEAD"]);
    let recipe = place.recipes().join("9.9/thing.toml");
    let origin =
        format!("[[origin]]\ngit = {{ url = \"file://{}\", commit = \"{commit}\" }}\n", place.path("thing").display());
    let text = fs::read_to_string(&recipe).unwrap().replacen("[[program]]", &format!("{origin}[[program]]"), 1);
    fs::write(recipe, text).unwrap();

    // As git leaves it that is killed while it writes.
    let repository = place.cache().join("git").join(format!("{commit}.git"));
    fs::create_dir_all(repository.parent().unwrap()).unwrap();
    Program::new("git", "make a repository")
        .unwrap()
        .args(["init", "--quiet", "--bare"])
        .arg(&repository)
        .read()
        .unwrap();
    for lock in ["shallow.lock", "config.lock", "FETCH_HEAD.lock"] {
        fs::write(repository.join(lock), "").unwrap();
    }
    fs::write(repository.join("HEAD"), "").unwrap();
    succeeds(place.xtask().args(place.fetch(&["go"])));
    assert!(!repository.exists());
    assert_nothing_stale(&place.cache());
}

/// What builds a program by a compiler that is this script.
fn build_with(place: &Place, compiler: &str) -> Vec<String> {
    place.write("go", "bin/go", compiler);
    place.write("go", "VERSION", "go1.19\n");
    fs::set_permissions(place.path("go/bin/go"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut arguments = place.fetch(&["go", "thing"]);
    arguments[0] = "build-swix".into();
    arguments.extend(["--program", "thing"].map(String::from));
    arguments
}

#[test]
fn an_interrupted_build_ends_its_compiler_and_what_that_has_started() {
    let place = Place::new(&nowhere(), &nowhere());
    let [begun, alive] = ["begun", "alive"].map(|name| place.path(name));
    let compiler = format!("#!/bin/sh\n(sleep 3; touch {}) &\ntouch {}\nwait\n", alive.display(), begun.display());
    let arguments = build_with(&place, &compiler);
    for which in ["-INT", "-TERM"] {
        let mut running = process(&place.cache()).args(&arguments).spawn().unwrap();
        wait_until("the compiler runs", || begun.exists());
        signal(which, &running);
        let since = Instant::now();
        let status = running.wait().unwrap();
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        assert_eq!(status.code(), Some(130), "{status}");
        fs::remove_file(&begun).unwrap();
    }
    thread::sleep(Duration::from_millis(3500));
    assert!(!alive.exists(), "what the compiler had started went on");
}

#[test]
fn a_second_interrupt_does_not_wait_for_a_compiler_that_does_not_end() {
    let place = Place::new(&nowhere(), &nowhere());
    let begun = place.path("begun");
    let stubborn = format!("#!/bin/sh\ntrap '' TERM\ntouch {}\nwhile :; do sleep 60; done\n", begun.display());
    let arguments = build_with(&place, &stubborn);
    let took = || {
        let mut running = process(&place.cache()).args(&arguments).spawn().unwrap();
        wait_until("the compiler runs", || begun.exists());
        signal("-INT", &running);
        thread::sleep(Duration::from_millis(200));
        assert_eq!(running.try_wait().unwrap().map(|status| status.to_string()), None, "the first one waits");
        let since = Instant::now();
        signal("-INT", &running);
        assert_eq!(running.wait().unwrap().code(), Some(130));
        fs::remove_file(&begun).unwrap();
        since.elapsed()
    };
    // The first one waits for a second. A machine that is busy may be slow once.
    assert!((0..3).any(|_| took() < Duration::from_millis(500)));
}

#[test]
fn who_has_a_signal_ignored_as_nohup_does_is_not_ended_by_it_and_by_the_others_with_all_that_runs() {
    let place = Place::new(&nowhere(), &nowhere());
    let [begun, alive] = ["begun", "alive"].map(|name| place.path(name));
    let compiler = format!("#!/bin/sh\n(sleep 3; touch {}) &\ntouch {}\nwait\n", alive.display(), begun.display());
    let arguments = build_with(&place, &compiler);
    let mut shell = std::process::Command::new("env");
    shell.envs(environment(&place.cache())).args(["--default-signal=INT,TERM", "--ignore-signal=HUP"]);
    shell.arg(env!("CARGO_BIN_EXE_xtask")).args(arguments).stderr(Stdio::null());
    let mut running = shell.spawn().unwrap();
    wait_until("the compiler runs", || begun.exists());
    signal("-HUP", &running);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(running.try_wait().unwrap().map(|status| status.to_string()), None);
    signal("-TERM", &running);
    assert_eq!(running.wait().unwrap().code(), Some(130));
    thread::sleep(Duration::from_millis(3500));
    assert!(!alive.exists(), "what the compiler had started went on");
}

fn signal(which: &str, to: &Child) {
    Program::new("kill", "send a signal").unwrap().args([which, &to.id().to_string()]).read().unwrap();
}
