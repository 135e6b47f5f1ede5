//! cluster.toml as a lab's switches get it: those of topo/ have no token, so that none that everybody knows is anywhere, and each
//! lab has one of its own.

use std::path::Path;

use anyhow::Result;
use cluster::{Cluster, JoinToken};
use common::files;

/// The file's text, with a new token where it has none. Where it is no good, it is for the switches to say so.
pub fn for_lab(file: &Path) -> Result<String> {
    let text = files::read_text(file)?;
    match Cluster::parse(&text, &file.display().to_string()) {
        Ok(Cluster { token: None, .. }) => with_token(&text),
        _ => Ok(text),
    }
}

fn with_token(text: &str) -> Result<String> {
    let token = JoinToken::make()?;
    Ok(format!("{}\n\n[join]\ntoken = \"{}\"\n", text.trim_end(), token.reveal()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_lab_has_a_token_of_its_own_that_a_new_cluster_may_begin_with() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../topo");
        for name in ["cluster.toml", "cluster-one.toml", "cluster-leaf-spine.toml"] {
            let file = directory.join(name);
            assert!(!fs::read_to_string(&file).unwrap().contains("token ="), "{name} has a token");
            let clusters = [0; 2].map(|_| Cluster::parse(&for_lab(&file).unwrap(), name).unwrap());
            assert!(clusters[0].token.is_some() && clusters[0].token != clusters[1].token, "{name}");
            assert_eq!(clusters[0].warnings.to_string(), "");
        }
    }

    #[test]
    fn a_file_with_a_token_and_one_that_is_wrong_are_left_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cluster.toml");
        let own = for_lab(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../topo/cluster.toml")).unwrap();
        for text in [own.as_str(), "[cluster]\n"] {
            fs::write(&file, text).unwrap();
            assert_eq!(for_lab(&file).unwrap(), text);
        }
    }
}
