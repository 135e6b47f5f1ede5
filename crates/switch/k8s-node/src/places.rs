//! Where everything is on the switch: what lasts, on the flash, and what is new at every boot.

use std::path::PathBuf;

use cluster::units;

/// What the operator puts on the flash.
pub const CLUSTER_TOML: &str = "/mnt/flash/cluster.toml";

/// What lasts.
pub const STATE: &str = "/mnt/flash/k8s";
pub const PKI: &str = "/mnt/flash/k8s/pki";
pub const KUBECONFIGS: &str = "/mnt/flash/k8s/kubeconfigs";
pub const ADMIN_KUBECONFIG: &str = "/mnt/flash/k8s/admin.kubeconfig";
pub const ENCRYPTION_CONFIG: &str = "/mnt/flash/k8s/encryption-config.yaml";
pub const ETCD: &str = "/mnt/flash/k8s/etcd";
pub const LOG: &str = "/mnt/flash/k8s/log";
/// Archives of container images that the operator wants on this switch.
pub const OWN_IMAGES: &str = "/mnt/flash/k8s/images";

/// What is read only.
pub const PROGRAMS: &str = "/opt/kubernetes-on-eos";
pub const UNIT_TEMPLATES: &str = "/opt/kubernetes-on-eos/units";
pub const PACKED_IMAGES: &str = "/opt/kubernetes-on-eos/images";
pub const RELEASE: &str = "/opt/kubernetes-on-eos/share/kubernetes-on-eos/release.json";
/// The file that [`PROGRAMS`] is mounted from.
pub const PROGRAMS_IMAGE: &str = "/usr/share/kubernetes-on-eos/programs.squashfs";

/// What is made again at every boot.
pub const RUN: &str = "/run/kubernetes-on-eos";
pub const STAGE_RECORDS: &str = "/run/kubernetes-on-eos/stages";
pub const SERVICE_RECORDS: &str = "/run/kubernetes-on-eos/services";
pub const ROUTES: &str = "/run/kubernetes-on-eos/routes";
pub const CNI_CONFIGURATION: &str = "/run/kubernetes-on-eos/cni";
pub const UNITS: &str = "/run/systemd/system";
pub const KUBELET: &str = "/var/lib/kubelet";
/// What the CNI plugin host-local keeps of our network.
pub const CNI_STATE: &str = "/var/lib/cni/networks/kubernetes-on-eos";

/// The places that a unit template may name.
pub fn for_units() -> units::Places {
    units::Places {
        bin: PathBuf::from(PROGRAMS).join("bin"),
        cni_plugins: PathBuf::from(PROGRAMS).join("cni/bin"),
        units: UNIT_TEMPLATES.into(),
        state: STATE.into(),
        pki: PKI.into(),
        kubeconfigs: KUBECONFIGS.into(),
        run: RUN.into(),
    }
}
