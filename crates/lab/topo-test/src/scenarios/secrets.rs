//! Secrets are encrypted before etcd gets them.

use anyhow::{Result, ensure};

use crate::Scene;

const NAME: &str = "topo-test";
const WORD: &str = "to-be-found-nowhere";
/// The same in base64.
const ENCODED: &str = "dG8tYmUtZm91bmQtbm93aGVyZQ==";
const ENCRYPTED: &[u8] = b"k8s:enc:aescbc:v1:";

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    scene.step("create a Secret", |_| {
        master.kubectl(&["create", "secret", "generic", NAME, &format!("--from-literal=word={WORD}")])
    })?;
    scene.step("etcd holds it encrypted", |_| {
        let stored = master.etcd_value(&format!("/registry/secrets/default/{NAME}"))?;
        ensure!(stored.starts_with(ENCRYPTED), "what etcd holds does not begin with the provider's mark");
        let readable = stored.windows(WORD.len()).any(|part| part == WORD.as_bytes());
        ensure!(!readable, "the Secret's word can be read in etcd");
        Ok(())
    })?;
    scene.step("the API server gives it back", |_| {
        let read = master.kubectl_json(&["get", "secret", NAME])?;
        ensure!(read["data"]["word"] == ENCODED, "it is another: {read}");
        master.kubectl(&["delete", "secret", NAME]).map(drop)
    })
}
