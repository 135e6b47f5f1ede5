//! smoke
use kube_proxy_proof::{addresses::*, api::Api, objects::*, probe, programs::Programs, world::*};
use std::{path::Path, time::Instant};
#[test]
#[ignore]
fn smoke() {
    let t = Instant::now();
    let programs = Programs::of_dist(Path::new(&std::env::var("KOE_DIST").unwrap())).unwrap();
    println!("programs {:?}", t.elapsed());
    let api = Api::start(&programs).unwrap();
    println!("api {:?}", t.elapsed());
    let mut world = World::new("w", &api, Iptables::Legacy).unwrap();
    println!("world {:?}", t.elapsed());
    let p = world.program(Implementation::Upstream, &programs, &api, &["--cluster-cidr=10.16.0.0/16"]);
    world.start_proxy(&p, &api).unwrap();
    let s =
        Change::Put(service("a", "10.10.1.1".parse().unwrap()).port("web", Protocol::Tcp, 80).node_port(30080).build());
    let e =
        Change::Put(endpoints("a").subset(&[PODS[0], REMOTE_PODS[0]], &[], &[("web", Protocol::Tcp, 8080)]).build());
    api.with_client(|c| c.apply([&s, &e])).unwrap();
    println!("applied {:?}", t.elapsed());
    let rules = world.wait_for_rules(&["10.16.1.2:8080".into()]).unwrap();
    println!("programmed {:?}\n{rules}", t.elapsed());
    for v in Vantage::ALL {
        for to in ["10.10.1.1:80", "192.168.50.1:30080", "10.16.0.2:8080", "10.10.1.1:81"] {
            let a =
                probe::ask(&world, v, Target { protocol: Protocol::Tcp, address: to.parse().unwrap() }, 10).unwrap();
            println!("{v} -> {to}: {a:?}");
        }
    }
    println!("end {:?}", t.elapsed());
}
