//! Logs on standard error: a line an event, `LEVEL message key=value`, with the time in front, or for systemd's journal its priority.

use std::fmt;
use std::time::SystemTime;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    /// It adds the time, and reads a priority from a line's beginning.
    Journal,
    Elsewhere,
}

/// Begins to log, as much as `-v` asks for. Once for the program; `program` is its crate.
pub fn start(program: &'static str, verbosity: u8) {
    let format = Lines { destination: destination() };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .event_format(format)
        .finish()
        .with(levels(program, verbosity));
    // Where something logs already, that stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Decisions from 4 on, everything from 6 on, and from 8 on all that the libraries say. What goes wrong in a library is
/// an error to its caller, who says it once.
fn levels(program: &'static str, verbosity: u8) -> Targets {
    let (ours, libraries) = match verbosity {
        0..4 => (LevelFilter::INFO, LevelFilter::OFF),
        4..6 => (LevelFilter::DEBUG, LevelFilter::OFF),
        6..8 => (LevelFilter::TRACE, LevelFilter::INFO),
        8.. => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    let targets = [program, "api_watch", "daemon"].map(|target| (target, ours));
    Targets::new().with_targets(targets).with_default(libraries)
}

/// systemd names the journal's stream by its device and inode; it is ours if standard error is the same.
fn destination() -> Destination {
    let journal = std::env::var("JOURNAL_STREAM").ok();
    let stderr = rustix::fs::fstat(rustix::stdio::stderr()).ok().map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino));
    if journal.is_some() && journal == stderr { Destination::Journal } else { Destination::Elsewhere }
}

/// A time as it is written; one before 1970, which a clock that was set wrong may have, as 1970.
pub fn time(at: SystemTime) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_millis(at.max(SystemTime::UNIX_EPOCH))
}

struct Lines {
    destination: Destination,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        match self.destination {
            Destination::Journal => write!(writer, "<{}>{level} ", priority(level))?,
            Destination::Elsewhere => {
                write!(writer, "{} {level} ", time(SystemTime::now()))?;
            }
        }
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        // What a program printed may have several lines, and an event is one.
        writeln!(writer, "{}", fields.trim_end().replace('\n', " | "))
    }
}

/// syslog's
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged by `events` with `-v` and in the form for `destination`.
    fn logged(verbosity: u8, destination: Destination, events: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .event_format(Lines { destination })
            .finish()
            .with(levels("daemon", verbosity));
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_journal_gets_priorities_and_no_time() {
        let text = logged(0, Destination::Journal, || {
            tracing::error!(service = "shop/web", port = 80, "cannot go on");
            tracing::warn!("second\nline");
            tracing::info!("plain");
        });
        assert_eq!(text, "<3>ERROR cannot go on service=\"shop/web\" port=80\n<4>WARN second | line\n<6>INFO plain\n");
    }

    #[test]
    fn elsewhere_a_line_begins_with_the_time() {
        let text = logged(0, Destination::Elsewhere, || tracing::info!("plain"));
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok(), "{time}");
        assert_eq!(rest, "INFO plain\n");
    }

    #[test]
    fn verbosity_opens_up_level_by_level() {
        let lines = |verbosity| {
            logged(verbosity, Destination::Journal, || {
                tracing::info!("a");
                tracing::debug!("b");
                tracing::trace!("c");
                tracing::info!(target: "kube_client", "d");
                tracing::trace!(target: "hyper", "e");
            })
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .collect::<String>()
        };
        assert_eq!([lines(0), lines(2), lines(4), lines(6), lines(8)], ["a", "a", "ab", "abcd", "abcde"]);
    }
}
