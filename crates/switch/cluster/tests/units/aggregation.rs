//! The API server in front of aggregated API servers.

use std::fs;

use cluster::{Cluster, units::render};
use contract::places;

use crate::support::{CLUSTER, RELEASES, rendered, template, values};

#[test]
fn aggregated_api_servers_know_the_api_server_by_an_authority_of_its_own() {
    for release in RELEASES {
        let server = rendered(release, "kube-apiserver", true).text;
        let pki = places::PKI;
        for flag in [
            &format!("--requestheader-client-ca-file={pki}/front-proxy-ca.pem"),
            // Else whoever has any certificate of that authority could be anybody.
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            &format!("--proxy-client-cert-file={pki}/front-proxy-client.pem"),
            &format!("--proxy-client-key-file={pki}/front-proxy-client-key.pem"),
            // A master that is no worker has no kube-proxy, and so no way to a Service's address.
            "--enable-aggregator-routing=true",
        ] {
            assert!(server.contains(&format!("    {flag} \\\n")), "{release}: {flag}: {server}");
        }
    }
}

#[test]
fn an_api_server_starts_without_a_front_proxys_certificate() {
    let cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
    let mut values = values(&cluster, cluster.master(), true);
    values.front_proxy = false;
    for release in RELEASES {
        let template = fs::read_to_string(template(release, "kube-apiserver")).unwrap();
        let unit = render("kube-apiserver", &template, &values).unwrap();
        let names_it = |text: &str| ["front-proxy", "requestheader", "proxy-client"].iter().any(|it| text.contains(it));
        assert!(unit.restart_on.iter().all(|file| !names_it(&file.display().to_string())), "{:?}", unit.restart_on);
        let command: Vec<&str> = unit.text.lines().filter(|line| line.trim_start().starts_with("--")).collect();
        assert!(!names_it(&command.join("\n")), "{}", unit.text);
        let ends = command.iter().filter(|line| !line.ends_with('\\')).count();
        assert_eq!(ends, 1, "{}", unit.text);
    }
}

#[test]
fn only_an_api_server_that_does_not_read_it_again_is_restarted_for_it() {
    let restarts = |release: &str| {
        let unit = rendered(release, "kube-apiserver", true);
        unit.restart_on.iter().filter(|file| file.display().to_string().contains("front-proxy")).count()
    };
    assert_eq!((restarts("1.20"), restarts("1.12")), (0, 2));
}
