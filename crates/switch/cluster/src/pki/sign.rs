//! Signing for workers, on the master. A request gives its public key and nothing else: what the certificate says
//! comes out of cluster.toml. A master's own certificates are never made here, nor any that would pass for one of them.

use std::{path::Path, time::SystemTime};

use rsa::pkcs1::RsaPublicKeyRef;
use rustls::pki_types::{CertificateSigningRequestDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use x509_cert::{
    der::{Decode, Encode, asn1::ObjectIdentifier},
    request::CertReq,
    spki::SubjectPublicKeyInfoOwned,
};

use super::{
    Credential, PkiError, SignError,
    certificate::verify,
    certificate_authority::signer,
    directory,
    issue::{self, Issuer},
    key::PublicKey,
    name::{parts, shown},
    node_key::KeyDigest,
    profile::{self, Profile, Renewed},
    succession::Succession,
    time::check_clock,
};
use crate::{Cluster, Node};

/// A request with an RSA key of 4096 bits has 2 KiB.
const LARGEST_REQUEST: usize = 16 * 1024;

const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const CURVES: [ObjectIdentifier; 2] =
    [ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), ObjectIdentifier::new_unwrap("1.3.132.0.34")];

/// What the master hands to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCertificates {
    pub ca_pem: String,
    /// One for each request, in the same order.
    pub certificates: Vec<String>,
}

/// Signs the requests of one worker. Who may call this for `node_name` is enrolment's business; that it is no master,
/// and has none of a master's names, is seen to here.
pub fn sign(
    path: &Path,
    cluster: &Cluster,
    node_name: &str,
    requests: &[String],
    now: SystemTime,
) -> Result<SignedCertificates, SignError> {
    sign_renewed(path, cluster, node_name, requests, Renewed::BySwitches, now)
}

pub(super) fn sign_renewed(
    path: &Path,
    cluster: &Cluster,
    node_name: &str,
    requests: &[String],
    renewed: Renewed,
    now: SystemTime,
) -> Result<SignedCertificates, SignError> {
    check_clock(now)?;
    let checked = checked(cluster, node_name, requests, renewed)?;
    let fix =
        || format!("make the certificates of {node_name} where the key is (`cargo xtask pki`) and copy them to it");
    let (key, certificate) = signer(path, cluster, fix, now)?;
    let issuer = Issuer { certificate: &certificate, key: &key };
    let voucher = Succession::read(path)?.map(|succession| succession.voucher()).transpose()?.unwrap_or_default();
    let certificates = checked
        .iter()
        .map(|asked| issue::leaf(&asked.profile, &asked.key, &issuer, now).map(|certificate| certificate + &voucher));
    let certificates = certificates.collect::<Result<_, _>>()?;
    let ca_pem = directory::read_certificate(path, Credential::Ca)?.unwrap_or_default();
    let ca_pem = String::from_utf8(ca_pem.to_vec()).map_err(|why| PkiError::crypto("read ca.pem", why))?;
    Ok(SignedCertificates { ca_pem, certificates })
}

/// The keys that the requests of one worker are for, and were made with. What [`sign`] would refuse of them is refused here.
pub fn requested_keys(
    cluster: &Cluster,
    node_name: &str,
    requests: &[String],
) -> Result<Vec<(Credential, KeyDigest)>, SignError> {
    let checked = checked(cluster, node_name, requests, Renewed::BySwitches)?;
    checked.iter().map(|asked| Ok((asked.credential, KeyDigest::of(&asked.key.0)?))).collect()
}

/// A request that may be signed.
struct Asked {
    credential: Credential,
    key: PublicKey,
    profile: Profile,
}

fn checked(cluster: &Cluster, node_name: &str, requests: &[String], renewed: Renewed) -> Result<Vec<Asked>, SignError> {
    let node = cluster.node(node_name).ok_or_else(|| SignError::Refused {
        asked: format!("certificates for the node {:?}", node_name.chars().take(80).collect::<String>()),
        allowed: workers(cluster),
    })?;
    if node.master {
        let asked = format!("certificates for {}, which is a master and makes its own", node.name);
        return Err(SignError::Refused { asked, allowed: workers(cluster) });
    }
    if requests.len() > Credential::WORKER.len() {
        let few = Credential::WORKER.len();
        return Err(SignError::BadRequest(format!("{} requests at once; a node has {few}", requests.len())));
    }
    let allowed =
        Credential::WORKER.map(|credential| Ok((credential, profile::renewed(credential, cluster, node, renewed)?)));
    let allowed: Vec<(Credential, Profile)> = allowed.into_iter().collect::<Result<_, PkiError>>()?;
    require_own_names(cluster, node, &allowed)?;
    requests.iter().map(|request| check(request, &allowed, node)).collect()
}

/// Fails where a worker's certificate would be good for something that the API server is reached at.
fn require_own_names(cluster: &Cluster, node: &Node, profiles: &[(Credential, Profile)]) -> Result<(), SignError> {
    for master in cluster.nodes.iter().filter(|node| node.master) {
        let api_server = profile::leaf(Credential::ApiServer, cluster, master)?;
        if let Some(shared) = profiles.iter().find_map(|(_, profile)| profile.shared_with(&api_server)) {
            return Err(SignError::Refused {
                asked: format!(
                    "a certificate of {} for {shared}, which is the API server's on {}",
                    node.name, master.name
                ),
                allowed: "a worker with a name and an address of its own: give it others in cluster.toml".into(),
            });
        }
    }
    Ok(())
}

/// The request's public key, and what it asks for.
fn check(pem: &str, allowed: &[(Credential, Profile)], node: &Node) -> Result<Asked, SignError> {
    let bad = |why: &str| SignError::BadRequest(why.to_owned());
    if pem.len() > LARGEST_REQUEST {
        return Err(SignError::BadRequest(format!("{} bytes; at most {LARGEST_REQUEST} are read", pem.len())));
    }
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| bad("no certificate request in PEM form"))?;
    let request = CertReq::from_der(&der).map_err(|_| bad("the certificate request cannot be read"))?;
    check_key(&request.info.public_key).map_err(SignError::BadRequest)?;
    let signed = request.info.to_der().map_err(|_| bad("the certificate request cannot be read"))?;
    if !verify(&request.info.public_key, &signed, &request.algorithm, &request.signature) {
        return Err(bad("its signature was not made with its key"));
    }
    let asked = parts(&request.info.subject);
    let found = allowed.iter().find(|(_, profile)| asked.is_some() && parts(&profile.subject) == asked);
    let (credential, profile) = found.cloned().ok_or_else(|| {
        let allowed: Vec<String> = allowed.iter().map(|(_, profile)| shown(&profile.subject)).collect();
        SignError::Refused {
            asked: format!("the subject {}", shown(&request.info.subject)),
            allowed: format!("for {}: {} (cluster.toml has to be the same on both)", node.name, allowed.join(" or ")),
        }
    })?;
    Ok(Asked { credential, key: PublicKey(request.info.public_key), profile })
}

fn check_key(key: &SubjectPublicKeyInfoOwned) -> Result<(), String> {
    let parameters = key.algorithm.parameters.as_ref();
    let fits = match key.algorithm.oid {
        RSA => {
            let modulus =
                RsaPublicKeyRef::from_der(key.subject_public_key.raw_bytes()).map(|key| bits(key.modulus.as_bytes()));
            modulus.is_ok_and(|bits| RSA_BITS.contains(&bits))
        }
        EC => parameters.and_then(|curve| curve.decode_as().ok()).is_some_and(|curve| CURVES.contains(&curve)),
        _ => false,
    };
    if fits { Ok(()) } else { Err("its key is neither ECDSA P-256 or P-384 nor RSA of 2048 to 4096 bits".into()) }
}

/// The length of a big-endian number that begins with no zero byte.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn workers(cluster: &Cluster) -> String {
    let workers = cluster.nodes.iter().filter(|node| !node.master).map(|node| node.name.as_str());
    format!("one of cluster.toml's workers: {}", workers.collect::<Vec<_>>().join(", "))
}
