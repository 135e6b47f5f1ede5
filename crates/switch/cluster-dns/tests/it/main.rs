//! The running program: asked as pods ask it, with a fake API server behind it and resolvers that do as a test wants.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod client;
mod forwarding;
mod left_to_others;
mod on_a_switch;
mod resolver;
mod restarts;
mod running;
mod services;
mod with_dig;
