//! Masters that are not there yet, or go away, or come back repaired.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use common::retry::RetryPolicy;
use enrolment::{EnrolError, Enrolled, Request, Retry, ServerLimits, Token, enrol_until_answered};

use crate::{
    peer::{Peer, Seen, body},
    support::{Master, NAME, OTHER_TOKEN, TOKEN, csrs, enrol_with, free_address, identity, issued, request, token},
};

const BACKOFF: RetryPolicy = RetryPolicy::backoff(Duration::from_secs(1), Duration::from_secs(30), 0.5);

/// Enrols with a clock that only `sleep` moves; the pauses and their errors come back too.
fn patiently(
    master: SocketAddr,
    sleep: impl FnMut(Duration),
    stop: &AtomicBool,
) -> (Option<Enrolled>, Vec<(Duration, Retry, String)>) {
    let (token, csrs) = (token(), csrs());
    let identity = identity();
    let request = Request { csrs: &csrs, ..request(master, &token, &identity) };
    let mut failures = vec![];
    let enrolled = enrol_until_answered(
        &request,
        &BACKOFF,
        sleep,
        |attempt| {
            failures.push((attempt.pause, attempt.error.retry(), attempt.error.to_string()));
            assert_eq!(attempt.number as usize, failures.len());
        },
        stop,
    );
    (enrolled.unwrap(), failures)
}

#[test]
fn a_worker_that_starts_an_hour_before_its_master_is_enrolled_when_it_comes() {
    const HOUR: Duration = Duration::from_secs(3600);
    let address = free_address();
    let mut slept = Duration::ZERO;
    let mut master = None;
    let come = |piece| {
        slept += piece;
        if slept >= HOUR && master.is_none() {
            master = Some(Master::start(address, token(), ServerLimits::default()));
        }
    };
    let (enrolled, failures) = patiently(address, come, &AtomicBool::new(false));
    assert_eq!(enrolled.unwrap().issued, issued(&csrs()));
    assert!(slept < HOUR + Duration::from_secs(30), "it took {slept:?}");
    assert!(failures.iter().all(|(.., error)| error.contains("cannot be reached")), "{failures:?}");

    let pauses: Vec<Duration> = failures.iter().map(|(pause, ..)| *pause).collect();
    for (number, pause) in pauses.iter().enumerate() {
        let whole = Duration::from_secs(1 << number.min(10)).min(Duration::from_secs(30));
        assert!((whole / 2..=whole).contains(pause), "pause {number} of {whole:?} is {pause:?}");
    }
    let (least, most) = (pauses[5..].iter().min().unwrap(), pauses[5..].iter().max().unwrap());
    assert!(*most - *least > Duration::from_secs(2), "no jitter between {least:?} and {most:?}");
}

#[test]
fn a_waiting_worker_never_tries_more_often_than_its_master_allows() {
    let mut times = vec![Duration::ZERO];
    let mut now = Duration::ZERO;
    let stop = AtomicBool::new(false);
    let sleep = |piece| {
        now += piece;
        stop.store(now > Duration::from_secs(600), Ordering::SeqCst);
    };
    let (_, failures) = patiently(free_address(), sleep, &stop);
    for (pause, ..) in failures {
        times.push(*times.last().unwrap() + pause);
    }
    let allowed = ServerLimits::default().attempts_a_minute as usize;
    for tries in times.windows(allowed + 1) {
        assert!(tries[allowed] - tries[0] >= Duration::from_secs(60), "{allowed} tries within a minute: {tries:?}");
    }
}

/// The points of an exchange at which a master may go away.
const STEPS: [&str; 6] =
    ["before TLS", "after TLS", "after the hello", "after the challenge", "after the request", "within the answer"];

fn go_away(socket: TcpStream, step: usize) {
    if step == 0 {
        return;
    }
    let mut peer = Peer::server(socket).unwrap();
    match step {
        1 => {}
        2 => drop(peer.receive().unwrap()),
        3 => {
            peer.receive().unwrap();
            peer.send(&serde_json::json!({"challenge": {"nonce": "11".repeat(32)}})).unwrap();
        }
        4 => drop(Seen::as_master(&mut peer, TOKEN).unwrap()),
        _ => {
            let (seen, _) = Seen::as_master(&mut peer, TOKEN).unwrap();
            let answer = seen.answer(&body(&seen.csrs)).to_string();
            let length = (answer.len() as u32).to_be_bytes();
            peer.send_bytes(&[&length, &answer.as_bytes()[..answer.len() / 2]].concat()).unwrap();
        }
    }
}

#[test]
fn a_master_that_goes_away_at_any_step_and_comes_back_serves_the_worker() {
    for (step, name) in STEPS.iter().enumerate() {
        let listener = TcpListener::bind(free_address()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut leaving = Some(thread::spawn(move || go_away(listener.accept().unwrap().0, step)));
        let mut master = None;
        let come_back = |_| {
            if let Some(leaving) = leaving.take() {
                leaving.join().unwrap();
                master = Some(Master::start(address, token(), ServerLimits::default()));
            }
        };
        let (enrolled, failures) = patiently(address, come_back, &AtomicBool::new(false));
        assert_eq!(enrolled.unwrap().issued, issued(&csrs()), "{name}");
        assert_eq!(failures.len(), 1, "{name}: {failures:?}");
        assert_eq!(failures[0].1, Retry::Soon, "{name}: {failures:?}");
        let error = &failures[0].2;
        assert!(error.contains("the other side closed the connection") || error.contains("reset"), "{name}: {error}");
    }
}

#[test]
fn a_wrong_token_is_tried_slowly_until_somebody_repairs_it() {
    let mut master = Master::start(free_address(), Token::new(OTHER_TOKEN).unwrap(), ServerLimits::default());
    let address = master.address;
    let mut slept = Duration::ZERO;
    let mut repaired = None;
    let repair = |piece| {
        slept += piece;
        if slept >= Duration::from_secs(100) && repaired.is_none() {
            master.end();
            repaired = Some(Master::start(address, token(), ServerLimits::default()));
        }
    };
    let (enrolled, failures) = patiently(address, repair, &AtomicBool::new(false));
    assert_eq!(enrolled.unwrap().issued, issued(&csrs()));
    for (pause, retry, error) in failures {
        assert_eq!(retry, Retry::Slowly, "{error}");
        assert!((15..=30).contains(&pause.as_secs()), "{pause:?}");
    }
}

#[test]
fn a_stop_ends_the_waiting_within_a_piece_of_a_pause() {
    let stop = AtomicBool::new(false);
    let mut pieces = 0;
    let sleep = |_| {
        pieces += 1;
        stop.store(pieces == 20, Ordering::SeqCst);
    };
    let (enrolled, _) = patiently(free_address(), sleep, &stop);
    assert!(enrolled.is_none());
    assert_eq!(pieces, 20);
}

#[test]
fn a_request_that_can_never_be_sent_is_not_tried_again() {
    let token = token();
    let identity = identity();
    let request = Request { name: "not a name", ..request(free_address(), &token, &identity) };
    let never = |_: Duration| panic!("it waits");
    let error = enrol_until_answered(&request, &BACKOFF, never, |_| {}, &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(error, EnrolError::Request { .. }), "{error}");
}

#[test]
fn a_master_that_is_stopped_ends_what_it_has_begun_and_takes_no_more() {
    let mut master = Master::usual();
    let mut worker = Peer::connect(master.address).unwrap();
    let seen = Seen::as_worker(&mut worker, TOKEN, NAME, &csrs()).unwrap();
    master.stop.stop();
    let error = enrol_with(master.address, &token(), NAME, &csrs()).unwrap_err();
    assert_eq!(error.retry(), Retry::Soon, "{error}");
    worker.send(&seen.request()).unwrap();
    assert!(worker.receive().unwrap()["answer"].is_object());
    let asked = Instant::now();
    master.end();
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?} to end", asked.elapsed());
}
