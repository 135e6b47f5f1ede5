//! The PKI, judged by the real openssl and cfssl, and by what is left of it after damage, time and power cuts.

#![allow(clippy::unwrap_used)]

mod cfssl;
mod clients;
mod constrained_ca;
mod corporation;
mod damage;
mod encryption;
mod enrolment;
mod front_proxy;
mod kubeconfigs;
mod masters_names;
mod openssl;
mod operator_ca;
mod pinned_authority;
mod power_cut;
mod renewal;
mod rotation;
mod support;
mod users;
