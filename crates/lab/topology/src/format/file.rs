//! The file as it is written: docker-topo's keys, none of them judged yet. What the file does not say, the environment
//! may, and then docker-topo's own defaults.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::TopologyError;

/// The top level's keys, as docker-topo has them, but for those that [`File`] has a field for.
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

const LINK_KEYS: [&str; 3] = ["driver", "driver_opts", "endpoints"];

/// docker-topo passes over keys that it does not know; one that differs from a known one by this little is a mistake.
const SLIP: usize = 2;

/// What a program may find in the environment.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

#[derive(Debug, Deserialize)]
pub(super) struct File<L> {
    pub links: Option<Vec<L>>,
    /// By itself, because its order counts.
    #[serde(rename = "CUSTOM_IMAGE")]
    custom_image: Option<IndexMap<String, Value>>,
    #[serde(flatten)]
    rest: IndexMap<String, Value>,
}

/// A link as version 2 has it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct FileLink {
    /// `null` is something else than nothing: the file's own driver does not count then.
    #[serde(default, deserialize_with = "present")]
    pub driver: Option<Value>,
    pub driver_opts: Option<IndexMap<String, Value>>,
    pub endpoints: Option<Vec<String>>,
    #[serde(flatten)]
    rest: IndexMap<String, Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// docker-topo's versions of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// A link is a list of endpoints, and a bridge.
    One,
    Two,
}

/// Reads a file of either version; a link of version 1 is one of version 2 that has endpoints alone.
pub(super) fn read(yaml: &str, environment: Environment) -> Result<(Version, File<FileLink>), TopologyError> {
    let all: IndexMap<String, Value> = parse(yaml)?;
    let version = Version::of(all.get("VERSION"), environment)?;
    let links = all.get("links").and_then(Value::as_array);
    for (link, value) in links.into_iter().flatten().enumerate() {
        match version {
            Version::One if value.is_object() => return Err(TopologyError::LinkOfVersion2 { link }),
            Version::Two if value.is_array() => return Err(TopologyError::LinkOfVersion1 { link }),
            _ => {}
        }
    }
    let file = match version {
        Version::One => {
            let File { links, custom_image, rest } = parse::<File<Vec<String>>>(yaml)?;
            let link = |endpoints| FileLink { endpoints: Some(endpoints), ..FileLink::default() };
            File { links: links.map(|links| links.into_iter().map(link).collect()), custom_image, rest }
        }
        Version::Two => parse(yaml)?,
    };
    Ok((version, file))
}

fn parse<T: DeserializeOwned>(yaml: &str) -> Result<T, TopologyError> {
    serde_saphyr::from_str(yaml).map_err(|error| TopologyError::Syntax(Box::new(error)))
}

impl Version {
    /// As Python's `int` has it: what is behind a number's point does not count.
    fn of(written: Option<&Value>, environment: Environment) -> Result<Version, TopologyError> {
        let value = written.cloned().or_else(|| environment("VERSION").map(Value::String));
        let value = value.unwrap_or(Value::from(1));
        let number = match &value {
            Value::Number(number) => number.as_f64().map(f64::trunc),
            Value::String(text) => text.trim().parse::<u32>().ok().map(f64::from),
            _ => None,
        };
        match number {
            Some(1.0) => Ok(Version::One),
            Some(2.0) => Ok(Version::Two),
            _ => Err(TopologyError::Version(value.to_string())),
        }
    }
}

impl File<FileLink> {
    /// What docker-topo passes over; a key that is one of its own but for a slip is an error.
    pub(super) fn unknown_keys(&self) -> Result<Vec<String>, TopologyError> {
        let known = [&KEYS[..], &["links", "CUSTOM_IMAGE"]].concat();
        let mut remarks = Vec::new();
        for key in unknown(&self.rest, &KEYS) {
            match meant(key, &known) {
                Some(known) => return Err(TopologyError::Key { key: key.to_owned(), known: known.to_owned() }),
                None => remarks.push(format!("{key} is no key of docker-topo's, and is passed over")),
            }
        }
        if self.rest.contains_key("OOB_PREFIX") {
            remarks.push("OOB_PREFIX is passed over, as docker-topo itself does".to_owned());
        }
        Ok(remarks)
    }

    /// What the file says, or else the environment. A value in the environment is read as YAML.
    pub(super) fn value(&self, key: &str, environment: Environment) -> Option<Value> {
        let written = self.rest.get(key).cloned();
        written.or_else(|| {
            let text = environment(key)?;
            Some(serde_saphyr::from_str(&text).unwrap_or(Value::String(text)))
        })
    }

    /// A word in a device's name -> the image that it runs.
    pub(super) fn custom_image(&self, environment: Environment) -> Result<IndexMap<String, String>, TopologyError> {
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

    /// The driver of the links that name none.
    pub(super) fn driver(&self) -> Option<&Value> {
        self.rest.get("driver")
    }
}

impl FileLink {
    /// What docker-topo passes over of the link of that number.
    pub(super) fn unknown_keys(&self, link: usize) -> Result<Vec<String>, TopologyError> {
        let remark = |key| match meant(key, &LINK_KEYS) {
            Some(known) => Err(TopologyError::LinkKey { link, key: key.to_owned(), known: known.to_owned() }),
            None => Ok(format!("link {link}: {key} is no key of docker-topo's, and is passed over")),
        };
        unknown(&self.rest, &LINK_KEYS).map(remark).collect()
    }
}

fn unknown<'a>(keys: &'a IndexMap<String, Value>, known: &'a [&str]) -> impl Iterator<Item = &'a str> {
    keys.keys().map(String::as_str).filter(|key| !known.contains(key))
}

fn meant<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |known: &str| known.eq_ignore_ascii_case(key) || strsim::levenshtein(known, key) <= SLIP;
    known.iter().copied().find(|known| near(known))
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
