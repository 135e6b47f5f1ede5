//! Each trait on the bare stand-in, without the product, so that none certifies itself.

mod boot;
mod command_line;
mod docker;
mod network;
mod tools;
