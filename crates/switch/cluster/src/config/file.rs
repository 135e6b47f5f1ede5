//! The file as it is written: TOML with a place for every value, and no key that nobody knows.

use common::wording;
use serde::Deserialize;
use toml::Spanned;

use super::{
    KeyType, KubeProxy, Subject,
    error::ConfigError,
    token::{self, JoinToken},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) cluster: Spanned<ClusterTable>,
    #[serde(default)]
    pub(super) node: Vec<Spanned<NodeTable>>,
    pub(super) join: JoinTable,
    #[serde(default, rename = "kube-proxy")]
    pub(super) kube_proxy: KubeProxy,
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

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Master,
    Worker,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinTable {
    pub(super) token: Spanned<String>,
    #[serde(default)]
    pub(super) nat: bool,
}

fn default_name() -> Spanned<String> {
    Spanned::new(0..0, "kubernetes".into())
}

fn default_domain() -> Spanned<String> {
    Spanned::new(0..0, "cluster.local".into())
}

pub(super) fn parse(text: &str) -> Result<File, ConfigError> {
    if text.trim().is_empty() {
        return Err(ConfigError::missing(
            "the file is empty",
            "write [cluster], a [[node]] for each switch and [join] into it, as docs/operations.md shows",
        ));
    }
    toml::from_str(text).map_err(|error| {
        let fix = fix_for(error.message());
        let problem = wording::of_serde(error.message());
        match error.span() {
            Some(place) if !(place.start == 0 && place.end >= text.trim_end().len()) => {
                ConfigError::at(text, place, problem, fix)
            }
            _ => ConfigError::missing(problem, fix),
        }
    })
}

fn fix_for(message: &str) -> String {
    if message.contains("missing field `token`") || message.contains("missing field `join`") {
        format!("add [join] with token = \"…\"; {}", token::HOW_TO_MAKE)
    } else if message.starts_with("missing field") {
        "add it; docs/operations.md shows a whole file".into()
    } else if message.starts_with("unknown field") {
        "correct the name or take the line out".into()
    } else if message.starts_with("unknown variant") {
        "write one of these".into()
    } else {
        "correct this line; docs/operations.md shows a whole file".into()
    }
}

impl JoinTable {
    pub(super) fn token(self, text: &str) -> Result<JoinToken, ConfigError> {
        let place = self.token.span();
        JoinToken::check(self.token.into_inner())
            .map_err(|problem| ConfigError::at(text, place, problem, token::HOW_TO_MAKE))
    }
}
