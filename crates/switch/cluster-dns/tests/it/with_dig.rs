//! A client that others wrote.

use std::process::Command;

use crate::running::Running;

fn dig(running: &Running, words: &[&str]) -> String {
    let port = running.address.port().to_string();
    let output = Command::new("dig").args(["@127.0.0.1", "-p", &port, "+tries=1", "+time=5"]).args(words).output();
    let output = output.expect("dig is in Debian's bind9-dnsutils");
    let text =
        String::from_utf8_lossy(&output.stdout).replace(";; WARNING: .local is reserved for Multicast DNS\n", "");
    assert!(output.status.success() && !text.contains("WARNING"), "{words:?}: {text}");
    text
}

#[test]
#[ignore = "needs dig"]
fn dig_finds_nothing_wrong_with_any_answer() {
    let running = Running::start();
    let short = |words: &[&str]| dig(&running, &[words, &["+short"]].concat());
    assert_eq!(short(&["web.shop.svc.cluster.local", "A"]), "10.10.0.20\n");
    assert_eq!(short(&["-x", "10.10.0.20"]), "web.shop.svc.cluster.local.\n");
    assert_eq!(short(&["_http._tcp.web.shop.svc.cluster.local", "SRV"]), "0 100 80 web.shop.svc.cluster.local.\n");
    assert_eq!(short(&["dns-version.cluster.local", "TXT"]), "\"1.1.0\"\n");
    assert_eq!(short(&["out.shop.svc.cluster.local", "A"]), "www.example.com.\n192.0.2.1\n");
    assert_eq!(short(&["+tcp", "in.shop.svc.cluster.local", "A"]), "web.shop.svc.cluster.local.\n10.10.0.20\n");
    let many: Vec<u8> = (1..=200).collect();
    running.put_endpoints("db", &many);
    running.wait_for("all are known", || short(&["+tcp", "db.shop.svc.cluster.local"]).lines().count() == 200);
    // It asks again by TCP by itself.
    assert_eq!(short(&["db.shop.svc.cluster.local"]).lines().count(), 200);
    let none = dig(&running, &["none.shop.svc.cluster.local"]);
    assert!(none.contains("status: NXDOMAIN") && none.contains(" aa ") && none.contains("\tSOA\t"), "{none}");
    let no_data = dig(&running, &["web.shop.svc.cluster.local", "AAAA"]);
    assert!(no_data.contains("status: NOERROR") && no_data.contains("ANSWER: 0, AUTHORITY: 1"), "{no_data}");
    let options = dig(&running, &["+nsid", "+cookie", "+subnet=192.0.2.0/24", "+dnssec", "web.shop.svc.cluster.local"]);
    assert!(options.contains("status: NOERROR") && options.contains("flags: do"), "{options}");
}
