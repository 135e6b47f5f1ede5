//! The connection to the API server.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

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

/// Makes a client; does not connect yet. An error is one of the files, and names them.
pub async fn connect(to: &Connection) -> anyhow::Result<Client> {
    let mut config = match (&to.kubeconfig, &to.master) {
        (Some(path), _) => {
            let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig={}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("--kubeconfig={}", path.display()))?
        }
        (None, Some(master)) => Config::new(master.parse().with_context(|| format!("--master={master}"))?),
        (None, None) => Config::incluster().context(
            "neither --kubeconfig nor --master is given, and this is no pod with a service account; give --kubeconfig",
        )?,
    };
    if let Some(master) = &to.master {
        config.cluster_url = master.parse().with_context(|| format!("--master={master}"))?;
    }
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(Duration::from_secs(u64::from(WATCH_SECONDS) + 5));
    config.write_timeout = Some(Duration::from_secs(15));
    Client::try_from(config).context("the kubeconfig's credentials cannot be used")
}

/// An error with what caused it, in one line.
pub(super) fn causes(error: &dyn Error) -> String {
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
