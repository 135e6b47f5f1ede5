//! The source date as a text: what stands for every time in what is built.

use std::time::{Duration, SystemTime};

/// Seconds since 1970 as RFC 3339 in UTC.
pub(crate) fn rfc3339(seconds: u32) -> String {
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into())).to_string()
}
