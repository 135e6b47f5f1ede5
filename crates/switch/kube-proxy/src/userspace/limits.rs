//! How many sockets and pipes of each kind there may be at once, from the limit on open files. None can take what another needs, nor what
//! the rest of the program does: without a file for a child's pipes no rule can be written.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// More is never needed; some systems allow a thousand million.
const MOST_FILES: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// TCP connections. Each has two sockets.
    pub connections: usize,
    /// UDP sessions, a socket each. When there are more, the one that was silent for longest ends.
    pub sessions: usize,
    /// Sockets of UDP Services. Services beyond are refused.
    pub udp_services: usize,
    /// Pipes of bulky streams, with two ends each. Streams beyond are copied.
    pub pipes: usize,
}

impl Limits {
    /// Raises the limit on open files as far as this process may, and shares it out.
    pub fn raise() -> Self {
        let now = getrlimit(Resource::Nofile);
        let hard = now.maximum.unwrap_or(MOST_FILES);
        let files = match setrlimit(Resource::Nofile, Rlimit { current: Some(hard), ..now }) {
            Ok(()) => hard,
            Err(error) => {
                warn!(%error, "the limit on open files stays as it is: there can be fewer connections at once");
                now.current.unwrap_or(hard)
            }
        };
        Self::of(files)
    }

    /// An eighth is left for the rest of the program: children, the API server, listening sockets.
    fn of(files: u64) -> Self {
        let part = (files.min(MOST_FILES) / 16) as usize;
        Self { connections: part * 5, sessions: part.min(8192), udp_services: part * 2, pipes: part / 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eighth_of_the_files_is_left_for_everything_else() {
        for files in [1024, 4096, 65_536, u64::MAX] {
            let limits = Limits::of(files);
            let used = 2 * limits.connections + limits.sessions + limits.udp_services + 2 * limits.pipes;
            assert!(used as u64 <= files / 8 * 7, "{limits:?} of {files}");
            assert!(limits.connections > 300 && limits.sessions > 60);
            assert!(limits.udp_services > 120 && limits.pipes > 30);
        }
    }
}
