//! The suite's own client: it writes objects, and remembers which version of each it wrote.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::{
    Agent,
    http::Response,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::Credentials;
use crate::objects::{Object, ObjectChange};

/// Whoever writes many objects does so with several threads, each with a connection.
const CONNECTIONS: usize = 16;

/// A client of one API server.
pub struct Client {
    agent: Agent,
    base: String,
    authorization: String,
    /// The version of each object that was written, by its path.
    versions: Mutex<BTreeMap<String, String>>,
}

impl Client {
    pub fn new(address: Ipv4Addr, credentials: &Credentials) -> Result<Client> {
        let ca = Certificate::from_pem(credentials.ca.as_bytes())?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[ca]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .max_idle_connections(CONNECTIONS)
            .max_idle_connections_per_host(CONNECTIONS)
            .build()
            .new_agent();
        Ok(Client {
            agent,
            base: format!("https://{address}:6443"),
            authorization: format!("Bearer {}", credentials.token),
            versions: Mutex::default(),
        })
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        let answer = self.agent.get(format!("{}{path}", self.base)).header("Authorization", &self.authorization).call();
        good(answer).with_context(|| format!("GET {path} failed"))
    }

    pub fn create(&self, path: &str, object: &impl serde::Serialize) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("Authorization", &self.authorization);
        good(request.send_json(object)).with_context(|| format!("POST {path} failed: {}", text(object)))
    }

    pub fn replace(&self, path: &str, object: &impl serde::Serialize) -> Result<Value> {
        let request = self.agent.put(format!("{}{path}", self.base)).header("Authorization", &self.authorization);
        good(request.send_json(object)).with_context(|| format!("PUT {path} failed: {}", text(object)))
    }

    pub fn delete(&self, path: &str) -> Result<()> {
        let request = self.agent.delete(format!("{}{path}", self.base)).header("Authorization", &self.authorization);
        good(request.call()).with_context(|| format!("DELETE {path} failed")).map(drop)
    }

    /// Carries out changes, one after another.
    pub fn apply<'a>(&self, changes: impl IntoIterator<Item = &'a ObjectChange>) -> Result<()> {
        changes.into_iter().try_for_each(|change| match change {
            ObjectChange::Put(object) => self.put(object),
            ObjectChange::Delete(object) => {
                let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
                let known = versions.remove(&object.path()).is_some();
                if let Object::Service(_) = object {
                    // The server deletes its Endpoints with it.
                    versions.remove(&Object::endpoints_path(object.name()));
                }
                drop(versions);
                if known { self.delete(&object.path()) } else { Ok(()) }
            }
        })
    }

    /// Creates or replaces an object; a Service's status, too, which the server takes from nothing but its own path.
    fn put(&self, object: &Object) -> Result<()> {
        let path = object.path();
        let mut body = json!(object);
        let known = self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        let mut written = match known {
            None => self.create(object.collection(), &body)?,
            Some(version) => {
                body["metadata"]["resourceVersion"] = Value::String(version);
                self.replace(&path, &body)?
            }
        };
        if let Some(status) = body.get("status").filter(|status| written.get("status") != Some(status)) {
            written["status"] = status.clone();
            written = self.replace(&format!("{path}/status"), &written)?;
        }
        let version =
            written["metadata"]["resourceVersion"].as_str().context("an object came back without a version")?;
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(path, version.to_owned());
        Ok(())
    }

    /// Deletes all that was written.
    pub fn wipe(&self) -> Result<()> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = std::mem::take(&mut *versions);
        // Endpoints first: a Service would take its own along.
        paths.keys().try_for_each(|path| self.delete(path))
    }
}

fn text(object: &impl serde::Serialize) -> String {
    json!(object).to_string()
}

fn good(answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Value> {
    let mut answer = answer?;
    let text = answer.body_mut().read_to_string()?;
    if !answer.status().is_success() {
        bail!("the API server answered {}: {text}", answer.status());
    }
    // Health checks answer with a plain word.
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
