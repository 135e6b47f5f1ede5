//! Executables of both architectures, and files that only look like some.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use common::Arch;
use support::program;
use swix::elf::{self, Class, Linking};

#[test]
fn a_static_program_is_accepted_for_its_own_architecture_only() {
    let i386 = program(Arch::I386, "hello");
    let found = elf::check("bin/etcd", &i386, Arch::I386).unwrap();
    assert_eq!((found.class, &found.linking, found.stripped), (Class::Bits32, &Linking::Static, true));
    let error = elf::check("bin/etcd", &program(Arch::Amd64, "hello"), Arch::I386).unwrap_err().to_string();
    assert_eq!(error, "bin/etcd is a 64-bit x86-64 program; a linux/386 one is expected");
    assert!(elf::check("bin/etcd", &i386, Arch::Amd64).is_err());
}

#[test]
fn a_program_of_this_machine_that_needs_libraries_is_refused_by_their_names() {
    let error = elf::require(Path::new("/bin/sh"), Arch::Amd64).unwrap_err().to_string();
    assert!(error.contains("/bin/sh needs the shared libraries libc.so"), "{error}");
}

#[test]
fn what_is_no_program_says_what_it_is() {
    let error = elf::check("bin/x", b"#!/bin/sh\n", Arch::I386).unwrap_err().to_string();
    assert_eq!(error, "bin/x is not an ELF file");
    let cut = &program(Arch::I386, "hello")[..60];
    assert!(elf::check("bin/x", cut, Arch::I386).unwrap_err().to_string().contains("damaged ELF file"));
    let mut object = program(Arch::I386, "hello");
    object[16] = 1;
    assert!(elf::check("bin/x", &object, Arch::I386).unwrap_err().to_string().contains("not a program"));
}
