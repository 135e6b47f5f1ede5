//! The connection to the API server.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tower::BoxError;
use tower::filter::FilterLayer;
use tower::util::{MapErrLayer, MapResponseLayer};

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

/// Makes a client, within a runtime; does not connect yet. It asks once: whoever asks again knows what it means meanwhile. An error is one of the files, and names them.
pub fn connect(to: &Connection) -> anyhow::Result<Client> {
    let Access { mut config, identity, authorization } = access::find(to.kubeconfig.as_deref(), to.master.as_deref())?;
    if let Some(variable) = proxies::passed_over(&config.cluster_url, |name| std::env::var(name).ok()) {
        tracing::warn!(
            "{variable} has no effect: {} is reached without a proxy; with its host in NO_PROXY this is not said",
            config.cluster_url
        );
    }
    let service =
        hyper_util::client::legacy::Builder::new(TokioExecutor::new()).build::<_, Body>(connector(&config, identity)?);
    let known = authorization.clone();
    let look = MapResponseLayer::new(move |response: Response<Incoming>| {
        access::look_at(&response, known.as_ref());
        response
    });
    let prepare = FilterLayer::new(move |request: Request<Body>| access::prepare(request, authorization.as_ref()));
    let namespace = std::mem::take(&mut config.default_namespace);
    let client = ClientBuilder::new(service, namespace)
        .with_layer(&MapErrLayer::new(|error: hyper_util::client::legacy::Error| BoxError::from(error)))
        .with_layer(&config.extra_headers_layer().context("who is to be impersonated makes no header")?)
        .with_layer(&config.base_uri_layer())
        .with_layer(&look)
        .with_layer(&prepare);
    Ok(client.build())
}

/// What connects, over TLS or not. kube makes the same, with such certificates alone as rustls can read itself.
fn connector(
    config: &Config,
    identity: Option<CertifiedKey>,
) -> anyhow::Result<TimeoutConnector<HttpsConnector<HttpConnector>>> {
    let mut tls =
        config.rustls_client_config().context("TLS cannot be set up; see to the cluster's certificate-authority")?;
    if let Some(identity) = identity {
        tls.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity));
    }
    let mut https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone()).context("tls-server-name is no host name or IP address")?;
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let mut connector = TimeoutConnector::new(https.enable_http1().wrap_connector(http));
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_read_timeout(Some(Duration::from_secs(u64::from(WATCH_SECONDS) + 5)));
    connector.set_write_timeout(Some(Duration::from_secs(15)));
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    Ok(connector)
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
