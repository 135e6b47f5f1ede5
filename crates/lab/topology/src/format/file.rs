//! The file as it is written: docker-topo's keys, none of them judged yet. What the file does not say, the environment
//! may, and then docker-topo's own defaults.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::TopologyError;

/// The top level's keys, as docker-topo has them.
const KEYS: [&str; 11] = [
    "VERSION",
    "PREFIX",
    "CONF_DIR",
    "CEOS_IMAGE",
    "PUBLISH_BASE",
    "OOB_PREFIX",
    "VMX_VERSION",
    "CSR_VERSION",
    "XRV_VERSION",
    "CVP_VERSION",
    "driver",
];

/// docker-topo passes over keys that it does not know; one that differs from a known one by this little is a mistake.
const SLIP: usize = 2;

#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub links: Option<Vec<FileLink>>,
    /// By itself, because its order counts.
    #[serde(rename = "CUSTOM_IMAGE")]
    custom_image: Option<IndexMap<String, Value>>,
    #[serde(flatten)]
    rest: IndexMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLink {
    pub driver: Option<String>,
    pub driver_opts: Option<IndexMap<String, Value>>,
    pub endpoints: Option<Vec<String>>,
}

impl File {
    /// Finds a key that is one of docker-topo's but for a slip.
    pub(super) fn check_keys(&self) -> Result<(), TopologyError> {
        for key in self.rest.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let near =
                KEYS.iter().chain(&["links", "CUSTOM_IMAGE"]).find(|known| strsim::levenshtein(known, key) <= SLIP);
            if let Some(known) = near {
                return Err(TopologyError::Key { key: key.clone(), known: (*known).to_owned() });
            }
        }
        Ok(())
    }

    /// What the file says, or else the environment. A value in the environment is read as YAML.
    pub(super) fn value(&self, key: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<Value> {
        let written = self.rest.get(key).cloned();
        written.or_else(|| {
            let text = environment(key)?;
            Some(serde_saphyr::from_str(&text).unwrap_or(Value::String(text)))
        })
    }

    /// A word in a device's name -> the image that it runs.
    pub(super) fn custom_image(
        &self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<IndexMap<String, String>, TopologyError> {
        let key = "CUSTOM_IMAGE";
        let map = match (&self.custom_image, environment(key)) {
            (Some(map), _) => map.clone(),
            (None, None) => return Ok(IndexMap::new()),
            (None, Some(value)) => serde_saphyr::from_str(&value).map_err(|_| TopologyError::Value {
                key: key.to_owned(),
                value,
                expected: "a map such as {leaf: my-image:1}",
            })?,
        };
        map.into_iter().map(|(word, image)| Ok((word, text(key, image)?))).collect()
    }

    pub(super) fn driver(&self) -> Result<Option<String>, TopologyError> {
        self.rest.get("driver").filter(|value| !value.is_null()).map(|value| text("driver", value.clone())).transpose()
    }
}

/// The version of a file that has links, and says another version than 2; none says 1.
pub(super) fn other_version(yaml: &str) -> Option<String> {
    let values: IndexMap<String, Value> = serde_saphyr::from_str(yaml).ok()?;
    values.get("links")?.as_array()?;
    let version = values.get("VERSION").map_or(Ok("1".to_owned()), |value| text("VERSION", value.clone())).ok()?;
    (version != "2").then_some(version)
}

/// A value that has to be text; YAML reads some text as numbers.
pub(super) fn text(key: &str, value: Value) -> Result<String, TopologyError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(word) => Ok(word.to_string()),
        other => Err(TopologyError::Value { key: key.to_owned(), value: other.to_string(), expected: "text" }),
    }
}
