//! Hosts connect to each other across switches that have no extension yet, and go on from then on: `transit` ends it.

use std::time::Duration;

use anyhow::Result;

use crate::{
    Scene, asymmetry,
    neighbours::{self, EndHost},
    passing::Passing,
    scenario::Impossible,
};

/// What is carried at once takes less.
const FIRST: Duration = Duration::from_secs(1);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let Some(last) = neighbours::pairs(scene.lab.topology()).pop() else {
        let why = "no two hosts are beside different switches, so that nothing passes through one";
        return Err(Impossible(why.to_owned()).into());
    };
    let [one, other] = &last;
    scene.step(format!("{} connects to {}, over TCP and UDP", one.name, other.name), |scene| begin(scene, &last))?;
    if let Some(asymmetry) = asymmetry::find(scene.lab.topology()) {
        scene.step(format!("{asymmetry}, over TCP and UDP"), |scene| {
            asymmetry.while_so(scene, |scene| begin(scene, &asymmetry.hosts))
        })?;
    }
    Ok(())
}

fn begin(scene: &mut Scene<'_>, hosts: &[EndHost; 2]) -> Result<()> {
    let passing = Passing::begin(scene, hosts)?;
    scene.long_lived.push(passing);
    scene.pause(FIRST)
}
