//! Kubeconfigs: how each component, and the operator, reaches the API server and proves who it is. Written as
//! JSON, which every reader of YAML reads.

use std::path::Path;

use anyhow::Context;
use base64ct::{Base64, Encoding};
use common::files;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    Cluster, Node,
    pki::{Credential, PkiError, User, UserCertificate},
    state,
};

/// The components of a switch that have a kubeconfig: the first two on every node, the others on the master.
const COMPONENTS: [Credential; 4] =
    [Credential::Node, Credential::KubeProxy, Credential::ControllerManager, Credential::Scheduler];

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    clusters: [Named<'a, ClusterEntry>; 1],
    users: [Named<'a, UserEntry>; 1],
    contexts: [Named<'a, ContextEntry<'a>>; 1],
    current_context: &'a str,
}

/// An entry is a name beside one key that says what it is.
#[derive(Serialize)]
struct Named<'a, T> {
    name: &'a str,
    #[serde(flatten)]
    entry: T,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum ClusterEntry {
    #[serde(rename_all = "kebab-case")]
    Cluster {
        server: String,
        #[serde(flatten)]
        ca: CertificateAuthority,
    },
}

#[derive(Serialize)]
enum CertificateAuthority {
    #[serde(rename = "certificate-authority")]
    File(String),
    #[serde(rename = "certificate-authority-data")]
    Data(String),
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum UserEntry {
    #[serde(rename_all = "kebab-case")]
    User {
        #[serde(flatten)]
        certificate: Certificate,
        #[serde(flatten)]
        key: Key,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Certificate {
    ClientCertificate(String),
    ClientCertificateData(String),
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Key {
    ClientKey(String),
    ClientKeyData(String),
}

#[derive(Serialize)]
enum ContextEntry<'a> {
    #[serde(rename = "context")]
    Context { cluster: &'a str, user: &'a str },
}

/// What was done about a kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Kept,
    Written,
}

/// Writes the kubeconfigs of a node's components into `directory`. They refer to the files in `pki`, an absolute path,
/// so that a renewed certificate is read without a restart.
pub fn ensure(
    directory: &Path,
    pki: &Path,
    cluster: &Cluster,
    node: &Node,
) -> Result<Vec<(Credential, Change)>, PkiError> {
    let _writer = state::lock_directory(directory)?;
    let count = if node.master { COMPONENTS.len() } else { 2 };
    COMPONENTS[..count]
        .iter()
        .map(|credential| {
            let path = |file: String| pki.join(file).display().to_string();
            let text = text(
                cluster,
                credential.name(),
                CertificateAuthority::File(path(Credential::Ca.certificate_file())),
                Certificate::ClientCertificate(path(credential.certificate_file())),
                Key::ClientKey(path(credential.key_file())),
            )?;
            Ok((*credential, write(&directory.join(credential.kubeconfig_file()), &text)?))
        })
        .collect()
}

/// Writes the operator's kubeconfig, with the certificates and the key inside.
pub fn write_admin(path: &Path, cluster: &Cluster, pki: &Path) -> Result<Change, PkiError> {
    // Nobody renews it while it is read.
    let of_pki = state::lock_directory(pki)?;
    let encoded = |file: String| -> Result<Zeroizing<String>, PkiError> {
        let contents = Zeroizing::new(files::read(&pki.join(file))?);
        Ok(Zeroizing::new(Base64::encode_string(&contents)))
    };
    let ca = encoded(Credential::Ca.certificate_file())?;
    let certificate = encoded(Credential::Admin.certificate_file())?;
    let key = encoded(Credential::Admin.key_file())?;
    drop(of_pki);
    let _writer = state::lock_beside(path)?;
    let text = text(
        cluster,
        Credential::Admin.name(),
        CertificateAuthority::Data(ca.to_string()),
        Certificate::ClientCertificateData(certificate.to_string()),
        Key::ClientKeyData(key.to_string()),
    )?;
    write(path, &text)
}

/// A kubeconfig for somebody else, to be handed over.
pub fn of_user(
    cluster: &Cluster,
    pki: &Path,
    user: &User,
    made: &UserCertificate,
) -> Result<Zeroizing<String>, PkiError> {
    let ca = files::read(&pki.join(Credential::Ca.certificate_file()))?;
    text(
        cluster,
        user.name(),
        CertificateAuthority::Data(Base64::encode_string(&ca)),
        Certificate::ClientCertificateData(Base64::encode_string(made.certificate.as_bytes())),
        Key::ClientKeyData(Base64::encode_string(made.key.as_bytes())),
    )
}

fn text(
    cluster: &Cluster,
    user: &str,
    ca: CertificateAuthority,
    certificate: Certificate,
    key: Key,
) -> Result<Zeroizing<String>, PkiError> {
    let name = cluster.name.as_str();
    let context = format!("{user}@{name}");
    let kubeconfig = Kubeconfig {
        api_version: "v1",
        kind: "Config",
        clusters: [Named { name, entry: ClusterEntry::Cluster { server: cluster.api_server_url(), ca } }],
        users: [Named { name: user, entry: UserEntry::User { certificate, key } }],
        contexts: [Named { name: &context, entry: ContextEntry::Context { cluster: name, user } }],
        current_context: &context,
    };
    let text = serde_json::to_string_pretty(&kubeconfig).context("cannot write a kubeconfig")?;
    Ok(Zeroizing::new(text + "\n"))
}

/// Writes what differs, for its owner alone.
fn write(path: &Path, text: &str) -> Result<Change, PkiError> {
    if std::fs::read(path).is_ok_and(|there| Zeroizing::new(there).as_slice() == text.as_bytes()) {
        return Ok(Change::Kept);
    }
    files::write_for_owner(path, text.as_bytes())?;
    Ok(Change::Written)
}
