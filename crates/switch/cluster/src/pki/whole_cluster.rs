//! The whole PKI of a cluster on the operator's host: a directory for each node, as it goes to the switch's flash.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context;
use common::files::{self, Access, NewFile};
use zeroize::Zeroizing;

use super::{
    Credential, Outcome, PkiError, SignError,
    certificate::Certificate,
    directory, fitness,
    key::PrivateKey,
    master::ensure,
    profile::Renewed::ByHand,
    sign::sign_renewed,
    worker::{accept_renewed, requests_renewed},
};
use crate::{Cluster, kubeconfig, state};

/// The operator's own certificate authority: PEM files.
pub struct OperatorCa {
    /// One certificate or more; the first one signs.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What was done for a node.
pub struct MadeFor {
    pub node: String,
    pub directory: PathBuf,
    pub outcomes: Vec<(Credential, Outcome)>,
}

/// Makes `<out>/<node>/pki` for every node and `<out>/admin.kubeconfig`. A second run keeps what is right, and a
/// certificate authority that is there is never replaced.
pub fn whole_cluster(
    out: &Path,
    cluster: &Cluster,
    operator_ca: Option<&OperatorCa>,
    now: SystemTime,
) -> Result<Vec<MadeFor>, PkiError> {
    let directory_of = |node: &str| out.join(node).join("pki");
    let master = cluster.master();
    let masters = directory_of(&master.name);
    if let Some(operator_ca) = operator_ca {
        bring(operator_ca, &masters, cluster, now)?;
    }
    let outcomes = ensure(&masters, cluster, master, ByHand, now)?;
    let mut made = vec![MadeFor { node: master.name.clone(), directory: masters.clone(), outcomes }];
    for node in cluster.nodes.iter().filter(|node| !node.master) {
        let directory = directory_of(&node.name);
        let outcomes = match requests_renewed(&directory, cluster, node, ByHand, now)? {
            None => [Credential::Ca].into_iter().chain(Credential::WORKER).map(|kept| (kept, Outcome::Kept)).collect(),
            Some(requests) => {
                let requests: Vec<String> = requests.into_iter().map(|request| request.pem).collect();
                let issued =
                    sign_renewed(&masters, cluster, &node.name, &requests, ByHand, now).map_err(
                        |error| match error {
                            SignError::CertificateAuthority(error) => error,
                            other => PkiError::crypto("sign for a worker", other),
                        },
                    )?;
                accept_renewed(&directory, cluster, node, &issued, ByHand, now)?
            }
        };
        made.push(MadeFor { node: node.name.clone(), directory, outcomes });
    }
    kubeconfig::write_admin(&out.join("admin.kubeconfig"), cluster, &masters)?;
    Ok(made)
}

/// Puts the operator's certificate authority into the master's directory, unless another one is there.
fn bring(operator_ca: &OperatorCa, directory: &Path, cluster: &Cluster, now: SystemTime) -> Result<(), PkiError> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let certificate = read(&operator_ca.certificate)?;
    let key = Zeroizing::new(read(&operator_ca.key)?);
    let unusable =
        |path: &Path, why: String| PkiError::operator(format!("{}: {why}", path.display()), "take another file");
    let parsed = Certificate::parse(&certificate).map_err(|why| unusable(&operator_ca.certificate, why))?;
    let parsed_key = PrivateKey::parse(&key).map_err(|why| unusable(&operator_ca.key, why))?;
    if !parsed.has_key(parsed_key.public()) {
        let problem = format!("{} is not the key of {}", operator_ca.key.display(), operator_ca.certificate.display());
        return Err(PkiError::operator(problem, "give the pair that belongs together"));
    }
    if !parsed.is_ca() {
        return Err(unusable(&operator_ca.certificate, "it may not sign certificates".into()));
    }
    // What would be refused leaves nothing behind.
    if directory::read_certificate(directory, Credential::Ca)?.is_none() {
        fitness::require(&operator_ca.certificate, &certificate, Credential::Ca, cluster, now)?;
    }
    directory::create(directory)?;
    let _writer = state::lock_directory(directory)?;
    let (file, key_file) = (Credential::Ca.certificate_file(), Credential::Ca.key_file());
    let mut desired = Vec::new();
    for (name, contents, access) in
        [(&key_file, key.as_slice(), Access::Owner), (&file, &certificate, Access::Everyone)]
    {
        match directory::read(directory, name)? {
            Some(there) if there.as_slice() == contents => {}
            Some(_) => {
                return Err(PkiError::operator(
                    format!("another certificate authority is in {} already: {name} differs", directory.display()),
                    "take another directory for the new one, or leave --ca and --ca-key away to keep this one",
                ));
            }
            None => desired.push(NewFile { name, access, contents }),
        }
    }
    if !desired.is_empty() {
        files::write_together(directory, &desired)?;
    }
    Ok(())
}
