//! Somebody with a certificate, at the API server.

use std::{path::Path, sync::Arc, time::Duration};

use contract::Credential;
use serde_json::Value;
use ureq::{
    Agent,
    tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig},
};

/// Its connection lasts: it was there before whatever happens next.
pub struct Client {
    agent: Agent,
    base: String,
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Client {
    /// Who has the files of a credential.
    pub fn of(directory: &Path, credential: Credential, base: &str) -> Client {
        let read = |name: String| std::fs::read(directory.join(name)).unwrap();
        let certificate = |credential: Credential| Certificate::from_pem(&read(credential.certificate_file())).unwrap();
        let key = PrivateKey::from_pem(&read(credential.key_file())).unwrap();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[certificate(Credential::Ca)]))
            .client_cert(Some(ClientCert::new_with_certs(&[certificate(credential)], key)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .new_agent();
        Client { agent, base: base.to_owned() }
    }

    pub fn get(&self, path: &str) -> Answer {
        answer(self.agent.get(format!("{}{path}", self.base)).call())
    }

    /// Whether it is answered at all, and well.
    pub fn is_well(&self, path: &str) -> bool {
        self.agent.get(format!("{}{path}", self.base)).call().is_ok_and(|answer| answer.status() == 200)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.agent.post(format!("{}{path}", self.base)).send_json(body))
    }

    pub fn delete(&self, path: &str) -> Answer {
        answer(self.agent.delete(format!("{}{path}", self.base)).call())
    }
}

fn answer(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut answer = answer.unwrap();
    Answer { status: answer.status().as_u16(), body: answer.body_mut().read_to_string().unwrap() }
}
