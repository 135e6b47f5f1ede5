//! What [join] says beside the token: which certificate authority a worker takes, and until when new nodes may come.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::digest::Sha256;
use serde::{Serialize, Serializer};
use x509_cert::der::DateTime;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The SHA-256 of a certificate authority's public key as certificates carry it: `sha256:` and 64 hexadecimal digits, as kubeadm's
/// `--discovery-token-ca-cert-hash` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaHash(Sha256);

/// New nodes may come until its end, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastDay(DateTime);

impl CaHash {
    pub(crate) fn of_public_key(der: &[u8]) -> CaHash {
        CaHash(Sha256::of_bytes(der))
    }
}

impl LastDay {
    pub(super) fn new(year: u16, month: u8, day: u8) -> Option<LastDay> {
        DateTime::new(year, month, day, 0, 0, 0).ok().map(LastDay)
    }

    pub fn is_over(&self, now: SystemTime) -> bool {
        now >= UNIX_EPOCH + self.0.unix_duration() + DAY
    }
}

/// What stands in the file is never in an error: it could be the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOne;

impl FromStr for CaHash {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let digits = text.strip_prefix("sha256:").ok_or(NotOne)?.to_ascii_lowercase();
        digits.parse().map(CaHash).map_err(|_| NotOne)
    }
}

impl FromStr for LastDay {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts.as_slice() else { return Err(NotOne) };
        if (year.len(), month.len(), day.len()) != (4, 2, 2) {
            return Err(NotOne);
        }
        let date = (year.parse(), month.parse(), day.parse());
        let (Ok(year), Ok(month), Ok(day)) = date else { return Err(NotOne) };
        LastDay::new(year, month, day).ok_or(NotOne)
    }
}

impl fmt::Display for CaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl fmt::Display for LastDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl Serialize for CaHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for LastDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
