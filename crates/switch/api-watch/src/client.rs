//! The connection to the API server.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use hyper::{Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder, DynBody};
use tower::filter::FilterLayer;
use tower::util::MapResponseLayer;

use crate::access::{self, Access};
use crate::proxies;

/// How long a watch lasts before it is made anew: so long at most goes by before a connection that died in silence is noticed.
pub(super) const WATCH_SECONDS: u32 = 60;

/// How long making a connection may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the API server is, and as whom to ask it.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// `--kubeconfig`; without it and without `master`, the service account of a pod.
    pub kubeconfig: Option<PathBuf>,
    /// `--master`: the address, whatever the kubeconfig says.
    pub master: Option<String>,
}

/// Makes a client, within a runtime; does not connect yet. An error is one of the files, and names them.
pub fn connect(to: &Connection) -> anyhow::Result<Client> {
    let Access { mut config, authorization } = access::find(to.kubeconfig.as_deref(), to.master.as_deref())?;
    if let Some(variable) = proxies::passed_over(&config.cluster_url, |name| std::env::var(name).ok()) {
        tracing::warn!(
            "{variable} has no effect: {} is reached without a proxy; with its host in NO_PROXY this is not said",
            config.cluster_url
        );
    }
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(Duration::from_secs(u64::from(WATCH_SECONDS) + 5));
    config.write_timeout = Some(Duration::from_secs(15));
    let builder =
        ClientBuilder::try_from(config).context("TLS cannot be set up; see to the cluster's certificate-authority")?;
    let known = authorization.clone();
    let look = MapResponseLayer::new(move |response: Response<Box<DynBody>>| {
        access::look_at(&response, known.as_ref());
        response
    });
    let prepare = FilterLayer::new(move |request: Request<Body>| access::prepare(request, authorization.as_ref()));
    Ok(builder.with_layer(&look).with_layer(&prepare).build())
}

/// An error with what caused it, in one line.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}
