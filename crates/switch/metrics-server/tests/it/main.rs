//! The running program: asked as the API server asks it, with a fake API server and a fake kubelet behind it, all of it over real TLS.

#![allow(clippy::unwrap_used)]

mod authorities;
mod kubelet;
mod running;
mod serving;
mod who_asks;
