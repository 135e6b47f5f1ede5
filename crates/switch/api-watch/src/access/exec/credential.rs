//! What a plugin prints: an ExecCredential, with a token, a certificate or both.

use std::time::Duration;

use hyper::header::HeaderValue;
use k8s_openapi::jiff::Timestamp;
use rustls::sign::CertifiedKey;
use serde_json::Value;

use super::super::authorization::bearer;
use super::super::certificates::pair;

#[derive(Debug)]
pub(super) struct Credential {
    pub authorization: Option<HeaderValue>,
    pub identity: Option<CertifiedKey>,
    pub ends: Option<Timestamp>,
}

impl Credential {
    pub(super) fn parse(printed: &[u8], api_version: &str) -> Result<Credential, String> {
        // client-go takes YAML too. Nothing is said of what it is instead, as that may be a token.
        let answer: Value = serde_json::from_slice(printed)
            .ok()
            .or_else(|| serde_saphyr::from_slice(printed).ok())
            .filter(Value::is_object)
            .ok_or_else(|| {
                let number = printed.len();
                format!("the {number} bytes that it printed are no ExecCredential in JSON: run it by hand to see them")
            })?;
        let kind = text(&answer, "kind")?.unwrap_or_default();
        if kind != "ExecCredential" {
            return Err(format!("it printed an object of kind {kind:?}, and ExecCredential is wanted"));
        }
        let version = text(&answer, "apiVersion")?.unwrap_or_default();
        if version != api_version {
            return Err(format!(
                "it printed an ExecCredential of {version:?}, and exec in the kubeconfig has the apiVersion \
                 {api_version:?}: make it the same there"
            ));
        }
        let status = &answer["status"];
        let field = |name: &str| text(status, name).map_err(|why| format!("its status.{why}"));
        let authorization = field("token")?.map(bearer).transpose().map_err(|why| format!("its status.token {why}"))?;
        let identity = match (field("clientCertificateData")?, field("clientKeyData")?) {
            (Some(certificate), Some(key)) => {
                let identity = pair(certificate.as_bytes(), key.as_bytes()).map_err(|why| {
                    format!("its status.clientCertificateData and clientKeyData cannot be used: {why}")
                })?;
                Some(identity)
            }
            (None, None) => None,
            _ => return Err("its status has only one of clientCertificateData and clientKeyData".to_owned()),
        };
        if authorization.is_none() && identity.is_none() {
            return Err("its answer has no status.token, and no certificate: run it by hand to see why".to_owned());
        }
        let ends = field("expirationTimestamp")?.map_or(Ok(None), end)?;
        Ok(Credential { authorization, identity, ends })
    }

    /// As long is it good yet: from when on it is not, is a time of day and nothing else.
    pub(super) fn good_for(&self) -> Option<Duration> {
        self.ends.map(|ends| Timestamp::now().duration_until(ends).try_into().unwrap_or_default())
    }
}

/// The time of an end. There is none where it is in so late a year that a timestamp cannot be: that is how some write "never".
fn end(time: &str) -> Result<Option<Timestamp>, String> {
    // Any other year, and a leap year as the late one may be, shows whether the rest is a time.
    let is_late =
        |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit()) && (digits.len() > 4 || digits == "9999");
    let never = || {
        let (year, rest) = time.strip_prefix('+').unwrap_or(time).split_once('-')?;
        let year = year.trim_start_matches('0');
        (is_late(year) && format!("8000-{rest}").parse::<Timestamp>().is_ok()).then_some(None)
    };
    time.parse().map(Some).ok().or_else(never).ok_or_else(|| {
        let time: String = time.chars().take(100).collect();
        format!("its status.expirationTimestamp {time:?} is no time as in 2006-01-02T15:04:05Z")
    })
}

/// A field's text without blanks around it; none where it is empty or not there.
fn text<'a>(object: &'a Value, name: &str) -> Result<Option<&'a str>, String> {
    match &object[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        _ => Err(format!("{name} is no text")),
    }
}
