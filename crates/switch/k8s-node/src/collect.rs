//! A bundle for whoever is asked for help: what the switch says of itself, and no secret.
//!
//! Keys, kubeconfigs, the encryption configuration and etcd's data are never read; of cluster.toml, the token's line is
//! left out; of certificates, only what `k8s-node status` shows goes in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::{command::Program, files};
use contract::{places, services};
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, Header};

use crate::{containers, program, status, switch, systemd};

/// Lines of each unit's log.
const LINES: usize = 2000;

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
    let mut add = |file: &str, contents: &[u8]| -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        let path = format!("{name}/{file}");
        archive.append_data(&mut header, &path, contents).with_context(|| format!("cannot bundle {path}"))
    };
    add("status.json", &serde_json::to_vec_pretty(&status::collect()?)?)?;
    let cluster = fs::read_to_string(places::CLUSTER_TOML).map_or_else(|why| why.to_string(), |text| redacted(&text));
    add("cluster.toml", cluster.as_bytes())?;
    add("release.json", &fs::read(places::RELEASE).unwrap_or_default())?;
    for (file, name, arguments) in COMMANDS {
        add(&format!("{file}.txt"), said(program::new(name, "describe this switch")?.args(arguments)).as_bytes())?;
    }
    add("containers.txt", containers::pods_table().unwrap_or_else(|error| format!("{error:#}")).as_bytes())?;
    let units = [services::BOOTSTRAP, services::ENROLMENT, services::RENEWAL].map(str::to_owned);
    let services = services::NAMES.map(|name| format!("{name}.service"));
    for unit in units.iter().chain(&services) {
        add(&format!("logs/{unit}.txt"), systemd::tail(unit, LINES).as_bytes())?;
        if let Ok(text) = fs::read(Path::new(places::UNITS).join(unit)) {
            add(&format!("units/{unit}"), &text)?;
        }
    }
    Ok(archive.into_inner()?.finish()?)
}

/// What a command says, or why it says nothing: a bundle that lacks something is better than none.
fn said(program: Program) -> String {
    program.read().unwrap_or_else(|error| format!("{error:#}"))
}

/// cluster.toml without any line that may have the token or a part of it: everything from `[join]` to the next table.
fn redacted(text: &str) -> String {
    let mut joining = false;
    let mut kept = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with('[') {
            joining = trimmed.replace(' ', "").starts_with("[join]");
            kept.push_str(if joining { "[join] is left out\n" } else { "" });
        }
        if !joining && !trimmed.contains("token") && !trimmed.contains("join") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_left_out_wherever_it_stands() {
        let files = [
            "[cluster]\nname = \"k\"\n[join]\ntoken = \"secret\"\n[[node]]\nname = \"a\"\n",
            "join = { token = \"secret\" }\n[cluster]\nname = \"k\"\n",
            "join.token = \"secret\"\n[cluster]\nname = \"k\"\n",
            "[cluster]\nname = \"k\"\n[ join ]\ntoken = \"\"\"\nsecret\"\"\"\n",
        ];
        for file in files {
            let redacted = redacted(file);
            assert!(!redacted.contains("secret"), "{redacted}");
            assert!(redacted.contains("name = \"k\""), "{redacted}");
        }
    }
}
