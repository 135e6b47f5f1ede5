//! The stand-in reached as a vEOS in a virtual machine is: by ssh, through EOS' command line.

use std::{collections::BTreeMap, fs};

use common::command::Program;
use devices::{DeviceAccess, Flash, Lab, Ssh};
use topology::Topology;

use crate::support::{BOOT, lab_up, repository};

#[test]
#[ignore = "needs root, a Docker engine, debootstrap and ssh"]
fn a_switch_is_handled_over_ssh_as_it_is_through_docker() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    Program::new("ssh-keygen", "make a key")
        .unwrap()
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .read()
        .unwrap();
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let config = Topology::load(&repository().join("topo/one.yml")).unwrap().startup_config("veos-b");
    let config = format!("username admin ssh-key {public}{}", fs::read_to_string(config).unwrap());
    let flash = Flash::new().with_bytes("startup-config", config);
    let lab = lab_up("one.yml", "test-ssh", &BTreeMap::from([("veos-b".to_owned(), flash)]));
    let ssh = Ssh { identity: Some(key), ..Ssh::default() };
    let lab = Lab::attach(lab.topology()).unwrap().with_access(DeviceAccess::Ssh(ssh));
    let switch = lab.device("veos-b").unwrap();
    assert_eq!(switch.wait_until_booted(BOOT).unwrap(), "running");

    assert_eq!(switch.exec_ok(["id", "-u"]).unwrap(), "0\n");
    let said = switch.exec(["sh", "-c", "echo 'out  \"$1\"'\necho err >&2; exit 7", "sh", "it's\n$HOME"]).unwrap();
    assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(7), &b"out  \"$1\"\n"[..]));
    assert!(String::from_utf8_lossy(&said.stderr).contains("err"));
    assert_eq!(switch.exec_ok(["printf", "%s|", "it's\n$HOME", "", "*"]).unwrap(), "it's\n$HOME||*|");
    let failed = format!("{:#}", switch.exec_ok(["ls", "/no such"]).unwrap_err());
    assert!(failed.contains("`ls /no such` ended with") && failed.contains("No such file"), "{failed}");

    let bytes: Vec<u8> = (0..=255).collect();
    let file = directory.path().join("file");
    fs::write(&file, &bytes).unwrap();
    switch.copy_in(&file, "/mnt/flash/copied").unwrap();
    switch.copy_in(&file, "/mnt/flash").unwrap();
    assert_eq!(switch.exec(["cat", "/mnt/flash/copied"]).unwrap().stdout, bytes);
    switch
        .exec_ok([
            "sh",
            "-c",
            "mkdir /mnt/flash/f && mv /mnt/flash/file /mnt/flash/f/secret && chmod 0600 /mnt/flash/f/secret",
        ])
        .unwrap();
    switch.copy_out("/mnt/flash/f", &directory.path().join("f")).unwrap();
    assert_eq!(fs::read(directory.path().join("f/secret")).unwrap(), bytes);
    let secret = directory.path().join("secret");
    assert!(switch.copy_out_if_there("/mnt/flash/f/secret", &secret).unwrap());
    assert_eq!(fs::read(&secret).unwrap(), bytes);
    assert!(!switch.copy_out_if_there("/mnt/flash/f/other", &secret).unwrap());

    switch.exec_ok(["touch", "/etc/forgotten"]).unwrap();
    switch.reboot().unwrap();
    assert_eq!(switch.wait_until_booted(BOOT).unwrap(), "running");
    assert!(!switch.exec(["test", "-e", "/etc/forgotten"]).unwrap().status.success());
    assert_eq!(switch.exec(["cat", "/mnt/flash/copied"]).unwrap().stdout, bytes);
    assert!(switch.logs().unwrap().contains("Accepted publickey for admin"));
    let host = lab.device("host-c1").unwrap();
    assert_eq!(host.exec_ok(["hostname"]).unwrap(), "host-c1\n");
}
