//! The command line from outside: the built program, a cache of its own, and everything that a user can get wrong.

#![allow(clippy::unwrap_used)]

mod doctor;
mod full_disk;
mod handed_over;
mod help;
mod in_docker;
mod inspect;
mod killed;
mod network;
mod output;
mod plan;
mod prove;
mod release_check;
mod selection;
mod sign_dist;
mod support;
mod topo_test;
mod update;
mod words;
