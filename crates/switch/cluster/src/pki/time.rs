//! Times as certificates and messages have them, and the one check that a clock can be right at all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_cert::time::Time;

use super::PkiError;

pub(super) const HOUR: Duration = Duration::from_secs(3600);

const DAY: u64 = 24 * 3600;

/// 2024-01-01: earlier than any switch that runs this. A clock before it was never set.
const EARLIEST: Duration = Duration::from_secs(1_704_067_200);

/// 2049-01-01: no clock that was set says that.
const LATEST: Duration = Duration::from_secs(2_493_072_000);

/// A clock that was never set would make certificates that end before they begin for everyone else, and would
/// take every good one for a mistake.
pub fn check_clock(now: SystemTime) -> Result<(), PkiError> {
    if (UNIX_EPOCH + EARLIEST..UNIX_EPOCH + LATEST).contains(&now) {
        return Ok(());
    }
    Err(PkiError::Clock {
        problem: format!("this clock says {}, which cannot be; no certificate is touched", day(now)),
    })
}

/// The day and hour, in UTC.
pub(super) fn day(time: SystemTime) -> String {
    match Time::try_from(time) {
        Ok(time) => time.to_date_time().to_string().replace('T', " ").replace('Z', " UTC"),
        Err(_) => "a year that no certificate can name".into(),
    }
}

pub(super) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 2 * DAY => format!("{} days", seconds / DAY),
        seconds if seconds >= 7200 => format!("{} hours", seconds / 3600),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// Whole days until `end`; negative once it has passed.
pub(super) fn days_left(end: SystemTime, now: SystemTime) -> i64 {
    let days = |duration: Duration| i64::try_from(duration.as_secs() / DAY).unwrap_or(i64::MAX);
    match end.duration_since(now) {
        Ok(left) => days(left),
        Err(passed) => -days(passed.duration()) - 1,
    }
}
