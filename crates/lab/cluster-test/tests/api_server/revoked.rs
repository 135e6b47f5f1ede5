//! A node that is revoked, with the credentials that it has.

use std::time::Duration;

use cluster::{
    pki::{self, KeyDigest},
    revoked::RevokedClients,
};
use common::files;
use contract::Credential;
use serde_json::json;

use crate::{
    client::{Answer, Client},
    master::{Master, Worker},
};

/// The list is read again once a second.
const SOON: Duration = Duration::from_secs(20);

const SECRET: &str = "/api/v1/namespaces/default/secrets/of-its-pod";
const SERVICES: &str = "/api/v1/services";

/// Who has a worker's certificates, and keeps a connection with each.
struct Node {
    name: &'static str,
    node: Client,
    proxy: Client,
}

impl Node {
    fn of(master: &Master, name: &'static str, worker: &Worker) -> Node {
        let client = |credential| master.client(worker.directory.path(), credential);
        Node { name, node: client(Credential::Node), proxy: client(Credential::KubeProxy) }
    }

    fn create(&self) -> Answer {
        self.node.post("/api/v1/nodes", &json!({"metadata": {"name": self.name}}))
    }
}

fn tell(master: &Master, clients: &RevokedClients) {
    files::write_atomically(&master.place("pki/revoked-clients.json"), clients.to_text().unwrap()).unwrap();
}

fn key(worker: &Worker, credential: Credential) -> KeyDigest {
    worker.keys.iter().find(|(of, _)| *of == credential).unwrap().1.clone()
}

#[test]
#[ignore = "needs root, and the SWIX in dist/"]
fn a_revoked_node_of_swix_in_dist_reads_no_secret_and_makes_no_node_on_old_connections_and_new_ones() {
    let master = Master::start();
    let (worker, other) = (master.enrol("veos-l1"), master.enrol("veos-l2"));
    let (revoked, honest) = (Node::of(&master, "veos-l1", &worker), Node::of(&master, "veos-l2", &other));
    let admin = master.admin();
    master.pod_with_secret("veos-l1", "of-its-pod", "hidden");
    let secret = master.ask_until(200, SOON, || revoked.node.get(SECRET)).body;
    assert!(secret.contains("aGlkZGVu"), "{secret}");
    assert_eq!(master.ask(|| honest.node.get(SECRET)).status, 403);
    for node in [&revoked, &honest] {
        assert_eq!(master.ask(|| node.create()).status, 201);
        assert_eq!(master.ask(|| node.proxy.get(SERVICES)).status, 200);
    }

    let name = pki::node_user("veos-l1");
    let proxy = key(&worker, Credential::KubeProxy);
    let mut clients = RevokedClients { users: [(name.clone(), [].into())].into(), keys: [proxy].into() };
    tell(&master, &clients);
    assert_eq!(master.ask(|| admin.delete("/api/v1/nodes/veos-l1")).status, 200);
    master.ask_until(401, SOON, || revoked.node.get(SECRET));
    let refused = |node: &Node| {
        for answer in [
            master.ask(|| node.node.get(SECRET)),
            master.ask(|| node.create()),
            master.ask(|| node.proxy.get(SERVICES)),
        ] {
            assert_eq!(answer.status, 401, "{}", answer.body);
        }
    };
    let others_are_served = || {
        assert_eq!(master.ask(|| honest.node.get("/api/v1/nodes/veos-l2")).status, 200);
        assert_eq!(master.ask(|| honest.proxy.get(SERVICES)).status, 200);
        assert_eq!(master.ask(|| admin.get(SECRET)).status, 200);
    };
    refused(&revoked);
    others_are_served();
    // Nor with a certificate that is newer than the word, nor by another key under that name.
    master.issue("veos-l1", &worker);
    refused(&Node::of(&master, "veos-l1", &worker));
    let replacement = master.enrol("veos-l1");
    let again = Node::of(&master, "veos-l1", &replacement);
    assert_eq!(master.ask(|| again.node.get(SECRET)).status, 401);

    // What was read once stays in force.
    let place = master.place("pki/revoked-clients.json");
    std::fs::write(&place, "{\"version\": 1, \"us").unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    refused(&revoked);
    others_are_served();
    std::fs::remove_file(&place).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    refused(&revoked);
    others_are_served();

    // Another key gets the name, and the old one not again.
    clients.users.insert(name, [key(&replacement, Credential::Node)].into());
    tell(&master, &clients);
    master.ask_until(200, SOON, || again.node.get(SECRET));
    assert_eq!(master.ask(|| again.proxy.get(SERVICES)).status, 200);
    refused(&revoked);

    tell(&master, &RevokedClients::default());
    master.ask_until(200, SOON, || revoked.node.get(SECRET));
    assert_eq!(master.ask(|| revoked.proxy.get(SERVICES)).status, 200);
    others_are_served();
}
