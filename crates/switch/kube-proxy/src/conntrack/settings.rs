//! Settings of connection tracking, changed only as far as someone asks for it.
//!
//! The size of the hash table, `nf_conntrack`'s parameter `hashsize`, is read at most and never opened for writing: a kernel with
//! `CONFIG_PREEMPT`, as EOS has, does not survive the resize (kubernetes/kubernetes issue 49852).

use std::{fs, io, path::Path, thread};

use tracing::{info, warn};

use crate::options::Conntrack;

const MAX: &str = "net/netfilter/nf_conntrack_max";
const ESTABLISHED: &str = "net/netfilter/nf_conntrack_tcp_timeout_established";
const CLOSE_WAIT: &str = "net/netfilter/nf_conntrack_tcp_timeout_close_wait";
const HASH_SIZE: &str = "module/nf_conntrack/parameters/hashsize";

/// The hash table is fast as long as there are no more than so many connections for each of its slots.
const CONNECTIONS_FOR_A_SLOT: u64 = 4;

/// Makes the kernel's settings what was asked for. What cannot be is a warning each: Services work without.
pub fn apply(desired: &Conntrack) {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    apply_in(Path::new("/proc/sys"), Path::new("/sys"), cores, desired);
}

fn apply_in(proc_sys: &Path, sys: &Path, cores: u64, desired: &Conntrack) {
    if let Some(max) = max(desired, cores) {
        raise(&proc_sys.join(MAX), max);
        mention_hash_size(&sys.join(HASH_SIZE), max);
    }
    for (file, desired) in [(ESTABLISHED, desired.tcp_established), (CLOSE_WAIT, desired.tcp_close_wait)] {
        if let Some(desired) = desired.map(|desired| desired.as_secs()).filter(|&desired| desired > 0) {
            set(&proc_sys.join(file), desired);
        }
    }
}

fn max(desired: &Conntrack, cores: u64) -> Option<u64> {
    let per_core = match desired.max_per_core {
        Some(0) => return None,
        other => other.unwrap_or(0),
    };
    let max = (u64::from(per_core) * cores).max(desired.min.unwrap_or(0).into());
    (max > 0).then_some(max)
}

/// Never lowers it: it may be someone's who needs more.
fn raise(file: &Path, desired: u64) {
    match read(file) {
        Ok(now) if now >= desired => {}
        Ok(now) => write(file, now, desired),
        Err(error) => unavailable(file, desired, &error),
    }
}

fn set(file: &Path, desired: u64) {
    match read(file) {
        Ok(now) if now == desired => {}
        Ok(now) => write(file, now, desired),
        Err(error) => unavailable(file, desired, &error),
    }
}

fn write(file: &Path, now: u64, desired: u64) {
    match fs::write(file, desired.to_string()) {
        Ok(()) => info!(file = %file.display(), now, desired, "changed a setting of connection tracking"),
        Err(error) => {
            warn!(file = %file.display(), now, desired, %error, "a setting of connection tracking stays as it is");
        }
    }
}

fn unavailable(file: &Path, desired: u64, error: &io::Error) {
    warn!(file = %file.display(), desired, %error, "a setting of connection tracking cannot be read, and is left alone");
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
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{:?} is no number", text.trim())))
}

#[cfg(test)]
mod tests;
