//! What the API server and its clients prove themselves with: a certificate authority for one run, and a token.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

pub const SERVER_CERTIFICATE: &str = "server.pem";
pub const SERVER_KEY: &str = "server-key.pem";
pub const TOKENS: &str = "tokens.csv";

/// Files for the server, and what a client needs.
pub struct Credentials {
    /// The certificate authority's certificate.
    pub ca: String,
    pub token: String,
    pub kubeconfig: PathBuf,
}

impl Credentials {
    pub fn make(directory: &Path, address: Ipv4Addr) -> Result<Credentials> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate()?;
        let ca_certificate = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);
        let server_key = KeyPair::generate()?;
        let names = vec![address.to_string(), Ipv4Addr::LOCALHOST.to_string(), "kubernetes".to_owned()];
        let server = CertificateParams::new(names)?.signed_by(&server_key, &issuer)?;
        let token = "proof".to_owned();
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = directory.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        write(SERVER_CERTIFICATE, &server.pem())?;
        write(SERVER_KEY, &server_key.serialize_pem())?;
        write(TOKENS, &format!("{token},proof,1,\"system:masters\"\n"))?;
        let ca_file = write("ca.pem", &ca_certificate)?;
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proof", "cluster": {
                "server": format!("https://{address}:6443"),
                "certificate-authority": ca_file,
            }}],
            "users": [{"name": "proof", "user": {"token": token}}],
            "contexts": [{"name": "proof", "context": {"cluster": "proof", "user": "proof"}}],
            "current-context": "proof",
        });
        let kubeconfig = write("kubeconfig", &kubeconfig.to_string())?;
        Ok(Credentials { ca: ca_certificate, token, kubeconfig })
    }
}
