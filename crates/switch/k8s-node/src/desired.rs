//! What a switch has to have for as long as it is a node. There is one description of it: a stage of the bring-up makes it so, and the
//! reconciler keeps it so.

use std::time::Duration;

use anyhow::Result;
use common::lock::{After, Lock};
use contract::{places, status::Kept};

/// Longer than a command line of EOS may take for a route of each of many nodes.
const TURN: Duration = Duration::from_secs(10 * 60);

/// Things of one kind, each with a name.
pub trait Desired: Send {
    /// Those that are not as they have to be.
    fn wrong(&mut self) -> Result<Vec<String>>;

    /// Makes these as they have to be.
    fn repair(&mut self, things: &[String]) -> Result<()>;

    /// Makes all of them so; says which ones were not.
    fn ensure(&mut self) -> Result<Vec<String>> {
        let wrong = self.wrong()?;
        if !wrong.is_empty() {
            self.repair(&wrong)?;
        }
        Ok(wrong)
    }

    /// Whether others are known to do this to it whenever they start: it is put right, and neither counted nor told of.
    fn is_usual(&self, _thing: &str) -> bool {
        false
    }

    /// False where it can be told without a look that nothing has changed since the last one.
    fn may_have_changed(&mut self) -> bool {
        true
    }
}

/// Nobody else makes or repairs things of this kind meanwhile.
pub fn turn(kind: Kept) -> Result<Lock> {
    common::files::create_dir(places::KEPT.as_ref())?;
    let file = std::path::Path::new(places::KEPT).join(kind.name());
    Lock::acquire_within(&file, After::Stays, TURN, &format!("the {kind} can be looked at"), |_| {})
}
