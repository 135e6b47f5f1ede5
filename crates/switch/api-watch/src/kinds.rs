//! The watches of what every proxy and name service needs: Services, and EndpointSlices where the API server has them in v1, else Endpoints;
//! and of any other kind that every API server has. None of them ends as long as somebody listens.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use super::again::{Again, pause_after_answer, pause_without_answer};
use super::client::causes;
use super::follow::{Ended, Gatherer, follow};

/// What every API server serves, and so has a 404 for one that is not itself at the moment: a load balancer in front of it, say.
const FOR_EVER: &str = "the API server answered 404 for what it serves; asking again";

const NO_MORE: &str = "the API server does not serve what was watched any more; looking again";

/// The group of EndpointSlices, and its version.
const SLICES: (&str, &str) = ("discovery.k8s.io", "discovery.k8s.io/v1");

pub async fn watch_services<G: Gatherer<Service>>(client: Client, gatherer: impl Fn() -> G) {
    watch(client, gatherer).await;
}

/// Watches a kind that every API server has, until nobody listens. `gatherer` makes one for each time that it begins anew.
pub async fn watch<K, G>(client: Client, gatherer: impl Fn() -> G)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    G: Gatherer<K>,
{
    let mut again = Again::default();
    while follow(client.clone(), gatherer()).await == Ended::KindIsGone {
        begin_again(&mut again, FOR_EVER).await;
    }
}

/// The same of `of_slices` or `of_endpoints`, whichever the API server has. Without `slices`, Endpoints are watched whatever there is.
pub async fn watch_endpoints<S, E>(
    client: Client,
    slices: bool,
    of_slices: impl Fn() -> S,
    of_endpoints: impl Fn() -> E,
) where
    S: Gatherer<EndpointSlice>,
    E: Gatherer<Endpoints>,
{
    let mut again = Again::default();
    loop {
        let ended = if slices && has_endpoint_slices(&client).await {
            follow(client.clone(), of_slices()).await
        } else {
            follow(client.clone(), of_endpoints()).await
        };
        match ended {
            Ended::NobodyListens => return,
            Ended::KindIsGone => begin_again(&mut again, NO_MORE).await,
        }
    }
}

async fn begin_again(again: &mut Again, why: &str) {
    if again.is_first() {
        tracing::warn!("{why}");
    }
    again.wait().await;
}

/// Asks until the API server answers.
async fn has_endpoint_slices(client: &Client) -> bool {
    let mut failures: u32 = 0;
    loop {
        let asked = match client.list_api_group_resources(SLICES.1).await {
            Ok(list) => return list.resources.iter().any(|resource| resource.name == "endpointslices"),
            // That there is none is believed if it is not among those that there are.
            Err(kube::Error::Api(status)) if status.code == 404 => client.list_api_groups().await.map(|list| {
                let group = list.groups.iter().find(|group| group.name == SLICES.0);
                group.is_some_and(|group| group.versions.iter().any(|version| version.group_version == SLICES.1))
            }),
            Err(error) => Err(error),
        };
        failures = failures.saturating_add(1);
        let pause = match &asked {
            Ok(_) => pause_after_answer(failures, None),
            Err(kube::Error::Api(status)) => pause_after_answer(failures, Some(status)),
            Err(_) => pause_without_answer(failures),
        };
        match asked {
            Ok(false) => return false,
            Ok(true) => tracing::debug!("the API server has {}, and answered 404 for it", SLICES.1),
            Err(error) if failures == 1 => {
                tracing::warn!(error = %causes(&error), "the API server does not answer; asking until it does");
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
