//! Real iptables in a network namespace of the test's own.

use kube_proxy::iptables::{Table, Tool};

/// Runs `test` for iptables-legacy and iptables-nft, each in a new network namespace. The thread stays in the last one.
pub fn with_each_variant(test: impl Fn(&Tool)) {
    for name in ["iptables-legacy", "iptables-nft"] {
        // SAFETY: it changes the network namespace of this thread alone, and no socket is open in it.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "a network namespace needs root");
        let tool = Tool::named(name).expect("iptables is installed");
        test(&tool);
    }
}

pub fn restore(tool: &Tool, text: &str) {
    tool.restore(&mut |out| out.write_all(text.as_bytes())).expect("iptables-restore takes it");
}

pub fn saved(tool: &Tool, table: Table) -> String {
    let mut text = String::new();
    tool.save(table, &mut |line| {
        text.push_str(line);
        text.push('\n');
    })
    .expect("iptables-save works");
    text
}
