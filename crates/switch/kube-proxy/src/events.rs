//! Events about this node and its Services, posted as upstream posts them: as well as can be, a few a minute, and never waited for.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client, api::PostParams};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::model::ServiceName;

/// Between two posts, so that there are at most five a minute.
const PAUSE: Duration = Duration::from_secs(12);

const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// How often one event is tried where the API server cannot be reached.
const ATTEMPTS: usize = 10;

/// Events that wait for their turn; more are dropped.
const QUEUE: usize = 16;

/// Makes the two ends: what events are handed to, and what posts them.
pub fn channel(node_name: &str) -> (Events, Queue) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Events { sender }, Queue { receiver, node_name: node_name.to_owned(), pause: PAUSE })
}

/// Takes events, from any thread.
#[derive(Clone, Debug)]
pub struct Events {
    sender: mpsc::Sender<Notice>,
}

/// Posts them, one after the other.
#[derive(Debug)]
pub struct Queue {
    receiver: mpsc::Receiver<Notice>,
    node_name: String,
    pause: Duration,
}

#[derive(Debug)]
struct Notice {
    kind: &'static str,
    reason: &'static str,
    message: String,
    /// `None`: about this node.
    service: Option<ServiceName>,
    at: Timestamp,
}

impl Events {
    pub fn starting(&self) {
        self.hand_over("Normal", "Starting", "Starting kube-proxy.".to_owned(), None);
    }

    pub fn failed_to_start_proxier_healthcheck(&self, address: SocketAddr, error: &dyn Display) {
        let message = format!("failed to start proxier healthz on {address}: {error}");
        self.hand_over("Warning", "FailedToStartProxierHealthcheck", message, None);
    }

    pub fn failed_to_start_service_healthcheck(&self, service: &ServiceName, port: u16, error: &dyn Display) {
        let message = format!("failed to start healthcheck of {service} on port {port}: {error}");
        self.hand_over("Warning", "FailedToStartServiceHealthcheck", message, Some(service.clone()));
    }

    fn hand_over(&self, kind: &'static str, reason: &'static str, message: String, service: Option<ServiceName>) {
        let notice = Notice { kind, reason, message, service, at: Timestamp::now() };
        if self.sender.try_send(notice).is_err() {
            tracing::debug!(reason, "an event was dropped, as too many wait");
        }
    }
}

impl Queue {
    /// Posts what is handed over, for as long as there are [`Events`].
    pub async fn run(mut self, client: Client) {
        while let Some(notice) = self.receiver.recv().await {
            self.post(&client, &object(&self.node_name, notice)).await;
            sleep(self.pause).await;
        }
    }

    async fn post(&self, client: &Client, event: &Event) {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let reason = event.reason.as_deref().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(client.clone(), namespace);
        for _ in 0..ATTEMPTS {
            match timeout(POST_TIMEOUT, api.create(&PostParams::default(), event)).await {
                Ok(Ok(_)) => return,
                Ok(Err(kube::Error::Api(refused))) if (400..500).contains(&refused.code) && refused.code != 429 => {
                    tracing::info!(reason, error = %refused, "the API server does not want an event");
                    return;
                }
                Ok(Err(error)) => tracing::debug!(reason, %error, "an event could not be posted; trying again"),
                Err(_) => tracing::debug!(reason, "the API server does not answer to an event; trying again"),
            }
            sleep(self.pause).await;
        }
        tracing::info!(reason, "an event was given up, as the API server could not be reached");
    }

    #[cfg(test)]
    pub(crate) async fn next_reason(&mut self) -> Option<&'static str> {
        self.receiver.recv().await.map(|notice| notice.reason)
    }
}

fn object(node_name: &str, notice: Notice) -> Event {
    let about = match &notice.service {
        None => ObjectReference {
            kind: Some("Node".into()),
            name: Some(node_name.into()),
            uid: Some(node_name.into()),
            ..ObjectReference::default()
        },
        Some(service) => ObjectReference {
            kind: Some("Service".into()),
            namespace: Some(service.namespace.to_string()),
            name: Some(service.name.to_string()),
            uid: Some(service.to_string()),
            ..ObjectReference::default()
        },
    };
    let name = about.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", notice.at.as_nanosecond())),
            namespace: Some(about.namespace.clone().unwrap_or_else(|| "default".into())),
            ..ObjectMeta::default()
        },
        involved_object: about,
        type_: Some(notice.kind.into()),
        reason: Some(notice.reason.into()),
        message: Some(notice.message),
        count: Some(1),
        first_timestamp: Some(Time(notice.at)),
        last_timestamp: Some(Time(notice.at)),
        source: Some(EventSource { component: Some("kube-proxy".into()), host: Some(node_name.into()) }),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    type Requests = Arc<Mutex<Vec<(String, serde_json::Value)>>>;

    /// An API server that answers each POST with what `answers` has next, and keeps the path and body of each.
    async fn api_server(answers: Vec<u16>) -> (Client, Requests) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Requests::default();
        let seen = requests.clone();
        tokio::spawn(async move {
            for status in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                let body = loop {
                    let mut bytes = [0; 4096];
                    let length = stream.read(&mut bytes).await.unwrap();
                    text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
                    if let Some((_, body)) = text.split_once("\r\n\r\n")
                        && let Ok(body) = serde_json::from_str::<serde_json::Value>(body)
                    {
                        break body;
                    }
                };
                seen.lock().unwrap().push((text.split(' ').nth(1).unwrap().to_owned(), body.clone()));
                let answer = match status {
                    201 => body.to_string(),
                    code => {
                        serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code})
                            .to_string()
                    }
                };
                let head =
                    format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
                stream.write_all((head + &answer).as_bytes()).await.unwrap();
            }
        });
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        (Client::try_from(config).unwrap(), requests)
    }

    #[tokio::test]
    async fn starting_is_an_event_about_the_node() {
        let (client, requests) = api_server(vec![201]).await;
        let (events, queue) = channel("veos-b");
        events.starting();
        tokio::time::timeout(Duration::from_secs(2), queue.run(client)).await.expect_err("it pauses after a post");
        let requests = requests.lock().unwrap();
        let [(path, event)] = requests.as_slice() else { panic!("{requests:?}") };
        assert!(path.starts_with("/api/v1/namespaces/default/events"), "{path}");
        assert_eq!(event["involvedObject"], serde_json::json!({"kind": "Node", "name": "veos-b", "uid": "veos-b"}));
        assert_eq!(event["source"], serde_json::json!({"component": "kube-proxy", "host": "veos-b"}));
        assert_eq!((&event["type"], &event["reason"]), (&"Normal".into(), &"Starting".into()));
        assert_eq!(event["message"], "Starting kube-proxy.");
    }

    #[tokio::test]
    async fn an_event_about_a_service_is_in_its_namespace() {
        let (client, requests) = api_server(vec![201]).await;
        let (events, queue) = channel("veos-b");
        events.failed_to_start_service_healthcheck(&ServiceName::new("shop", "web"), 30_000, &"Address in use");
        let _ = tokio::time::timeout(Duration::from_secs(2), queue.run(client)).await;
        let requests = requests.lock().unwrap();
        assert!(requests[0].0.starts_with("/api/v1/namespaces/shop/events"), "{}", requests[0].0);
        assert_eq!(requests[0].1["involvedObject"]["name"], "web");
        assert!(requests[0].1["message"].as_str().unwrap().contains("shop/web on port 30000: Address in use"));
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_a_server_s_trouble_is_not() {
        for (answers, posts) in [(vec![403, 201], 1), (vec![500, 201], 2)] {
            let (client, requests) = api_server(answers).await;
            let (events, mut queue) = channel("veos-b");
            queue.pause = Duration::from_millis(1);
            events.starting();
            drop(events);
            queue.run(client).await;
            assert_eq!(requests.lock().unwrap().len(), posts);
        }
    }

    #[tokio::test]
    async fn more_events_than_can_be_posted_are_dropped_and_nobody_waits() {
        let (events, mut queue) = channel("veos-b");
        for _ in 0..10 * QUEUE {
            events.starting();
        }
        drop(events);
        let mut kept = 0;
        while queue.next_reason().await.is_some() {
            kept += 1;
        }
        assert_eq!(kept, QUEUE);
    }
}
