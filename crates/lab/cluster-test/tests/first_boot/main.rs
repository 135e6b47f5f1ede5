//! The SWIX in `$KOE_DIST` on labs of stand-ins for EOS: this is not EOS. Run by `cargo xtask test`, one after another,
//! because each lab takes the whole machine; `long` only with `--long`.

#![allow(clippy::unwrap_used)]

mod clock;
mod damage;
mod flash;
mod long;
mod one_switch;
mod power;
mod support;
mod three_switches;
mod uninstall;
