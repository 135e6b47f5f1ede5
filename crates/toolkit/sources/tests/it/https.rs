//! Archives by HTTP: broken off, stalled, wrong, damaged, desired by several at once.

use std::{env, fs, path::Path, thread, time::Duration};

use common::{Sha256, progress::Silent};
use sources::{NoOrigin, PinMismatch, Store};

use crate::{
    server::{Reply, Server},
    support::{again, assert_passed, bytes, fetcher, https, source},
};

const SIZE: usize = 1_000_000;

fn body() -> Vec<u8> {
    bytes(SIZE)
}

fn digest() -> Sha256 {
    Sha256::of_bytes(body())
}

/// Fetches from a server with these replies; the archive must arrive whole.
fn arrives(replies: &[Reply]) -> Vec<usize> {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(body(), replies);
    let fetched = fetcher(cache.path(), &Silent).fetch(&source(vec![https(&server.url, digest())])).unwrap();
    assert_eq!((fetched.files[0].sha256, fetched.files[0].size), (digest(), SIZE as u64));
    assert_eq!(fs::read(Store::open(cache.path()).unwrap().path(&digest())).unwrap(), body());
    assert_eq!(fs::read_dir(cache.path().join("partial")).unwrap().count(), 0);
    server.starts()
}

#[test]
fn a_download_that_is_cut_off_goes_on_where_it_ended() {
    let starts = arrives(&[Reply::CutAfter(400_000), Reply::Good]);
    assert_eq!(starts, [0, 400_000]);
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    assert_eq!(arrives(&[Reply::CutAfter(400_000), Reply::NoRanges]), [0, 400_000]);
}

#[test]
fn a_connection_that_stalls_is_given_up_and_resumed() {
    assert_eq!(arrives(&[Reply::StallAfter(300_000), Reply::Good]), [0, 300_000]);
}

#[test]
fn a_busy_server_is_asked_again() {
    assert_eq!(arrives(&[Reply::Status("503 Service Unavailable"), Reply::Good]).len(), 2);
}

#[test]
fn a_wrong_pin_is_an_error_with_both_digests_and_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(body(), &[Reply::Good]);
    let other = Server::start(b"never asked".to_vec(), &[Reply::Good]);
    let wrong = Sha256::of_bytes("what the recipe says");
    let origins = vec![https(&server.url, wrong), https(&other.url, Sha256::of_bytes("never asked"))];
    let error = fetcher(cache.path(), &Silent).fetch(&source(origins)).unwrap_err();
    let mismatch = error.downcast_ref::<PinMismatch>().expect("a mismatch of the pin");
    assert_eq!(mismatch.expected, format!("sha256 {wrong}"));
    assert_eq!(mismatch.found, format!("sha256 {}", digest()));
    assert!(mismatch.what.contains(&server.url));
    assert!(other.starts().is_empty(), "the next origin was asked");
    for directory in ["blobs", "partial"] {
        assert_eq!(fs::read_dir(cache.path().join(directory)).unwrap().count(), 0);
    }
}

#[test]
fn a_web_page_in_an_archive_s_place_is_passed_over_and_no_reason_to_change_the_pin() {
    for (begin, reply) in [
        ("\n<!DOCTYPE html>", Reply::Good),
        ("\u{feff}<!doctype html>", Reply::Good),
        ("\u{feff}\r\n <HTML>", Reply::Good),
        (" \n\u{feff}<html lang=en>", Reply::Good),
        ("\u{feff}\n\n\n\n\n\n\n\n\n\n<!DOCTYPE html>", Reply::Trickle),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let portal = Server::start(format!("{begin}<title>Sign in</title>").into_bytes(), &[reply]);
        let other = Server::start(body(), &[Reply::Good]);
        let origins = vec![https(&portal.url, digest()), https(&other.url, digest())];
        fetcher(cache.path(), &Silent).fetch(&source(origins)).unwrap_or_else(|error| panic!("{begin:?}: {error:#}"));
        let cache = tempfile::tempdir().unwrap();
        let error = fetcher(cache.path(), &Silent).fetch(&source(vec![https(&portal.url, digest())])).unwrap_err();
        let (_, why) = &error.downcast_ref::<NoOrigin>().expect("none answered").tried[0];
        assert!(why.contains("a web page came in its place"), "{begin:?}: {why}");
    }
}

#[test]
fn certificates_that_a_variable_names_and_that_are_not_there_are_told() {
    if env::var("SSL_CERT_FILE").as_deref() != Ok("/nowhere/ca.pem") {
        let name = "https::certificates_that_a_variable_names_and_that_are_not_there_are_told";
        assert_passed(&again(name, &[("SSL_CERT_FILE", "/nowhere/ca.pem")]).output().unwrap());
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(body(), &[Reply::Good]);
    let error = fetcher(cache.path(), &Silent).fetch(&source(vec![https(&server.url, digest())])).unwrap_err();
    assert!(error.to_string().contains("SSL_CERT_FILE names /nowhere/ca.pem, which is not there"), "{error}");
}

#[test]
fn what_an_earlier_run_left_in_part_is_used_if_it_fits() {
    for (left, starts) in [
        (body()[..600_000].to_vec(), vec![600_000]),
        (body(), vec![SIZE]),
        (vec![7; 600_000], vec![600_000, 0]),
        (vec![7; SIZE + 5], vec![SIZE + 5, 0]),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let store = Store::open(cache.path()).unwrap();
        fs::write(store.partial(&digest()).unwrap().path(), left).unwrap();
        let server = Server::start(body(), &[Reply::Good]);
        fetcher(cache.path(), &Silent).fetch(&source(vec![https(&server.url, digest())])).unwrap();
        assert_eq!(server.starts(), starts);
    }
}

#[test]
fn a_damaged_blob_is_fetched_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(body(), &[Reply::Good]);
    let source = source(vec![https(&server.url, digest())]);
    let fetched = fetcher(cache.path(), &Silent).fetch(&source).unwrap();
    fs::write(Store::open(cache.path()).unwrap().path(&digest()), vec![0; SIZE]).unwrap();
    assert_eq!(fetcher(cache.path(), &Silent).fetch(&source).unwrap(), fetched);
    assert_eq!(server.starts().len(), 2);
    fetcher(cache.path(), &Silent).fetch(&source).unwrap();
    assert_eq!(server.starts().len(), 2, "what is whole is not fetched");
}

#[test]
fn several_that_want_the_same_fetch_it_once() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(body(), &[Reply::Slow]);
    let source = source(vec![https(&server.url, digest())]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fetcher(cache.path(), &Silent).fetch(&source).unwrap());
        }
    });
    assert_eq!(server.starts(), [0]);
}

#[test]
fn a_download_that_is_killed_goes_on_in_the_next_run() {
    let name = "https::a_download_that_is_killed_goes_on_in_the_next_run";
    if let (Ok(url), Ok(cache)) = (env::var("TEST_URL"), env::var("TEST_CACHE")) {
        fetcher(Path::new(&cache), &Silent).fetch(&source(vec![https(&url, digest())])).unwrap();
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(body(), &[Reply::Slow, Reply::Good]);
    let env = [("TEST_URL", server.url.as_str()), ("TEST_CACHE", cache.path().to_str().unwrap())];
    let mut child = again(name, &env).spawn().unwrap();
    let partial = cache.path().join("partial").join(digest().to_string());
    for _ in 0..500 {
        if fs::metadata(&partial).is_ok_and(|meta| meta.len() > 200_000) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!Store::open(cache.path()).unwrap().has(&digest()));
    fetcher(cache.path(), &Silent).fetch(&source(vec![https(&server.url, digest())])).unwrap();
    assert!(matches!(server.starts()[..], [0, start] if start > 200_000), "{:?}", server.starts());
}

#[test]
fn a_server_that_never_gets_anywhere_is_given_up() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(body(), &[Reply::CutAfter(10)]);
    let error = fetcher(cache.path(), &Silent).fetch(&source(vec![https(&server.url, digest())])).unwrap_err();
    let none = error.downcast_ref::<NoOrigin>().unwrap();
    assert!(none.tried[0].1.contains("3 tries"), "{error}");
}
