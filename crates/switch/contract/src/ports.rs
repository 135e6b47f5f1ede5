//! The ports of a switch that is a node, TCP where nothing else is said.

constants! { u16:
    API_SERVER = 6443;
    /// Where workers enrol at the master.
    ENROLMENT = 6444;

    /// etcd, on the loopback interface alone: for the API server, and for other members.
    ETCD = 2379;
    ETCD_PEERS = 2380;

    /// metrics.k8s.io on the master, for the API server on the same switch.
    METRICS_SERVER = 6445;

    KUBELET = 10250;

    /// The cluster's names, UDP and TCP, at the cluster's DNS address.
    DNS = 53;
    /// UDP: pods' packets between switches, unless cluster.toml has another one.
    VXLAN = 8472;

    /// Health, each on the loopback interface.
    CLUSTER_DNS_METRICS = 9153;
    METRICS_SERVER_HEALTH = 9154;
    KUBELET_HEALTH = 10248;
    KUBE_PROXY_METRICS = 10249;
    SCHEDULER_HEALTH = 10251;
    CONTROLLER_MANAGER_HEALTH = 10252;
    KUBE_PROXY_HEALTH = 10256;
}

/// What Services of type NodePort get: the first and the last.
pub const NODE_PORTS: (u16, u16) = (30000, 32767);

/// What EOS itself may listen on for who manages it, and pods have no business with: name, protocol, port.
pub const OF_EOS: [(&str, &str, u16); 11] = [
    ("ssh", "tcp", 22),
    ("telnet", "tcp", 23),
    ("eapi-http", "tcp", 80),
    ("snmp", "udp", 161),
    ("eapi", "tcp", 443),
    ("netconf", "tcp", 830),
    ("restconf", "tcp", 6020),
    ("gnmi", "tcp", 6030),
    ("terminattr", "tcp", 6042),
    ("eapi-local", "tcp", 8080),
    ("p4runtime", "tcp", 9559),
];
