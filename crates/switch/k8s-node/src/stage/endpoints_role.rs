//! Who has the role edit in a namespace can write Endpoints, up to Kubernetes 1.21, and so send a Service's traffic to pods of any other
//! namespace (CVE-2021-25740). The right is taken out of the role that edit and admin are made of, as later releases have it: once, with a
//! note that it was done. Where an operator gives it back, it stays given.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Client;

const ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregate-to-edit";

/// The API server completes its own roles at each of its starts, unless this says "false".
const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// Our note.
const NOTE: &str = "kubernetes-on-eos/endpoints-write";

const WRITE: [&str; 6] = ["create", "delete", "deletecollection", "patch", "update", "*"];

/// Says what was found or done.
pub fn ensure(client: &Client) -> Result<&'static str> {
    let doing = "cannot correct the role system:aggregate-to-edit";
    let found = client.get(ROLE)?;
    if found.status == 404 {
        return Ok("the role edit has no part of its own any more: nothing to correct");
    }
    let mut role = found.good().context(doing)?;
    let annotations = &role["metadata"]["annotations"];
    if !annotations[NOTE].is_null() {
        return Ok("the role edit was corrected before");
    }
    if annotations[AUTO_UPDATE] == "false" {
        return Ok("the role edit is the operator's, and kept");
    }
    role["rules"] = without_writing_endpoints(&role["rules"]);
    role["metadata"]["annotations"][AUTO_UPDATE] = json!("false");
    role["metadata"]["annotations"][NOTE] = json!("taken out for CVE-2021-25740; put it back and it stays");
    client.put(ROLE, &role)?.good().context(doing)?;
    Ok("took writing Endpoints out of the role edit")
}

fn without_writing_endpoints(rules: &Value) -> Value {
    let rules = rules.as_array().into_iter().flatten().cloned().filter_map(|mut rule| {
        let verbs = rule["verbs"].as_array()?;
        if verbs.iter().any(|verb| WRITE.iter().any(|write| verb == write)) {
            let resources = rule["resources"].as_array_mut()?;
            resources.retain(|resource| resource != "endpoints");
            if resources.is_empty() {
                return None;
            }
        }
        Some(rule)
    });
    Value::Array(rules.collect())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    #[test]
    fn a_role_that_an_operator_has_deleted_needs_no_correction() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::plain(&format!("http://{}", server.local_addr().unwrap()));
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = server.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert!(ensure(&client).unwrap().contains("nothing to correct"));
        });
    }

    #[test]
    fn writing_endpoints_goes_and_reading_them_and_all_else_stays() {
        let rules = json!([
            { "apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": [""], "resources": ["services", "endpoints", "secrets"], "verbs": ["create", "delete"] },
            { "apiGroups": [""], "resources": ["endpoints"], "verbs": ["patch"] },
            { "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["update"] },
        ]);
        let corrected = json!([
            { "apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": [""], "resources": ["services", "secrets"], "verbs": ["create", "delete"] },
            { "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["update"] },
        ]);
        assert_eq!(without_writing_endpoints(&rules), corrected);
    }
}
