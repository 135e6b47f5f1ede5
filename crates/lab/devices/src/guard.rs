//! A lab that is taken away however the work on it ends.

use std::ops::Deref;

use anyhow::Result;

use super::Lab;

/// Around a lab that is up.
pub struct LabGuard(Option<Lab>);

impl From<Lab> for LabGuard {
    fn from(lab: Lab) -> Self {
        LabGuard(Some(lab))
    }
}

impl LabGuard {
    pub fn down(mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), Lab::down)
    }

    /// Leaves it up.
    pub fn keep(mut self) {
        self.0.take();
    }
}

impl Deref for LabGuard {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0.as_ref().expect("the lab is there until it is taken down or left, which consumes this")
    }
}

impl Drop for LabGuard {
    fn drop(&mut self) {
        // What stays is taken away by whoever brings up this prefix next.
        if let Some(Err(error)) = self.0.take().map(Lab::down) {
            common::eprintln!("the lab stays: {error:#}");
        }
    }
}
