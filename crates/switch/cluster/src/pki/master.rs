//! The master's whole PKI, made and kept.
//!
//! 1. Everything is looked at; what only the operator can repair stops here, before anything is written.
//! 2. The missing keys are made, together, and written.
//! 3. The certificate authorities' own certificates and then the others are made for these keys, and written.
//!
//! A power cut leaves keys without certificates, or some certificates old: the next run issues for the keys.

use std::{collections::BTreeMap, path::Path, time::SystemTime};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use zeroize::Zeroizing;

use super::{
    CertificateState, Credential, Outcome, PkiError,
    certificate::Certificate,
    certificate_authority::{self, Standing},
    credential::{ca_of, signed_by},
    directory::{self, Batch, Directory, KeyFile},
    fitness,
    issue::{self, Issuer},
    judge,
    key::{NewKey, PrivateKey},
    keys,
    profile::{self, Profile, Renewed, ca_subject},
    rotation, service_account,
    succession::{Succession, has_voucher},
    superseded,
    time::check_clock,
};
use crate::{Cluster, Node};

/// Leaves what is right alone, byte for byte, and makes the rest.
pub fn ensure_master(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    now: SystemTime,
) -> Result<Vec<(Credential, Outcome)>, PkiError> {
    ensure(path, cluster, node, Renewed::BySwitches, now)
}

pub(super) fn ensure(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    renewed: Renewed,
    now: SystemTime,
) -> Result<Vec<(Credential, Outcome)>, PkiError> {
    check_clock(now)?;
    let directory = Directory::open(path)?;
    rotation::settle(&directory)?;
    let found = Found::look(&directory, cluster, node, renewed, now)?;
    let mut made = keys::generate(cluster.key, &found.missing_keys())?;
    let mut batch = Batch::default();
    made.iter().for_each(|(credential, key)| batch.add_key(*credential, key));
    directory.write(&batch)?;

    let Found { succession, service_account, cas, mut leaves } = found;
    let mut work = Work { batch: Batch::default(), outcomes: Vec::new(), replaced: Vec::new(), succession, now };
    work.service_account(&service_account, &made)?;
    let ready: Vec<(Credential, Ready)> = cas
        .into_iter()
        .map(|(credential, standing)| Ok((credential, work.ca(credential, standing, &mut made, cluster)?)))
        .collect::<Result<_, PkiError>>()?;
    for (credential, new) in made {
        if let Some(leaf) = leaves.get_mut(&credential) {
            leaf.key = KeyFile::Good(new.key);
            leaf.key_is_new = true;
        }
    }
    for (credential, leaf) in &leaves {
        let ca = ready.iter().find(|(ca, _)| *ca == ca_of(*credential));
        let (_, ca) = ca.ok_or_else(|| PkiError::crypto("sign", "the certificate authority is not ready"))?;
        work.leaf(*credential, leaf, ca)?;
    }
    superseded::remember(path, &mut work.batch, &work.replaced, now)?;
    directory.write(&work.batch)?;
    Ok(work.outcomes)
}

/// A leaf certificate as it is found.
struct Leaf {
    profile: Profile,
    key: KeyFile,
    key_is_new: bool,
    pem: Option<Zeroizing<Vec<u8>>>,
}

struct Found {
    service_account: service_account::Standing,
    cas: Vec<(Credential, Standing)>,
    /// Where the cluster's authority takes another one's place.
    succession: Option<Succession>,
    leaves: BTreeMap<Credential, Leaf>,
}

/// A certificate authority whose certificate is made.
struct Ready {
    certificate: Certificate,
    key: Option<PrivateKey>,
}

struct Work {
    batch: Batch,
    outcomes: Vec<(Credential, Outcome)>,
    /// Certificates that would have lasted for long, with their ends.
    replaced: Vec<(Credential, SystemTime)>,
    succession: Option<Succession>,
    now: SystemTime,
}

impl Found {
    fn look(
        directory: &Directory,
        cluster: &Cluster,
        node: &Node,
        renewed: Renewed,
        now: SystemTime,
    ) -> Result<Self, PkiError> {
        let path = directory.path();
        let succession = Succession::read(path)?;
        let mut cas = Vec::new();
        let mut leaves = BTreeMap::new();
        for ca in Credential::AUTHORITIES {
            let standing = certificate_authority::standing(path, ca, cluster, now)?;
            let mut unfit = Vec::new();
            for credential in signed_by(ca) {
                let leaf = Leaf {
                    profile: profile::renewed(credential, cluster, node, renewed)?,
                    key: directory::read_key(path, credential)?,
                    key_is_new: false,
                    pem: directory::read_certificate(path, credential)?,
                };
                if let Standing::KeyAway { certificate, .. } = &standing {
                    let succession = succession.as_ref().filter(|_| ca == Credential::Ca);
                    let state = leaf.state(certificate, succession.map(|it| &it.replaced), now);
                    // Nothing on the switch is done with the operator's own: its end stops nobody else.
                    let is_over = matches!(state, CertificateState::Expired(_)) && credential == Credential::Admin;
                    if !state.serves() && !is_over {
                        unfit.push(format!("{} ({state})", credential.certificate_file()));
                    }
                }
                leaves.insert(credential, leaf);
            }
            if let Standing::Sign { made_here: false, .. } = &standing {
                fitness::require_of_new(path, ca, cluster, now)?;
            }
            if let Standing::KeyAway { why, .. } = &standing
                && !unfit.is_empty()
            {
                return Err(key_is_needed(path, ca, why, &unfit));
            }
            cas.push((ca, standing));
        }
        // Where the certificate authority was made here and has its certificate, the service accounts' key was there too.
        let cluster_has_run = cas.iter().any(|(_, standing)| match standing {
            Standing::Sign { made_here, .. } => *made_here,
            Standing::Renew { why, .. } => *why != CertificateState::Missing,
            _ => false,
        });
        let service_account = service_account::standing(path, cluster_has_run)?;
        Ok(Found { service_account, cas, succession, leaves })
    }

    /// In the order in which they are written.
    fn missing_keys(&self) -> Vec<Credential> {
        let service_account = matches!(self.service_account, service_account::Standing::New);
        let cas = self.cas.iter().filter(|(_, standing)| matches!(standing, Standing::New));
        let leaves = self.leaves.iter().filter(|(_, leaf)| !matches!(leaf.key, KeyFile::Good(_)));
        let first = service_account.then_some(Credential::ServiceAccount).into_iter();
        first.chain(cas.map(|(credential, _)| *credential)).chain(leaves.map(|(credential, _)| *credential)).collect()
    }
}

impl Leaf {
    fn state(&self, ca: &Certificate, replaced: Option<&Certificate>, now: SystemTime) -> CertificateState {
        let renewed = Some(issue::leaf_end(&self.profile, ca, now));
        judge::leaf(self.pem(), &self.profile, &self.key, ca, replaced, renewed, now)
    }

    fn pem(&self) -> Option<&[u8]> {
        self.pem.as_ref().map(|pem| pem.as_slice())
    }

    /// Whether a rotation that has ended has left its voucher behind the certificate.
    fn has_voucher(&self, ca: &Certificate) -> bool {
        let ders = CertificateDer::pem_slice_iter(self.pem().unwrap_or_default());
        let ders: Vec<CertificateDer> = ders.filter_map(Result::ok).collect();
        has_voucher(ders.iter().map(|der| der.as_ref()), ca)
    }
}

impl Work {
    fn service_account(
        &mut self,
        standing: &service_account::Standing,
        made: &[(Credential, NewKey)],
    ) -> Result<(), PkiError> {
        let new = made.iter().find(|(credential, _)| *credential == Credential::ServiceAccount);
        let (public, outcome) = match (standing, new) {
            (service_account::Standing::Publish(public, outcome), _) => (public, outcome.clone()),
            (service_account::Standing::New, Some((_, new))) => (new.key.public(), Outcome::Made),
            _ => {
                self.outcomes.push((Credential::ServiceAccount, Outcome::Kept));
                return Ok(());
            }
        };
        self.batch.add_certificate(Credential::ServiceAccount, public.to_pem()?);
        self.outcomes.push((Credential::ServiceAccount, outcome));
        Ok(())
    }

    fn ca(
        &mut self,
        credential: Credential,
        standing: Standing,
        made: &mut Vec<(Credential, NewKey)>,
        cluster: &Cluster,
    ) -> Result<Ready, PkiError> {
        let (key, subject, outcome) = match standing {
            Standing::KeyAway { certificate, .. } => {
                self.outcomes.push((credential, Outcome::Taken));
                return Ok(Ready { certificate, key: None });
            }
            Standing::Sign { key, certificate, made_here } => {
                self.outcomes.push((credential, if made_here { Outcome::Kept } else { Outcome::Taken }));
                return Ok(Ready { certificate, key: Some(key) });
            }
            Standing::Renew { key, subject, why, .. } => (key, subject, Outcome::of(&why)),
            Standing::New => {
                let place = made.iter().position(|(made, _)| *made == credential);
                let place = place.ok_or_else(|| PkiError::crypto("make a certificate authority", "it has no key"))?;
                (made.swap_remove(place).1.key, ca_subject(credential, cluster)?, Outcome::Made)
            }
        };
        let mut pem = issue::ca(&subject, &key, self.now)?;
        let certificate =
            Certificate::parse(pem.as_bytes()).map_err(|why| PkiError::crypto("make a certificate authority", why))?;
        if credential == Credential::Ca
            && let Some(succession) = &self.succession
        {
            pem += &succession.behind()?;
        }
        self.batch.add_certificate(credential, pem);
        self.outcomes.push((credential, outcome));
        Ok(Ready { certificate, key: Some(key) })
    }

    fn leaf(&mut self, credential: Credential, leaf: &Leaf, ca: &Ready) -> Result<(), PkiError> {
        let succession = self.succession.as_ref().filter(|_| ca_of(credential) == Credential::Ca);
        let mut state = leaf.state(&ca.certificate, succession.map(|it| &it.replaced), self.now);
        if state == CertificateState::Ok && succession.is_none() && leaf.has_voucher(&ca.certificate) {
            state = CertificateState::Due("the old certificate authority has been replaced".into());
        }
        if state == CertificateState::Ok {
            self.outcomes.push((credential, Outcome::Kept));
            return Ok(());
        }
        let (KeyFile::Good(key), Some(ca_key)) = (&leaf.key, &ca.key) else {
            // Anything worse than these was refused at the beginning.
            let outcome = match state {
                CertificateState::LongLived(_) => Outcome::Kept,
                state => Outcome::Due { why: state.to_string() },
            };
            self.outcomes.push((credential, outcome));
            return Ok(());
        };
        self.replaced.extend(superseded::long_end(leaf.pem(), &leaf.profile, self.now).map(|end| (credential, end)));
        let issuer = Issuer { certificate: &ca.certificate, key: ca_key };
        let voucher = succession.map(Succession::voucher).transpose()?.unwrap_or_default();
        let issued = issue::leaf(&leaf.profile, key.public(), &issuer, self.now)?;
        self.batch.add_certificate(credential, issued + &voucher);
        let outcome = match state {
            CertificateState::Wrong(_) if leaf.key_is_new => {
                Outcome::Renewed { why: "its key was missing or damaged".into() }
            }
            state => Outcome::of(&state),
        };
        self.outcomes.push((credential, outcome));
        Ok(())
    }
}

fn key_is_needed(path: &Path, ca: Credential, why: &str, unfit: &[String]) -> PkiError {
    PkiError::operator(
        format!("{} in {} has to be issued again, and {why}", unfit.join(", "), path.display()),
        format!("put {} there, or renew them where you keep it (`cargo xtask pki`) and copy them here", ca.key_file()),
    )
}
