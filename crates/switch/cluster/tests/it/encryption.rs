//! The encryption of Secrets: made once, never replaced.

use std::{fs, sync::Barrier, thread};

use base64ct::{Base64, Encoding};
use cluster::{encryption, kubeconfig::Change};
use serde_json::Value;

use crate::support::mode;

#[test]
fn the_configuration_is_made_once_with_a_random_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("encryption.json");
    assert_eq!(encryption::ensure(&path).unwrap(), Change::Written);
    let first = fs::read(&path).unwrap();
    assert_eq!(encryption::ensure(&path).unwrap(), Change::Kept);
    assert_eq!(fs::read(&path).unwrap(), first);
    assert_eq!(mode(&path), 0o600);
    let config: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!((config["kind"].as_str(), config["apiVersion"].as_str()), (Some("EncryptionConfig"), Some("v1")));
    let resource = &config["resources"][0];
    assert_eq!(resource["resources"][0], "secrets");
    let secret = resource["providers"][0]["aescbc"]["keys"][0]["secret"].as_str().unwrap();
    assert_eq!(Base64::decode_vec(secret).unwrap().len(), 32);
    assert_eq!(resource["providers"][1]["identity"], serde_json::json!({}));
    encryption::ensure(&dir.path().join("other.json")).unwrap();
    assert_ne!(fs::read(dir.path().join("other.json")).unwrap(), first);
}

#[test]
fn a_damaged_one_is_never_replaced_and_the_error_shows_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("encryption.json");
    encryption::ensure(&path).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let secret = whole.split("\"secret\": \"").nth(1).unwrap()[..44].to_owned();
    let shorter = whole.replace(&secret, &secret[..20]);
    let no_key = whole.replace("aescbc", "identity");
    let damaged: Vec<&str> = (0..whole.trim_end().len())
        .step_by(7)
        .map(|length| &whole[..length])
        .chain([shorter.as_str(), &no_key])
        .collect();
    for text in damaged {
        fs::write(&path, text).unwrap();
        let error = format!("{0} {0:?}", encryption::ensure(&path).unwrap_err());
        assert!(error.contains("put it back from your backup"), "{text:?}: {error}");
        assert!(!error.contains(&secret[..8]), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

/// A bring-up that begins again, and a renewal: each goes on with the key that it has read.
#[test]
fn of_several_that_make_it_at_once_all_have_the_key_of_the_first() {
    for race in 0..50 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("encryption.json");
        let barrier = Barrier::new(4);
        let run = || {
            barrier.wait();
            let change = encryption::ensure(&path).unwrap();
            (fs::read(&path).unwrap(), change)
        };
        let runs: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let kept = fs::read(&path).unwrap();
        assert!(runs.iter().all(|(key, _)| *key == kept), "race {race}: a run has a key that is lost");
        assert_eq!(runs.iter().filter(|(_, change)| *change == Change::Written).count(), 1, "race {race}");
    }
}
