//! A corporation's certificate authorities, one below the other, as openssl makes them.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::support::{openssl, text};

/// What makes a certificate authority of a certificate.
pub const CA: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
/// What makes a client's of it.
pub const CLIENT: &str = "extendedKeyUsage=clientAuth\n";

pub struct Corporation(TempDir);

impl Corporation {
    /// With a root that may sign for everything.
    pub fn new() -> Self {
        let corporation = Corporation(tempfile::tempdir().unwrap());
        corporation.issue("root", "root", "/CN=Corporate-Root", CA, 3650);
        corporation
    }

    /// A key and a certificate by one of its authorities, or by itself.
    pub fn issue(&self, name: &str, issuer: &str, subject: &str, extensions: &str, days: u32) {
        if !self.file(&format!("{name}-key.pem")).exists() {
            let key = self.path(&format!("{name}-key.pem"));
            openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}"));
        }
        fs::write(self.file("extensions"), extensions).unwrap();
        let path = |name: &str| self.path(name);
        let (key, csr) = (path(&format!("{name}-key.pem")), path("csr"));
        openssl(&format!("req -new -utf8 -key {key} -subj {subject} -out {csr}"));
        let by = if name == issuer {
            format!("-signkey {key}")
        } else {
            format!(
                "-CA {} -CAkey {} -CAcreateserial",
                path(&format!("{issuer}.pem")),
                path(&format!("{issuer}-key.pem"))
            )
        };
        let (extensions, out) = (path("extensions"), path(&format!("{name}.pem")));
        openssl(&format!("x509 -req -days {days} -in {csr} {by} -extfile {extensions} -out {out}"));
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn path(&self, name: &str) -> String {
        text(&self.file(name))
    }

    /// Several certificates in one text.
    pub fn pem(&self, names: &[&str]) -> String {
        names.iter().map(|name| fs::read_to_string(self.file(&format!("{name}.pem"))).unwrap()).collect()
    }

    pub fn write(&self, name: &str, contents: &str) -> String {
        fs::write(self.file(name), contents).unwrap();
        self.path(name)
    }
}
