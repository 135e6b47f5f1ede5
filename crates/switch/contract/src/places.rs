//! Where everything is on a switch: what lasts, on the flash, and what is new at every boot.

/// A path below the image of the programs, once it is mounted.
macro_rules! in_image {
    ($rest:literal) => {
        concat!("/opt/kubernetes-on-eos", $rest)
    };
}

/// A path below what lasts.
macro_rules! in_state {
    ($rest:literal) => {
        concat!("/mnt/flash/k8s", $rest)
    };
}

/// A path below what is made again at every boot.
macro_rules! in_run {
    ($rest:literal) => {
        concat!("/run/kubernetes-on-eos", $rest)
    };
}

/// EOS' own: what lasts on a switch, whatever it is of.
pub const FLASH: &str = "/mnt/flash";

constants! { &str:
    /// What the operator puts on the flash.
    CLUSTER_TOML = "/mnt/flash/cluster.toml";

    /// What lasts.
    STATE = in_state!("");
    PKI = in_state!("/pki");
    /// On the master: which key is which worker's.
    NODE_KEYS = in_state!("/pki/node-keys.json");
    KUBECONFIGS = in_state!("/kubeconfigs");
    ADMIN_KUBECONFIG = in_state!("/admin.kubeconfig");
    ENCRYPTION_CONFIG = in_state!("/encryption-config.yaml");
    ETCD = in_state!("/etcd");
    LOG = in_state!("/log");
    AUDIT_LOG = in_state!("/log/audit.log");
    /// Archives of container images that the operator wants on this switch.
    OWN_IMAGES = in_state!("/images");

    /// Where the image of the programs is mounted, read only.
    PROGRAMS = in_image!("");
    BIN = in_image!("/bin");
    ETCD_PROGRAM = in_image!("/bin/etcd");
    ETCDCTL = in_image!("/bin/etcdctl");
    FLANNELD = in_image!("/bin/flanneld");
    HYPERKUBE = in_image!("/bin/hyperkube");
    K8S_NODE = in_image!("/bin/k8s-node");
    KUBE_APISERVER = in_image!("/bin/kube-apiserver");
    KUBE_CONTROLLER_MANAGER = in_image!("/bin/kube-controller-manager");
    KUBE_PROXY = in_image!("/bin/kube-proxy");
    KUBE_SCHEDULER = in_image!("/bin/kube-scheduler");
    KUBECTL = in_image!("/bin/kubectl");
    KUBELET_PROGRAM = in_image!("/bin/kubelet");
    SOCAT = in_image!("/bin/socat");
    CNI_PLUGINS = in_image!("/cni/bin");
    UNIT_TEMPLATES = in_image!("/units");
    AUDIT_POLICY = in_image!("/units/audit-policy.yaml");
    PACKED_IMAGES = in_image!("/images");
    PAUSE_IMAGE = in_image!("/images/pause.tar");
    RELEASE = in_image!("/share/kubernetes-on-eos/release.json");

    /// The file that [`PROGRAMS`] is mounted from.
    PROGRAMS_IMAGE = "/usr/share/kubernetes-on-eos/programs.squashfs";
    /// Mounts the image and unmounts it.
    PROGRAMS_SCRIPT = "/usr/libexec/kubernetes-on-eos/programs";
    /// The stages of the bootstrap, in order.
    FIRST_BOOT = "/usr/libexec/kubernetes-on-eos/first-boot";

    /// What is made again at every boot.
    RUN = in_run!("");
    STAGE_RECORDS = in_run!("/stages");
    SERVICE_RECORDS = in_run!("/services");
    ROUTES = in_run!("/routes");
    CNI_CONFIGURATION = in_run!("/cni");
    /// Held by who runs a stage of the bring-up.
    STAGE_LOCK = in_run!("/lock");
    /// The digest of the cluster.toml that the bring-up has begun with.
    CLUSTER_TOML_DIGEST = in_run!("/cluster-toml");
    /// Where earlier releases recorded the images that they had loaded.
    LOADED_IMAGES_BEFORE = in_run!("/images");
    /// What sysctls held before.
    SYSCTLS = in_run!("/sysctls");
    UNITS = "/run/systemd/system";
    KUBELET = "/var/lib/kubelet";
    VOLUME_PLUGINS = "/var/lib/kubelet/volume-plugins";
    /// What kubelet keeps elsewhere, and nobody else.
    DOCKERSHIM = "/var/lib/dockershim";
    POD_LOGS = "/var/log/pods";
    CONTAINER_LOGS = "/var/log/containers";
    /// What CNI keeps, of other networks too, and of ours its plugin host-local.
    CNI = "/var/lib/cni";
    CNI_STATE = "/var/lib/cni/networks/kubernetes-on-eos";
}
