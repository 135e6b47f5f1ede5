//! Whoever may write Services can name addresses there that are others', and every node leads what goes to them to that Service
//! (CVE-2020-8554). `external_ips` below `[services]` in cluster.toml has the API server deny new ones; those that are there are kept, and
//! listed before and after.

use anyhow::{Context, Result, bail, ensure};
use cluster::{Cluster, ExternalIps};
use common::files;
use contract::places;
use serde_json::Value;

use crate::{api::Client, release::Release};

const API_SERVER: &str = "kube-apiserver";

/// What the template of the API server's unit asks for; without it this release has no such plugin.
const PLUGIN: &str = "DenyServiceExternalIPs";

/// Of so many Services an answer is no longer than what is read of one.
const PAGE: usize = 250;

/// 100,000 Services: what never ends is no list.
const PAGES: usize = 400;

/// So many are named in the stage's line.
const NAMED: usize = 10;

/// Whether a new cluster's file denies them: where the release that is here can. Elsewhere, where files are written for switches, it is taken
/// that theirs can.
pub fn new_clusters_deny() -> bool {
    files::read_text(template().as_ref()).map_or(true, |unit| can_deny(&unit))
}

/// Says what holds, and who has external IPs. Fails where cluster.toml asks for what this release cannot do.
pub fn look(client: &Client, cluster: &Cluster) -> Result<String> {
    let unit = files::read_text(template().as_ref())?;
    let release = Release::read(places::RELEASE.as_ref());
    let release = release.map_or_else(|_| "this release".to_owned(), |release| format!("release {}", release.version));
    let wanted = cluster.services.external_ips;
    can_be(wanted, &unit, &release)?;
    Ok(said(wanted, &users(client).context("cannot list the Services with external IPs")?))
}

fn template() -> String {
    format!("{}/{API_SERVER}.service", places::UNIT_TEMPLATES)
}

fn can_deny(unit: &str) -> bool {
    unit.contains(PLUGIN)
}

fn can_be(wanted: ExternalIps, unit: &str, release: &str) -> Result<()> {
    ensure!(
        wanted == ExternalIps::Allowed || can_deny(unit),
        "the API server of {release} cannot deny Services external IPs: install release 1.20, or write external_ips = \"allowed\" below \
         [services] in cluster.toml and give the right to write Services to nobody who may not take addresses over"
    );
    Ok(())
}

fn said(wanted: ExternalIps, users: &[String]) -> String {
    let mut named = users.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if users.len() > NAMED {
        named.push_str(&format!(" and {} more", users.len() - NAMED));
    }
    match (wanted, users) {
        (ExternalIps::Denied, []) => "Services get no external IPs".into(),
        (ExternalIps::Denied, _) => format!("Services get no new external IPs, and keep those that they have: {named}"),
        (ExternalIps::Allowed, []) => {
            "Services may take any address over by external IPs, and none does: external_ips = \"denied\" below [services] in cluster.toml \
             ends it"
                .into()
        }
        (ExternalIps::Allowed, _) => format!(
            "Services may take any address over by external IPs: external_ips = \"denied\" below [services] in cluster.toml keeps new ones \
             out, and these: {named}"
        ),
    }
}

/// Each Service with external IPs, and these.
fn users(client: &Client) -> Result<Vec<String>> {
    let (mut users, mut next) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let list = client.get(&format!("/api/v1/services?limit={PAGE}&continue={next}"))?.good()?;
        users.extend(list["items"].as_array().into_iter().flatten().filter_map(user));
        match list["metadata"]["continue"].as_str() {
            None | Some("") => return Ok(users),
            Some(token) => token.clone_into(&mut next),
        }
    }
    bail!("after {PAGES} answers the API server has still more Services")
}

fn user(service: &Value) -> Option<String> {
    let addresses = service["spec"]["externalIPs"].as_array().filter(|addresses| !addresses.is_empty())?;
    let addresses: Vec<&str> = addresses.iter().filter_map(Value::as_str).collect();
    let of = |key: &str| service["metadata"][key].as_str().unwrap_or("?");
    Some(format!("{}/{} ({})", of("namespace"), of("name"), addresses.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use serde_json::json;

    use super::*;

    const OF_1_20: &str = include_str!("../../../../../recipes/1.20/units/kube-apiserver.service");
    const OF_1_12: &str = include_str!("../../../../../recipes/1.12/units/kube-apiserver.service");

    /// An API server that gives these answers, one after the other, and what it was asked for.
    fn listed(pages: &[Value]) -> (Result<Vec<String>>, Vec<String>) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::plain(&format!("http://{}", server.local_addr().unwrap()));
        thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let answer = |page: &Value| {
                    let (mut stream, _) = server.accept().unwrap();
                    let mut request = [0; 2048];
                    let length = stream.read(&mut request).unwrap();
                    let body = page.to_string();
                    let head =
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                    stream.write_all((head + &body).as_bytes()).unwrap();
                    let request = String::from_utf8_lossy(&request[..length]).into_owned();
                    request.split_whitespace().nth(1).unwrap_or_default().to_owned()
                };
                pages.iter().map(answer).collect()
            });
            (users(&client), asked.join().unwrap())
        })
    }

    #[test]
    fn every_service_with_external_ips_is_listed_however_many_answers_it_takes() {
        let service = |name: &str, ips: Value| json!({ "metadata": { "namespace": "shop", "name": name }, "spec": { "externalIPs": ips } });
        let first = json!({
            "metadata": { "continue": "token-2" },
            "items": [service("web", json!(["192.0.2.1", "192.0.2.2"])), service("db", json!([])), { "metadata": {}, "spec": {} }],
        });
        let last = json!({ "metadata": {}, "items": [service("dns", json!(["192.0.2.3"]))] });
        let (users, asked) = listed(&[first, last]);
        assert_eq!(users.unwrap(), ["shop/web (192.0.2.1, 192.0.2.2)", "shop/dns (192.0.2.3)"]);
        assert_eq!(asked, ["/api/v1/services?limit=250&continue=", "/api/v1/services?limit=250&continue=token-2"]);
    }

    #[test]
    fn who_has_external_ips_is_said_before_and_after_they_are_denied() {
        let users: Vec<String> = (0..12).map(|n| format!("shop/s{n} (192.0.2.{n})")).collect();
        let before = said(ExternalIps::Allowed, &users);
        assert!(
            before.contains("external_ips = \"denied\"") && before.contains("shop/s9 (192.0.2.9) and 2 more"),
            "{before}"
        );
        let after = said(ExternalIps::Denied, &users[..1]);
        assert!(after.contains("keep those that they have: shop/s0 (192.0.2.0)") && !after.contains("more"), "{after}");
        assert_eq!(said(ExternalIps::Denied, &[]), "Services get no external IPs");
    }

    #[test]
    fn a_release_whose_api_server_cannot_deny_them_refuses_to_be_asked() {
        can_be(ExternalIps::Denied, OF_1_20, "release 1.20.2").unwrap();
        assert!(can_deny(OF_1_20) && !can_deny(OF_1_12), "and a new cluster's file does not ask for it there");
        can_be(ExternalIps::Allowed, OF_1_12, "release 1.12.4").unwrap();
        let refused = can_be(ExternalIps::Denied, OF_1_12, "release 1.12.4").unwrap_err().to_string();
        assert!(
            refused.contains("release 1.12.4 cannot deny") && refused.contains("external_ips = \"allowed\""),
            "{refused}"
        );
    }
}
