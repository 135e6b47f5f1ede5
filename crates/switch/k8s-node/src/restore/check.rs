//! Whether a backup is this switch's to take: of its cluster, of its name, and of a release that it can read.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use cluster::pki::{self, Credential, KeyDigest};
use contract::places;

use crate::{
    backup::{Manifest, SNAPSHOT},
    release::Release,
    switch,
};

/// What this switch is.
pub struct Here {
    pub hostname: String,
    /// The certificate authority of the cluster whose state is here.
    pub authority: Option<KeyDigest>,
    /// The one that is being replaced, which is trusted as well.
    pub replaced: Option<KeyDigest>,
    /// Those that the cluster had before.
    pub earlier: Vec<KeyDigest>,
    /// The cluster that cluster.toml names, where there is one.
    pub cluster: Option<String>,
    /// Kubernetes' version.
    pub kubernetes: String,
}

impl Here {
    pub fn on_switch() -> Result<Here> {
        require_known(places::PKI.as_ref(), places::ETCD.as_ref())?;
        let cluster = match Path::new(places::CLUSTER_TOML).exists() {
            true => Some(switch::read(places::CLUSTER_TOML.as_ref())?.name),
            false => None,
        };
        let release = Release::read(places::RELEASE.as_ref()).context("cannot tell which release this is")?;
        let keys = pki::authority_keys(places::PKI.as_ref())?;
        let (authority, replaced) = keys.map(|keys| (keys.signing, keys.replaced)).unzip();
        let earlier = pki::earlier_authorities(places::PKI.as_ref())?;
        let (hostname, kubernetes) = (switch::hostname(), release.version);
        Ok(Here { hostname, authority, replaced: replaced.flatten(), earlier, cluster, kubernetes })
    }

    pub fn require(&self, backup: &Manifest) -> Result<()> {
        require_named(&self.hostname, backup)?;
        if let Some(cluster) = &self.cluster {
            ensure!(
                *cluster == backup.cluster,
                "this is a backup of cluster {}, and {} is of cluster {cluster}: remove it, or take the right backup",
                backup.cluster,
                places::CLUSTER_TOML
            );
        }
        if let Some(ours) = &self.authority {
            self.require_own(&backup.authority)?;
            let of = &backup.authority;
            ensure!(
                ours == of || self.has_replaced(of),
                "this is a backup of before the certificate authority was replaced, and brings back the one with the key {of}, which no \
                 worker takes any more: take a backup of after that. Of this one etcd's data alone can be restored: have `age` and `tar` take \
                 {SNAPSHOT} out of it, name it etcd-old-{of}.snapshot, and restore that"
            );
        }
        ensure!(
            minor(&self.kubernetes)? >= minor(&backup.kubernetes)?,
            "this is a backup of Kubernetes {}, which {} cannot read: install the extension of that version first",
            backup.kubernetes,
            self.kubernetes
        );
        Ok(())
    }

    /// Whether this authority is being replaced.
    pub fn has_replaced(&self, authority: &KeyDigest) -> bool {
        self.replaced.as_ref() == Some(authority)
    }

    /// Fails where the state on this switch is another cluster's, by the authority that this one has or had.
    pub fn require_own(&self, of: &KeyDigest) -> Result<()> {
        let ours = self.authority.as_ref().with_context(|| {
            format!(
                "there is no certificate authority in {}: this needs the master's keys; restore a backup",
                places::PKI
            )
        })?;
        ensure!(
            ours == of || self.has_replaced(of) || self.earlier.contains(of),
            "it is of another cluster, whose certificate authority has the key {of}, and the one of this switch has {ours}: \
             take the right file, or `k8s-node reset` first, which removes this switch's cluster"
        );
        Ok(())
    }
}

/// Fails where it is another switch's.
pub fn require_named(hostname: &str, backup: &Manifest) -> Result<()> {
    let label = hostname.split('.').next().unwrap_or_default();
    let is_named = [hostname, label].iter().any(|name| name.eq_ignore_ascii_case(&backup.master));
    ensure!(
        is_named,
        "this is a backup of the master {}, and this switch is {hostname}: give it that hostname, and the master's address",
        backup.master
    );
    Ok(())
}

/// Fails where nobody can tell whose the state is that is here: it could be another cluster's.
fn require_known(pki: &Path, etcd: &Path) -> Result<()> {
    let reset = "`k8s-node reset` first, which removes what this switch has of a cluster, its scheduled copies too";
    let certificate = pki.join(Credential::Ca.certificate_file());
    let is_known = pki::authority_keys(pki)?.is_some();
    ensure!(
        is_known || !certificate.exists(),
        "{} is no certificate, so that nobody can tell whose cluster is here: put it back as it was, or say {reset}",
        certificate.display()
    );
    ensure!(
        is_known || !etcd.join("member").exists(),
        "there are etcd's data in {}, and no {} says of which cluster: put that back, or say {reset}",
        etcd.display(),
        certificate.display()
    );
    Ok(())
}

/// The first two numbers of a version.
fn minor(version: &str) -> Result<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => anyhow::bail!("{version:?} is no version of Kubernetes"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn here() -> Here {
        Here {
            hostname: "veos-b.example.net".into(),
            authority: Some(digest('a')),
            replaced: None,
            earlier: vec![],
            cluster: Some("kubernetes".into()),
            kubernetes: "1.20.2".into(),
        }
    }

    fn digest(digit: char) -> KeyDigest {
        digit.to_string().repeat(32).parse().unwrap()
    }

    fn backup() -> Manifest {
        Manifest {
            version: 1,
            cluster: "kubernetes".into(),
            master: "veos-b".into(),
            authority: digest('a'),
            kubernetes: "1.20.2".into(),
            made: "2026-11-29T00:00:00Z".into(),
            members: vec![],
        }
    }

    #[test]
    fn a_backup_of_this_very_master_or_onto_an_empty_one_is_taken() {
        here().require(&backup()).unwrap();
        Here { authority: None, cluster: None, ..here() }.require(&backup()).unwrap();
        here().require(&Manifest { kubernetes: "1.12.4".into(), ..backup() }).unwrap();
    }

    #[test]
    fn while_its_authority_is_being_replaced_all_of_a_cluster_s_copies_are_taken_and_later_etcd_s_data_alone() {
        let of_before = Manifest { authority: digest('0'), ..backup() };
        let during = Here { replaced: Some(digest('0')), earlier: vec![digest('0')], ..here() };
        during.require_own(&digest('0')).unwrap();
        during.require(&of_before).unwrap();
        during.require(&backup()).unwrap();
        assert!(during.has_replaced(&digest('0')) && !during.has_replaced(&digest('a')));
        let after = Here { earlier: vec![digest('0')], ..here() };
        after.require_own(&digest('0')).unwrap();
        after.require(&backup()).unwrap();
        let said = after.require(&of_before).unwrap_err().to_string();
        assert!(said.contains("no worker takes any more") && !said.contains("reset"), "{said}");
        let name = said.split(' ').find(|word| word.starts_with("etcd-old-")).unwrap().trim_end_matches(',');
        assert_eq!(crate::snapshots::authority_of(name.as_ref()), Some(digest('0')), "{said}");
        assert!(after.require_own(&digest('b')).is_err());
    }

    #[test]
    fn state_of_which_nobody_can_tell_whose_it_is_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let [pki, etcd] = ["pki", "etcd"].map(|name| directory.path().join(name));
        let refused = || require_known(&pki, &etcd).unwrap_err().to_string();
        require_known(&pki, &etcd).unwrap();
        fs::create_dir_all(etcd.join("member")).unwrap();
        assert!(
            refused().contains("there are etcd's data in") && refused().contains("k8s-node reset"),
            "{}",
            refused()
        );
        fs::create_dir(&pki).unwrap();
        fs::write(pki.join("ca.pem"), "half of a certificate").unwrap();
        assert!(
            refused().contains("ca.pem is no certificate") && refused().contains("k8s-node reset"),
            "{}",
            refused()
        );
        fs::remove_dir_all(&etcd).unwrap();
        assert!(refused().contains("ca.pem is no certificate"), "{}", refused());
    }

    #[test]
    fn another_cluster_s_another_switch_s_and_a_later_release_s_are_refused_with_what_to_do() {
        let refused = |backup: Manifest| here().require(&backup).unwrap_err().to_string();
        let said = refused(Manifest { authority: digest('b'), ..backup() });
        assert!(said.contains("of another cluster") && said.contains("k8s-node reset"), "{said}");
        let said = refused(Manifest { cluster: "other".into(), ..backup() });
        assert!(said.contains("is of cluster kubernetes"), "{said}");
        let said = refused(Manifest { master: "veos-l1".into(), ..backup() });
        assert!(said.contains("this switch is veos-b.example.net"), "{said}");
        let said = refused(Manifest { kubernetes: "1.21.0".into(), ..backup() });
        assert!(said.contains("which 1.20.2 cannot read"), "{said}");
        assert!(here().require(&Manifest { kubernetes: "new".into(), ..backup() }).is_err());
        let empty = Here { authority: None, ..here() };
        let said = empty.require_own(&digest('a')).unwrap_err().to_string();
        assert!(said.contains("restore a backup"), "{said}");
    }
}
