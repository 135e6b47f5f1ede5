//! A certificate authority that takes another one's place, as ca.pem has it while the nodes change over: first the new one, which
//! signs, then the replaced one, which is trusted as well, and then the voucher, the new one's key as the replaced one certifies it.
//!
//! The voucher stands behind every certificate that is issued meanwhile. So whoever knows the replaced authority alone verifies
//! those too: a node that has not changed over, a pod, an administrator's kubeconfig. ca.pem is written whole, and nothing else
//! says whether an authority is being replaced.

use std::path::Path;

use rustls::pki_types::CertificateDer;

use super::{
    Credential, PkiError,
    certificate::Certificate,
    directory,
    pinned::{CertificateAuthorities, encode},
};

pub(super) struct Succession {
    pub(super) replaced: Certificate,
    /// The replaced one and the voucher.
    behind: [CertificateDer<'static>; 2],
}

impl Succession {
    /// None where nothing but these three, in this order, would be one: an operator's chain is something else.
    pub(super) fn of(authorities: &CertificateAuthorities) -> Option<Succession> {
        let [_, replaced_der, voucher_der] = authorities.all.as_slice() else { return None };
        let signing = &authorities.signing;
        let replaced = Certificate::from_der(replaced_der).ok()?;
        let voucher = Certificate::from_der(voucher_der).ok()?;
        let vouches = is_voucher(&voucher, signing) && voucher.is_issued_by(&replaced);
        let differ = signing.public_key() != replaced.public_key() && signing.is_issued_by(signing);
        (vouches && differ && replaced.is_ca())
            .then(|| Succession { replaced, behind: [replaced_der.clone(), voucher_der.clone()] })
    }

    /// That of a directory's ca.pem.
    pub(super) fn read(path: &Path) -> Result<Option<Succession>, PkiError> {
        let pem = directory::read_certificate(path, Credential::Ca)?;
        Ok(pem.and_then(|pem| CertificateAuthorities::parse(&pem).ok()).as_ref().and_then(Succession::of))
    }

    /// What stands behind the new authority's certificate in ca.pem.
    pub(super) fn behind(&self) -> Result<String, PkiError> {
        encode(&self.behind)
    }

    pub(super) fn replaced_der(&self) -> CertificateDer<'static> {
        self.behind[0].clone()
    }

    /// What stands behind each certificate that is issued.
    pub(super) fn voucher(&self) -> Result<String, PkiError> {
        encode(&self.behind[1..])
    }
}

/// Whether a certificate is another authority's word for the key of this one.
pub(super) fn is_voucher(certificate: &Certificate, signing: &Certificate) -> bool {
    certificate.public_key() == signing.public_key()
        && certificate.subject() == signing.subject()
        && certificate.issuer() != certificate.subject()
        && certificate.is_ca()
}

/// Whether behind the first certificate of a file, or of what is served, there is a voucher for an authority.
pub(super) fn has_voucher<'a>(chain: impl IntoIterator<Item = &'a [u8]>, signing: &Certificate) -> bool {
    let mut behind = chain.into_iter().skip(1).filter_map(|der| Certificate::from_der(der).ok());
    behind.any(|certificate| is_voucher(&certificate, signing))
}
