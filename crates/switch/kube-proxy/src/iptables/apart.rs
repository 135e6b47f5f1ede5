//! Work on tables that nobody else writes to: those of a network namespace that is thrown away. What iptables-save prints there of a rule is how
//! this iptables prints it, whatever others do meanwhile to the tables that matter.

use std::thread;

use common::netns;

/// Does `work` there. `None` where no network namespace can be made.
pub fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    let inside = || match netns::unshare() {
        Ok(_namespace) => Some(work()),
        Err(error) => {
            tracing::debug!("nothing can be tried apart from the tables that are used: {error:#}");
            None
        }
    };
    thread::scope(|scope| scope.spawn(inside).join()).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iptables::{Table, Tool};

    #[test]
    #[ignore = "needs root, iptables-legacy and iptables-nft"]
    fn what_is_written_apart_is_read_there_and_is_nowhere_else() {
        for name in ["iptables-legacy", "iptables-nft"] {
            let tool = Tool::named(name).expect("it is installed");
            let has = |tool: &Tool| {
                let mut found = false;
                tool.save(Table::Filter, &mut |line| found |= line.starts_with(":APART ")).expect("it is read");
                found
            };
            let there = apart(|| {
                tool.restore(&mut |out| writeln!(out, "*filter\n:APART - [0:0]\nCOMMIT")).expect("it is written");
                has(&tool)
            });
            assert_eq!(there, Some(true), "{name}");
            assert!(!has(&tool), "{name}");
        }
    }
}
