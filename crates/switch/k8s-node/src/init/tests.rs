//! By flags and by answers, into files of this machine.

use std::{io::Cursor, os::unix::fs::PermissionsExt};

use super::{plan::Plan, *};
use crate::test_support::{came_up_before, flash_of, in_mount_namespace};

fn options(flags: &str, file: &Path) -> Result<Options> {
    let words = std::iter::once("init").chain(flags.split_whitespace()).map(Into::into);
    let words: Vec<std::ffi::OsString> = words.chain([file.into()]).collect();
    Ok(read(&mut lexopt::Parser::from_iter(words))?.unwrap())
}

const THREE: &str = "--master veos-b=1.1.1.1 --worker veos-l1=2.2.2.2 --worker veos-l2=3.3.3.3";

/// What is written for some flags, or what is said where nothing is.
fn written(flags: &str) -> Result<Cluster, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cluster.toml");
    let done = options(flags, &file).and_then(run);
    match done {
        Ok(()) => Ok(switch::read(&file).unwrap()),
        Err(error) => {
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{flags}: something was written");
            Err(format!("{error:#}"))
        }
    }
}

fn answered(lines: &str) -> (Result<Plan>, String) {
    let mut said = Vec::new();
    let plan = dialogue::ask(&mut Cursor::new(lines), &mut said);
    (plan, String::from_utf8(said).unwrap())
}

#[test]
fn a_whole_cluster_is_written_by_flags_with_a_token_that_it_may_begin_with() {
    let cluster = written(THREE).unwrap();
    assert_eq!((cluster.name.as_str(), cluster.domain.as_str()), ("kubernetes", "cluster.local"));
    let nodes: Vec<_> = cluster.nodes.iter().map(|node| (node.name.as_str(), node.master, node.worker)).collect();
    assert_eq!(nodes, [("veos-b", true, true), ("veos-l1", false, true), ("veos-l2", false, true)]);
    assert_eq!(cluster.reserved, Some(cluster::Reserved::TO_BEGIN));
    assert_eq!(cluster.services.external_ips, cluster::ExternalIps::Denied);
    assert!(cluster.warnings.errors.is_empty());
    assert!(written(THREE).unwrap().token != cluster.token, "each cluster has a token of its own");
    let other = "--name lab --domain lab.example --pod-network 10.32.0.0/16 --service-network 10.33.0.0/24 \
                 --no-pods-on-master --eos-memory 3Gi --eos-cpu 1";
    let cluster = written(&format!("{THREE} {other}")).unwrap();
    assert_eq!(cluster.dns.to_string(), "10.33.0.10");
    assert!(!cluster.master().worker && cluster.name == "lab" && cluster.domain == "lab.example");
    assert_eq!(cluster.reserved, Some(cluster::Reserved { memory_mib: 3072, cpu_milli: 1000 }));
}

#[test]
fn what_no_cluster_can_begin_with_is_said_and_nothing_is_written() {
    for (flags, said) in [
        ("--master veos-b=1.1.1.1 --worker veos-b=2.2.2.2", "the name \"veos-b\" stands twice"),
        ("--master veos-b=1.1.1.1 --worker veos-l1=1.1.1.1", "the address 1.1.1.1 stands twice"),
        ("--master veos-b=10.16.0.9", "the address 10.16.0.9 is inside pod_cidr"),
        ("--master VEOS=1.1.1.1", "\"VEOS\" is not a DNS label"),
        ("--master v\"eos=1.1.1.1", "is not a DNS label"),
        ("--master veos-b=one", "address = \"one\" is not an IPv4 address"),
        ("--master veos-b", "as in veos-b=1.1.1.1"),
        ("--master a=1.1.1.1 --master b=2.2.2.2", "--master stands twice"),
        ("--worker veos-l1=2.2.2.2", "--master NAME=ADDRESS is missing"),
        ("--master a=1.1.1.1 --pod-network 10.10.0.0/16", "overlap"),
        ("--master a=1.1.1.1 --pod-network 169.254.0.0/16", "for one link"),
        ("--master a=1.1.1.1 --service-network 10.0.0.0/8", "take a range between"),
        ("--master a=1.1.1.1 --eos-memory 2G", "memory = \"2G\" is no amount"),
        ("--master a=1.1.1.1 --colour red", "--colour"),
    ] {
        let error = written(flags).unwrap_err();
        assert!(error.contains(said), "{flags}: {error}");
    }
    let several = written("--master VEOS=one --eos-cpu half").unwrap_err();
    assert_eq!(several.lines().count(), 4, "everything that is wrong, at once: {several}");
}

/// As cluster.toml's own checks take it, whatever the size of the cluster, the order and the ranges.
#[test]
fn whatever_is_written_is_taken_by_the_checks_of_the_bring_up() {
    for workers in [0_u8, 1, 7, 100, 250] {
        for (pods, services) in [("10.16.0.0/16", "10.10.0.0/22"), ("172.20.0.0/16", "192.168.7.0/28")] {
            for master_is_worker in [true, false] {
                let place = |n: u8| plan::Place { name: format!("s{n}"), address: format!("1.1.1.{n}") };
                let plan = Plan {
                    pod_network: pods.into(),
                    service_network: services.into(),
                    master: Some(place(1)),
                    master_is_worker,
                    workers: (2..workers.saturating_add(2)).map(place).collect(),
                    ..Plan::default()
                };
                let text = plan.file().unwrap();
                let cluster = plan.check(&text).unwrap();
                assert_eq!(cluster.nodes.len(), usize::from(workers) + 1);
                assert_eq!(Cluster::parse(&text, "cluster.toml").unwrap(), cluster);
            }
        }
    }
    // What stands between quotation marks cannot end them.
    let name = "a\"\n[join]\ntoken = 'b\\".to_owned();
    let plan = Plan { name, master: Some("a=1.1.1.1".parse().unwrap()), ..Plan::default() };
    let reasons = plan.check(&plan.file().unwrap()).unwrap_err();
    assert!(reasons.len() == 1 && reasons[0].contains("the cluster's name"), "{reasons:?}");
}

#[test]
fn a_file_that_is_there_stays_unless_it_is_to_go() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cluster.toml");
    fs::write(&file, "mine").unwrap();
    let error = options(THREE, &file).and_then(run).unwrap_err().to_string();
    assert!(error.contains("is there already") && error.contains("--force"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let error = options("--force --master a=one", &file).and_then(run).unwrap_err().to_string();
    assert!(error.starts_with("nothing was written"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    options(&format!("--force {THREE}"), &file).and_then(run).unwrap();
    assert_eq!(switch::read(&file).unwrap().nodes.len(), 3);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "there is a token in it");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    let error = options(THREE, &directory.path().join("no/cluster.toml")).and_then(run).unwrap_err().to_string();
    assert!(error.contains("there is no directory"), "{error}");
    let error = options(THREE, directory.path()).and_then(run).unwrap_err().to_string();
    assert!(error.contains("is a directory"), "{error}");
}

#[test]
fn questions_lead_to_the_same_plan_as_flags() {
    let (plan, said) = answered("\n\nveos-b=1.1.1.1\n\nveos-l1=2.2.2.2\nveos-l2 = 3.3.3.3\n\n\n");
    assert_eq!(plan.unwrap(), options(THREE, Path::new("f")).unwrap().plan.unwrap(), "{said}");
    assert!(said.contains("[10.16.0.0/16]") && said.contains("[2048Mi]"), "{said}");
    let (plan, _) = answered("10.32.0.0/16\n10.33.0.0/24\nb=1.1.1.1\nno\n\n1Gi\n");
    let plan = plan.unwrap();
    let other = "--pod-network 10.32.0.0/16 --service-network 10.33.0.0/24 --no-pods-on-master --eos-memory 1Gi";
    assert_eq!(plan, options(&format!("--master b=1.1.1.1 {other}"), Path::new("f")).unwrap().plan.unwrap());
}

#[test]
fn an_answer_that_is_wrong_is_asked_for_again_with_why() {
    let (plan, said) = answered(
        "10.10.0.0/16\n\n10.11.0.0/24\nveos-b\nveos-b=10.10.0.1\nveos-b=1.1.1.1\nperhaps\nyes\nveos-b=2.2.2.2\nveos-l1=2.2.2.2\n\nlots\n2Gi\n",
    );
    let plan = plan.unwrap();
    assert_eq!((plan.master.unwrap().address.as_str(), plan.workers.len()), ("1.1.1.1", 1));
    for why in ["overlap", "as in veos-b=1.1.1.1", "inside pod_cidr", "yes or no", "stands twice", "is no amount"] {
        assert!(said.contains(why), "{why}: {said}");
    }
    for unfinished in ["", "\n\n", "\n\nveos-b=1.1.1.1\nyes\nveos-l1=2.2.2.2\n"] {
        let error = answered(unfinished).0.unwrap_err().to_string();
        assert!(error.contains("nothing was written"), "{error}");
    }
}

#[test]
fn what_is_said_at_the_end_leads_on_and_does_not_have_the_token() {
    let plan = options(THREE, Path::new("f")).unwrap().plan.unwrap();
    let text = plan.file().unwrap();
    let cluster = plan.check(&text).unwrap();
    let told = said(Path::new(places::CLUSTER_TOML), &cluster, true);
    assert!(told.contains("/mnt/flash keeps no modes"), "{told}");
    for word in ["veos-l2", "3.3.3.3/32", "boot-extensions", "k8s-node status"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!told.contains(cluster.token.as_ref().unwrap().reveal()));
    assert!(!said(Path::new("/root/cluster.toml"), &cluster, false).contains("no modes"));
    assert!(read(&mut lexopt::Parser::from_iter(["init", "--help"])).unwrap().is_none());
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn no_cluster_toml_is_made_for_the_state_of_another_cluster_not_even_by_force() {
    in_mount_namespace(|| {
        flash_of(50);
        let written = |file: &str| options(&format!("{THREE} --force"), file.as_ref()).and_then(run);
        let refused = || written(places::CLUSTER_TOML).unwrap_err().to_string();
        written(places::CLUSTER_TOML).unwrap();
        fs::remove_file(places::CLUSTER_TOML).unwrap();
        came_up_before();
        assert!(refused().contains("etcd/member") && refused().contains("k8s-node reset"), "{}", refused());
        fs::remove_dir_all(places::ETCD).unwrap();
        fs::write(Path::new(places::PKI).join("ca.pem"), "x").unwrap();
        assert!(refused().contains("pki/ca.pem"), "{}", refused());
        assert!(!Path::new(places::CLUSTER_TOML).exists());
        written("/mnt/flash/another.toml").unwrap();
    });
}
