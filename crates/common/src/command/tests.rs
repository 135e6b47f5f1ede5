//! Programs that fail, hang, and leave something behind.

use std::time::Instant;

use super::*;

#[test]
fn a_program_that_fails_is_named_with_its_last_lines() {
    let failing = Program::new("ls", "list a directory").unwrap().arg("/no/such directory");
    let error = format!("{:#}", failing.read().unwrap_err());
    assert!(error.contains("cannot list a directory: `ls '/no/such directory'` ended with"), "{error}");
    assert!(error.contains("No such file"), "{error}");
}

#[test]
fn what_cargo_tells_this_test_is_not_handed_on_and_where_its_files_are_is() {
    let names: Vec<String> = cargo_variables().collect();
    assert!(names.iter().any(|name| name == "CARGO_PKG_NAME") && names.iter().all(|name| name != "CARGO_HOME"));
}

#[test]
fn a_program_that_is_not_there_says_what_it_is_needed_for() {
    let error = Program::new("no-such-program", "prove a point").unwrap().read().unwrap_err().to_string();
    assert!(error.contains("no-such-program is required to prove a point"), "{error}");
}

#[test]
fn a_followed_program_s_lines_are_handed_over_and_what_it_says_last_is_in_the_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    let failing = Program::new("sh", "speak").unwrap().args(["-c", "echo one; echo two; echo why >&2; exit 3"]);
    let error = failing.follow(&dir.path().join("log"), |line| lines.push(line.to_owned())).unwrap_err();
    assert_eq!(lines, ["one", "two"]);
    let error = format!("{error:#}");
    assert!(
        error.starts_with("the whole log is ")
            && error.ends_with("exit status: 3\n    $ sh -c 'echo one; echo two; echo why >&2; exit 3'\n    why"),
        "{error}"
    );
}

#[test]
fn what_may_not_be_run_is_no_program() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    for (mode, is) in [(0o644, false), (0o755, true)] {
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!((is_program(&file), is_program(directory.path())), (is, false), "{mode:o}");
    }
}

#[test]
fn a_logged_program_leaves_command_and_output_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    Program::new("echo", "speak").unwrap().arg("hello").run_logged(&log).unwrap();
    assert_eq!(fs::read_to_string(&log).unwrap(), "$ echo hello\nhello\n");
}

#[test]
fn a_program_that_hangs_is_ended_at_its_limit_with_what_it_has_started() {
    let dir = tempfile::tempdir().unwrap();
    let alive = dir.path().join("alive");
    let script = format!("echo begun; (sleep 1; touch {}) & wait", alive.display());
    let hangs = || Program::new("sh", "wait").unwrap().args(["-c", &script]).limit(Duration::from_millis(200));
    let log = dir.path().join("log");
    for error in [hangs().read().unwrap_err(), hangs().run_logged(&log).unwrap_err()] {
        let error = format!("{error:#}");
        assert!(error.contains("cannot wait: `sh -c"), "{error}");
        assert!(error.contains("was ended, as it was not done after 0.2 s") && error.contains("begun"), "{error}");
    }
    std::thread::sleep(Duration::from_millis(1200));
    assert!(!alive.exists(), "what it started went on");
}

#[test]
fn who_left_its_output_open_is_not_waited_for_longer_than_the_limit() {
    let leaves = Program::new("setsid", "leave").unwrap().args(["sh", "-c", "sleep 20 & echo done"]);
    let began = Instant::now();
    let mut leaves = leaves.limit(Duration::from_millis(500));
    let output = leaves.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_program_can_be_run_again() {
    let mut program = Program::new("echo", "speak").unwrap().arg("hello");
    assert_eq!(program.output().unwrap().stdout, b"hello\n");
    assert_eq!(program.read().unwrap(), "hello\n");
}

#[test]
fn a_program_whose_caller_panics_is_ended_and_no_longer_known() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let number = std::sync::Mutex::new(0);
    let followed = std::panic::catch_unwind(|| {
        let program = Program::new("sh", "speak").unwrap().args(["-c", "echo $$; exec sleep 60"]);
        program.follow(&log, |line| {
            *number.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = line.parse().unwrap();
            panic!("nobody waits for it any more");
        })
    });
    assert!(followed.is_err());
    let number = *number.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    assert!(number > 0 && !Path::new(&format!("/proc/{number}")).exists(), "{number} runs on");
    assert!(!child::is_known(number));
}

#[test]
fn a_program_reads_what_it_is_given_and_has_a_limit_where_it_does_not() {
    let given = "line\n".repeat(100_000);
    assert_eq!(Program::new("cat", "read").unwrap().input(&given).unwrap().read().unwrap(), given);
    let deaf = Program::new("sleep", "read").unwrap().arg("60").limit(Duration::from_millis(200));
    let error = deaf.input(&given).unwrap().read().unwrap_err().to_string();
    assert!(error.contains("was ended, as it was not done after 0.2 s"), "{error}");
}
