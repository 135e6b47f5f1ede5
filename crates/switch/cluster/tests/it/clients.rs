//! Whose certificates are taken from clients: those of the authority that signs, and of nobody else in an operator's chain.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    time::SystemTime,
};

use cluster::{
    Cluster,
    pki::{self, Clients, PkiError},
};

use crate::{
    corporation::{CA, CLIENT, Corporation},
    support::{DAY, Switch, now, text},
};

/// A cluster whose authority is a sub-CA of a corporation, and administrators who come by another one.
struct Site {
    corporation: Corporation,
    master: Switch,
}

fn cluster(certificates: &str) -> Cluster {
    let text = format!("{}\n[certificates]\n{certificates}\n", include_str!("../fixtures/cluster.toml"));
    Cluster::parse(&text, "cluster.toml").unwrap()
}

impl Site {
    fn new() -> Self {
        let corporation = Corporation::new();
        corporation.issue("middle", "root", "/CN=Middle", CA, 3000);
        corporation.issue("issuing", "middle", "/CN=Issuing", CA, 2900);
        corporation.issue("admins", "middle", "/CN=Admins", CA, 2900);
        corporation.issue("anna", "admins", "/O=system:masters/CN=anna", CLIENT, 100);
        corporation.issue("ben", "middle", "/O=system:masters/CN=ben", CLIENT, 100);
        corporation.issue("carl", "root", "/O=system:masters/CN=carl", CLIENT, 100);
        let master = Switch::empty_master();
        master.write("ca.pem", corporation.pem(&["issuing", "middle", "root"]));
        master.write("ca-key.pem", std::fs::read(corporation.file("issuing-key.pem")).unwrap());
        master.ensure(now()).unwrap();
        Site { corporation, master }
    }

    fn clients(&self, certificates: &str, has_run: bool, at: SystemTime) -> Result<Clients, PkiError> {
        let cluster = cluster(certificates);
        pki::ensure_clients(&self.master.path(), &cluster, cluster.master(), has_run, at)
    }

    /// Who is let in by `openssl verify` as Go sees it: what is in the file is trusted, whoever has issued it.
    fn let_in(&self, trusted: &str) -> Vec<&'static str> {
        let trusted = self.corporation.write("trusted.pem", trusted);
        let chain = self.corporation.write("chain.pem", &self.corporation.pem(&["admins", "middle"]));
        let ours = text(&self.master.file("admin.pem"));
        let theirs = ["anna", "ben", "carl"].map(|name| (name, self.corporation.path(&format!("{name}.pem"))));
        let all = [("admin", ours)].into_iter().chain(theirs);
        let verified = |file: &str| {
            let line = format!("verify -purpose sslclient -partial_chain -CAfile {trusted} -untrusted {chain} {file}");
            Command::new("openssl").args(line.split(' ')).output().unwrap().status.success()
        };
        all.filter(|(_, file)| verified(file)).map(|(name, _)| name).collect()
    }
}

#[test]
fn the_certificate_that_signs_is_trusted_alone_and_another_one_by_its_name() {
    let site = Site::new();
    let clients = site.clients("", false, now()).unwrap();
    assert_eq!((site.let_in(&clients.trusted), clients.signing), (vec!["admin"], clients.trusted));
    assert!(clients.remarks.is_empty() && clients.problems.is_empty());
    // What stands behind its first certificate is as little trusted.
    site.master.write("admins-ca.pem", site.corporation.pem(&["admins", "middle", "root"]));
    let clients = site.clients("client_ca = \"admins-ca.pem\"", true, now()).unwrap();
    assert_eq!(site.let_in(&clients.trusted), ["admin", "anna"]);
    assert_eq!(clients.signing.matches("BEGIN").count(), 1, "what signs is still one");
    let clients = site.clients("", true, now()).unwrap();
    assert_eq!(site.let_in(&clients.trusted), ["admin"], "and no chain comes back with the line gone");
}

#[test]
fn a_cluster_of_an_older_release_has_a_month_to_name_the_other_authority() {
    let site = Site::new();
    let clients = site.clients("", true, now()).unwrap();
    assert_eq!(site.let_in(&clients.trusted), ["admin", "anna", "ben", "carl"]);
    let [remark] = clients.remarks.as_slice() else { panic!("{:?}", clients.remarks) };
    for part in ["ca.pem has 3 certificates", "until 20", "CN=Issuing", "[certificates] client_ca"] {
        assert!(remark.contains(part), "{part}: {remark}");
    }
    let seen = |at| pki::inspect_clients(&site.master.path(), &cluster(""), &site.master.node, at).unwrap().unwrap();
    assert_eq!(seen(now()).remarks, clients.remarks, "the status says it, too");
    // Neither a reboot nor a clock that was ahead gives it more.
    site.clients("", true, now() + DAY * 20).unwrap();
    assert_eq!(site.let_in(&seen(now() + DAY * 29).trusted).len(), 4);
    let after = site.clients("", true, now() + DAY * 31).unwrap();
    assert_eq!((site.let_in(&after.trusted), after.remarks.len()), (vec!["admin"], 0));
    site.master.remove("clients.json");
    site.clients("", true, now() + DAY * 400).unwrap();
    site.clients("", true, now()).unwrap();
    assert_eq!(site.let_in(&seen(now() + DAY * 31).trusted), ["admin"]);
    // It is over where the operator says so.
    site.master.remove("clients.json");
    assert_eq!(site.let_in(&site.clients("client_ca = \"ca.pem\"", true, now()).unwrap().trusted), ["admin"]);
    assert_eq!(site.let_in(&site.clients("", true, now()).unwrap().trusted), ["admin"]);
    site.master.write("clients.json", "{");
    assert_eq!(site.let_in(&site.clients("", true, now()).unwrap().trusted), ["admin"], "damaged");
}

#[test]
fn a_new_cluster_whose_chain_comes_later_trusts_it_never() {
    let site = Site::new();
    site.clients("", false, now()).unwrap();
    assert_eq!(site.let_in(&site.clients("", true, now()).unwrap().trusted), ["admin"]);
    let single = Switch::master();
    pki::ensure_clients(&single.path(), &single.cluster, &single.node, true, now()).unwrap();
    let chain = site.corporation.pem(&["root"]);
    single.write("ca.pem", single.read("ca.pem") + &chain);
    let clients = pki::ensure_clients(&single.path(), &single.cluster, &single.node, true, now()).unwrap();
    assert_eq!(clients.trusted.matches("BEGIN").count(), 1);
}

#[test]
fn another_authority_that_cannot_be_trusted_stops_a_new_cluster_and_is_a_problem_of_one_that_runs() {
    let site = Site::new();
    let line = "client_ca = \"admins-ca.pem\"";
    let wrong = |expected: &str, at: SystemTime| {
        let error = site.clients(line, false, at).unwrap_err().to_string();
        assert!(error.contains("no new cluster begins so") && error.contains(expected), "{error}");
        let clients = site.clients(line, true, at).unwrap();
        assert!(clients.problems[0].contains(expected), "{:?}", clients.problems);
        assert_eq!(clients.trusted, clients.signing);
    };
    wrong("is not there", now());
    // On a worker it may be missing.
    let (of_worker, worker) = (cluster(line), Switch::worker(&site.master, "veos-l1"));
    let clients = pki::ensure_clients(&worker.path(), &of_worker, &worker.node, false, now()).unwrap();
    assert!(clients.problems.is_empty() && site.let_in(&clients.trusted) == ["admin"]);
    site.master.write("admins-ca.pem", site.corporation.pem(&["anna"]));
    wrong("may not sign certificates", now());
    site.master.write("admins-ca.pem", "x");
    wrong("no certificate in PEM form", now());
    site.corporation.issue("short", "middle", "/CN=Short", CA, 20);
    site.master.write("admins-ca.pem", site.corporation.pem(&["short"]));
    wrong("expired", now() + DAY * 21);
    let clients = site.clients(line, false, now()).unwrap();
    assert!(clients.remarks[0].contains("ends in"), "{:?}", clients.remarks);
}

/// A server of openssl's, ended with the test.
struct Server {
    process: Child,
    address: String,
    _said: BufReader<ChildStdout>,
}

impl Server {
    fn start(master: &Switch, trusted: &str) -> Self {
        let file = |name: &str| text(&master.file(name));
        let line = format!(
            "s_server -accept 127.0.0.1:0 -www -cert {} -key {} -CAfile {trusted} -partial_chain -Verify 5 -verify_return_error",
            file("kube-apiserver.pem"),
            file("kube-apiserver-key.pem")
        );
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended");
        }
        let address = line.trim().trim_start_matches("ACCEPT ").to_owned();
        Server { process, address, _said: said }
    }

    /// Whether somebody gets an answer, who verifies the server by what kubeconfigs have.
    fn answers(&self, master: &Switch, certificate: &str, key: &str, chain: Option<&str>) -> bool {
        let mut line = format!(
            "s_client -connect {} -tls1_2 -CAfile {} -verify_return_error -cert {certificate} -key {key}",
            self.address,
            text(&master.file("ca.pem"))
        );
        if let Some(chain) = chain {
            line.push_str(&format!(" -cert_chain {chain}"));
        }
        Command::new("openssl").args(line.split(' ')).stdin(Stdio::null()).output().unwrap().status.success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_server_lets_in_whom_it_should_over_tls_and_is_verified_by_the_whole_chain() {
    let site = Site::new();
    let Site { corporation, master } = &site;
    master.write("admins-ca.pem", corporation.pem(&["admins"]));
    let chain = corporation.write("chain.pem", &corporation.pem(&["admins", "middle"]));
    for (certificates, anna_is_let_in) in [("", false), ("client_ca = \"admins-ca.pem\"", true)] {
        let trusted = site.clients(certificates, false, now()).unwrap().trusted;
        let server = Server::start(master, &corporation.write("trusted.pem", &trusted));
        let ours = ["admin.pem", "admin-key.pem"].map(|name| text(&master.file(name)));
        assert!(server.answers(master, &ours[0], &ours[1], None), "{certificates}");
        let theirs = |name: &str| {
            let [certificate, key] = ["", "-key"].map(|end| corporation.path(&format!("{name}{end}.pem")));
            server.answers(master, &certificate, &key, Some(&chain))
        };
        assert_eq!(theirs("anna"), anna_is_let_in, "{certificates}");
        assert!(!theirs("ben") && !theirs("carl"), "{certificates}");
    }
}
