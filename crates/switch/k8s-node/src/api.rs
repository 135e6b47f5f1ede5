//! HTTP to the API server and to the health ports of the components, each time with one client certificate.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use cluster::pki::Credential;
use common::files;
use contract::places;
use serde_json::Value;
use ureq::{
    Agent,
    http::Response,
    tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem},
};

/// Answers longer than this are not for us.
const LONGEST_ANSWER: u64 = 4 << 20;

pub struct Client {
    agent: Agent,
    base: String,
}

/// What came back: the status, and the body where it is JSON.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Client {
    /// A client that proves to be `identity` and trusts `ca` alone.
    pub fn new(base: &str, identity: Credential, ca: Credential) -> Result<Client> {
        let roots = certificates(&ca.certificate_file())?;
        let chain = certificates(&identity.certificate_file())?;
        let key = files::read(&PathBuf::from(places::PKI).join(identity.key_file()))?;
        let key = PrivateKey::from_pem(&key).with_context(|| format!("{} cannot be read", identity.key_file()))?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(Some(ClientCert::new_with_certs(&chain, key)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        Ok(Client { agent: agent(tls), base: base.to_owned() })
    }

    /// A client for a plain port on the loopback interface.
    pub fn plain(base: &str) -> Client {
        Client { agent: agent(TlsConfig::default()), base: base.to_owned() }
    }

    pub fn get(&self, path: &str) -> Result<Answer> {
        answer(self.agent.get(format!("{}{path}", self.base)).call())
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        answer(self.agent.post(format!("{}{path}", self.base)).send_json(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        answer(self.agent.put(format!("{}{path}", self.base)).send_json(body))
    }

    /// One that is not there is fine.
    pub fn delete(&self, path: &str) -> Result<()> {
        let answer = answer(self.agent.delete(format!("{}{path}", self.base)).call())?;
        if answer.status == 404 { Ok(()) } else { answer.good().map(drop) }
    }

    /// Changes what `body` names, and nothing else.
    pub fn merge_patch(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.agent.patch(format!("{}{path}", self.base)).content_type("application/merge-patch+json");
        answer(request.send(body.to_string()))
    }
}

impl Answer {
    /// The body of an answer that says that all went well.
    pub fn good(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let message = self.body.get("message").and_then(Value::as_str).unwrap_or("no reason is given");
        bail!("the API server answered {}: {message}", self.status)
    }
}

fn agent(tls: TlsConfig) -> Agent {
    Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(3)))
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .new_agent()
}

fn answer(response: Result<Response<ureq::Body>, ureq::Error>) -> Result<Answer> {
    let mut response = response?;
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string()?;
    Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
}

fn certificates(file: &str) -> Result<Vec<Certificate<'static>>> {
    let pem = files::read(&PathBuf::from(places::PKI).join(file))?;
    let items: Result<Vec<_>, _> = parse_pem(&pem).collect();
    let items = items.with_context(|| format!("{file} cannot be read"))?;
    let certificates = items.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    Ok(certificates.collect())
}
