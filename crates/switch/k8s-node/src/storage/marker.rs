//! The marker beside the state's file: it names the cluster and the file. Where it is, no new cluster is made by accident.

use std::{fmt, fs, io, path::Path};

use anyhow::{Context, Result};
use common::files;
use contract::places;
use serde::{Deserialize, Serialize};

/// Of the file system in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub [u8; 16]);

impl Id {
    pub fn random() -> Result<Id> {
        let text = fs::read_to_string("/proc/sys/kernel/random/uuid").context("the kernel gives no random number")?;
        Id::parse(text.trim()).context("the kernel's random number is none")
    }

    fn parse(text: &str) -> Option<Id> {
        let digits = text.replace('-', "");
        let mut id = [0; 16];
        if digits.len() != 32 || !digits.is_ascii() {
            return None;
        }
        for (at, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Id(id))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let hyphen = if [4, 6, 8, 10].contains(&at) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Text {
    cluster: String,
    node: String,
    file: String,
    id: String,
}

/// What the marker says.
#[derive(Debug, PartialEq, Eq)]
pub enum Marker {
    /// There is none.
    None,
    /// It is there, and cannot be read: a state is named all the same.
    Damaged,
    Names {
        id: Id,
        cluster: String,
        node: String,
    },
}

impl Marker {
    pub fn read() -> Result<Marker> {
        let path = Path::new(places::STATE_MARKER);
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Marker::None),
            bytes => bytes.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| toml::from_str::<Text>(text).ok());
        Ok(match text.and_then(|text| Some((Id::parse(&text.id)?, text))) {
            Some((id, Text { cluster, node, .. })) => Marker::Names { id, cluster, node },
            None => Marker::Damaged,
        })
    }

    /// Only where it says something else: the flash has no journal.
    pub fn ensure(id: Id, cluster: &str, node: &str) -> Result<()> {
        let (cluster, node) = (cluster.to_owned(), node.to_owned());
        if Marker::read()? == (Marker::Names { id, cluster: cluster.clone(), node: node.clone() }) {
            return Ok(());
        }
        let text = Text { cluster, node, file: places::STATE_FILE.into(), id: id.to_string() };
        let text = format!(
            "# This switch's part of a Kubernetes cluster, with its keys, is in the file below. While this marker is here, no new\n\
             # cluster is made where that cannot be read: `k8s-node restore` puts a backup back, `k8s-node reset` forgets the cluster.\n{}",
            toml::to_string(&text).context("cannot write the marker")?
        );
        files::write_atomically(places::STATE_MARKER.as_ref(), text)
    }
}
