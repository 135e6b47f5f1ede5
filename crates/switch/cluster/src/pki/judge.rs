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

/// A leaf certificate's file, beside its key and its certificate authority; `renewed` as in [`validity`].
pub(super) fn leaf(
    pem: Option<&[u8]>,
    profile: &Profile,
    key: &KeyFile,
    ca: &Certificate,
    renewed: Option<SystemTime>,
    now: SystemTime,
) -> CertificateState {
    let Some(pem) = pem else { return CertificateState::Missing };
    let certificate = match Certificate::parse(pem) {
        Ok(certificate) => certificate,
        Err(why) => return CertificateState::Damaged(why),
    };
    let wrong = match key {
        KeyFile::Missing => Some("its key is missing".to_owned()),
        KeyFile::Damaged(why) => Some(format!("its key cannot be used: {why}")),
        KeyFile::Good(key) if !certificate.has_key(key.public()) => Some("it does not belong to its key".to_owned()),
        KeyFile::Good(_) => deviation(&certificate, profile, ca),
    };
    match wrong {
        Some(why) => CertificateState::Wrong(why),
        None => validity(&certificate, renewed, now),
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
