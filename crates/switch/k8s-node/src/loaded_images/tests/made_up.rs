//! With a Docker that is made up: it keeps ids and names as Docker does, and refuses what it is told to refuse.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::bail;

use super::*;

#[derive(Default)]
struct MadeUp {
    ids: RefCell<BTreeSet<String>>,
    names: RefCell<BTreeMap<String, String>>,
    used: BTreeSet<String>,
    /// The name or id that it does nothing with.
    refused: Option<String>,
    /// What the next archive has.
    archive: RefCell<Vec<Image>>,
}

impl MadeUp {
    fn check(&self, name: &str) -> Result<()> {
        if self.refused.as_deref() == Some(name) {
            bail!("Docker is made to fail at {name}");
        }
        Ok(())
    }

    /// What `docker image ls` would say, with ids that have no name.
    fn listed(&self) -> String {
        let names = self.names.borrow();
        let nameless = self
            .ids
            .borrow()
            .iter()
            .filter(|id| !names.values().any(|named| named == *id))
            .cloned()
            .collect::<Vec<_>>();
        names.iter().map(|(name, id)| format!("{name}={id}")).chain(nameless).collect::<Vec<_>>().join(" ")
    }
}

impl Images for MadeUp {
    fn id(&self, name: &str) -> Result<Option<String>> {
        self.check(name)?;
        let id = self.ids.borrow().get(name).cloned();
        Ok(id.or_else(|| self.names.borrow().get(name).cloned()))
    }

    fn names_of(&self, id: &str) -> Result<usize> {
        Ok(self.names.borrow().values().filter(|named| *named == id).count())
    }

    fn is_used(&self, id: &str) -> Result<bool> {
        Ok(self.used.contains(id))
    }

    fn load(&self, _: &Path) -> Result<()> {
        for Image { tag, id } in self.archive.borrow().iter() {
            self.ids.borrow_mut().insert(id.clone());
            self.names.borrow_mut().insert(tag.clone(), id.clone());
        }
        Ok(())
    }

    fn give_name(&self, id: &str, name: &str) -> Result<()> {
        self.names.borrow_mut().insert(name.to_owned(), id.to_owned());
        Ok(())
    }

    fn remove_name(&self, name: &str) -> Result<()> {
        let id = self.names.borrow_mut().remove(name).expect("there is such a name");
        if self.names_of(&id)? == 0 {
            self.ids.borrow_mut().remove(&id);
        }
        Ok(())
    }

    fn remove_nameless(&self, id: &str) -> Result<()> {
        assert!(self.ids.borrow_mut().remove(id));
        Ok(())
    }
}

/// A Docker and the record among its data.
struct Switch {
    docker: MadeUp,
    data: tempfile::TempDir,
}

impl Switch {
    /// `NAME=ID`s, and ids without a name.
    fn with(before: &str) -> Self {
        let docker = MadeUp::default();
        for image in before.split_whitespace() {
            let (name, id) = image.split_once('=').map_or((None, image), |(name, id)| (Some(name), id));
            docker.ids.borrow_mut().insert(id.to_owned());
            if let Some(name) = name {
                docker.give_name(id, name).unwrap();
            }
        }
        Switch { docker, data: tempfile::tempdir().unwrap() }
    }

    fn record(&self) -> PathBuf {
        self.data.path().join(RECORD)
    }

    /// Loads an archive with these, `NAME=ID`.
    fn load(&self, archive: &str) -> String {
        let images = archive.split_whitespace().map(|image| image.split_once('=').unwrap());
        let images: Vec<Image> = images.map(|(tag, id)| Image { tag: tag.into(), id: id.into() }).collect();
        self.docker.archive.replace(images.clone());
        load_into(&self.docker, "archive".as_ref(), &images, &self.record()).unwrap();
        self.docker.listed()
    }

    fn remove(&self) -> Result<String> {
        remove_all_from(&self.docker, &self.record())?;
        Ok(self.docker.listed())
    }
}

#[test]
fn a_name_that_an_archive_took_is_given_back_and_the_archive_s_image_goes() {
    let switch = Switch::with("web:1=theirs");
    assert_eq!(switch.load("web:1=ours web:2=ours"), "web:1=ours web:2=ours theirs");
    // A bring-up that begins again.
    switch.load("web:1=ours web:2=ours");
    assert_eq!(switch.remove().unwrap(), "web:1=theirs");
    assert!(!switch.record().exists());
    assert_eq!(switch.remove().unwrap(), "web:1=theirs");
}

#[test]
fn it_is_given_back_to_whom_it_was_the_operator_s_through_all_archives() {
    let switch = Switch::with("web:1=theirs");
    switch.load("web:1=first");
    assert_eq!(switch.load("web:1=second"), "web:1=second first theirs");
    assert_eq!(switch.remove().unwrap(), "web:1=theirs");
    // The name itself was removed between two loads.
    switch.load("web:1=first");
    switch.docker.remove_name("web:1").unwrap();
    switch.load("web:1=first");
    assert_eq!(switch.remove().unwrap(), "web:1=theirs");
}

#[test]
fn an_image_that_docker_had_stays_and_loses_but_the_name_that_an_archive_gave_it() {
    let switch = Switch::with("other:1=known web:1=theirs nameless");
    switch.load("web:1=known new:1=known last:1=nameless");
    assert_eq!(
        switch.remove().unwrap(),
        "last:1=nameless other:1=known web:1=theirs",
        "its only name is not taken away"
    );
}

#[test]
fn what_others_have_done_since_stays() {
    let mut switch = Switch::with("web:1=theirs");
    switch.load("web:1=ours dns:1=used kept:1=named");
    switch.docker.used.insert("used".into());
    switch.docker.give_name("named", "operator:1").unwrap();
    // It has given web:1 to something else.
    switch.docker.ids.borrow_mut().insert("newest".into());
    switch.docker.give_name("newest", "web:1").unwrap();
    assert_eq!(switch.remove().unwrap(), "dns:1=used operator:1=named web:1=newest theirs");
}

#[test]
fn a_name_goes_where_the_image_is_gone_that_had_it_and_back_where_ours_is_used() {
    let mut switch = Switch::with("web:1=gone dns:1=theirs");
    switch.load("web:1=ours dns:1=used");
    switch.docker.ids.borrow_mut().remove("gone");
    switch.docker.used.insert("used".into());
    assert_eq!(switch.remove().unwrap(), "dns:1=theirs used");
}

#[test]
fn one_that_docker_fails_at_is_named_and_the_others_go() {
    let mut switch = Switch::with("web:1=theirs");
    switch.load("first:1=first web:1=ours last:1=last");
    switch.docker.refused = Some("first:1".into());
    let error = format!("{:#}", switch.remove().unwrap_err());
    assert_eq!(error, "the name first:1: Docker is made to fail at first:1");
    assert_eq!(switch.docker.listed(), "first:1=first web:1=theirs");
    switch.docker.refused = None;
    assert_eq!(switch.remove().unwrap(), "web:1=theirs");
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_nothing_is_removed() {
    let switch = Switch::with("web:1=theirs");
    fs::write(switch.record(), "{").unwrap();
    let error = format!("{:#}", switch.remove().unwrap_err());
    assert!(error.contains(&format!("{} does not say which images were loaded", switch.record().display())), "{error}");
    assert_eq!(switch.docker.listed(), "web:1=theirs");
}

#[test]
fn what_an_earlier_release_has_recorded_in_memory_is_not_forgotten_by_an_upgrade() {
    let switch = Switch::with("web:1=theirs dns:1=ours dns:2=ours loose");
    let before = switch.data.path().join("run-images");
    fs::write(&before, "ours dns:1\nours dns:2\n").unwrap();
    switch.load("web:1=newer");
    adopt_into(&switch.record(), &before).unwrap();
    assert!(!before.exists(), "it is taken over once");
    assert_eq!(switch.remove().unwrap(), "web:1=theirs loose");
}
