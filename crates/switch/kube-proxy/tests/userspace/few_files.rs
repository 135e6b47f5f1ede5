//! Where there are fewer files than UDP Services. The limit holds for a process, so each test runs itself in one of its own.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::Ipv4Addr,
    process::Command,
    time::{Duration, Instant},
};

use kube_proxy::{
    backend::Backend,
    model::{Change, Model, Protocol, ServiceName},
};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::{
    VIP,
    objects::{endpoints, model, name, put, service},
    real::{self, Real},
    start,
    world::{NODE, Outside, tcp, udp},
};

const FILES: u64 = 256;
/// An eighth of the files is for the sockets of UDP Services.
const SOCKETS: usize = 32;
const SERVICES: usize = 300;

const MARK: &str = "KUBE_PROXY_TEST_WITH_FEW_FILES";

/// Whether this process is the one with few files. If not, runs the test of this name in such a process.
fn has_few_files(test: &str) -> bool {
    if std::env::var_os(MARK).is_some() {
        setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: Some(FILES) }).unwrap();
        return true;
    }
    let this = std::env::current_exe().unwrap();
    let run = Command::new(this).args(["--ignored", "--exact", test, "--nocapture"]).env(MARK, "1").output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 10, 1 + (number / 100) as u8, (number % 100) as u8)
}

/// How many of the UDP Services are refused.
fn refused(real: &Real) -> usize {
    let tables = real.tables();
    let refusals =
        tables.lines().filter(|line| line.starts_with("-A KUBE-PORTALS-REFUSED ") && line.contains("-p udp"));
    refusals.count()
}

fn remove(model: &mut Model, numbers: std::ops::Range<usize>) -> BTreeSet<ServiceName> {
    let mut touched = BTreeSet::new();
    for number in numbers {
        model.apply(Change::Service(name(&format!("udp-{number:03}")), None), &mut touched);
    }
    touched
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn with_more_udp_services_than_files_the_others_are_served_and_the_rest_after_them() {
    if !has_few_files("few_files::with_more_udp_services_than_files_the_others_are_served_and_the_rest_after_them") {
        return;
    }
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let at = [outside.udp("u")];
        let (mut userspace, mut model) = (start(&real.tool), model());
        let mut touched = BTreeSet::new();
        for number in 0..SERVICES {
            let name = format!("udp-{number:03}");
            touched.append(&mut put(&mut model, &name, service(address(number), Protocol::Udp, 53, None)));
            touched.append(&mut endpoints(&mut model, &name, Protocol::Udp, &at));
        }
        // Behind all of them.
        touched.append(&mut put(&mut model, "web", service(VIP, Protocol::Tcp, 80, None)));
        touched.append(&mut endpoints(&mut model, "web", Protocol::Tcp, &[outside.tcp("a")]));
        userspace.sync(&model, &touched).unwrap();
        assert_eq!(refused(real), SERVICES - SOCKETS);
        assert_eq!(tcp((VIP, 80)), Ok(format!("a {NODE}")));
        assert_eq!(udp((address(0), 53)), Ok(format!("u {NODE}")));
        assert_eq!(udp((address(SERVICES - 1), 53)), Err(ErrorKind::PermissionDenied));

        let touched = remove(&mut model, 0..20);
        userspace.sync(&model, &touched).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while refused(real) > SERVICES - 20 - SOCKETS && Instant::now() < until {
            userspace.check(&model).unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(refused(real), SERVICES - 20 - SOCKETS);
        assert_eq!(udp((address(SOCKETS + 19), 53)), Ok(format!("u {NODE}")));
        assert_eq!(udp((address(SERVICES - 1), 53)), Err(ErrorKind::PermissionDenied));

        real.written();
        assert!(!userspace.check(&model).unwrap() && !userspace.check_fully(&model).unwrap());
        assert_eq!(real.written(), "");
    });
}
