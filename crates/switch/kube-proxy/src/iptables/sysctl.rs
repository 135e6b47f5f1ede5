//! The one kernel setting that rules need: packets to 127.0.0.1 may leave by other interfaces, so that node ports answer there.

use std::fs;

const ROUTE_LOCALNET: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";

/// Never fatal: everything but node ports at 127.0.0.1 works without.
pub fn route_localnet() {
    let done = match fs::read_to_string(ROUTE_LOCALNET) {
        Ok(value) if value.trim() == "1" => Ok(()),
        Ok(_) => fs::write(ROUTE_LOCALNET, "1"),
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        tracing::warn!("node ports will not answer at 127.0.0.1: cannot set {ROUTE_LOCALNET} to 1: {error}");
    }
}
