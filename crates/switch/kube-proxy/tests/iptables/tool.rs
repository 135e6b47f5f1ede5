//! iptables' programs as this machine has them.

use std::fs::OpenOptions;

use kube_proxy::iptables::{Features, Table, Variant};

use crate::real::with_each_variant;

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn everything_is_found_on_a_complete_kernel_and_nothing_is_left_of_the_search() {
    with_each_variant(|real| {
        assert_eq!(real.tool.features(), Features::all());
        assert_eq!(real.tool.can_do_iptables_mode(), Ok(()));
        assert!(!real.tables().contains("PROBE"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_is_restored_is_saved() {
    with_each_variant(|real| {
        real.restore("*nat\n:KUBE-TEST - [0:0]\n-A KUBE-TEST -j RETURN\nCOMMIT\n");
        assert!(real.saved(Table::Nat).contains("\n-A KUBE-TEST -j RETURN\n"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_refused_rule_is_an_error_with_iptables_own_words() {
    with_each_variant(|real| {
        let refused = real.tool.restore(&mut |out| out.write_all(b"*nat\n-A KUBE-NO-SUCH-CHAIN -j RETURN\nCOMMIT\n"));
        let error = refused.expect_err("there is no such chain");
        assert!(!error.is_locked());
        assert!(error.to_string().contains("restore --noflush"), "{error}");
        assert!(error.to_string().contains("line"), "{error}");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_held_lock_is_told_from_a_refused_rule() {
    with_each_variant(|real| {
        if real.tool.variant() == Variant::Nft {
            return; // It knows no lock.
        }
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(real.lock_file());
        let lock = lock.expect("the lock's file can be opened");
        lock.lock().expect("the lock can be had");
        let refused = real.tool.restore(&mut |out| out.write_all(b"*nat\nCOMMIT\n"));
        assert!(refused.expect_err("the lock is held").is_locked());
    });
}
