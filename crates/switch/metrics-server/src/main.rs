//! `metrics-server`: what nodes and pods use, for `kubectl top`. On a switch it is in the program `cluster-dns`, which has most of it in common.

use std::process::ExitCode;

fn main() -> ExitCode {
    metrics_server::program::main()
}
