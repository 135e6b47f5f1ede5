//! Ours against upstream's kube-proxy: the table of cases, random states, and the crash trap.

mod cases;
mod crash_trap;
mod random;
mod support;
