//! The script itself on this machine, in namespaces of its own. Docker and systemd are stand-ins that print what a test has them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use common::command::Program;

use super::*;

/// What is prepared, with a directory of programs that come before the machine's, and then the script.
const SCRIPT: &str = r#"
export PATH=$1:$PATH
mount -t tmpfs none /run
mkdir -p /run/systemd/system /run/docker
printf '127.0.0.1 localhost\n192.0.2.7 veos-b\n' >/run/hosts
mount --bind /run/hosts /etc/hosts
mount -t tmpfs none /etc/skel
ip link set lo up
ip link add eth0 type veth peer name other
ip address add 192.0.2.7/24 dev eth0
ip address add 192.0.2.8/24 dev eth0
eval "$2"
exec bash -c "$3"
"#;

/// What the script says after that was done.
fn after(done: &str, docker: &str) -> Result<Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    program(&directory.path().join("docker"), &format!("case $1 in info) echo /run/docker ;; esac\n{docker}"));
    program(&directory.path().join("systemctl"), "echo ssh.service");
    let run = Program::new("unshare", "run the script")?.args(["--net", "--mount", "bash", "-euc", SCRIPT, "bash"]);
    let said = run.arg(directory.path()).args([done, EVERYTHING]).read()?;
    Ok(said.lines().map(str::to_owned).collect())
}

fn program(file: &Path, body: &str) {
    fs::write(file, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The IPv4 addresses, files of ours and links of /etc that came and went by what was done: all else is this machine's own, and moves.
fn difference_by(done: &str) -> String {
    let compared = |done| {
        let lines = after(done, "true").unwrap_or_else(|error| panic!("{error:#}"));
        let sections =
            [("addresses", "rules 6"), ("files", "cgroups"), ("links of etc", "sysctls")].map(|(begin, end)| {
                let lines = lines.iter().map(String::as_str).skip_while(move |line| *line != begin);
                lines.take_while(move |line| *line != end).collect::<Vec<_>>()
            });
        sections.concat().join("\n")
    };
    difference(&compared(done), &compared(""))
}

#[test]
#[ignore = "needs root, for namespaces, iproute2, iptables and procps"]
fn an_address_a_link_in_etc_and_a_file_among_docker_s_are_seen_and_what_docker_gives_is_not() {
    let added =
        "ip address add 10.16.0.1/24 dev other; touch /run/docker/kube-images; ln -s /usr/share/left/bin /etc/skel/bin";
    let left = ["other 10.16.0.1/24", "/run/docker/kube-images", "/etc/skel/bin -> /usr/share/left/bin"];
    assert_eq!(difference_by(added), left.map(|line| format!("left: {line}\n")).concat());
    let moved = "ip address del 192.0.2.8/24 dev eth0; ip address add 192.0.2.9/24 dev eth0";
    assert_eq!(difference_by(moved), "left: eth0 192.0.2.9/24\nmissing: eth0 192.0.2.8/24\n");
    let given = "ip address flush dev eth0; ip address add 192.0.2.6/24 dev eth0; ip address add 192.0.2.8/24 dev eth0
        echo '192.0.2.6 veos-b' >/etc/hosts";
    assert_eq!(difference_by(given), "");
}

#[test]
#[ignore = "needs root, for namespaces, iproute2, iptables and procps"]
fn the_limits_of_keys_are_seen() {
    let named = after("", "true").unwrap();
    for limit in ["root_maxkeys", "root_maxbytes"] {
        assert!(named.iter().any(|line| line.starts_with(&format!("kernel.keys.{limit} = "))), "{limit}: {named:#?}");
    }
}

#[test]
#[ignore = "needs root, for namespaces, iproute2, iptables and procps"]
fn what_cannot_be_asked_is_an_error_and_not_an_empty_answer() {
    let error = after("", "case $1 in image) echo 'Docker is away' >&2; exit 1 ;; esac").unwrap_err();
    assert!(format!("{error:#}").contains("Docker is away"), "{error:#}");
}
