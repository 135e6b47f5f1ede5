//! Settings of connection tracking, changed only as far as someone asks for it.
//!
//! The size of the hash table, `nf_conntrack`'s parameter `hashsize`, is read at most and never opened for writing: a kernel with
//! `CONFIG_PREEMPT`, as EOS has, does not survive the resize (kubernetes/kubernetes issue 49852).

use std::{fs, io, path::Path, thread, time::Duration};

use tracing::{info, warn};

/// What was asked for; `None` or zero: leave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `--conntrack-max-per-core`
    pub max_per_core: Option<u32>,
    /// `--conntrack-min`, only together with `max_per_core`.
    pub min: Option<u32>,
    /// `--conntrack-tcp-timeout-established`
    pub tcp_established: Option<Duration>,
    /// `--conntrack-tcp-timeout-close-wait`
    pub tcp_close_wait: Option<Duration>,
}

const MAX: &str = "net/netfilter/nf_conntrack_max";
const ESTABLISHED: &str = "net/netfilter/nf_conntrack_tcp_timeout_established";
const CLOSE_WAIT: &str = "net/netfilter/nf_conntrack_tcp_timeout_close_wait";
const HASH_SIZE: &str = "module/nf_conntrack/parameters/hashsize";

/// The hash table is fast as long as there are no more than so many connections for each of its slots.
const CONNECTIONS_FOR_A_SLOT: u64 = 4;

/// Makes the kernel's settings what was asked for. What cannot be is a warning each: Services work without.
pub fn apply(settings: &Settings) {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    apply_in(Path::new("/proc/sys"), Path::new("/sys"), cores, settings);
}

fn apply_in(proc_sys: &Path, sys: &Path, cores: u64, settings: &Settings) {
    if let Some(max) = settings.max(cores) {
        raise(&proc_sys.join(MAX), max);
        mention_hash_size(&sys.join(HASH_SIZE), max);
    }
    for (file, wanted) in [(ESTABLISHED, settings.tcp_established), (CLOSE_WAIT, settings.tcp_close_wait)] {
        if let Some(wanted) = wanted.map(|wanted| wanted.as_secs()).filter(|&wanted| wanted > 0) {
            set(&proc_sys.join(file), wanted);
        }
    }
}

impl Settings {
    fn max(&self, cores: u64) -> Option<u64> {
        let per_core = self.max_per_core.filter(|&per_core| per_core > 0)?;
        Some((u64::from(per_core) * cores).max(self.min.unwrap_or(0).into()))
    }
}

/// Never lowers it: it may be someone's who needs more.
fn raise(file: &Path, wanted: u64) {
    match read(file) {
        Ok(now) if now >= wanted => {}
        Ok(now) => write(file, now, wanted),
        Err(error) => unavailable(file, wanted, &error),
    }
}

fn set(file: &Path, wanted: u64) {
    match read(file) {
        Ok(now) if now == wanted => {}
        Ok(now) => write(file, now, wanted),
        Err(error) => unavailable(file, wanted, &error),
    }
}

fn write(file: &Path, now: u64, wanted: u64) {
    match fs::write(file, wanted.to_string()) {
        Ok(()) => info!(file = %file.display(), now, wanted, "changed a setting of connection tracking"),
        Err(error) => {
            warn!(file = %file.display(), now, wanted, %error, "a setting of connection tracking stays as it is");
        }
    }
}

fn unavailable(file: &Path, wanted: u64, error: &io::Error) {
    warn!(file = %file.display(), wanted, %error, "a setting of connection tracking cannot be read, and is left alone");
}

fn mention_hash_size(file: &Path, max: u64) {
    if let Ok(slots) = read(file)
        && slots.saturating_mul(CONNECTIONS_FOR_A_SLOT) < max
    {
        info!(
            slots,
            max,
            "with so many connections, looking one up gets slower: the hash table of connection tracking is small for them. It is left \
             as it is, because resizing it takes EOS' kernel down"
        );
    }
}

fn read(file: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{:?} is no number", text.trim())))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::SystemTime};

    use super::*;

    /// Plain files in the places of the kernel's.
    struct Trap {
        folder: tempfile::TempDir,
    }

    const LONG_AGO: SystemTime = SystemTime::UNIX_EPOCH;

    impl Trap {
        fn set(max: &str) -> Self {
            let trap = Self { folder: tempfile::tempdir().unwrap() };
            for (file, content) in
                [(trap.proc_sys(MAX), max), (trap.proc_sys(ESTABLISHED), "432000\n"), (trap.proc_sys(CLOSE_WAIT), "60\n"), (trap.hash_size(), "8192\n")]
            {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, content).unwrap();
                fs::File::options().write(true).open(&file).unwrap().set_modified(LONG_AGO).unwrap();
            }
            trap
        }

        fn proc_sys(&self, file: &str) -> PathBuf {
            self.folder.path().join("proc").join(file)
        }

        fn hash_size(&self) -> PathBuf {
            self.folder.path().join("sys").join(HASH_SIZE)
        }

        fn apply(&self, settings: &Settings) {
            apply_in(&self.folder.path().join("proc"), &self.folder.path().join("sys"), 4, settings);
        }

        fn content(&self, file: &str) -> String {
            fs::read_to_string(self.proc_sys(file)).unwrap().trim().to_owned()
        }

        fn untouched(file: &Path) -> bool {
            fs::metadata(file).unwrap().modified().unwrap() == LONG_AGO
        }
    }

    const EVERYTHING: Settings = Settings {
        max_per_core: Some(32_768),
        min: Some(131_072),
        tcp_established: Some(Duration::from_secs(86_400)),
        tcp_close_wait: Some(Duration::from_secs(3600)),
    };

    #[test]
    fn nothing_is_written_unless_asked_for() {
        let trap = Trap::set("8192\n");
        let zero = Settings { max_per_core: Some(0), min: Some(0), tcp_established: Some(Duration::ZERO), tcp_close_wait: None };
        for settings in [Settings::default(), zero, Settings { min: Some(131_072), ..Settings::default() }] {
            trap.apply(&settings);
            assert!([MAX, ESTABLISHED, CLOSE_WAIT].iter().all(|file| Trap::untouched(&trap.proc_sys(file))));
        }
    }

    #[test]
    fn the_hash_table_keeps_its_size_whatever_is_asked_for() {
        let trap = Trap::set("8192\n");
        fs::set_permissions(trap.hash_size(), fs::Permissions::from_mode(0o444)).unwrap();
        trap.apply(&EVERYTHING);
        assert_eq!(trap.content(MAX), "131072");
        assert!(Trap::untouched(&trap.hash_size()));
        assert_eq!(fs::read_to_string(trap.hash_size()).unwrap(), "8192\n");
    }

    #[test]
    fn what_differs_is_written_and_the_max_only_raised() {
        let trap = Trap::set("262144\n");
        trap.apply(&EVERYTHING);
        assert!(Trap::untouched(&trap.proc_sys(MAX)));
        assert_eq!((trap.content(ESTABLISHED), trap.content(CLOSE_WAIT)), ("86400".to_owned(), "3600".to_owned()));
        fs::File::options().write(true).open(trap.proc_sys(ESTABLISHED)).unwrap().set_modified(LONG_AGO).unwrap();
        trap.apply(&EVERYTHING);
        assert!(Trap::untouched(&trap.proc_sys(ESTABLISHED)), "it is so already");
    }

    #[test]
    fn files_that_are_missing_or_make_no_sense_are_left() {
        let trap = Trap::set("many\n");
        fs::remove_file(trap.proc_sys(CLOSE_WAIT)).unwrap();
        trap.apply(&EVERYTHING);
        assert!(Trap::untouched(&trap.proc_sys(MAX)) && !trap.proc_sys(CLOSE_WAIT).exists());
        assert_eq!(trap.content(ESTABLISHED), "86400");
    }
}
