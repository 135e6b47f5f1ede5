//! Runs the host's build of pause as what it is on a switch, the first process of a PID namespace, and as what it is
//! not. Needs root, or a kernel that lets a user make a PID namespace.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PAUSE: &str = env!("CARGO_BIN_EXE_pause");
const ORPHANS: usize = 100;

#[test]
fn reaps_orphans_that_end_all_at_once() {
    let script = format!("for i in $(seq {ORPHANS}); do (sleep 1000 &); done; exec {PAUSE}");
    let namespace = Namespace::start(&["sh", "-c", &script]);
    let orphans = children(namespace.first);
    assert_eq!(orphans.len(), ORPHANS);

    signal("KILL", &orphans);
    wait_until("every orphan is reaped", || children(namespace.first).is_empty());
    assert_eq!(namespace.end_by("TERM"), Some(0));
}

#[test]
fn ends_well_as_first_process_at_each_signal() {
    for name in ["TERM", "INT"] {
        assert_eq!(Namespace::start(&[PAUSE]).end_by(name), Some(0), "SIG{name}");
    }
}

#[test]
fn outlives_stop_and_continue() {
    let namespace = Namespace::start(&[PAUSE]);
    signal("STOP", &[namespace.first]);
    wait_until("it has stopped", || stat(namespace.first).is_some_and(|(state, _)| state == 'T'));
    signal("CONT", &[namespace.first]);
    wait_until("it sleeps again", || stat(namespace.first).is_some_and(|(state, _)| state == 'S'));
    assert_eq!(namespace.end_by("TERM"), Some(0));
}

#[test]
fn warns_when_it_is_not_the_first_process() {
    let mut pause = Running(Command::new(PAUSE).stderr(Stdio::piped()).spawn().unwrap());
    wait_until("pause waits for signals", || waits_for_signals(pause.0.id()));
    signal("TERM", &[pause.0.id()]);
    assert_eq!(pause.exit_code(), Some(0));
    let warning = io::read_to_string(pause.0.stderr.take().unwrap()).unwrap();
    assert_eq!(warning, "Warning: pause should be the first process\n");
}

#[test]
fn prints_its_version() {
    for flag in ["-v", "--version"] {
        let Output { status, stdout, stderr } = Command::new(PAUSE).arg(flag).output().unwrap();
        assert_eq!(status.code(), Some(0), "{flag}");
        assert_eq!(String::from_utf8_lossy(&stdout), concat!("pause ", env!("CARGO_PKG_VERSION"), "\n"));
        assert!(stderr.is_empty(), "{flag}");
    }
}

/// A program that is killed, whatever else happens, when the test that started it is over.
struct Running(Child);

impl Running {
    /// Waits for its end.
    fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("it has ended", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A PID namespace whose first process is, or becomes, pause. It ends with the unshare that made it.
struct Namespace {
    unshare: Running,
    /// The first process, by its number outside the namespace.
    first: u32,
}

impl Namespace {
    fn start(command: &[&str]) -> Self {
        let mut unshare = Command::new("unshare");
        if !is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--pid", "--fork", "--kill-child"]).args(command);
        let mut namespace = Self { unshare: Running(unshare.spawn().unwrap()), first: 0 };
        wait_until("pause is up", || {
            let ended = namespace.unshare.0.try_wait().unwrap();
            assert!(ended.is_none(), "cannot make a PID namespace: {ended:?}");
            namespace.first = children(namespace.unshare.0.id()).first().copied().unwrap_or(0);
            waits_for_signals(namespace.first)
        });
        namespace
    }

    /// Sends pause a signal; its exit code, once it has ended. unshare hands that on.
    fn end_by(mut self, name: &str) -> Option<i32> {
        signal(name, &[self.first]);
        self.unshare.exit_code()
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        sleep(Duration::from_millis(5));
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

fn signal(name: &str, processes: &[u32]) {
    let processes = processes.iter().map(u32::to_string);
    let status = Command::new("kill").args(["-s", name]).args(processes).status().unwrap();
    assert!(status.success());
}

/// Whether the process is pause and sleeps, which it does nowhere but where it waits for a signal.
fn waits_for_signals(process: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name == "pause\n" && stat(process).is_some_and(|(state, _)| state == 'S')
}

/// The children of a process, those that have ended and wait to be reaped among them.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|process| stat(*process).is_some_and(|(_, of)| of == parent)).collect()
}

/// A process's state letter and its parent.
fn stat(process: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
