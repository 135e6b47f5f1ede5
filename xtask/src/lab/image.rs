//! `image`: the images of a test topology, made of Debian's packages.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use common::files;
use devices::Lab;
use devices::images::{Image, ImageRecipe, StandIns};

use crate::{progress, workspace::workspace};

#[derive(Args)]
pub struct ImageFlags {
    /// Which image
    pub which: ImageName,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ImageName {
    /// The stand-in for a 32-bit EOS switch
    Veos,
    /// The end host
    Host,
}

impl ImageFlags {
    pub fn run(self) -> Result<()> {
        make(self.which).map(drop)
    }
}

/// Makes an image unless it is there, and says which of the two it was.
pub fn make(which: ImageName) -> Result<Image> {
    Lab::check_engine()?;
    let name = which.to_possible_value().context("every image has a name")?;
    let name = name.get_name();
    let recipe = ImageRecipe::load(&workspace().join("docker").join(name))?;
    let logs = pipeline::cache::default_directory()?.join("logs");
    files::create_dir(&logs)?;
    let log = logs.join(format!("image-{name}.log"));
    let built = recipe.build(&workspace(), &log, &*progress::for_stderr())?;
    let news = if built.is_new { "made" } else { "unchanged" };
    println!("{}: {news}; it is a stand-in for {}, not the real one", recipe.tag, recipe.stands_in_for);
    Ok(built.image)
}

/// Both, as a lab needs them: the run keeps to these, whatever other runs make meanwhile.
pub fn make_all() -> Result<StandIns> {
    ImageName::value_variants().iter().copied().map(make).collect()
}
