//! A cache on a disk that is full, and then no longer.

use common::command::{Program, find_on_path};

use crate::support::{Place, environment, last_error, nowhere};

/// Runs `fetch` on a disk of 4 MiB with sources of 6, then gives it room and runs it again.
const SCRIPT: &str = r#"
    cache=$1; shift
    mkdir "$cache"
    mount -t tmpfs -o size=4m tmpfs "$cache"
    status=0; "$@" 2>"$cache.full" || status=$?
    [ "$status" = 1 ] || { echo "it ended with $status"; cat "$cache.full"; exit 1; }
    (cd "$cache" && find tmp partial -type f -size +0) >"$cache.left"
    ls "$cache/steps" >"$cache.steps"
    for blob in "$cache"/blobs/*; do
        [ ! -e "$blob" ] || echo "$(basename "$blob")  $blob" | sha256sum --strict --quiet -c
    done
    mount -o remount,size=40m "$cache"
    "$@"
    "$@"
    ls -A "$cache/tmp" "$cache/partial"
"#;

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_full_disk_is_named_and_with_room_the_same_command_goes_on() {
    let _stays = crate::support::program_stays();
    assert!(find_on_path("unshare").is_some(), "unshare (Debian: util-linux) is required by this test");
    let place = Place::new(&nowhere(), &nowhere());
    place.write("thing", "big", &"x".repeat(6 << 20));
    let cache = place.cache();
    let mut program = Program::new("unshare", "mount a small disk").unwrap();
    program = program.args(["--mount", "--propagation", "private", "sh", "-euc", SCRIPT, "sh"]).arg(&cache);
    program = program.arg(env!("CARGO_BIN_EXE_xtask")).args(place.fetch(&["go", "thing"]));
    for (name, value) in environment(&cache) {
        program = program.env(name, value);
    }
    let printed = program.read().unwrap_or_else(|error| panic!("{error:#}"));
    let read = |suffix: &str| std::fs::read_to_string(cache.with_extension(suffix)).unwrap();
    let error = read("full");
    let last = last_error(&error);
    assert!(last.contains("step fetch-thing failed: ") && last.contains("No space left on device"), "{error}");
    assert!(last.contains(&cache.display().to_string()), "the disk is not named: {error}");
    assert!(!read("steps").contains("fetch-thing"), "half a step is kept: {}", read("steps"));
    assert_eq!(read("left"), "", "half of something is kept");
    assert!(printed.contains("1 sources fetched, 1 were there"), "{printed}");
    assert!(printed.contains("0 sources fetched, 2 were there"), "{printed}");
    assert_eq!(
        printed.lines().filter(|line| !line.contains("sources") && !line.ends_with(':')).count(),
        1,
        "{printed}"
    );
}
