//! The Service that stands for the cluster's names, for tools that look for one: no pod is behind it.

pub const NAMESPACE: &str = "kube-system";
pub const SERVICE: &str = "kube-dns";

/// The label that says it is the project's, and not an operator's.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kubernetes-on-eos");
