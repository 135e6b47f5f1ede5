//! dist/ as a build leaves it, small and whole, and a key to sign it with.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use common::{Arch, Sha256, progress::Silent};
use contract::Build;
use minisign::KeyPair;
use provenance::{
    STATEMENT, SUMS,
    signature::{PublicKey, SigningKey},
    statement::{
        BUILD_TYPE, BUILDER, BuildDefinition, Builder, External, Internal, Provenance, Resource, RunDetails, Statement,
    },
    verification::{Trust, Verified, VerifyError, verify},
};
use serde_json::json;

use crate::support;

pub const SWIX: &str = "kubernetes-on-eos-1.20.2-386.swix";
pub const SBOM: &str = "kubernetes-on-eos-1.20.2-386.cdx.json";
pub const KUBECTL: &str = "kubectl-1.20.2-linux-amd64";
pub const MADE: &str = "kubernetes-on-eos-1.20.2-386.provenance.json";

pub struct Dist {
    /// Beside `dist/`: the keys, and what the SWIX was packed of.
    directory: tempfile::TempDir,
}

impl Dist {
    pub fn new() -> Self {
        let dist = Dist { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(dist.path()).unwrap();
        let build = support::build(1, "a");
        let sample = support::sample_of(dist.beside(), &build, &build.release());
        fs::copy(&sample.swix, dist.at(SWIX)).unwrap();
        let hyperkube = Sha256::of_file(&dist.beside().join("hyperkube")).unwrap();
        let file = json!({ "type": "file", "hashes": [{ "alg": "SHA-256", "content": hyperkube.to_string() }] });
        dist.write(SBOM, &json!({ "bomFormat": "CycloneDX", "components": [file] }).to_string());
        dist.write(KUBECTL, "a program");
        dist.state(MADE, &[SWIX, SBOM, KUBECTL], build);
        dist.list();
        dist
    }

    /// Where keys are kept.
    pub fn beside(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("dist")
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    /// A statement about files as they are now.
    pub fn state(&self, name: &str, about: &[&str], build: Build) {
        let subject = about.iter().map(|name| {
            let sha256 = Sha256::of_file(&self.at(name)).unwrap();
            Resource::of_sha256(*name, &sha256)
        });
        let internal = Internal {
            version: support::VERSION.to_owned(),
            build,
            source_date: "2021-01-13T12:40:00Z".to_owned(),
            steps: vec![],
        };
        let repository = Resource {
            name: "repository".to_owned(),
            uri: Some("git+https://example.com/repository".to_owned()),
            digest: [("gitCommit".to_owned(), "a".repeat(40))].into(),
            annotations: [("why".to_owned(), "it is built".to_owned())].into(),
        };
        let definition = BuildDefinition {
            build_type: BUILD_TYPE.to_owned(),
            external_parameters: External {
                release: "1.20".to_owned(),
                arch: Arch::I386,
                origin: None,
                sources: BTreeMap::new(),
            },
            internal_parameters: internal,
            resolved_dependencies: vec![repository, Resource::of_sha256("Cargo.lock", &Sha256::of_bytes("locked"))],
        };
        let builder = Builder { id: BUILDER.to_owned(), version: BTreeMap::new() };
        let predicate = Provenance { build_definition: definition, run_details: RunDetails { builder } };
        self.write(name, &Statement::new(subject.collect(), predicate).to_json().unwrap());
    }

    /// Writes the list of all that is there but for signatures, as who puts other files in their place would.
    pub fn list(&self) {
        let mut lines: Vec<(String, String)> = Vec::new();
        for entry in fs::read_dir(self.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name != SUMS && !name.ends_with(".minisig") {
                let digest = Sha256::of_file(&self.at(&name)).unwrap();
                lines.push((name.clone(), format!("{digest}  {name}\n")));
            }
        }
        lines.sort();
        self.write(SUMS, &lines.into_iter().map(|(_, line)| line).collect::<String>());
    }

    /// A pair of keys without a password: the files of the secret one and the public one.
    pub fn keys(&self, name: &str) -> (PathBuf, PathBuf) {
        let (secret, public) = (self.beside().join(format!("{name}.key")), self.beside().join(format!("{name}.pub")));
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        fs::write(&secret, pair.sk.to_box(None).unwrap().into_string()).unwrap();
        fs::write(&public, pair.pk.to_box().unwrap().into_string()).unwrap();
        (secret, public)
    }

    /// Signs what is to be signed, and returns the file of the public key.
    pub fn sign(&self, name: &str) -> PathBuf {
        let (secret, public) = self.keys(name);
        let key = SigningKey::read(&secret, || panic!("it has no password")).unwrap();
        let names = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for name in names.filter(|name| name == SUMS || name.ends_with(STATEMENT)) {
            key.sign(&self.at(&name)).unwrap();
        }
        public
    }

    pub fn verify(&self) -> Result<Verified, VerifyError> {
        verify(&self.path(), &Trust::DigestsOnly, &Silent)
    }

    pub fn verify_by(&self, public: &Path) -> Result<Verified, VerifyError> {
        verify(&self.path(), &Trust::Key(&PublicKey::read(public).unwrap()), &Silent)
    }

    /// Why it is refused.
    #[track_caller]
    pub fn refused(&self) -> String {
        self.verify().expect_err("it was found right").to_string()
    }

    #[track_caller]
    pub fn refused_by(&self, public: &Path) -> String {
        self.verify_by(public).expect_err("it was found right").to_string()
    }
}
