//! A crash trap: plain files in the places of the kernel's, and a watch on the one that nobody may open for writing.

use std::{
    os::fd::OwnedFd,
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};

use super::*;

const LONG_AGO: SystemTime = SystemTime::UNIX_EPOCH;

const EVERYTHING: Conntrack = Conntrack {
    max_per_core: Some(32_768),
    min: Some(131_072),
    tcp_established: Some(Duration::from_secs(86_400)),
    tcp_close_wait: Some(Duration::from_secs(3600)),
};

struct Trap {
    directory: tempfile::TempDir,
    /// Says when someone has had the hash table's size open for writing, even without writing to it.
    opened_for_writing: OwnedFd,
}

impl Trap {
    fn set(max: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let opened_for_writing = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let trap = Self { directory, opened_for_writing };
        let files = [
            (trap.proc_sys(MAX), max),
            (trap.proc_sys(ESTABLISHED), "432000\n"),
            (trap.proc_sys(CLOSE_WAIT), "60\n"),
            (trap.hash_size(), "8192\n"),
        ];
        for (file, content) in files {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            untouch(&file);
        }
        inotify::add_watch(&trap.opened_for_writing, trap.hash_size(), WatchFlags::CLOSE_WRITE).unwrap();
        trap
    }

    fn proc_sys(&self, file: &str) -> PathBuf {
        self.directory.path().join("proc").join(file)
    }

    fn hash_size(&self) -> PathBuf {
        self.directory.path().join("sys").join(HASH_SIZE)
    }

    fn apply(&self, desired: &Conntrack) {
        apply_in(&self.directory.path().join("proc"), &self.directory.path().join("sys"), 4, desired);
    }

    fn content(&self, file: &str) -> String {
        fs::read_to_string(self.proc_sys(file)).unwrap().trim().to_owned()
    }

    /// Whether nobody has stepped into it.
    fn is_set(&self) -> bool {
        rustix::io::read(&self.opened_for_writing, &mut [0; 64]) == Err(Errno::AGAIN)
    }
}

fn untouch(file: &Path) {
    fs::File::options().write(true).open(file).unwrap().set_modified(LONG_AGO).unwrap();
}

fn is_untouched(file: &Path) -> bool {
    fs::metadata(file).unwrap().modified().unwrap() == LONG_AGO
}

#[test]
fn nothing_is_written_unless_asked_for() {
    let trap = Trap::set("8192\n");
    let zero = Conntrack { max_per_core: Some(0), tcp_established: Some(Duration::ZERO), ..Conntrack::default() };
    for desired in [Conntrack::default(), zero, Conntrack { min: Some(131_072), ..zero }] {
        trap.apply(&desired);
        assert!([MAX, ESTABLISHED, CLOSE_WAIT].iter().all(|file| is_untouched(&trap.proc_sys(file))), "{desired:?}");
    }
}

#[test]
fn the_hash_table_keeps_its_size_whatever_is_asked_for() {
    let trap = Trap::set("8192\n");
    trap.apply(&EVERYTHING);
    assert_eq!(trap.content(MAX), "131072");
    assert!(trap.is_set());
    // What shows that the trap would have noticed:
    drop(fs::File::options().write(true).open(trap.hash_size()).unwrap());
    assert!(!trap.is_set());
}

#[test]
fn a_minimum_alone_is_asked_for_as_well() {
    let trap = Trap::set("8192\n");
    trap.apply(&Conntrack { min: Some(20_000), ..Conntrack::default() });
    assert_eq!(trap.content(MAX), "20000");
}

#[test]
fn what_differs_is_written_and_the_max_only_raised() {
    let trap = Trap::set("262144\n");
    trap.apply(&EVERYTHING);
    assert!(is_untouched(&trap.proc_sys(MAX)));
    assert_eq!((trap.content(ESTABLISHED), trap.content(CLOSE_WAIT)), ("86400".to_owned(), "3600".to_owned()));
    untouch(&trap.proc_sys(ESTABLISHED));
    trap.apply(&EVERYTHING);
    assert!(is_untouched(&trap.proc_sys(ESTABLISHED)), "it is so already");
}

#[test]
fn files_that_are_missing_or_make_no_sense_are_left() {
    let trap = Trap::set("many\n");
    fs::remove_file(trap.proc_sys(CLOSE_WAIT)).unwrap();
    trap.apply(&EVERYTHING);
    assert!(is_untouched(&trap.proc_sys(MAX)) && !trap.proc_sys(CLOSE_WAIT).exists());
    assert_eq!(trap.content(ESTABLISHED), "86400");
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn the_kernels_own_file_is_never_opened_for_writing() {
    let trap = Trap::set("8192\n");
    // SAFETY: it changes the mount namespace of this thread alone.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "a mount namespace needs root");
    mount(&["--make-rprivate", "/"]);
    for (file, place) in [
        (trap.hash_size(), Path::new("/sys").join(HASH_SIZE)),
        (trap.proc_sys(MAX), Path::new("/proc/sys").join(MAX)),
        (trap.proc_sys(ESTABLISHED), Path::new("/proc/sys").join(ESTABLISHED)),
        (trap.proc_sys(CLOSE_WAIT), Path::new("/proc/sys").join(CLOSE_WAIT)),
    ] {
        mount(&["--bind", &file.display().to_string(), &place.display().to_string()]);
    }
    apply(&EVERYTHING);
    assert_eq!(trap.content(ESTABLISHED), "86400");
    assert!(trap.content(MAX).parse::<u64>().unwrap() >= 131_072);
    assert!(trap.is_set());
}

fn mount(arguments: &[&str]) {
    let status = Command::new("mount").args(arguments).status().unwrap();
    assert!(status.success(), "mount {arguments:?}");
}
