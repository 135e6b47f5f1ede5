//! Ours against upstream's kube-proxy: the table of cases, random states, the crash trap; and what the running program says of itself.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod cases;
mod crash_trap;
mod random;
mod readiness;
mod support;
mod transit;
