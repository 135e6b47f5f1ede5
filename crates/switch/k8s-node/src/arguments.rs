//! The command line.

use std::{ffi::OsString, net::Ipv4Addr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use cluster::{Reserved, pki::KeyDigest};
use contract::{Stage, places};
use lexopt::prelude::*;

use crate::{
    admit::Who,
    backup::{KeySource, Protection},
    init,
    kubeconfig::Order,
    passphrase::Passphrase,
    rotate_ca::Step,
    routes::Caller,
};

const HOW_TO_PROTECT: &str = "a backup opens the whole cluster; say who may read it: --recipient age1… (an age public key), \
                              --passphrase-file FILE (- for standard input), --passphrase, or --plain, for a place that only root \
                              may read";

pub fn help() -> String {
    let stages: String =
        Stage::ALL.iter().map(|stage| format!("    {:<14} {}\n", stage.name(), stage.about())).collect();
    format!(
        "\
Kubernetes on this switch.

    k8s-node status [--json]            where the bring-up stands, services, certificates, the node; exit 0 when all is well
    k8s-node logs [SERVICE] [--follow]  what the bring-up and the services say; one of them alone
    k8s-node preflight                  what Kubernetes needs of this switch and its EOS, and has or has not; exit 1 where it will not work
    k8s-node check [FILE] [--from ADDRESS]
                                        check a cluster.toml [default: {cluster_toml}]; who reaches what of the nodes from there
    k8s-node acl                        what a control-plane ACL of EOS needs on this switch, for firewall = \"eos\"
    k8s-node init [FILE] [FLAGS]        write a new cluster's cluster.toml, with a token; asks where no flag says [default: {cluster_toml}]
    k8s-node token                      make a token for a new cluster.toml
    k8s-node collect [--output FILE]    a support bundle without secrets [default: {flash}/k8s-node-NAME.tar.gz]
    k8s-node admit NAME [--key KEY]     on the master: a worker may enrol once with another key, within the hour
    k8s-node admit --all                the same for every worker, after an old backup was restored
    k8s-node revoke NAME [--undo]       on the master: a worker's certificates are good no more, and it enrols no more
    k8s-node kubeconfig --user NAME [--group GROUP]… [--days N] [--output FILE]
                                        on the master: a kubeconfig with a key of its own; without a file it is printed
    k8s-node rotate-ca                  on the master: whether the certificate authority is being replaced, and what to do next
    k8s-node rotate-ca begin            another one takes its place, and both are trusted
    k8s-node rotate-ca finish           the old one goes, once every node has changed over; --force NAME does not wait for that one
    k8s-node renew                      every stage once more: what is due is issued again; a timer does it every hour
    k8s-node backup FILE HOW            on the master: everything that another one needs, etcd's data with it, in one file; HOW is
                                        --recipient age1… (an age public key), --passphrase-file FILE (- for standard input),
                                        --passphrase (asked for here), or --plain, onto a file system that keeps others from it
    k8s-node restore FILE [--identity FILE | --passphrase-file FILE] [--yes]
                                        puts a backup, or a scheduled copy of etcd's data, back onto a master that is stopped
    k8s-node etcd defrag                on the master: make room in etcd's database, and take back its alarm NOSPACE
    k8s-node storage grow [--to SIZE]   make the file larger that the state is in, on a switch that is stopped; SIZE as in 2048Mi
    k8s-node pause [TIME]               leave what others change on this switch as it is, for so long (30m, 2h) or until `resume`
    k8s-node resume                     keep it as the bring-up has made it again, what was given up too
    k8s-node down                       stop everything and leave the flash as it is
    k8s-node reset [--yes]              stop everything and remove this switch's keys, certificates and etcd's data

The flags of init:

{init_flags}
What systemd runs:

    k8s-node stage NAME                 one stage of the bring-up; {first_boot} has them in order
    k8s-node renew --in-turn            the same as `renew`, but a worker waits for its turn before it asks the master
    k8s-node snapshot                   on the master: a copy of etcd's data beside it, as far as the flash has room
    k8s-node enrolment-server           on the master: sign the workers' certificates
    k8s-node reconciler                 keep what the bring-up has made as it is
    k8s-node down --from-cli            the same as `down`, called by EOS' command line: that gets its part once it is done

The stages:

{stages}",
        cluster_toml = places::CLUSTER_TOML,
        flash = places::FLASH,
        first_boot = places::FIRST_BOOT,
        init_flags = init::HELP,
    )
}

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    Version,
    Stage(Stage),
    Status { json: bool },
    Logs { service: Option<String>, follow: bool },
    Init(Box<init::Options>),
    Token,
    Acl,
    Preflight,
    Check { file: Option<PathBuf>, from: Option<Ipv4Addr> },
    Collect { output: Option<PathBuf> },
    Renew { in_turn: bool },
    Admit { who: Who, key: Option<KeyDigest> },
    Revoke { name: String, undo: bool },
    Backup { file: PathBuf, protection: Protection },
    Restore { file: PathBuf, key: Option<KeySource>, yes: bool },
    Snapshot,
    EtcdDefrag,
    Kubeconfig(Order),
    RotateCa(Step),
    EnrolmentServer,
    Reconciler,
    Pause { time: Option<Duration> },
    Resume,
    Down { caller: Caller },
    StorageGrow { to: Option<u64> },
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
    if verb == "init" {
        return Ok(init::read(&mut parser)?.map_or(Command::Help, |options| Command::Init(Box::new(options))));
    }
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match (verb.as_str(), argument) {
            (_, Long("help") | Short('h')) => return Ok(Command::Help),
            ("check", Long("from")) => options.from = Some(parser.value()?.parse()?),
            ("status", Long("json")) => options.json = true,
            ("logs", Long("follow") | Short('f')) => options.follow = true,
            ("kubeconfig", Long("user")) => options.user = Some(parser.value()?.string()?),
            ("kubeconfig", Long("group")) => options.groups.push(parser.value()?.string()?),
            ("kubeconfig", Long("days")) => options.days = Some(parser.value()?.parse()?),
            ("collect" | "kubeconfig", Long("output") | Short('o')) => options.output = Some(parser.value()?.into()),
            ("renew", Long("in-turn")) => options.in_turn = true,
            ("admit", Long("all")) => options.all = true,
            ("admit", Long("key")) => options.key = Some(parser.value()?.parse()?),
            ("rotate-ca", Long("force")) => options.force.push(parser.value()?.string()?),
            ("down", Long("from-cli")) => options.from_cli = true,
            ("revoke", Long("undo")) => options.undo = true,
            ("storage", Long("to")) => options.to = Some(size(&parser.value()?.string()?)?),
            ("reset" | "restore", Long("yes") | Short('y')) => options.yes = true,
            ("backup", Long("recipient")) => options.protect(Protection::Recipient(parser.value()?.string()?))?,
            ("backup", Long("plain")) => options.protect(Protection::Plain)?,
            ("backup", Long("passphrase")) => options.protect(Protection::Passphrase(Passphrase::Asked))?,
            ("backup", Long("passphrase-file")) => {
                options.protect(Protection::Passphrase(Passphrase::of_argument(parser.value()?)))?;
            }
            ("restore", Long("passphrase-file")) => {
                options.open_with(KeySource::Passphrase(Passphrase::of_argument(parser.value()?)))?;
            }
            ("restore", Long("identity")) => options.open_with(KeySource::Identity(parser.value()?.into()))?,
            (
                "logs" | "check" | "stage" | "admit" | "revoke" | "backup" | "restore" | "etcd" | "rotate-ca" | "pause"
                | "storage",
                Value(value),
            ) if options.value.is_none() => options.value = Some(value),
            (_, other) => return Err(other.unexpected().into()),
        }
    }
    let Options {
        json,
        follow,
        in_turn,
        all,
        from,
        undo,
        from_cli,
        yes,
        key,
        force,
        user,
        groups,
        days,
        output,
        protection,
        opened_with,
        to,
        value,
    } = options;
    Ok(match verb.as_str() {
        "stage" => Command::Stage(stage(value)?),
        "status" => Command::Status { json },
        "logs" => Command::Logs { service: value.map(|value| value.string()).transpose()?, follow },
        "token" => Command::Token,
        "acl" => Command::Acl,
        "preflight" => Command::Preflight,
        "check" => Command::Check { file: value.map(PathBuf::from), from },
        "collect" => Command::Collect { output },
        "renew" => Command::Renew { in_turn },
        "admit" => Command::Admit { who: who(value, all, key.is_some())?, key },
        "revoke" => Command::Revoke { name: value.context("which worker is missing")?.string()?, undo },
        "backup" => Command::Backup { file: file(value)?, protection: protection.context(HOW_TO_PROTECT)? },
        "restore" => Command::Restore { file: file(value)?, key: opened_with, yes },
        "snapshot" => Command::Snapshot,
        "etcd" => match value.as_ref().and_then(|value| value.to_str()) {
            Some("defrag") => Command::EtcdDefrag,
            _ => bail!("what to do with etcd is missing: there is `etcd defrag`"),
        },
        "kubeconfig" => {
            let user = user.context("whom it is for is missing: --user NAME")?;
            Command::Kubeconfig(Order { user, groups, days, output })
        }
        "storage" => match value.as_ref().and_then(|value| value.to_str()) {
            Some("grow") => Command::StorageGrow { to },
            _ => bail!("what to do with the state's file is missing: there is `storage grow`"),
        },
        "rotate-ca" => Command::RotateCa(step(value, force)?),
        "enrolment-server" => Command::EnrolmentServer,
        "reconciler" => Command::Reconciler,
        "pause" => Command::Pause { time: value.map(time).transpose()? },
        "resume" => Command::Resume,
        "down" => Command::Down { caller: if from_cli { Caller::EosCli } else { Caller::Shell } },
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

fn file(value: Option<OsString>) -> Result<PathBuf> {
    value.map(PathBuf::from).context("which file is missing")
}

/// Bytes.
fn size(written: &str) -> Result<u64> {
    let mib = Reserved::memory(written).with_context(|| format!("{written:?} is no size: {}", Reserved::HOW_MEMORY))?;
    mib.checked_mul(1 << 20).context("no file is so large")
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

fn step(name: Option<OsString>, force: Vec<String>) -> Result<Step> {
    let name = name.map(|name| name.string()).transpose()?;
    match name.as_deref() {
        Some("finish") => Ok(Step::Finish { force }),
        _ if !force.is_empty() => bail!("--force is for `rotate-ca finish`"),
        None => Ok(Step::Show),
        Some("begin") => Ok(Step::Begin),
        Some(other) => bail!("`rotate-ca` has no step {other:?}: there are begin and finish"),
    }
}

/// As people write it: 30m, 2h, 1d.
fn time(value: OsString) -> Result<Duration> {
    let time = humantime::parse_duration(&value.string()?).context("how long is said as 30m, 2h or 1d")?;
    ensure!(!time.is_zero(), "no time at all; `k8s-node resume` ends a pause");
    Ok(time)
}

#[derive(Default)]
struct Options {
    json: bool,
    follow: bool,
    in_turn: bool,
    all: bool,
    from: Option<Ipv4Addr>,
    undo: bool,
    from_cli: bool,
    yes: bool,
    key: Option<KeyDigest>,
    user: Option<String>,
    groups: Vec<String>,
    days: Option<u32>,
    force: Vec<String>,
    output: Option<PathBuf>,
    protection: Option<Protection>,
    opened_with: Option<KeySource>,
    to: Option<u64>,
    value: Option<OsString>,
}

impl Options {
    fn protect(&mut self, how: Protection) -> Result<()> {
        ensure!(self.protection.replace(how).is_none(), "one way to keep others from a backup, not two");
        Ok(())
    }

    fn open_with(&mut self, key: KeySource) -> Result<()> {
        ensure!(self.opened_with.replace(key).is_none(), "an identity or a passphrase, not both");
        Ok(())
    }
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
        assert_eq!(parse("k8s-node preflight").unwrap(), Command::Preflight);
        assert_eq!(parse("k8s-node reset").unwrap(), Command::Reset { yes: false });
        assert_eq!(parse("k8s-node renew").unwrap(), Command::Renew { in_turn: false });
        assert_eq!(parse("k8s-node stage kube-proxy").unwrap(), Command::Stage(Stage::KubeProxy));
        let admitted = Command::Admit { who: Who::One("veos-l1".into()), key: None };
        assert_eq!(parse("k8s-node admit veos-l1").unwrap(), admitted);
        let key: KeyDigest = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let admitted = Command::Admit { who: Who::One("veos-l1".into()), key: Some(key) };
        assert_eq!(parse("k8s-node admit veos-l1 --key 0123456789ABCDEF0123456789abcdef").unwrap(), admitted);
        assert_eq!(parse("k8s-node admit --all").unwrap(), Command::Admit { who: Who::All, key: None });
        let revoked = |undo| Command::Revoke { name: "veos-l1".into(), undo };
        assert_eq!(parse("k8s-node revoke veos-l1").unwrap(), revoked(false));
        assert_eq!(parse("k8s-node revoke --undo veos-l1").unwrap(), revoked(true));
        let order = Order {
            user: "anna".into(),
            groups: vec!["ops".into(), "system:masters".into()],
            days: Some(30),
            output: Some("anna.kubeconfig".into()),
        };
        let line = "k8s-node kubeconfig --user anna --group ops --group=system:masters --days 30 -o anna.kubeconfig";
        assert_eq!(parse(line).unwrap(), Command::Kubeconfig(order));
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
    fn a_pause_is_as_long_as_is_said_or_until_it_is_resumed() {
        assert_eq!(parse("k8s-node pause").unwrap(), Command::Pause { time: None });
        let time = Some(Duration::from_secs(5400));
        assert_eq!(parse("k8s-node pause 1h30m").unwrap(), Command::Pause { time });
        assert_eq!(parse("k8s-node resume").unwrap(), Command::Resume);
        for line in ["pause soon", "pause 0s", "pause 1h 2h", "resume 1h"] {
            assert!(parse(&format!("k8s-node {line}")).is_err(), "{line}");
        }
        assert_eq!(parse("k8s-node down").unwrap(), Command::Down { caller: Caller::Shell });
        assert_eq!(parse("k8s-node down --from-cli").unwrap(), Command::Down { caller: Caller::EosCli });
    }

    #[test]
    fn what_the_timer_starts_waits_for_its_turn_at_the_master() {
        assert_eq!(started_by(services::RENEWAL), Command::Renew { in_turn: true });
        assert_eq!(started_by(services::ENROLMENT), Command::EnrolmentServer);
        assert_eq!(started_by(services::RECONCILER), Command::Reconciler);
        assert_eq!(started_by(services::SNAPSHOT), Command::Snapshot);
    }

    #[test]
    fn a_backup_says_who_may_read_it_and_no_passphrase_is_an_argument() {
        let backup = |protection| Command::Backup { file: "/mnt/usb/b".into(), protection };
        assert_eq!(parse("k8s-node backup /mnt/usb/b --plain").unwrap(), backup(Protection::Plain));
        let of_file = Protection::Passphrase(Passphrase::File("/root/p".into()));
        assert_eq!(parse("k8s-node backup /mnt/usb/b --passphrase-file /root/p").unwrap(), backup(of_file));
        let of_input = Protection::Passphrase(Passphrase::StandardInput);
        assert_eq!(parse("k8s-node backup --passphrase-file - /mnt/usb/b").unwrap(), backup(of_input));
        for rest in ["b", "--plain", "b --plain --recipient age1x", "b --passphrase=secret", "b --passphrase secret"] {
            assert!(parse(&format!("k8s-node backup {rest}")).is_err(), "{rest}");
        }
        let error = parse("k8s-node backup b").unwrap_err().to_string();
        assert!(error.contains("--recipient age1") && error.contains("--plain"), "{error}");
        let restore = Command::Restore { file: "b".into(), key: Some(KeySource::Identity("k".into())), yes: true };
        assert_eq!(parse("k8s-node restore b --identity k --yes").unwrap(), restore);
        assert_eq!(parse("k8s-node etcd defrag").unwrap(), Command::EtcdDefrag);
        assert_eq!(parse("k8s-node storage grow").unwrap(), Command::StorageGrow { to: None });
        let to = Some(2 << 30);
        assert_eq!(parse("k8s-node storage grow --to 2Gi").unwrap(), Command::StorageGrow { to });
        assert!(parse("k8s-node storage").is_err() && parse("k8s-node storage grow --to 2G").is_err());
        assert!(parse("k8s-node etcd").is_err() && parse("k8s-node etcd compact").is_err());
    }

    #[test]
    fn an_admission_that_could_mean_more_than_was_said_is_refused() {
        let key = "--key 0123456789abcdef0123456789abcdef";
        for rest in ["", "a --all", &format!("--all {key}"), key, "a --key 0123", "a b"] {
            assert!(parse(&format!("k8s-node admit {rest}")).is_err(), "{rest}");
        }
    }

    #[test]
    fn the_steps_of_a_rotation_are_read_and_no_force_is_lost_on_another_one() {
        let step = |line: &str| match parse(&format!("k8s-node rotate-ca {line}")) {
            Ok(Command::RotateCa(step)) => Some(step),
            _ => None,
        };
        assert_eq!(step("").unwrap(), Step::Show);
        assert_eq!(step("begin").unwrap(), Step::Begin);
        let force = vec!["veos-l1".to_owned(), "veos-l2".to_owned()];
        assert_eq!(step("finish --force veos-l1 --force veos-l2").unwrap(), Step::Finish { force });
        for line in ["end", "begin finish", "begin --force veos-l1", "--force veos-l1", "finish --force"] {
            assert_eq!(step(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_and_never_passed_over() {
        for line in [
            "k8s-node",
            "k8s-node restart",
            "k8s-node reset --json",
            "k8s-node status now",
            "k8s-node stage",
            "k8s-node revoke",
            "k8s-node revoke a b",
            "k8s-node kubeconfig anna",
            "k8s-node kubeconfig --group a",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let error = parse("k8s-node stage kubeproxy").unwrap_err().to_string();
        assert!(error.contains("kube-proxy"), "{error}");
    }
}
