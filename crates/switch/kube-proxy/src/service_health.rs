//! The `healthCheckNodePort` of Services with `externalTrafficPolicy: Local`: load balancers ask there whether this node has endpoints.
//! While this program is not healthy it says that there are none, as upstream's does since 1.26: what it would lead there to may be out of date.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use ipnet::Ipv4Net;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::events::Events;
use crate::healthz::Health;
use crate::model::ServiceName;
use daemon::http::{self, HttpAnswer};

const BIND_RETRY: Duration = Duration::from_secs(1);

/// For each port, whose it is and how many ready endpoints that Service has on this node.
pub type DesiredHealth = BTreeMap<u16, (ServiceName, usize)>;

/// Where the syncer says what is to be served; it never waits.
#[derive(Debug)]
pub struct ServiceHealth {
    sender: watch::Sender<DesiredHealth>,
}

impl ServiceHealth {
    /// Replaces everything that is served.
    pub fn sync(&self, desired: DesiredHealth) {
        self.sender.send_if_modified(|served| {
            let differs = *served != desired;
            *served = desired;
            differs
        });
    }
}

/// What serves it.
#[derive(Debug)]
pub struct HealthServers {
    desired: watch::Receiver<DesiredHealth>,
    addresses: Vec<Ipv4Net>,
    health: Arc<Health>,
    events: Events,
    running: BTreeMap<u16, Server>,
}

/// Makes the two ends. It is served on all addresses of the node, or those in `nodeport_addresses`.
pub fn channel(
    nodeport_addresses: Vec<Ipv4Net>,
    health: Arc<Health>,
    events: Events,
) -> (ServiceHealth, HealthServers) {
    let (sender, desired) = watch::channel(DesiredHealth::new());
    (
        ServiceHealth { sender },
        HealthServers { desired, addresses: nodeport_addresses, health, events, running: BTreeMap::new() },
    )
}

#[derive(Debug)]
enum Server {
    Running(JoinHandle<()>),
    /// The port was in use; that has been told.
    Waiting,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::Running(task) = self {
            task.abort();
        }
    }
}

impl HealthServers {
    /// Starts and stops servers, for as long as there is a [`ServiceHealth`].
    pub async fn run(mut self) {
        loop {
            let desired = self.desired.borrow_and_update().clone();
            self.running.retain(|port, _| desired.contains_key(port));
            for (&port, (service, _)) in &desired {
                self.ensure(port, service).await;
            }
            let waits = self.running.values().any(|server| matches!(server, Server::Waiting));
            let retry = Instant::now() + BIND_RETRY;
            tokio::select! {
                changed = self.desired.changed() => if changed.is_err() {
                    return;
                },
                () = sleep_until(retry), if waits => {}
            }
        }
    }

    async fn ensure(&mut self, port: u16, service: &ServiceName) {
        if let Some(Server::Running(_)) = self.running.get(&port) {
            return;
        }
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await {
            Ok(listener) => {
                tracing::debug!(%service, port, "serving a Service's health");
                self.running.insert(port, Server::Running(self.serve(listener, port)));
            }
            Err(error) => {
                if self.running.insert(port, Server::Waiting).is_none() {
                    tracing::warn!(%service, port, %error, "nothing can listen for a Service's health; trying again");
                    self.events.failed_to_start_service_healthcheck(service, port, &error);
                }
            }
        }
    }

    fn serve(&self, listener: TcpListener, port: u16) -> JoinHandle<()> {
        let addresses = self.addresses.clone();
        let admit = move |local: SocketAddr| match local.ip() {
            IpAddr::V4(ip) => addresses.is_empty() || addresses.iter().any(|block| block.contains(&ip)),
            IpAddr::V6(_) => false,
        };
        let (desired, health) = (self.desired.clone(), Arc::clone(&self.health));
        let answer = move |_: &str| match desired.borrow().get(&port) {
            Some((service, local_endpoints)) => {
                answer(service, *local_endpoints, health.is_healthy(Instant::now().into_std()))
            }
            None => HttpAnswer::not_found(),
        };
        tokio::spawn(async move {
            http::serve(listener, admit, answer).await;
        })
    }
}

/// Laid out as upstream lays it out.
fn answer(service: &ServiceName, local_endpoints: usize, healthy: bool) -> HttpAnswer {
    let served = healthy && local_endpoints > 0;
    let status = if served { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let ServiceName { namespace, name } = service;
    let body = format!(
        "{{\n\t\"service\": {{\n\t\t\"namespace\": {namespace:?},\n\t\t\"name\": {name:?}\n\t}},\n\t\"localEndpoints\": {local_endpoints}\n}}"
    );
    HttpAnswer::json(status, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events;
    use daemon::http::client;

    fn web(port: u16, local_endpoints: usize) -> DesiredHealth {
        DesiredHealth::from([(port, (ServiceName::new("shop", "web"), local_endpoints))])
    }

    /// A port that was free a moment ago.
    fn free_port() -> u16 {
        std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
    }

    /// Asks until the answer is `expected`; `None` is a refused connection.
    async fn await_status(port: u16, expected: Option<u16>) -> Option<(u16, String, String)> {
        for _ in 0..200 {
            let answer = client::get(([127, 0, 0, 1], port).into(), "/").await.ok();
            if answer.as_ref().map(|answer| answer.0) == expected {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("port {port} never answered {expected:?}");
    }

    fn start(addresses: Vec<Ipv4Net>) -> (ServiceHealth, events::Queue) {
        let health = Health::new(Duration::from_secs(3600));
        health.updated();
        start_with(addresses, Arc::new(health))
    }

    fn start_with(addresses: Vec<Ipv4Net>, health: Arc<Health>) -> (ServiceHealth, events::Queue) {
        let (events, queue) = events::channel("veos-b");
        let (health, servers) = channel(addresses, health, events);
        tokio::spawn(servers.run());
        (health, queue)
    }

    #[tokio::test]
    async fn a_node_with_endpoints_answers_200_and_one_without_503() {
        let port = free_port();
        let (health, _queue) = start(Vec::new());
        health.sync(web(port, 0));
        await_status(port, Some(503)).await;
        health.sync(web(port, 2));
        let (_, head, body) = await_status(port, Some(200)).await.unwrap();
        assert!(head.contains("content-type: application/json"), "{head}");
        let expected = serde_json::json!({"service": {"namespace": "shop", "name": "web"}, "localEndpoints": 2});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), expected);
    }

    #[tokio::test]
    async fn while_the_proxy_is_unhealthy_it_is_503_whatever_endpoints_there_are() {
        let port = free_port();
        let proxy = Arc::new(Health::new(Duration::from_millis(50)));
        let (health, _queue) = start_with(Vec::new(), Arc::clone(&proxy));
        health.sync(web(port, 2));
        await_status(port, Some(503)).await;
        proxy.updated();
        await_status(port, Some(200)).await;
        // Nothing that changes from here on gets through.
        proxy.queued_update();
        let (.., body) = await_status(port, Some(503)).await.unwrap();
        assert!(body.contains("\"localEndpoints\": 2"), "{body}");
        proxy.updated();
        await_status(port, Some(200)).await;
    }

    #[tokio::test]
    async fn a_service_that_is_gone_is_no_longer_served_and_a_port_can_change_hands() {
        let (first, second) = (free_port(), free_port());
        let (health, _queue) = start(Vec::new());
        health.sync(web(first, 1));
        await_status(first, Some(200)).await;
        health.sync(web(second, 1));
        await_status(second, Some(200)).await;
        await_status(first, None).await;
        health.sync(DesiredHealth::from([(second, (ServiceName::new("shop", "other"), 0))]));
        assert!(await_status(second, Some(503)).await.unwrap().2.contains("other"));
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_once_and_taken_when_it_is_free() {
        let holder = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        let (health, mut queue) = start(Vec::new());
        health.sync(web(port, 1));
        assert_eq!(queue.next_reason().await, Some("FailedToStartServiceHealthcheck"));
        drop(holder);
        health.sync(web(port, 2));
        await_status(port, Some(200)).await;
        drop(health);
        assert_eq!(queue.next_reason().await, None, "one event, and then the end");
    }

    #[tokio::test]
    async fn only_the_addresses_of_node_ports_serve_it() {
        let port = free_port();
        let (health, _queue) = start(vec!["127.0.0.2/32".parse().unwrap()]);
        health.sync(web(port, 1));
        for _ in 0..200 {
            if let Ok((200, ..)) = client::get(([127, 0, 0, 2], port).into(), "/").await {
                assert!(client::get(([127, 0, 0, 1], port).into(), "/").await.is_err());
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never served on 127.0.0.2");
    }
}
