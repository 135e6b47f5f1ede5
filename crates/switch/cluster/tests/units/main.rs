//! The units of every release in recipes/ and those in rootfs/: rendered, and held against what the systemd of a switch knows.

#![allow(clippy::unwrap_used)]

mod aggregation;
mod limits;
mod rendering;
mod since;
mod support;
mod systemd_219;
mod unit_file;
mod verify;
