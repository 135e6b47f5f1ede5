//! Desired rules as text, for `--print-rules` and for whoever wants to see what would be written: needs neither root nor iptables.

use std::io::{self, Write};

use super::IptablesSettings;
use super::saved::Found;
use super::state::{Spellings, State};
use super::write::Writer;
use crate::model::Model;

/// Writes what [`Iptables`](super::Iptables) would give to `iptables-restore --noflush` where there are no rules yet.
pub fn print_rules(model: &Model, settings: &IptablesSettings, out: &mut dyn Write) -> io::Result<()> {
    print_changes("", model, settings, out)
}

/// The same, where `iptables-save` prints `saved`: nothing, if that is as desired.
pub fn print_changes(saved: &str, model: &Model, settings: &IptablesSettings, out: &mut dyn Write) -> io::Result<()> {
    let (_, plan) = State::reconcile(model, settings, Found::of_text(saved), &Spellings::default());
    Writer { model, settings, plan: &plan, keep_unwanted: false }.write(out).map(drop)
}
