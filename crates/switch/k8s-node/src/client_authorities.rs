//! The files that say whose certificates the API server and the kubelet take from clients, and what the controller manager signs with:
//! made again at every boot, out of what is on the flash.

use std::{fs, path::Path, time::SystemTime};

use anyhow::Result;
use cluster::pki;
use common::files;
use contract::{Credential, places};

use crate::switch::Switch;

/// Whether this switch has been in its cluster before: then nothing is refused that it ran with.
pub fn has_run(switch: &Switch) -> bool {
    let kubeconfig = Path::new(places::KUBECONFIGS).join(Credential::Node.kubeconfig_file());
    kubeconfig.exists() || (switch.node.master && Path::new(places::ETCD).join("member").exists())
}

/// Writes them, and says what the operator has to know.
pub fn ensure(switch: &Switch, has_run: bool) -> Result<Vec<String>> {
    let now = SystemTime::now();
    let Switch { cluster, node } = switch;
    let clients = pki::ensure_clients(places::PKI.as_ref(), cluster, node, has_run, now)?;
    for (place, text) in [(places::CLIENT_CA, &clients.trusted), (places::SIGNING_CA, &clients.signing)] {
        if fs::read_to_string(place).ok().as_ref() != Some(text) {
            files::write_atomically(place.as_ref(), text)?;
        }
    }
    let mut said = clients.problems;
    said.extend(clients.remarks);
    if node.master {
        said.extend(pki::authority_remarks(places::PKI.as_ref(), cluster, now));
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use rustix::mount::{MountFlags, mount};

    use super::*;
    use crate::{
        master_fixture::{self, Master},
        test_support::{flash_of, in_mount_namespace},
    };

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn a_chain_is_let_in_for_now_where_the_switch_came_up_before_and_never_on_a_new_one() {
        in_mount_namespace(|| {
            mount("run", "/run", "tmpfs", MountFlags::empty(), None).unwrap();
            let cluster = master_fixture::cluster();
            let switch = Switch { node: cluster.master().clone(), cluster };
            let root = fs::read_to_string(Master::start(SystemTime::now()).pki().join("ca.pem")).unwrap();
            for came_up_before in [false, true] {
                flash_of(50);
                let ca = Path::new(places::PKI).join("ca.pem");
                pki::ensure_master(places::PKI.as_ref(), &switch.cluster, &switch.node, SystemTime::now()).unwrap();
                let signing = fs::read_to_string(&ca).unwrap();
                fs::write(&ca, format!("{signing}{root}")).unwrap();
                if came_up_before {
                    fs::create_dir_all(places::KUBECONFIGS).unwrap();
                    fs::write(Path::new(places::KUBECONFIGS).join("node.kubeconfig"), "x").unwrap();
                }
                assert_eq!(has_run(&switch), came_up_before);
                let said = ensure(&switch, has_run(&switch)).unwrap();
                assert_eq!(fs::read_to_string(places::SIGNING_CA).unwrap(), signing);
                let clients = fs::read_to_string(places::CLIENT_CA).unwrap();
                let whole = if came_up_before { format!("{signing}{root}") } else { signing };
                assert_eq!((clients, said.len()), (whole, usize::from(came_up_before)), "{said:?}");
            }
        });
    }
}
