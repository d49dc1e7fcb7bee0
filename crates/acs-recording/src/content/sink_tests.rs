use super::super::disk::PRIVATE;
use super::*;

fn identity() -> Identity {
    Identity {
        total: Some(100),
        tag: Some("\"1\"".to_owned()),
        ..Identity::default()
    }
}

fn open(path: &Path) -> Sink {
    Sink::open(path, "key".to_owned(), 0, PRIVATE).unwrap()
}

fn put(sink: &Sink, at: u64, bytes: &[u8]) -> io::Result<()> {
    sink.write(sink.generation(), at, bytes)
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
fn what_was_synced_is_believed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sink = open(&path);
    sink.begin(&identity(), Announced::default(), &(0..100))
        .unwrap();
    put(&sink, 0, b"abcdef").unwrap();
    put(&sink, 6, b"gh").unwrap();
    put(&sink, 50, b"xyz").unwrap();
    sink.sync().unwrap();
    put(&sink, 60, b"lost").unwrap();
    drop(sink);

    let sink = open(&path);
    assert_eq!(sink.identity(), Some(identity()));
    assert_eq!(sink.missing(0..100), [8..50, 53..100]);
    drop(sink);

    // Another program, or a disk, changed a byte of the second record.
    let part = with_suffix(&path, ".part");
    let file = File::options().write(true).open(part).unwrap();
    write_all_at(&file, b"?", 51).unwrap();
    let sink = open(&path);
    assert_eq!(sink.kept(), 8);
}

#[test]
fn other_content_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sink = open(&path);
    sink.begin(&identity(), Announced::default(), &(0..100))
        .unwrap();
    put(&sink, 0, b"abc").unwrap();
    sink.sync().unwrap();
    drop(sink);
    let sink = Sink::open(&path, "another".to_owned(), 0, PRIVATE).unwrap();
    assert_eq!((sink.identity(), sink.kept()), (None, 0));
    assert_eq!(names(folder.path()), ["a.wav.part"]);
}

#[test]
fn bytes_on_their_way_do_not_arrive_after_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sink = open(&path);
    let before = sink.generation();
    sink.start_over().unwrap();
    sink.begin(&identity(), Announced::default(), &(0..100))
        .unwrap();
    sink.write(before, 0, b"old").unwrap();
    assert_eq!(sink.unsynced(), 0);
    put(&sink, 0, b"new").unwrap();
    assert_eq!(sink.unsynced(), 3);
}

#[test]
fn one_downloads_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let first = open(&path);
    let error = Sink::open(&path, "key".to_owned(), 0, PRIVATE).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(first);
    open(&path);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_way_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, with_suffix(&path, ".part")).unwrap();
    assert!(Sink::open(&path, "key".to_owned(), 0, PRIVATE).is_err());
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn the_name_comes_last_and_only_to_what_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sink = open(&path);
    sink.begin(&identity(), Announced::default(), &(0..4))
        .unwrap();
    put(&sink, 0, b"done").unwrap();
    sink.sync().unwrap();
    assert!(sink.finish(5, false).is_err());
    std::fs::write(&path, "other").unwrap();
    let error = sink.finish(4, false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"other");
    assert_eq!(
        names(folder.path()),
        ["a.wav", "a.wav.part", "a.wav.part.journal"]
    );
    sink.finish(4, true).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"done");
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[test]
fn announced_checksums_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let announced = Announced {
        sha256: Some([7; 32]),
        md5: None,
    };
    let sink = open(&path);
    sink.begin(&identity(), announced, &(0..100)).unwrap();
    put(&sink, 0, b"abc").unwrap();
    sink.sync().unwrap();
    drop(sink);
    let sink = open(&path);
    assert_eq!((sink.announced(), sink.kept()), (announced, 3));
    sink.start_over().unwrap();
    assert_eq!(sink.announced(), Announced::default());
}

/// What one is about to sync counts when another has synced.
#[test]
fn who_syncs_waits_for_others_who_do() {
    let folder = tempfile::tempdir().unwrap();
    let sink = std::sync::Arc::new(open(&folder.path().join("a.wav")));
    let other = sink.syncing.lock();
    let waits = std::sync::Arc::clone(&sink);
    let waiting = std::thread::spawn(move || waits.sync().unwrap());
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!waiting.is_finished());
    drop(other);
    waiting.join().unwrap();
}

#[test]
fn what_no_journal_tells_of_is_not_kept_and_nothing_stays_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sink = open(&path);
    put(&sink, 0, b"abc").unwrap();
    sink.sync().unwrap();
    assert_eq!(sink.kept(), 0);
    // A process that was killed left it.
    let unfinished = with_suffix(&path, ".part.journal.new");
    std::fs::write(&unfinished, "").unwrap();
    sink.discard().unwrap();
    assert!(names(folder.path()).is_empty());
    drop(sink);
    let sink = open(&path);
    std::fs::write(&unfinished, "").unwrap();
    sink.finish(0, false).unwrap();
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[test]
fn checksums_follow_what_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let sink = open(&folder.path().join("a.wav"));
    sink.begin(&identity(), Announced::default(), &(0..6))
        .unwrap();
    sink.hash_with(Hasher::for_comparison());
    put(&sink, 3, b"def").unwrap();
    sink.sync().unwrap();
    sink.hash(u64::MAX).unwrap();
    put(&sink, 0, b"abc").unwrap();
    sink.sync().unwrap();
    sink.hash(2).unwrap();
    sink.hash(u64::MAX).unwrap();
    let mut expected = Hasher::for_comparison();
    expected.update(b"abcdef");
    assert_eq!(
        sink.take_hasher().finish().unwrap(),
        expected.finish().unwrap()
    );
}

#[test]
fn what_is_dropped_leaves_only_what_can_be_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    drop(open(&path));
    assert!(names(folder.path()).is_empty());
    let sink = open(&path);
    sink.begin(&identity(), Announced::default(), &(0..100))
        .unwrap();
    put(&sink, 0, b"abc").unwrap();
    drop(sink);
    assert!(names(folder.path()).is_empty(), "nothing is certain");
    // A file that was finished stays, and so does another's under the same name.
    let sink = open(&path);
    sink.finish(0, false).unwrap();
    std::fs::write(with_suffix(&path, ".part"), "").unwrap();
    drop(sink);
    assert_eq!(names(folder.path()), ["a.wav", "a.wav.part"]);
    tidy(&path).unwrap();
    assert_eq!(names(folder.path()), ["a.wav"]);
}

/// One that waits for the file of another finds it finished.
#[test]
fn an_empty_file_is_only_tidied_up_if_nobody_writes_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sink = open(&path);
    tidy(&path).unwrap();
    assert_eq!(names(folder.path()), ["a.wav.part"]);
    clear(&path).unwrap();
    assert_eq!(names(folder.path()), ["a.wav.part"]);
    drop(sink);
    let sink = open(&path);
    sink.begin(&identity(), Announced::default(), &(0..100))
        .unwrap();
    put(&sink, 0, b"abc").unwrap();
    sink.sync().unwrap();
    drop(sink);
    tidy(&path).unwrap();
    assert_eq!(names(folder.path()), ["a.wav.part", "a.wav.part.journal"]);
    clear(&path).unwrap();
    assert!(names(folder.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn files_are_private_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sink = open(&path);
    sink.begin(&identity(), Announced::default(), &(0..100))
        .unwrap();
    put(&sink, 0, b"abc").unwrap();
    sink.sync().unwrap();
    for name in names(folder.path()) {
        let found = std::fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
    drop(sink);
    let victim = folder.path().join("victim");
    let journal = with_suffix(&path, ".part.journal");
    std::fs::rename(&journal, &victim).unwrap();
    symlink(&victim, &journal).unwrap();
    let error = Sink::open(&path, "key".to_owned(), 0, PRIVATE).unwrap_err();
    assert!(error.to_string().contains("in the way"), "{error}");
}
