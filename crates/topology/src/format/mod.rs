//! docker-topo's version 2 file format, as a checked value.
//!
//! What a device is, its name says, by docker-topo's rules: `veos` in it is a switch, `host` an end host,
//! and `CUSTOM_IMAGE` adds words of one's own. Files with what only docker-topo does (other vendors'
//! devices, macvlan) are refused by name.

mod check;
mod endpoint;
mod file;

use std::path::{Path, PathBuf};

use base::files;

pub use self::endpoint::BadEndpoint;

/// A whole topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// What the names of its containers, networks and volumes begin with.
    pub prefix: String,
    /// Where the switches' startup-configs are: [`Topology::startup_config`].
    pub config_folder: PathBuf,
    /// The prefix that the file gives, and that the startup-configs' names bear.
    pub config_prefix: String,
    pub devices: Vec<Node>,
    pub links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub kind: Kind,
    pub image: String,
    /// What the file says of an end host's addresses: interface and address with its length.
    pub addresses: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Has a flash, reads its addresses from its startup-config.
    Switch,
    /// Is given its addresses.
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// docker-topo's name for it: `net-` and its place in the file, from 0.
    pub name: String,
    pub driver: Driver,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// A Docker network, which any number of devices share.
    Bridge,
    /// A cable between two.
    Veth,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub device: String,
    pub interface: String,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Syntax(Box<serde_saphyr::Error>),
    #[error("VERSION is {0}; expected `VERSION: 2`, the format that is known")]
    Version(u32),
    #[error("PREFIX {0:?} cannot begin the names of containers: expected letters, digits, `-` and `_`")]
    Prefix(String),
    #[error("link {link}: {problem}")]
    Endpoint { link: usize, problem: BadEndpoint },
    #[error("link {link}: the driver {driver:?} is not known here; expected `bridge` or `veth`")]
    Driver { link: usize, driver: String },
    #[error("link {link}: a veth link joins two endpoints, and this one has {count}; for more use `driver: bridge`")]
    VethEndpoints { link: usize, count: usize },
    #[error("link {link} has no endpoints")]
    NoEndpoints { link: usize },
    #[error("link {link}: {device}'s interface {interface} is already used by link {other}")]
    Used { link: usize, device: String, interface: String, other: usize },
    #[error("link {link}: {device} is a switch; its addresses belong into its startup-config")]
    SwitchAddress { link: usize, device: String },
    #[error(
        "link {link}: what {device} is cannot be told from its name; expected `veos` or `host` in it, or a word of CUSTOM_IMAGE"
    )]
    Unknown { link: usize, device: String },
}

impl Topology {
    /// Reads and checks a file. CONF_DIR counts from the folder that the file is in.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = files::read_text(path)?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, stem, folder)
            .map_err(|error| anyhow::Error::from(error).context(format!("{} is wrong", path.display())))
    }

    /// `stem` is the prefix of a file that names none, as docker-topo has it.
    pub fn parse(text: &str, stem: &str, folder: &Path) -> Result<Self, Error> {
        let file: file::File = serde_saphyr::from_str(text).map_err(|error| Error::Syntax(Box::new(error)))?;
        check::check(file, stem, folder)
    }

    /// The same devices, links and startup-configs under another prefix, so that they can be beside the first.
    pub fn under_prefix(self, prefix: &str) -> Self {
        Topology { prefix: prefix.to_owned(), ..self }
    }

    /// Where a switch's startup-config is, if it has one: docker-topo's `CONF_DIR/PREFIX_NAME`.
    pub fn startup_config(&self, switch: &str) -> PathBuf {
        self.config_folder.join(format!("{}_{switch}", self.config_prefix))
    }

    pub fn node(&self, name: &str) -> Option<&Node> {
        self.devices.iter().find(|device| device.name == name)
    }

    pub fn switches(&self) -> impl Iterator<Item = &Node> {
        self.devices.iter().filter(|device| device.kind == Kind::Switch)
    }

    pub fn links_of(&self, device: &str) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.endpoints.iter().any(|end| end.device == device))
    }
}
