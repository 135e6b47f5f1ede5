//! Whether a certificate is what `cluster.toml` asks for, and for how long.

use std::{fmt, time::SystemTime};

use serde::Serialize;

use super::{
    certificate::{CLIENT_AUTH, Certificate, SERVER_AUTH},
    directory::KeyFile,
    name::shown,
    profile::{Profile, Usage},
    time::{day, days_left},
};

/// How a certificate stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum State {
    Ok,
    /// A third of its life is left, or less.
    Due(String),
    Expired(String),
    NotYetValid(String),
    Missing,
    /// It cannot be read.
    Damaged(String),
    /// It can be read and is not the one that is needed.
    Wrong(String),
}

impl State {
    /// Whether it can be used now.
    pub(super) fn serves(&self) -> bool {
        matches!(self, State::Ok | State::Due(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Ok => f.write_str("ok"),
            State::Missing => f.write_str("missing"),
            State::Due(why)
            | State::Expired(why)
            | State::NotYetValid(why)
            | State::Damaged(why)
            | State::Wrong(why) => f.write_str(why),
        }
    }
}

/// By the clock alone. `renewed` is when one that is made now would end: where that is no later, nothing is due.
pub(super) fn validity(certificate: &Certificate, renewed: Option<SystemTime>, now: SystemTime) -> State {
    let (begins, ends) = (certificate.not_before(), certificate.not_after());
    if now < begins {
        return State::NotYetValid(format!("not valid before {}, and this clock says {}", day(begins), day(now)));
    }
    let Ok(left) = ends.duration_since(now) else {
        return State::Expired(format!("expired on {}", day(ends)));
    };
    let life = ends.duration_since(begins).unwrap_or_default();
    let lasts_longer = renewed.is_none_or(|renewed| renewed > ends);
    if left.is_zero() {
        State::Expired(format!("expired on {}", day(ends)))
    } else if left * 3 <= life && lasts_longer {
        State::Due(format!("{} days left", days_left(ends, now)))
    } else {
        State::Ok
    }
}

/// A leaf certificate's file, beside its key and its authority; `renewed` as in [`validity`].
pub(super) fn leaf(
    pem: Option<&[u8]>,
    profile: &Profile,
    key: &KeyFile,
    authority: &Certificate,
    renewed: Option<SystemTime>,
    now: SystemTime,
) -> State {
    let Some(pem) = pem else { return State::Missing };
    let certificate = match Certificate::parse(pem) {
        Ok(certificate) => certificate,
        Err(why) => return State::Damaged(why),
    };
    let wrong = match key {
        KeyFile::Missing => Some("its key is missing".to_owned()),
        KeyFile::Damaged(why) => Some(format!("its key cannot be used: {why}")),
        KeyFile::Good(key) if !certificate.has_key(key.public()) => Some("it does not belong to its key".to_owned()),
        KeyFile::Good(_) => deviation(&certificate, profile, authority),
    };
    match wrong {
        Some(why) => State::Wrong(why),
        None => validity(&certificate, renewed, now),
    }
}

/// Where a certificate is not what is needed. More names than are needed do no harm: an operator may want them.
pub(super) fn deviation(certificate: &Certificate, profile: &Profile, authority: &Certificate) -> Option<String> {
    if !certificate.is_issued_by(authority) {
        return Some("the certificate authority did not sign it".into());
    }
    if !certificate.identifies(&profile.common_name, profile.organization) {
        return Some(format!(
            "its subject is {}, and {} is needed",
            shown(certificate.subject()),
            shown(&profile.subject)
        ));
    }
    let lacks = |name: &dyn fmt::Display| Some(format!("it is not valid for {name}"));
    if let Some(name) = profile.dns_names.iter().find(|name| !certificate.dns_names().contains(name)) {
        return lacks(name);
    }
    if let Some(address) = profile.addresses.iter().find(|address| !certificate.addresses().contains(address)) {
        return lacks(address);
    }
    if !certificate.has_extended_usage(CLIENT_AUTH) {
        return lacks(&"use by a client");
    }
    if profile.usage == Usage::ServerAndClient && !certificate.has_extended_usage(SERVER_AUTH) {
        return lacks(&"use by a server");
    }
    None
}
