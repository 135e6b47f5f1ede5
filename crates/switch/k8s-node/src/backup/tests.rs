//! A backup as it is on the medium: cut off, changed, opened with the wrong key.

use std::{fs, io::Write, path::PathBuf};

use age::{secrecy::ExposeSecret, x25519};
use common::digest::Sha256;
use tempfile::TempDir;

use super::{archive::Source, encryption::Sealing, *};
use crate::{
    passphrase::Passphrase,
    test_support::{came_up_before, flash_of, in_mount_namespace},
};

/// Of a size that takes several of age's blocks of 64 KiB, and does not get smaller in a gzip.
const DATABASE: usize = 140 * 1024;

struct Made {
    directory: TempDir,
    manifest: Manifest,
    sources: Vec<Source>,
}

fn made() -> Made {
    let directory = tempfile::tempdir().unwrap();
    let mut random = 1u32;
    let mut database: Vec<u8> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    })
    .take(DATABASE)
    .collect();
    let digest = Sha256::of_bytes(&database).to_string();
    database.extend((0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap()));
    let copy = directory.path().join("copy");
    fs::write(&copy, database).unwrap();
    let small = |name: &str| Source::Bytes { name: name.into(), bytes: format!("{name} as it was\n").into() };
    let sources = vec![
        small(CLUSTER_TOML),
        small(ENCRYPTION_CONFIG),
        small("pki/ca-key.pem"),
        small("pki/node-keys.json"),
        Source::File { name: SNAPSHOT.into(), file: copy },
    ];
    let manifest = Manifest {
        version: archive::VERSION,
        cluster: "kubernetes".into(),
        master: "veos-b".into(),
        authority: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        kubernetes: "1.20.2".into(),
        made: "2026-11-29T00:00:00Z".into(),
        members: sources.iter().map(|source| source.member().unwrap()).collect(),
    };
    Made { directory, manifest, sources }
}

impl Made {
    fn write(&self, sealing: &Sealing) -> (PathBuf, Vec<u8>) {
        let file = self.directory.path().join("backup");
        write(&file, &self.manifest, &self.sources, sealing).unwrap();
        let bytes = fs::read(&file).unwrap();
        (file, bytes)
    }
}

fn passphrase_file(made: &Made, text: &str) -> Passphrase {
    let file = made.directory.path().join("passphrase");
    fs::write(&file, text).unwrap();
    Passphrase::File(file)
}

fn said(verified: anyhow::Result<Verified>) -> String {
    format!("{:#}", verified.err().expect("it was taken for whole"))
}

/// Of every stretch of the file some lengths, and all lengths around its ends.
fn lengths(all: usize) -> impl Iterator<Item = usize> {
    (0..all).filter(move |length| *length < 20 || *length + 20 > all || length % 2003 == 0)
}

#[test]
fn a_backup_that_is_cut_off_anywhere_is_refused() {
    let made = made();
    let (_, plain) = made.write(&Sealing::Plain);
    assert_eq!(verify(plain.as_slice()).unwrap().manifest, made.manifest);
    for length in lengths(plain.len()) {
        let error = said(verify(&plain[..length]));
        assert!(error.contains("not whole") || error.contains("no backup"), "{length}: {error}");
    }
    let sealing = Protection::Recipient(x25519::Identity::generate().to_public().to_string()).prepare().unwrap();
    let (_, sealed) = made.write(&sealing);
    for length in lengths(sealed.len()) {
        let opened = sealing.open(&sealed[..length]).and_then(verify);
        assert!(opened.is_err(), "{length} of {} bytes were taken for all", sealed.len());
    }
    let longer = [plain, vec![0]].concat();
    assert!(said(verify(longer.as_slice())).contains("something stands behind its end"));
}

#[test]
fn a_byte_that_was_changed_comes_in_nowhere() {
    let made = made();
    let (_, plain) = made.write(&Sealing::Plain);
    let identity = x25519::Identity::generate();
    let (_, sealed) = made.write(&Protection::Recipient(identity.to_public().to_string()).prepare().unwrap());
    let key = Key::Identities(vec![identity]);
    for at in lengths(plain.len()) {
        let mut changed = plain.clone();
        changed[at] ^= 0x10;
        // Some bits of a gzip mean nothing, in its header and at its end: what comes in then is what went in, as the list says.
        if let Ok(verified) = verify(changed.as_slice()) {
            assert_eq!(verified.manifest, made.manifest, "byte {at}");
        }
    }
    for at in lengths(sealed.len()) {
        let mut changed = sealed.clone();
        changed[at] ^= 0x10;
        assert!(key.open(changed.as_slice()).and_then(verify).is_err(), "byte {at} of {}", sealed.len());
    }
}

#[test]
fn an_encrypted_backup_is_opened_by_its_passphrase_or_identity_and_by_no_other() {
    let made = made();
    let right = passphrase_file(&made, "correct horse battery\n");
    let (file, sealed) = made.write(&Protection::Passphrase(right.clone()).prepare().unwrap());
    assert!(is_encrypted(&sealed) && !is_encrypted(b"\x1f\x8b"));
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    let opened = |source: KeySource| source.prepare().unwrap().open(sealed.as_slice()).and_then(verify);
    let verified = opened(KeySource::Passphrase(right)).unwrap();
    assert_eq!(verified.manifest, made.manifest);
    assert_eq!(verified.cluster_toml, b"cluster.toml as it was\n");
    let wrong = passphrase_file(&made, "correct horse batterx\n");
    let error = said(opened(KeySource::Passphrase(wrong)));
    assert!(error.contains("cannot be opened with this passphrase"), "{error}");
    assert!(!sealed.windows(10).any(|part| part == b"kubernetes"), "the manifest can be read");

    let identity = x25519::Identity::generate();
    let (_, sealed) = made.write(&Protection::Recipient(identity.to_public().to_string()).prepare().unwrap());
    let file = made.directory.path().join("identity");
    let opened = |identity: &x25519::Identity| {
        let text = format!("# created: today\n{}\n", identity.to_string().expose_secret());
        fs::write(&file, text).unwrap();
        KeySource::Identity(file.clone()).prepare().unwrap().open(sealed.as_slice()).and_then(verify)
    };
    opened(&identity).unwrap();
    assert!(opened(&x25519::Identity::generate()).is_err());
    let error = Protection::Recipient("age1abc".into()).prepare().err().unwrap().to_string();
    assert!(error.contains("is no age public key"), "{error}");
}

#[test]
fn a_backup_that_cannot_be_made_leaves_the_one_before_and_nothing_else() {
    let mut made = made();
    let (file, before) = made.write(&Sealing::Plain);
    let Some(Source::File { file: copy, .. }) = made.sources.last() else { unreachable!() };
    fs::OpenOptions::new().append(true).open(copy).unwrap().write_all(&[0; 512]).unwrap();
    // Its digest is no longer its own.
    let last = made.manifest.members.len() - 1;
    made.manifest.members[last] = made.sources[last].member().unwrap();
    let error = write(&file, &made.manifest, &made.sources, &Sealing::Plain).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("what was written cannot be read back") && error.contains("etcd.snapshot"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let names = fs::read_dir(made.directory.path()).unwrap().count();
    assert_eq!(names, 2, "something unfinished is left");
}

#[test]
fn what_is_not_in_the_list_or_leads_out_of_the_directory_is_no_member() {
    let mut made = made();
    let short = Manifest { members: made.manifest.members[1..].to_vec(), ..made.manifest.clone() };
    let bytes = archive::write(Vec::new(), &short, &made.sources[1..]).unwrap();
    assert!(said(verify(bytes.as_slice())).contains("there is no cluster.toml"));
    for name in ["pki/../../etc/passwd", "/etc/passwd", "pki/.new-x", "pki/a/b", "etcd"] {
        made.manifest.members[0].name = name.into();
        let list = archive::write(Vec::new(), &Manifest { members: vec![], ..made.manifest.clone() }, &[]).unwrap();
        assert!(verify(list.as_slice()).is_err());
        assert!(!members::is_known(name), "{name}");
    }
    let later = Manifest { version: archive::VERSION + 1, ..made.manifest.clone() };
    let bytes = archive::write(Vec::new(), &later, &[]).unwrap();
    assert!(said(verify(bytes.as_slice())).contains("of a later release"));
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_backup_leaves_etcd_its_next_file_on_the_flash_wherever_it_comes_to_lie() {
    in_mount_namespace(|| {
        flash_of(100);
        came_up_before();
        let elsewhere = tempfile::tempdir_in("/mnt").unwrap();
        let on_flash: &Path = places::FLASH.as_ref();
        let asked = |directory: &Path, mib: u64| require_room(directory, mib << 20).map_err(|error| error.to_string());
        asked(on_flash, 19).unwrap();
        let error = asked(on_flash, 20).unwrap_err();
        assert!(error.contains("and up to 102 are needed"), "{error}");
        asked(elsewhere.path(), 38).unwrap();
        asked(elsewhere.path(), 39).unwrap_err();
    });
}
