//! Why a step has to run, told by what differs from the last time.

use serde_json::Value;

/// Why a step has to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    NeverBuilt,
    /// The plan has no such step.
    NotPlanned,
    /// Something that it needs has to be made before its key is known; nothing else differs.
    Waits(String),
    /// Built before from other inputs; the ones that differ.
    Changed(Vec<String>),
    /// The entry, or something that it stands for, is not what was recorded.
    Damaged(String),
}

impl std::fmt::Display for Miss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Miss::NeverBuilt => f.write_str("not built yet"),
            Miss::NotPlanned => f.write_str("not in the plan"),
            Miss::Waits(need) => write!(f, "unless {need}, which runs first, makes what it made before"),
            Miss::Changed(what) if what.len() > 3 => {
                write!(f, "changed: {} and {} more", what[..3].join(", "), what.len() - 3)
            }
            Miss::Changed(what) => write!(f, "changed: {}", what.join(", ")),
            Miss::Damaged(what) => write!(f, "damaged on disk: {what}"),
        }
    }
}

/// The places at which two JSON values differ, as `a.b.2`.
pub(super) fn differences(place: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let inside = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let get = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
                differences(&inside(name), &get(old), &get(new), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                // A list of named things reads better by name than by number.
                let name = new.get("name").and_then(Value::as_str).map_or(index.to_string(), str::to_owned);
                differences(&inside(&name), old, new, found);
            }
        }
        _ if old != new => found.push(place.to_owned()),
        _ => {}
    }
}
