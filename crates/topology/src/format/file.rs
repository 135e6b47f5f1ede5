//! The file as it is written: docker-topo's keys, none of them judged yet.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "UPPERCASE")]
pub(super) struct File {
    pub version: u32,
    pub prefix: Option<String>,
    #[serde(default = "config")]
    pub conf_dir: String,
    /// A word in a device's name -> the image that it runs.
    #[serde(default)]
    pub custom_image: BTreeMap<String, String>,
    #[serde(rename = "driver")]
    pub driver: Option<String>,
    #[serde(rename = "links")]
    pub links: Vec<Link>,
    /// What docker-topo makes ports reachable with; here a device is reached through Docker.
    #[serde(rename = "PUBLISH_BASE")]
    _publish_base: Option<IgnoredAny>,
    #[serde(rename = "OOB_PREFIX")]
    _oob_prefix: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub driver: Option<String>,
    pub endpoints: Vec<String>,
}

fn config() -> String {
    "./config".to_owned()
}
