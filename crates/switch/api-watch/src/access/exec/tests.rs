//! A plugin that hangs, and one that fails later, at times that a test can have.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;

use super::refresh::{Refresher, until_next};
use super::*;

const SHORT: Duration = Duration::from_millis(300);

/// One that is a script here, as no other program hangs in as many ways.
fn plugin(script: &str) -> Plugin {
    let yaml = format!("{{apiVersion: {}, command: sh, args: [-c, {}]}}", API_VERSIONS[0], json!(script));
    let exec: Exec = serde_saphyr::from_str(&yaml).unwrap();
    let plugin = exec.plugin(Path::new(""), &Cluster::default(), &Uri::from_static("http://a")).unwrap();
    Plugin { limit: SHORT, ..plugin }
}

#[test]
fn a_plugin_that_hangs_is_killed_with_what_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    for script in
        ["sleep 60", "exec >&- 2>&-; sleep 60", "(sleep 60 & echo $! >> PIDS) ; exit 0", "trap '' TERM; sleep 60"]
    {
        let script = format!("echo $$ >> PIDS; {script}").replace("PIDS", &pids.display().to_string());
        let began = Instant::now();
        let why = plugin(&script).credential().unwrap_err();
        assert!(why.contains("exec \"sh\": it did not end within 300ms and was killed"), "{script}: {why}");
        assert!(began.elapsed() < Duration::from_secs(20), "{script}");
    }
    // A zombie has no command line.
    let is_there = |pid: &str| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::read_to_string(&pids).unwrap().lines().any(is_there) {
        assert!(Instant::now() < deadline, "something still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_a_plugin_gave_last_is_used_on_while_it_fails_and_that_is_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("answer");
    let value = Arc::new(Mutex::new(HeaderValue::from_static("Bearer first")));
    let plugin = Plugin { limit: Duration::from_secs(20), ..plugin(&format!("cat {}", path.display())) };
    let whose = "/k: user \"u\"".to_owned();
    let mut refresher = Refresher { plugin, whose, value: Arc::clone(&value), failing: false };
    let log = Log::default();
    let mut after = |status: Option<Value>| {
        let answer =
            status.map(|status| json!({"apiVersion": API_VERSIONS[0], "kind": "ExecCredential", "status": status}));
        fs::write(&path, answer.map(|answer| answer.to_string()).unwrap_or_default()).unwrap();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let next = tracing::subscriber::with_default(subscriber, || refresher.again());
        (next, value.lock().unwrap().to_str().unwrap().to_owned(), log.lines())
    };
    let is =
        |seconds: Option<u64>, token: &str, lines| (seconds.map(Duration::from_secs), format!("Bearer {token}"), lines);
    assert_eq!(after(Some(json!({"token": "second"}))), is(None, "second", 0));
    for unusable in [Some(json!({"token": "a\nb"})), None, Some(json!({}))] {
        assert_eq!(after(unusable), is(Some(30), "second", 1));
    }
    let ended = json!({"token": "third", "expirationTimestamp": "2020-01-01T00:00:00Z"});
    assert_eq!(after(Some(ended)), is(Some(30), "third", 1));
    assert_eq!(after(None), is(Some(30), "third", 2));
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("WARN") && said.contains("/k: user \"u\": exec \"sh\": its status.token"), "{said}");
}

#[test]
fn a_token_is_given_anew_shortly_before_it_ends() {
    for (good_for, next) in [(3600, 3540), (240, 180), (8, 6), (1, 1), (0, 30)] {
        assert_eq!(until_next(Duration::from_secs(good_for)), Duration::from_secs(next), "{good_for}");
    }
    assert_eq!(until_next(Duration::from_millis(1)), Duration::from_secs(1));
}

#[test]
fn an_end_later_than_any_timestamp_is_none() {
    let ends = |time: &str| {
        let status = json!({"token": "t", "expirationTimestamp": time});
        let answer = json!({"apiVersion": API_VERSIONS[0], "kind": "ExecCredential", "status": status}).to_string();
        Credential::parse(answer.as_bytes(), API_VERSIONS[0])
            .map(|credential| credential.ends.map(|end| end.to_string()))
    };
    for time in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999-12:00", "+292278994-08-17T07:12:55.807Z"] {
        assert_eq!(ends(time), Ok(None), "{time}");
    }
    for time in ["9999-12-01T00:00:00Z", "2020-02-29T00:00:00Z"] {
        assert_eq!(ends(time), Ok(Some(time.to_owned())));
    }
    for time in ["9999-12-31", "9999-13-31T23:59:59Z", "9999", "99999", "12345-x", "2020-13-01T00:00:00Z", "-", "é-"] {
        assert!(ends(time).unwrap_err().contains("is no time"), "{time}");
    }
}

#[test]
fn a_program_s_words_are_shown_in_a_line_and_not_without_end() {
    let failed = child::output(Command::new("sh").args(["-c", "yes a 1>&2"]), SHORT).unwrap_err();
    assert!(matches!(failed, Failure::TooLong(_)), "{failed}");
    let failed = child::output(Command::new("sh").args(["-c", "yes a | head -5000 1>&2; exit 1"]), 100 * SHORT);
    let said = failed.unwrap_err().to_string();
    assert!(said.contains("exit status: 1 and said: a a a") && said.len() < 1200 && !said.contains('\n'), "{said}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|byte| **byte == b'\n').count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
