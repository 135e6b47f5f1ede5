//! Names: every kind of record from every worker, Services by name from pods, and all of it without the master too, after a restart and
//! after a reboot.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::errors;
use hickory_proto::rr::RecordType::{self, A, AAAA, CNAME, PTR, SRV, TXT};
use serde_json::json;

use super::pods;
use crate::{Scene, Switch, manifest, names, scene::BRING_UP, workload};

const NAME: &str = "named";

/// How long a name may take to be known everywhere, or a service to be there again.
const KNOWN: Duration = Duration::from_secs(60);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    let namespace = master.namespace();
    let domain = scene.cluster.domain.clone();
    scene.step("pods on every worker, and Services of every kind that has a name", |scene| {
        pods::on_every_worker(scene)?;
        let alias = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "named-alias"},
            "spec": {"type": "ExternalName", "externalName": format!("{NAME}.{namespace}.svc.{domain}")},
        });
        let headless = json!({"clusterIP": "None"});
        let objects = [
            workload::service(NAME, workload::NAME, &[], json!({})),
            workload::service("named-headless", workload::NAME, &[], headless),
            alias,
        ];
        manifest::apply(&master, NAME, &objects)
    })?;
    scene.step("every worker is told every kind of record at the cluster's DNS address", |scene| {
        let known = Known::of(scene)?;
        scene.workers()?.iter().try_for_each(|switch| {
            scene.eventually(&format!("{} knows all names", switch.name()), KNOWN, || known.on(scene, switch))
        })
    })?;
    scene.step(
        "a pod on every worker reaches the Service by its short and by its whole name, and by its alias",
        |scene| {
            let whole = format!("{NAME}.{namespace}.svc.{domain}");
            pods::on_each_worker(scene, workload::NAME)?.iter().try_for_each(|pod| {
                [NAME, whole.as_str(), "named-alias"].into_iter().try_for_each(|name| {
                    let asked = ["exec", &pod.name, "--", "/test-pod", "ask", &format!("{name}:80")];
                    master.kubectl(&asked).with_context(|| format!("{} asks {name}", pod.name)).map(drop)
                })
            })
        },
    )?;
    scene.step("what asks for names leaves no trace in conntrack", |scene| {
        let dns = format!("dst={} ", scene.cluster.dns);
        scene.workers()?.iter().try_for_each(|switch| {
            let tracked = switch.sh("cat /proc/net/nf_conntrack 2>/dev/null || conntrack -L 2>/dev/null || true")?;
            let ours: Vec<&str> = tracked.lines().filter(|line| line.contains(&dns)).collect();
            ensure!(ours.is_empty(), "{} tracks {ours:?}", switch.name());
            Ok(())
        })
    })?;
    let known = Known::of(scene)?;
    let away = without_the_master(scene, &known);
    let back = scene.step("start the control plane, and wait until every worker is Ready", |scene| {
        scene.master()?.start_control_plane()?;
        scene.wait_until_nodes_ready(BRING_UP)
    });
    errors::both(away, back)?;
    scene.step("names are current on every worker, and the pods go", |scene| {
        scene.workers()?.iter().try_for_each(|switch| {
            scene.eventually("names are current", KNOWN, || {
                let status = status_of(switch)?;
                ensure!(status.contains(r#""names":"current""#), "{}: {status}", switch.name());
                Ok(())
            })
        })?;
        workload::stop(&scene.master()?)
    })
}

fn without_the_master(scene: &mut Scene<'_>, known: &Known) -> Result<()> {
    let workers = scene.workers_beside_master()?;
    scene.step("stop the control plane", |scene| scene.master()?.stop_control_plane())?;
    scene.step("every worker restarts its cluster-dns, goes on by what it knew, and says so", |scene| {
        workers.iter().try_for_each(|switch| {
            // It is given what it has on the flash alone.
            let run = contract::places::NAMES;
            switch.sh(&format!("systemctl stop cluster-dns; rm -rf {run}; systemctl start --no-block cluster-dns"))?;
            scene.eventually("all names are known again", KNOWN, || known.on(scene, switch))?;
            let status = status_of(switch)?;
            ensure!(status.contains(r#""names":"stale""#), "{}: {status}", switch.name());
            Ok(())
        })
    })?;
    let victim = scene.random.choice(&workers).context("there is no worker beside the master")?;
    scene.step(format!("{} is rebooted without its master, and knows every name", victim.name()), |scene| {
        victim.shut_down()?;
        victim.power_on()?;
        scene.eventually("all names are known again", BRING_UP, || known.on(scene, victim))
    })
}

fn status_of(switch: &Switch<'_>) -> Result<String> {
    let url = format!("http://127.0.0.1:{}/status", contract::ports::CLUSTER_DNS_METRICS);
    switch.exec_ok(["curl", "--silent", "--show-error", "--max-time", "5", &url])
}

/// What every worker has to say.
struct Known {
    names: Vec<(String, RecordType, Vec<String>)>,
    missing: [(String, RecordType, &'static str); 3],
}

impl Known {
    /// By what the API server has.
    fn of(scene: &Scene<'_>) -> Result<Self> {
        let (master, domain) = (scene.master()?, &scene.cluster.domain);
        let namespace = master.namespace();
        let service = master.kubectl_json(&["get", "service", NAME])?;
        let address = service["spec"]["clusterIP"].as_str().context("the Service has no address")?.to_owned();
        let backwards: Vec<&str> = address.rsplit('.').collect();
        let mut pods: Vec<String> =
            pods::on_each_worker(scene, workload::NAME)?.iter().map(|pod| pod.address.to_string()).collect();
        pods.sort();
        let below = |name: &str| format!("{name}.{namespace}.svc.{domain}.");
        let first = scene.cluster.first_service_address().to_string();
        let srv = format!("0 100 80 {}", below(NAME));
        let names = [
            (format!("kubernetes.default.svc.{domain}."), A, vec![first]),
            (below(NAME), A, vec![address.clone()]),
            (below(NAME).to_uppercase(), A, vec![address.clone()]),
            (format!("_port-0._tcp.{}", below(NAME)), SRV, vec![srv]),
            (format!("{}.in-addr.arpa.", backwards.join(".")), PTR, vec![below(NAME)]),
            (below("named-headless"), A, pods),
            (below("named-alias"), CNAME, vec![below(NAME)]),
            (format!("dns-version.{domain}."), TXT, vec!["1.1.0".to_owned()]),
            (format!("10-16-0-99.{namespace}.pod.{domain}."), A, vec!["10.16.0.99".to_owned()]),
            (format!("kube-dns.kube-system.svc.{domain}."), A, vec![scene.cluster.dns.to_string()]),
        ];
        let missing = [
            (below("none"), A, "NXDomain"),
            (below(NAME), AAAA, "NoError"),
            (format!("_port-0._udp.{}", below(NAME)), SRV, "NXDomain"),
        ];
        Ok(Self { names: names.into(), missing })
    }

    fn on(&self, scene: &Scene<'_>, switch: &Switch<'_>) -> Result<()> {
        let dns = scene.cluster.dns;
        for (name, kind, data) in &self.names {
            let data: Vec<&str> = data.iter().map(String::as_str).collect();
            names::expect(switch, dns, name, *kind, &data)?;
        }
        for (name, kind, code) in &self.missing {
            let answer = names::ask(switch, dns, name, *kind)?;
            ensure!(answer.code == *code && answer.data.is_empty(), "{} is told {answer:?} of {name}", switch.name());
        }
        Ok(())
    }
}
