//! docker-topo's file format, in both its versions, as a checked value.
//!
//! What a device is, its name says, by docker-topo's rules ([`model`]). Settings come from the file, then from the
//! environment, then from docker-topo's defaults. What docker-topo passes over, or makes something else of than the file
//! says, is remarked. What only docker-topo can bring up (other makers' devices, macvlan) is read like all else; the
//! built-in driver refuses it.

mod check;
mod endpoint;
mod file;
mod links;
mod model;
mod names;
mod ports;

use std::path::{Path, PathBuf};

use common::files;
use serde::Serialize;

pub use self::{
    endpoint::BadEndpoint,
    model::{DeviceKind, Model},
    ports::Publish,
};

/// A whole topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// The file that it was read from; none for one that was given as text.
    pub file: Option<PathBuf>,
    /// What the names of its containers, networks and volumes begin with.
    pub prefix: String,
    /// Where the switches' startup-configs are: [`Topology::startup_config`].
    pub config_directory: PathBuf,
    /// The prefix that the file gives, and that the startup-configs' names bear.
    pub config_prefix: String,
    pub devices: Vec<TopologyNode>,
    pub links: Vec<Link>,
    /// What in the file works, and is hardly meant, or is passed over.
    pub remarks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyNode {
    pub name: String,
    /// What it is to those who handle it; follows from the model.
    pub kind: DeviceKind,
    pub model: Model,
    pub image: String,
    /// What the file says of an end host's addresses: the interface, as its container calls it, and the address with its
    /// length.
    pub addresses: Vec<(String, String)>,
    pub ports: Vec<Publish>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// docker-topo's name for it: `net-` and its place in the file, from 0.
    pub name: String,
    pub driver: LinkDriver,
    /// `driver_opts`: for Docker's network driver.
    pub options: Vec<(String, String)>,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkDriver {
    /// A Docker network, which any number of devices share.
    Bridge,
    /// A cable between two.
    Veth,
    /// A Docker network on one of the machine's own interfaces.
    Macvlan,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    pub device: String,
    pub interface: String,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    #[error("{0}")]
    Syntax(Box<serde_saphyr::Error>),
    #[error("there is no list `links` in it, so it is no topology of docker-topo's")]
    NoLinks,
    #[error("{key} is no key of docker-topo's: {known} is meant?")]
    Key { key: String, known: String },
    #[error("{key} is {value}; expected {expected}")]
    Value { key: String, value: String, expected: &'static str },
    #[error("link {link}: {key} is no key of docker-topo's: {known} is meant?")]
    LinkKey { link: usize, key: String, known: String },
    #[error("VERSION is {0}; docker-topo knows 1 and 2")]
    Version(String),
    #[error("link {link} is as version 2 has it, and VERSION is 1, also where a file says none; expected `VERSION: 2`")]
    LinkOfVersion2 { link: usize },
    #[error("link {link} is a bare list, as version 1 has it, and VERSION is 2; expected `- endpoints: [...]`")]
    LinkOfVersion1 { link: usize },
    #[error("PREFIX {0:?} cannot begin the names of containers: expected letters, digits, `-` and `_`")]
    Prefix(String),
    #[error("link {link}: {problem}")]
    Endpoint { link: usize, problem: BadEndpoint },
    #[error("link {link}: the driver {driver:?} is none of docker-topo's; expected `bridge`, `veth` or `macvlan`")]
    LinkDriver { link: usize, driver: String },
    #[error("link {link}: a veth link joins two endpoints, and this one has {count}; for more use `driver: bridge`")]
    VethEndpoints { link: usize, count: usize },
    #[error("link {link} has no endpoints")]
    NoEndpoints { link: usize },
    #[error("link {link} has {device} at two ends, and Docker puts a container on a network once")]
    Twice { link: usize, device: String },
    #[error(
        "link {link}: {device} is no end host, and only those are given addresses; a switch has them in its startup-config"
    )]
    NoHost { link: usize, device: String },
}

impl Topology {
    /// Reads and checks a file, and this process' environment where the file says nothing.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = files::read_text(path)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let directory = path.parent().unwrap_or(Path::new(""));
        let environment = |key: &str| std::env::var(key).ok();
        let topology = Self::parse(&text, name, directory, &environment)
            .map_err(|error| anyhow::Error::from(error).context(format!("{} is wrong", path.display())))?;
        Ok(Topology { file: Some(std::path::absolute(path)?), ..topology })
    }

    /// `name` is the file's, and the prefix where nothing else says one; CONF_DIR counts from `directory`.
    pub fn parse(
        text: &str,
        name: &str,
        directory: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, TopologyError> {
        let (version, file) = file::read(text, environment)?;
        check::check(version, &file, &check::Place { name, directory, environment })
    }

    /// The same devices, links and startup-configs under another prefix, so that they can be beside the first. This
    /// machine's ports stay the first one's.
    pub fn under_prefix(mut self, prefix: &str) -> Self {
        self.devices.iter_mut().for_each(|device| device.ports.clear());
        Topology { prefix: prefix.to_owned(), ..self }
    }

    /// Where a switch's startup-config is, if it has one: docker-topo's `CONF_DIR/PREFIX_NAME`.
    pub fn startup_config(&self, switch: &str) -> PathBuf {
        self.config_directory.join(format!("{}_{switch}", self.config_prefix))
    }

    pub fn switches(&self) -> impl Iterator<Item = &TopologyNode> {
        self.devices.iter().filter(|device| device.kind == DeviceKind::Switch)
    }

    pub fn links_of(&self, device: &str) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.ends_at(device))
    }
}
