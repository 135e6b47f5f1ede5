//! Reading certificates, and verifying what a key has signed.

use std::{net::Ipv4Addr, time::SystemTime};

use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};
use x509_cert::{
    Certificate as X509,
    der::{
        Decode, Encode,
        asn1::{BitString, ObjectIdentifier},
        oid::AssociatedOid,
        pem::{self, LineEnding},
    },
    ext::pkix::{
        BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName, SubjectKeyIdentifier,
        name::GeneralName,
    },
    name::Name,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
};

use super::{key::PublicKey, name};

pub(super) const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
pub(super) const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// A certificate that was read whole.
pub(super) struct Certificate {
    x509: X509,
    dns_names: Vec<String>,
    addresses: Vec<Ipv4Addr>,
    extended_usages: Vec<ObjectIdentifier>,
}

impl Certificate {
    /// The first certificate of a PEM file.
    pub(super) fn parse(pem: &[u8]) -> Result<Self, String> {
        Self::from_der(&CertificateDer::from_pem_slice(pem).map_err(|_| "no certificate in PEM form is in it")?)
    }

    pub(super) fn from_der(der: &[u8]) -> Result<Self, String> {
        let x509 = X509::from_der(der).map_err(|why| format!("its certificate cannot be read: {why}"))?;
        let names = extension::<SubjectAltName>(&x509)?.map(|names| names.0).unwrap_or_default();
        let dns_names = names.iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            _ => None,
        });
        let addresses = names.iter().filter_map(|name| match name {
            GeneralName::IpAddress(bytes) => <[u8; 4]>::try_from(bytes.as_bytes()).ok().map(Ipv4Addr::from),
            _ => None,
        });
        let extended_usages = extension::<ExtendedKeyUsage>(&x509)?.map(|usages| usages.0).unwrap_or_default();
        Ok(Certificate { dns_names: dns_names.collect(), addresses: addresses.collect(), extended_usages, x509 })
    }

    pub(super) fn subject(&self) -> &Name {
        self.x509.tbs_certificate().subject()
    }

    pub(super) fn issuer(&self) -> &Name {
        self.x509.tbs_certificate().issuer()
    }

    /// Whether it says who `common_name` of `organization` is.
    pub(super) fn identifies(&self, common_name: &str, organization: Option<&str>) -> bool {
        name::texts(self.subject(), name::COMMON_NAME) == [common_name]
            && name::texts(self.subject(), name::ORGANIZATION) == Vec::from_iter(organization)
    }

    pub(super) fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    pub(super) fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }

    pub(super) fn has_extended_usage(&self, usage: ObjectIdentifier) -> bool {
        self.extended_usages.contains(&usage)
    }

    /// Whether it may sign certificates.
    pub(super) fn is_ca(&self) -> bool {
        let constraints = extension::<BasicConstraints>(&self.x509).ok().flatten();
        let usage = extension::<KeyUsage>(&self.x509).ok().flatten();
        constraints.is_some_and(|constraints| constraints.ca) && usage.is_none_or(|usage| usage.key_cert_sign())
    }

    /// How many certificate authorities may stand between it and a leaf; none where it does not say.
    pub(super) fn path_length(&self) -> Option<u8> {
        extension::<BasicConstraints>(&self.x509).ok().flatten()?.path_len_constraint
    }

    /// The names that what it signs may have, and whether who cannot judge by that has to refuse it.
    pub(super) fn name_constraints(&self) -> Result<Option<(bool, NameConstraints)>, String> {
        let found = self.x509.tbs_certificate().get_extension::<NameConstraints>();
        found.map_err(|why| format!("its name constraints cannot be read: {why}"))
    }

    /// The extensions that whoever does not know them has to refuse it for.
    pub(super) fn critical_extensions(&self) -> impl Iterator<Item = ObjectIdentifier> {
        let all = self.x509.tbs_certificate().extensions().into_iter().flatten();
        all.filter(|extension| extension.critical).map(|extension| extension.extn_id)
    }

    /// Whether it may sign for a usage: one without a list may sign for all.
    pub(super) fn allows_usage(&self, usage: ObjectIdentifier) -> bool {
        self.extended_usages.is_empty() || self.has_extended_usage(usage)
    }

    pub(super) fn to_pem(&self) -> Result<String, String> {
        let der = self.x509.to_der().map_err(|why| why.to_string())?;
        pem::encode_string("CERTIFICATE", LineEnding::LF, &der).map_err(|why| why.to_string())
    }

    pub(super) fn key_identifier(&self) -> Option<SubjectKeyIdentifier> {
        extension(&self.x509).ok().flatten()
    }

    pub(super) fn not_before(&self) -> SystemTime {
        self.x509.tbs_certificate().validity().not_before.to_system_time()
    }

    pub(super) fn not_after(&self) -> SystemTime {
        self.x509.tbs_certificate().validity().not_after.to_system_time()
    }

    pub(super) fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        self.x509.tbs_certificate().subject_public_key_info()
    }

    pub(super) fn has_key(&self, key: &PublicKey) -> bool {
        *self.public_key() == key.0
    }

    /// Whether the owner of a key has signed it.
    pub(super) fn is_signed_with(&self, key: &SubjectPublicKeyInfoOwned) -> bool {
        let signed = self.x509.tbs_certificate().to_der();
        signed.is_ok_and(|signed| verify(key, &signed, self.x509.signature_algorithm(), self.x509.signature()))
    }

    /// Whether a certificate authority has issued it: the name and the signature.
    pub(super) fn is_issued_by(&self, ca: &Certificate) -> bool {
        self.issuer() == ca.subject() && self.is_signed_with(ca.public_key())
    }
}

/// Whether a signature over `message` was made with a key.
pub(super) fn verify(
    key: &SubjectPublicKeyInfoOwned,
    message: &[u8],
    algorithm: &AlgorithmIdentifierOwned,
    signature: &BitString,
) -> bool {
    let (Some(key_algorithm), Some(algorithm)) = (contents(&key.algorithm), contents(algorithm)) else { return false };
    let known = default_provider().signature_verification_algorithms.all.iter();
    let mut fitting = known.filter(|known| {
        known.public_key_alg_id().as_ref() == key_algorithm && known.signature_alg_id().as_ref() == algorithm
    });
    let (Some(key), Some(signature)) = (key.subject_public_key.as_bytes(), signature.as_bytes()) else { return false };
    fitting.any(|fitting| fitting.verify_signature(key, message, signature).is_ok())
}

/// An algorithm as rustls names it: what is inside the SEQUENCE.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let mut inside = algorithm.oid.to_der().ok()?;
    if let Some(parameters) = &algorithm.parameters {
        inside.extend(parameters.to_der().ok()?);
    }
    Some(inside)
}

fn extension<'a, T: Decode<'a, Error = x509_cert::der::Error> + AssociatedOid>(
    certificate: &'a X509,
) -> Result<Option<T>, String> {
    let found = certificate.tbs_certificate().get_extension::<T>();
    found.map(|found| found.map(|(_, value)| value)).map_err(|why| format!("an extension cannot be read: {why}"))
}
