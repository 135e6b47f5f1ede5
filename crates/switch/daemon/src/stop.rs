//! The end that somebody asks for: by SIGTERM, as systemd does, or by SIGINT, as a terminal does.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits until one of them comes, and says which.
pub async fn stop_signal() -> io::Result<&'static str> {
    let mut terminate = listen(SignalKind::terminate(), "SIGTERM")?;
    let mut interrupt = listen(SignalKind::interrupt(), "SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

fn listen(kind: SignalKind, name: &str) -> io::Result<Signal> {
    signal(kind).map_err(|error| io::Error::new(error.kind(), format!("cannot listen for {name}: {error}")))
}
