//! What the environment says of proxies. This client goes through none: on a switch the API server is a neighbour, and who sets `HTTPS_PROXY` for
//! all programs means images and packages. Only where Go's programs would have gone through one there is something to say.

use std::net::IpAddr;

use hyper::Uri;
use ipnet::IpNet;

/// The variable by which Go's programs would ask a proxy for this server, if there is one. `variable` is the environment.
pub(crate) fn passed_over(server: &Uri, variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let of_either_case = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| Some((name, variable(name).filter(|value| !value.trim().is_empty())?)))
    };
    let names = match server.scheme_str() {
        Some("http") => ["HTTP_PROXY", "http_proxy"],
        _ => ["HTTPS_PROXY", "https_proxy"],
    };
    let (name, _) = of_either_case(names)?;
    let excepted = of_either_case(["NO_PROXY", "no_proxy"]).is_some_and(|(_, list)| names_server(&list, server));
    (!excepted && !is_this_host(server)).then_some(name)
}

fn host(server: &Uri) -> &str {
    server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.')
}

fn is_this_host(server: &Uri) -> bool {
    let host = host(server);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Whether the list of NO_PROXY has the server in it: by an address, a range, a domain, each also with a port, or `*`.
fn names_server(list: &str, server: &Uri) -> bool {
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    let host = host(server).to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Ok(range) = entry.parse::<IpNet>() {
            return address.is_some_and(|address| range.contains(&address));
        }
        let (named, of_port) = split_port(&entry);
        if of_port.is_some_and(|of_port| of_port != port) {
            return false;
        }
        match (named.parse::<IpAddr>(), address) {
            (Ok(named), Some(address)) => named == address,
            (Ok(_), None) | (Err(_), Some(_)) => false,
            (Err(_), None) => is_in_domain(&host, named),
        }
    })
}

/// An entry's host without brackets, and its port if it has one.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((host, after)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, after.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (entry, None),
    }
}

/// A domain is all that ends with it; with a dot or `*.` before it, itself is not.
fn is_in_domain(host: &str, domain: &str) -> bool {
    let domain = domain.strip_prefix('*').unwrap_or(domain);
    match domain.strip_prefix('.') {
        Some(_) => host.len() > domain.len() && host.ends_with(domain),
        None => host == domain || host.strip_suffix(domain).is_some_and(|before| before.ends_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(server: &str, environment: &[(&str, &str)]) -> Option<&'static str> {
        let server = server.parse().expect("an address");
        passed_over(&server, |name| {
            environment.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_proxy_is_worth_a_word_only_where_go_s_programs_would_go_through_it() {
        let proxy = ("HTTPS_PROXY", "http://proxy.example:3128");
        let server = "https://192.168.50.1:6443";
        assert_eq!(said(server, &[proxy]), Some("HTTPS_PROXY"));
        assert_eq!(said(server, &[("https_proxy", proxy.1)]), Some("https_proxy"));
        assert_eq!(said("http://192.168.50.1:8080", &[("http_proxy", proxy.1)]), Some("http_proxy"));
        for nothing in [("HTTPS_PROXY", ""), ("HTTPS_PROXY", " "), ("HTTP_PROXY", proxy.1), ("ALL_PROXY", proxy.1)] {
            assert_eq!(said(server, &[nothing]), None, "{nothing:?}");
        }
        for here in ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443", "https://127.9.9.9"] {
            assert_eq!(said(here, &[proxy]), None, "{here}");
        }
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        let is_named = |server: &str, list: &str| {
            said(server, &[("HTTPS_PROXY", "http://proxy.example:3128"), ("NO_PROXY", list)]).is_none()
        };
        let server = "https://192.168.50.1:6443";
        for list in ["*", "192.168.50.1", "10.0.0.1, 192.168.50.1 ,x", "192.168.0.0/16", "192.168.50.1:6443", ",,*"] {
            assert!(is_named(server, list), "{list}");
        }
        for list in ["192.168.50.2", "10.0.0.0/8", "192.168.50.1:443", "192.168.50", "50.1", ".50.1"] {
            assert!(!is_named(server, list), "{list}");
        }
        let server = "https://Master.k8s.example";
        for list in ["example", ".example", "*.example", "k8s.example", "master.k8s.example:443", "MASTER.k8s.example"]
        {
            assert!(is_named(server, list), "{list}");
        }
        for list in [".master.k8s.example", "ster.k8s.example", "other", "master.k8s.example:6443", "10.0.0.0/8"] {
            assert!(!is_named(server, list), "{list}");
        }
        assert!(is_named("https://[fd00::1]:6443", "[fd00::1]:6443") && is_named("https://[fd00::1]:6443", "fd00::/8"));
    }
}
