//! Waits until switches that found all on their flash are the nodes of one cluster.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cluster::Cluster;
use cluster_test::{
    Switch,
    scene::{BRING_UP, eventually},
};
use common::{Progress, progress::Unit};
use devices::Lab;

/// From the first switch that is ready to the last node.
const LISTED: Duration = Duration::from_secs(120);

/// Of a cluster whose nodes are named as the lab's devices. The master's own kubeconfig for administrators.
pub fn ready(lab: &Lab, cluster: &Cluster, progress: &dyn Progress) -> Result<String> {
    let task = progress.start("cluster", Unit::Items, None);
    for node in &cluster.nodes {
        task.doing(&format!("waiting for {}", node.name));
        Switch::from(lab.device(&node.name)?).wait_until_ready(BRING_UP)?;
    }
    let master = Switch::from(lab.device(&cluster.master().name)?);
    let workers = cluster.nodes.iter().filter(|node| node.worker).count();
    task.doing("waiting for the API server to list every node");
    eventually("every worker is Ready", LISTED, || {
        all_ready(&master.kubectl(&["get", "nodes", "--no-headers"])?, workers)
    })?;
    master.admin_kubeconfig().context("the master has no kubeconfig for administrators")
}

fn all_ready(listed: &str, workers: usize) -> Result<()> {
    let ready = listed.lines().filter(|line| line.split_whitespace().nth(1) == Some("Ready")).count();
    ensure!(ready == workers && listed.lines().count() == workers, "of {workers} workers these are nodes:\n{listed}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_not_ready_or_not_there_is_waited_for() {
        let listed = "veos-b   Ready   <none>   2m   v1.20.2\nveos-l1   NotReady   <none>   1m   v1.20.2\n";
        assert!(all_ready(listed, 2).is_err());
        assert!(all_ready(&listed.replace("NotReady", "Ready"), 3).is_err());
        all_ready(&listed.replace("NotReady", "Ready"), 2).unwrap();
    }
}
