//! What goes wrong with an API server: it is gone, and it comes back.

use std::net::SocketAddrV4;

use anyhow::Result;

use super::{ADDRESS, Api, start_apiserver};
use crate::{netns::Netns, programs::Programs};

impl Api {
    /// The namespace that it is in, and the address that it has there.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(ADDRESS, 6443)
    }

    /// Ends the API server as a power cut would; etcd stays.
    pub fn kill_server(&mut self) {
        self.apiserver.kill();
    }

    /// Starts it again, and waits until it answers.
    pub fn restart_server(&mut self, programs: &Programs) -> Result<()> {
        self.apiserver = start_apiserver(programs, &self.netns, self.directory.path())?;
        self.wait_until_ready()
    }
}
