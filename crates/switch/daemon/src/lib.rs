//! What the programs that run for ever on a switch have in common: their logs, the small HTTP server of their health and metrics, what
//! Prometheus wants to know of a process, words to systemd, and the signals that end them.

pub mod http;
pub mod log;
pub mod process;
mod stop;

pub use stop::stop_signal;

use sd_notify::NotifyState;

/// Says something to the service manager, if there is one.
pub fn tell_systemd(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, what) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
