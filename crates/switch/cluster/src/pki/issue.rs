//! Making certificates and requests.

use std::time::SystemTime;

use ring::rand::{SecureRandom, SystemRandom};
use x509_cert::{
    TbsCertificate,
    builder::{self, Builder, CertificateBuilder, profile::BuilderProfile},
    der::{EncodePem, asn1::Ia5String, asn1::OctetString, pem::LineEnding},
    ext::{
        Extension, ToExtension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
    request::RequestBuilder,
    serial_number::SerialNumber,
    spki::SubjectPublicKeyInfoRef,
    time::{Time, Validity},
};

use super::{
    PkiError,
    certificate::{CLIENT_AUTH, Certificate, SERVER_AUTH},
    key::{PrivateKey, PublicKey},
    profile::{BACKDATED, CA_LIFETIME, Profile, Usage},
};

/// A certificate authority that can sign.
pub(super) struct Issuer<'a> {
    pub(super) certificate: &'a Certificate,
    pub(super) key: &'a PrivateKey,
}

struct CertificateAuthority<'a>(&'a Name);

struct SelfSigned<'a>(&'a Name);

/// A server that its clients know by its very certificate.
struct SelfSignedServer<'a> {
    subject: &'a Name,
    dns_name: &'a str,
}

/// An authority's word for another one.
struct Voucher<'a> {
    subject: &'a Name,
    by: &'a Certificate,
}

struct Leaf<'a> {
    profile: &'a Profile,
    ca: &'a Certificate,
}

/// A certificate authority's own certificate.
pub(super) fn ca(subject: &Name, key: &PrivateKey, now: SystemTime) -> Result<String, PkiError> {
    let end = begin(now) + CA_LIFETIME;
    sign(CertificateAuthority(subject), key.public(), key, begin(now), end)
}

/// A certificate authority's key, certified by another authority.
pub(super) fn voucher(subject: &Name, key: &PublicKey, by: &Issuer, now: SystemTime) -> Result<String, PkiError> {
    let end = (begin(now) + CA_LIFETIME).min(by.certificate.not_after());
    sign(Voucher { subject, by: by.certificate }, key, by.key, begin(now), end)
}

/// When a certificate that is issued now ends: its certificate authority's end is the end of all that it signs.
pub(super) fn leaf_end(profile: &Profile, ca: &Certificate, now: SystemTime) -> SystemTime {
    (begin(now) + profile.lifetime).min(ca.not_after())
}

pub(super) fn leaf(profile: &Profile, key: &PublicKey, issuer: &Issuer, now: SystemTime) -> Result<String, PkiError> {
    let leaf = Leaf { profile, ca: issuer.certificate };
    sign(leaf, key, issuer.key, begin(now), leaf_end(profile, issuer.certificate, now))
}

/// A certificate by which a key shows itself, and nothing more.
pub(super) fn self_signed(subject: &Name, key: &PrivateKey, now: SystemTime) -> Result<String, PkiError> {
    sign(SelfSigned(subject), key.public(), key, begin(now), now + BACKDATED)
}

/// A certificate of a server's own key, for one name: who verifies it has to have the certificate itself.
pub(super) fn self_signed_server(
    subject: &Name,
    dns_name: &str,
    key: &PrivateKey,
    end: SystemTime,
    now: SystemTime,
) -> Result<String, PkiError> {
    sign(SelfSignedServer { subject, dns_name }, key.public(), key, begin(now), end)
}

/// A request for a certificate with this subject: all that its reader takes of it beside the public key.
pub(super) fn request(subject: &Name, key: &PrivateKey) -> Result<String, PkiError> {
    let doing = "make a certificate request";
    let failed = |why: builder::Error| PkiError::crypto(doing, why);
    let mut builder = RequestBuilder::new(subject.clone()).map_err(failed)?;
    let signed = builder.finalize(key).map_err(failed)?;
    let request = builder.assemble(key.sign(&signed)?, key).map_err(failed)?;
    request.to_pem(LineEnding::LF).map_err(|why| PkiError::crypto(doing, why))
}

fn begin(now: SystemTime) -> SystemTime {
    now - BACKDATED
}

fn sign(
    profile: impl BuilderProfile,
    subject_key: &PublicKey,
    key: &PrivateKey,
    begin: SystemTime,
    end: SystemTime,
) -> Result<String, PkiError> {
    let doing = "make a certificate";
    let failed = |why: builder::Error| PkiError::crypto(doing, why);
    let time = |time| Time::try_from(time).map_err(|why| PkiError::crypto(doing, why));
    let validity = Validity::new(time(begin)?, time(end)?);
    let mut builder =
        CertificateBuilder::new(profile, serial_number()?, validity, subject_key.0.clone()).map_err(failed)?;
    let signed = builder.finalize(key).map_err(failed)?;
    let certificate = builder.assemble(key.sign(&signed)?, key).map_err(failed)?;
    certificate.to_pem(LineEnding::LF).map_err(|why| PkiError::crypto(doing, why))
}

/// 20 random bytes that are a positive number.
fn serial_number() -> Result<SerialNumber, PkiError> {
    let doing = "make a serial number";
    let mut bytes = [0; 20];
    SystemRandom::new().fill(&mut bytes).map_err(|why| PkiError::crypto(doing, why))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::new(&bytes).map_err(|why| PkiError::crypto(doing, why))
}

impl BuilderProfile for CertificateAuthority<'_> {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        certificate: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        Ok(Extensions::of_authority(certificate, key)?.list)
    }
}

impl BuilderProfile for Voucher<'_> {
    fn get_issuer(&self, _: &Name) -> Name {
        self.by.subject().clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        certificate: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let mut extensions = Extensions::of_authority(certificate, key)?;
        extensions.add(&identifier(self.by, issuer_key)?)?;
        Ok(extensions.list)
    }
}

impl BuilderProfile for SelfSigned<'_> {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        certificate: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let mut extensions = Extensions::of(certificate);
        extensions.add(&KeyUsage(KeyUsages::DigitalSignature.into()))?;
        extensions.add(&BasicConstraints { ca: false, path_len_constraint: None })?;
        Ok(extensions.list)
    }
}

impl BuilderProfile for SelfSignedServer<'_> {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        certificate: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let mut extensions = Extensions::of(certificate);
        extensions.add(&KeyUsage(KeyUsages::DigitalSignature.into()))?;
        extensions.add(&ExtendedKeyUsage(vec![SERVER_AUTH]))?;
        extensions.add(&BasicConstraints { ca: false, path_len_constraint: None })?;
        extensions.add(&SubjectAltName(vec![GeneralName::DnsName(Ia5String::new(self.dns_name)?)]))?;
        Ok(extensions.list)
    }
}

impl BuilderProfile for Leaf<'_> {
    fn get_issuer(&self, _: &Name) -> Name {
        self.ca.subject().clone()
    }

    fn get_subject(&self) -> Name {
        self.profile.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        certificate: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let mut extensions = Extensions::of(certificate);
        extensions.add(&KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment))?;
        extensions.add(&ExtendedKeyUsage(match self.profile.usage {
            Usage::Client => vec![CLIENT_AUTH],
            Usage::ServerAndClient => vec![SERVER_AUTH, CLIENT_AUTH],
        }))?;
        extensions.add(&BasicConstraints { ca: false, path_len_constraint: None })?;
        extensions.add(&SubjectKeyIdentifier::try_from(key)?)?;
        extensions.add(&identifier(self.ca, issuer_key)?)?;
        let names = self.profile.dns_names.iter().map(|name| Ok(GeneralName::DnsName(Ia5String::new(name)?)));
        let addresses = self.profile.addresses.iter();
        let addresses = addresses.map(|address| Ok(GeneralName::IpAddress(OctetString::new(address.octets())?)));
        let names: Vec<GeneralName> = names.chain(addresses).collect::<x509_cert::der::Result<_>>()?;
        if !names.is_empty() {
            extensions.add(&SubjectAltName(names))?;
        }
        Ok(extensions.list)
    }
}

/// What names an authority's key in what it signs: as its own certificate has it.
fn identifier(ca: &Certificate, key: SubjectPublicKeyInfoRef<'_>) -> builder::Result<AuthorityKeyIdentifier> {
    Ok(match ca.key_identifier() {
        Some(identifier) => AuthorityKeyIdentifier { key_identifier: Some(identifier.0), ..Default::default() },
        None => AuthorityKeyIdentifier::try_from(key)?,
    })
}

/// The extensions of a certificate as they come together.
struct Extensions<'a> {
    subject: &'a Name,
    list: Vec<Extension>,
}

impl<'a> Extensions<'a> {
    fn of(certificate: &'a TbsCertificate) -> Self {
        Extensions { subject: certificate.subject(), list: Vec::new() }
    }

    fn of_authority(certificate: &'a TbsCertificate, key: SubjectPublicKeyInfoRef<'_>) -> builder::Result<Self> {
        let mut extensions = Extensions::of(certificate);
        extensions.add(&KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?;
        extensions.add(&BasicConstraints { ca: true, path_len_constraint: None })?;
        extensions.add(&SubjectKeyIdentifier::try_from(key)?)?;
        Ok(extensions)
    }

    fn add<E: ToExtension<Error = x509_cert::der::Error>>(&mut self, extension: E) -> x509_cert::der::Result<()> {
        let extension = extension.to_extension(self.subject, &self.list)?;
        self.list.push(extension);
        Ok(())
    }
}
