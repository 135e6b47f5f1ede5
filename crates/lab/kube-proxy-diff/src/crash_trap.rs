//! A crash trap: plain files in the places of the two that upstream's kube-proxy writes at its start, for one program alone.
//!
//! Writing the second of them, `hashsize`, is what took the first port's switch down; here it is found out by what the file holds,
//! and by the kernel's word on whether anybody had it open for writing.

use std::{
    fs::{self, File},
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
    mount::{MountPropagationFlags, mount_bind, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};
use tempfile::TempDir;

use crate::netns::Netns;

const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const HASH_SIZE: &str = "/sys/module/nf_conntrack/parameters/hashsize";

/// What the files hold at first: fewer slots than a quarter of the connections that upstream asks for.
const MAX_BEFORE: &str = "8192\n";
pub const HASH_SIZE_BEFORE: &str = "8192";

/// A trap that is set for whatever is started by its [command](Trap::command).
pub struct Trap {
    directory: TempDir,
    mounts: File,
    opened_for_writing: OwnedFd,
}

impl Trap {
    /// Sets it for programs of that node.
    pub fn set(node: &Netns) -> Result<Trap> {
        let directory = TempDir::with_prefix("kube-proxy-diff-trap-").context("cannot make a directory")?;
        let files = [
            (directory.path().join("max"), MAX, MAX_BEFORE),
            (directory.path().join("hashsize"), HASH_SIZE, HASH_SIZE_BEFORE),
        ];
        for (file, _, content) in &files {
            fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let mounts = node.enter(|| bind(&files))?.context("cannot bind plain files over the kernel's")?;
        let opened_for_writing = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&opened_for_writing, directory.path().join("hashsize"), WatchFlags::CLOSE_WRITE)?;
        Ok(Trap { directory, mounts, opened_for_writing })
    }

    /// Starts what follows it where the plain files are.
    pub fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/fd/{}", std::process::id(), self.mounts.as_raw_fd()));
        command
    }

    /// What the size of the hash table would be now.
    pub fn hash_size(&self) -> Result<String> {
        self.content("hashsize")
    }

    /// How many connections the kernel would keep now.
    pub fn max(&self) -> Result<String> {
        self.content("max")
    }

    fn content(&self, name: &str) -> Result<String> {
        let path = self.directory.path().join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    /// Whether anybody has had the size of the hash table open for writing, even without writing to it; asking forgets it.
    pub fn was_opened_for_writing(&self) -> Result<bool> {
        match rustix::io::read(&self.opened_for_writing, &mut [0; 256]) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error).context("cannot ask who had the file open"),
        }
    }
}

/// Makes a mount namespace with these files bound over, on the thread that calls, and returns it. Below `/proc/sys/net`
/// everybody sees the files of the network namespace they are in, so it has to be that of the program.
fn bind(files: &[(PathBuf, &str, &str)]) -> Result<File> {
    // SAFETY: the mount namespace, and with it the current directory, becomes this thread's own; file descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    for (file, place, _) in files {
        mount_bind(file, Path::new(place)).with_context(|| format!("cannot bind over {place}"))?;
    }
    Ok(File::open("/proc/thread-self/ns/mnt")?)
}
