//! An image for another engine, as `docker save` writes it: for that this machine's engine has to have it for a moment.

use std::path::Path;

use anyhow::{Context, Result};
use common::command::Program;

use super::engine;
use crate::lock;

/// Writes an image of that name to `archive`, made of a root that tar has packed and changed by a line of a Dockerfile.
/// One that has the name on this machine has it afterwards, too.
pub fn write(root: &Path, change: &str, name: &str, archive: &Path) -> Result<()> {
    let _alone = lock::of_images(|_| {})?;
    let before = engine::find(name)?;
    let import = Program::new("docker", "make the image")?.args(["import", "--change", change]);
    let id = import.arg(root).arg(name).read()?.trim().to_owned();
    let saved = Program::new("docker", "save the image")?.args(["save", "--output"]).arg(archive).arg(name).read();
    match before {
        Some(before) => engine::tag(&before.id, name)?,
        None => engine::untag(name, &id)?,
    }
    // With its name it may have gone already.
    if engine::find(&id)?.is_some_and(|made| made.names().is_empty()) {
        Program::new("docker", "remove the image")?.args(["image", "rm", &id]).read()?;
    }
    saved.map(drop).with_context(|| format!("cannot write {}", archive.display()))
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;
    use crate::images::test_image::TestImage;

    #[test]
    #[ignore = "needs root and a Docker engine"]
    fn runs_that_write_an_image_of_one_name_at_once_each_have_it_and_whose_name_it_was_keeps_it() {
        let name = format!("kubernetes-on-eos/test-archive:{}", std::process::id());
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let pack = |number: u8| {
            let (file, root) = (place.join(format!("file-{number}")), place.join(format!("root-{number}.tar")));
            std::fs::write(&file, [number]).unwrap();
            let tar = Program::new("tar", "pack it").unwrap().arg("-cf").arg(&root).arg("-C").arg(place);
            tar.arg(file.file_name().unwrap()).read().unwrap();
            root
        };
        let roots = [0, 1, 2, 3].map(pack);
        let begin = Barrier::new(roots.len());
        let write_all = || {
            thread::scope(|scope| {
                for (number, root) in roots.iter().enumerate() {
                    let (name, begin) = (&name, &begin);
                    scope.spawn(move || {
                        let archive = place.join(format!("{number}.tar"));
                        begin.wait();
                        write(root, "ENTRYPOINT [\"/file\"]", name, &archive).unwrap();
                        let archive = std::fs::read(&archive).unwrap();
                        let has = |text: &str| archive.windows(text.len()).any(|bytes| bytes == text.as_bytes());
                        assert!(has(name) && has(&format!("file-{number}")), "{number}");
                    });
                }
            });
        };
        write_all();
        assert_eq!(engine::find(&name).unwrap(), None);
        let before = TestImage::new(&name, "LABEL test=true");
        write_all();
        assert_eq!(engine::find(&name).unwrap().map(|found| found.id).as_ref(), Some(&before.id));
    }
}
