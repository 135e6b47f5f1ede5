//! A bundle for whoever is asked for help: what the switch says of itself, and no secret.
//!
//! Keys, kubeconfigs, the encryption configuration and etcd's data are never read; of cluster.toml, what it was read as goes in,
//! without the token, or what is wrong with it; of certificates, only what `k8s-node status` shows. The logs of audit and of enrolment
//! name Secrets, users and addresses, and hold no contents.

use std::{
    borrow::Cow,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use cluster::JoinToken;
use common::{command::Program, files};
use contract::{places, services};
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, Header};

use crate::{containers, preflight, program, status, switch, systemd};

/// Lines of each unit's log.
const LINES: usize = 2000;

/// Of each log on the flash, its end.
const BYTES: u64 = 1 << 20;

const COMMANDS: [(&str, &str, &[&str]); 8] = [
    ("ip-address", "ip", &["address"]),
    ("ip-route", "ip", &["-4", "route", "show", "table", "all"]),
    ("iptables", "iptables-save", &[]),
    ("mounts", "mount", &[]),
    ("memory", "cat", &["/proc/meminfo"]),
    ("disks", "df", &["-k"]),
    ("processes", "ps", &["-e", "-o", "pid,ppid,rss,time,comm"]),
    ("eos-version", "FastCli", &["-p", "15", "-c", "show version"]),
];

pub fn run(output: Option<&Path>) -> Result<()> {
    let name = format!("k8s-node-{}", switch::hostname());
    let output = output.map_or_else(|| PathBuf::from(format!("{}/{name}.tar.gz", places::FLASH)), Path::to_owned);
    let bundle = bundle(&name)?;
    files::write_atomically(&output, &bundle)?;
    println!("{}: {} KiB, without keys and without the token", output.display(), bundle.len() / 1024);
    Ok(())
}

fn bundle(name: &str) -> Result<Vec<u8>> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let (cluster, token) = cluster();
    let mut add = |file: &str, contents: &[u8]| -> Result<()> {
        let contents = without(token.as_ref(), contents);
        let mut header = Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        let path = format!("{name}/{file}");
        archive.append_data(&mut header, &path, &*contents).with_context(|| format!("cannot bundle {path}"))
    };
    let status = status::collect().and_then(|status| Ok(serde_json::to_string_pretty(&status)?));
    add("status.json", status.unwrap_or_else(|error| format!("{error:#}")).as_bytes())?;
    add("preflight.txt", preflight::report().as_bytes())?;
    add("cluster.json", cluster.as_bytes())?;
    add("release.json", &fs::read(places::RELEASE).unwrap_or_default())?;
    for (file, name, arguments) in COMMANDS {
        add(&format!("{file}.txt"), said(program::new(name, "describe this switch")?.args(arguments)).as_bytes())?;
    }
    add("containers.txt", containers::pods_table().unwrap_or_else(|error| format!("{error:#}")).as_bytes())?;
    let units = [services::BOOTSTRAP, services::RECONCILER, services::ENROLMENT, services::RENEWAL, services::SNAPSHOT]
        .map(str::to_owned);
    let services = services::NAMES.map(|name| format!("{name}.service"));
    for unit in units.iter().chain(&services) {
        add(&format!("logs/{unit}.txt"), systemd::tail(unit, LINES).as_bytes())?;
        if let Ok(text) = fs::read(Path::new(places::UNITS).join(unit)) {
            add(&format!("units/{unit}"), &text)?;
        }
    }
    for log in [places::AUDIT_LOG, places::ENROLMENT_LOG].map(Path::new) {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        let end = end_of(log, BYTES).unwrap_or_else(|error| error.to_string().into_bytes());
        add(&format!("logs/{name}"), &end)?;
    }
    Ok(archive.into_inner()?.finish()?)
}

/// The last lines of a file, as many as so many bytes have.
fn end_of(file: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    let cut_off = file.metadata()?.len().checked_sub(bytes).filter(|before| *before > 0);
    file.seek(SeekFrom::Start(cut_off.unwrap_or(0)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    let begin = cut_off.and_then(|_| end.iter().position(|byte| *byte == b'\n')).map_or(0, |newline| newline + 1);
    Ok(end.split_off(begin))
}

/// What a command says, or why it says nothing: a bundle that lacks something is better than none.
fn said(program: Program) -> String {
    program.read().unwrap_or_else(|error| format!("{error:#}"))
}

/// What cluster.toml was read as, and the token that is in it.
fn cluster() -> (String, Option<JoinToken>) {
    match switch::read(places::CLUSTER_TOML.as_ref()) {
        Ok(cluster) => {
            let text = serde_json::to_string_pretty(&cluster).unwrap_or_else(|error| error.to_string());
            (text, cluster.token)
        }
        Err(error) => (format!("{error:#}"), None),
    }
}

/// The token is in none of this, unless somebody has written it there by another way: an old release in its log, an operator
/// in a comment.
fn without<'a>(token: Option<&JoinToken>, contents: &'a [u8]) -> Cow<'a, [u8]> {
    match token.map(JoinToken::reveal) {
        Some(token) if contents.windows(token.len()).any(|part| part == token.as_bytes()) => {
            Cow::Owned(String::from_utf8_lossy(contents).replace(token, "(the token)").into_bytes())
        }
        _ => Cow::Borrowed(contents),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read};

    use flate2::read::GzDecoder;

    use super::*;
    use crate::test_support::{flash_of, in_mount_namespace};

    const CLUSTER: &str = include_str!("../../cluster/tests/fixtures/cluster.toml");
    const TOKEN: &str = "9f86d081884c7d659a2feaa0c55ad015";

    fn bundled() -> BTreeMap<String, String> {
        let bundle = bundle("bundle").unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(bundle.as_slice()));
        let read = |mut entry: tar::Entry<'_, _>| {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), String::from_utf8_lossy(&bytes).into_owned())
        };
        archive.entries().unwrap().map(|entry| read(entry.unwrap())).collect()
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn the_bundle_has_the_cluster_and_no_token_however_it_is_written() {
        let before = CLUSTER.split_once("[join]").unwrap().0;
        let good = [
            CLUSTER.to_owned(),
            format!("join = {{ token = \"{TOKEN}\" }}\n{before}"),
            format!("join.token = '{TOKEN}'\n{before}"),
            format!("{before}# the old one: {TOKEN}\n[join]\ntoken = \"\"\"\\\n    {TOKEN}\"\"\"  # not {TOKEN}\n"),
            format!("{before}[join] # {TOKEN}\ntoken = \"\"\"\n{TOKEN}\"\"\"\n# token = \"{TOKEN}\"\n"),
        ];
        let bad = [
            format!("join = \"{TOKEN}\"\n{before}"),
            format!("{before}[join]\n{TOKEN} = 1\n"),
            format!("{before}[kube-proxy]\nmode = \"{TOKEN}\"\n"),
            format!("{before}[join]\ntoken = \"\"\"\n{TOKEN}\nmore\"\"\"\n"),
        ];
        in_mount_namespace(|| {
            flash_of(10);
            for (file, is_good) in good.iter().map(|file| (file, true)).chain(bad.iter().map(|file| (file, false))) {
                fs::write(places::CLUSTER_TOML, file).unwrap();
                let files = bundled();
                let cluster = &files["bundle/cluster.json"];
                assert_eq!(cluster.contains("\"service_cidr\": \"10.10.0.0/22\""), is_good, "{cluster}\nof\n{file}");
                assert!(is_good || cluster.contains("cluster.toml:"), "{cluster}");
                // What goes into the journal, the status and /run.
                let said = format!("{:#}", switch::Switch::load().unwrap_err());
                assert!(!said.contains(TOKEN), "{said}");
                for (name, contents) in &files {
                    assert!(!contents.contains(TOKEN), "the token is in {name}, of\n{file}");
                }
            }
        });
    }

    #[test]
    fn of_a_long_log_the_last_whole_lines_go_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "one\ntwo\nthree\n").unwrap();
        for (bytes, end) in [(100, "one\ntwo\nthree\n"), (14, "one\ntwo\nthree\n"), (12, "two\nthree\n"), (3, "")] {
            assert_eq!(end_of(file.path(), bytes).unwrap(), end.as_bytes(), "{bytes}");
        }
    }

    #[test]
    fn what_an_old_release_has_logged_goes_in_without_the_token() {
        let token = cluster::Cluster::parse(CLUSTER, "cluster.toml").unwrap().token;
        let logged = format!("string \"{TOKEN}\" stands where a table belongs\n");
        assert_eq!(
            &*without(token.as_ref(), logged.as_bytes()),
            b"string \"(the token)\" stands where a table belongs\n"
        );
        assert_eq!(&*without(None, b"x"), b"x");
    }
}
