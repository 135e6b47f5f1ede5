//! How many connections and sessions there may be at once, from the limit on open files.

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

    /// What is left is for the sockets of UDP Services, the pipes of bulky streams, and the rest of the program.
    fn of(files: u64) -> Self {
        let files = files.min(MOST_FILES) as usize;
        Self { connections: files / 8 * 3, sessions: (files / 16).min(8192) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_files_is_left_for_everything_else() {
        for files in [1024, 4096, 65_536, u64::MAX] {
            let limits = Limits::of(files);
            let used = 2 * limits.connections + limits.sessions;
            assert!(used as u64 <= files / 16 * 13, "{limits:?} of {files}");
            assert!(limits.connections > 300 && limits.sessions > 60);
        }
    }
}
