//! What a stranger on a worker asks the master's enrolment server for: from that worker's own address, with the token, and with
//! requests of its own making.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use cluster::{Cluster, Node, pki};
use common::command::Program;
use contract::{
    Credential,
    places::{CLUSTER_TOML, PKI},
    ports,
};
use enrolment::{EnrolError, Enrolled, Request, Token, Trust};

use super::Worker;
use crate::{Scene, Switch};

/// For one exchange.
const EXCHANGE: Duration = Duration::from_secs(10);

/// Of nobody's.
const UNKNOWN: &str = "veos-nobody";

/// What a stranger has found on the worker.
struct Stranger<'a> {
    switch: &'a Switch<'a>,
    cluster: Cluster,
    node: Node,
    token: Token,
    master: SocketAddr,
}

pub(super) fn play(scene: &mut Scene<'_>, worker: &Worker<'_>, other: &Worker<'_>) -> Result<()> {
    let stranger = Stranger::on(&worker.switch)?;
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let at = |name: &str| directory.path().join(name);
    let (own, others) = (Copied::of(&worker.switch, &at("own"))?, Copied::of(&other.switch, &at("other"))?);
    let nodes = stranger.cluster.clone();
    let other_node = nodes.node(&other.name).context("cluster.toml has the other worker")?;

    let from = worker.address.to_string();

    scene.step("another worker's name is not given away, nor is a master's, nor one that nobody has", |_| {
        let keys = at("for-another");
        stranger.is_declined(&other.name, &keys, &stranger.requests(other_node, &keys)?, &from)?;
        let keys = at("for-master");
        stranger.is_declined(&nodes.master().name, &keys, &stranger.requests(nodes.master(), &keys)?, "master")?;
        let keys = at("for-nobody");
        let csrs = stranger.requests(&stranger.node, &keys)?;
        match stranger.ask(UNKNOWN, &keys, &csrs)? {
            Err(EnrolError::Refused { .. }) => Ok(()),
            asked => bail!("{UNKNOWN} is no node, and {}", told(&asked)),
        }
    })?;
    scene.step("a second key gets no certificate under the worker's own name", |_| {
        let keys = at("second-key");
        let csrs = stranger.requests(&stranger.node, &keys)?;
        stranger.is_declined(&worker.name, &keys, &csrs, "k8s-node admit")?;
        match stranger.renew(&worker.name, &keys, &csrs)? {
            Err(EnrolError::Declined { reason, .. }) if reason.contains("k8s-node admit") => Ok(()),
            asked => bail!("renewed by a second key: {}", told(&asked)),
        }
    })?;
    scene.step("the worker's own key renews no other name", |_| {
        for name in [&other.name, &nodes.master().name] {
            match stranger.renew(name, &own.directory, &[own.request(None)?])? {
                Err(EnrolError::Declined { reason, .. }) if reason.contains("not known under that name") => {}
                asked => bail!("renewed as {name}: {}", told(&asked)),
            }
        }
        Ok(())
    })?;
    scene.step("what another worker has asked for brings nothing when it is asked for again", |_| {
        let overheard = [others.request(None)?];
        stranger.is_declined(&other.name, &own.directory, &overheard, "another key's")?;
        stranger.is_declined(&worker.name, &own.directory, &overheard, "refused: the subject")
    })?;
    scene.step("a subject of others' is not signed, also for the worker's own key", |_| {
        let other_node = format!("/O=system:nodes/CN=system:node:{}", other.name);
        for subject in ["/O=system:masters/CN=admin", "/O=Kubernetes/CN=kubernetes", &other_node] {
            stranger.is_declined(&worker.name, &own.directory, &[own.request(Some(subject))?], "")?;
        }
        Ok(())
    })?;
    scene.step("names and groups that are added to its own are in no certificate", |scene| {
        let master = scene.cluster.master().address;
        let csr = own.request_with_names(&format!("DNS:kubernetes,DNS:{},IP:{master}", other.name))?;
        match stranger.ask(&worker.name, &own.directory, &[csr])? {
            Err(EnrolError::Declined { .. }) => Ok(()),
            Ok(enrolled) => own.is_as_before(&enrolled, &at("issued.pem")),
            asked => bail!("{}", told(&asked)),
        }
    })
}

impl<'a> Stranger<'a> {
    fn on(switch: &'a Switch<'a>) -> Result<Self> {
        let cluster = Cluster::parse(&switch.exec_ok(["cat", CLUSTER_TOML])?, CLUSTER_TOML)?;
        let token = cluster.token.as_ref().with_context(|| format!("there is no token on {}", switch.name()))?;
        Ok(Stranger {
            switch,
            node: cluster.node(&switch.node_name()).context("cluster.toml has the worker")?.clone(),
            token: Token::new(token.reveal())?,
            master: (cluster.master().address, ports::ENROLMENT).into(),
            cluster,
        })
    }

    /// With keys of the stranger's own, what a switch of that name would ask for.
    fn requests(&self, node: &Node, directory: &Path) -> Result<Vec<String>> {
        std::fs::create_dir(directory).context("cannot make a directory for keys")?;
        let requests = pki::requests(directory, &self.cluster, node, SystemTime::now())?;
        let requests = requests.context("a switch without certificates asks for none")?;
        Ok(requests.into_iter().map(|request| request.pem).collect())
    }

    /// From the worker's own address, with the token, showing the key that is there.
    fn ask(&self, name: &str, keys: &Path, csrs: &[String]) -> Result<Result<Enrolled, EnrolError>> {
        self.enrol(name, keys, csrs, &Trust::Token, Some(&self.token))
    }

    /// The same as one that is known by its key, whoever answers.
    fn renew(&self, name: &str, keys: &Path, csrs: &[String]) -> Result<Result<Enrolled, EnrolError>> {
        self.enrol(name, keys, csrs, &Trust::Pinned(Arc::new(|_: &[&[u8]]| Ok(()))), None)
    }

    fn enrol(
        &self,
        name: &str,
        keys: &Path,
        csrs: &[String],
        trust: &Trust,
        token: Option<&Token>,
    ) -> Result<Result<Enrolled, EnrolError>> {
        let identity = pki::node_identity(keys, &self.cluster, &self.node, SystemTime::now())?;
        let (master, from, identity) = (self.master, Some(self.node.address.into()), &identity);
        let request = Request { master, from, name, identity, trust, token, csrs, timeout: EXCHANGE };
        self.switch.in_network(|| Ok(enrolment::enrol(&request)))
    }

    /// Fails unless the master says no, for a reason that has this in it.
    fn is_declined(&self, name: &str, keys: &Path, csrs: &[String], because: &str) -> Result<()> {
        match self.ask(name, keys, csrs)? {
            Err(EnrolError::Declined { reason, .. }) if reason.contains(because) => Ok(()),
            asked => bail!("asked under the name {name}: {}", told(&asked)),
        }
    }
}

fn told(asked: &Result<Enrolled, EnrolError>) -> String {
    match asked {
        Ok(_) => "the master has signed".to_owned(),
        Err(error) => format!("the master's answer is another one than expected: {error}"),
    }
}

/// A worker's certificate and key, as whoever is root there has them.
struct Copied {
    directory: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Copied {
    fn of(switch: &Switch<'_>, directory: &Path) -> Result<Self> {
        std::fs::create_dir(directory).context("cannot make a directory for a certificate")?;
        let fetch = |name: String| -> Result<PathBuf> {
            let here = directory.join(&name);
            switch.copy_out(&format!("{PKI}/{name}"), &here)?;
            Ok(here)
        };
        Ok(Copied {
            directory: directory.to_owned(),
            certificate: fetch(Credential::Node.certificate_file())?,
            key: fetch(Credential::Node.key_file())?,
        })
    }

    /// A request for its key: for this subject, else for its own.
    fn request(&self, subject: Option<&str>) -> Result<String> {
        match subject {
            Some(subject) => openssl(&["req", "-new", "-subj", subject, "-key"])?.arg(&self.key).read(),
            None => self.like_the_certificate(None),
        }
    }

    /// One that is as it should be, and asks for these names as well.
    fn request_with_names(&self, names: &str) -> Result<String> {
        let extensions = self.key.with_extension("cnf");
        let text = format!("[names]\nsubjectAltName = {names}\nextendedKeyUsage = serverAuth, clientAuth\n");
        common::files::write_atomically(&extensions, text)?;
        self.like_the_certificate(Some(&extensions))
    }

    fn like_the_certificate(&self, extensions: Option<&Path>) -> Result<String> {
        let mut program =
            openssl(&["x509", "-x509toreq", "-in"])?.arg(&self.certificate).arg("-signkey").arg(&self.key);
        if let Some(file) = extensions {
            program = program.args(["-extensions", "names", "-extfile"]).arg(file);
        }
        program.read()
    }

    /// Fails where what was signed says more than what the worker had.
    fn is_as_before(&self, enrolled: &Enrolled, file: &Path) -> Result<()> {
        let [certificate] = enrolled.issued.certificates.as_slice() else { bail!("one was asked for") };
        common::files::write_atomically(file, certificate)?;
        let (before, now) = (said_by(&self.certificate)?, said_by(file)?);
        ensure!(now == before, "it has got {now} where it had {before}");
        Ok(())
    }
}

/// Subject, names and use.
fn said_by(certificate: &Path) -> Result<String> {
    let what = ["x509", "-noout", "-subject", "-ext", "subjectAltName,extendedKeyUsage,basicConstraints", "-in"];
    openssl(&what)?.arg(certificate).read()
}

fn openssl(arguments: &[&str]) -> Result<Program> {
    Ok(Program::new("openssl", "ask for a certificate as a stranger would")?.args(arguments))
}
