//! By e2fsck's own word, and by what the kernel mounts.

use std::{fs, path::Path};

use common::command::Program;

use super::*;

const ID: [u8; 16] = *b"0123456789abcdef";

fn file_of(directory: &Path, groups: u64) -> (std::path::PathBuf, File) {
    let path = directory.join("state.ext4");
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
    file.set_len(groups * GROUP).unwrap();
    (path, file)
}

/// e2fsck looks at everything, and finds nothing that it would change.
fn require_right(path: &Path) {
    Program::new("e2fsck", "check the file system").unwrap().args(["-f", "-n"]).arg(path).read().unwrap();
}

#[test]
fn e2fsck_finds_nothing_wrong_with_what_is_made_and_with_what_has_grown() {
    for groups in [1, 2, 10, 26] {
        let directory = tempfile::tempdir().unwrap();
        let (path, file) = file_of(directory.path(), groups);
        make(&file, ID, "one", 1_795_000_000).unwrap();
        require_right(&path);
        let made = Superblock::read(&file).unwrap().unwrap();
        assert_eq!((made.label().as_str(), made.uuid(), made.size()), ("one", ID, groups * GROUP));
        assert!(made.is_clean() && !made.has_errors());
        made.relabel(&file, "another").unwrap();
        file_of(directory.path(), groups + 5);
        assert!(grow(&file).unwrap());
        require_right(&path);
        let grown = Superblock::read(&file).unwrap().unwrap();
        assert_eq!((grown.label().as_str(), grown.size()), ("another", (groups + 5) * GROUP));
    }
}

/// Whatever the power is cut in, what counts is by the superblock's first sector.
#[test]
fn a_file_system_whose_growth_was_cut_off_is_the_one_from_before() {
    let directory = tempfile::tempdir().unwrap();
    let (path, file) = file_of(directory.path(), 2);
    make(&file, ID, "one", 1_795_000_000).unwrap();
    let mut before = [0; 512];
    file.read_exact_at(&mut before, 1024).unwrap();
    file_of(directory.path(), 4);
    require_right(&path);
    grow(&file).unwrap();
    file.write_all_at(&before, 1024).unwrap();
    require_right(&path);
    assert!(grow(&file).unwrap());
    require_right(&path);
}

#[test]
#[ignore = "needs root, for a loop device"]
fn the_kernel_mounts_it_and_its_journal_keeps_what_was_synced() {
    crate::test_support::in_mount_namespace(|| {
        let directory = tempfile::tempdir().unwrap();
        let (path, file) = file_of(directory.path(), 2);
        make(&file, ID, "one", 1_795_000_000).unwrap();
        let place = directory.path().join("mounted");
        fs::create_dir(&place).unwrap();
        let mount = |path: &Path| {
            let mount = Program::new("mount", "mount it").unwrap();
            mount.args(["-t", "ext4", "-o", "loop"]).arg(path).arg(&place).read().unwrap();
        };
        let unmount = || Program::new("umount", "unmount it").unwrap().arg(&place).read().map(drop).unwrap();
        mount(&path);
        let kept = place.join("kept");
        for number in 0..500 {
            fs::write(place.join(format!("file-{number}")), vec![7; 100_000]).unwrap();
        }
        fs::write(&kept, "synced").unwrap();
        File::open(&kept).unwrap().sync_all().unwrap();
        // As a power cut would leave it: what the file has at this moment.
        let cut = directory.path().join("cut.ext4");
        fs::copy(&path, &cut).unwrap();
        assert!(!Superblock::read(&File::open(&cut).unwrap()).unwrap().unwrap().is_clean());
        assert!(
            !grow(&File::options().read(true).write(true).open(&cut).unwrap()).unwrap(),
            "its journal is not empty"
        );
        unmount();
        require_right(&path);
        assert!(Superblock::read(&file).unwrap().unwrap().is_clean());
        mount(&cut);
        assert_eq!(fs::read_to_string(&kept).unwrap(), "synced");
        unmount();
        require_right(&cut);
    });
}
