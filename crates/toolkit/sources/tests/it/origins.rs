//! The order of origins: which is used, which is passed over, and what is said about it.

use common::{Sha256, progress::Silent};
use recipes::OriginKind;
use sources::{AnsweredBy, FetchMode, NoOrigin};

use crate::{
    server::{Reply, Server},
    support::{NOWHERE, Notes, bytes, fetcher, git, https, source},
};

fn digest() -> Sha256 {
    Sha256::of_bytes(bytes(1000))
}

#[test]
fn a_host_that_cannot_be_resolved_is_passed_over_with_one_line() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(bytes(1000), &[Reply::Good]);
    let notes = Notes::default();
    let fetched =
        fetcher(cache.path(), &notes).fetch(&source(vec![https(NOWHERE, digest()), https(&server.url, digest())]));
    let answer = fetched.unwrap().answer;
    assert_eq!((answer.by, answer.description), (AnsweredBy::Https, server.url.clone()));
    let lines = notes.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("thing: passing over {NOWHERE}: ")), "{lines:?}");
}

#[test]
fn an_archive_that_a_server_has_not_got_is_looked_for_at_the_next() {
    let cache = tempfile::tempdir().unwrap();
    let empty = Server::start(Vec::new(), &[Reply::Status("404 Not Found")]);
    let server = Server::start(bytes(1000), &[Reply::Good]);
    let notes = Notes::default();
    let origins = vec![https(&empty.url, digest()), https(&server.url, digest())];
    fetcher(cache.path(), &notes).fetch(&source(origins)).unwrap();
    assert_eq!(empty.starts().len(), 1);
    assert!(notes.lines()[0].contains("404 Not Found"), "{:?}", notes.lines());
}

#[test]
fn with_no_network_at_all_every_origin_is_listed_with_its_reason() {
    let cache = tempfile::tempdir().unwrap();
    let repository = "http://also-nowhere.invalid/thing.git";
    let origins = vec![https(NOWHERE, digest()), git(repository, &"a".repeat(40))];
    let error = fetcher(cache.path(), &Silent).fetch(&source(origins)).unwrap_err();
    let none = error.downcast_ref::<NoOrigin>().unwrap();
    assert_eq!(none.tried.len(), 2);
    assert!(none.tried[0].1.contains("dns") || none.tried[0].1.contains("connect"), "{error}");
    let text = error.to_string();
    assert!(text.contains("thing 1.2.3") && text.contains(NOWHERE) && text.contains(repository), "{text}");
    assert!(text.contains("--source"), "{text}");
}

#[test]
fn a_host_out_of_reach_is_tried_once_in_a_run() {
    let cache = tempfile::tempdir().unwrap();
    let fetcher = fetcher(cache.path(), &Silent);
    let source = source(vec![https(NOWHERE, digest())]);
    fetcher.fetch(&source).unwrap_err();
    let error = fetcher.fetch(&source).unwrap_err().to_string();
    assert!(error.contains("no-such-host.invalid was out of reach before"), "{error}");
}

#[test]
fn offline_uses_what_is_there_and_names_what_is_not() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(bytes(1000), &[Reply::Good]);
    let there = source(vec![https(NOWHERE, Sha256::of_bytes("elsewhere")), https(&server.url, digest())]);
    let absent = source(vec![git("http://nowhere.invalid/x.git", &"b".repeat(40))]);
    fetcher(cache.path(), &Silent).fetch(&there).unwrap();
    let offline = fetcher(cache.path(), &Silent).mode(FetchMode::Offline);
    assert_eq!(offline.fetch(&there).unwrap().answer.description, server.url);
    assert!(offline.cached(&there).unwrap().is_some());
    assert!(offline.missing(&there).unwrap().is_empty());
    let missing = offline.missing(&absent).unwrap();
    assert_eq!(missing, [format!("thing 1.2.3: http://nowhere.invalid/x.git at {}", "b".repeat(40))]);
    let error = offline.fetch(&absent).unwrap_err().to_string();
    assert!(error.contains("not in the cache") && error.contains("--offline"), "{error}");
    assert_eq!(server.starts().len(), 1);
}

#[test]
fn only_origins_of_the_chosen_kind_are_used() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(bytes(1000), &[Reply::Good]);
    let source = source(vec![git("http://nowhere.invalid/x.git", &"b".repeat(40)), https(&server.url, digest())]);
    let notes = Notes::default();
    let chosen = fetcher(cache.path(), &notes).only(Some(OriginKind::Https));
    assert_eq!(chosen.fetch(&source).unwrap().answer.by, AnsweredBy::Https);
    assert!(notes.lines().is_empty());
    let error = fetcher(cache.path(), &Silent).only(Some(OriginKind::Debian)).fetch(&source).unwrap_err();
    assert_eq!(error.to_string(), "thing has no origin of kind debian: it has git, https");
}
