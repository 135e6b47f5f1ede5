//! The images of a test topology, made of Debian packages alone, so that no registry is needed.
//!
//! 1. A [`ImageRecipe`] is read from a directory of `docker/`: `image.toml` and a Dockerfile.
//! 2. [`base_image`] is the Debian under it: debootstrap's minimal system with the recipe's packages. Its name
//!    has a digest of what it was made from, so it is made once.
//! 3. [`ImageRecipe::build`] lets Docker build the Dockerfile on it, and does nothing where the image that bears
//!    the name was made from the same inputs.
//! 4. [`choose`] says which image a device runs: the real one where it is there, else its stand-in.

mod base_image;
mod build;
mod choice;
pub mod program;
mod recipe;

pub use self::{
    build::{Built, stands_in_for},
    choice::{Choice, Tags, choose},
    recipe::ImageRecipe,
};
