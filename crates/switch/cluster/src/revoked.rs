//! Of which clients the API server takes no certificate any more, whoever has signed it: the file that it reads, and reads again when
//! it changes (patches/kubernetes, revoked-clients-file). Nodes are revoked in the master's table of keys; this is made of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::pki::KeyDigest;

const VERSION: u32 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevokedClients {
    /// Names that nobody has any more, but who has one of these keys.
    pub users: BTreeMap<String, BTreeSet<KeyDigest>>,
    /// Keys that are nobody's, whatever a certificate says.
    pub keys: BTreeSet<KeyDigest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    users: BTreeMap<String, BTreeSet<KeyDigest>>,
    keys: BTreeSet<KeyDigest>,
}

impl RevokedClients {
    pub fn to_text(&self) -> serde_json::Result<String> {
        let RevokedClients { users, keys } = self.clone();
        Ok(serde_json::to_string_pretty(&File { version: VERSION, users, keys })? + "\n")
    }

    /// None where it is not such a file, or not whole.
    pub fn parse(text: &str) -> Option<RevokedClients> {
        let File { version, users, keys } = serde_json::from_str(text).ok()?;
        (version == VERSION).then_some(RevokedClients { users, keys })
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_off_or_of_another_version_is_not() {
        let key: KeyDigest = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let clients = RevokedClients {
            users: [("system:node:veos-l1".to_owned(), [key.clone()].into())].into(),
            keys: [key].into(),
        };
        let text = clients.to_text().unwrap();
        assert_eq!(RevokedClients::parse(&text), Some(clients));
        for other in ["", "{}", &text[..text.len() - 3], &text.replace("\"version\": 1", "\"version\": 2")] {
            assert_eq!(RevokedClients::parse(other), None, "{other}");
        }
    }
}
