//! The verbs for those who work on the project.

mod doctor;
mod release_check;
#[cfg(feature = "lab")]
mod test;

pub use self::{doctor::Doctor, release_check::ReleaseCheck};
#[cfg(feature = "lab")]
pub use self::{doctor::runs_linux_386, test::TestFlags};
