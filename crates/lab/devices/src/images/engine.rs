//! What the Docker engine knows of images, and the names that it gives them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, FixedOffset};
use common::command::Program;
use serde::Deserialize;

/// The label by which an image says that it stands in for another; its value says for which.
pub(crate) const STAND_IN_LABEL: &str = "org.kubernetes-on-eos.stands-in-for";
pub(crate) const INPUTS_LABEL: &str = "org.kubernetes-on-eos.inputs";

/// What Docker says of an image that is not there, in different cases.
const NO_SUCH_IMAGE: &str = "no such image";

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Found {
    /// Its digest, which no other image has, whatever becomes of its names.
    pub id: String,
    repo_tags: Option<Vec<String>>,
    config: Option<Config>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(rename = "RootFS", default)]
    root: Root,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Metadata {
    last_tag_time: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Root {
    layers: Vec<String>,
}

impl Found {
    pub(crate) fn names(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }

    /// None for a real one.
    pub(crate) fn stands_in_for(&self) -> Option<&str> {
        self.label(STAND_IN_LABEL)
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.config.as_ref()?.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// When it was given a name last; none where the engine does not know.
    pub(crate) fn named_at(&self) -> Option<DateTime<FixedOffset>> {
        let time = DateTime::parse_from_rfc3339(&self.metadata.last_tag_time).ok();
        time.filter(|time| time.timestamp() > 0)
    }

    /// The layer that everything else is on.
    pub(crate) fn lowest_layer(&self) -> Option<&String> {
        self.root.layers.first()
    }
}

/// An image by name or digest; none where Docker has no such image.
pub(crate) fn find(image: &str) -> Result<Option<Found>> {
    Ok(find_all(&[image])?.pop())
}

/// What there is of these.
pub(crate) fn find_all(images: &[&str]) -> Result<Vec<Found>> {
    if images.is_empty() {
        return Ok(vec![]);
    }
    let output = Program::new("docker", "look at images")?.args(["image", "inspect"]).args(images).output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !words.to_lowercase().contains(NO_SUCH_IMAGE) {
        bail!("cannot look at the images {}: {}", images.join(", "), words.trim());
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("what Docker says of the images {} cannot be read", images.join(", ")))
}

/// Gives an image a name, which another loses by it. The engine notes the time, also where it was the image's already.
pub(crate) fn tag(image: &str, name: &str) -> Result<()> {
    Program::new("docker", "name the image")?.args(["image", "tag", image, name]).read().map(drop)
}

/// Takes a name from the image that it is expected to be, and from no other. An image without a name and a use goes.
pub(crate) fn untag(name: &str, id: &str) -> Result<()> {
    if find(name)?.is_some_and(|found| found.id == id) {
        Program::new("docker", "take a name from an image")?.args(["image", "rm", name]).read()?;
    }
    Ok(())
}

/// From what `docker image inspect` prints of one image.
#[cfg(test)]
pub(crate) fn parse(text: &str) -> Found {
    serde_json::from_str(text).unwrap()
}
