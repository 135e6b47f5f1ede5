//! The API server's address: from what people write, and client-go takes, to a URL that is whole.

use std::net::Ipv6Addr;

use hyper::Uri;
use rustls::pki_types::ServerName;

/// Far more than any prefix that an API server is served under, and little enough to leave room for a request's own path.
pub(super) const LONGEST_PATH: usize = 1024;

/// Reads a URL or HOST:PORT. Where there is no scheme it is https if anything of TLS is set up, else http. An error reads on from the name
/// of where `text` is.
pub(super) fn address(text: &str, with_tls: bool) -> Result<Uri, String> {
    let text = text.trim();
    let shown = shown(text);
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
        None if with_tls => ("https", text),
        None => ("http", text),
        Some(_) => return Err(format!("{shown:?} does not begin with http:// or https://")),
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        // It is not shown, as there may be a password in it.
        return Err("has a user name: leave it out, and write the user into the kubeconfig".to_owned());
    }
    let (host, port) = host_and_port(authority).map_err(|why| format!("{shown:?} {why}"))?;
    if !path.is_empty() && path != "/" && !text.contains("://") {
        return Err(format!("{shown:?} has a path: write http:// or https:// before it"));
    }
    if path.len() > LONGEST_PATH {
        return Err(format!("{shown:?}… has a path of {} bytes: at most {LONGEST_PATH} will do", path.len()));
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{path}")
        .parse()
        .map_err(|error| format!("{shown:?} has a path that is none: {error}"))
}

/// What an error may show of it: nothing from a `?` or `#` on, and no user or password, wherever something is missing or too much.
pub fn shown(text: &str) -> String {
    let is_scheme = |scheme: &str| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (scheme, rest) = match text.find("://") {
        Some(at) if is_scheme(&text[..at]) => text.split_at(at + 3),
        _ => ("", text),
    };
    // A password may have slashes and a `?` in it, and what comes after `?` an `@`.
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let rest = match rest.rfind('@') {
        Some(at) if at < end => format!("…{}", &rest[at..end]),
        Some(_) => "…".to_owned(),
        None if end < rest.len() => format!("{}…", &rest[..end]),
        None => rest.to_owned(),
    };
    scheme.chars().chain(rest.chars()).take(100).collect()
}

/// The host as a URL has it, and the port if there is one.
fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let no_host = || "has no host name or IP address where it should: write https://HOST:PORT".to_owned();
    let (host, after) = match authority.find(']') {
        Some(end) if authority.starts_with('[') => authority.split_at(end + 1),
        _ => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if after.matches(':').count() > 1 {
        return Err("has more than one colon: an IPv6 address is written in brackets, [fd00::1]:6443".to_owned());
    }
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => ServerName::try_from(host).is_ok(),
    };
    if !is_host {
        return Err(no_host());
    }
    let port = match after.strip_prefix(':') {
        None if after.is_empty() => None,
        None => return Err(no_host()),
        // Go takes it for the scheme's own.
        Some("") => None,
        Some(port) => {
            let port = port.parse().ok().filter(|&port| port != 0 && !after.contains('+'));
            Some(port.ok_or_else(|| "has a port that is no number from 1 to 65535".to_owned())?)
        }
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_client_go_takes_is_made_whole_as_it_does() {
        for (text, without_tls, with_tls) in [
            ("10.0.0.1:6443", "http://10.0.0.1:6443/", "https://10.0.0.1:6443/"),
            ("localhost", "http://localhost/", "https://localhost/"),
            ("localhost:8080/", "http://localhost:8080/", "https://localhost:8080/"),
            ("my_api.example.:", "http://my_api.example./", "https://my_api.example./"),
            ("[fd00::1]:6443", "http://[fd00::1]:6443/", "https://[fd00::1]:6443/"),
            (" HTTPS://a:1\n", "https://a:1/", "https://a:1/"),
            ("http://a", "http://a/", "http://a/"),
            ("https://[::1]", "https://[::1]/", "https://[::1]/"),
            ("https://a/k8s/clusters/c-1/", "https://a/k8s/clusters/c-1/", "https://a/k8s/clusters/c-1/"),
            ("https://a:1/p?q=a@b://#f", "https://a:1/p", "https://a:1/p"),
        ] {
            let is = |with_tls| address(text, with_tls).map(|uri| uri.to_string());
            assert_eq!((is(false), is(true)), (Ok(without_tls.to_owned()), Ok(with_tls.to_owned())), "{text}");
        }
    }

    #[test]
    fn an_error_shows_nothing_secret_whatever_else_is_wrong() {
        for (text, is) in [
            ("ftp://u:SECRET@h", "ftp://…@h"),
            ("u:SECRET/x@h", "…@h"),
            ("https://h h?token=SECRET", "https://h h…"),
            ("https://h h#SECRET", "https://h h…"),
            ("https://u:SECRET/x@h:x/p?token=SECRET", "https://…@h:x/p"),
            ("https://u:SEC?RET@h", "https://…"),
            ("https://u:SEC#RET@h", "https://…"),
            ("https://h h?user=a@SECRET", "https://…"),
            ("https://SECRET@SECRET@h h", "https://…@h h"),
            ("https://u:SECRET://x@h h", "https://…@h h"),
            ("u:SECRET@h://x", "…@h://x"),
            ("u?SECRET://x", "u…"),
            ("https:/u:SECRET@h", "…@h"),
            ("unix:/run/api.sock", "unix:/run/api.sock"),
        ] {
            let error = address(text, true).unwrap_err();
            assert_eq!((shown(text), error.contains("SEC")), (is.to_owned(), false), "{text}: {error}");
        }
        assert!(!address("https://u:SECRET@h", true).unwrap_err().contains("SECRET"));
        assert!(address(&"é".repeat(1000), true).unwrap_err().len() < 400);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_whole_or_refused(text in "(https?://)?(([\\[\\]:/@?#%*.é\n\0 ]|[a-c]|[0-9]{1,6}){0,8}|\\PC{0,20})") {
            if let Ok(uri) = address(&text, true) {
                prop_assert!(uri.scheme().is_some() && uri.authority().is_some() && uri.path_and_query().is_some());
                prop_assert!(uri.host().is_some_and(|host| !host.is_empty()), "{uri}");
                prop_assert_eq!(uri.port().is_some(), uri.port_u16().is_some(), "{}", uri);
            }
        }

        #[test]
        fn a_user_and_a_query_are_never_shown(
            before in "([a-z]{1,5}:(//)?)?[a-z:/]{0,8}",
            after in "([:/ ?#@][a-z0-9]{0,4}){0,4}",
        ) {
            for text in [format!("{before}SECRET@h{after}"), format!("{before}h?x=SECRET{after}")] {
                let refused = address(&text, true).err().unwrap_or_default();
                prop_assert!(!shown(&text).contains("SECRET") && !refused.contains("SECRET"), "{text}: {refused}");
            }
        }
    }
}
