//! The kube-proxy and its API server, where a real server cannot be had: one of today with EndpointSlices in v1, one that was never
//! so old, one that serves nonsense. The server is a [`fake`](api_watch::fake).

#![allow(clippy::unwrap_used)]

mod bad_objects;
mod bench;
mod kubeconfigs;
mod openssl;
mod plugins;
mod tls;
mod versions;
