//! The way to a device: `docker exec` into a container that is the device, ssh to one that is a machine inside it.
//!
//! Over ssh a command goes through EOS' command line as `bash sudo ...`, encoded, because that reads lines and has
//! quotation marks of its own; how it ended comes back behind what it printed.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Output},
};

use anyhow::{Context, Result, bail};
use common::command::{Program, quoted};
use data_encoding::BASE64;

use super::device::COMMAND;

/// How the devices of a lab are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceAccess {
    /// By ssh where a device's image is docker-topo's vEOS, a machine in a container; else by `docker exec`.
    Automatic(Ssh),
    Docker,
    /// Every switch by ssh.
    Ssh(Ssh),
}

/// What ssh has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    pub user: String,
    /// A private key; none for what the user's own ssh would try.
    pub identity: Option<PathBuf>,
    /// Further `-o` options, such as `Port=2222`.
    pub options: Vec<String>,
}

impl Default for DeviceAccess {
    fn default() -> Self {
        DeviceAccess::Automatic(Ssh::default())
    }
}

impl Default for Ssh {
    fn default() -> Self {
        Ssh { user: "admin".to_owned(), identity: None, options: vec![] }
    }
}

/// Devices are made anew, so nobody knows their keys, and nobody is there to type.
const OPTIONS: [&str; 6] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "ConnectTimeout=5",
    "ServerAliveInterval=5",
];

/// Before the number that the command ended with.
const ENDED: &str = "kubernetes-on-eos-exit-status";

impl Ssh {
    pub(super) fn exec(&self, address: &str, argv: &[String]) -> Result<Output> {
        let mut ssh = self.program("ssh", "run a command on the device")?.limit(COMMAND);
        ssh = ssh.arg(format!("{}@{address}", self.user)).arg(eos_commands(argv));
        let output = ssh.output()?;
        split_status(output)
            .map_err(|words| anyhow::anyhow!("{}@{address} did not run the command: {words}", self.user))
    }

    /// ssh itself with what a person wants to run, for a terminal: the program and its arguments.
    pub(super) fn interactive(&self, address: &str, argv: &[String], terminal: bool) -> Vec<String> {
        let mut all = vec!["ssh".to_owned()];
        all.extend(self.options());
        if terminal {
            all.push("-t".to_owned());
        }
        all.push(format!("{}@{address}", self.user));
        if !argv.is_empty() {
            all.push(format!("enable\nbash sudo {}", quoted(argv)));
        }
        all
    }

    /// By way of a directory that the user may write.
    pub(super) fn copy_in(&self, address: &str, from: &Path, to: &str) -> Result<()> {
        let by_way = format!("/tmp/copied-{:016x}", fastrand::u64(..));
        let target = format!("{}@{address}:{by_way}", self.user);
        self.program("scp", "copy files to the device")?.args(["-O", "-r", "-p"]).arg(from).arg(target).read()?;
        // What `docker cp` does: into a directory that is there, else under the new name.
        let name = from.file_name().and_then(|name| name.to_str()).context("what is copied needs a name")?;
        let script = "if [ -d \"$2\" ]; then to=$2/$3; else to=$2; fi
            if [ -d \"$1\" ]; then mkdir -p \"$to\" && cp -R \"$1/.\" \"$to\"; else cp \"$1\" \"$to\"; fi; rm -r \"$1\"";
        self.exec_ok(address, &["sh", "-euc", script, "sh", &by_way, to, name]).map(drop)
    }

    pub(super) fn copy_out(&self, address: &str, from: &str, to: &Path) -> Result<()> {
        let by_way = format!("/tmp/copied-{:016x}", fastrand::u64(..));
        // `DIRECTORY/.` is a directory's contents.
        let base = Path::new(from).file_name().and_then(|name| name.to_str()).context("what is copied needs a name")?;
        let held = if from.ends_with("/.") { format!("{by_way}/.") } else { format!("{by_way}/{base}") };
        let script = "mkdir -m 0700 \"$1\" && cp -R -L \"$2\" \"$1\" && chown -R \"$3\" \"$1\"";
        self.exec_ok(address, &["sh", "-euc", script, "sh", &by_way, from, &self.user])?;
        let source = format!("{}@{address}:{held}", self.user);
        let copied =
            self.program("scp", "copy files from the device")?.args(["-O", "-r", "-p"]).arg(source).arg(to).read();
        self.exec_ok(address, &["rm", "-r", &by_way])?;
        copied.map(drop)
    }

    fn exec_ok(&self, address: &str, argv: &[&str]) -> Result<String> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        read(&argv, self.exec(address, &argv)?)
    }

    fn program(&self, name: &str, purpose: &str) -> Result<Program> {
        Ok(Program::new(name, purpose)?.args(self.options()))
    }

    fn options(&self) -> Vec<String> {
        let identity = self.identity.iter().flat_map(|file| {
            ["-i".to_owned(), file.display().to_string(), "-o".to_owned(), "IdentitiesOnly=yes".to_owned()]
        });
        // ssh takes the first value that it is given, so a user's own come first.
        let options = self.options.iter().map(String::as_str).chain(OPTIONS);
        identity.chain(options.flat_map(|option| ["-o".to_owned(), option.to_owned()])).collect()
    }
}

/// What a command that had to succeed printed.
pub(super) fn read(argv: &[String], output: Output) -> Result<String> {
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("`{}` ended with {}\n{}", argv.join(" "), output.status, String::from_utf8_lossy(&said).trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` did not print UTF-8", argv.join(" ")))
}

fn eos_commands(argv: &[String]) -> String {
    let script = format!("{}\nprintf '\\n%s %s\\n' {ENDED} $?", quoted(argv));
    format!("enable\nbash sudo sh -c \"$(echo {} | base64 -d)\"", BASE64.encode(script.as_bytes()))
}

/// Takes the status from behind what the command printed; where there is none, it has not run.
fn split_status(output: Output) -> Result<Output, String> {
    let mark = format!("\n{ENDED} ").into_bytes();
    let at = output.stdout.windows(mark.len()).rposition(|window| window == mark);
    let ended = at.and_then(|at| {
        let code = std::str::from_utf8(&output.stdout[at + mark.len()..]).ok()?;
        Some((at, code.split_whitespace().next()?.parse::<i32>().ok()?))
    });
    let Some((at, code)) = ended else {
        let said = [&output.stdout[..], &output.stderr].concat();
        return Err(format!("{} ({})", String::from_utf8_lossy(&said).trim(), output.status));
    };
    Ok(Output { status: ExitStatus::from_raw(code << 8), stdout: output.stdout[..at].to_vec(), stderr: output.stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(stdout: &str, code: i32) -> Output {
        Output { status: ExitStatus::from_raw(code << 8), stdout: stdout.into(), stderr: b"words".into() }
    }

    #[test]
    fn a_command_s_own_status_comes_from_behind_what_it_printed() {
        let ended = split_status(output(&format!("a\nb\n{ENDED} 3\n"), 0)).unwrap();
        assert_eq!((ended.stdout.as_slice(), ended.status.code()), (&b"a\nb"[..], Some(3)));
        let refused = split_status(output("", 255)).unwrap_err();
        assert!(refused.contains("words") && refused.contains("255"), "{refused}");
    }

    #[test]
    fn words_reach_the_device_as_they_are_and_on_one_line() {
        let argv = ["sh", "-c", "echo 'a b'\necho $HOME"].map(str::to_owned);
        let text = eos_commands(&argv);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("enable"));
        let line = lines.next().unwrap();
        let encoded = line.strip_prefix("bash sudo sh -c \"$(echo ").unwrap().split(' ').next().unwrap();
        let script = String::from_utf8(BASE64.decode(encoded.as_bytes()).unwrap()).unwrap();
        assert!(script.starts_with("sh -c 'echo '\\''a b'\\''\necho $HOME'\n"), "{script}");
        assert_eq!(lines.next(), None);
    }
}
