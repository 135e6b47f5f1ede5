//! The oldest Rust that this compiles with stands once, in the workspace's Cargo.toml. Clippy holds our own code to it;
//! what we depend on says what it needs.

use cargo_metadata::semver::Version;

use crate::metadata;

#[test]
fn no_dependency_needs_a_newer_rust_than_we_say() {
    let metadata = metadata().exec().unwrap();
    let ours: Vec<_> = metadata.workspace_packages();
    let version = ours[0].rust_version.clone().expect("the workspace names its Rust");
    assert!(version > Version::new(1, 85, 0), "{version}");
    for package in ours {
        assert_eq!(
            package.rust_version.as_ref(),
            Some(&version),
            "{}: write `rust-version.workspace = true`",
            package.name
        );
    }
    let newer = metadata.packages.iter().filter(|package| package.rust_version.as_ref().is_some_and(|v| *v > version));
    let newer: Vec<_> = newer.map(|package| format!("{} {}", package.name, package.version)).collect();
    assert!(newer.is_empty(), "these need a newer Rust than {version}: {newer:?}");
}
