//! What an operator has to know of, in EOS' log and in the journal.

use contract::status::Kept;

use crate::syslog::{self, Event};

pub fn repaired(kind: Kept, things: &[String]) {
    let things = things.join(", ");
    say(
        Event::Repaired,
        &format!("{kind}: {things} was changed by somebody else, and is as Kubernetes needs it again"),
    );
}

pub fn given_up(kind: Kept, thing: &str) {
    say(
        Event::GivenUp,
        &format!(
            "{kind}: {thing} was changed by somebody else after each of three repairs within ten minutes, and is left so; \
             `k8s-node resume` has it kept again"
        ),
    );
}

fn say(event: Event, text: &str) {
    println!("reconciler: {text}");
    syslog::say(event, text);
}
