//! The kernel's word that something has changed: interfaces, addresses and routes by rtnetlink, mounts, files by inotify.

mod netlink;

use std::{
    fs,
    fs::File,
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use contract::{places, status::Kept};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};

use self::netlink::{Changes, News, Ranges};
use super::{LOOK, Shared, Wakes, pause, view::View, wake};

/// A thread can have mounts of its own.
const MOUNTS: &str = "/proc/thread-self/mountinfo";

/// Waits for changes, without end.
pub fn run(shared: &Arc<Shared>, wakes: &Wakes) -> Result<()> {
    let changes = Changes::listen()?;
    let mounts = File::open(MOUNTS).with_context(|| format!("cannot open {MOUNTS}"))?;
    let files = Files::watch()?;
    loop {
        see(shared, wakes);
        let view = shared.view();
        let mut waiting = [
            PollFd::new(&changes, PollFlags::IN),
            PollFd::new(&mounts, PollFlags::PRI),
            PollFd::new(&files.inotify, PollFlags::IN),
        ];
        match poll(&mut waiting, Some(&limit(view.paused_until))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the kernel's word"),
        }
        let [network, mounted, _] = waiting.map(|waited| !waited.revents().is_empty());
        if network {
            told(&changes.news(&Ranges::of(view.switch.as_deref()))?, wakes);
        }
        if mounted {
            wake(wakes, Kept::Mounts);
        }
        if files.services_changed()? {
            wake(wakes, Kept::Units);
        }
    }
}

fn told(news: &News, wakes: &Wakes) {
    match news {
        News::Lost => Kept::ALL.into_iter().for_each(|kind| wake(wakes, kind)),
        News::Of(kinds) => kinds.iter().for_each(|kind| wake(wakes, *kind)),
    }
}

/// Looks at what is to be kept, and wakes everybody where that is something else.
fn see(shared: &Shared, wakes: &Wakes) {
    match pause::was_resumed() {
        Ok(true) => shared.ledger().take_up_again(),
        Ok(false) => {}
        Err(error) => println!("reconciler: {error:#}"),
    }
    let before = shared.view();
    let now = View::now(&before);
    if !now.is_same(&before) {
        shared.see(now);
        Kept::ALL.into_iter().for_each(|kind| wake(wakes, kind));
    }
}

/// Until the next look, or the end of the pause.
fn limit(paused_until: Option<u64>) -> Timespec {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let pause = paused_until.map_or(LOOK, |until| Duration::from_secs(until.saturating_sub(now).max(1)));
    Timespec { tv_sec: pause.min(LOOK).as_secs().try_into().unwrap_or(1), tv_nsec: 0 }
}

/// What the stages and the operator write, and the services' cgroups.
struct Files {
    inotify: OwnedFd,
    /// Of the directory that has a cgroup for each service.
    services: Option<i32>,
}

impl Files {
    fn watch() -> Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).context("cannot watch files")?;
        let written = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::DELETE;
        for directory in [places::RUN, places::STAGE_RECORDS] {
            inotify::add_watch(&inotify, directory, written).with_context(|| format!("cannot watch {directory}"))?;
        }
        // Where it is not found, services are looked at every 30 s.
        let cgroups =
            fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| slice(&text, Path::new("/sys/fs/cgroup")));
        let services =
            cgroups.and_then(|cgroups| inotify::add_watch(&inotify, cgroups.as_path(), WatchFlags::DELETE).ok());
        Ok(Files { inotify, services })
    }

    /// Reads what there is to read.
    fn services_changed(&self) -> Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.inotify.as_fd(), &mut buffer);
        let mut changed = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    changed |= Some(event.wd()) == self.services || event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                }
                Err(Errno::AGAIN) => return Ok(changed),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot read which files have changed"),
            }
        }
    }
}

/// The directory in which systemd has a cgroup for each service, by the one that this process is in: `1:name=systemd:/a.slice/b.service`.
fn slice(own: &str, root: &Path) -> Option<PathBuf> {
    let of_systemd = |line: &&str| line.contains(":name=systemd:") || line.starts_with("0::");
    let within = own.lines().filter(of_systemd).filter_map(|line| line.splitn(3, ':').nth(2));
    let slices = within.filter_map(|cgroup| Path::new(cgroup.trim_start_matches('/')).parent());
    let mut found =
        slices.flat_map(|slice| ["systemd", "unified", ""].map(|hierarchy| root.join(hierarchy).join(slice)));
    found.find(|directory| directory.is_dir() && directory != root)
}
