//! Services as rules: a pure function from the model to text, spelled as `iptables-save` prints it back, so that comparing rules is comparing text.

mod chains;
mod port;
mod rule;
mod shared;

pub use chains::chains;
pub use port::ports;
pub use shared::{Lines, head_and_tail, jump, lines};
