//! The verbs for those who work on the project.

mod doctor;
#[cfg(feature = "lab")]
mod test;

pub use self::doctor::Doctor;
#[cfg(feature = "lab")]
pub use self::{doctor::runs_linux_386, test::Test};
