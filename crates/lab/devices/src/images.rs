//! The images of a test topology, made of Debian packages alone, so that no registry is needed.
//!
//! 1. A [`ImageRecipe`] is read from a directory of `docker/`: `image.toml` and a Dockerfile.
//! 2. [`base_image`] is the Debian under it: debootstrap's minimal system with the recipe's packages. Its name
//!    has a digest of what it was made from, so it is made once; one that no run has used for long is removed.
//! 3. [`ImageRecipe::build`] lets Docker build the Dockerfile on it, and does nothing where there is an image of the same
//!    inputs.
//! 4. [`choice`] says which image a device runs: the real one where it is there, else its stand-in. A lab keeps to that
//!    image's digest, and a run to the [`StandIns`] that it has made, whoever gives their names to others meanwhile.
//! 5. [`ImageRecipe::build_stages`] makes several images of one Dockerfile, and [`save`] packs such for other engines.
//! 6. [`archive`] and [`program`] are for what devices run themselves, such as the pods of a test.

pub mod archive;
mod base_image;
mod build;
mod choice;
mod engine;
pub mod program;
mod recipe;
mod stages;
mod tags;
#[cfg(test)]
mod test_image;
mod unused;

pub use self::{
    build::Built,
    choice::{Image, StandIns},
    recipe::ImageRecipe,
    stages::save,
};
pub(crate) use self::{
    build::stands_in_for,
    choice::{Choice, choose},
    engine::find,
    tags::Tags,
};
