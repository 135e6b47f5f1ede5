//! `pki`: the whole PKI of a cluster, made on this host, for those who carry certificates to their switches.

use std::{path::PathBuf, time::SystemTime};

use anyhow::Result;
use clap::Args;
use cluster::{
    Cluster,
    pki::{OperatorCa, Outcome, whole_cluster},
};
use common::files;

#[derive(Args)]
pub struct Pki {
    /// The cluster's cluster.toml
    #[arg(long, value_name = "FILE")]
    pub cluster: PathBuf,
    /// Directory for DIR/NODE/pki, as it goes to each switch's /mnt/flash/k8s, and for DIR/admin.kubeconfig
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Your own certificate authority; its first certificate signs
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    pub ca: Option<PathBuf>,
    /// The private key of --ca
    #[arg(long, value_name = "FILE", requires = "ca")]
    pub ca_key: Option<PathBuf>,
}

impl Pki {
    pub fn run(self) -> Result<()> {
        let text = files::read_text(&self.cluster)?;
        let cluster = Cluster::parse(&text, &self.cluster.display().to_string())?;
        let own = self.ca.zip(self.ca_key).map(|(certificate, key)| OperatorCa { certificate, key });
        for made in whole_cluster(&self.out, &cluster, own.as_ref(), SystemTime::now())? {
            println!("{}: {}", made.node, made.directory.display());
            for (credential, outcome) in made.outcomes {
                println!("  {:30} {}", credential.name(), words(&outcome));
            }
        }
        println!("the operator's kubeconfig: {}", self.out.join("admin.kubeconfig").display());
        Ok(())
    }
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Kept => "kept".into(),
        Outcome::Made => "made".into(),
        Outcome::Renewed { why } => format!("renewed: {why}"),
        Outcome::Due { why } => format!("due, and the authority's key is not here: {why}"),
        Outcome::Taken => "yours, used as it is".into(),
    }
}
