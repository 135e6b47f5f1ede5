//! What `k8s-node status --json` says, as far as it is judged here.

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    pub node: String,
    /// `ready`, `starting`, `failed` or `stopped`.
    pub state: String,
    pub stages: Vec<Stage>,
    pub services: Vec<Service>,
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Stage {
    pub stage: String,
    /// `done`, `running`, `failed` or `waiting`.
    pub state: String,
    pub line: Option<String>,
    /// How long it took, where it has ended.
    pub seconds: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Service {
    pub service: String,
    /// systemd's word for it.
    pub state: String,
    pub healthy: Option<bool>,
}

impl Status {
    pub fn is_ready(&self) -> bool {
        self.state == "ready"
    }

    /// Everything that it says of what is wrong, as one text.
    pub fn complaints(&self) -> String {
        let failed = self.stages.iter().filter(|stage| stage.state == "failed");
        let lines = failed.map(|stage| format!("{}: {}", stage.stage, stage.line.as_deref().unwrap_or_default()));
        lines.chain(self.problems.iter().cloned()).collect::<Vec<_>>().join("\n")
    }
}
