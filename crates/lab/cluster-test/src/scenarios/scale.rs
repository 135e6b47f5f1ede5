//! As much as a small cluster carries: 60 pods and 200 Services on it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::kernel;
use crate::{Scene, asking, manifest, workload};

const NAME: &str = "many";
const PODS: usize = 60;
const SERVICES: usize = 200;
const LIMIT: Duration = Duration::from_secs(240);

fn objects() -> Vec<Value> {
    let service = |number| workload::service(&format!("{NAME}-{number}"), NAME, &[], json!({}));
    [workload::deployment(NAME, PODS)].into_iter().chain((1..=SERVICES).map(service)).collect()
}

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    let began = Instant::now();
    scene.step(format!("make {PODS} pods and {SERVICES} Services"), |_| manifest::create(&master, NAME, &objects()))?;
    scene.step("every pod is ready", |scene| {
        scene.eventually(&format!("{PODS} pods are ready"), LIMIT, || {
            let ready = workload::ready_pods(&master, NAME)?.len();
            ensure!(ready == PODS, "{ready} are");
            Ok(())
        })
    })?;
    scene.step("every Service answers on every worker", |scene| {
        let addresses = "--output=jsonpath={range .items[*]}{.spec.clusterIP}{\"\\n\"}{end}";
        let listed = master.kubectl(&["get", "services", "--selector=app=many", addresses])?;
        let addresses = listed.lines().map(str::parse).collect::<Result<Vec<Ipv4Addr>, _>>();
        let addresses = addresses.with_context(|| format!("not all of these are addresses:\n{listed}"))?;
        ensure!(addresses.len() == SERVICES, "there are {} Services", addresses.len());
        let all: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, 80).into()).collect();
        for switch in scene.workers()? {
            let what = format!("every Service answers on {}", switch.name());
            scene.eventually(&what, LIMIT, || asking::from_switch(&switch, &all))?;
        }
        Ok(())
    })?;
    let how = "from creating them until every pod was ready and every Service answered on every worker";
    scene.figure("200 Services and 60 pods", began.elapsed().as_secs_f64(), "s", how);
    kernel::conntrack_was_left_alone(scene)?;
    scene.step("take them away", |scene| {
        // Not one after the other: kubectl would wait for each.
        master.kubectl(&["delete", "deployments,services", "--selector=app=many", "--wait=false"])?;
        scene.eventually("nothing is left", LIMIT, || {
            let left = master.kubectl(&["get", "pods,services", "--selector=app=many", "--output=name"])?;
            ensure!(left.is_empty(), "there are yet:\n{left}");
            Ok(())
        })
    })
}
