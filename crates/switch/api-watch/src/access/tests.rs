//! What becomes of a kubeconfig where no server can show it, and of a token's file that changes.

use std::fs;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::header::AUTHORIZATION;
use kube::client::Body;

use super::authorization::{Authorization, prepare};
use super::{Access, find};

const NOW_AND_THEN: Duration = Duration::from_secs(60);

/// What comes of a kubeconfig in which the one cluster and the one user have these fields.
fn access(cluster: &str, user: &str) -> Access {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    let context = "current-context: x\ncontexts: [{name: x, context: {cluster: x, user: x}}]\n";
    let entries = format!("clusters: [{{name: x, cluster: {{{cluster}}}}}]\nusers: [{{name: x, user: {{{user}}}}}]\n");
    fs::write(&path, format!("{context}{entries}")).unwrap();
    find(Some(&path), None).unwrap()
}

fn authorization_of(target: &str, authorization: Option<&Authorization>) -> Option<Vec<u8>> {
    let request = Request::get(target).body(Body::empty()).unwrap();
    let request = prepare(request, authorization).ok()?;
    request.headers().get(AUTHORIZATION).map(|value| value.as_bytes().to_vec())
}

#[test]
fn without_a_scheme_the_address_is_https_where_tls_is_set_up() {
    let url = |cluster: &str| access(cluster, "").config.cluster_url.to_string();
    assert_eq!(url("server: 'a:1'"), "http://a:1/");
    assert_eq!(url("server: 'a:1', insecure-skip-tls-verify: true"), "https://a:1/");
}

#[test]
fn what_kube_is_given_has_no_token_that_it_could_end_by() {
    let access = access("server: a", "token: t, username: u, as: a, as-groups: [g]");
    let given = &access.config.auth_info;
    assert!(given.token.is_none() && given.token_file.is_none() && given.username.is_none() && given.exec.is_none());
    assert_eq!(given.impersonate.as_deref(), Some("a"));
    assert_eq!(authorization_of("/", access.authorization.as_ref()), Some(b"Basic dTo=".to_vec()));
}

#[test]
fn a_token_s_file_is_read_again_and_what_it_had_stays_while_it_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "first\n").unwrap();
    let Authorization::File(file) = Authorization::file(path.clone()).unwrap() else { unreachable!() };
    let mut file = file.lock().unwrap();
    let mut now = Instant::now();
    let mut later = |content: Option<&[u8]>| {
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let soon = file.value_at(now).as_bytes().to_vec();
        now += NOW_AND_THEN;
        (soon, file.value_at(now).as_bytes().to_vec())
    };
    let is = |soon: &str, then: &str| (format!("Bearer {soon}").into_bytes(), format!("Bearer {then}").into_bytes());
    assert_eq!(later(Some(b" second\r\n")), is("first", "second"));
    for unusable in [Some(&b"a\nb"[..]), Some(b"\0"), Some(b"a\x7f"), Some(b""), Some(b"\n"), Some(b"\xff"), None] {
        assert_eq!(later(unusable), is("second", "second"), "{unusable:?}");
    }
    assert_eq!(later(Some(b"third")), is("second", "third"));
}

#[test]
fn a_token_stands_in_for_its_file_until_that_can_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let fields = format!("token: x, tokenFile: '{}'", path.display());
    let Some(Authorization::File(file)) = access("server: a", &fields).authorization else { unreachable!() };
    let mut file = file.lock().unwrap();
    let now = Instant::now();
    assert_eq!(file.value_at(now), "Bearer x");
    fs::write(&path, "y").unwrap();
    assert_eq!(file.value_at(now + NOW_AND_THEN), "Bearer y");
    fs::remove_file(&path).unwrap();
    assert_eq!(file.value_at(now + 2 * NOW_AND_THEN), "Bearer y");
}

#[test]
fn a_request_that_makes_no_address_is_not_sent() {
    let fixed = access("server: a", "token: t").authorization;
    let long = |length: usize| format!("/api/v1/services?continue={}", "c".repeat(length));
    assert_eq!(authorization_of(&long(10_000), fixed.as_ref()), Some(b"Bearer t".to_vec()));
    assert_eq!(authorization_of(&long(60_000), fixed.as_ref()), None);
}
