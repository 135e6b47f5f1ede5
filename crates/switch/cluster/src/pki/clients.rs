//! Whose certificates the API server and the kubelets take from their clients: those that the signing certificate of ca.pem has issued,
//! and those of the authority that `[certificates] client_ca` names. The rest of an operator's chain is for who verifies servers: were it
//! trusted for clients, everybody with a certificate of the corporation would be one.
//!
//! Releases before this trusted all of ca.pem. A cluster that ran with them has a month, in which the status says what is to come. The
//! record beside ca.pem has the end of it, and is there from the first bring-up on, so that a chain that comes later gets no such time.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{
    Credential, PkiError,
    certificate::Certificate,
    directory::{self, Batch, Directory},
    judge::validity,
    name::shown,
    pinned::CertificateAuthorities,
    succession::Succession,
    time::{check_clock, day, days_left},
};
use crate::{Cluster, Node};

/// How long a cluster of an older release goes on taking clients of its whole chain.
const TIME_TO_CHANGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// So many days before its end it is remarked that the other authority ends.
const SOON: i64 = 30;

const RECORD: &str = "clients.json";

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Seconds since 1970; none where the signing certificate alone is trusted.
    whole_chain_until: Option<u64>,
}

/// Certificates in PEM form, and what there is to say of them.
#[derive(Debug)]
pub struct Clients {
    /// Whose holders are clients.
    pub trusted: String,
    /// The one that signs, alone.
    pub signing: String,
    pub problems: Vec<String>,
    pub remarks: Vec<String>,
}

/// Decides what is trusted from now on. `has_run` is whether this switch came up before; a new master is refused what
/// cannot be trusted as it is asked for.
pub fn ensure_clients(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    has_run: bool,
    now: SystemTime,
) -> Result<Clients, PkiError> {
    check_clock(now)?;
    let directory = Directory::open(path)?;
    let (cas, there) = (authorities(path)?, read(path)?);
    let record = match there {
        // Once another one is named, the time to do so is over.
        _ if cluster.certificates.client_ca.is_some() => Record { whole_chain_until: None },
        Some(Record { whole_chain_until }) => {
            Record { whole_chain_until: whole_chain_until.map(|until| until.min(seconds(now + TIME_TO_CHANGE))) }
        }
        None => {
            let is_asked_of = has_run && cas.certificates().len() > 1 && Succession::of(&cas).is_none();
            Record { whole_chain_until: is_asked_of.then(|| seconds(now + TIME_TO_CHANGE)) }
        }
    };
    let mut clients = clients(path, cluster, node, &cas, record, now)?;
    if let (false, [problem, ..]) = (has_run, clients.problems.as_slice()) {
        return Err(PkiError::operator(
            format!("no new cluster begins so: {problem}"),
            "correct it, or take client_ca out",
        ));
    }
    if there != Some(record) {
        let text = serde_json::to_string(&record).map_err(|why| PkiError::crypto("write who are clients", why))?;
        let mut batch = Batch::default();
        batch.add_text(RECORD, text + "\n");
        match directory.write(&batch) {
            // A full flash keeps nothing down that came up before.
            Err(PkiError::Files(why)) if has_run => clients.problems.push(format!("{RECORD} is not written: {why:#}")),
            written => written?,
        }
    }
    Ok(clients)
}

/// The same as it is, for the person on the switch; none before it was decided. Writes nothing, locks nothing.
pub fn inspect_clients(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    now: SystemTime,
) -> Result<Option<Clients>, PkiError> {
    let Some(record) = read(path)? else { return Ok(None) };
    clients(path, cluster, node, &authorities(path)?, record, now).map(Some)
}

fn clients(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    cas: &CertificateAuthorities,
    record: Record,
    now: SystemTime,
) -> Result<Clients, PkiError> {
    let signing = pem(&cas.signing)?;
    let mut clients = Clients { trusted: signing.clone(), signing, problems: Vec::new(), remarks: Vec::new() };
    let count = cas.certificates().len();
    let succession = Succession::of(cas);
    // Its certificates are good until every node has others.
    if let Some(Succession { replaced, .. }) = &succession {
        clients.trusted.push_str(&pem(replaced)?);
    }
    let until = record.whole_chain_until.and_then(|until| UNIX_EPOCH.checked_add(Duration::from_secs(until)));
    if let Some(until) = until.filter(|until| now < *until && count > 1 && succession.is_none()) {
        clients.trusted = cas.to_pem()?;
        clients.remarks.push(format!(
            "ca.pem has {count} certificates, and clients of each are let in, as by older releases, until {}. Then only {}, which \
             signs, is trusted for clients, and administrators with certificates of another authority of that chain are \
             refused: name that one by [certificates] client_ca in cluster.toml, or say client_ca = \"ca.pem\" where there are none",
            day(until),
            shown(cas.signing.subject())
        ));
    }
    let named = cluster.certificates.client_ca.as_deref();
    if let Some(file) = named.filter(|_| !cluster.certificates.names_the_signer_alone()) {
        match other(path, file, now) {
            // A worker has it only where people come to its kubelet with such certificates.
            Ok(None) if !node.master => {}
            Ok(None) => clients.problems.push(format!("client_ca: {file} is not there: put it beside ca.pem")),
            Ok(Some(other)) => {
                clients.trusted.push_str(&pem(&other)?);
                let left = days_left(other.not_after(), now);
                if left <= SOON {
                    let line = format!("client_ca: {file} ends in {left} days: put its next certificate in its place");
                    clients.remarks.push(line);
                }
            }
            Err(why) => {
                let line = format!("client_ca: {file} cannot be used, and nobody is let in by it: {why}");
                clients.problems.push(line);
            }
        }
    }
    Ok(clients)
}

/// The first certificate of a file beside ca.pem.
fn other(path: &Path, file: &str, now: SystemTime) -> Result<Option<Certificate>, String> {
    let Some(text) = directory::read(path, file).map_err(|why| why.to_string())? else { return Ok(None) };
    let certificate = Certificate::parse(&text)?;
    let state = validity(&certificate, None, now);
    if !certificate.is_ca() {
        return Err("it may not sign certificates".into());
    }
    if !state.serves() {
        return Err(state.to_string());
    }
    Ok(Some(certificate))
}

fn authorities(path: &Path) -> Result<CertificateAuthorities, PkiError> {
    let file = Credential::Ca.certificate_file();
    let unusable = |why: String| {
        let problem = format!("{file} in {} cannot be used: {why}", path.display());
        PkiError::operator(problem, format!("put the right {file} there"))
    };
    let pem = directory::read_certificate(path, Credential::Ca)?;
    let pem = pem.ok_or_else(|| unusable("it is not there".into()))?;
    CertificateAuthorities::parse(&pem).map_err(unusable)
}

/// One that is damaged gives nobody more time.
fn read(path: &Path) -> Result<Option<Record>, PkiError> {
    let text = directory::read(path, RECORD)?;
    Ok(text.map(|text| serde_json::from_slice(&text).unwrap_or(Record { whole_chain_until: None })))
}

fn pem(certificate: &Certificate) -> Result<String, PkiError> {
    certificate.to_pem().map_err(|why| PkiError::crypto("write a certificate", why))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
