//! Stand-ins for the images that the suite wants to pull: by its own list, so that another version's is another one here.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, anyhow};
use common::{Progress, files};
use devices::{
    Device, Lab,
    images::{Image, ImageRecipe, save},
};
use serde::Deserialize;
use topology::format::DeviceKind;

/// The table beside the recipe.
const TABLE: &str = "images.toml";

/// Where a switch has the archive for a moment.
const ON_SWITCH: &str = "/tmp/conformance-images.tar";

/// What stands in for an image of the suite's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// One that was made here.
    Made(Image),
    /// What every switch has of that repository.
    OfSwitch(String),
}

/// Which of our images stands in for which of the suite's.
#[derive(Debug)]
pub struct StandIns {
    by: BTreeMap<String, By>,
    /// Those of the suite's list for which there is nothing.
    pub missing: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    stage: BTreeMap<String, String>,
    switch: BTreeMap<String, String>,
}

/// Makes what the suite's `list` wants, as far as the recipe in `directory` knows how to. `programs` are files and trees with the names
/// under which the Dockerfile copies them.
pub fn make(
    directory: &Path,
    list: &[String],
    programs: &[(PathBuf, String)],
    workspace: &Path,
    log: &Path,
    progress: &dyn Progress,
) -> Result<StandIns> {
    let table = Table::read(directory)?;
    let repositories: BTreeSet<&str> = list.iter().map(|image| repository(image)).collect();
    let stages = table.stage.iter().filter(|(of, _)| repositories.contains(of.as_str())).map(|(_, stage)| stage);
    let stages: BTreeSet<&str> = stages.map(String::as_str).collect();
    let made = ImageRecipe::load(directory)?.build_stages(workspace, programs, &stages, log, progress)?;
    table.stand_ins(list, &made)
}

/// `k8s.gcr.io/pause` of `k8s.gcr.io/pause:3.2`.
fn repository(image: &str) -> &str {
    image.rsplit_once(':').map_or(image, |(repository, _)| repository)
}

impl Table {
    fn read(directory: &Path) -> Result<Table> {
        let path = directory.join(TABLE);
        toml::from_str(&files::read_text(&path)?).with_context(|| format!("{} is wrong", path.display()))
    }

    fn stand_ins(&self, list: &[String], made: &BTreeMap<String, Image>) -> Result<StandIns> {
        let mut stand_ins = StandIns { by: BTreeMap::new(), missing: vec![] };
        for image in list {
            let repository = repository(image);
            if let Some(stage) = self.stage.get(repository) {
                let made = made.get(stage).with_context(|| format!("no image was made of the stage {stage}"))?;
                stand_ins.by.insert(image.clone(), By::Made(made.clone()));
            } else if let Some(own) = self.switch.get(repository) {
                stand_ins.by.insert(image.clone(), By::OfSwitch(own.clone()));
            } else {
                stand_ins.missing.push(image.clone());
            }
        }
        Ok(stand_ins)
    }
}

impl StandIns {
    /// For people: the suite's name, and what it is here.
    pub fn told(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by.iter().map(|(of, by)| {
            (
                of.as_str(),
                match by {
                    By::Made(image) => image.name.as_str(),
                    By::OfSwitch(repository) => repository.as_str(),
                },
            )
        })
    }

    /// Puts them into each switch's Docker, under the suite's names.
    pub fn load(&self, lab: &Lab, work: &Path, progress: &dyn Progress) -> Result<()> {
        let task = progress.start("images", common::progress::Unit::Items, None);
        let archive = work.join("images.tar");
        task.doing("packing them");
        let made = self.by.values().filter_map(|by| match by {
            By::Made(image) => Some(image.name.as_str()),
            By::OfSwitch(_) => None,
        });
        save(&made.collect::<BTreeSet<_>>(), &archive)?;
        task.doing("loading them on each switch");
        let switches: Vec<Device<'_>> = lab.devices().filter(|device| device.kind() == DeviceKind::Switch).collect();
        thread::scope(|scope| {
            let loads: Vec<_> = switches
                .iter()
                .map(|switch| scope.spawn(|| self.load_one(switch, &archive).with_context(|| switch.name().to_owned())))
                .collect();
            loads.into_iter().try_for_each(|load| load.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
        })
    }

    fn load_one(&self, switch: &Device<'_>, archive: &Path) -> Result<()> {
        switch.copy_in(archive, ON_SWITCH)?;
        switch.exec_ok(["docker", "load", "--quiet", "--input", ON_SWITCH])?;
        switch.exec_ok(["rm", ON_SWITCH])?;
        for (of, by) in &self.by {
            let own = match by {
                By::Made(image) => image.name.clone(),
                By::OfSwitch(repository) => of_switch(switch, repository)?,
            };
            switch.exec_ok(["docker", "image", "tag", &own, of])?;
        }
        Ok(())
    }
}

/// The image of that repository, whatever its tag.
fn of_switch(switch: &Device<'_>, repository: &str) -> Result<String> {
    let listed = switch.exec_ok(["docker", "image", "ls", "--quiet", repository])?;
    let found = listed.split_whitespace().next().map(str::to_owned);
    found.with_context(|| format!("Docker on {} has no image {repository}", switch.name()))
}

#[cfg(test)]
impl StandIns {
    pub(crate) fn for_tests(there: &[&str], missing: &[&str]) -> StandIns {
        let by = there.iter().map(|of| ((*of).to_owned(), By::OfSwitch("ours".to_owned())));
        StandIns { by: by.collect(), missing: missing.iter().map(|of| (*of).to_owned()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docker/conformance")
    }

    #[test]
    fn every_stage_of_the_table_is_one_of_the_dockerfile() {
        let dockerfile = std::fs::read_to_string(directory().join("Dockerfile")).unwrap();
        let stages: BTreeSet<&str> =
            dockerfile.lines().filter_map(|line| line.split_once(" AS ")).map(|(_, s)| s).collect();
        let table = Table::read(&directory()).unwrap();
        let strangers: Vec<_> = table.stage.values().filter(|stage| !stages.contains(stage.as_str())).collect();
        assert!(strangers.is_empty(), "{strangers:?}");
        ImageRecipe::load(&directory()).unwrap();
    }

    #[test]
    fn an_image_has_its_stand_in_whatever_its_tag_and_what_has_none_is_told() {
        let image = |stage: &str| Image { name: format!("ours-{stage}:1"), id: "sha256:1".into() };
        let made = BTreeMap::from(["web", "agnhost"].map(|stage| (stage.to_owned(), image(stage))));
        let list = [
            "docker.io/library/httpd:2.4.38-alpine",
            "docker.io/library/httpd:2.4.39-alpine",
            "gcr.io/k8s-authenticated-test/agnhost:2.6",
            "k8s.gcr.io/e2e-test-images/agnhost:2.21",
            "k8s.gcr.io/pause:3.2",
        ]
        .map(str::to_owned);
        let stand_ins = Table::read(&directory()).unwrap().stand_ins(&list, &made).unwrap();
        let told: Vec<_> = stand_ins.told().collect();
        assert_eq!(
            told,
            [
                (list[0].as_str(), "ours-web:1"),
                (list[1].as_str(), "ours-web:1"),
                (list[3].as_str(), "ours-agnhost:1"),
                (list[4].as_str(), "kubernetes-on-eos/pause"),
            ]
        );
        assert_eq!(stand_ins.missing, [list[2].clone()], "one that wants a password is none of ours");
        let none = Table::read(&directory()).unwrap().stand_ins(&list, &BTreeMap::new()).unwrap_err().to_string();
        assert!(none.contains("web"), "{none}");
    }
}
