use std::sync::Arc;

use super::super::leftovers::{remove_all, remove_stale};
use super::*;
use crate::fs::{PRIVATE, with_suffix};

fn identity() -> EntityIdentity {
    EntityIdentity {
        total: Some(100),
        etag: Some("\"1\"".to_owned()),
        ..EntityIdentity::default()
    }
}

fn open(path: &Path) -> PartFile {
    PartFile::open(path, "key".to_owned(), 0, PRIVATE).unwrap()
}

fn write(file: &PartFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.write(file.generation(), offset, bytes)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn only_synced_and_intact_ranges_are_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let file = open(&path);
    file.begin(&identity(), None, &(0..100)).unwrap();
    write(&file, 0, b"abcdef").unwrap();
    write(&file, 6, b"gh").unwrap();
    write(&file, 50, b"xyz").unwrap();
    file.sync().unwrap();
    write(&file, 60, b"lost").unwrap();
    drop(file);

    let file = open(&path);
    assert_eq!(file.identity(), Some(identity()));
    assert_eq!(file.missing(0..100), [8..50, 53..100]);
    drop(file);

    // Another program, or the disk, changed a byte of the second range.
    let part = with_suffix(&path, ".part");
    let file = File::options().write(true).open(part).unwrap();
    write_all_at(&file, b"?", 51).unwrap();
    let file = open(&path);
    assert_eq!(file.resumable_bytes(), 8);
}

#[test]
fn a_part_file_of_other_content_is_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let file = open(&path);
    file.begin(&identity(), None, &(0..100)).unwrap();
    write(&file, 0, b"abc").unwrap();
    file.sync().unwrap();
    drop(file);
    let file = PartFile::open(&path, "another".to_owned(), 0, PRIVATE).unwrap();
    assert_eq!((file.identity(), file.resumable_bytes()), (None, 0));
    assert_eq!(names(folder.path()), ["a.wav.part"]);
}

#[test]
fn writes_from_before_a_restart_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let file = open(&path);
    let before = file.generation();
    file.restart().unwrap();
    file.begin(&identity(), None, &(0..100)).unwrap();
    file.write(before, 0, b"old").unwrap();
    assert_eq!(file.unsynced_bytes(), 0);
    write(&file, 0, b"new").unwrap();
    assert_eq!(file.unsynced_bytes(), 3);
}

#[test]
fn a_second_download_of_the_same_file_is_locked_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let first = open(&path);
    let error = PartFile::open(&path, "key".to_owned(), 0, PRIVATE).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(first);
    open(&path);
}

#[cfg(unix)]
#[test]
fn a_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, with_suffix(&path, ".part")).unwrap();
    assert!(PartFile::open(&path, "key".to_owned(), 0, PRIVATE).is_err());
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn only_a_complete_file_is_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let file = open(&path);
    file.begin(&identity(), None, &(0..4)).unwrap();
    write(&file, 0, b"done").unwrap();
    file.sync().unwrap();
    assert!(file.persist(5, false).is_err());
    std::fs::write(&path, "other").unwrap();
    let error = file.persist(4, false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"other");
    assert_eq!(
        names(folder.path()),
        ["a.wav", "a.wav.part", "a.wav.part.journal"]
    );
    file.persist(4, true).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"done");
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[test]
fn the_expected_digest_is_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let expected = Some(ContentHash::from_bytes([7; 32]));
    let file = open(&path);
    file.begin(&identity(), expected, &(0..100)).unwrap();
    write(&file, 0, b"abc").unwrap();
    file.sync().unwrap();
    drop(file);
    let file = open(&path);
    assert_eq!(
        (file.expected_sha256(), file.resumable_bytes()),
        (expected, 3)
    );
    file.restart().unwrap();
    assert_eq!(file.expected_sha256(), None);
}

#[test]
fn a_sync_waits_for_a_running_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = Arc::new(open(&folder.path().join("a.wav")));
    let other = file.syncing.lock();
    let waits = Arc::clone(&file);
    let waiting = std::thread::spawn(move || waits.sync().unwrap());
    std::thread::sleep(Duration::from_millis(50));
    assert!(!waiting.is_finished());
    drop(other);
    waiting.join().unwrap();
}

#[test]
fn bytes_without_a_journal_are_not_resumable_and_no_file_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let file = open(&path);
    write(&file, 0, b"abc").unwrap();
    file.sync().unwrap();
    assert_eq!(file.resumable_bytes(), 0);
    // Left behind by a killed process.
    let unfinished = with_suffix(&path, ".part.journal.new");
    std::fs::write(&unfinished, "").unwrap();
    file.discard().unwrap();
    assert!(names(folder.path()).is_empty());
    drop(file);
    let file = open(&path);
    std::fs::write(&unfinished, "").unwrap();
    file.persist(0, false).unwrap();
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[test]
fn only_synced_bytes_are_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let file = open(&folder.path().join("a.wav"));
    file.begin(&identity(), None, &(0..6)).unwrap();
    file.set_hasher(Hasher::for_comparison());
    write(&file, 3, b"def").unwrap();
    file.sync().unwrap();
    file.hash_synced(u64::MAX).unwrap();
    write(&file, 0, b"abc").unwrap();
    file.sync().unwrap();
    file.hash_synced(2).unwrap();
    file.hash_synced(u64::MAX).unwrap();
    let mut expected = Hasher::for_comparison();
    expected.update(b"abcdef");
    assert_eq!(
        file.take_hasher().finish().unwrap(),
        expected.finish().unwrap()
    );
}

#[test]
fn a_dropped_download_leaves_only_a_resumable_part_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    drop(open(&path));
    assert!(names(folder.path()).is_empty());
    let file = open(&path);
    file.begin(&identity(), None, &(0..100)).unwrap();
    write(&file, 0, b"abc").unwrap();
    drop(file);
    assert!(names(folder.path()).is_empty(), "nothing was synced");
    // A finished file is kept, and so is a part file of another download.
    let file = open(&path);
    file.persist(0, false).unwrap();
    std::fs::write(with_suffix(&path, ".part"), "").unwrap();
    drop(file);
    assert_eq!(names(folder.path()), ["a.wav", "a.wav.part"]);
    remove_stale(&path).unwrap();
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[test]
fn an_empty_part_file_is_removed_unless_it_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let file = open(&path);
    remove_stale(&path).unwrap();
    assert_eq!(names(folder.path()), ["a.wav.part"]);
    remove_all(&path).unwrap();
    assert_eq!(names(folder.path()), ["a.wav.part"]);
    drop(file);
    let file = open(&path);
    file.begin(&identity(), None, &(0..100)).unwrap();
    write(&file, 0, b"abc").unwrap();
    file.sync().unwrap();
    drop(file);
    remove_stale(&path).unwrap();
    assert_eq!(names(folder.path()), ["a.wav.part", "a.wav.part.journal"]);
    remove_all(&path).unwrap();
    assert!(names(folder.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn files_are_private_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let file = open(&path);
    file.begin(&identity(), None, &(0..100)).unwrap();
    write(&file, 0, b"abc").unwrap();
    file.sync().unwrap();
    for name in names(folder.path()) {
        let found = std::fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
    drop(file);
    let victim = folder.path().join("victim");
    let journal = with_suffix(&path, ".part.journal");
    std::fs::rename(&journal, &victim).unwrap();
    symlink(&victim, &journal).unwrap();
    let error = PartFile::open(&path, "key".to_owned(), 0, PRIVATE).unwrap_err();
    assert!(error.to_string().contains("in the way"), "{error}");
}
