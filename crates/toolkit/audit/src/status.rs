//! docs/security-status.md: what is known, for people.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    bill,
    judgement::{Finding, Judgement, Verdict},
    statements::Said,
};

const HEAD: &str = "\
# Known vulnerabilities, and what of them is so here

Written by `cargo xtask audit --write`; CI holds that it is what the newest build comes to. The same for scanners is in dist/, as OpenVEX.
`fixed` names our patch: `cargo xtask audit --prove all` holds that a test that it brings fails without it and all pass with it, or that its statement says why
none can show that; `not affected` has a check that a machine makes of each build (a function that is not linked, a flag of a unit);
`affected` says what to do. [SECURITY.md](../SECURITY.md) says how to get a newer one. EOS' own Docker, with its runc and containerd, is Arista's and
not in here.
";

/// The whole document.
pub fn text(release: &str, known_until: &str, judgement: &Judgement) -> String {
    let mut text =
        format!("{HEAD}\nRelease {release}. Known until **{known_until}**: what was published later is not in it.\n");
    let count = |status: &str| {
        let of = judgement.findings.iter().filter(|finding| finding.status() == status);
        of.map(|finding| &finding.vulnerability.id).collect::<BTreeSet<_>>().len()
    };
    text += &format!(
        "\n{} fixed, {} not affected, {} affected. One that is in several parts may count more than once.\n",
        count("fixed"),
        count("not_affected"),
        count("affected")
    );
    for (title, status) in [
        ("Affected", "affected"),
        ("Nobody has looked yet", "under_investigation"),
        ("Fixed", "fixed"),
        ("Not affected", "not_affected"),
    ] {
        section(&mut text, title, judgement.findings.iter().filter(|finding| finding.status() == status));
    }
    text
}

/// What is said alike of several stands in one row.
fn section<'a>(text: &mut String, title: &str, findings: impl Iterator<Item = &'a Finding<'a>>) {
    let mut rows: Vec<(BTreeSet<&str>, Vec<&str>)> = Vec::new();
    let mut by_words: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings {
        let at = *by_words.entry(words(finding)).or_insert_with(|| {
            rows.push(Default::default());
            rows.len() - 1
        });
        rows[at].0.insert(short(&finding.part.purl));
        if !rows[at].1.contains(&finding.vulnerability.id.as_str()) {
            rows[at].1.push(&finding.vulnerability.id);
        }
    }
    if rows.is_empty() {
        return;
    }
    *text += &format!("\n## {title}\n\n| vulnerability | in | what is so |\n| --- | --- | --- |\n");
    let mut words: Vec<(&usize, &String)> = by_words.iter().map(|(words, at)| (at, words)).collect();
    words.sort();
    for (at, words) in words {
        let parts = rows[*at].0.iter().copied().collect::<Vec<_>>().join(", ");
        *text += &format!("| {} | {parts} | {words} |\n", rows[*at].1.join(", "));
    }
}

fn words(finding: &Finding) -> String {
    let words = match &finding.verdict {
        Verdict::Said(Said::Fixed { patch, reason, .. }) => {
            let (component, file) = patch.split_once('/').unwrap_or(("", patch));
            format!("{reason} Patch `{}` of {component}.", file.trim_end_matches(".patch"))
        }
        Verdict::Said(Said::NotAffected { reason, .. }) => reason.clone(),
        Verdict::Said(Said::Affected { reason, action }) => format!("{reason} **To do:** {action}"),
        Verdict::Refuted(why) => format!("What was said of it does not hold: {why}"),
        Verdict::Unknown => "Nothing is said of it.".to_owned(),
    };
    words.replace('|', "\\|").replace('\n', " ")
}

/// A package URL without its kind and version.
fn short(purl: &str) -> &str {
    let name = bill::without_version(purl);
    name.strip_prefix("pkg:").and_then(|name| name.split_once('/')).map_or(name, |(_, name)| name)
}
