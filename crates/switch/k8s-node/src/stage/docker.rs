//! EOS' own Docker, and the images that pods on this switch can be made of.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use common::retry::{self, Failed};
use contract::{Stage, places};

use super::{StillToCome, waiting_for};
use crate::{containers, image_archive, loaded_images, systemd};

const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(200);

pub fn docker() -> Result<String> {
    if !systemd::is_active(containers::UNIT)? {
        if !systemd::is_there(containers::UNIT)? {
            return Err(StillToCome(containers::NOT_THERE.into()).into());
        }
        systemd::start(containers::UNIT).context("Docker cannot be started: see `journalctl -u docker`")?;
    }
    let (begun, mut said) = (SystemTime::now(), String::new());
    let version = retry::until("Docker answers", LIMIT, PAUSE, || {
        containers::version().map_err(|error| {
            let what = format!("waiting for Docker: {error:#}");
            waiting_for(Stage::Docker, begun, &mut said, &what).map_or_else(Failed::Stop, |()| error.into())
        })
    })?;
    Ok(format!("Docker {version} answers"))
}

pub fn images() -> Result<String> {
    loaded_images::adopt()?;
    let (mut kept, mut loaded) = (0, Vec::new());
    for archive in archives(places::PACKED_IMAGES.as_ref())? {
        if ensure(&archive)? {
            loaded.push(file_name(&archive));
        } else {
            kept += 1;
        }
    }
    // An archive of the operator's that is broken is no reason to keep the node down. Nor is a directory that is not there, as
    // on a flash that is too full to make it.
    let mut broken = String::new();
    let mut own = Vec::new();
    for directory in [places::OWN_IMAGES, places::DROPPED_IMAGES].map(Path::new) {
        if directory.is_dir() {
            own.extend(archives(directory)?);
        }
    }
    for archive in own {
        match ensure(&archive) {
            Ok(true) => loaded.push(file_name(&archive)),
            Ok(false) => kept += 1,
            Err(error) => broken.push_str(&format!("; passed over {}: {error:#}", archive.display())),
        }
    }
    let loaded = if loaded.is_empty() { String::new() } else { format!(", loaded {}", loaded.join(", ")) };
    Ok(format!("kept {kept}{loaded}{broken}"))
}

fn archives(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut archives: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    archives.retain(|path| {
        let name = file_name(path);
        !name.starts_with('.') && [".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end))
    });
    archives.sort();
    Ok(archives)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Loads an archive where Docker does not have all of its images already; says whether it did.
fn ensure(archive: &Path) -> Result<bool> {
    let images = image_archive::images(archive)?;
    if images.is_empty() {
        bail!("there is no image with a name in it: save it by name, `docker save NAME:TAG`");
    }
    for image in &images {
        if containers::image_id(&image.tag)?.as_ref() != Some(&image.id) {
            loaded_images::load(archive, &images)?;
            return Ok(true);
        }
    }
    Ok(false)
}
