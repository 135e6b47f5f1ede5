//! Who asks: whether a certificate that was verified is that of the API server as a proxy.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::name::DirectoryString;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Whether the first certificate of a chain has this common name, and no other one beside it.
pub fn is_named(chain: Option<&[CertificateDer<'_>]>, name: &str) -> bool {
    let Some(certificate) = chain.and_then(|chain| Certificate::from_der(chain.first()?).ok()) else { return false };
    let subject = certificate.tbs_certificate().subject();
    let mut names = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    let (Some(only), None) = (names.next(), names.next()) else { return false };
    only.value.decode_as::<DirectoryString>().is_ok_and(|text| text.value() == name)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "front-proxy-client");
        for name in names {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn the_common_name_is_what_counts_and_nothing_is_nobody() {
        let is_it = |names: &[&str]| is_named(Some(&[certificate(names)]), "front-proxy-client");
        assert!(is_it(&["front-proxy-client"]));
        assert!(!is_it(&["front-proxy-clients"]) && !is_it(&[]));
        assert!(!is_named(None, "front-proxy-client") && !is_named(Some(&[]), "front-proxy-client"));
        assert!(!is_named(Some(&[CertificateDer::from(vec![0; 9])]), "front-proxy-client"));
    }
}
