//! Locks between threads and between processes: files that the kernel unlocks when who holds them ends, however it ends.
//! A lock has a name, what it is for, and its file says who holds it. A directory that is there can be locked itself: that leaves no
//! file in it, and cannot say who holds it.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};

use crate::retry::{self, Failed};

/// How often one is tried that is not waited for without end.
const INTERVAL: Duration = Duration::from_millis(100);

/// Held until it is dropped, or until its process ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    after: After,
    file: File,
}

/// What becomes of the file when the lock is let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Stays,
    /// For locks of which there would be too many files.
    Removed,
}

/// What came of trying.
#[derive(Debug)]
pub enum Tried {
    Got(Lock),
    /// Somebody else has it: who that is, in the words of the one who wrote it.
    HeldBy(String),
}

impl Lock {
    /// Waits for it. `waiting` is called once, with who holds it, where it cannot be had at once.
    pub fn acquire(path: &Path, after: After, waiting: impl FnOnce(&str)) -> Result<Self> {
        let mut waiting = Some(waiting);
        let mut acquire = || loop {
            let mut file = open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting(&holder(&mut file));
                    }
                    file.lock()?;
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if is_the_file_of(path, &file)? {
                return Ok(Self::signed(path, after, file));
            }
        };
        acquire().with_context(|| format!("cannot lock {}", path.display()))
    }

    /// Held by the programs that this process starts, too, until all of them have ended.
    pub fn handed_down(self) -> Result<Self> {
        hand_down(&self.file).with_context(|| format!("cannot hand the lock {} down", self.path.display()))?;
        Ok(self)
    }

    /// Waits for it so long, and not after Ctrl-C. `what` is what is waited for; whoever waits in vain is told who has it.
    pub fn acquire_within(
        path: &Path,
        after: After,
        limit: Duration,
        what: &str,
        waiting: impl FnOnce(&str),
    ) -> Result<Self> {
        let mut waiting = Some(waiting);
        retry::until(what, limit, INTERVAL, || match Self::try_acquire(path, after).map_err(Failed::Stop)? {
            Tried::Got(lock) => Ok(lock),
            Tried::HeldBy(holder) => {
                if let Some(waiting) = waiting.take() {
                    waiting(&holder);
                }
                Err(anyhow!("{} is locked by {holder}", path.display()).into())
            }
        })
    }

    /// Takes it if nobody has it.
    pub fn try_acquire(path: &Path, after: After) -> Result<Tried> {
        let acquire = || loop {
            let mut file = open(path)?;
            match file.try_lock() {
                Ok(()) if is_the_file_of(path, &file)? => return Ok(Tried::Got(Self::signed(path, after, file))),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Tried::HeldBy(holder(&mut file))),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        };
        acquire().with_context(|| format!("cannot lock {}", path.display()))
    }

    fn signed(path: &Path, after: After, mut file: File) -> Self {
        let command: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut sign = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "process {}, `{}`", std::process::id(), command.join(" "))
        };
        // It is held also where the disk has no room for the name.
        let _: io::Result<()> = sign();
        Lock { path: path.to_owned(), after, file }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.after == After::Removed {
            // Removed while it is held; a file that stays behind does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Marks a file as in use by this process for as long as the handle lives.
pub fn mark(file: &File) -> io::Result<()> {
    file.lock()
}

/// The same, by the programs that this process starts as well, as long as one of these lives: one that is killed leaves what its
/// children have started.
pub fn mark_with_children(file: &File) -> io::Result<()> {
    file.lock()?;
    hand_down(file)
}

fn hand_down(file: &File) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())?)
}

/// Whether nobody has marked or locked the file, or who had is gone. `None`: there is no such file.
pub fn is_abandoned(path: &Path) -> Option<bool> {
    File::open(path).ok().map(|file| file.try_lock().is_ok())
}

fn open(path: &Path) -> io::Result<File> {
    if path.is_dir() {
        return File::open(path);
    }
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // Who has just taken it may not have signed yet.
    let _ = file.read_to_string(&mut text);
    let text = text.trim();
    if text.is_empty() { "another process".to_owned() } else { text.to_owned() }
}

/// Whoever held it before may have removed the file: what is locked here may be that old one.
fn is_the_file_of(path: &Path, file: &File) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(now) => Ok(now.ino() == file.metadata()?.ino()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_lock_is_held_by_one_at_a_time_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (inside, entered) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = Lock::acquire(&path, After::Removed, |_| {}).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        entered.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(entered.into_inner(), 160);
        assert!(!path.exists());
    }

    #[test]
    fn who_has_to_wait_is_told_once_for_whom_and_who_tries_is_told_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::acquire(&path, After::Stays, |_| panic!("nobody has it")).unwrap();
        let me = format!("process {}", std::process::id());
        assert!(matches!(Lock::try_acquire(&path, After::Stays).unwrap(), Tried::HeldBy(who) if who.starts_with(&me)));
        let (told, hears) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::acquire(&path, After::Stays, |who| told.send(who.to_owned()).unwrap()));
            assert!(hears.recv().unwrap().starts_with(&me));
            drop(first);
            second.join().unwrap().unwrap();
        });
        assert!(path.exists() && hears.try_recv().is_err());
        assert!(matches!(Lock::try_acquire(&path, After::Removed).unwrap(), Tried::Got(_)));
        assert!(!path.exists());
    }

    #[test]
    fn who_waits_for_so_long_and_no_longer_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mut told = vec![];
        let mut acquire = |limit| {
            let told = |holder: &str| told.push(holder.to_owned());
            Lock::acquire_within(&path, After::Removed, limit, "it is free", told)
        };
        let first = acquire(Duration::ZERO).unwrap();
        let error = format!("{:#}", acquire(Duration::from_millis(250)).unwrap_err());
        let holder = format!("{} is locked by process {}", path.display(), std::process::id());
        assert!(error.starts_with("it is free: not within 0.") && error.contains(&holder), "{error}");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| acquire(Duration::from_secs(60)).map(drop));
            drop(first);
            second.join().unwrap().unwrap();
        });
        assert!(told[0].starts_with("process ") && told.len() <= 2, "{told:?}");
    }

    #[test]
    fn a_directory_is_locked_without_a_file_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::acquire(dir.path(), After::Stays, |_| panic!("nobody has it")).unwrap();
        let second = Lock::try_acquire(dir.path(), After::Stays).unwrap();
        assert!(matches!(second, Tried::HeldBy(who) if who == "another process"));
        drop(lock);
        assert!(matches!(Lock::try_acquire(dir.path(), After::Stays).unwrap(), Tried::Got(_)));
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_marked_file_is_abandoned_once_its_handle_is_gone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let handle = File::open(file.path()).unwrap();
        mark(&handle).unwrap();
        assert_eq!(is_abandoned(file.path()), Some(false));
        drop(handle);
        assert_eq!(is_abandoned(file.path()), Some(true));
        assert_eq!(is_abandoned(Path::new("/nonexistent/file")), None);
    }
}
