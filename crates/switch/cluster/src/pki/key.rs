//! Private keys: made, read in every form that operators have them in, and signing.

use std::sync::Arc;

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use rsa::{pkcs8::EncodePrivateKey, signature::Keypair};
use rustls::{
    SignatureScheme,
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, alg_id, pem::PemObject},
    sign::SigningKey,
};
use x509_cert::{
    der::{
        Decode, Document, Encode,
        asn1::BitString,
        pem::{LineEnding, encode_string},
    },
    spki::{AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey, SubjectPublicKeyInfoOwned},
};
use zeroize::Zeroizing;

use super::PkiError;
use crate::KeyType;

const RSA_BITS: usize = 2048;

/// The schemes that certificates are signed with, one for each kind of key.
const SCHEMES: [SignatureScheme; 3] =
    [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384, SignatureScheme::RSA_PKCS1_SHA256];

#[derive(Clone)]
pub(super) struct PrivateKey {
    key: Arc<dyn SigningKey>,
    public: PublicKey,
}

/// A public key as certificates carry it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PublicKey(pub(super) SubjectPublicKeyInfoOwned);

/// A private key that was just made, with the text of its file.
pub(super) struct NewKey {
    pub(super) key: PrivateKey,
    pub(super) pem: Zeroizing<String>,
}

impl NewKey {
    pub(super) fn generate(kind: KeyType) -> Result<Self, PkiError> {
        let doing = "make a private key";
        let der = match kind {
            KeyType::EcdsaP256 => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
                Zeroizing::new(made.map_err(|why| PkiError::crypto(doing, why))?.as_ref().to_vec())
            }
            KeyType::Rsa2048 => {
                let made = rsa::PrivateKey::new(&mut getrandom::SysRng, RSA_BITS);
                let made = made.map_err(|why| PkiError::crypto(doing, why))?;
                made.to_pkcs8_der().map_err(|why| PkiError::crypto(doing, why))?.to_bytes()
            }
        };
        let pem = encode_string("PRIVATE KEY", LineEnding::LF, &der).map_err(|why| PkiError::crypto(doing, why))?;
        let pem = Zeroizing::new(pem);
        let key = PrivateKey::parse(pem.as_bytes()).map_err(|why| PkiError::crypto(doing, why))?;
        Ok(NewKey { key, pem })
    }
}

impl PrivateKey {
    /// Reads PKCS#8, PKCS#1 or SEC1. What is wrong is said without a byte of the key.
    pub(super) fn parse(pem: &[u8]) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "no private key in PEM form is in it")?;
        let unusable = "its private key is damaged or of a kind that cannot be used: take ECDSA P-256 or P-384, or RSA \
                        of 2048 to 4096 bits, without a passphrase";
        let key = any_supported_type(&der).map_err(|_| unusable)?;
        key.choose_scheme(&SCHEMES).ok_or(unusable)?;
        let public = key.public_key().ok_or(unusable)?;
        let public = SubjectPublicKeyInfoOwned::from_der(public.as_ref()).map_err(|_| unusable)?;
        Ok(PrivateKey { key, public: PublicKey(public) })
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn signing_key(&self) -> Arc<dyn SigningKey> {
        self.key.clone()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<BitString, PkiError> {
        let doing = "sign";
        let issuer =
            self.key.choose_scheme(&SCHEMES).ok_or_else(|| PkiError::crypto(doing, "no scheme fits the key"))?;
        let signature = issuer.sign(message).map_err(|why| PkiError::crypto(doing, why))?;
        BitString::from_bytes(&signature).map_err(|why| PkiError::crypto(doing, why))
    }
}

impl PublicKey {
    pub(super) fn to_pem(&self) -> Result<String, PkiError> {
        self.to_public_key_pem(LineEnding::LF).map_err(|why| PkiError::crypto("write a public key", why))
    }
}

impl Keypair for PrivateKey {
    type VerifyingKey = PublicKey;

    fn verifying_key(&self) -> PublicKey {
        self.public.clone()
    }
}

impl EncodePublicKey for PublicKey {
    fn to_public_key_der(&self) -> x509_cert::spki::Result<Document> {
        Ok(Document::encode_msg(&self.0)?)
    }
}

impl DynSignatureAlgorithmIdentifier for PrivateKey {
    fn signature_algorithm_identifier(&self) -> x509_cert::spki::Result<AlgorithmIdentifierOwned> {
        let scheme = self.key.choose_scheme(&SCHEMES).map(|issuer| issuer.scheme());
        let contents = match scheme {
            Some(SignatureScheme::ECDSA_NISTP256_SHA256) => alg_id::ECDSA_SHA256,
            Some(SignatureScheme::ECDSA_NISTP384_SHA384) => alg_id::ECDSA_SHA384,
            Some(SignatureScheme::RSA_PKCS1_SHA256) => alg_id::RSA_PKCS1_SHA256,
            _ => return Err(x509_cert::spki::Error::KeyMalformed),
        };
        // rustls has what is inside the SEQUENCE.
        let sequence = x509_cert::der::asn1::Any::new(x509_cert::der::Tag::Sequence, contents.as_ref())?;
        Ok(AlgorithmIdentifierOwned::from_der(&sequence.to_der()?)?)
    }
}
