//! iptables' programs as this machine has them.

use std::fs::OpenOptions;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::{Duration, Instant};

use kube_proxy::iptables::{Features, Table, Tool, Variant};

use crate::real::{with_each_variant, write_program};

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

/// A fake of iptables-restore before 1.6.2, which takes no lock and knows no `-w`; a real one cannot be had. It notes who has the socket.
#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn an_iptables_restore_that_takes_no_lock_is_run_under_the_socket_of_its_like() {
    with_each_variant(|real| {
        let name = format!("iptables-{}", real.tool.variant());
        let file = |name: String| real.directory.path().join(name);
        let (older, newer, seen) = (file(format!("{name}-restore")), file("newer".into()), file("seen".into()));
        std::fs::rename(&older, &newer).unwrap();
        let refuse = "for word; do [ \"$word\" != -w ] || exit 2; done";
        let note = format!("grep -c '@xtables$' /proc/net/unix >> '{}'", seen.display());
        write_program(&older, &format!("#!/bin/sh\n{refuse}\n{note}\nexec '{}' \"$@\"\n", newer.display()));
        let tool = Tool::named(&file(name).display().to_string()).unwrap();
        std::fs::remove_file(&seen).unwrap();
        let write = || tool.restore(&mut |out| out.write_all(b"*nat\n:KUBE-TEST - [0:0]\nCOMMIT\n"));

        // As iptables 1.4.21 does it.
        let address = SocketAddr::from_abstract_name("xtables").unwrap();
        let old_iptables = UnixListener::bind_addr(&address).unwrap();
        assert!(write().unwrap_err().is_locked());
        assert!(!seen.exists(), "it was not even run");
        drop(old_iptables);
        write().unwrap();
        assert!(real.saved(Table::Nat).contains(":KUBE-TEST "));
        assert_eq!(std::fs::read_to_string(&seen).unwrap(), "1\n");
        UnixListener::bind_addr(&address).expect("it is given back");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_program_that_hangs_is_killed_with_what_it_has_started() {
    with_each_variant(|real| {
        for what in ["restore", "save"] {
            let file = real.directory.path().join(format!("iptables-{}-{what}", real.tool.variant()));
            std::fs::remove_file(&file).unwrap();
            write_program(&file, "#!/bin/sh\nsleep 300 &\nwait\n");
        }
        let tool = real.tool.clone().with_limit(Duration::from_millis(500));
        let started = Instant::now();
        let restored = tool.restore(&mut |out| out.write_all(b"*nat\nCOMMIT\n")).unwrap_err().to_string();
        let saved = tool.save(Table::Nat, &mut |_| {}).unwrap_err().to_string();
        assert!(restored.contains("took more than") && saved.contains("took more than"), "{restored} {saved}");
        assert!(started.elapsed() < Duration::from_secs(60));
    });
}
