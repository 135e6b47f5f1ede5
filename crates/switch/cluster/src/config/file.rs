//! The file as it is written: TOML with a place for every value, and no key that nobody knows.

use std::ops::Range;

use common::wording;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
    value::{Date, Datetime},
};

use super::{
    KeyType, KubeProxy, Services, Storage, Subject,
    certificates::CertificatesTable,
    error::{ConfigError, without_long},
    join::{CaHash, LastDay},
    names::NamesTable,
    network::NetworkTable,
    token::JoinToken,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) cluster: Spanned<ClusterTable>,
    #[serde(default)]
    pub(super) node: Vec<Spanned<NodeTable>>,
    #[serde(default, rename = "kube-proxy")]
    pub(super) kube_proxy: KubeProxy,
    pub(super) reserved: Option<ReservedTable>,
    #[serde(default)]
    pub(super) dns: NamesTable,
    #[serde(default)]
    pub(super) certificates: CertificatesTable,
    #[serde(default)]
    pub(super) storage: Storage,
    pub(super) network: Option<NetworkTable>,
    #[serde(default)]
    pub(super) services: Services,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterTable {
    #[serde(default = "default_name")]
    pub(super) name: Spanned<String>,
    pub(super) service_cidr: Spanned<String>,
    pub(super) pod_cidr: Spanned<String>,
    pub(super) dns: Option<Spanned<String>>,
    #[serde(default = "default_domain")]
    pub(super) domain: Spanned<String>,
    #[serde(default)]
    pub(super) key: KeyType,
    pub(super) subject: Option<Spanned<Subject>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeTable {
    pub(super) name: Spanned<String>,
    pub(super) address: Spanned<String>,
    pub(super) roles: Spanned<Vec<Role>>,
    pub(super) pod_cidr: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReservedTable {
    pub(super) memory: Spanned<String>,
    pub(super) cpu: Spanned<String>,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Master,
    Worker,
}

/// What stands under [join]. It is read by hand: serde repeats in its errors what it finds.
pub(super) struct JoinTable<'a>(Spanned<DeValue<'a>>);

fn default_name() -> Spanned<String> {
    Spanned::new(0..0, "kubernetes".into())
}

fn default_domain() -> Spanned<String> {
    Spanned::new(0..0, "cluster.local".into())
}

pub(super) fn parse(text: &str) -> Result<(File, Option<JoinTable<'_>>), ConfigError> {
    if text.trim().is_empty() {
        return Err(ConfigError::missing(
            "the file is empty",
            "write [cluster], a [[node]] for each switch and [join] into it, as docs/operations.md shows",
        ));
    }
    let problem = |error: toml::de::Error| {
        let message = without_long(error.message());
        let (problem, fix) = (wording::of_serde(&message), fix_for(&message));
        match error.span() {
            Some(place) if !(place.start == 0 && place.end >= text.trim_end().len()) => {
                ConfigError::at(text, place, problem, fix)
            }
            _ => ConfigError::missing(problem, fix),
        }
    };
    let mut table = DeTable::parse(text).map_err(problem)?;
    let join = table.get_mut().remove("join").map(JoinTable);
    Ok((File::deserialize(Deserializer::from(table)).map_err(problem)?, join))
}

fn fix_for(message: &str) -> &'static str {
    if message.starts_with("missing field") {
        "add it; docs/operations.md shows a whole file"
    } else if message.starts_with("unknown field") {
        "correct the name or take the line out"
    } else if message.starts_with("unknown variant") {
        "write one of these"
    } else {
        "correct this line; docs/operations.md shows a whole file"
    }
}

/// Every text in here is fixed.
const JOIN: &str =
    "write below [join] no more than token = \"…\", ca_hash = \"sha256:…\", until = \"2026-12-31\" and nat = true";

const KEYS: [&str; 4] = ["token", "ca_hash", "until", "nat"];

impl JoinTable<'_> {
    /// Whether addresses are translated between workers and master.
    pub(super) fn nat(&self, text: &str) -> Result<bool, ConfigError> {
        match self.value("nat") {
            None => Ok(false),
            Some((DeValue::Boolean(nat), _)) => Ok(*nat),
            Some((_, place)) => Err(ConfigError::at(
                text,
                place,
                "`nat` in [join] is neither true nor false",
                "write nat = true, or take the line out",
            )),
        }
    }

    /// The certificate authority that workers take at their first join.
    pub(super) fn ca_hash(&self, text: &str) -> Result<Option<CaHash>, ConfigError> {
        self.read("ca_hash", |value| value.as_str()?.parse().ok()).map_err(|place| {
            ConfigError::at(
                text,
                place,
                "`ca_hash` in [join] is not sha256: and 64 hexadecimal digits",
                "copy it from `k8s-node status` on the master, or take the line out",
            )
        })
    }

    /// The last day on which new nodes may come.
    pub(super) fn until(&self, text: &str) -> Result<Option<LastDay>, ConfigError> {
        let read = self.read("until", |value| match value {
            DeValue::Datetime(Datetime { date: Some(Date { year, month, day }), time: None, .. }) => {
                LastDay::new(*year, *month, *day)
            }
            value => value.as_str()?.parse().ok(),
        });
        read.map_err(|place| {
            ConfigError::at(
                text,
                place,
                "`until` in [join] is no date",
                "write the last day on which new nodes may come, as in until = \"2026-12-31\", or take the line out",
            )
        })
    }

    /// The token, and its place; none where it was taken out.
    pub(super) fn token(&self, text: &str) -> Result<Option<(JoinToken, Range<usize>)>, ConfigError> {
        let wrong = |place, problem: &str| Err(ConfigError::at(text, place, problem, JOIN));
        let DeValue::Table(table) = self.0.get_ref() else {
            return wrong(self.0.span(), "`join` is no table");
        };
        if let Some((key, _)) = table.iter().find(|(key, _)| !KEYS.contains(&key.get_ref().as_ref())) {
            return wrong(key.span(), "something else than `token`, `ca_hash`, `until` or `nat` stands in [join]");
        }
        let Some((token, place)) = self.value("token") else { return Ok(None) };
        let DeValue::String(value) = token else {
            return wrong(place, "`token` in [join] is no text between quotation marks");
        };
        match JoinToken::check(value) {
            Ok(checked) => Ok(Some((checked, place))),
            Err(problem) => Err(ConfigError::at(text, place, problem, JoinToken::HOW_TO_MAKE)),
        }
    }

    fn value(&self, key: &str) -> Option<(&DeValue<'_>, Range<usize>)> {
        self.0.get_ref().get(key).map(|value| (value.get_ref(), value.span()))
    }

    /// Fails with the place of what cannot be read.
    fn read<T>(&self, key: &str, read: impl FnOnce(&DeValue) -> Option<T>) -> Result<Option<T>, Range<usize>> {
        let Some((value, place)) = self.value(key) else { return Ok(None) };
        read(value).map(Some).ok_or(place)
    }
}
