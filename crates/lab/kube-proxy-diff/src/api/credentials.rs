//! What the API server and its clients prove themselves with: an authority for one run, and a token.

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
    /// The authority's certificate.
    pub authority: String,
    pub token: String,
    pub kubeconfig: PathBuf,
}

impl Credentials {
    pub fn make(directory: &Path, address: Ipv4Addr) -> Result<Credentials> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(authority, authority_key);
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
        let authority_file = write("authority.pem", &authority_certificate)?;
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proof", "cluster": {
                "server": format!("https://{address}:6443"),
                "certificate-authority": authority_file,
            }}],
            "users": [{"name": "proof", "user": {"token": token}}],
            "contexts": [{"name": "proof", "context": {"cluster": "proof", "user": "proof"}}],
            "current-context": "proof",
        });
        let kubeconfig = write("kubeconfig", &kubeconfig.to_string())?;
        Ok(Credentials { authority: authority_certificate, token, kubeconfig })
    }
}
