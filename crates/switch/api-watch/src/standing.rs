//! Whether a watch stands: the API server has begun to answer it. kube's watcher says nothing before something happens, and one that is asked
//! for at a server that hangs is as silent as one on which nothing happens.

use std::sync::Arc;

use futures::FutureExt as _;
use hyper::Request;
use kube::Client;
use kube::client::Body;
use tokio::sync::Notify;
use tower::service_fn;

/// Says when a watch begins to stand.
#[derive(Clone, Debug, Default)]
pub struct Standing(Arc<Notify>);

impl Standing {
    /// Waits until the headers of an answer to a watch have come.
    pub async fn begins(&self) {
        self.0.notified().await;
    }

    /// The one that began is over, and may have been before anybody has heard that it began.
    pub fn no_more(&self) {
        let _ = self.0.notified().now_or_never();
    }
}

/// The same client, and what says when a watch of it stands.
pub fn observed(client: Client) -> (Client, Standing) {
    let standing = Standing::default();
    let namespace = client.default_namespace().to_owned();
    let observer = {
        let standing = standing.clone();
        service_fn(move |request: Request<Body>| {
            let (client, standing) = (client.clone(), standing.clone());
            async move {
                let is_watch = asks_for_a_watch(request.uri().query().unwrap_or_default());
                let response = client.send(request).await?;
                if is_watch && response.status().is_success() {
                    standing.0.notify_one();
                }
                Ok::<_, kube::Error>(response)
            }
        })
    };
    (Client::new(observer, namespace), standing)
}

fn asks_for_a_watch(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"))
}
