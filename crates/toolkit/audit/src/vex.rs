//! The statements as OpenVEX 0.2.0 writes them, for scanners: <https://github.com/openvex/spec>. A function of what was judged, so that
//! two builds write the same bytes.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use common::Sha256;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    bill,
    judgement::{Finding, Judgement, Verdict},
    statements::Said,
};

/// What its name ends with in dist/.
pub const ENDING: &str = "openvex.json";

const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";

/// The text of the document. `known_until` is the day until which the table is known, which is the document's time.
pub fn text(product: &str, known_until: &str, judgement: &Judgement) -> Result<String> {
    let statements: Vec<Value> = judgement.findings.iter().map(|finding| statement(product, finding)).collect();
    let digest = Sha256::of_bytes(serde_json::to_string(&statements)?);
    let document = json!({
        "@context": CONTEXT,
        "@id": format!("{}/vex/{digest}", env!("CARGO_PKG_REPOSITORY")),
        "author": "kubernetes-on-eos",
        "role": "Project",
        "timestamp": format!("{known_until}T00:00:00Z"),
        "version": 1,
        "tooling": concat!("kubernetes-on-eos audit ", env!("CARGO_PKG_VERSION")),
        "statements": statements,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// What a document says of each vulnerability in each part: by its name and the part's package URL without a version.
pub fn statuses(document: &[u8]) -> Result<BTreeMap<(String, String), String>> {
    let document: Document = serde_json::from_slice(document).context("it is no OpenVEX of ours")?;
    let mut statuses = BTreeMap::new();
    for statement in document.statements {
        for part in statement.products.into_iter().flat_map(|product| product.subcomponents) {
            let of = (statement.vulnerability.name.clone(), bill::without_version(&part.id).to_owned());
            statuses.insert(of, statement.status.clone());
        }
    }
    Ok(statuses)
}

#[derive(Deserialize)]
struct Document {
    statements: Vec<Stated>,
}

#[derive(Deserialize)]
struct Stated {
    vulnerability: Named,
    products: Vec<Product>,
    status: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Product {
    subcomponents: Vec<Subcomponent>,
}

#[derive(Deserialize)]
struct Subcomponent {
    #[serde(rename = "@id")]
    id: String,
}

fn statement(product: &str, finding: &Finding) -> Value {
    let mut vulnerability = Map::from_iter([("name".to_owned(), json!(finding.vulnerability.id))]);
    if !finding.vulnerability.aliases.is_empty() {
        vulnerability.insert("aliases".to_owned(), json!(finding.vulnerability.aliases));
    }
    let products = json!([{ "@id": product, "subcomponents": [{ "@id": finding.part.purl }] }]);
    let mut statement = Map::from_iter([
        ("vulnerability".to_owned(), Value::from(vulnerability)),
        ("products".to_owned(), products),
        ("status".to_owned(), json!(finding.status())),
    ]);
    let mut say = |key: &str, text: &str| drop(statement.insert(key.to_owned(), json!(text)));
    match &finding.verdict {
        Verdict::Said(Said::Fixed { patch, reason, .. }) => say("status_notes", &format!("{reason} By {patch}.")),
        Verdict::Said(Said::NotAffected { justification, reason, .. }) => {
            say("justification", justification.name());
            say("impact_statement", reason);
        }
        Verdict::Said(Said::Affected { reason, action }) => {
            say("status_notes", reason);
            say("action_statement", action);
        }
        Verdict::Refuted(why) => {
            say("status_notes", &format!("What was said of it does not hold: {why}"));
            say("action_statement", "Build again from a commit whose audit passes.");
        }
        Verdict::Unknown => say("status_notes", "Nobody has looked at it yet."),
    }
    statement.into()
}
