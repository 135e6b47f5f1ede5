//! Objects that a scenario needs: made on the master, in the scenario's namespace.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{Switch, switch};

/// Where manifests are on the master, until its next boot.
fn place(name: &str) -> String {
    format!("/root/{name}.json")
}

/// Has the API server make objects as they are written down.
pub fn apply(master: &Switch<'_>, name: &str, objects: &[Value]) -> Result<()> {
    let file = put(master, name, objects)?;
    master.kubectl(&["apply", &file]).map(drop)
}

/// The same for many that are not there yet: a request for each, and no more.
pub fn create(master: &Switch<'_>, name: &str, objects: &[Value]) -> Result<()> {
    let file = put(master, name, objects)?;
    master.kubectl(&["create", "--validate=false", &file]).map(drop)
}

/// Copies a manifest to the master, and returns kubectl's flag for it.
fn put(master: &Switch<'_>, name: &str, objects: &[Value]) -> Result<String> {
    let place = place(name);
    switch::put(master, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string(), &place)?;
    Ok(format!("--filename={place}"))
}

pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}
