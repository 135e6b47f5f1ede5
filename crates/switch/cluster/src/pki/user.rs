//! A certificate for a person or a program outside the cluster, made on the master with a key of its own: what `k8s-node kubeconfig`
//! hands out, and what programs of the master are that live in memory alone. There are no revocation lists, so that it ends soon.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use zeroize::Zeroizing;

use super::{
    Credential, PkiError,
    certificate_authority::signer,
    issue::{self, Issuer},
    key::NewKey,
    name,
    name_constraints::{self, Names},
    profile::{self, Profile, Usage},
    time::check_clock,
};
use crate::{Cluster, KeyType, Subject};

/// The one group of the system that somebody can be put into, where it is said by name.
const MASTERS: &str = "system:masters";

/// What certificates can say of a name.
const LONGEST: usize = 64;

/// Who it is to be for, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    groups: Vec<String>,
}

/// What was made: nothing of it is kept.
pub struct UserCertificate {
    pub certificate: String,
    pub key: Zeroizing<String>,
    pub not_after: SystemTime,
}

impl User {
    /// Refuses the names of nodes and of what is the system's own.
    pub fn new(cluster: &Cluster, name: &str, groups: &[String]) -> Result<User, PkiError> {
        let refuse = |problem: String, fix: &str| Err(PkiError::operator(problem, fix));
        for (what, text) in [("user", name)].into_iter().chain(groups.iter().map(|group| ("group", group.as_str()))) {
            let length = text.chars().count();
            if text.trim() != text || !(1..=LONGEST).contains(&length) || text.chars().any(char::is_control) {
                let problem = format!("{text:?} cannot be the name of a {what}");
                return refuse(problem, "take 1 to 64 characters, without blanks at the ends");
            }
            if text.starts_with("system:") && !(what == "group" && text == MASTERS) {
                let problem = format!("{text} is the system's own");
                return refuse(problem, "give people names of their own, and roles to their groups by RBAC");
            }
        }
        if cluster.node_of_host(name).is_some() || is_of_component(cluster, name)? {
            return refuse(format!("{name} is a part of the cluster"), "take another name");
        }
        Ok(User { name: name.to_owned(), groups: groups.to_vec() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The operator's own name is free: what it may do comes by its group.
fn is_of_component(cluster: &Cluster, name: &str) -> Result<bool, PkiError> {
    let leaves = Credential::MASTER.iter().filter(|one| !one.is_ca() && **one != Credential::ServiceAccount);
    for credential in leaves.filter(|one| **one != Credential::Admin) {
        let common_name = profile::leaf(*credential, cluster, cluster.master())?.common_name;
        if name == common_name || name == credential.name() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes a key and signs for it. It lasts as long as is asked for, and no longer than its certificate authority.
pub fn certify(
    path: &Path,
    cluster: &Cluster,
    user: &User,
    lifetime: Duration,
    now: SystemTime,
) -> Result<UserCertificate, PkiError> {
    check_clock(now)?;
    let fix = || "make certificates of users where the key is, with the tools that you have for it".to_owned();
    let (key, certificate) = signer(path, cluster, fix, now)?;
    let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
    let subject = name::name(&cluster.subject, &groups, None, &user.name);
    let profile = Profile {
        subject: subject.map_err(|why| PkiError::crypto("write a certificate's subject", why))?,
        common_name: user.name.clone(),
        organization: None,
        dns_names: vec![],
        addresses: vec![],
        usage: Usage::Client,
        lifetime,
    };
    if let Some(why) = name_constraints::forbidden(&certificate, [Names::of_profile(&profile)].into_iter()) {
        let problem = format!("{} {why}", path.join(Credential::Ca.certificate_file()).display());
        return Err(PkiError::operator(problem, "take a name that it permits"));
    }
    let new = NewKey::generate(cluster.key)?;
    let issuer = Issuer { certificate: &certificate, key: &key };
    let issued = issue::leaf(&profile, new.key.public(), &issuer, now)?;
    let not_after = issue::leaf_end(&profile, &certificate, now);
    Ok(UserCertificate { certificate: issued, key: new.pem, not_after })
}

/// Makes a key and a certificate for a server of this name, which no authority has signed: it is for who is given the certificate itself.
/// It changes with no authority, and no authority's constraints are in its way.
pub fn certify_server(dns_name: &str, lifetime: Duration, now: SystemTime) -> Result<UserCertificate, PkiError> {
    check_clock(now)?;
    let subject = name::name(&Subject::default(), &[], None, dns_name);
    let subject = subject.map_err(|why| PkiError::crypto("write a certificate's subject", why))?;
    let new = NewKey::generate(KeyType::EcdsaP256)?;
    let not_after = now + lifetime;
    let certificate = issue::self_signed_server(&subject, dns_name, &new.key, not_after, now)?;
    Ok(UserCertificate { certificate, key: new.pem, not_after })
}
