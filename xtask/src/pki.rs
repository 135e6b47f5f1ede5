//! `pki`: the whole PKI of a cluster, made on this host, for those who carry certificates to their switches.

use std::time::SystemTime;

use anyhow::Result;
use cluster::{
    Cluster,
    pki::{OperatorCa, Outcome, whole_cluster},
};
use common::files;

use crate::flags::Pki;

pub fn run(flags: Pki) -> Result<()> {
    let text = files::read_text(&flags.cluster)?;
    let cluster = Cluster::parse(&text, &flags.cluster.display().to_string())?;
    let own = flags.ca.zip(flags.ca_key).map(|(certificate, key)| OperatorCa { certificate, key });
    for made in whole_cluster(&flags.out, &cluster, own.as_ref(), SystemTime::now())? {
        println!("{}: {}", made.node, made.directory.display());
        for (credential, outcome) in made.outcomes {
            println!("  {:30} {}", credential.name(), words(&outcome));
        }
    }
    println!("the operator's kubeconfig: {}", flags.out.join("admin.kubeconfig").display());
    Ok(())
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
