//! A device's log bundle: what it and its container say of themselves, for whoever looks for a fault later.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use common::{command::Program, files};
use contract::places::K8S_NODE;
use devices::{Device, Lab};
use flate2::{Compression, write::GzEncoder};
use topology::format::DeviceKind;

/// Where `k8s-node collect` is told to leave its bundle, and where it is fetched from.
const COLLECTED: &str = "/tmp/topo-test-collected.tar.gz";

/// The end of a journal that has more.
const LINES: &str = "--lines=20000";

/// What every device is asked, and under which name the answer is kept.
const OF_ALL: [(&str, &[&str]); 4] = [
    ("addresses.txt", &["ip", "-details", "address"]),
    ("routes.txt", &["ip", "route", "show", "table", "all"]),
    ("rules.txt", &["ip", "rule"]),
    ("neighbours.txt", &["ip", "neighbour"]),
];

const OF_SWITCHES: [(&str, &[&str]); 8] = [
    ("status.txt", &[K8S_NODE, "status"]),
    ("journal.txt", &["journalctl", "--boot", "--no-pager", "--output=short-iso-precise", LINES]),
    ("kernel.txt", &["dmesg", "--ctime"]),
    ("units.txt", &["systemctl", "--no-pager", "--all", "list-units"]),
    ("iptables.txt", &["iptables-save"]),
    ("packages.txt", &["rpm", "--query", "--all"]),
    ("containers.txt", &["docker", "ps", "--all"]),
    ("processes.txt", &["ps", "axo", "pid,ppid,rss,etime,comm,args"]),
];

/// Writes every device's bundle into a directory, side by side; for each device, the file's name or why there is none.
pub fn write_all(lab: &Lab, directory: &Path) -> Vec<(String, Result<String>)> {
    let devices: Vec<Device<'_>> = lab.devices().collect();
    thread::scope(|scope| {
        let writers: Vec<_> = devices.iter().map(|device| scope.spawn(|| write(device, directory))).collect();
        let died = || Err(anyhow::anyhow!("the thread that wrote it died"));
        let written = writers.into_iter().map(|writer| writer.join().unwrap_or_else(|_| died()));
        devices.iter().map(|device| device.name().to_owned()).zip(written).collect()
    })
}

fn write(device: &Device<'_>, directory: &Path) -> Result<String> {
    let file = format!("{}.tar.gz", device.name());
    let parts = parts(device)?;
    let path = directory.join(&file);
    files::replace(&path, |out| bundle(device.name(), &parts, out)).context("the log bundle is missing")?;
    Ok(file)
}

/// Names and contents. What cannot be asked says so in its place: a bundle that lacks something is better than none.
fn parts(device: &Device<'_>) -> Result<Vec<(String, Vec<u8>)>> {
    let container = device.container();
    let mut docker = Program::new("docker", "read a container's log")?.args(["logs", "--timestamps", &container]);
    let mut parts = vec![("container.txt".to_owned(), text(docker.output()))];
    let mut questions = OF_ALL.to_vec();
    if device.kind() == DeviceKind::Switch {
        questions.extend(OF_SWITCHES);
    }
    for (name, argv) in questions {
        parts.push((name.to_owned(), text(device.exec(argv))));
    }
    if device.kind() == DeviceKind::Switch {
        parts.extend(collected(device).map(|bundle| ("k8s-node-collect.tar.gz".to_owned(), bundle)));
    }
    Ok(parts)
}

fn text(said: Result<std::process::Output>) -> Vec<u8> {
    match said {
        Ok(output) if output.status.success() => [output.stdout, output.stderr].concat(),
        Ok(output) => {
            let end = format!("\n(it ended with {})\n", output.status);
            [output.stdout, output.stderr, end.into_bytes()].concat()
        }
        Err(error) => format!("(not to be had: {error:#})\n").into_bytes(),
    }
}

/// What the node itself puts together for support; none where there is no such program.
fn collected(device: &Device<'_>) -> Option<Vec<u8>> {
    device.exec_ok([K8S_NODE, "collect", "--output", COLLECTED]).ok()?;
    let directory = tempfile::tempdir().ok()?;
    let here: PathBuf = directory.path().join("collected");
    let fetched = device.copy_out(COLLECTED, &here).and_then(|()| files::read(&here));
    // What stays behind on a device that is about to be taken away does no harm.
    let _ = device.exec(["rm", "-f", COLLECTED]);
    fetched.ok()
}

fn bundle(device: &str, parts: &[(String, Vec<u8>)], out: &mut impl io::Write) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    for (name, contents) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(now);
        archive.append_data(&mut header, Path::new(device).join(name), contents.as_slice())?;
    }
    io::Write::flush(archive.into_inner()?.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_bundle_unpacks_to_a_directory_of_the_device_s_name() {
        let mut packed = Vec::new();
        bundle("veos-b", &[("status.txt".to_owned(), b"ready\n".to_vec())], &mut packed).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(packed.as_slice()));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("veos-b/status.txt"));
        let mut read = String::new();
        entry.read_to_string(&mut read).unwrap();
        assert_eq!(read, "ready\n");
    }
}
