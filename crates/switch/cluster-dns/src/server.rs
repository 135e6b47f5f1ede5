//! Questions by UDP and TCP on one address, for as long as it is ours.

mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::admission::Admission;
use crate::metrics::Metrics;
use crate::resolver::Resolver;

/// What both ways of asking share.
#[derive(Clone, Debug)]
pub struct Server {
    pub resolver: Resolver,
    pub admission: Arc<Admission>,
    pub metrics: Arc<Metrics>,
}

impl Server {
    /// Serves until it is dropped. An error is that the address cannot be listened on.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<()> {
        let udp = udp::bind(address)?;
        let tcp = tcp::bind(address)?;
        tracing::info!(%address, "answering questions");
        tokio::select! {
            ended = udp::serve(udp, self) => ended,
            ended = tcp::serve(tcp, self) => ended,
        }
    }
}
