//! Trees and archives that the user gives, and trees made of archives.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use common::{Sha256, progress::Silent};
use recipes::{Https, Origin};
use sources::{AnsweredBy, Fetched, NotThatComponent, Store, unpack};

use crate::{
    server::{Reply, Server},
    support::{archive, fetcher, https, name, source},
};

fn override_with(cache: &Path, path: &Path) -> anyhow::Result<Fetched> {
    fetcher(cache, &Silent).override_source(name("thing"), path.to_owned()).fetch(&source(Vec::new()))
}

#[test]
fn a_directory_that_is_brought_is_used_as_it_is_then() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, directory, tree) = (dir.path().join("cache"), dir.path().join("mine"), dir.path().join("tree"));
    fs::create_dir_all(directory.join(".git/objects")).unwrap();
    fs::create_dir_all(directory.join("cmd")).unwrap();
    fs::write(directory.join("go.mod"), "module thing\n").unwrap();
    fs::write(directory.join("cmd/run"), "#!").unwrap();
    fs::set_permissions(directory.join("cmd/run"), fs::Permissions::from_mode(0o700)).unwrap();
    let fetched = override_with(&cache, &directory).unwrap();
    assert_eq!(fetched.answer.by, AnsweredBy::Local);
    assert_eq!(fetched.answer.pin, format!("sha256 {}", fetched.files[0].sha256));
    fs::write(directory.join(".git/objects/x"), "a commit").unwrap();
    assert_eq!(override_with(&cache, &directory).unwrap(), fetched, "what Git keeps does not count");
    fs::write(directory.join("go.mod"), "module other\n").unwrap();
    assert_ne!(override_with(&cache, &directory).unwrap().answer.pin, fetched.answer.pin);
    unpack(&fetched, &Store::open(&cache).unwrap(), &tree).unwrap();
    assert_eq!(fs::read_to_string(tree.join("go.mod")).unwrap(), "module thing\n");
    assert_eq!(fs::metadata(tree.join("cmd/run")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(!tree.join(".git").exists());
}

#[test]
fn an_archive_that_is_brought_is_known_with_and_without_a_directory_around_it() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    for (number, files) in
        [[("thing-1.2/go.mod", "x"), ("thing-1.2/a", "y")], [("go.mod", "x"), ("a", "y")]].iter().enumerate()
    {
        let (file, tree) = (dir.path().join(format!("{number}.tgz")), dir.path().join(format!("tree{number}")));
        fs::write(&file, archive(files)).unwrap();
        let fetched = override_with(&cache, &file).unwrap();
        unpack(&fetched, &Store::open(&cache).unwrap(), &tree).unwrap();
        assert_eq!(fs::read_to_string(tree.join("a")).unwrap(), "y");
    }
}

#[test]
fn a_tree_of_something_else_is_refused_with_what_is_not_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("README"), "").unwrap();
    let file = dir.path().join("other.tar.gz");
    fs::write(&file, archive(&[("other/README", ""), ("other/deep/go.mod", "")])).unwrap();
    for path in [&other, &file] {
        let error = override_with(dir.path(), path).unwrap_err();
        let refused = error.downcast_ref::<NotThatComponent>().unwrap();
        assert_eq!((refused.component.as_str(), refused.marker.as_str(), &refused.path), ("thing", "go.mod", path));
    }
    let error = format!("{:#}", override_with(dir.path(), &dir.path().join("nothing")).unwrap_err());
    assert!(error.contains("cannot take thing from") && error.contains("No such file"), "{error}");
}

/// What comes of an archive with these files, of which `root` is desired.
fn unpacked(files: &[(&str, &str)], root: Option<&str>) -> anyhow::Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    let body = archive(files);
    let sha256 = Sha256::of_bytes(&body);
    let server = Server::start(body, &[Reply::Good]);
    let root = root.map(|root| root.to_owned().try_into().unwrap());
    let origin = Origin::Https(Https { url: server.url.clone(), sha256, root });
    let fetched = fetcher(dir.path(), &Silent).fetch(&source(vec![origin]))?;
    unpack(&fetched, &Store::open(dir.path())?, &dir.path().join("tree"))?;
    Ok(dir)
}

#[test]
fn the_one_directory_of_an_archive_is_the_tree_or_a_directory_in_it() {
    let files = [("thing-1.2/go.mod", "x"), ("thing-1.2/cmd/etcd/a", "y")];
    assert!(unpacked(&files, None).unwrap().path().join("tree/cmd/etcd/a").is_file());
    assert!(unpacked(&files, Some("cmd/etcd")).unwrap().path().join("tree/a").is_file());
    let error = format!("{:#}", unpacked(&files, Some("cmd/none")).unwrap_err());
    assert!(error.contains("there is no directory cmd/none in it"), "{error}");
}

#[test]
fn a_blob_that_was_damaged_after_fetching_is_not_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let body = archive(&[("thing/go.mod", "x")]);
    let sha256 = Sha256::of_bytes(&body);
    let server = Server::start(body, &[Reply::Good]);
    let fetched = fetcher(dir.path(), &Silent).fetch(&source(vec![https(&server.url, sha256)])).unwrap();
    let store = Store::open(dir.path()).unwrap();
    fs::write(store.path(&sha256), archive(&[("thing/go.mod", "evil")])).unwrap();
    let error = format!("{:#}", unpack(&fetched, &store, &dir.path().join("tree")).unwrap_err());
    assert!(error.contains("damaged or gone") && error.contains("run again"), "{error}");
    assert!(!dir.path().join("tree").exists() && !store.has(&sha256));
}
