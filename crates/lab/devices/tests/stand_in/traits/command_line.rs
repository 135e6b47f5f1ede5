//! EOS' command line: the extensions are its own, one lock is for all, AAA may refuse, signatures may be wanted.

use std::path::{Path, PathBuf};

use common::command::Program;
use devices::Flash;
use swix::signature::SigningKey;

use crate::support::{BOOT, cli, cli_ok, one_switch, said, swix_with};

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn extension_is_no_program_of_the_shell_and_fastcli_does_it_all() {
    let directory = tempfile::tempdir().unwrap();
    let small = swix_with(directory.path(), "small", "true", "true");
    let lab = one_switch("test-t-cli", &[], Flash::new().with_file("small.swix", &small));
    let switch = lab.device("veos-b").unwrap();
    for word in ["extension", "copy", "show"] {
        let found = switch.exec(["sh", "-c", "command -v \"$1\"", "sh", word]).unwrap();
        assert!(!found.status.success(), "{word} is a program: {found:?}");
    }
    let status = || {
        let listed = cli_ok(&switch, "show extensions");
        let line = listed.lines().find(|line| line.starts_with("small.swix ")).unwrap_or_default().to_owned();
        line.split("  ").map(str::trim).filter(|word| !word.is_empty()).nth(2).unwrap_or_default().to_owned()
    };
    let refuses = |lines: &str, words: &str| {
        let (taken, said) = cli(&switch, lines);
        assert!(!taken && said.contains(words), "{lines}: {said}");
    };
    // A name is one of extension:, not a path; and nobody changes extensions who has not been enabled.
    refuses("extension small.swix", "there is no small.swix in extension:");
    refuses("extension /mnt/flash/small.swix", "is no file of extension:");
    let unprivileged = said(&switch.exec(["FastCli", "-c", "extension small.swix"]).unwrap());
    assert!(!unprivileged.0 && unprivileged.1.contains("% Invalid input"), "{}", unprivileged.1);

    cli_ok(&switch, "copy flash:small.swix extension:");
    assert_eq!(status(), "A, NI, NS");
    cli_ok(&switch, "extension small.swix");
    assert_eq!(status(), "A, I, NS");
    refuses("extension small.swix", "is installed already");
    cli_ok(&switch, "copy installed-extensions boot-extensions");
    assert_eq!(status(), "A, I, NS, B");
    assert_eq!(switch.exec_ok(["cat", "/mnt/flash/boot-extensions"]).unwrap(), "small.swix\n");
    switch.reboot().unwrap();
    switch.wait_until_booted(BOOT).unwrap();
    assert_eq!(status(), "A, I, NS, B");

    cli_ok(&switch, "no extension small.swix");
    assert_eq!(status(), "A, NI, NS, B");
    cli_ok(&switch, "copy installed-extensions boot-extensions\ndelete extension:small.swix");
    assert_eq!((status().as_str(), cli_ok(&switch, "show boot-extensions").as_str()), ("", ""));
    cli_ok(&switch, "install extension source flash:small.swix");
    assert_eq!(status(), "A, I, NS, B");
    refuses("install extension source scp://you@host/small.swix", "% Invalid input");
    // As admin, who is not root.
    cli_ok(&switch, "no extension small.swix");
    let admin =
        switch.exec_ok(["su", "admin", "-c", "enable\nextension small.swix\nshow installed-extensions"]).unwrap();
    assert_eq!(admin, "small.swix\n");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_command_line_that_a_scriptlet_opens_waits_for_the_command_that_runs_the_scriptlet() {
    let directory = tempfile::tempdir().unwrap();
    let route = "FastCli -A -p 15 -c 'configure\nip route 10.99.0.0/24 10.0.0.1'";
    let preun = format!("ended=0; timeout 5 {route} || ended=$?; echo $ended >/run/ended");
    let swix = swix_with(directory.path(), "small", "true", &preun);
    for one_lock in [true, false] {
        let flash = Flash::new().with_boot_extension(&swix).unwrap();
        let lab = one_switch("test-t-lock", &[("one-cli-lock", one_lock)], flash);
        let switch = lab.device("veos-b").unwrap();
        cli_ok(&switch, "no extension small.swix");
        // 124 is timeout's: it did not answer.
        assert_eq!(switch.exec_ok(["cat", "/run/ended"]).unwrap(), if one_lock { "124\n" } else { "0\n" });
        cli_ok(&switch, "configure\nip route 10.99.0.0/24 10.0.0.1");
        // Whatever else it is asked for needs no lock.
        cli_ok(&switch, "show extensions");
    }
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn aaa_refuses_root_without_the_flag_that_passes_it_by() {
    let lab = one_switch("test-t-aaa", &[("aaa", true)], Flash::new());
    let switch = lab.device("veos-b").unwrap();
    let route = "configure\nip route 10.99.0.0/24 10.0.0.1";
    let (taken, words) = cli(&switch, route);
    assert!(!taken && words.contains("% Authorization denied for command 'configure'"), "{words}");
    switch.exec_ok(["FastCli", "-A", "-M", "-p", "15", "-c", route]).unwrap();
    assert!(switch.exec_ok(["su", "admin", "-c", "show version"]).unwrap().contains("not Arista EOS"));
}

/// An authority of this name, and a certificate of it for signing: the authority's, the key and the certificate.
fn authority(directory: &Path, name: &str) -> (PathBuf, SigningKey) {
    let file = |end: &str| directory.join(format!("{name}{end}"));
    let openssl = |arguments: &[&str]| {
        let openssl = Program::new("openssl", "make a certificate").unwrap().args(arguments);
        openssl.arg("-out").arg(file(".out")).read().unwrap();
        std::fs::rename(file(".out"), file(".pem")).unwrap();
        file(".pem").display().to_string()
    };
    let key = |end: &str| file(end).display().to_string();
    let (ca_key, own_key) = (key("-ca.key"), key(".key"));
    let (of_ca, of_signer) = (format!("/CN={name}"), format!("/CN={name} signer"));
    let request = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout"];
    let ca = openssl(&[&request[..], &[&ca_key, "-subj", &of_ca, "-x509", "-days", "2"]].concat());
    let trusted = file("-ca.pem");
    std::fs::rename(ca, &trusted).unwrap();
    let wanted = openssl(&[&request[..], &[&own_key, "-subj", &of_signer]].concat());
    let csr = file(".csr").display().to_string();
    std::fs::rename(wanted, &csr).unwrap();
    let ca = trusted.display().to_string();
    let signer = ["x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &ca_key, "-set_serial", "2", "-days", "2"];
    let certificate = openssl(&signer);
    (trusted, SigningKey::read(Path::new(&own_key), Path::new(&certificate)).unwrap())
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_swix_is_taken_by_the_signature_of_a_trusted_authority_alone() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let small = swix_with(place, "small", "true", "true");
    let ((trusted, ours), (_, theirs)) = (authority(place, "ours"), authority(place, "theirs"));
    let signed = |key: &SigningKey, name: &str| {
        let to = place.join(name);
        // As `cargo xtask sign` does.
        key.sign(&small, false, &to).unwrap();
        to
    };
    let (good, other) = (signed(&ours, "good.swix"), signed(&theirs, "other.swix"));
    let mut bytes = std::fs::read(&good).unwrap();
    let at = bytes.windows(6).position(|window| window == b"format").unwrap();
    bytes[at + 8] = b'2';
    let changed = place.join("changed.swix");
    std::fs::write(&changed, bytes).unwrap();

    let mut flash = Flash::new().with_file("swix-signing-ca.pem", &trusted);
    for swix in [&small, &good, &other, &changed] {
        flash = flash.with_file(Path::new(".extensions").join(swix.file_name().unwrap()), swix);
    }
    let lab = one_switch("test-t-signed", &[("signatures", true)], flash);
    let switch = lab.device("veos-b").unwrap();
    for (name, words) in [
        ("small", "it has no signature"),
        ("other", "of no authority in"),
        ("changed", "its signature is another file's"),
    ] {
        let (taken, said) = cli(&switch, &format!("extension {name}.swix"));
        assert!(!taken && said.contains("signatures are verified here") && said.contains(words), "{said}");
    }
    cli_ok(&switch, "extension good.swix");
    let listed = cli_ok(&switch, "show extensions");
    let status = |name: &str, status: &str| {
        let line = listed.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line.contains(&format!(" {status} ")), "{listed}");
    };
    status("good.swix", "A, I, S");
    status("other.swix", "A, NI, NS");
    cli_ok(&switch, "no extension good.swix\nextension other.swix signature-verification ignored");
}
