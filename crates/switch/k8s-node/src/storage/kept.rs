//! The reconciler's part: the state that somebody has unmounted is mounted again. Nothing is made, and where anything else is mounted in
//! its place, that is the operator's to see to: the status says so.

use std::path::Path;

use anyhow::Result;
use contract::places;

use super::{Found, cover, look, mount};
use crate::desired::Desired;

/// The file's file system at its place, once a bring-up has brought it there.
pub struct StateMounted;

impl Desired for StateMounted {
    fn wrong(&mut self) -> Result<Vec<String>> {
        let state = Path::new(places::STATE);
        let is_away = matches!(look()?, Found::Unmounted) && cover::is_in(state) && mount::at(state)?.is_none();
        Ok(if is_away { vec![places::STATE.to_owned()] } else { Vec::new() })
    }

    fn repair(&mut self, _: &[String]) -> Result<()> {
        mount::mount(places::STATE_FILE.as_ref(), places::STATE.as_ref())
    }
}
