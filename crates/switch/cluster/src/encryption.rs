//! The key that Secrets are encrypted with in etcd. Without it they cannot be read: it is made once and never
//! replaced. Kind and version are those that Kubernetes 1.12 and 1.20 both read.

use std::{io, path::Path};

use anyhow::Context;
use base64ct::{Base64, Encoding};
use common::files;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{kubeconfig::Change, pki::PkiError, state};

const KEY_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncryptionConfig {
    kind: String,
    api_version: String,
    resources: Vec<Resources>,
}

#[derive(Serialize, Deserialize)]
struct Resources {
    resources: Vec<String>,
    providers: Vec<Provider>,
}

/// The first one encrypts, every one decrypts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Provider {
    AesCbc { keys: Vec<Key> },
    Identity {},
}

#[derive(Serialize, Deserialize)]
struct Key {
    name: String,
    secret: String,
}

impl Drop for Key {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Makes the file, or checks the one that is there. Of several that make it at once, all get the first one's.
pub fn ensure(path: &Path) -> Result<Change, PkiError> {
    let _writer = state::lock_beside(path)?;
    match std::fs::read(path) {
        Ok(there) => check(path, &Zeroizing::new(there)).map(|()| Change::Kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map(|()| Change::Written),
        Err(error) => Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display())).into()),
    }
}

fn make(path: &Path) -> Result<(), PkiError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(key.as_mut()).map_err(|why| PkiError::crypto("make the key of Secrets", why))?;
    let keys = vec![Key { name: "key1".into(), secret: Base64::encode_string(key.as_ref()) }];
    let secrets = Resources {
        resources: vec!["secrets".into()],
        providers: vec![Provider::AesCbc { keys }, Provider::Identity {}],
    };
    let config =
        EncryptionConfig { kind: "EncryptionConfig".into(), api_version: "v1".into(), resources: vec![secrets] };
    let text = Zeroizing::new(serde_json::to_vec_pretty(&config).context("cannot write the encryption configuration")?);
    Ok(files::write_for_owner(path, &text)?)
}

fn check(path: &Path, text: &[u8]) -> Result<(), PkiError> {
    let damaged = |why: &str| PkiError::Operator {
        problem: format!("{} is damaged: {why}", path.display()),
        fix: "put it back from your backup: Secrets in etcd cannot be read without its key. Only where there is \
              none to lose, remove it to have a new one made"
            .into(),
    };
    // What serde says might repeat a part of the file.
    let config: EncryptionConfig =
        serde_json::from_slice(text).map_err(|why| damaged(&format!("line {} is not what it was", why.line())))?;
    let providers = config.resources.iter().flat_map(|resources| &resources.providers);
    let mut keys = providers
        .flat_map(|provider| match provider {
            Provider::AesCbc { keys } => keys.as_slice(),
            Provider::Identity {} => &[],
        })
        .peekable();
    if keys.peek().is_none() {
        return Err(damaged("there is no key in it"));
    }
    let whole = |key: &Key| Base64::decode_vec(&key.secret).is_ok_and(|bytes| Zeroizing::new(bytes).len() == KEY_BYTES);
    if keys.all(whole) { Ok(()) } else { Err(damaged("a key does not have 32 bytes")) }
}
