//! The TCP ports of a switch that is a node.

constants! { u16:
    API_SERVER = 6443;
    /// Where workers enrol at the master.
    ENROLMENT = 6444;

    /// etcd, on the loopback interface alone: for the API server, and for other members.
    ETCD = 2379;
    ETCD_PEERS = 2380;

    KUBELET = 10250;

    /// Health, each on the loopback interface.
    KUBELET_HEALTH = 10248;
    KUBE_PROXY_METRICS = 10249;
    SCHEDULER_HEALTH = 10251;
    CONTROLLER_MANAGER_HEALTH = 10252;
    KUBE_PROXY_HEALTH = 10256;
}

/// What Services of type NodePort get: the first and the last.
pub const NODE_PORTS: (u16, u16) = (30000, 32767);
