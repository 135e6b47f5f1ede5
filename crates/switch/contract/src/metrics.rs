//! The metrics server: who it is, and the objects by which the API server knows it.

/// The one that is served of metrics.k8s.io.
pub const GROUP: &str = "metrics.k8s.io";
pub const VERSION: &str = "v1beta1";

pub const API_SERVICE: &str = "v1beta1.metrics.k8s.io";
pub const NAMESPACE: &str = "kube-system";
pub const SERVICE: &str = "metrics-server";

/// What its certificate is verified by.
pub const SERVER_NAME: &str = "metrics-server.kube-system.svc";

/// Who it is to kubelets and the API server.
pub const USER: &str = "kubernetes-on-eos:metrics-server";
