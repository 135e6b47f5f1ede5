//! The master is away: what was known is answered, and said to be old, over restarts of the program and of the switch.

use api_watch::fake::{ENDPOINTS, SERVICES};
use serde_json::json;

use crate::client::{by_udp, question, with_edns};
use crate::running::Running;

/// Extended DNS error 3, as bytes: what is answered may not be true any more.
fn says_stale(running: &Running) -> bool {
    let asked = with_edns(question("web.shop.svc.cluster.local.", "A"), 1232);
    let answer = by_udp(running.address, &asked).unwrap();
    assert_eq!(answer.data, ["10.10.0.20"]);
    let edns = answer.message.edns.unwrap();
    edns.options().options.iter().any(|(code, _)| u16::from(*code) == 15)
}

#[test]
fn while_the_api_server_is_away_names_are_answered_and_said_to_be_stale() {
    let running = Running::start();
    assert!(!says_stale(&running));
    running.api.set_away(true);
    running.until("stale");
    assert!(says_stale(&running));
    assert_eq!(running.get("/healthz").unwrap().0, 200);
    running.wait_for("the metric says so", || running.metric("cluster_dns_stale") == 1.0);
    running.api.set_away(false);
    running.until("current");
    assert!(!says_stale(&running));
}

#[test]
fn a_restart_without_the_api_server_keeps_names_also_after_a_power_cut() {
    let mut running = Running::start();
    running.wait_for("names are kept", || running.kept("run").exists() && running.kept("state").exists());
    running.api.set_away(true);
    running.stop(true);
    running.run();
    running.until("stale");
    assert!(says_stale(&running));
    // The switch was rebooted: what is in memory is gone.
    running.stop(false);
    std::fs::remove_file(running.kept("run")).unwrap();
    running.run();
    running.until("stale");
    assert!(says_stale(&running));
    // Services that are gone meanwhile go when the API server is heard.
    running.api.delete(SERVICES, "shop", "web");
    running.api.set_away(false);
    running.until("current");
    running.wait_for("it is gone", || running.ask("web.shop.svc.cluster.local.", "A").code == "NXDomain");
}

#[test]
fn who_knows_nothing_says_nothing_rather_than_that_there_is_nothing() {
    let mut running = Running::new();
    running.api.set_away(true);
    running.run();
    running.wait_for("health is served", || running.get("/healthz").is_some());
    assert_eq!(running.get("/healthz").unwrap().0, 503);
    assert!(crate::client::ask(running.address, "web.shop.svc.cluster.local.", "A").is_none());
    running.api.set_away(false);
    running.until("current");
    assert_eq!(running.get("/healthz").unwrap().0, 200);
}

#[test]
fn a_404_of_somebody_in_front_of_the_api_server_is_no_end_and_names_are_stale_meanwhile() {
    for kind in [SERVICES, ENDPOINTS] {
        let running = Running::start();
        running.api.fail(kind, 404, usize::MAX);
        running.api.cut();
        running.until("stale");
        running.api.fail(kind, 404, 0);
        running.put_service("late", json!({"clusterIP": "10.10.0.30"}));
        running.put_endpoints("db", &[1, 2, 3]);
        running.answers("late.shop.svc.cluster.local.", "A", &["10.10.0.30"]);
        running.answers("db.shop.svc.cluster.local.", "A", &["10.16.0.1", "10.16.0.2", "10.16.0.3"]);
        running.until("current");
    }
}
