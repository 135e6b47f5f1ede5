//! The API server says from afar what it is.

use anyhow::{Context, Result, ensure};

use crate::{Scenario, Scene};

pub const SCENARIO: Scenario = Scenario {
    name: "versions",
    purpose: "the API server tells every host that it is linux/386",
    needs: &["bring-up"],
    play,
};

fn play(scene: &mut Scene<'_>) -> Result<()> {
    let url = format!("{}/version", scene.cluster.api_server_url());
    for host in scene.hosts() {
        scene.step(format!("ask {url} from {}", host.name()), |_| {
            let answer = host.exec_ok(["curl", "--insecure", "--silent", "--show-error", "--max-time", "10", &url])?;
            let version: serde_json::Value = serde_json::from_str(&answer).context("the answer is no JSON")?;
            ensure!(version["platform"] == "linux/386", "the platform is not linux/386: {answer}");
            Ok(())
        })?;
    }
    Ok(())
}
