//! The one kernel setting that rules need: packets to 127.0.0.1 may leave by other interfaces, so that node ports answer there.
//!
//! It opens 127.0.0.1 to the neighbours, too (CVE-2020-8558), and so it is not set before a rule stands that keeps them out: kubelet's of 1.20,
//! or k8s-node's.

use std::fs;

use super::saved::{Found, guards_loopback};
use super::{Table, Tool, has_table};

const ROUTE_LOCALNET: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";
/// Where such a rule may stand besides `filter`, which is read anyway.
const ELSEWHERE: [Table; 2] = [Table::Raw, Table::Mangle];

/// What became of it.
#[derive(Debug)]
pub struct Loopback {
    desired: bool,
    done: bool,
    said: bool,
}

impl Loopback {
    pub fn new(desired: bool) -> Self {
        Self { desired, done: false, said: false }
    }

    /// Sets it, if it is desired and `found` or another table has the rule; says so where none has. Never fatal: everything but node ports at
    /// 127.0.0.1 works without.
    pub fn follow(&mut self, tool: &Tool, found: &Found) {
        if !self.desired || self.done {
            return;
        }
        if is_set() {
            self.done = true;
        } else if found.guards_loopback || ELSEWHERE.into_iter().any(|table| is_guarded_in(tool, table)) {
            self.done = true;
            if let Err(error) = fs::write(ROUTE_LOCALNET, "1") {
                tracing::warn!("node ports will not answer at 127.0.0.1: cannot set {ROUTE_LOCALNET} to 1: {error}");
            }
        } else if !self.said {
            self.said = true;
            tracing::warn!(
                "node ports do not answer at 127.0.0.1 yet: {ROUTE_LOCALNET} stays as it is, as no rule keeps others from 127.0.0.0/8 \
                 (CVE-2020-8558); kubelet of 1.20 makes one"
            );
        }
    }
}

fn is_set() -> bool {
    fs::read_to_string(ROUTE_LOCALNET).is_ok_and(|value| value.trim() == "1")
}

fn is_guarded_in(tool: &Tool, table: Table) -> bool {
    let mut guarded = false;
    let read = has_table(tool, table)
        .then(|| tool.save(table, &mut |line| guarded |= line.strip_prefix("-A ").is_some_and(guards_loopback)));
    guarded && matches!(read, Some(Ok(())))
}
