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

/// A path below what is ours on the flash and plain, whatever the state is in.
macro_rules! in_plain {
    ($rest:literal) => {
        concat!("/mnt/flash/kubernetes-on-eos", $rest)
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
    /// On the master: of which clients the API server takes no certificate any more.
    REVOKED_CLIENTS = in_state!("/pki/revoked-clients.json");
    /// How this switch sent to pods of others when it last came up. In every backup, as all of its directory.
    KUBECONFIGS = in_state!("/kubeconfigs");
    ADMIN_KUBECONFIG = in_state!("/admin.kubeconfig");
    ENCRYPTION_CONFIG = in_state!("/encryption-config.yaml");
    ETCD = in_state!("/etcd");
    /// Scheduled copies of etcd's data.
    SNAPSHOTS = in_state!("/snapshots");
    /// There while a backup is put back: what stands in its place is not whole.
    RESTORING = in_state!("/restoring");
    /// The names that were known, for a switch that comes up without its master.
    KNOWN_NAMES = in_state!("/cluster-dns");
    LOG = in_state!("/log");
    AUDIT_LOG = in_state!("/log/audit.log");
    /// Who has got certificates of the master, who has not, and what the operator has said about it.
    ENROLMENT_LOG = in_state!("/log/enrolment.log");
    /// Archives of container images that the operator wants on this switch.
    OWN_IMAGES = in_state!("/images");

    /// What is ours on the flash and plain.
    PLAIN = in_plain!("");
    /// On a flash that keeps no modes: the file system that is mounted at [`STATE`].
    STATE_FILE = in_plain!("/state.ext4");
    /// One that could not be read any more, kept when a backup was put back.
    STATE_FILE_DAMAGED = in_plain!("/state-damaged.ext4");
    /// Which state the file has, and whose.
    STATE_MARKER = in_plain!("/state.toml");
    /// The directory that the state was in before, until a boot without it was Ready.
    STATE_BEFORE = in_plain!("/k8s-before");
    /// What the operator wants on this switch, as `copy … flash:` reaches it: archives of images, an own certificate authority, a PKI.
    DROPPED_IMAGES = in_plain!("/images");
    DROPPED_CA = in_plain!("/ca");
    DROPPED_PKI = in_plain!("/pki");
    /// The digests of what was taken over of the last two.
    DROPPED_RECORD = in_state!("/dropped");

    /// Where the image of the programs is mounted, read only.
    PROGRAMS = in_image!("");
    BIN = in_image!("/bin");
    ETCD_PROGRAM = in_image!("/bin/etcd");
    ETCDCTL = in_image!("/bin/etcdctl");
    FLANNELD = in_image!("/bin/flanneld");
    CLUSTER_DNS = in_image!("/bin/cluster-dns");
    HYPERKUBE = in_image!("/bin/hyperkube");
    METRICS_SERVER = in_image!("/bin/metrics-server");
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
    /// Whose certificates are taken from clients.
    CLIENT_CA = in_run!("/client-ca.pem");
    /// The one certificate that signs, without an operator's chain.
    SIGNING_CA = in_run!("/signing-ca.pem");
    /// Where the state's file is mounted while it is being filled.
    NEW_STATE = in_run!("/new-state");
    /// The state has come into its file since the switch has booted. Not below [`RUN`], which `k8s-node down` removes.
    TAKEN_OVER = "/run/kubernetes-on-eos.taken-over";
    STAGE_RECORDS = in_run!("/stages");
    SERVICE_RECORDS = in_run!("/services");
    /// The names that are known, for a restart of their program.
    NAMES = in_run!("/cluster-dns");
    /// Who the metrics server is to kubelets, the API server and its clients: made at each boot, and again in time.
    METRICS_CREDENTIALS = in_run!("/metrics-server");
    METRICS_KUBECONFIG = in_run!("/metrics-server/kubeconfig");
    METRICS_CLIENT_CERTIFICATE = in_run!("/metrics-server/client.pem");
    METRICS_CLIENT_KEY = in_run!("/metrics-server/client-key.pem");
    METRICS_SERVING_CERTIFICATE = in_run!("/metrics-server/serving.pem");
    METRICS_SERVING_KEY = in_run!("/metrics-server/serving-key.pem");
    ROUTES = in_run!("/routes");
    CNI_CONFIGURATION = in_run!("/cni");
    /// What the pods' bridge was like when it was right.
    BRIDGE = in_run!("/bridge");
    /// How large a packet of a pod may be on its way to another node, as it was found last.
    OVERLAY_MTU = in_run!("/overlay-mtu");
    /// Locks: of each kind of thing that is kept, held by who makes or repairs some of it.
    KEPT = in_run!("/kept");
    /// What the reconciler has repaired and given up.
    RECONCILER_RECORD = in_run!("/reconciler.json");
    /// There while the reconciler is paused.
    PAUSED = in_run!("/paused.json");
    /// Held by who runs a stage of the bring-up.
    STAGE_LOCK = in_run!("/lock");
    /// The digest of the cluster.toml that the bring-up has begun with.
    CLUSTER_TOML_DIGEST = in_run!("/cluster-toml");
    /// When this switch had its hostname, in seconds since it was powered on.
    NAMED_SINCE = in_run!("/named-since");
    /// Why the last scheduled copy of etcd's data was not taken.
    SNAPSHOT_SKIPPED = in_run!("/snapshot-skipped");
    /// Where earlier releases recorded the images that they had loaded.
    LOADED_IMAGES_BEFORE = in_run!("/images");
    /// What EOS' log was told of how things stand.
    SYSLOG_SAID = in_run!("/syslog");
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
