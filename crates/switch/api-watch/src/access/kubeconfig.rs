//! The kubeconfig as it is written: read, and the cluster and user picked that its current context names. Fields that this program has
//! no use for may be anything.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::exec::Exec;

/// Larger than any kubeconfig, token or bundle of certificates, and small enough for a switch: what is named may be a device.
const LARGEST_MIB: u64 = 4;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Kubeconfig {
    kind: Text,
    current_context: Text,
    contexts: Option<Vec<NamedContext>>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    name: Text,
    context: Option<Context>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: Text,
    user: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    name: Text,
    cluster: Option<Cluster>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    name: Text,
    user: Option<User>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Cluster {
    pub server: Text,
    pub certificate_authority: Text,
    pub certificate_authority_data: Text,
    pub insecure_skip_tls_verify: Option<bool>,
    pub tls_server_name: Text,
    pub proxy_url: Text,
    pub extensions: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct User {
    pub username: Option<String>,
    pub password: Option<String>,
    pub token: Text,
    #[serde(rename = "tokenFile")]
    pub token_file: Text,
    pub client_certificate: Text,
    pub client_certificate_data: Text,
    pub client_key: Text,
    pub client_key_data: Text,
    #[serde(rename = "as")]
    pub act_as: Text,
    pub as_uid: Text,
    pub as_groups: Option<Vec<String>>,
    pub as_user_extra: Option<HashMap<String, Vec<String>>>,
    pub auth_provider: Option<IgnoredAny>,
    pub exec: Option<Exec>,
}

/// The text of a field. Blanks around it do not count, and an empty one is not there, as client-go has it.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text(Option<String>);

impl Text {
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// What the current context names.
#[derive(Default)]
pub(super) struct Chosen {
    pub cluster_name: String,
    pub cluster: Cluster,
    pub user_name: String,
    pub user: User,
}

impl Kubeconfig {
    pub fn read(path: &Path) -> Result<Kubeconfig, String> {
        Kubeconfig::parse(&read_file(path)?)
    }

    fn parse(bytes: &[u8]) -> Result<Kubeconfig, String> {
        // What is wrong is told without the lines around it, as these may have a token.
        let documents: Vec<Kubeconfig> = serde_saphyr::from_multiple(&text(bytes)?)
            .map_err(|error| format!("it is no kubeconfig: {}", error.without_snippet()))?;
        let number = documents.len();
        let mut documents = documents.into_iter();
        match (documents.next(), number) {
            (Some(file), 1) if file.kind.get().is_none_or(|kind| kind == "Config") => Ok(file),
            (Some(file), 1) => {
                Err(format!("it is a {}, and a kubeconfig's kind is Config", file.kind.get().unwrap_or_default()))
            }
            (None, _) => Err("it is empty: give a kubeconfig".to_owned()),
            _ => Err(format!("it has {number} YAML documents: leave one")),
        }
    }

    /// Of several with one name, the first counts. With `--master` there need be no cluster, and no current context, as client-go has it.
    pub fn choose(self, with_master: bool) -> Result<Chosen, String> {
        let Some(desired) = self.current_context.get() else {
            if with_master {
                tracing::warn!(
                    "current-context is not set: of the kubeconfig nothing is used, and --master is asked anonymously"
                );
                return Ok(Chosen::default());
            }
            return Err("current-context is not set: name one of the contexts there".to_owned());
        };
        let contexts = self.contexts.unwrap_or_default();
        let Some(context) = contexts.into_iter().find(|entry| entry.name.get() == Some(desired)) else {
            return Err(format!("current-context is {desired:?}, and there is no such context"));
        };
        let context = context.context.unwrap_or_default();
        let cluster_name = context.cluster.get().unwrap_or_default();
        let cluster = self
            .clusters
            .unwrap_or_default()
            .into_iter()
            .find(|entry| entry.name.get().unwrap_or_default() == cluster_name);
        if cluster.is_none() {
            let why = match cluster_name {
                "" => format!("context {desired:?} names no cluster"),
                _ => format!("context {desired:?} names the cluster {cluster_name:?}, and there is no such cluster"),
            };
            if !with_master {
                return Err(why);
            }
            tracing::warn!("{why}: of the API server nothing is known but --master");
        }
        let user_name = context.user.get().unwrap_or_default();
        let user =
            self.users.unwrap_or_default().into_iter().find(|entry| entry.name.get().unwrap_or_default() == user_name);
        match (&user, user_name) {
            (None, "") if with_master => {
                tracing::warn!("context {desired:?} names no user: --master is asked anonymously")
            }
            (None, "") | (Some(_), _) => {}
            // As nobody, it would be refused for ever.
            (None, _) => {
                return Err(format!("context {desired:?} names the user {user_name:?}, and there is no such user"));
            }
        }
        Ok(Chosen {
            cluster_name: cluster_name.to_owned(),
            cluster: cluster.and_then(|entry| entry.cluster).unwrap_or_default(),
            user_name: user_name.to_owned(),
            user: user.and_then(|entry| entry.user).unwrap_or_default(),
        })
    }
}

/// UTF-8, with or without a byte order mark, or UTF-16 with one, as editors write it.
fn text(bytes: &[u8]) -> Result<String, String> {
    let utf_16 = |bytes: &[u8], read: fn([u8; 2]) -> u16| match bytes.as_chunks() {
        (units, []) => String::from_utf16(&units.iter().copied().map(read).collect::<Vec<_>>()).ok(),
        _ => None,
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes).ok_or_else(|| "it is no UTF-16".to_owned()),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes).ok_or_else(|| "it is no UTF-16".to_owned()),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => utf_8(rest.to_vec()),
    }
}

pub(super) fn utf_8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())
}

/// All of a file that the kubeconfig is or names.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take((LARGEST_MIB << 20) + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST_MIB << 20 {
        return Err(format!("it has more than {LARGEST_MIB} MiB"));
    }
    Ok(bytes)
}
