//! The command line.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, Result, bail};
use cluster::pki::KeyDigest;
use contract::{Stage, places};
use lexopt::prelude::*;

use crate::admit::Who;

pub fn help() -> String {
    let stages: String =
        Stage::ALL.iter().map(|stage| format!("    {:<14} {}\n", stage.name(), stage.about())).collect();
    format!(
        "\
Kubernetes on this switch.

    k8s-node status [--json]            where the bring-up stands, services, certificates, the node; exit 0 when all is well
    k8s-node logs [SERVICE] [--follow]  what the bring-up and the services say; one of them alone
    k8s-node check [FILE]               check a cluster.toml [default: {cluster_toml}]
    k8s-node token                      make a token for a new cluster.toml
    k8s-node collect [--output FILE]    a support bundle without secrets [default: {flash}/k8s-node-NAME.tar.gz]
    k8s-node admit NAME [--key KEY]     on the master: a worker may enrol once with another key, within the hour
    k8s-node admit --all                the same for every worker, after an old backup was restored
    k8s-node renew                      every stage once more: what is due is issued again; a timer does it every hour
    k8s-node down                       stop everything and leave the flash as it is
    k8s-node reset [--yes]              stop everything and remove this switch's keys, certificates and etcd's data

What systemd runs:

    k8s-node stage NAME                 one stage of the bring-up; {first_boot} has them in order
    k8s-node renew --in-turn            the same as `renew`, but a worker waits for its turn before it asks the master
    k8s-node enrolment-server           on the master: sign the workers' certificates

The stages:

{stages}",
        cluster_toml = places::CLUSTER_TOML,
        flash = places::FLASH,
        first_boot = places::FIRST_BOOT,
    )
}

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    Version,
    Stage(Stage),
    Status { json: bool },
    Logs { service: Option<String>, follow: bool },
    Token,
    Check { file: Option<PathBuf> },
    Collect { output: Option<PathBuf> },
    Renew { in_turn: bool },
    Admit { who: Who, key: Option<KeyDigest> },
    EnrolmentServer,
    Down,
    Reset { yes: bool },
}

pub fn parse() -> Result<Command> {
    parse_from(std::env::args_os())
}

/// `arguments` begins with the program's name.
fn parse_from(arguments: impl IntoIterator<Item = OsString, IntoIter: 'static>) -> Result<Command> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let verb = match parser.next()? {
        None => bail!("a command is missing"),
        Some(Long("help") | Short('h')) => return Ok(Command::Help),
        Some(Long("version") | Short('V')) => return Ok(Command::Version),
        Some(Value(verb)) => verb.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match (verb.as_str(), argument) {
            (_, Long("help") | Short('h')) => return Ok(Command::Help),
            ("status", Long("json")) => options.json = true,
            ("logs", Long("follow") | Short('f')) => options.follow = true,
            ("collect", Long("output") | Short('o')) => options.output = Some(parser.value()?.into()),
            ("renew", Long("in-turn")) => options.in_turn = true,
            ("admit", Long("all")) => options.all = true,
            ("admit", Long("key")) => options.key = Some(parser.value()?.parse()?),
            ("reset", Long("yes") | Short('y')) => options.yes = true,
            ("logs" | "check" | "stage" | "admit", Value(value)) if options.value.is_none() => {
                options.value = Some(value)
            }
            (_, other) => return Err(other.unexpected().into()),
        }
    }
    let Options { json, follow, in_turn, all, yes, key, output, value } = options;
    Ok(match verb.as_str() {
        "stage" => Command::Stage(stage(value)?),
        "status" => Command::Status { json },
        "logs" => Command::Logs { service: value.map(|value| value.string()).transpose()?, follow },
        "token" => Command::Token,
        "check" => Command::Check { file: value.map(PathBuf::from) },
        "collect" => Command::Collect { output },
        "renew" => Command::Renew { in_turn },
        "admit" => Command::Admit { who: who(value, all, key.is_some())?, key },
        "enrolment-server" => Command::EnrolmentServer,
        "down" => Command::Down,
        "reset" => Command::Reset { yes },
        "help" => Command::Help,
        other => bail!("there is no command {other:?}"),
    })
}

fn stage(name: Option<OsString>) -> Result<Stage> {
    let name = name.context("which stage is missing")?;
    let found = name.to_str().and_then(Stage::named);
    found.with_context(|| {
        let all: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        format!("there is no stage {name:?}: there are {}", all.join(", "))
    })
}

fn who(name: Option<OsString>, all: bool, has_key: bool) -> Result<Who> {
    match (name, all) {
        (Some(name), false) => Ok(Who::One(name.string()?)),
        (None, true) if !has_key => Ok(Who::All),
        (None, true) => bail!("--key is one worker's: name it in the place of --all"),
        (Some(_), true) => bail!("a name or --all, not both"),
        (None, false) => bail!("which worker is missing; --all is for every one"),
    }
}

#[derive(Default)]
struct Options {
    json: bool,
    follow: bool,
    in_turn: bool,
    all: bool,
    yes: bool,
    key: Option<KeyDigest>,
    output: Option<PathBuf>,
    value: Option<OsString>,
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use contract::services;

    use super::*;

    fn parse(line: &str) -> Result<Command> {
        parse_from(line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn commands_are_read_with_their_options() {
        assert_eq!(parse("k8s-node status --json").unwrap(), Command::Status { json: true });
        assert_eq!(parse("k8s-node token").unwrap(), Command::Token);
        assert_eq!(parse("k8s-node reset").unwrap(), Command::Reset { yes: false });
        assert_eq!(parse("k8s-node renew").unwrap(), Command::Renew { in_turn: false });
        assert_eq!(parse("k8s-node stage kube-proxy").unwrap(), Command::Stage(Stage::KubeProxy));
        let admitted = Command::Admit { who: Who::One("veos-l1".into()), key: None };
        assert_eq!(parse("k8s-node admit veos-l1").unwrap(), admitted);
        let key: KeyDigest = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let admitted = Command::Admit { who: Who::One("veos-l1".into()), key: Some(key) };
        assert_eq!(parse("k8s-node admit veos-l1 --key 0123456789ABCDEF0123456789abcdef").unwrap(), admitted);
        assert_eq!(parse("k8s-node admit --all").unwrap(), Command::Admit { who: Who::All, key: None });
        let logs = Command::Logs { service: Some("etcd".into()), follow: true };
        assert_eq!(parse("k8s-node logs etcd -f").unwrap(), logs);
    }

    /// What a unit of rootfs/ starts.
    fn started_by(unit: &str) -> Command {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../rootfs/usr/lib/systemd/system");
        let text = fs::read_to_string(directory.join(unit)).unwrap();
        parse(text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap()).unwrap()
    }

    #[test]
    fn what_the_timer_starts_waits_for_its_turn_at_the_master() {
        assert_eq!(started_by(services::RENEWAL), Command::Renew { in_turn: true });
        assert_eq!(started_by(services::ENROLMENT), Command::EnrolmentServer);
    }

    #[test]
    fn an_admission_that_could_mean_more_than_was_said_is_refused() {
        let key = "--key 0123456789abcdef0123456789abcdef";
        for rest in ["", "a --all", &format!("--all {key}"), key, "a --key 0123", "a b"] {
            assert!(parse(&format!("k8s-node admit {rest}")).is_err(), "{rest}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_and_never_passed_over() {
        for line in ["k8s-node", "k8s-node restart", "k8s-node reset --json", "k8s-node status now", "k8s-node stage"] {
            assert!(parse(line).is_err(), "{line}");
        }
        let error = parse("k8s-node stage kubeproxy").unwrap_err().to_string();
        assert!(error.contains("kube-proxy"), "{error}");
    }
}
