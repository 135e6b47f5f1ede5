//! The service accounts' key. Every token in the cluster depends on it: it is made once and never replaced.

use std::path::Path;

use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use x509_cert::der::Encode;

use super::{
    Credential, Outcome, PkiError,
    directory::{self, KeyFile},
    key::PublicKey,
};

const FIX: &str = "put it back from your backup; only if every token may become invalid, remove both files of the \
                   service account and ca.pem, which is made again from its key";

/// The key and what has to be done about its public half.
pub(super) enum Standing {
    New,
    Kept,
    /// The public half is made again from the private one.
    Publish(PublicKey, Outcome),
}

pub(super) fn standing(directory: &Path, cluster_has_run: bool) -> Result<Standing, PkiError> {
    let (private, public) = (
        directory.join(Credential::ServiceAccount.key_file()),
        directory.join(Credential::ServiceAccount.certificate_file()),
    );
    let published = directory::read_certificate(directory, Credential::ServiceAccount)?;
    let key = match directory::read_key(directory, Credential::ServiceAccount)? {
        KeyFile::Good(key) => key,
        KeyFile::Damaged(why) => {
            return Err(PkiError::operator(format!("{} cannot be used: {why}", private.display()), FIX));
        }
        KeyFile::Missing if published.is_none() && !cluster_has_run => return Ok(Standing::New),
        KeyFile::Missing => {
            return Err(PkiError::operator(format!("{} is missing", private.display()), FIX));
        }
    };
    let Some(published) = published else {
        return Ok(Standing::Publish(key.public().clone(), Outcome::Made));
    };
    // The API server accepts several keys in this file.
    let keys: Vec<_> = SubjectPublicKeyInfoDer::pem_slice_iter(&published).filter_map(Result::ok).collect();
    if keys.is_empty() {
        let why = "no public key in PEM form was in it".to_owned();
        return Ok(Standing::Publish(key.public().clone(), Outcome::Renewed { why }));
    }
    let own = key.public().0.to_der().map_err(|why| PkiError::crypto("read a public key", why))?;
    if keys.iter().any(|key| key.as_ref() == own) {
        return Ok(Standing::Kept);
    }
    Err(PkiError::operator(
        format!("{} and {} do not belong together", private.display(), public.display()),
        "put the pair back from your backup, or remove the public one to have it made from the private one",
    ))
}
