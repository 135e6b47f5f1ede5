//! `k8s-node kubeconfig`: a kubeconfig for a person, or for a program outside the cluster, with a key and a certificate of its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Result, bail, ensure};
use cluster::{
    CERTIFICATE_DAYS, Cluster, kubeconfig,
    pki::{self, User},
};
use common::files;
use contract::places;

use crate::switch::Switch;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whom it is for, how long, and where it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Order {
    pub user: String,
    pub groups: Vec<String>,
    /// Else what cluster.toml says.
    pub days: Option<u32>,
    /// Else it is printed.
    pub output: Option<PathBuf>,
}

pub fn run(order: &Order) -> Result<()> {
    let switch = Switch::load()?;
    let master = &switch.cluster.master().name;
    ensure!(switch.node.master, "certificates are made on the master: say this on {master}");
    write(order, &switch.cluster, places::PKI.as_ref(), SystemTime::now())
}

fn write(order: &Order, cluster: &Cluster, pki: &Path, now: SystemTime) -> Result<()> {
    let days = order.days.unwrap_or(cluster.certificates.admin_days);
    let (shortest, longest) = (CERTIFICATE_DAYS.start(), CERTIFICATE_DAYS.end());
    ensure!(CERTIFICATE_DAYS.contains(&days), "--days {days}: {shortest} to {longest} are possible");
    if let Some(file) = order.output.as_deref().filter(|file| file.symlink_metadata().is_ok()) {
        bail!("{} is there already: name another file, or remove it first", file.display());
    }
    let user = User::new(cluster, &order.user, &order.groups)?;
    let made = pki::certify(pki, cluster, &user, DAY * days, now)?;
    let text = kubeconfig::of_user(cluster, pki, &user, &made)?;
    match &order.output {
        Some(file) => {
            files::write_for_owner(&std::path::absolute(file)?, text.as_bytes())?;
            if fs::metadata(file)?.permissions().mode() & 0o077 != 0 {
                eprintln!(
                    "warning: {} is on a file system without modes: who may read that may read it",
                    file.display()
                );
            }
        }
        None => print!("{}", *text),
    }
    let groups = match order.groups.as_slice() {
        [] => "no group".to_owned(),
        groups => groups.join(", "),
    };
    let until = humantime::format_rfc3339_seconds(made.not_after);
    // Beside the kubeconfig itself, which may be on its way through a pipe.
    eprintln!("made for {} of {groups}, until {until}; it cannot be called back before", order.user);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master_fixture::Master;

    #[test]
    fn a_file_is_whole_and_its_owners_alone_or_not_there() {
        let master = Master::start(SystemTime::now());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("anna.kubeconfig");
        let order =
            |user: &str, days| Order { user: user.into(), days, output: Some(file.clone()), ..Order::default() };
        let write = |order: &Order| write(order, &master.cluster, master.pki(), SystemTime::now());
        for (order, expected) in [
            (order("veos-l1", None), "is a part of the cluster"),
            (order("system:admin", None), "is the system's own"),
            (order("anna", Some(0)), "1 to 1825 are possible"),
            (order("anna", Some(1826)), "1 to 1825 are possible"),
        ] {
            let error = write(&order).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        }
        write(&order("anna", Some(1))).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read(&file).unwrap();
        let whole: serde_json::Value = serde_json::from_slice(&before).unwrap();
        assert_eq!(whole["users"][0]["name"], "anna");
        let error = write(&order("ben", None)).unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), before);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }
}
