//! `[certificates]`: how long what people carry away is good for, and who else's certificates the API server takes.

use std::{ops::RangeInclusive, time::Duration};

use contract::Credential;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::error::{ConfigError, shown};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A year.
const DEFAULT_DAYS: u32 = 365;

/// Up to what an authority that is made here lasts, which is the end of all that it signs.
pub const CERTIFICATE_DAYS: RangeInclusive<u32> = 1..=1825;

/// What stands under `[certificates]`, or what is taken where nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificates {
    /// Of admin.kubeconfig, and of those that `k8s-node kubeconfig` writes unless it is told otherwise.
    pub admin_days: u32,
    /// Of all others that `xtask pki` makes, which no switch may be able to renew.
    pub offline_days: u32,
    /// A file beside ca.pem: its first certificate's holders are clients of the API server, too.
    pub client_ca: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificatesTable {
    admin_days: Option<Spanned<i64>>,
    offline_days: Option<Spanned<i64>>,
    client_ca: Option<Spanned<String>>,
}

impl Default for Certificates {
    fn default() -> Self {
        Certificates { admin_days: DEFAULT_DAYS, offline_days: DEFAULT_DAYS, client_ca: None }
    }
}

impl Certificates {
    pub(crate) fn admin_lifetime(&self) -> Duration {
        DAY * self.admin_days
    }

    pub(crate) fn offline_lifetime(&self) -> Duration {
        DAY * self.offline_days
    }

    /// Whether `client_ca` says that nobody else's are taken, not even while a cluster of an older release has time to change.
    pub(crate) fn names_the_signer_alone(&self) -> bool {
        self.client_ca.as_deref() == Some(Credential::Ca.certificate_file().as_str())
    }
}

impl CertificatesTable {
    pub(super) fn check(self, text: &str, errors: &mut Vec<ConfigError>) -> Certificates {
        let mut days = |value: Option<Spanned<i64>>, key: &str| match value {
            None => DEFAULT_DAYS,
            Some(value) => match u32::try_from(*value.get_ref()).ok().filter(|days| CERTIFICATE_DAYS.contains(days)) {
                Some(days) => days,
                None => {
                    let written = shown(&value.get_ref().to_string());
                    let problem = format!("{key} = {written} is no time that a certificate can last");
                    let fix = format!("write {} to {} days", CERTIFICATE_DAYS.start(), CERTIFICATE_DAYS.end());
                    errors.push(ConfigError::at(text, value.span(), problem, fix));
                    DEFAULT_DAYS
                }
            },
        };
        let (admin_days, offline_days) = (days(self.admin_days, "admin_days"), days(self.offline_days, "offline_days"));
        let client_ca = self.client_ca.map(|name| {
            if let Err(fix) = check_file(name.get_ref()) {
                let problem = format!("client_ca = {} cannot be the file of another authority", shown(name.get_ref()));
                errors.push(ConfigError::at(text, name.span(), problem, fix));
            }
            name.into_inner()
        });
        Certificates { admin_days, offline_days, client_ca }
    }
}

/// A name beside ca.pem, and none that is ours, but for ca.pem itself.
fn check_file(name: &str) -> Result<(), &'static str> {
    let usual = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !name.ends_with(".pem") || name.starts_with('.') || name.len() > 64 || !name.chars().all(usual) {
        return Err("write a file's name as in \"admins-ca.pem\", and put the file beside ca.pem");
    }
    let is_of = |one: &Credential| name == one.certificate_file() || name == one.key_file();
    if Credential::MASTER.iter().any(|one| *one != Credential::Ca && is_of(one)) || name == Credential::Ca.key_file() {
        return Err("take another name: this one is a file of the cluster's own");
    }
    Ok(())
}
