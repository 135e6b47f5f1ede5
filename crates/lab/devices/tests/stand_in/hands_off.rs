//! What is not ours stays, what stands in the way is named, and what a lab left that came half up goes.

use std::{collections::BTreeMap, fs, path::Path};

use common::{command::Program, progress::Silent};
use devices::{Lab, Options, images::Image};
use topology::Topology;

use crate::support::{host_image, lab_of, lab_up, lab_with, make_images, nothing_is_left, repository};

fn docker(arguments: &[&str]) -> String {
    Program::new("docker", "prepare the test").unwrap().args(arguments).read().unwrap()
}

fn topology(prefix: &str) -> Topology {
    Topology::load(&repository().join("topo/one.yml")).unwrap().under_prefix(prefix)
}

fn refusal(topology: &Topology) -> String {
    format!("{:#}", Lab::up_with(topology, &BTreeMap::new(), &Options::default(), &Silent).map(drop).unwrap_err())
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_container_of_others_with_a_device_s_name_is_named_and_stays() {
    make_images();
    let topology = topology("test-name");
    let image = "kubernetes-on-eos/host-stand-in:latest";
    Lab::ensure_down(&topology).unwrap();
    let id = docker(&["create", "--name", "test-name_host-c1", "--label", "test-name=mine", image]);
    let told = refusal(&topology);
    let cleared = Lab::ensure_down(&topology).unwrap();
    docker(&["rm", id.trim()]);
    assert!(told.contains("a container of others has the name test-name_host-c1"), "{told}");
    assert!(!cleared, "there was nothing of the topology's");
    nothing_is_left("test-name");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn two_labs_of_one_prefix_are_told_of_each_other_and_an_image_that_is_not_there_is_named() {
    let lab = lab_up("one.yml", "test-two", &BTreeMap::new());
    for told in [refusal(lab.topology()), format!("{:#}", Lab::ensure_down(lab.topology()).unwrap_err())] {
        assert!(told.contains("another process is using the prefix test-two: process"), "{told}");
    }
    lab.device("host-c1").unwrap().exec_ok(["true"]).unwrap();

    let mut lacking = topology("test-lack");
    lacking.devices[0].image = "no-such-image:1".to_owned();
    let told = refusal(&lacking);
    assert!(told.contains("needs the image no-such-image:1") && told.contains("docker load"), "{told}");
    nothing_is_left("test-lack");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_port_in_use_is_named_and_the_half_raised_lab_goes() {
    make_images();
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut topology = topology("test-port");
    Lab::ensure_down(&topology).unwrap();
    topology.devices[0].ports =
        vec![topology::format::Publish { inside: "22/tcp".into(), address: None, outside: Some(port) }];
    let told = refusal(&topology);
    assert!(told.contains("PUBLISH_BASE"), "{told}");
    nothing_is_left("test-port");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn what_docker_topo_left_half_made_is_taken_away_by_the_topology_alone() {
    make_images();
    let host = host_image().next().unwrap().id;
    let topology = topology("test-hf");
    Lab::ensure_down(&topology).unwrap();
    let image = "kubernetes-on-eos/veos-stand-in:latest";
    docker(&["network", "create", "--label", "test-hf=test-hf_net-0", "test-hf_net-0"]);
    docker(&["create", "--name", "test-hf_veos-b", "--label", "test-hf=test-hf_veos-b", image]);
    let volumes = docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", "test-hf_veos-b"]);
    let ip = |arguments: &[&str]| Program::new("ip", "prepare the test").unwrap().args(arguments).read();
    ip(&["link", "add", "test-hf_net-1-a", "type", "veth", "peer", "name", "test-hf_net-1-b"]).unwrap();
    let host = docker(&["create", "--name", "test-hf_host-c1", "--label", "test-hf=test-hf_host-c1", &host]);
    docker(&["start", host.trim()]);
    let namespace = docker(&["inspect", "--format", "{{.NetworkSettings.SandboxKey}}", host.trim()]);
    // As docker-topo, where dockerd has its namespaces in another place.
    let made = Path::new("/var/run/docker/netns").join(Path::new(namespace.trim()).file_name().unwrap());
    if !made.exists() {
        fs::create_dir_all(made.parent().unwrap()).unwrap();
        fs::write(&made, "").unwrap();
        let script = "mount --bind /proc/self/ns/net \"$1\"";
        let unshare = Program::new("unshare", "make a namespace").unwrap().args(["--net", "sh", "-c", script, "sh"]);
        unshare.arg(&made).read().unwrap();
    }
    assert!(Lab::ensure_down(&topology).unwrap());
    nothing_is_left("test-hf");
    assert!(!made.exists(), "{}", made.display());
    let left = docker(&["volume", "ls", "--quiet"]);
    assert!(volumes.split_whitespace().count() >= 2, "{volumes}");
    assert!(volumes.split_whitespace().all(|volume| !left.contains(volume)), "{volumes}");
    assert!(ip(&["link", "show", "test-hf_net-1-a"]).is_err());
}

fn host_alone(prefix: &str) -> Topology {
    let text = format!("VERSION: 2\nPREFIX: {prefix}\nlinks:\n  - endpoints: [\"host-a:eth0\"]\n");
    Topology::parse(&text, "host.yml", Path::new("/"), &|_| None).unwrap()
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn labs_may_be_called_as_a_lock_and_leave_no_file() {
    let prefixes = ["image-tags", "image-tags.lock", "images.lock"];
    let labs = prefixes.map(|prefix| lab_of(&host_alone(prefix)));
    let told = refusal(labs[1].topology());
    assert!(told.contains("another process is using the prefix image-tags.lock: process"), "{told}");
    drop(labs);
    prefixes.into_iter().for_each(nothing_is_left);
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_lab_keeps_to_the_images_that_it_was_given_whoever_has_their_name() {
    let made = host_image().next().unwrap();
    let container = docker(&["create", "--label", "test-kept=another", &made.id]);
    let id = docker(&["commit", container.trim()]).trim().to_owned();
    docker(&["rm", container.trim()]);
    let given = Image { name: made.name.clone(), id: id.clone() };
    let lab = lab_with(&host_alone("test-kept"), &BTreeMap::new(), [given].into_iter().collect());
    let host = lab.device("host-a").unwrap();
    let ids = [host.identity().unwrap().image_id, {
        host.reboot().unwrap();
        host.identity().unwrap().image_id
    }];
    drop(lab);
    let there = docker(&["image", "ls", "--quiet", "--no-trunc"]);
    docker(&["image", "rm", &id]);
    assert_eq!(ids, [id.clone(), id.clone()]);
    assert!(there.contains(&id) && made.id != id, "{there}");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_file_that_is_not_there_is_no_error_and_anything_else_is() {
    let lab = lab_of(&host_alone("test-copy"));
    let host = lab.device("host-a").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("copied");
    assert!(!host.copy_out_if_there("/no/such/file", &to).unwrap());
    assert!(host.copy_out_if_there("/run/addresses", &to).unwrap());
    assert_eq!(fs::read(&to).unwrap(), b"\n");
    let told = format!("{:#}", host.copy_out_if_there("/run/addresses", &to.join("under a file")).unwrap_err());
    assert!(told.contains("cannot copy test-copy_host-a:/run/addresses"), "{told}");
    docker(&["rm", "--force", "test-copy_host-a"]);
    assert!(host.copy_out_if_there("/no/such/file", &to).is_err());
}
