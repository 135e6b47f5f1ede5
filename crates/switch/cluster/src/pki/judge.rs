//! Whether a certificate is what `cluster.toml` asks for, and for how long.

use std::{fmt, time::SystemTime};

use contract::status::CertificateState;

use super::{
    certificate::{CLIENT_AUTH, Certificate, SERVER_AUTH},
    directory::KeyFile,
    name::shown,
    profile::{Profile, Usage},
    time::{day, days_left},
};

/// By the clock alone. `renewed` is when one that is made now would end: where that is no later, nothing is due.
pub(super) fn validity(certificate: &Certificate, renewed: Option<SystemTime>, now: SystemTime) -> CertificateState {
    let (begins, ends) = (certificate.not_before(), certificate.not_after());
    if now < begins {
        return CertificateState::NotYetValid(format!(
            "not valid before {}, and this clock says {}",
            day(begins),
            day(now)
        ));
    }
    let Ok(left) = ends.duration_since(now) else {
        return CertificateState::Expired(format!("expired on {}", day(ends)));
    };
    let life = ends.duration_since(begins).unwrap_or_default();
    let lasts_longer = renewed.is_none_or(|renewed| renewed > ends);
    if left.is_zero() {
        CertificateState::Expired(format!("expired on {}", day(ends)))
    } else if left * 3 <= life && lasts_longer {
        CertificateState::Due(format!("{} days left", days_left(ends, now)))
    } else {
        CertificateState::Ok
    }
}

/// A leaf certificate's file, beside its key and its certificate authority; `renewed` as in [`validity`]. One of the authority that
/// is being `replaced` serves, and is to be issued again.
pub(super) fn leaf(
    pem: Option<&[u8]>,
    profile: &Profile,
    key: &KeyFile,
    ca: &Certificate,
    replaced: Option<&Certificate>,
    renewed: Option<SystemTime>,
    now: SystemTime,
) -> CertificateState {
    let Some(pem) = pem else { return CertificateState::Missing };
    let certificate = match Certificate::parse(pem) {
        Ok(certificate) => certificate,
        Err(why) => return CertificateState::Damaged(why),
    };
    let replaced = replaced.filter(|replaced| certificate.is_issued_by(replaced));
    let wrong = match key {
        KeyFile::Missing => Some("its key is missing".to_owned()),
        KeyFile::Damaged(why) => Some(format!("its key cannot be used: {why}")),
        KeyFile::Good(key) if !certificate.has_key(key.public()) => Some("it does not belong to its key".to_owned()),
        KeyFile::Good(_) => deviation(&certificate, profile, replaced.unwrap_or(ca)),
    };
    match wrong.map_or_else(|| validity(&certificate, renewed, now), CertificateState::Wrong) {
        CertificateState::Ok if replaced.is_some() => {
            CertificateState::Due("its certificate authority is being replaced".into())
        }
        CertificateState::Ok if profile.is_outlasted_by(&certificate) => {
            let days = profile.lifetime.as_secs() / (24 * 3600);
            let end = day(certificate.not_after());
            CertificateState::LongLived(format!("valid until {end}, and no longer than {days} days is usual"))
        }
        state => state,
    }
}

/// Where a certificate is not what is needed. More names than are needed do no harm: an operator may want them.
pub(super) fn deviation(certificate: &Certificate, profile: &Profile, ca: &Certificate) -> Option<String> {
    if !certificate.is_issued_by(ca) {
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
