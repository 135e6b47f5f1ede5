//! A clock that was wrong and has been repaired. The containers have the machine's clock, which no test may set; what a switch
//! leaves on its flash while its clock is ahead is made here by the same code, told that time.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use cluster::pki;
use common::files;
use contract::{Stage, places::PKI};

use super::{BRING_UP, alone};
use crate::{Scene, state::State};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let made = tempfile::tempdir().context("cannot make a directory")?;
    let mut flash = scene.parts.flash()?;
    let key = scene.step("make the PKI of a clock that is a year ahead", |scene| {
        let all = pki::whole_cluster(made.path(), scene.cluster, None, SystemTime::now() + YEAR)?;
        let master = &scene.cluster.master().name;
        let own = all.into_iter().find(|made| made.node == *master).context("none was made for the master")?;
        for file in own.directory.read_dir().context("cannot read the PKI")? {
            let file = file?;
            let place = format!("k8s/pki/{}", file.file_name().display());
            flash = std::mem::take(&mut flash).with_file(place, file.path());
        }
        files::read(&own.directory.join("ca-key.pem"))
    })?;
    let switch = alone(scene, &flash)?;
    scene.step(
        "it becomes ready, and says of the wrong clock's certificates alone until when copies are good",
        |_| {
            let status = switch.wait_until_ready(BRING_UP)?;
            let of_copies = |remark: &String| remark.contains("copies of the one before are good until");
            ensure!(status.problems.is_empty() && status.remarks.iter().all(of_copies), "{}", status.complaints());
            ensure!(!status.remarks.is_empty(), "it says nothing of certificates that will be good in a year");
            Ok(())
        },
    )?;
    scene.step("its certificates have been issued again for the same authority", |_| {
        State::copy_of(&switch)?.check()?;
        let kept = switch.exec(["cat", &format!("{PKI}/ca-key.pem")])?.stdout;
        ensure!(kept == key, "the authority's key is another one");
        let stages = switch.status()?.stages;
        let stage = stages.into_iter().find(|stage| stage.stage == Stage::Pki.name());
        let line = stage.context("the status has no stage pki")?.record.line;
        ensure!(line.contains("renewed ") && line.contains("not valid before"), "the stage says: {line}");
        Ok(())
    })
}
