//! PUBLISH_BASE: by which of this machine's ports the switches are reached.

use std::fmt;

use serde_json::Value;

use super::TopologyError;

const EXPECTED: &str = "a first port such as 8000, or a map such as {443/tcp: 8000, 22/tcp: [127.0.0.1, 2000]}";

/// One of a device's ports, as it is seen on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// With its protocol: `443/tcp`.
    pub inside: String,
    /// The machine's address that it is bound to; none for all.
    pub address: Option<String>,
    /// None for any free one.
    pub outside: Option<u16>,
}

/// As Docker spells it.
impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outside = self.outside.map(|outside| outside.to_string()).unwrap_or_default();
        match &self.address {
            Some(address) => write!(f, "{address}:{outside}:{}", self.inside),
            None if outside.is_empty() => f.write_str(&self.inside),
            None => write!(f, "{outside}:{}", self.inside),
        }
    }
}

/// The ports of the switch that is `place`th by name. A number publishes HTTPS from there on; a map says for each port
/// where its numbers begin; anything else publishes nothing, as docker-topo has it.
pub(super) fn published(base: &Value, place: u16) -> Result<Vec<Publish>, TopologyError> {
    match base {
        Value::Number(number) if number.as_u64() == Some(0) || number.is_f64() => Ok(vec![]),
        Value::Number(_) => Ok(vec![publish("443/tcp", base, place)?]),
        Value::Object(map) => map.iter().map(|(inside, outside)| publish(inside, outside, place)).collect(),
        _ => Ok(vec![]),
    }
}

/// Says where docker-topo makes something else of a value than whoever wrote it may have meant.
pub(super) fn remarks(base: &Value) -> Vec<String> {
    match base {
        Value::Object(map) => {
            let random = map.iter().filter(|(_, outside)| means_something_else(outside));
            random
                .map(|(inside, outside)| {
                    format!("PUBLISH_BASE: {outside} is no number, so that any free port leads to {inside}")
                })
                .collect()
        }
        Value::Number(number) if !number.is_f64() => vec![],
        Value::Null | Value::Bool(false) => vec![],
        other => vec![format!("PUBLISH_BASE is {other}, which publishes nothing; {EXPECTED} would")],
    }
}

/// docker-topo's own `None` is text in YAML.
fn means_something_else(outside: &Value) -> bool {
    match outside {
        Value::String(text) => text != "None",
        Value::Number(number) => number.is_f64(),
        other => !matches!(other, Value::Null | Value::Array(_)),
    }
}

fn publish(inside: &str, outside: &Value, place: u16) -> Result<Publish, TopologyError> {
    let number = |value: &Value| -> Result<u16, TopologyError> {
        let first = value.as_u64().and_then(|first| u16::try_from(first).ok());
        first.and_then(|first| first.checked_add(place)).ok_or_else(|| bad(value))
    };
    let inside = if inside.contains('/') { inside.to_owned() } else { format!("{inside}/tcp") };
    let (address, outside) = match outside {
        Value::Number(written) if !written.is_f64() => (None, Some(number(outside)?)),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(address), first] => (Some(address.clone()), Some(number(first)?)),
            _ => return Err(bad(outside)),
        },
        _ => (None, None),
    };
    Ok(Publish { inside, address, outside })
}

fn bad(value: &Value) -> TopologyError {
    TopologyError::Value { key: "PUBLISH_BASE".to_owned(), value: value.to_string(), expected: EXPECTED }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_switch_has_the_next_port_and_none_means_any() {
        let port = |inside: &str, address: Option<&str>, outside| Publish {
            inside: inside.into(),
            address: address.map(str::to_owned),
            outside,
        };
        assert_eq!(published(&json!(9000), 2).unwrap(), [port("443/tcp", None, Some(9002))]);
        assert_eq!(published(&json!(0), 2).unwrap(), []);
        let map = json!({"22/tcp": 2000, "161/udp": ["127.0.0.1", 1600], "443/tcp": "None"});
        let all = published(&map, 1).unwrap();
        assert_eq!(all.len(), 3);
        for desired in [
            port("22/tcp", None, Some(2001)),
            port("161/udp", Some("127.0.0.1"), Some(1601)),
            port("443/tcp", None, None),
        ] {
            assert!(all.contains(&desired), "{desired:?}");
        }
        for wrong in [json!(65536), json!(-1), json!({"22/tcp": [1]})] {
            assert!(published(&wrong, 0).unwrap_err().to_string().contains("PUBLISH_BASE"), "{wrong}");
        }
        assert!(published(&json!(65535), 1).is_err());
    }

    #[test]
    fn what_docker_topo_publishes_nothing_for_is_published_nothing_for_and_said() {
        for (base, said) in [
            (json!("8000"), "PUBLISH_BASE is \"8000\", which publishes nothing"),
            (json!(true), "PUBLISH_BASE is true, which publishes nothing"),
            (json!(8000.0), "PUBLISH_BASE is 8000.0, which publishes nothing"),
            (json!([8000]), "PUBLISH_BASE is [8000], which publishes nothing"),
        ] {
            assert_eq!(published(&base, 0).unwrap(), []);
            assert!(remarks(&base)[0].starts_with(said), "{:?}", remarks(&base));
        }
        for meant in [json!(false), json!(null), json!(0)] {
            assert_eq!((published(&meant, 0).unwrap(), remarks(&meant)), (vec![], vec![]));
        }
        let map = json!({"22/tcp": "2000", "443/tcp": "None"});
        assert!(published(&map, 0).unwrap().iter().all(|port| port.outside.is_none()));
        assert_eq!(remarks(&map), ["PUBLISH_BASE: \"2000\" is no number, so that any free port leads to 22/tcp"]);
    }

    #[test]
    fn a_port_is_published_as_docker_spells_it() {
        let port = |address: Option<&str>, outside| {
            Publish { inside: "443/tcp".into(), address: address.map(str::to_owned), outside }.to_string()
        };
        assert_eq!(port(None, Some(8000)), "8000:443/tcp");
        assert_eq!(port(None, None), "443/tcp");
        assert_eq!(port(Some("127.0.0.1"), Some(1)), "127.0.0.1:1:443/tcp");
        assert_eq!(port(Some("127.0.0.1"), None), "127.0.0.1::443/tcp");
    }
}
