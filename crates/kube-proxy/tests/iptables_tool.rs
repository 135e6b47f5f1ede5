//! iptables' programs as this machine has them, each test in a network namespace of its own.

mod real;

use kube_proxy::iptables::{Features, Table};

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn everything_is_found_on_a_complete_kernel_and_nothing_is_left_of_the_search() {
    real::with_each_variant(|tool| {
        assert_eq!(tool.features(), Features::all());
        assert_eq!(tool.can_do_iptables_mode(), Ok(()));
        for table in Table::ALL {
            assert!(!real::saved(tool, table).contains("PROBE"));
        }
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_is_restored_is_saved() {
    real::with_each_variant(|tool| {
        real::restore(tool, "*nat\n:KUBE-TEST - [0:0]\n-A KUBE-TEST -j RETURN\nCOMMIT\n");
        assert!(real::saved(tool, Table::Nat).contains("\n-A KUBE-TEST -j RETURN\n"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_refused_rule_is_an_error_with_iptables_own_words() {
    real::with_each_variant(|tool| {
        let refused = tool.restore(&mut |out| out.write_all(b"*nat\n-A KUBE-NO-SUCH-CHAIN -j RETURN\nCOMMIT\n"));
        let error = refused.expect_err("there is no such chain");
        assert!(!error.is_locked());
        assert!(error.to_string().contains("restore --noflush"), "{error}");
        assert!(error.to_string().contains("line"), "{error}");
    });
}
