//! The certificates of a cluster as the seed's operator made them, with cfssl and openssl for linux/386: as many keys
//! and certificates as ours, request by request.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cluster::Cluster;
use common::{command::Program, files};

/// What `cfssl gencert` signs by: the seed's file.
const CONFIG: &str = r#"{"signing":{"default":{"expiry":"26280h"},"profiles":{"kubernetes":
    {"usages":["signing","key encipherment","server auth","client auth"],"expiry":"26280h"}}}}"#;

/// Debian's packages, unpacked.
pub struct Cfssl {
    root: PathBuf,
}

struct Leaf {
    file: String,
    common_name: String,
    organization: &'static str,
    hosts: String,
    authority: &'static str,
}

impl Cfssl {
    pub fn in_root(root: PathBuf) -> Self {
        Cfssl { root }
    }

    /// Makes everything in `out`, which is there.
    pub fn make(&self, cluster: &Cluster, key: &str, out: &Path) -> Result<()> {
        files::write_atomically(&out.join("config.json"), CONFIG)?;
        for (authority, common_name) in
            [("ca", "Kubernetes"), ("etcd-ca", "etcd-ca"), ("front-proxy-ca", "front-proxy-ca")]
        {
            files::write_atomically(&out.join("request.json"), request(key, common_name, "Kubernetes"))?;
            self.gencert(out, authority, &["-initca", "request.json"])?;
        }
        for leaf in leaves(cluster) {
            files::write_atomically(&out.join("request.json"), request(key, &leaf.common_name, leaf.organization))?;
            let ca = format!("-ca={}.pem", leaf.authority);
            let ca_key = format!("-ca-key={}-key.pem", leaf.authority);
            let hosts = format!("-hostname={}", leaf.hosts);
            let mut args = vec![ca.as_str(), &ca_key, "-config=config.json", "-profile=kubernetes"];
            args.extend((!leaf.hosts.is_empty()).then_some(hosts.as_str()));
            args.push("request.json");
            self.gencert(out, &leaf.file, &args)?;
        }
        let kind = match key {
            "rsa-2048" => ["RSA", "rsa_keygen_bits:2048"],
            _ => ["EC", "ec_paramgen_curve:P-256"],
        };
        self.run("openssl", out, &["genpkey", "-algorithm", kind[0], "-pkeyopt", kind[1], "-out", "sa-key.pem"])?;
        self.run("openssl", out, &["pkey", "-in", "sa-key.pem", "-pubout", "-out", "sa.pub"]).map(drop)
    }

    /// `cfssl gencert … | cfssljson -bare NAME`.
    fn gencert(&self, out: &Path, name: &str, args: &[&str]) -> Result<()> {
        let answer = self.run("cfssl", out, &[&["gencert", "-loglevel=5"], args].concat())?;
        files::write_atomically(&out.join("answer.json"), answer)?;
        self.run("cfssljson", out, &["-f", "answer.json", "-bare", name]).map(drop)
    }

    /// A program out of the packages, with their C library in place of this machine's.
    fn run(&self, program: &str, out: &Path, args: &[&str]) -> Result<String> {
        let libraries = ["lib/i386-linux-gnu", "usr/lib/i386-linux-gnu"].map(|path| self.root.join(path));
        Program::new(self.root.join("lib/ld-linux.so.2"), &format!("run {program} for linux/386"))?
            .arg("--library-path")
            .arg(libraries.map(|path| path.display().to_string()).join(":"))
            .arg(self.root.join("usr/bin").join(program))
            .args(args)
            .dir(out)
            .read()
    }
}

fn request(key: &str, common_name: &str, organization: &str) -> String {
    let key = match key {
        "rsa-2048" => r#"{"algo":"rsa","size":2048}"#,
        _ => r#"{"algo":"ecdsa","size":256}"#,
    };
    format!(
        r#"{{"CN":"{common_name}","key":{key},"names":[{{"C":"UK","L":"London","O":"{organization}","OU":"Kubernetes"}}]}}"#
    )
}

fn leaves(cluster: &Cluster) -> Vec<Leaf> {
    let master = cluster.master();
    let leaf = |file: &str, common_name: &str, organization, hosts: String, authority| Leaf {
        file: file.to_owned(),
        common_name: common_name.to_owned(),
        organization,
        hosts,
        authority,
    };
    let api_server = format!(
        "{},{},127.0.0.1,kubernetes,kubernetes.default,kubernetes.default.svc,kubernetes.default.svc.{},{}",
        master.address,
        cluster.first_service_address(),
        cluster.domain,
        master.name
    );
    let etcd = format!("localhost,{},127.0.0.1,{}", master.name, master.address);
    let (controller_manager, scheduler) = ("system:kube-controller-manager", "system:kube-scheduler");
    let mut leaves = vec![
        leaf("admin", "admin", "system:masters", String::new(), "ca"),
        leaf("kube-apiserver", "kubernetes", "Kubernetes", api_server, "ca"),
        leaf("kube-apiserver-kubelet-client", "kube-apiserver-kubelet-client", "Kubernetes", String::new(), "ca"),
        leaf("kube-apiserver-etcd-client", "kube-apiserver-etcd-client", "Kubernetes", String::new(), "etcd-ca"),
        leaf("front-proxy-client", "front-proxy-client", "Kubernetes", String::new(), "front-proxy-ca"),
        leaf("kube-controller-manager", controller_manager, controller_manager, String::new(), "ca"),
        leaf("kube-scheduler", scheduler, scheduler, String::new(), "ca"),
        leaf("etcd", "etcd", "Kubernetes", etcd, "etcd-ca"),
    ];
    for node in &cluster.nodes {
        let (file, name) = (format!("{}-node", node.name), format!("system:node:{}", node.name));
        leaves.push(leaf(&file, &name, "system:nodes", format!("{},{}", node.name, node.address), "ca"));
        let file = format!("{}-kube-proxy", node.name);
        leaves.push(leaf(&file, "system:kube-proxy", "system:node-proxier", String::new(), "ca"));
    }
    leaves
}
